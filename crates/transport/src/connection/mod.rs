//! How a connection came up, or how far it got: addresses of both sides, the pairs tried, and each step's progress.
//! For whoever explains failures to people; nothing is decided by it.

mod watch;

use std::net::SocketAddr;
use std::time::Duration;

pub(crate) use watch::Watch;

/// What is known about connecting. It stays as it was when the connection ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionReport {
    /// Our addresses, as offered to the peer.
    pub local: Vec<CandidateReport>,
    /// The peer's, as announced; then those it was seen to send from.
    pub remote: Vec<CandidateReport>,
    /// Pairs of addresses between which checks were sent, or could be: at most 128. Of an address behind a NAT the pair has
    /// the one inside, where datagrams leave.
    pub pairs: Vec<PairReport>,
    /// The pair that carries the data; before there is any, the first that answered.
    pub chosen: Option<ChosenPair>,
    /// Finding a pair that works, the first time. Counts checks sent, and the peer's checks and answers.
    pub ice: Progress,
    /// The encrypted handshake.
    pub dtls: Progress,
    /// Opening the channels made with the connection, inside the encryption.
    pub channels: Progress,
}

/// What kind of address a candidate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CandidateKind {
    /// Of a network interface.
    Host,
    /// Of a network interface, as a server outside sees it.
    ServerReflexive,
    /// Never announced: the peer was seen to send from there.
    PeerReflexive,
    /// On a TURN server, which passes datagrams on.
    Relayed,
}

impl CandidateKind {
    /// The word session descriptions have for it: `host`, `srflx`, `prflx`, `relay`.
    pub fn as_str(self) -> &'static str {
        match self {
            CandidateKind::Host => "host",
            CandidateKind::ServerReflexive => "srflx",
            CandidateKind::PeerReflexive => "prflx",
            CandidateKind::Relayed => "relay",
        }
    }
}

/// An address of one side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CandidateReport {
    /// What kind of address it is.
    pub kind: CandidateKind,
    /// The address.
    pub address: SocketAddr,
    /// The network interface behind it; only known of ours.
    pub interface: Option<String>,
    /// URL of the server that gave it, without credentials; only known of ours.
    pub server: Option<String>,
}

/// Two addresses and what came of the checks between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairReport {
    /// Where our datagrams leave.
    pub local: SocketAddr,
    /// Where they go.
    pub remote: SocketAddr,
    /// Kind of our address.
    pub local_kind: CandidateKind,
    /// Kind of the peer's address.
    pub remote_kind: CandidateKind,
    /// What came of it.
    pub outcome: PairOutcome,
}

/// What came of the checks between two addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PairOutcome {
    /// None was sent.
    Untried,
    /// Nothing came back.
    Unanswered {
        /// Checks sent.
        checks: u32,
    },
    /// They could not be sent, or a machine on the way or at the end of it refused them, and none was answered.
    Refused {
        /// What was said, in a few words.
        reason: String,
    },
    /// The peer answered.
    Answered {
        /// Round trip of the last answered check.
        rtt: Duration,
    },
}

/// The pair that carries the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChosenPair {
    /// Where our datagrams leave.
    pub local: SocketAddr,
    /// Where they go.
    pub remote: SocketAddr,
    /// Kind of our address.
    pub local_kind: CandidateKind,
    /// Kind of the peer's address.
    pub remote_kind: CandidateKind,
    /// Round trip of the last check on it that was answered.
    pub rtt: Option<Duration>,
}

/// How far a step of connecting got.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// A step before it is not done.
    #[default]
    Waiting,
    /// Begun and not done. `sent` without `received` means that nothing comes through.
    UnderWay {
        /// Datagrams of this step we sent.
        sent: u64,
        /// Datagrams of this step that came from the peer.
        received: u64,
    },
    /// Done.
    Done {
        /// How long it took.
        took: Duration,
    },
}

impl Progress {
    /// Whether the step is done.
    pub fn is_done(&self) -> bool {
        matches!(self, Progress::Done { .. })
    }
}
