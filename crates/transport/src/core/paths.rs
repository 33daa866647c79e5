//! Which pair of addresses carries the data: the engine's choice, unless that one is silent and another answers.
//! Checks are the engine's; they and their answers are only watched here.
//!
//! The engine stays with a pair that once worked until dozens of checks were lost, which is right for a path that is
//! only interrupted, and wrong when the peer has moved: after a NAT changed its mind, or when a TURN server of the peer
//! is gone. Then a pair that answers carries the data until the engine's answers again.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use str0m::{Candidate, net};

use super::PeerCore;
use super::datagram::{Kind, kind};
use crate::error::ConnectStep;

/// Our address and the peer's.
pub(super) type Pair = (SocketAddr, SocketAddr);

/// Unanswered checks, and how long they go on, after which a pair counts as silent.
const SILENT_CHECKS: u32 = 2;
const SILENT_FOR: Duration = Duration::from_secs(1);
/// Checks remembered until they are answered: more than are sent in ten seconds.
const MAX_CHECKS: usize = 256;
/// Pairs remembered: as many as the engine checks.
const MAX_PAIRS: usize = 128;
/// Where a STUN message has its transaction.
const TRANSACTION: std::ops::Range<usize> = 8..20;

/// What a machine says where nobody listens.
const REFUSED: &str = "connection refused";

type Transaction = [u8; 12];

#[derive(Debug)]
struct Known {
    pair: Pair,
    answered: Option<Instant>,
    /// Checks since the last answer, and when the first of them was sent.
    unanswered: u32,
    since: Instant,
}

impl Known {
    fn is_silent(&self, now: Instant) -> bool {
        self.unanswered >= SILENT_CHECKS && now.saturating_duration_since(self.since) >= SILENT_FOR
    }
}

#[derive(Debug, Default)]
pub(super) struct Paths {
    checks: VecDeque<(Transaction, Pair, Instant)>,
    known: VecDeque<Known>,
}

impl Paths {
    /// The engine sends this; only checks are noted. Whether it is one.
    pub(super) fn sent(&mut self, now: Instant, pair: Pair, datagram: &[u8]) -> bool {
        let Some(transaction) = transaction(datagram, [0, 1]) else {
            return false;
        };
        if self.checks.len() >= MAX_CHECKS {
            self.checks.pop_front();
        }
        self.checks.push_back((transaction, pair, now));
        let known = match self.known.iter().position(|k| k.pair == pair) {
            Some(index) => &mut self.known[index],
            None => {
                if self.known.len() >= MAX_PAIRS {
                    self.known.pop_front();
                }
                self.known.push_back(Known {
                    pair,
                    answered: None,
                    unanswered: 0,
                    since: now,
                });
                self.known.back_mut().expect("just pushed")
            }
        };
        if known.unanswered == 0 {
            known.since = now;
        }
        known.unanswered = known.unanswered.saturating_add(1);
        true
    }

    /// An authentic STUN message came from `remote`. An answer counts when it comes from where the check was sent: then the
    /// pair and the round trip are known.
    pub(super) fn received(
        &mut self,
        now: Instant,
        remote: SocketAddr,
        datagram: &[u8],
    ) -> Option<(Pair, Duration)> {
        let transaction = transaction(datagram, [1, 1])?;
        let check = self
            .checks
            .iter()
            .position(|(t, pair, _)| *t == transaction && pair.1 == remote);
        let (_, pair, sent) = check.and_then(|index| self.checks.remove(index))?;
        if let Some(known) = self.known.iter_mut().find(|k| k.pair == pair) {
            known.answered = Some(now);
            known.unanswered = 0;
        }
        Some((pair, now.saturating_duration_since(sent)))
    }

    /// The pair to send data through where the engine would take `chosen`.
    pub(super) fn steer(&self, now: Instant, chosen: Pair) -> Pair {
        let silent = self
            .known
            .iter()
            .any(|k| k.pair == chosen && k.is_silent(now));
        if !silent {
            return chosen;
        }
        let answering = self
            .known
            .iter()
            .filter(|k| k.answered.is_some() && k.unanswered < SILENT_CHECKS);
        answering
            .max_by_key(|k| k.answered)
            .map_or(chosen, |k| k.pair)
    }

    fn forget(&mut self, local: SocketAddr) {
        self.known.retain(|k| k.pair.0 != local);
    }
}

/// The transaction of a STUN message whose type is `kind`.
fn transaction(datagram: &[u8], kind: [u8; 2]) -> Option<Transaction> {
    if !datagram.starts_with(&kind) {
        return None;
    }
    datagram.get(TRANSACTION)?.try_into().ok()
}

