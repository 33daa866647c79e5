//! When a frame is shown: a raw timestamp and the unit it counts.
//! Not a clock: nothing here knows the time of day.

/// Seconds per tick as a fraction, `num / den`, as containers state it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TimeBase {
    /// Numerator, positive.
    pub num: i32,
    /// Denominator, positive.
    pub den: i32,
}

impl TimeBase {
    /// Microseconds.
    pub const MICROS: TimeBase = TimeBase {
        num: 1,
        den: 1_000_000,
    };
    /// The 90 kHz clock of RTP and MPEG.
    pub const RTP_VIDEO: TimeBase = TimeBase {
        num: 1,
        den: 90_000,
    };

    /// A time base, or `None` unless both numbers are positive.
    pub fn new(num: i32, den: i32) -> Option<TimeBase> {
        (num > 0 && den > 0).then_some(TimeBase { num, den })
    }

    /// Seconds per tick.
    pub fn as_f64(self) -> f64 {
        f64::from(self.num) / f64::from(self.den)
    }

    /// `ticks` of this unit in ticks of `to`, rounded to nearest and saturated.
    pub fn rescale(self, ticks: i64, to: TimeBase) -> i64 {
        if self == to {
            return ticks;
        }
        let numerator = i128::from(ticks) * i128::from(self.num) * i128::from(to.den);
        let denominator = i128::from(self.den) * i128::from(to.num);
        let half = denominator / 2;
        let rounded = if numerator >= 0 {
            numerator + half
        } else {
            numerator - half
        } / denominator;
        rounded.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
    }
}

impl From<TimeBase> for (i32, i32) {
    fn from(base: TimeBase) -> Self {
        (base.num, base.den)
    }
}

/// A frame's timestamp, raw, in its stream's unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Presentation time in ticks; `None` when the source gave none.
    pub pts: Option<i64>,
    /// The tick.
    pub time_base: TimeBase,
}

impl Timing {
    /// A known timestamp.
    pub fn new(pts: i64, time_base: TimeBase) -> Timing {
        Timing {
            pts: Some(pts),
            time_base,
        }
    }

    /// The timestamp in seconds.
    pub fn seconds(&self) -> Option<f64> {
        self.pts.map(|pts| pts as f64 * self.time_base.as_f64())
    }
}

impl Default for Timing {
    /// No timestamp, microseconds.
    fn default() -> Self {
        Timing {
            pts: None,
            time_base: TimeBase::MICROS,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rescaling_rounds_to_nearest_and_saturates() {
        let film = TimeBase::new(1001, 24_000).unwrap();
        assert_eq!(film.rescale(1, TimeBase::RTP_VIDEO), 3754);
        assert_eq!(film.rescale(-1, TimeBase::RTP_VIDEO), -3754);
        assert_eq!(
            TimeBase::new(1, 25)
                .unwrap()
                .rescale(7, TimeBase::new(1, 12_800).unwrap()),
            3584
        );
        assert_eq!(
            TimeBase::new(i32::MAX, 1)
                .unwrap()
                .rescale(i64::MAX, TimeBase::MICROS),
            i64::MAX
        );
        assert_eq!(TimeBase::new(0, 1), None);
        assert_eq!(TimeBase::new(1, -1), None);
    }
}
