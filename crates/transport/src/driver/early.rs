//! Checks that come before their peer: the other side has answered and checks at once, while its answer is still on its
//! way to us. Dropped, they would be repeated only after a while; kept, the path is up when the answer is.
//! Nothing is believed here: a kept check is examined like any other when its peer comes.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Checks kept at once; the oldest gives way.
const MAX_KEPT: usize = 64;
/// Longest check kept; real ones have about a hundred bytes.
const MAX_LEN: usize = 512;
/// An answer that takes longer finds the other side repeating its checks anyway.
const KEPT_FOR: Duration = Duration::from_secs(1);

/// A check for a user name nobody has yet.
#[derive(Debug)]
pub(super) struct Check {
    ufrag: String,
    at: Instant,
    pub(super) local: SocketAddr,
    pub(super) remote: SocketAddr,
    pub(super) contents: Box<[u8]>,
}

/// The checks kept.
#[derive(Debug, Default)]
pub(super) struct Early {
    kept: VecDeque<Check>,
}

impl Early {
    /// Keeps a copy; returns how many were dropped for it, itself included.
    pub(super) fn keep(
        &mut self,
        now: Instant,
        ufrag: String,
        (local, remote): (SocketAddr, SocketAddr),
        datagram: &[u8],
    ) -> usize {
        if datagram.len() > MAX_LEN {
            return 1;
        }
        let before = self.kept.len();
        self.kept.retain(|check| now < check.at + KEPT_FOR);
        if self.kept.len() >= MAX_KEPT {
            self.kept.pop_front();
        }
        let dropped = before - self.kept.len();
        self.kept.push_back(Check {
            ufrag,
            at: now,
            local,
            remote,
            contents: datagram.into(),
        });
        dropped
    }

    /// The fresh ones for a peer that has come, in their order.
    pub(super) fn take(&mut self, now: Instant, ufrag: &str) -> VecDeque<Check> {
        let kept = std::mem::take(&mut self.kept).into_iter();
        let (mut ours, others): (VecDeque<_>, VecDeque<_>) =
            kept.partition(|check| check.ufrag == ufrag);
        self.kept = others;
        ours.retain(|check| now < check.at + KEPT_FOR);
        ours
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path() -> (SocketAddr, SocketAddr) {
        ("10.0.0.1:1".parse().unwrap(), "10.0.0.2:2".parse().unwrap())
    }

    #[test]
    fn a_peer_gets_its_own_fresh_checks_once() {
        let (mut early, begin) = (Early::default(), Instant::now());
        assert_eq!(early.keep(begin, "a".into(), path(), b"old"), 0);
        let later = begin + Duration::from_millis(900);
        early.keep(later, "a".into(), path(), b"new");
        early.keep(later, "b".into(), path(), b"other");
        let taken = early.take(begin + KEPT_FOR, "a");
        assert_eq!(taken.len(), 1);
        assert_eq!(&*taken[0].contents, b"new");
        assert!(early.take(begin + KEPT_FOR, "a").is_empty());
        assert_eq!(early.take(begin + KEPT_FOR, "b").len(), 1);
    }

    #[test]
    fn a_flood_is_bounded_and_counted() {
        let (mut early, now) = (Early::default(), Instant::now());
        let dropped: usize = (0..1000)
            .map(|n| early.keep(now, n.to_string(), path(), b"check"))
            .sum();
        assert_eq!((early.kept.len(), dropped), (MAX_KEPT, 1000 - MAX_KEPT));
        assert_eq!(early.keep(now, "x".into(), path(), &[0; MAX_LEN + 1]), 1);
        let late = now + KEPT_FOR;
        assert_eq!(early.keep(late, "x".into(), path(), b"check"), MAX_KEPT);
    }
}
