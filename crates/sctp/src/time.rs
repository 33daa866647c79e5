//! Time inside the crate: nanoseconds since the first instant the association was told.
//! It is not a clock: it only turns the caller's `Instant` into a number and back.

use std::ops::{Add, Sub};
use std::time::{Duration, Instant};

/// Nanoseconds since the association's first `Instant`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct Time(pub(crate) u64);

impl Time {
    /// The time from `earlier` to `self`, zero if `earlier` is later.
    pub(crate) fn since(self, earlier: Time) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Time {
    type Output = Time;
    fn add(self, later: Duration) -> Time {
        Time(self.0.saturating_add(nanos(later)))
    }
}

impl Sub<Duration> for Time {
    type Output = Time;
    fn sub(self, earlier: Duration) -> Time {
        Time(self.0.saturating_sub(nanos(earlier)))
    }
}

/// A duration in whole nanoseconds, saturating.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Turns the caller's instants into [`Time`] and back. It never goes backwards: an instant before the latest counts as the latest.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Timeline {
    origin: Option<Instant>,
    latest: Time,
    /// What `latest` was made of: the same instant comes again and again, and comparing costs less than counting.
    told: Option<Instant>,
}

impl Timeline {
    /// The time of `now`; the first call fixes the origin.
    #[inline]
    pub(crate) fn at(&mut self, now: Instant) -> Time {
        if self.told == Some(now) {
            return self.latest;
        }
        self.told = Some(now);
        let origin = *self.origin.get_or_insert(now);
        let time = Time(nanos(now.saturating_duration_since(origin)));
        self.latest = self.latest.max(time);
        self.latest
    }

    /// Fixes the origin, if it is not fixed.
    #[inline]
    pub(crate) fn begin(&mut self, now: Instant) {
        if self.origin.is_none() {
            self.at(now);
        }
    }

    /// The latest time that [`at`](Self::at) was told; zero before the first.
    pub(crate) fn latest(&self) -> Time {
        self.latest
    }

    /// The instant of `time`; `None` before the first call of [`at`](Self::at) or beyond what an `Instant` can hold.
    pub(crate) fn instant(&self, time: Time) -> Option<Instant> {
        self.origin?.checked_add(Duration::from_nanos(time.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_counts_from_the_first_instant_and_never_backwards() {
        let start = Instant::now();
        let mut line = Timeline::default();
        assert_eq!(line.latest(), Time(0));
        assert_eq!(line.instant(Time(5)), None);
        assert_eq!(line.at(start), Time(0));
        assert_eq!(line.at(start + Duration::from_micros(3)), Time(3000));
        assert_eq!(line.at(start + Duration::from_micros(2)), Time(3000));
        assert_eq!(line.instant(Time(7)), Some(start + Duration::from_nanos(7)));
        assert_eq!(Time(9) + Duration::MAX, Time(u64::MAX));
        assert_eq!(Time(9).since(Time(10)), Duration::ZERO);
    }
}
