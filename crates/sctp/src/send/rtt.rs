//! Round-trip times: smoothed, variation, and the smallest of the last ten seconds.
//! Not timers: who waits how long is decided elsewhere from these.

/// How long the smallest sample counts without being seen again.
pub(super) const MIN_LIFE: u64 = 10_000_000_000;

/// Estimates in ns; all zero or none before the first sample.
#[derive(Debug)]
pub(super) struct Rtt {
    pub(super) smoothed: u64,
    variation: u64,
    /// `u64::MAX` before the first sample.
    pub(super) min: u64,
    /// When `min` was last seen.
    pub(super) min_at: u64,
    /// When the latest sample came.
    latest_at: u64,
}

impl Rtt {
    pub(super) fn new(seed: Option<u64>) -> Rtt {
        let mut rtt = Rtt {
            smoothed: 0,
            variation: 0,
            min: u64::MAX,
            min_at: 0,
            latest_at: 0,
        };
        if let Some(seed) = seed {
            rtt.sample(0, seed);
        }
        rtt
    }

    #[inline]
    pub(super) fn is_known(&self) -> bool {
        self.smoothed > 0
    }

    /// The smallest, or `other` before the first sample.
    #[inline]
    pub(super) fn min_or(&self, other: u64) -> u64 {
        if self.min == u64::MAX {
            other
        } else {
            self.min
        }
    }

    /// Whether so long a round trip means that packets wait in a queue on the path.
    #[inline]
    pub(super) fn shows_queue(&self, rtt: u64) -> bool {
        let limit = self.min.saturating_add(self.min / 8 + 1_000_000);
        self.min != u64::MAX && rtt > limit
    }

    /// Takes in a sample.
    pub(super) fn sample(&mut self, now: u64, rtt: u64) {
        // Clocks that are told in steps can say 0.
        let rtt = rtt.max(1000);
        if self.smoothed == 0 {
            (self.smoothed, self.variation) = (rtt, rtt / 2);
        } else {
            self.variation = (3 * self.variation + self.smoothed.abs_diff(rtt)) / 4;
            self.smoothed = (7 * self.smoothed + rtt) / 8;
        }
        // A silence says nothing about the smallest: it ages only while there are samples.
        let silence = now.saturating_sub(self.latest_at);
        if silence > 1_000_000_000 {
            self.min_at = self.min_at.saturating_add(silence).min(now);
        }
        self.latest_at = now;
        if rtt <= self.min {
            (self.min, self.min_at) = (rtt, now);
        }
    }

    /// Whether the smallest was not seen for so long that it may be out of date.
    #[inline]
    pub(super) fn min_is_old(&self, now: u64) -> bool {
        now > self.min_at.saturating_add(MIN_LIFE)
    }

    /// Forgets the smallest: the next samples make it.
    pub(super) fn forget_min(&mut self) {
        self.min = self.smoothed.max(1);
    }

    /// `srtt + 4·max(variation, 1 ms)`, at least 200 ms; 1 s before the first sample.
    pub(super) fn timeout(&self) -> u64 {
        if self.smoothed == 0 {
            return 1_000_000_000;
        }
        (self.smoothed + 4 * self.variation.max(1_000_000)).max(200_000_000)
    }
}
