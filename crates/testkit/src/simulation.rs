//! Two nodes, a path between them and a clock that jumps from event to event.
//! The nodes are told datagrams and the time and say when they want to be told again.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::link::{Direction, Link, LinkStats};

/// Events handled at one instant before the simulation says that two nodes chase each other.
const MAX_EVENTS_AT_ONCE: usize = 1_000_000;

/// A datagram under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datagram {
    /// Who sent it.
    pub source: SocketAddr,
    /// Who is to get it.
    pub destination: SocketAddr,
    /// Its bytes.
    pub contents: Bytes,
}

/// Something that is told datagrams and the time.
pub trait Node {
    /// A datagram arrived.
    fn receive(&mut self, now: Instant, datagram: Datagram);
    /// Do whatever is due; called after `receive`, at `deadline` and after the test changed something.
    fn turn(&mut self, now: Instant, out: &mut dyn FnMut(Datagram));
    /// When `turn` wants to be called next, if ever.
    fn deadline(&self) -> Option<Instant>;
}

/// One of the two nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The first.
    Left,
    /// The second.
    Right,
}

/// What a NAT in front of a node does to its address.
#[derive(Debug, Clone, Copy)]
struct Nat {
    /// The node's own address, once it sent something.
    inside: Option<SocketAddr>,
    outside: SocketAddr,
}

#[derive(Debug)]
struct Arrival {
    at: Instant,
    order: u64,
    to: Side,
    datagram: Datagram,
}

impl PartialEq for Arrival {
    fn eq(&self, other: &Arrival) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}

impl Eq for Arrival {}

