//! Which timestamp each picture of an mp4 gets: the source's where it can, strictly increasing always.
//! Not encoding.

use crate::timing::{TimeBase, Timing};

/// First timestamps up to this are kept as they are. Beyond it the source's clock starts somewhere else, as live clocks
/// do, and a player would show nothing for that long: the video is moved to start at 0.
const MAX_START_SECONDS: f64 = 60.0;

/// A longer step forward is a break in the source's clock, not a picture that lasts this long.
const MAX_GAP_SECONDS: f64 = 3600.0;

/// Turns the timing of frames into the ticks of one track.
#[derive(Debug)]
pub(super) struct Clock {
    time_base: TimeBase,
    /// Ticks from one frame to the next where the source does not say.
    step: i64,
    /// Added to the source's timestamps.
    shift: i64,
    last: Option<i64>,
    adjusted: u64,
}

impl Clock {
    /// A clock for a video whose first frame has the given timing. `fps` is used where timestamps are missing.
    pub(super) fn new(first: Timing, fps: f64) -> Clock {
        // Coarser than the frame rate would lose frames; finer than a microsecond does not fit the file format.
        let usable = first.pts.is_some()
            && first.time_base.den <= 1_000_000
            && first.time_base.as_f64() <= 1.0 / fps.max(1.0) * 2.0;
        let time_base = if usable {
            first.time_base
        } else {
            TimeBase::RTP_VIDEO
        };
        let step = ((1.0 / fps / time_base.as_f64()).round() as i64).max(1);
        Clock {
            time_base,
            step,
            shift: 0,
            last: None,
            adjusted: 0,
        }
    }

    pub(super) fn time_base(&self) -> TimeBase {
        self.time_base
    }

    /// Frames whose timestamp was missing, not increasing or far off.
    pub(super) fn adjusted(&self) -> u64 {
        self.adjusted
    }

    /// The ticks for the next frame.
    pub(super) fn next(&mut self, timing: Timing) -> i64 {
        let wanted = timing
            .pts
            .map(|pts| timing.time_base.rescale(pts, self.time_base));
        let gap = (MAX_GAP_SECONDS / self.time_base.as_f64()) as i64;
        let ticks = match (self.last, wanted) {
            (None, Some(first)) => {
                let start = (MAX_START_SECONDS / self.time_base.as_f64()) as i64;
                let kept = (0..=start).contains(&first);
                self.shift = if kept { 0 } else { first.saturating_neg() };
                if kept { first } else { 0 }
            }
            (None, None) => {
                self.adjusted += 1;
                0
            }
            (Some(last), Some(wanted)) => {
                let shifted = wanted.saturating_add(self.shift);
                let step_forward = shifted.saturating_sub(last);
                if (1..=gap).contains(&step_forward) {
                    shifted
                } else {
                    self.adjusted += 1;
                    let ticks = last.saturating_add(if step_forward > gap { self.step } else { 1 });
                    if step_forward > gap || step_forward < -gap {
                        // The source's clock jumped: later frames follow from here.
                        self.shift = ticks.saturating_sub(wanted);
                    }
                    ticks
                }
            }
            (Some(last), None) => {
                self.adjusted += 1;
                last.saturating_add(self.step)
            }
        };
        self.last = Some(ticks);
        ticks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLIS: TimeBase = TimeBase { num: 1, den: 1000 };

    fn run(fps: f64, pts: &[Option<i64>]) -> (Vec<i64>, u64) {
        let timings: Vec<Timing> = pts
            .iter()
            .map(|&pts| Timing {
                pts,
                time_base: MILLIS,
            })
            .collect();
        let mut clock = Clock::new(timings[0], fps);
        (
            timings.iter().map(|&timing| clock.next(timing)).collect(),
            clock.adjusted(),
        )
    }

    #[test]
    fn the_source_s_own_times_are_kept_however_uneven() {
        let uneven = [Some(40), Some(73), Some(1500), Some(1501), Some(9000)];
        assert_eq!(run(25.0, &uneven), (vec![40, 73, 1500, 1501, 9000], 0));
    }

    #[test]
    fn missing_times_follow_the_frame_rate() {
        assert_eq!(
            run(25.0, &[Some(0), None, None, Some(120)]),
            (vec![0, 40, 80, 120], 2)
        );
        // Without any timestamp the 90 kHz clock is used.
        assert_eq!(run(25.0, &[None, None]), (vec![0, 3600], 2));
    }

    #[test]
    fn times_that_do_not_increase_are_moved_by_one_tick() {
        assert_eq!(
            run(25.0, &[Some(10), Some(10), Some(5), Some(50)]),
            (vec![10, 11, 12, 50], 2)
        );
    }

    #[test]
    fn negative_and_far_starts_become_zero() {
        assert_eq!(
            run(25.0, &[Some(-80), Some(-40), Some(0)]),
            (vec![0, 40, 80], 0)
        );
        assert_eq!(
            run(25.0, &[Some(7_200_000), Some(7_200_040)]),
            (vec![0, 40], 0)
        );
        assert_eq!(
            run(25.0, &[Some(60_000), Some(60_040)]),
            (vec![60_000, 60_040], 0)
        );
    }

    #[test]
    fn a_jump_of_the_source_s_clock_does_not_tear_a_hole() {
        let jump = [
            Some(0),
            Some(40),
            Some(50_000_000),
            Some(50_000_040),
            Some(80),
            Some(120),
        ];
        assert_eq!(run(25.0, &jump), (vec![0, 40, 80, 120, 121, 161], 2));
        let extremes = [
            Some(i64::MIN),
            Some(i64::MAX),
            Some(i64::MIN),
            None,
            Some(0),
        ];
        let (ticks, _) = run(25.0, &extremes);
        assert!(ticks.windows(2).all(|pair| pair[0] < pair[1]), "{ticks:?}");
    }

    #[test]
    fn a_unit_too_coarse_or_too_fine_is_replaced() {
        let seconds = Timing::new(3, TimeBase { num: 1, den: 1 });
        assert_eq!(Clock::new(seconds, 25.0).time_base(), TimeBase::RTP_VIDEO);
        let nanos = Timing::new(
            3,
            TimeBase {
                num: 1,
                den: 1_000_000_000,
            },
        );
        assert_eq!(Clock::new(nanos, 25.0).time_base(), TimeBase::RTP_VIDEO);
        let film = Timing::new(
            0,
            TimeBase {
                num: 1001,
                den: 24_000,
            },
        );
        assert_eq!(Clock::new(film, 24.0).time_base(), film.time_base);
    }
}
