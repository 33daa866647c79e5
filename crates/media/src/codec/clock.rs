//! The times an encoder's rate control goes by: the frames' own where they make sense, strictly increasing always.
//! Not what goes on the wire.

use crate::timing::{TimeBase, Timing};

/// A longer pause gives the encoder no more bits than this one: it would spend them all on one frame.
const MAX_STEP_MICROS: i64 = 500_000;

/// A frame's share in the running mean of their distances.
const MEAN_SHARE: f64 = 1.0 / 16.0;

/// Turns the timing of frames into an encoder's ticks.
#[derive(Debug)]
pub(super) struct Clock {
    /// Microseconds from one frame to the next where timestamps do not say.
    frame_micros: i64,
    ticks: TimeBase,
    last: Option<Timing>,
    micros: i64,
    mean_micros: f64,
    last_ticks: Option<i64>,
}

impl Clock {
    pub(super) fn new(fps: u32, ticks_per_second: i32) -> Clock {
        let frame_micros = 1_000_000 / i64::from(fps.max(1));
        Clock {
            frame_micros,
            mean_micros: frame_micros as f64,
            ticks: TimeBase {
                num: 1,
                den: ticks_per_second.max(1),
            },
            last: None,
            micros: 0,
            last_ticks: None,
        }
    }

    /// The ticks for the next frame.
    pub(super) fn next(&mut self, timing: Timing) -> i64 {
        if let Some(last) = self.last.replace(timing) {
            let step = self.step(last, timing);
            self.micros = self.micros.saturating_add(step);
            self.mean_micros += (step as f64 - self.mean_micros) * MEAN_SHARE;
        }
        let wanted = TimeBase::MICROS.rescale(self.micros, self.ticks);
        let ticks = match self.last_ticks {
            Some(last) => wanted.max(last + 1),
            None => wanted,
        };
        self.last_ticks = Some(ticks);
        ticks
    }

    /// How many times longer frames last, of late and on average, than the nominal rate says.
    pub(super) fn pace(&self) -> f64 {
        (self.mean_micros / self.frame_micros as f64).clamp(1.0 / 16.0, 16.0)
    }

    fn step(&self, last: Timing, now: Timing) -> i64 {
        let (Some(before), Some(pts)) = (last.pts, now.pts) else {
            return self.frame_micros;
        };
        if last.time_base != now.time_base || pts <= before {
            return self.frame_micros;
        }
        now.time_base
            .rescale(pts.saturating_sub(before), TimeBase::MICROS)
            .min(MAX_STEP_MICROS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rtp(pts: i64) -> Timing {
        Timing::new(pts, TimeBase::RTP_VIDEO)
    }

    #[test]
    fn frames_with_timestamps_keep_their_distances() {
        let mut clock = Clock::new(30, 90_000);
        let got = [900_000, 903_000, 909_000, 918_000].map(|pts| clock.next(rtp(pts)));
        assert_eq!(got, [0, 3000, 9000, 18_000]);
    }

    #[test]
    fn missing_backward_and_repeated_timestamps_advance_by_one_frame() {
        let mut clock = Clock::new(25, 90_000);
        let frames = [Timing::default(), Timing::default(), rtp(5), rtp(5), rtp(4)];
        let got = frames.map(|timing| clock.next(timing));
        assert_eq!(got, [0, 3600, 7200, 10_800, 14_400]);
    }

    #[test]
    fn a_pause_counts_half_a_second_and_hostile_numbers_do_not_overflow() {
        let mut clock = Clock::new(30, 90_000);
        clock.next(rtp(i64::MIN));
        assert_eq!(clock.next(rtp(i64::MAX)), 45_000);
        let coarse = TimeBase::new(i32::MAX, 1).unwrap();
        clock.next(Timing::new(0, coarse));
        assert_eq!(clock.next(Timing::new(i64::MAX, coarse)), 93_000);
    }

    #[test]
    fn frames_closer_than_a_tick_still_get_increasing_ticks() {
        let mut clock = Clock::new(30, 30);
        let got = [0, 1, 2, 90_000].map(|pts| clock.next(rtp(pts)));
        assert_eq!(got, [0, 1, 2, 15]);
    }
}