impl PartialOrd for Arrival {
    fn partial_cmp(&self, other: &Arrival) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Arrival {
    fn cmp(&self, other: &Arrival) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

/// Two nodes and the path between them. When a test fails while it exists, it prints its seed.
#[derive(Debug)]
pub struct Simulation<L: Node, R: Node> {
    /// The first node.
    pub left: L,
    /// The second node.
    pub right: R,
    seed: u64,
    start: Instant,
    now: Instant,
    arrivals: BinaryHeap<Reverse<Arrival>>,
    order: u64,
    to_right: Direction,
    to_left: Direction,
    left_nat: Option<Nat>,
    right_nat: Option<Nat>,
    at_once: usize,
}

impl<L: Node, R: Node> Simulation<L, R> {
    /// Both directions behave like `link`, with different luck.
    pub fn new(seed: u64, link: Link, left: L, right: R) -> Simulation<L, R> {
        Simulation::starting_at(Instant::now(), seed, link, left, right)
    }

    /// The same with nodes that were already told a time.
    pub fn starting_at(
        start: Instant,
        seed: u64,
        link: Link,
        left: L,
        right: R,
    ) -> Simulation<L, R> {
        Simulation {
            left,
            right,
            seed,
            start,
            now: start,
            arrivals: BinaryHeap::new(),
            order: 0,
            to_right: Direction::new(seed.wrapping_mul(2), link.clone(), start),
            to_left: Direction::new(seed.wrapping_mul(2).wrapping_add(1), link, start),
            left_nat: None,
            right_nat: None,
            at_once: 0,
        }
    }

    /// The virtual time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Virtual time since the start.
    pub fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    /// What the direction towards `side` did.
    pub fn stats(&self, side: Side) -> &LinkStats {
        match side {
            Side::Left => &self.to_left.stats,
            Side::Right => &self.to_right.stats,
        }
    }

    /// Changes both directions from now on.
    pub fn set_link(&mut self, link: Link) {
        self.to_left.link = link.clone();
        self.to_right.link = link;
    }

    /// Changes the direction towards `side` from now on.
    pub fn set_link_towards(&mut self, side: Side, link: Link) {
        match side {
            Side::Left => self.to_left.link = link,
            Side::Right => self.to_right.link = link,
        }
    }

    /// Cuts or restores both directions. What is under way still arrives.
    pub fn set_cut(&mut self, cut: bool) {
        self.to_left.cut = cut;
        self.to_right.cut = cut;
    }

    /// Cuts or restores the direction towards `side`.
    pub fn set_cut_towards(&mut self, side: Side, cut: bool) {
        match side {
            Side::Left => self.to_left.cut = cut,
            Side::Right => self.to_right.cut = cut,
        }
    }

    /// From now on `side` is seen as `outside`, as after a NAT in front of it changed its mind. What is sent to its
    /// other addresses is lost, also what is under way. The node must send from one address only.
    pub fn set_outside(&mut self, side: Side, outside: SocketAddr) {
        let nat = match side {
            Side::Left => &mut self.left_nat,
            Side::Right => &mut self.right_nat,
        };
        let inside = nat.and_then(|nat| nat.inside);
        *nat = Some(Nat { inside, outside });
    }

    /// Runs until `done`, which must become true within `limit` of virtual time; panics with the seed otherwise.
    pub fn run_until(
        &mut self,
        what: &str,
        limit: Duration,
        mut done: impl FnMut(&mut L, &mut R) -> bool,
    ) {
        let end = self.now + limit;
        loop {
            self.turns();
            if done(&mut self.left, &mut self.right) {
                return;
            }
            // The check may have changed a node.
            self.turns();
            assert!(
                self.step(end),
                "not within {limit:?} of virtual time: {what} (seed {})",
                self.seed
            );
        }
    }

    /// Runs for this much virtual time.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        self.turns();
        while self.step(end) {
            self.turns();
        }
        self.now = end;
        self.turns();
    }

    /// Goes to the next event, if it comes by `end`.
    fn step(&mut self, end: Instant) -> bool {
        let arrival = self.arrivals.peek().map(|a| a.0.at);
        let next = [arrival, self.left.deadline(), self.right.deadline()]
            .into_iter()
            .flatten()
            .min();
        let Some(next) = next.filter(|at| *at <= end) else {
            return false;
        };
        self.at_once = if next > self.now { 0 } else { self.at_once + 1 };
        assert!(
            self.at_once < MAX_EVENTS_AT_ONCE,
            "time stands still (seed {})",
            self.seed
        );
        self.now = self.now.max(next);
        while self.arrivals.peek().is_some_and(|a| a.0.at <= self.now) {
            let Some(Reverse(mut arrival)) = self.arrivals.pop() else {
                break;
            };
            let nat = match arrival.to {
                Side::Left => self.left_nat,
                Side::Right => self.right_nat,
            };
            if let Some(nat) = nat {
                match nat.inside {
                    Some(inside) if arrival.datagram.destination == nat.outside => {
                        arrival.datagram.destination = inside;
                    }
                    _ => continue,
                }
            }
            match arrival.to {
                Side::Left => self.left.receive(self.now, arrival.datagram),
                Side::Right => self.right.receive(self.now, arrival.datagram),
            }
        }
        true
    }

    fn turns(&mut self) {
        let mut sent = Vec::new();
        self.left
            .turn(self.now, &mut |datagram| sent.push((Side::Right, datagram)));
        self.right
            .turn(self.now, &mut |datagram| sent.push((Side::Left, datagram)));
        for (to, mut datagram) in sent {
            let (direction, nat) = match to {
                Side::Left => (&mut self.to_left, &mut self.right_nat),
                Side::Right => (&mut self.to_right, &mut self.left_nat),
            };
            if let Some(nat) = nat {
                nat.inside = Some(datagram.source);
                datagram.source = nat.outside;
            }
            for at in direction
                .admit(self.now, datagram.contents.len())
                .into_iter()
                .flatten()
            {
                self.order += 1;
                let datagram = datagram.clone();
                self.arrivals.push(Reverse(Arrival {
                    at,
                    order: self.order,
                    to,
                    datagram,
                }));
            }
        }
    }
}

impl<L: Node, R: Node> Drop for Simulation<L, R> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "simulation failed: seed {}, at {:?} of virtual time",
                self.seed,
                self.elapsed()
            );
        }
    }
}

#[cfg(test)]
mod tests;
