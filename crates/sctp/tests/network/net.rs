//! A path in virtual time: one bottleneck with a queue, then loss, then delay; acknowledgements go back over the same delay.
//! Not the ends: nodes are anything that takes and gives packets.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Nanoseconds.
pub(crate) const MS: u64 = 1_000_000;
pub(crate) const S: u64 = 1_000_000_000;

/// Bytes that every packet has around it on the wire: DTLS record, UDP, IPv4.
const AROUND: u64 = 65;

/// Xorshift: fast, and the same on every machine.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        for _ in 0..20 {
            random.next();
        }
        random
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// In [0, 1).
    pub(crate) fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// How packets are lost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Loss {
    /// Each with the same probability.
    Even(f64),
    /// Gilbert-Elliott with this mean: bad periods of eight packets on average lose half of theirs.
    Bursts(f64),
}

#[derive(Debug)]
struct Loser {
    loss: Loss,
    bad: bool,
}

impl Loser {
    fn hits(&mut self, random: &mut Random) -> bool {
        match self.loss {
            Loss::Even(share) => share > 0.0 && random.share() < share,
            Loss::Bursts(mean) => {
                let share = mean / 0.5;
                let turn = if self.bad {
                    1.0 / 8.0
                } else {
                    share / (1.0 - share) / 8.0
                };
                if random.share() < turn {
                    self.bad = !self.bad;
                }
                self.bad && random.share() < 0.5
            }
        }
    }
}

/// A path between senders and receivers.
#[derive(Debug, Clone)]
pub(crate) struct Path {
    /// Bytes a second through the bottleneck.
    pub rate: f64,
    /// One way, ns.
    pub delay: u64,
    /// Bytes that may wait at the bottleneck.
    pub queue: u64,
    pub loss: Loss,
    /// Loss of the way back.
    pub back_loss: Loss,
    /// Extra delay, even between 0 and this; packets overtake each other.
    pub jitter: u64,
    /// Share of packets that arrive twice.
    pub twice: f64,
    /// Packets above so many bytes vanish, from then to then.
    pub narrow: Option<(usize, u64, u64)>,
    /// From, to: nothing passes in either direction.
    pub outage: Option<(u64, u64)>,
    pub seed: u64,
}

impl Path {
    /// A path of `mbit` Mbit/s and `rtt` ms with a queue of so many bandwidth-delay products.
    pub(crate) fn new(mbit: f64, rtt: u64, products: f64) -> Path {
        let rate = mbit * 1e6 / 8.0;
        let product = rate * rtt as f64 / 1e3;
        Path {
            rate,
            delay: rtt * MS / 2,
            queue: (product * products).max(14_400.0) as u64,
            loss: Loss::Even(0.0),
            back_loss: Loss::Even(0.0),
            jitter: 0,
            twice: 0.0,
            narrow: None,
            outage: None,
            seed: 1,
        }
    }

    /// The same with loss of so many percent in both directions.
    pub(crate) fn losing(mut self, percent: f64) -> Path {
        self.loss = Loss::Even(percent / 100.0);
        self.back_loss = self.loss;
        self
    }

    /// The same with bursts.
    pub(crate) fn bursting(mut self, percent: f64) -> Path {
        self.loss = Loss::Bursts(percent / 100.0);
        self.back_loss = self.loss;
        self
    }

    pub(crate) fn seeded(mut self, seed: u64) -> Path {
        self.seed = seed;
        self
    }
}

/// One end of a flow.
pub(crate) trait Node {
    fn receive(&mut self, now: u64, packet: Vec<u8>);
    /// The next packet to send now. Called until there is none.
    fn poll(&mut self, now: u64) -> Option<Vec<u8>>;
    fn timeout(&mut self, now: u64);
    fn deadline(&mut self) -> Option<u64>;
    /// User data handed to the application in order.
    fn delivered(&self) -> u64 {
        0
    }
}

#[derive(Debug)]
enum Happening {
    Arrival { node: usize, packet: Vec<u8> },
    Wake { node: usize },
}

/// Something that will happen; the earliest is the greatest, because the heap gives the greatest first.
#[derive(Debug)]
struct Event {
    at: u64,
    number: u64,
    what: Happening,
}

impl Ord for Event {
    fn cmp(&self, other: &Event) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Event) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Event {
    fn eq(&self, other: &Event) -> bool {
        self.number == other.number
    }
}

impl Eq for Event {}

/// What the bottleneck saw of one flow.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Queueing {
    pub packets: u64,
    pub dropped: u64,
    pub waited: u64,
    pub longest: u64,
}

impl Queueing {
    /// Mean wait in ms.
    pub(crate) fn mean_ms(&self) -> f64 {
        self.waited as f64 / self.packets.max(1) as f64 / 1e6
    }
}

