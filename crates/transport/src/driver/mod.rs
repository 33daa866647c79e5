//! The one thread of an endpoint: it receives, lets each peer do its turn, sends, and sleeps until something is due.
//! It waits for nothing but the kernel: no user, disk or codec can hold it up.

mod batch;
mod early;
mod ended;
mod errors;
mod inbox;
mod members;
mod relayed;
mod relays;
mod restart;
mod routes;
mod socket;

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

pub(crate) use inbox::{Command, Inbox, Joining, RelayHandle};
pub(crate) use restart::Restarting;
pub(crate) use socket::Socket;

use crate::core::datagram::{Kind, kind};
use crate::core::{PeerCore, Received, Transmit, request_ufrag};
use crate::error::CloseReason;
use crate::ice::Relayed;
use crate::ice::stun::Query;
use crate::peer::PeerState;
use crate::stats::{EndpointCounters, add};
use batch::Batch;
use early::Early;
use ended::Ended;
use inbox::{PeerNotify, Taken};
use relays::{Inbound, Relays};
use routes::Routes;
use socket::Buffers;

/// Questions to STUN servers at once; further ones are not asked.
const MAX_QUERIES: usize = 256;

/// A peer in the driver.
struct Slot {
    core: PeerCore,
    notify: Arc<PeerNotify>,
    deadline: Instant,
    /// In `touched`.
    touched: bool,
    /// Its addresses on TURN servers, given back with it.
    relayed: Vec<Relayed>,
    /// Those from before an ICE restart, until it or a later one has found its path.
    retired: Vec<Relayed>,
    relay_only: bool,
}

pub(crate) struct Driver {
    socket: Arc<Socket>,
    inbox: Arc<Inbox>,
    counters: Arc<EndpointCounters>,
    peers: HashMap<u64, Slot>,
    routes: Routes,
    early: Early,
    timers: BTreeSet<(Instant, u64)>,
    touched: Vec<u64>,
    ended: Ended,
    queries: Vec<Query>,
    batch: Batch,
    relays: Relays,
    inbound: Inbound,
    buffers: Buffers,
    /// Receive before sleeping: the last receive found something.
    readable: bool,
    stopping: bool,
    dead: bool,
}

impl Driver {
    pub(crate) fn new(
        socket: Arc<Socket>,
        inbox: Arc<Inbox>,
        counters: Arc<EndpointCounters>,
    ) -> Driver {
        Driver {
            batch: Batch::new(socket.clone(), counters.clone()),
            relays: Relays::new(counters.clone()),
            inbound: Inbound::default(),
            buffers: Buffers::new(&socket),
            socket,
            inbox,
            counters,
            peers: HashMap::new(),
            routes: Routes::default(),
            early: Early::default(),
            timers: BTreeSet::new(),
            touched: Vec::new(),
            ended: Ended::default(),
            queries: Vec::new(),
            readable: true,
            stopping: false,
            dead: false,
        }
    }

    /// Runs until the endpoint is no longer used and its last peer has ended.
    pub(crate) fn run(mut self) {
        while !self.dead {
            add(&self.counters.turns, 1);
            let now = Instant::now();
            self.take_inbox(now);
            if self.readable {
                self.receive(now);
            }
            self.receive_relayed(now);
            self.ask_servers(now);
            self.fire(now);
            self.turns(now);
            self.batch.flush();
            self.tell_unsent();
            self.ended.tell(now, self.batch.is_blocked());
            self.turn_relays(now);
            if self.stopping && self.peers.is_empty() && self.ended.is_empty() {
                break;
            }
            if !self.readable {
                self.sleep();
            }
        }
        let inbox = self.inbox.clone();
        self.ended.tell_all();
        for slot in self.peers.values() {
            slot.core.shared().finish(CloseReason::EndpointClosed);
        }
        // The socket closes before anyone hears of the end, so that its port is free then.
        drop(self);
        inbox.end();
    }

