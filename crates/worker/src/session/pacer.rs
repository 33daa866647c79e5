//! When a realtime source's next frame is due, from its timestamps.
//! It computes; whoever asks does the waiting.

use std::time::{Duration, Instant};

/// Longest wait between two frames: a larger jump in the timestamps is taken as a cut, not as a pause.
const LONGEST_GAP: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
pub(crate) struct Pacer(Option<Last>);

#[derive(Debug, Clone, Copy)]
struct Last {
    seconds: f64,
    due: Instant,
}

impl Pacer {
    /// When the frame with this timestamp is due. The first one, one without a timestamp and one that goes back in
    /// time are due at once; a frame that is already late keeps its due time, so that the source catches up.
    pub(crate) fn due(&mut self, seconds: Option<f64>, now: Instant) -> Instant {
        let Some(seconds) = seconds.filter(|seconds| seconds.is_finite()) else {
            return now;
        };
        let due = match self.0 {
            Some(last) if seconds >= last.seconds => {
                match Duration::try_from_secs_f64(seconds - last.seconds) {
                    Ok(gap) if gap <= LONGEST_GAP => last.due + gap,
                    _ => now,
                }
            }
            _ => now,
        };
        self.0 = Some(Last { seconds, due });
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_due_at_their_timestamps() {
        let start = Instant::now();
        let mut pacer = Pacer::default();
        assert_eq!(pacer.due(Some(10.0), start), start);
        let late = start + Duration::from_secs(3);
        assert_eq!(
            pacer.due(Some(10.5), late),
            start + Duration::from_millis(500)
        );
        assert_eq!(pacer.due(Some(11.0), late), start + Duration::from_secs(1));
    }

    #[test]
    fn hostile_timestamps_never_make_it_wait_long() {
        let now = Instant::now();
        let mut pacer = Pacer::default();
        for seconds in [0.0, 1e18, -1e18, f64::NAN, f64::INFINITY, 1e300, 5.0, 4.0] {
            assert_eq!(pacer.due(Some(seconds), now), now, "{seconds}");
        }
        assert_eq!(pacer.due(None, now), now);
        assert!(pacer.due(Some(9.0), now) <= now + LONGEST_GAP);
    }
}
