//! When the next packet may leave, so that packets are spread instead of leaving in bursts.
//! Not how fast: the rate is congestion control's.

/// Time a sender that was held up may catch up with: drivers that wake once a millisecond lose nothing.
const CREDIT: u64 = 2_000_000;
/// A wake-up is asked for this much after the release, so that one wake-up sends several packets.
const BATCH: u64 = 1_000_000;

/// The release time of the next packet, in ns.
#[derive(Debug, Default)]
pub(super) struct Pacer {
    next: u64,
    /// Nanoseconds a byte takes; 0 when packets are not paced.
    per_byte: f64,
    /// Bytes that leave without being paced.
    free: usize,
}

impl Pacer {
    /// Bytes a second from now on; `None` switches pacing off.
    #[inline]
    pub(super) fn set_rate(&mut self, rate: Option<f64>) {
        self.per_byte = rate.map_or(0.0, |rate| 1e9 / rate.max(1.0));
    }

    /// After a silence nothing is on the path: so many bytes may leave at once.
    #[inline]
    pub(super) fn grant(&mut self, bytes: usize) {
        self.free = bytes;
    }

    #[inline]
    pub(super) fn is_open(&self, now: u64) -> bool {
        self.next <= now
    }

    /// When to come back if it is not open.
    #[inline]
    pub(super) fn wake_up(&self) -> u64 {
        self.next.saturating_add(BATCH)
    }

    /// A packet of `size` bytes left.
    #[inline]
    pub(super) fn spend(&mut self, now: u64, size: usize) {
        let free = self.free.min(size);
        self.free -= free;
        let size = size - free;
        if self.per_byte > 0.0 && size > 0 {
            let from = self.next.max(now.saturating_sub(CREDIT));
            self.next = from.saturating_add((size as f64 * self.per_byte) as u64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_leave_at_the_rate_and_a_late_sender_catches_up_for_two_milliseconds_only() {
        let mut pacer = Pacer::default();
        pacer.set_rate(Some(1e6));
        let mut now = 1_000_000_000;
        let mut sent = |now: u64| {
            let mut bytes = 0;
            while pacer.is_open(now) {
                pacer.spend(now, 500);
                bytes += 500;
            }
            (bytes, pacer.wake_up())
        };
        assert_eq!(sent(now).0, 2500);
        let mut total = 0;
        for _ in 0..1000 {
            now += 1_000_000;
            total += sent(now).0;
        }
        assert!((999_000..=1_001_000).contains(&total), "{total}");
        let (_, wake) = sent(now);
        assert!(wake > now && wake <= now + 2_000_000);
        assert_eq!(sent(now + 1_000_000_000).0, 2500);
    }

    #[test]
    fn what_was_granted_leaves_at_once() {
        let mut pacer = Pacer::default();
        pacer.set_rate(Some(1e3));
        pacer.grant(2500);
        for _ in 0..2 {
            pacer.spend(1_000_000_000, 1000);
            assert!(pacer.is_open(1_000_000_000));
        }
        pacer.spend(1_000_000_000, 1000);
        assert!(!pacer.is_open(1_400_000_000));
        assert!(pacer.is_open(1_500_000_000));
    }

    #[test]
    fn without_a_rate_nothing_waits() {
        let mut pacer = Pacer::default();
        pacer.spend(5, 1200);
        assert!(pacer.is_open(5));
    }
}
