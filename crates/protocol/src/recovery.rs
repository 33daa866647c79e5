//! When a session whose link broke tries to connect anew, and when it gives up.
//! It connects nothing and knows no errors: its owner decides what is worth another attempt, and reports how it went.
//!
//! ```
//! use std::time::{Duration, Instant};
//! use framewire_protocol::recovery::{Next, Recovery, RecoveryLimits};
//!
//! let mut now = Instant::now(); // the caller's clock
//! let mut recovery = Recovery::new(RecoveryLimits::new(3), 7);
//! recovery.broken(now);
//! match recovery.next_attempt(now) {
//!     Next::At(at) => now = at,  // wait, then connect; longest until `recovery.deadline()`
//!     Next::GiveUp => unreachable!("there are three attempts"),
//! }
//! recovery.connected(now);       // the link is up again
//! recovery.progressed();         // and does its work: the outage is over
//! assert_eq!(recovery.attempts(), 0);
//! ```

use std::time::{Duration, Instant};

/// What may be tried in one outage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecoveryLimits {
    /// Attempts.
    pub attempts: u32,
    /// Longest pause before the first attempt; doubles with each. Default 300 ms.
    pub base: Duration,
    /// Longest pause before any attempt. Default 7 s.
    pub cap: Duration,
    /// Longest time without a link, from when it is called broken. Default 60 s.
    pub total: Duration,
}

impl RecoveryLimits {
    /// This many attempts, and defaults.
    pub fn new(attempts: u32) -> Self {
        RecoveryLimits {
            attempts,
            base: Duration::from_millis(300),
            cap: Duration::from_secs(7),
            total: Duration::from_secs(60),
        }
    }

    /// Replaces the pauses.
    #[must_use]
    pub fn with_backoff(mut self, base: Duration, cap: Duration) -> Self {
        (self.base, self.cap) = (base, cap);
        self
    }

    /// Replaces the longest time without a link.
    #[must_use]
    pub fn with_total(mut self, total: Duration) -> Self {
        self.total = total;
        self
    }
}

/// What to do about a link that is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Try to connect at that time.
    At(Instant),
    /// Attempts or time are used up.
    GiveUp,
}

/// Decides over one session. An outage begins with a broken link and is over when a new one does its work; links that come
/// up and break without having done any belong to the same outage, but the time they were up does not count.
#[derive(Debug)]
pub struct Recovery {
    limits: RecoveryLimits,
    attempts: u32,
    down_since: Option<Instant>,
    /// Time without a link in this outage, before the link was up last.
    down_before: Duration,
    random: u64,
}

impl Recovery {
    /// A link that never broke. The seed decides the pauses.
    pub fn new(limits: RecoveryLimits, seed: u64) -> Self {
        Recovery {
            limits,
            attempts: 0,
            down_since: None,
            down_before: Duration::ZERO,
            random: seed,
        }
    }

    /// The link broke. While it is down already this changes nothing.
    pub fn broken(&mut self, now: Instant) {
        self.down_since.get_or_insert(now);
    }

    /// When to try next. Each call counts as an attempt: call it after the link broke and after each attempt that failed.
    pub fn next_attempt(&mut self, now: Instant) -> Next {
        let pause = self.pause();
        let at = now.checked_add(pause);
        match (at, self.deadline()) {
            (Some(at), Some(deadline)) if self.attempts < self.limits.attempts && at < deadline => {
                self.attempts += 1;
                Next::At(at)
            }
            _ => Next::GiveUp,
        }
    }

    /// The link is up again.
    pub fn connected(&mut self, now: Instant) {
        self.down_before += self.down_for(now);
        self.down_since = None;
    }

    /// The link did what it is for: the outage is over.
    pub fn progressed(&mut self) {
        self.attempts = 0;
        self.down_since = None;
        self.down_before = Duration::ZERO;
    }

    /// When the time of this outage is used up, whatever is under way then; none while the link is up.
    pub fn deadline(&self) -> Option<Instant> {
        let left = self.limits.total.saturating_sub(self.down_before);
        self.down_since?.checked_add(left)
    }

