//! Figures of the upload, for statistics and keep-alive.
//! Not the sending.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::stats::UploadStats;

/// The rate of the last moments is measured over about this many of these.
const MOMENTS: usize = 10;
const MOMENT: Duration = Duration::from_millis(200);

/// Progress of the upload, for statistics and keep-alive.
#[derive(Debug, Default)]
pub(crate) struct UploadMeter(Mutex<Meter>);

#[derive(Debug, Default)]
struct Meter {
    bytes: u64,
    resumed: u64,
    verified: bool,
    total: u64,
    begun: Option<Instant>,
    moved: Option<Instant>,
    finished: Option<Instant>,
    complete: bool,
    /// When how many bytes had been sent, a moment apart, the oldest first.
    marks: VecDeque<(Instant, u64)>,
}

impl Meter {
    fn mark(&mut self, now: Instant) {
        if self.marks.back().is_some_and(|(at, _)| now < *at + MOMENT) {
            return;
        }
        if self.marks.len() > MOMENTS {
            self.marks.pop_front();
        }
        self.marks.push_back((now, self.bytes));
    }

    /// Bytes a second since the oldest mark.
    fn recent_rate(&self, now: Instant) -> Option<f64> {
        let (at, before) = self.marks.front()?;
        let time = now.saturating_duration_since(*at);
        let sent = self.bytes - before;
        (sent > 0 && !time.is_zero()).then(|| sent as f64 / time.as_secs_f64())
    }
}

impl UploadMeter {
    pub(crate) fn announce(&self, total: u64) {
        self.lock().total = total;
    }

    /// A new connection begins: nothing was sent on it yet.
    pub(crate) fn renew(&self) {
        let mut meter = self.lock();
        *meter = Meter {
            total: meter.total,
            ..Meter::default()
        };
    }

    pub(crate) fn begin(&self, now: Instant) {
        let mut meter = self.lock();
        meter.begun = Some(now);
        meter.moved = Some(now);
        meter.mark(now);
    }

    pub(crate) fn add(&self, bytes: usize, now: Instant) {
        let mut meter = self.lock();
        meter.bytes += bytes as u64;
        meter.moved = Some(now);
        meter.mark(now);
        meter.complete = meter.bytes + meter.resumed == meter.total;
    }

    /// The worker has these bytes already.
    pub(crate) fn resume(&self, bytes: u64, now: Instant) {
        let mut meter = self.lock();
        meter.resumed = bytes;
        meter.begun = Some(now);
        meter.moved = Some(now);
        meter.marks = [(now, meter.bytes)].into();
        meter.complete = meter.resumed == meter.total;
    }

    pub(crate) fn verified(&self) {
        self.lock().verified = true;
    }

    pub(crate) fn finish(&self, now: Instant) {
        self.lock().finished.get_or_insert(now);
    }

    /// When a chunk was last handed over; none unless an upload is under way.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        let meter = self.lock();
        meter
            .moved
            .filter(|_| !meter.complete && meter.finished.is_none())
    }

    pub(crate) fn snapshot(&self, now: Instant) -> UploadStats {
        let meter = self.lock();
        let until = meter.finished.unwrap_or(now);
        UploadStats {
            bytes: meter.bytes,
            resumed_bytes: meter.resumed,
            total_bytes: meter.total,
            elapsed: meter.begun.map_or(Duration::ZERO, |begun| {
                until.saturating_duration_since(begun)
            }),
            complete: meter.complete,
            verified: meter.verified,
            recent_rate: meter.recent_rate(until),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Meter> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_meter_counts_until_everything_left() {
        let meter = UploadMeter::default();
        let start = Instant::now();
        meter.announce(10);
        assert_eq!(meter.idle_since(), None);
        meter.begin(start);
        meter.add(4, start + Duration::from_secs(1));
        assert_eq!(meter.idle_since(), Some(start + Duration::from_secs(1)));
        meter.add(6, start + Duration::from_secs(2));
        assert_eq!(meter.idle_since(), None);
        meter.finish(start + Duration::from_secs(4));
        let stats = meter.snapshot(start + Duration::from_secs(60));
        assert_eq!(
            (stats.bytes, stats.complete, stats.rate()),
            (10, true, Some(2.5))
        );
    }

    #[test]
    fn what_the_worker_had_is_part_of_the_file_and_not_of_the_rate() {
        let meter = UploadMeter::default();
        let start = Instant::now();
        meter.announce(10);
        meter.begin(start);
        meter.resume(6, start + Duration::from_secs(1));
        assert!(!meter.snapshot(start).complete);
        meter.add(4, start + Duration::from_secs(2));
        meter.finish(start + Duration::from_secs(3));
        let stats = meter.snapshot(start);
        assert_eq!((stats.bytes, stats.resumed_bytes), (4, 6));
        assert_eq!((stats.complete, stats.rate()), (true, Some(2.0)));
    }

    #[test]
    fn the_rate_of_the_last_moments_follows_the_line_and_falls_while_nothing_moves() {
        let meter = UploadMeter::default();
        let start = Instant::now();
        let at = |tenths: u64| start + Duration::from_millis(100 * tenths);
        meter.announce(1_000_000);
        meter.begin(start);
        assert_eq!(meter.snapshot(at(1)).recent_rate, None);
        for tenth in 1..=50 {
            meter.add(1000, at(tenth));
        }
        for tenth in 51..=100 {
            meter.add(100, at(tenth));
        }
        let rate = |now| meter.snapshot(now).recent_rate.unwrap().round();
        assert_eq!(rate(at(100)), 1000.0, "not that of the first half");
        assert!(rate(at(200)) < 200.0, "it stands still");
        let left = meter.snapshot(at(100)).remaining().unwrap();
        assert_eq!(left.as_secs(), (1_000_000 - 55_000) / 1000);
    }
}