impl PeerCore {
    /// The addresses a datagram of the engine travels between: checks as it says, data as it is best.
    pub(super) fn path_of(&mut self, transmit: &net::Transmit) -> Pair {
        let pair = (transmit.source, transmit.destination);
        match kind(&transmit.contents) {
            Some(Kind::Stun) => {
                if self.paths.sent(self.engine_now, pair, &transmit.contents) {
                    self.shared.watch.checked(pair);
                }
                pair
            }
            Some(kind @ (Kind::Dtls | Kind::Rtp)) => {
                if !self.connected && kind == Kind::Dtls {
                    self.shared.watch.sent(ConnectStep::Dtls);
                }
                let pair = self.paths.steer(self.engine_now, pair);
                if self.path != Some(pair) {
                    self.path = Some(pair);
                    self.shared.path.set(pair.0, pair.1);
                }
                pair
            }
            None => pair,
        }
    }

    /// A datagram to `remote` did not leave, or was refused on its way; `local` is the address it came from, when known.
    pub(crate) fn unsent(&mut self, local: Option<SocketAddr>, remote: SocketAddr, reason: &str) {
        self.shared.watch.refused(local, remote, reason);
    }

    /// The machine at `remote` refused one of our datagrams.
    pub fn refused(&mut self, now: Instant, remote: SocketAddr) {
        self.unsent(None, remote, REFUSED);
        if self.path.is_some_and(|(_, known)| known == remote)
            && let Some(verdict) = self.liveness.refused(now)
        {
            self.judge(verdict);
        }
    }

    /// A relayed address of ours is gone: the engine takes another pair, if there is one.
    pub(crate) fn lose_relayed(&mut self, address: SocketAddr) {
        // Where the server is reached from does not belong to a candidate's identity.
        if let Ok(candidate) = Candidate::relayed(address, address, "udp") {
            self.rtc.direct_api().invalidate_candidate(&candidate);
        }
        self.paths.forget(address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(n: u16) -> Pair {
        let at = |port| SocketAddr::from(([192, 0, 2, 1], port));
        (at(1), at(n))
    }

    fn message(kind: [u8; 2], n: u32) -> Vec<u8> {
        let mut bytes = vec![kind[0], kind[1], 0, 0, 0x21, 0x12, 0xa4, 0x42];
        bytes.extend([0; 8]);
        bytes.extend(n.to_be_bytes());
        bytes
    }

    #[test]
    fn data_leaves_a_silent_pair_for_one_that_answers_and_returns_with_its_answers() {
        let (mut paths, mut now, mut n) = (Paths::default(), Instant::now(), 0);
        let mut check = |paths: &mut Paths, now: Instant, port: u16, from: Option<u16>| {
            n += 1;
            paths.sent(now, pair(port), &message([0, 1], n));
            if let Some(from) = from {
                paths.received(now, pair(from).1, &message([1, 1], n));
            }
        };
        let step = Duration::from_millis(500);
        check(&mut paths, now, 2, Some(2));
        check(&mut paths, now, 3, Some(3));
        assert_eq!(paths.steer(now, pair(2)), pair(2));
        for silent in 1..=3 {
            now += step;
            check(&mut paths, now, 2, None);
            check(&mut paths, now, 3, Some(3));
            let expected = if silent < 3 { pair(2) } else { pair(3) };
            assert_eq!(paths.steer(now, pair(2)), expected, "{silent} checks lost");
        }
        now += step;
        check(&mut paths, now, 2, Some(9));
        assert_eq!(
            paths.steer(now, pair(2)),
            pair(3),
            "an answer from elsewhere proves nothing"
        );
        check(&mut paths, now, 2, Some(2));
        assert_eq!(paths.steer(now, pair(2)), pair(2));
    }

    #[test]
    fn a_silent_pair_is_kept_when_no_other_answers_and_memory_is_bounded() {
        let (mut paths, start) = (Paths::default(), Instant::now());
        for n in 0..1000 {
            let port = u16::try_from(n).unwrap() + 1;
            paths.sent(start, pair(port), &message([0, 1], n));
            paths.sent(start, pair(port), &message([0, 1], n + 5000));
        }
        assert_eq!(
            (paths.checks.len(), paths.known.len()),
            (MAX_CHECKS, MAX_PAIRS)
        );
        assert_eq!(paths.steer(start + SILENT_FOR, pair(1000)), pair(1000));
    }
}
