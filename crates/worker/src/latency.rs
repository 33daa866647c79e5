//! How long something takes, as counts in geometric buckets: cheap to record from any thread, good to some 12 %.
//! Not exact values; those are gone as soon as they are counted.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Eight buckets for each doubling, from 1 microsecond to over a minute.
const BUCKETS: usize = 8 * 27;
const PER_DOUBLING: f64 = 8.0;

/// Durations of one kind.
#[derive(Debug)]
pub(crate) struct Latency {
    counts: [AtomicU64; BUCKETS],
    micros: AtomicU64,
}

/// What was recorded so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LatencySummary {
    /// How many durations.
    pub count: u64,
    /// Their sum.
    pub sum: Duration,
    /// Half were shorter.
    pub p50: Duration,
    /// 95 of 100 were shorter.
    pub p95: Duration,
    /// 99 of 100 were shorter.
    pub p99: Duration,
}

impl Default for Latency {
    fn default() -> Latency {
        Latency {
            counts: std::array::from_fn(|_| AtomicU64::new(0)),
            micros: AtomicU64::new(0),
        }
    }
}

impl Latency {
    /// Counts one. Two relaxed additions.
    pub(crate) fn record(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX >> 20);
        self.counts[bucket(micros)].fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    pub(crate) fn summary(&self) -> LatencySummary {
        let counts: Vec<u64> = self
            .counts
            .iter()
            .map(|count| count.load(Ordering::Relaxed))
            .collect();
        let count: u64 = counts.iter().sum();
        let quantile = |share: f64| {
            let rank = (share * count as f64).ceil() as u64;
            let mut seen = 0;
            let found = counts.iter().position(|n| {
                seen += n;
                seen >= rank.max(1)
            });
            found.map_or(Duration::ZERO, upper_edge)
        };
        LatencySummary {
            count,
            sum: Duration::from_micros(self.micros.load(Ordering::Relaxed)),
            p50: quantile(0.5),
            p95: quantile(0.95),
            p99: quantile(0.99),
        }
    }
}

fn bucket(micros: u64) -> usize {
    // At least 1, so the logarithm is not negative; the cast saturates and the index is bounded.
    let index = ((micros.max(1) as f64).log2() * PER_DOUBLING) as usize;
    index.min(BUCKETS - 1)
}

fn upper_edge(bucket: usize) -> Duration {
    let micros = ((bucket + 1) as f64 / PER_DOUBLING).exp2();
    Duration::from_nanos((micros * 1e3) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_a_bucket_of_the_truth() {
        let latency = Latency::default();
        assert_eq!(latency.summary(), LatencySummary::default());
        for ms in 1..=100 {
            latency.record(Duration::from_millis(ms));
        }
        let summary = latency.summary();
        assert_eq!(summary.count, 100);
        assert_eq!(summary.sum, Duration::from_millis(5050));
        for (got, want) in [
            (summary.p50, 50.0),
            (summary.p95, 95.0),
            (summary.p99, 99.0),
        ] {
            let ratio = got.as_secs_f64() * 1e3 / want;
            assert!((1.0..1.13).contains(&ratio), "{got:?} for {want} ms");
        }
    }

    #[test]
    fn nothing_falls_outside() {
        let latency = Latency::default();
        for took in [Duration::ZERO, Duration::from_nanos(1), Duration::MAX] {
            latency.record(took);
        }
        assert_eq!(latency.summary().count, 3);
    }
}