    /// Attempts in this outage.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    fn down_for(&self, now: Instant) -> Duration {
        self.down_since
            .map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    /// Full jitter: any part of the longest pause, so that many clients of one worker do not come back at once.
    fn pause(&mut self) -> Duration {
        let doubled = 2_u32.saturating_pow(self.attempts);
        let longest = self
            .limits
            .base
            .saturating_mul(doubled)
            .min(self.limits.cap);
        // 24 bits are exact in a float and finer than any timer.
        let part = (self.next_random() >> 40) as f64 / f64::from(1 << 24);
        longest.mul_f64(part)
    }

    /// SplitMix64: a few lines, and any seed will do.
    fn next_random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn pauses(recovery: &mut Recovery, now: Instant) -> Vec<Duration> {
        recovery.broken(now);
        std::iter::from_fn(|| match recovery.next_attempt(now) {
            Next::At(at) => Some(at - now),
            Next::GiveUp => None,
        })
        .collect()
    }

    #[test]
    fn pauses_double_up_to_the_cap_and_use_their_whole_range() {
        let now = Instant::now();
        let mut longest = [Duration::ZERO; 10];
        let mut shortest = [Duration::MAX; 10];
        for seed in 0..400 {
            let limits = RecoveryLimits::new(10);
            for (n, pause) in pauses(&mut Recovery::new(limits, seed), now)
                .into_iter()
                .enumerate()
            {
                longest[n] = longest[n].max(pause);
                shortest[n] = shortest[n].min(pause);
            }
        }
        for n in 0..10 {
            let bound = Duration::from_millis(300 << n).min(7 * SECOND);
            assert!(
                longest[n] <= bound && longest[n] > bound.mul_f64(0.97),
                "{n}"
            );
            assert!(shortest[n] < bound.mul_f64(0.03), "{n}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_pauses() {
        let now = Instant::now();
        let of = |seed| pauses(&mut Recovery::new(RecoveryLimits::new(10), seed), now);
        assert_eq!(of(5), of(5));
        assert_ne!(of(5), of(6));
        assert_eq!(of(5).len(), 10);
    }

    #[test]
    fn time_without_a_link_ends_it_before_the_attempts_do() {
        let start = Instant::now();
        let limits = RecoveryLimits::new(1000).with_total(10 * SECOND);
        let mut recovery = Recovery::new(limits, 1);
        recovery.broken(start);
        assert_eq!(recovery.deadline(), Some(start + 10 * SECOND));
        let mut now = start;
        while let Next::At(at) = recovery.next_attempt(now) {
            assert!(at < start + 10 * SECOND);
            now = at;
        }
        assert!(now > start + 2 * SECOND && recovery.attempts() < 100);
        assert_eq!(recovery.next_attempt(start + 20 * SECOND), Next::GiveUp);
    }

    #[test]
    fn links_that_do_no_work_share_one_outage_and_only_their_gaps_count() {
        let start = Instant::now();
        let limits = RecoveryLimits::new(3).with_total(10 * SECOND);
        let mut recovery = Recovery::new(limits, 1);
        let mut now = start;
        for attempt in 1..=3 {
            recovery.broken(now);
            assert!(matches!(recovery.next_attempt(now), Next::At(_)));
            assert_eq!(recovery.attempts(), attempt);
            recovery.connected(now + SECOND);
            assert_eq!(recovery.deadline(), None);
            now += 100 * SECOND;
        }
        recovery.broken(now);
        assert_eq!(recovery.deadline(), Some(now + 7 * SECOND));
        assert_eq!(recovery.next_attempt(now), Next::GiveUp);
        recovery.connected(now + SECOND);
        recovery.progressed();
        recovery.broken(now);
        assert_eq!(recovery.deadline(), Some(now + 10 * SECOND));
        assert!(matches!(recovery.next_attempt(now), Next::At(_)));
    }

    #[test]
    fn without_attempts_it_gives_up_at_once_and_extremes_do_not_overflow() {
        let now = Instant::now();
        let mut none = Recovery::new(RecoveryLimits::new(0), 0);
        none.broken(now);
        assert_eq!(none.next_attempt(now), Next::GiveUp);
        let limits = RecoveryLimits::new(u32::MAX)
            .with_backoff(Duration::MAX, Duration::MAX)
            .with_total(Duration::MAX);
        let mut wild = Recovery::new(limits, u64::MAX);
        wild.broken(now);
        assert_eq!(wild.next_attempt(now), Next::GiveUp);
        wild.connected(now);
        wild.progressed();
    }
}
