//! The relayed addresses of an endpoint: which peer each belongs to, and what goes through them.
//! A broken allocation harms its peer's path at most, never the driver.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::PollFd;

use super::batch::{Batch, Unsent};
use crate::core::Transmit;
use crate::core::datagram::{Kind, kind};
use crate::ice::ServerFailure;
use crate::stats::{EndpointCounters, add};
use crate::turn::{Order, Relay, Sent};

/// Relayed addresses of one endpoint, all sessions together.
const MAX_RELAYS: usize = 1024;
/// Messages taken from one server in one turn.
const PER_TURN: usize = 64;

/// Bytes taken from all servers in one turn, before the peers are given them.
const BYTES_PER_TURN: usize = 1024 * 1024;
/// A driver too busy to sleep looks at all servers this often.
const LOOK_EVERY: Duration = Duration::from_millis(1);

struct Held {
    relay: Relay,
    owner: Option<u64>,
    /// Its server may have sent something.
    readable: bool,
}

/// Also when the driver ends: servers keep an address for long, and let a user have few.
impl Drop for Held {
    fn drop(&mut self) {
        self.relay.guarded(|relay| relay.release(Instant::now()));
    }
}

pub(crate) struct Relays {
    counters: Arc<EndpointCounters>,
    all: BTreeMap<u64, Held>,
    /// By the peer an address was allocated for and the address: a server may claim any address, so it counts for that
    /// peer alone.
    by_address: HashMap<(u64, SocketAddr), u64>,
    looked: Option<Instant>,
}

/// Datagrams that came through relayed addresses in one turn.
#[derive(Default)]
pub(crate) struct Inbound {
    bytes: Vec<u8>,
    datagrams: Vec<(u64, SocketAddr, SocketAddr, Range<usize>)>,
}

impl Inbound {
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.datagrams.clear();
    }

    fn push(&mut self, owner: u64, local: SocketAddr, remote: SocketAddr, datagram: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(datagram);
        self.datagrams
            .push((owner, local, remote, start..self.bytes.len()));
    }

    /// The peer, our address, its address, and what it sent.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, SocketAddr, SocketAddr, &[u8])> {
        self.datagrams.iter().map(|(owner, local, remote, range)| {
            (*owner, *local, *remote, &self.bytes[range.clone()])
        })
    }
}

impl Relays {
    pub(crate) fn new(counters: Arc<EndpointCounters>) -> Relays {
        Relays {
            counters,
            all: BTreeMap::new(),
            by_address: HashMap::new(),
            looked: None,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Starts an allocation; whoever ordered it hears of the result.
    pub(crate) fn open(&mut self, now: Instant, id: u64, order: Order) {
        if self.all.len() >= MAX_RELAYS {
            let reason = format!("this endpoint already uses {MAX_RELAYS} relayed addresses");
            (order.answer)(Err(ServerFailure::Local { reason }));
            return;
        }
        if let Some(relay) = Relay::open(order, now) {
            let held = Held {
                relay,
                owner: None,
                readable: true,
            };
            self.all.insert(id, held);
        }
    }

    /// The address is this peer's from now on, whose own addresses the server is to let through. False when it is
    /// lost already.
    pub(crate) fn adopt(
        &mut self,
        now: Instant,
        id: u64,
        owner: u64,
        peers: &[SocketAddr],
    ) -> bool {
        let Some(held) = self.all.get_mut(&id) else {
            return false;
        };
        held.owner = Some(owner);
        for address in held.relay.addresses() {
            self.by_address.insert((owner, *address), id);
        }
        held.relay.permit(now, peers.iter().map(SocketAddr::ip));
        true
    }

    /// Gives the address back: at once, or when it comes after all.
    pub(crate) fn release(&mut self, now: Instant, id: u64) {
        if let Some(held) = self.all.get_mut(&id)
            && held.relay.is_undecided()
        {
            return held.relay.abandon(now);
        }
        if self.all.remove(&id).is_some() {
            self.by_address.retain(|_, relay| *relay != id);
        }
    }

    /// Sends what the engine made: through the relayed address it comes from, else through the socket.
    pub(crate) fn send(
        &mut self,
        now: Instant,
        peer: u64,
        transmit: Transmit<'_>,
        batch: &mut Batch,
    ) {
        let relay = match self.by_address.get(&(peer, transmit.source)) {
            None => return batch.push(transmit),
            Some(id) => self.all.get_mut(id),
        };
        let Some(held) = relay else {
            return;
        };
        let established = kind(transmit.contents) != Some(Kind::Stun);
        let mut sent = Sent::Full;
        held.relay.guarded(|relay| {
            sent = relay.send(now, transmit.destination, transmit.contents, established);
        });
        match sent {
            Sent::Yes => {}
            Sent::NotPermitted => {
                add(&self.counters.dropped_not_permitted, 1);
                batch.note(Unsent {
                    local: Some(transmit.source),
                    remote: transmit.destination,
                    reason: "the TURN server does not let it through",
                });
            }
            Sent::Full => add(&self.counters.dropped_relay_full, 1),
        }
    }

    /// These have something, in the order of `fds`.
    pub(crate) fn mark(&mut self, ready: &[usize]) {
        let mut ready = ready.iter().peekable();
        for (index, held) in self.all.values_mut().enumerate() {
            held.readable |= ready.next_if_eq(&&index).is_some();
        }
    }

    /// Receives from the servers that have something; false when there may be more at once.
    pub(crate) fn receive(&mut self, now: Instant, inbound: &mut Inbound) -> bool {
        let look = self.looked.is_none_or(|at| now >= at + LOOK_EVERY);
        if look {
            self.looked = Some(now);
        }
        let mut empty = true;
        for held in self.all.values_mut() {
            if !(held.readable || look) || inbound.bytes.len() > BYTES_PER_TURN {
                empty &= !held.readable;
                continue;
            }
            let (owner, mut done) = (held.owner, true);
            held.relay.guarded(|relay| {
                done = relay.receive(now, PER_TURN, &mut |local, remote, datagram| {
                    if let Some(owner) = owner {
                        inbound.push(owner, local, remote, datagram);
                    }
                });
            });
            held.readable = !done;
            empty &= done;
        }
        empty
    }

    /// Lets all do what is due. Returns those that ended: whose they were, and the addresses.
    pub(crate) fn turn(&mut self, now: Instant) -> Vec<(u64, Vec<SocketAddr>)> {
        let mut ended = Vec::new();
        for (id, held) in &mut self.all {
            held.relay.guarded(|relay| relay.turn(now));
            if held.relay.dead().is_some() {
                ended.push(*id);
            }
        }
        let mut lost = Vec::new();
        for id in ended {
            let Some(held) = self.all.remove(&id) else {
                continue;
            };
            self.by_address.retain(|_, relay| *relay != id);
            if let Some(owner) = held.owner {
                add(&self.counters.relays_lost, 1);
                let reason = held.relay.dead().map(ToString::to_string);
                tracing::warn!(peer = owner, reason, "a TURN server is lost");
                lost.push((owner, held.relay.addresses().to_vec()));
            }
        }
        lost
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.all.values().map(|held| held.relay.deadline()).min()
    }

    /// What to wait for.
    pub(crate) fn fds(&self) -> impl Iterator<Item = PollFd<'_>> {
        self.all
            .values()
            .map(|held| PollFd::new(&held.relay, held.relay.wanted()))
    }
}