/// Nodes and the path: node 2k sends to node 2k + 1.
pub(crate) struct Net<N> {
    pub now: u64,
    pub nodes: Vec<N>,
    pub queueing: Vec<Queueing>,
    path: Path,
    random: Random,
    there: Loser,
    back: Loser,
    free_at: u64,
    events: BinaryHeap<Event>,
    number: u64,
    armed: Vec<Option<u64>>,
}

impl<N: Node> Net<N> {
    /// From now on packets travel so long one way.
    pub(crate) fn set_delay(&mut self, delay: u64) {
        self.path.delay = delay;
    }

    pub(crate) fn new(path: Path, nodes: Vec<N>) -> Net<N> {
        let loser = |loss| Loser { loss, bad: false };
        let mut net = Net {
            now: 0,
            queueing: vec![Queueing::default(); nodes.len() / 2],
            random: Random::new(path.seed),
            there: loser(path.loss),
            back: loser(path.back_loss),
            free_at: 0,
            events: BinaryHeap::new(),
            number: 0,
            armed: vec![None; nodes.len()],
            nodes,
            path,
        };
        for node in 0..net.nodes.len() {
            net.serve(node);
        }
        net
    }

    /// Runs until `end`; `each` sees the net after every event. False when nothing happens any more.
    pub(crate) fn run(&mut self, end: u64, mut each: impl FnMut(&mut Net<N>, usize)) -> bool {
        while let Some(at) = self.events.peek().map(|event| event.at) {
            if at > end {
                self.now = end;
                return true;
            }
            let Some(event) = self.events.pop() else {
                break;
            };
            self.now = at;
            let node = match event.what {
                Happening::Arrival { node, packet } => {
                    self.nodes[node].receive(at, packet);
                    node
                }
                Happening::Wake { node } => {
                    if self.armed[node] != Some(at) {
                        continue;
                    }
                    self.armed[node] = None;
                    self.nodes[node].timeout(at);
                    node
                }
            };
            self.serve(node);
            each(self, node);
        }
        false
    }

    /// Lets a node send, and asks when it wants to be woken.
    pub(crate) fn serve(&mut self, node: usize) {
        while let Some(packet) = self.nodes[node].poll(self.now) {
            self.send(node, packet);
        }
        let Some(deadline) = self.nodes[node].deadline() else {
            return;
        };
        // A node that is late is woken in a microsecond, so that time goes on whatever it does.
        let at = deadline.max(self.now + 1000);
        if self.armed[node].is_none_or(|armed| at < armed) {
            self.armed[node] = Some(at);
            self.schedule(at, Happening::Wake { node });
        }
    }

    fn send(&mut self, from: usize, packet: Vec<u8>) {
        let forward = from.is_multiple_of(2);
        let mut leaves = self.now;
        if forward {
            let size = packet.len() as u64 + AROUND;
            let wait = self.free_at.saturating_sub(self.now);
            let waiting = (wait as f64 * self.path.rate / 1e9) as u64;
            let seen = &mut self.queueing[from / 2];
            if waiting + size > self.path.queue {
                seen.dropped += 1;
                return;
            }
            seen.packets += 1;
            seen.waited += wait;
            seen.longest = seen.longest.max(wait);
            self.free_at = self.now.max(self.free_at) + (size as f64 * 1e9 / self.path.rate) as u64;
            leaves = self.free_at;
        }
        let narrow = self.path.narrow;
        if narrow
            .is_some_and(|(most, from, to)| packet.len() > most && (from..to).contains(&self.now))
        {
            return;
        }
        let loser = if forward {
            &mut self.there
        } else {
            &mut self.back
        };
        let out = |time| {
            self.path
                .outage
                .is_some_and(|(from, to)| (from..to).contains(&time))
        };
        if loser.hits(&mut self.random) || out(leaves) {
            return;
        }
        let copies = if self.path.twice > 0.0 && self.random.share() < self.path.twice {
            2
        } else {
            1
        };
        let node = from ^ 1;
        for _ in 1..copies {
            let packet = packet.clone();
            let at = self.arrival(leaves);
            self.schedule(at, Happening::Arrival { node, packet });
        }
        let at = self.arrival(leaves);
        self.schedule(at, Happening::Arrival { node, packet });
    }

    fn arrival(&mut self, leaves: u64) -> u64 {
        let jitter = match self.path.jitter {
            0 => 0,
            most => (self.random.share() * most as f64) as u64,
        };
        leaves + self.path.delay + jitter
    }

    fn schedule(&mut self, at: u64, happening: Happening) {
        self.number += 1;
        self.events.push(Event {
            at,
            number: self.number,
            what: happening,
        });
    }
}
