//! What the core notes while it connects, for reports: shared, so that it outlives the core.
//! Touched by checks and by the datagrams of a handshake, never by data that flows.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{
    CandidateKind, CandidateReport, ChosenPair, ConnectionReport, PairOutcome, PairReport, Progress,
};
use crate::error::ConnectStep;

/// Pairs remembered and reported: as many as the engine checks.
const MAX_PAIRS: usize = 128;
/// Addresses the peer was seen to send from without announcing them.
const MAX_SEEN: usize = 32;

/// Our address and the peer's.
type Pair = (SocketAddr, SocketAddr);

#[derive(Debug, Default)]
pub(crate) struct Watch(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    local: Vec<CandidateReport>,
    remote: Vec<CandidateReport>,
    tried: VecDeque<Tried>,
    /// The first pair that answered.
    first: Option<Pair>,
    ice: Step,
    dtls: Step,
    channels: Step,
}

#[derive(Debug)]
struct Tried {
    pair: Pair,
    checks: u32,
    rtt: Option<Duration>,
    refused: Option<String>,
}

#[derive(Debug, Default)]
struct Step {
    began: Option<Instant>,
    took: Option<Duration>,
    sent: u64,
    received: u64,
}

impl Step {
    fn begin(&mut self, now: Instant) {
        self.began.get_or_insert(now);
    }

    fn end(&mut self, now: Instant) {
        if let (Some(began), None) = (self.began, self.took) {
            self.took = Some(now.saturating_duration_since(began));
        }
    }

    fn progress(&self) -> Progress {
        match (self.took, self.began) {
            (Some(took), _) => Progress::Done { took },
            (None, Some(_)) => Progress::UnderWay {
                sent: self.sent,
                received: self.received,
            },
            (None, None) => Progress::Waiting,
        }
    }
}

impl State {
    fn tried(&mut self, pair: Pair) -> &mut Tried {
        let known = self.tried.iter().position(|t| t.pair == pair);
        let index = known.unwrap_or_else(|| {
            if self.tried.len() >= MAX_PAIRS {
                self.tried.pop_front();
            }
            self.tried.push_back(Tried {
                pair,
                checks: 0,
                rtt: None,
                refused: None,
            });
            self.tried.len() - 1
        });
        &mut self.tried[index]
    }

    fn step(&mut self, step: ConnectStep) -> &mut Step {
        match step {
            ConnectStep::Ice => &mut self.ice,
            ConnectStep::Dtls => &mut self.dtls,
            ConnectStep::Channels => &mut self.channels,
        }
    }
}

impl Watch {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// These are the addresses from now on; what is known of pairs of others is forgotten.
    pub(crate) fn set_candidates(&self, local: Vec<CandidateReport>, remote: Vec<CandidateReport>) {
        let mut state = self.lock();
        (state.local, state.remote) = (local, remote);
        state.tried.clear();
        state.first = None;
    }

    /// Another address the peer announced.
    pub(crate) fn add_remote(&self, kind: CandidateKind, address: SocketAddr) {
        self.lock().remote.push(CandidateReport::of(kind, address));
    }

    /// The step has begun.
    pub(crate) fn begin(&self, now: Instant, step: ConnectStep) {
        self.lock().step(step).begin(now);
    }

    /// The step is done.
    pub(crate) fn end(&self, now: Instant, step: ConnectStep) {
        self.lock().step(step).end(now);
    }

    /// A datagram of the step went out.
    pub(crate) fn sent(&self, step: ConnectStep) {
        self.lock().step(step).sent += 1;
    }

    /// A datagram of the step came in.
    pub(crate) fn received(&self, step: ConnectStep) {
        self.lock().step(step).received += 1;
    }

    /// A check went out.
    pub(crate) fn checked(&self, pair: Pair) {
        let mut state = self.lock();
        state.ice.sent += 1;
        let tried = state.tried(pair);
        tried.checks = tried.checks.saturating_add(1);
    }

    /// Its answer came.
    pub(crate) fn answered(&self, pair: Pair, rtt: Duration) {
        let mut state = self.lock();
        state.first.get_or_insert(pair);
        state.tried(pair).rtt = Some(rtt);
    }

    /// A datagram to `remote` did not leave, or was refused on its way; `local` is the address it came from, when known.
    pub(crate) fn refused(&self, local: Option<SocketAddr>, remote: SocketAddr, reason: &str) {
        let of_pair =
            |t: &&mut Tried| t.pair.1 == remote && local.is_none_or(|local| local == t.pair.0);
        for tried in self.lock().tried.iter_mut().filter(of_pair) {
            if tried.refused.as_deref() != Some(reason) {
                tried.refused = Some(reason.to_owned());
            }
        }
    }