    fn take_inbox(&mut self, now: Instant) {
        let Some(Taken { commands, ready }) = self.inbox.take() else {
            return;
        };
        for command in commands {
            match command {
                Command::Add(joining) => self.add_peer(now, *joining),
                Command::Restart(restarting) => self.restart(now, *restarting),
                Command::Relay(id, order) => self.relays.open(now, id, *order),
                Command::DropRelay(id) => self.relays.release(now, id),
                Command::Query(query) => {
                    if self.queries.len() < MAX_QUERIES {
                        self.queries.push(query);
                    }
                }
                Command::Release => self.stopping = true,
                Command::Shutdown(flush) => self.shutdown(flush),
                Command::Die => self.dead = true,
            }
        }
        for key in ready {
            if let Some(slot) = self.peers.get(&key) {
                slot.notify.rearm();
            }
            self.touch(key);
        }
    }

    fn touch(&mut self, key: u64) {
        if let Some(slot) = self.peers.get_mut(&key)
            && !slot.touched
        {
            slot.touched = true;
            self.touched.push(key);
        }
    }

    fn receive(&mut self, now: Instant) {
        let mut buffers = std::mem::take(&mut self.buffers);
        match self.socket.receive(&mut buffers) {
            Ok(0) => self.readable = false,
            Ok(count) => {
                add(&self.counters.receive_calls, 1);
                let port = self.socket.port();
                let (mut datagrams, mut bytes) = (0, 0);
                for (meta, data) in buffers.received(count) {
                    let local = SocketAddr::new(meta.local, port);
                    let mut known = None;
                    for datagram in data.chunks(meta.stride) {
                        datagrams += 1;
                        bytes += datagram.len();
                        known = self.dispatch(now, local, meta.remote, datagram, known);
                    }
                }
                add(&self.counters.datagrams_received, datagrams);
                add(&self.counters.bytes_received, bytes);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.readable = false,
            Err(error) => self.errors(error.raw_os_error()),
        }
        self.buffers = buffers;
    }

    /// Finds the peer of a datagram. `known` is the peer of the one before from the same address; what comes back is the
    /// same for the next, as long as only data comes: a check may change whose the address is.
    fn dispatch(
        &mut self,
        now: Instant,
        local: SocketAddr,
        remote: SocketAddr,
        datagram: &[u8],
        known: Option<u64>,
    ) -> Option<u64> {
        let kind = kind(datagram);
        let data = matches!(kind, Some(Kind::Dtls | Kind::Rtp));
        let key = match kind {
            None => {
                add(&self.counters.dropped_malformed, 1);
                return None;
            }
            Some(Kind::Stun) => {
                if !self.queries.is_empty() {
                    let before = self.queries.len();
                    self.queries.retain(|q| !q.answer(remote, local, datagram));
                    if self.queries.len() != before {
                        return None;
                    }
                }
                match request_ufrag(datagram) {
                    Some(ufrag) => match self.routes.by_ufrag(&ufrag) {
                        None => {
                            let dropped = self.early.keep(now, ufrag, (local, remote), datagram);
                            add(&self.counters.dropped_unknown, dropped);
                            return None;
                        }
                        known => known,
                    },
                    None => self.routes.by_address(remote),
                }
            }
            Some(Kind::Dtls | Kind::Rtp) => known.or_else(|| self.routes.by_address(remote)),
        };
        let Some(key) = key.filter(|key| self.peers.contains_key(key)) else {
            add(&self.counters.dropped_unknown, 1);
            return None;
        };
        self.for_peer(now, key, local, remote, datagram);
        data.then_some(key)
    }

    /// A datagram that came to our own socket, for a peer that is here.
    fn for_peer(
        &mut self,
        now: Instant,
        key: u64,
        local: SocketAddr,
        remote: SocketAddr,
        datagram: &[u8],
    ) {
        if self.peers.get(&key).is_some_and(|slot| slot.relay_only) {
            add(&self.counters.dropped_not_relayed, 1);
            return;
        }
        if self.give(now, key, local, remote, datagram) == Some(Received::Authentic) {
            self.learn(now, remote, key);
        }
    }

    /// Hands a datagram to its peer.
    fn give(
        &mut self,
        now: Instant,
        key: u64,
        local: SocketAddr,
        remote: SocketAddr,
        datagram: &[u8],
    ) -> Option<Received> {
        let slot = self.peers.get_mut(&key)?;
        let (batch, relays) = (&mut self.batch, &mut self.relays);
        let work = || {
            slot.core
                .receive(now, local, remote, datagram, &mut |transmit| {
                    relays.send(now, key, transmit, batch);
                })
        };
        match catch_unwind(AssertUnwindSafe(work)) {
            Ok(received) => {
                if !std::mem::replace(&mut slot.touched, true) {
                    self.touched.push(key);
                }
                Some(received)
            }
            Err(_) => {
                self.panicked(key);
                None
            }
        }
    }

    /// The peer itself sent from this address. A live session keeps an address it already has.
    fn learn(&mut self, now: Instant, remote: SocketAddr, key: u64) {
        if self.routes.confirm(now, remote, key) {
            return;
        }
        let taken = self
            .routes
            .owner(now, remote)
            .and_then(|owner| self.peers.get(&owner));
        if taken.is_some_and(|slot| slot.core.shared().state() == PeerState::Connected) {
            add(&self.counters.dropped_conflict, 1);
            return;
        }
        self.routes.learn(now, remote, key);
    }

    fn ask_servers(&mut self, now: Instant) {
        self.queries.retain(|query| !query.is_over(now));
        for query in &mut self.queries {
            if let Some((server, request)) = query.poll(now) {
                self.batch.push_from_any(server, &request);
            }
        }
    }

    fn fire(&mut self, now: Instant) {
        while let Some(&(at, key)) = self.timers.first()
            && at <= now
        {
            self.timers.pop_first();
            self.touch(key);
        }
    }

    fn turns(&mut self, now: Instant) {
        // The list is swapped out and back so that its memory is kept.
        let mut touched = std::mem::take(&mut self.touched);
        for key in touched.drain(..) {
            let Some(slot) = self.peers.get_mut(&key) else {
                continue;
            };
            slot.touched = false;
            let (batch, relays) = (&mut self.batch, &mut self.relays);
            let work = || {
                slot.core.turn(now, &mut |transmit: Transmit<'_>| {
                    relays.send(now, key, transmit, batch);
                })
            };
            if catch_unwind(AssertUnwindSafe(work)).is_err() {
                self.panicked(key);
                continue;
            }
            if slot.core.is_over() {
                if let Some(slot) = self.remove(key) {
                    self.ended.add(now, slot.core);
                }
                continue;
            }
            if !slot.retired.is_empty() && !slot.core.is_restarting() {
                slot.retired.clear();
            }
            let deadline = slot.core.deadline();
            if deadline != slot.deadline {
                self.timers.remove(&(slot.deadline, key));
                slot.deadline = deadline;
            }
            self.timers.insert((deadline, key));
        }
        self.touched = touched;
    }

    fn sleep(&mut self) {
        let queries = self.queries.iter().map(Query::due).min();
        // A turn of the relays may have touched a peer, which is due then.
        let touched = (!self.touched.is_empty()).then(Instant::now);
        let deadline = [
            self.timers.first().map(|t| t.0),
            queries,
            self.relays.deadline(),
            self.ended.deadline(),
            touched,
        ]
        .into_iter()
        .flatten()
        .min();
        let woken = self.inbox.sleep(
            &self.socket,
            self.relays.fds(),
            deadline,
            self.batch.is_blocked(),
        );
        self.readable = woken.readable;
        self.relays.mark(&woken.links);
        if woken.writable {
            self.batch.unblock();
        }
        if woken.error {
            self.errors(None);
        }
    }
}
