//! Runs flows over a path and says what came of it, checking the sender's books on the way.
//! Not scenarios: those are in the files of the tests.

use sctp_proto::__model::{Flow, FlowConfig, FlowFigures};
use sctp_proto::tuning::Congestion;

use super::net::{Net, Node, Path, Queueing, S};
use super::peer::{Habits, Peer};

/// Bytes that a source keeps ready to be sent.
pub(crate) const READY: usize = 256 << 10;
/// Length of its messages.
pub(crate) const MESSAGE: usize = 49_500;

/// What the application writes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Source {
    /// Always more.
    Endless,
    /// So many messages of such a length at once, and no more.
    Once { count: usize, len: usize },
    /// One message of 49.5 kB per interval in ns.
    Every(u64),
}

/// A sender with its application.
pub(crate) struct Upload {
    pub flow: Flow,
    source: Source,
    data: Vec<u8>,
    written_at: Option<u64>,
    pub written: u64,
    stopped: bool,
}

impl Upload {
    pub(crate) fn new(config: &FlowConfig, source: Source) -> Upload {
        let len = match source {
            Source::Once { len, .. } => len,
            _ => MESSAGE,
        };
        Upload {
            flow: Flow::new(config),
            source,
            data: vec![7; len],
            written_at: None,
            written: 0,
            stopped: false,
        }
    }

    fn write(&mut self) {
        self.flow.write(1, &self.data);
        self.written += self.data.len() as u64;
    }

    fn refill(&mut self, now: u64) {
        if self.stopped {
            return;
        }
        match self.source {
            Source::Endless => {
                while self.flow.unsent() < READY {
                    self.write();
                }
            }
            Source::Once { count, .. } => {
                for _ in 0..count {
                    self.write();
                }
                self.stopped = true;
            }
            Source::Every(interval) => {
                while self.written_at.is_none_or(|at| at + interval <= now) {
                    self.written_at = Some(self.written_at.map_or(now, |at| at + interval));
                    self.write();
                }
            }
        }
    }
}

/// Either end.
pub(crate) enum End {
    Upload(Box<Upload>),
    Peer(Box<Peer>),
}

impl End {
    pub(crate) fn upload(&self) -> &Upload {
        match self {
            End::Upload(upload) => upload,
            End::Peer(_) => panic!("not a sender"),
        }
    }

    pub(crate) fn peer(&self) -> &Peer {
        match self {
            End::Peer(peer) => peer,
            End::Upload(_) => panic!("not a receiver"),
        }
    }
}

impl Node for End {
    fn receive(&mut self, now: u64, packet: Vec<u8>) {
        match self {
            End::Upload(upload) => assert!(upload.flow.receive(now, packet), "a bad SACK"),
            End::Peer(peer) => peer.receive(now, packet),
        }
    }

    fn poll(&mut self, now: u64) -> Option<Vec<u8>> {
        match self {
            End::Upload(upload) => {
                upload.refill(now);
                upload.flow.poll(now)
            }
            End::Peer(peer) => peer.poll(now),
        }
    }

    fn timeout(&mut self, now: u64) {
        match self {
            End::Upload(upload) => {
                upload.flow.on_timeout(now);
                assert!(!upload.flow.is_late(now), "a timer is overdue");
            }
            End::Peer(peer) => peer.timeout(now),
        }
    }

    fn deadline(&mut self) -> Option<u64> {
        match self {
            End::Upload(upload) => {
                let frame = match (upload.source, upload.written_at) {
                    (Source::Every(interval), Some(at)) if !upload.stopped => Some(at + interval),
                    _ => None,
                };
                [upload.flow.deadline(), frame].into_iter().flatten().min()
            }
            End::Peer(peer) => peer.deadline(),
        }
    }

    fn delivered(&self) -> u64 {
        match self {
            End::Upload(_) => 0,
            End::Peer(peer) => peer.delivered(),
        }
    }
}

/// A sender and the peer it sends to.
pub(crate) fn pair(config: &FlowConfig, habits: &Habits, source: Source) -> Vec<End> {
    let shown = (habits.window as f64 * habits.drop_share.unwrap_or(1.0)) as u32;
    let config = FlowConfig {
        peer_window: shown,
        big_window_peer: shown > 4 << 20,
        ..config.clone()
    };
    let peer = Peer::new(habits.clone(), 7, config.initial_tsn);
    vec![
        End::Upload(Box::new(Upload::new(&config, source))),
        End::Peer(Box::new(peer)),
    ]
}

/// What came of one flow.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome {
    /// MB/s delivered in order after the first sixth.
    pub goodput: f64,
    /// Share of chunks that were retransmissions.
    pub resent: f64,
    pub queueing: Queueing,
    pub figures: FlowFigures,
    pub peer_dropped: u64,
    pub twice: u64,
}

/// Runs endless flows for so many seconds. The books are checked every so often.
pub(crate) fn run(path: Path, flows: Vec<Vec<End>>, seconds: u64) -> Vec<Outcome> {
    let seed = path.seed;
    let mut net = Net::new(path, flows.into_iter().flatten().collect());
    let mut steps = 0u64;
    let mut check = |net: &mut Net<End>, node: usize| {
        steps += 1;
        if node.is_multiple_of(2)
            && steps.is_multiple_of(257)
            && let Some(what) = net.nodes[node].upload().flow.contradiction()
        {
            panic!("seed {seed}, {} ns: {what}", net.now);
        }
    };
    net.run(seconds * S / 6, &mut check);
    let warm: Vec<u64> = net.nodes.iter().map(Node::delivered).collect();
    net.run(seconds * S, &mut check);
    let time = seconds as f64 * 5.0 / 6.0;
    net.nodes
        .chunks(2)
        .enumerate()
        .map(|(flow, ends)| {
            let figures = ends[0].upload().flow.figures();
            let gained = ends[1].delivered() - warm[2 * flow + 1];
            Outcome {
                goodput: gained as f64 / time / 1e6,
                resent: figures.retransmitted as f64 / figures.chunks.max(1) as f64,
                queueing: net.queueing[flow],
                figures,
                peer_dropped: ends[1].peer().dropped,
                twice: ends[1].peer().twice,
            }
        })
        .collect()
}

/// Mean over seeds of the outcome of one endless flow to a peer.
pub(crate) fn mean(path: &Path, habits: &Habits, seconds: u64, seeds: u64) -> Outcome {
    let config = FlowConfig::default();
    let outcomes: Vec<Outcome> = (1..=seeds)
        .map(|seed| {
            let ends = pair(&config, habits, Source::Endless);
            run(path.clone().seeded(seed), vec![ends], seconds)[0]
        })
        .collect();
    let part = 1.0 / seeds as f64;
    let mut mean = outcomes[0];
    mean.goodput = outcomes.iter().map(|outcome| outcome.goodput * part).sum();
    mean.resent = outcomes.iter().map(|outcome| outcome.resent * part).sum();
    for outcome in &outcomes[1..] {
        mean.queueing.packets += outcome.queueing.packets;
        mean.queueing.waited += outcome.queueing.waited;
        mean.twice += outcome.twice;
        mean.peer_dropped += outcome.peer_dropped;
    }
    mean
}

/// The window law instead of the rate law.
pub(crate) fn reno() -> FlowConfig {
    FlowConfig {
        congestion: Congestion::NewReno,
        ..FlowConfig::default()
    }
}
