//! One direction of a network path: delay, jitter, loss, duplicates, a rate with a queue, and a cut.
//! It decides when a datagram arrives, if at all; the simulation delivers it.

use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

/// How one direction of a path behaves. Default: instant and perfect.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Link {
    /// Time every datagram takes.
    pub delay: Duration,
    /// Additional time, drawn for each datagram from zero to this; more than the spacing of datagrams reorders them.
    pub jitter: Duration,
    /// Share of datagrams lost, 0 to 1.
    pub loss: f64,
    /// Share of datagrams delivered twice, 0 to 1.
    pub duplicate: f64,
    /// Bytes a second; none means no limit.
    pub rate: Option<u64>,
    /// Bytes that may wait for the rate; what comes beyond is dropped.
    pub queue: u64,
}

impl Link {
    /// Sets the delay.
    pub fn with_delay(mut self, delay: Duration) -> Link {
        self.delay = delay;
        self
    }

    /// Sets the jitter, which reorders.
    pub fn with_jitter(mut self, jitter: Duration) -> Link {
        self.jitter = jitter;
        self
    }

    /// Sets the share of datagrams lost.
    pub fn with_loss(mut self, share: f64) -> Link {
        self.loss = share;
        self
    }

    /// Sets the share of datagrams delivered twice.
    pub fn with_duplicates(mut self, share: f64) -> Link {
        self.duplicate = share;
        self
    }

    /// Limits the rate, with a queue in front of it.
    pub fn with_rate(mut self, bytes_per_second: u64, queue: u64) -> Link {
        self.rate = Some(bytes_per_second);
        self.queue = queue;
        self
    }
}

/// What a direction did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LinkStats {
    /// Datagrams put in.
    pub sent: u64,
    /// Bytes put in.
    pub bytes: u64,
    /// Lost at random.
    pub lost: u64,
    /// Delivered a second time.
    pub duplicated: u64,
    /// Dropped because the queue was full.
    pub overflowed: u64,
    /// Dropped because the path was cut.
    pub cut: u64,
}

/// A direction at work.
#[derive(Debug)]
pub(crate) struct Direction {
    pub(crate) link: Link,
    pub(crate) cut: bool,
    pub(crate) stats: LinkStats,
    rng: SmallRng,
    /// When the rate limit is free again.
    free: Instant,
}

impl Direction {
    pub(crate) fn new(seed: u64, link: Link, now: Instant) -> Direction {
        Direction {
            link,
            cut: false,
            stats: LinkStats::default(),
            rng: SmallRng::seed_from_u64(seed),
            free: now,
        }
    }

    /// When a datagram of this size arrives: never, once or twice.
    pub(crate) fn admit(&mut self, now: Instant, size: usize) -> [Option<Instant>; 2] {
        self.stats.sent += 1;
        self.stats.bytes += size as u64;
        // Drawn always, so that one datagram's fate does not shift those of the others.
        let (lost, twice) = (
            self.rng.random_bool(self.link.loss),
            self.rng.random_bool(self.link.duplicate),
        );
        let jitters = [self.jitter(), self.jitter()];
        if self.cut {
            self.stats.cut += 1;
            return [None; 2];
        }
        if lost {
            self.stats.lost += 1;
            return [None; 2];
        }
        let Some(out) = self.queue(now, size) else {
            self.stats.overflowed += 1;
            return [None; 2];
        };
        self.stats.duplicated += u64::from(twice);
        let arrival = |jitter| out + self.link.delay + jitter;
        [
            Some(arrival(jitters[0])),
            twice.then(|| arrival(jitters[1])),
        ]
    }

    fn jitter(&mut self) -> Duration {
        self.link.jitter.mul_f64(self.rng.random::<f64>())
    }

    fn queue(&mut self, now: Instant, size: usize) -> Option<Instant> {
        let Some(rate) = self.link.rate.filter(|r| *r > 0) else {
            return Some(now);
        };
        let start = self.free.max(now);
        let waiting = (start - now).as_secs_f64() * rate as f64;
        if waiting + size as f64 > self.link.queue as f64 {
            return None;
        }
        self.free = start + Duration::from_secs_f64(size as f64 / rate as f64);
        Some(self.free)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrivals(link: Link, seed: u64, count: usize, size: usize) -> (Vec<Duration>, LinkStats) {
        let start = Instant::now();
        let mut direction = Direction::new(seed, link, start);
        let all = (0..count)
            .flat_map(|_| direction.admit(start, size))
            .flatten()
            .map(|at| at - start)
            .collect();
        (all, direction.stats)
    }

    #[test]
    fn the_same_seed_gives_the_same_fates() {
        let link = || {
            Link::default()
                .with_loss(0.3)
                .with_duplicates(0.2)
                .with_jitter(Duration::from_millis(9))
        };
        assert_eq!(arrivals(link(), 5, 500, 100), arrivals(link(), 5, 500, 100));
        assert_ne!(arrivals(link(), 5, 500, 100), arrivals(link(), 6, 500, 100));
    }

    #[test]
    fn loss_and_duplicates_have_about_their_share_and_are_counted() {
        let (all, stats) = arrivals(
            Link::default().with_loss(0.25).with_duplicates(0.1),
            1,
            10_000,
            100,
        );
        assert!((2_250..2_750).contains(&stats.lost), "{stats:?}");
        assert!((600..900).contains(&stats.duplicated), "{stats:?}");
        assert_eq!(all.len() as u64, stats.sent - stats.lost + stats.duplicated);
    }

    #[test]
    fn a_rate_spaces_datagrams_and_its_queue_overflows() {
        let link = Link::default()
            .with_rate(1_000, 5_000)
            .with_delay(Duration::from_millis(7));
        let (all, stats) = arrivals(link, 1, 10, 1_000);
        assert_eq!(stats.overflowed, 5);
        let expected: Vec<_> = (1..=5)
            .map(|n| Duration::from_millis(1_000 * n + 7))
            .collect();
        assert_eq!(all, expected);
    }
}
