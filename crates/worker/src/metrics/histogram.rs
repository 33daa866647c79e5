//! Durations counted in fixed buckets, as Prometheus wants them.
//! Not for exact quantiles: `latency` has finer buckets for the worker's own statistics.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What a frame spends in a stage, a model with a picture: 0.1 ms to 10 s.
pub(crate) const STAGE: &[u64] = &[
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 16_000, 33_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 5_000_000, 10_000_000,
];
/// A network's round trip: 0.1 ms on loopback, over a second where nothing works.
pub(crate) const ROUND_TRIP: &[u64] = &[
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000,
    1_000_000, 2_500_000,
];
/// An HTTP request: a page in a millisecond, a session with a slow camera in many seconds.
pub(crate) const REQUEST: &[u64] = &[
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000, 30_000_000,
];
/// A session: a clip of a second to a camera of a day.
pub(crate) const SESSION: &[u64] = &[
    1_000_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    300_000_000,
    600_000_000,
    1_800_000_000,
    3_600_000_000,
    14_400_000_000,
    86_400_000_000,
];

/// Durations of one kind.
#[derive(Debug)]
pub(crate) struct Histogram {
    /// Upper ends in microseconds, growing.
    bounds: &'static [u64],
    /// One more than bounds: the last counts what is longer than all.
    counts: Vec<AtomicU64>,
    micros: AtomicU64,
}

impl Histogram {
    pub(crate) fn new(bounds: &'static [u64]) -> Histogram {
        Histogram {
            bounds,
            counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            micros: AtomicU64::new(0),
        }
    }

    /// Counts one: a search among some 17 numbers and two relaxed additions.
    pub(crate) fn record(&self, took: Duration) {
        // Rounded up, so that a bucket holds nothing longer than its name says; half a year at most, so that the sum has
        // room for a million of them.
        let micros = took.as_nanos().div_ceil(1_000);
        let micros = u64::try_from(micros)
            .unwrap_or(u64::MAX)
            .min(u64::MAX >> 20);
        let bucket = self.bounds.partition_point(|bound| *bound < micros);
        self.counts[bucket].fetch_add(1, Ordering::Relaxed); // at most bounds.len()
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// Each upper end in seconds with how many were not longer; what is longer than all is in `count` alone.
    pub(crate) fn read(&self) -> Reading {
        let mut count = 0;
        let mut cumulative = self.counts.iter().map(|bucket| {
            count += bucket.load(Ordering::Relaxed);
            count
        });
        let bounds = self.bounds.iter().map(|bound| *bound as f64 / 1e6);
        let buckets: Vec<_> = bounds.zip(cumulative.by_ref()).collect();
        let count = cumulative.last().unwrap_or(0);
        Reading {
            buckets,
            sum: self.micros.load(Ordering::Relaxed) as f64 / 1e6,
            count,
        }
    }
}

/// A histogram at one moment.
#[derive(Debug, PartialEq)]
pub(crate) struct Reading {
    pub(crate) buckets: Vec<(f64, u64)>,
    pub(crate) sum: f64,
    pub(crate) count: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_duration_is_in_the_first_bucket_that_is_not_shorter_and_in_all_after_it() {
        let histogram = Histogram::new(&[100, 1_000]);
        for nanos in [0, 100_000, 100_001, 1_000_000, 1_000_001] {
            histogram.record(Duration::from_nanos(nanos));
        }
        let reading = histogram.read();
        assert_eq!(reading.buckets, [(0.0001, 2), (0.001, 4)]);
        assert_eq!((reading.count, reading.sum), (5, 0.002_202));
    }

    #[test]
    fn no_duration_is_too_long() {
        let histogram = Histogram::new(STAGE);
        for _ in 0..3 {
            histogram.record(Duration::MAX);
        }
        let reading = histogram.read();
        assert_eq!(reading.count, 3);
        assert!(reading.buckets.iter().all(|(_, count)| *count == 0));
        assert!(reading.sum > 1e7);
    }

    #[test]
    fn bounds_grow() {
        for bounds in [STAGE, ROUND_TRIP, REQUEST, SESSION] {
            assert!(bounds.is_sorted_by(|a, b| a < b));
        }
    }
}
