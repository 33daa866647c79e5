//! Holding a source that delivers as fast as it is read to its own timestamps.
//! Not a clock: it is told the time.

use std::time::{Duration, Instant};

/// A reader this far behind is not caught up with: the source goes on from there, as a camera would.
const MOST_BEHIND: Duration = Duration::from_millis(500);

/// A step over this is a jump of the timestamps, not a pause worth waiting for.
const LONGEST_STEP: Duration = Duration::from_secs(5);

/// Says when a frame is due.
#[derive(Debug, Default)]
pub(super) struct Pacer {
    last: Option<(Instant, f64)>,
}

impl Pacer {
    /// When the frame with this timestamp is due, seen `now`. Never later than five seconds from the frame before.
    pub(super) fn due(&mut self, now: Instant, seconds: f64) -> Instant {
        let due = match self.last {
            Some((before, at)) => Duration::try_from_secs_f64(seconds - at)
                .ok()
                .filter(|&step| step <= LONGEST_STEP)
                .map_or(now, |step| before + step),
            None => now,
        };
        let due = if now.saturating_duration_since(due) > MOST_BEHIND {
            now
        } else {
            due
        };
        self.last = Some((due, seconds));
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn frames_are_due_by_their_timestamps_however_fast_they_are_read() {
        let start = Instant::now();
        let mut pacer = Pacer::default();
        for frame in 0..300u32 {
            let due = pacer.due(start, 7.0 + f64::from(frame) / 30.0);
            let wanted = start + Duration::from_secs_f64(f64::from(frame) / 30.0);
            assert!(due.max(wanted) - due.min(wanted) < Duration::from_micros(1));
        }
    }

    #[test]
    fn a_late_reader_catches_up_a_little_and_then_goes_on_from_where_it_is() {
        let start = Instant::now();
        let mut pacer = Pacer::default();
        assert_eq!(pacer.due(start, 0.0), start);
        assert_eq!(pacer.due(start + millis(140), 0.1), start + millis(100));
        let late = start + millis(900);
        assert_eq!(pacer.due(late, 0.2), late);
        assert_eq!(pacer.due(late, 0.325), late + millis(125));
    }

    #[test]
    fn timestamps_that_jump_either_way_cost_no_waiting() {
        let start = Instant::now();
        let mut pacer = Pacer::default();
        for seconds in [0.0, 3600.0, 1.0, f64::NAN, 2.0] {
            assert_eq!(pacer.due(start, seconds), start);
        }
    }
}