    /// `packets` are those SCTP sent and received, `path` is the pair that carries data.
    pub(crate) fn report(&self, packets: (u64, u64), path: Option<Pair>) -> ConnectionReport {
        let state = self.lock();
        let mut remote = state.remote.clone();
        for tried in &state.tried {
            let known = remote.iter().any(|c| c.address == tried.pair.1);
            if !known && remote.len() < state.remote.len() + MAX_SEEN {
                let seen = CandidateReport::of(CandidateKind::PeerReflexive, tried.pair.1);
                remote.push(seen);
            }
        }
        let kinds = |pair: Pair| {
            let ours = kind_of(&state.local, pair.0).unwrap_or(CandidateKind::Host);
            let theirs = kind_of(&remote, pair.1).unwrap_or(CandidateKind::PeerReflexive);
            (ours, theirs)
        };
        let reported = |pair: Pair, outcome| {
            let (local_kind, remote_kind) = kinds(pair);
            PairReport {
                local: pair.0,
                remote: pair.1,
                local_kind,
                remote_kind,
                outcome,
            }
        };
        let tried = state.tried.iter().map(|t| reported(t.pair, t.outcome()));
        let mut pairs: Vec<PairReport> = tried.collect();
        let sends =
            |c: &&CandidateReport| matches!(c.kind, CandidateKind::Host | CandidateKind::Relayed);
        for ours in state.local.iter().filter(sends) {
            for theirs in &remote {
                let pair = (ours.address, theirs.address);
                let known = pairs.iter().any(|p| (p.local, p.remote) == pair);
                if pair.0.is_ipv4() == pair.1.is_ipv4() && !known && pairs.len() < MAX_PAIRS {
                    pairs.push(reported(pair, PairOutcome::Untried));
                }
            }
        }
        let chosen = path.or(state.first).map(|pair| {
            let (local_kind, remote_kind) = kinds(pair);
            let tried = state.tried.iter().find(|t| t.pair == pair);
            ChosenPair {
                local: pair.0,
                remote: pair.1,
                local_kind,
                remote_kind,
                rtt: tried.and_then(|t| t.rtt),
            }
        });
        let channels = match state.channels.progress() {
            Progress::UnderWay { .. } => Progress::UnderWay {
                sent: packets.0,
                received: packets.1,
            },
            other => other,
        };
        ConnectionReport {
            local: state.local.clone(),
            remote,
            pairs,
            chosen,
            ice: state.ice.progress(),
            dtls: state.dtls.progress(),
            channels,
        }
    }
}

impl Tried {
    fn outcome(&self) -> PairOutcome {
        match (self.rtt, &self.refused) {
            (Some(rtt), _) => PairOutcome::Answered { rtt },
            (None, Some(reason)) => PairOutcome::Refused {
                reason: reason.clone(),
            },
            (None, None) => PairOutcome::Unanswered {
                checks: self.checks,
            },
        }
    }
}

impl CandidateReport {
    /// Of whose origin nothing is known.
    pub(crate) fn of(kind: CandidateKind, address: SocketAddr) -> CandidateReport {
        CandidateReport {
            kind,
            address,
            interface: None,
            server: None,
        }
    }
}

/// The kind of an address, if it is among these.
fn kind_of(candidates: &[CandidateReport], address: SocketAddr) -> Option<CandidateKind> {
    let found = candidates.iter().find(|c| c.address == address);
    found.map(|c| c.kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(host: u8, port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, host], port))
    }

    fn host(address: SocketAddr) -> CandidateReport {
        CandidateReport::of(CandidateKind::Host, address)
    }

    #[test]
    fn each_pair_tells_what_came_of_it_and_untried_ones_are_listed() {
        let watch = Watch::default();
        let (ours, theirs) = (at(1, 1), [at(2, 2), at(2, 3), at(2, 4)]);
        watch.set_candidates(vec![host(ours)], theirs.map(host).to_vec());
        watch.checked((ours, theirs[0]));
        watch.checked((ours, theirs[0]));
        watch.checked((ours, theirs[1]));
        watch.refused(None, theirs[1], "connection refused");
        watch.checked((ours, at(9, 9)));
        watch.answered((ours, at(9, 9)), Duration::from_millis(7));
        watch.refused(None, at(9, 9), "late");
        let report = watch.report((0, 0), None);
        let outcomes: Vec<_> = report.pairs.iter().map(|p| p.outcome.clone()).collect();
        let rtt = Duration::from_millis(7);
        assert_eq!(
            outcomes,
            [
                PairOutcome::Unanswered { checks: 2 },
                PairOutcome::Refused {
                    reason: "connection refused".into()
                },
                PairOutcome::Answered { rtt },
                PairOutcome::Untried,
            ]
        );
        assert_eq!(report.remote.len(), 4);
        assert_eq!(report.remote[3].kind, CandidateKind::PeerReflexive);
        let chosen = report.chosen.expect("the one that answered");
        assert_eq!((chosen.remote, chosen.rtt), (at(9, 9), Some(rtt)));
    }

    #[test]
    fn steps_go_from_waiting_through_under_way_to_done() {
        let (watch, start) = (Watch::default(), Instant::now());
        let second = Duration::from_secs(1);
        watch.begin(start, ConnectStep::Ice);
        watch.checked((at(1, 1), at(2, 2)));
        let report = watch.report((0, 0), None);
        let under_way = |sent, received| Progress::UnderWay { sent, received };
        assert_eq!(
            (report.ice, report.dtls),
            (under_way(1, 0), Progress::Waiting)
        );
        watch.end(start + second, ConnectStep::Ice);
        watch.end(start + 9 * second, ConnectStep::Ice);
        watch.begin(start + second, ConnectStep::Dtls);
        watch.sent(ConnectStep::Dtls);
        let report = watch.report((0, 0), None);
        assert_eq!(report.ice, Progress::Done { took: second });
        assert_eq!(report.dtls, under_way(1, 0));
        watch.begin(start + second, ConnectStep::Channels);
        assert_eq!(watch.report((5, 2), None).channels, under_way(5, 2));
    }

    #[test]
    fn a_peer_that_moves_for_ever_fills_no_memory() {
        let watch = Watch::default();
        watch.set_candidates(vec![host(at(1, 1))], Vec::new());
        for port in 1..5000 {
            watch.checked((at(1, 1), at(2, port)));
        }
        let report = watch.report((0, 0), None);
        assert_eq!(
            (report.pairs.len(), report.remote.len()),
            (MAX_PAIRS, MAX_SEEN)
        );
    }
}
