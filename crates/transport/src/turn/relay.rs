//! One relayed address: its allocation, its permissions and channels, and datagrams through it.
//! It is told the time and never blocks; the driver calls it beside its peers.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use stun_proto::types::TransportType;
use stun_proto::types::attribute::ErrorCode;
use stun_proto::types::message::{Message, MessageClass, TransactionId};
use turn_client_proto::api::{
    Transmit, TurnClientApi, TurnConfig, TurnEvent, TurnPollRet, TurnRecvRet,
};
use turn_client_proto::client::TurnClient;
use turn_client_proto::tcp::TurnClientTcp;
use turn_client_proto::types::message::ALLOCATE;
use turn_client_proto::types::prelude::DelayedTransmitBuild;
use turn_client_proto::types::{AddressFamily, TurnCredentials};
use turn_client_proto::udp::TurnClientUdp;

use super::framing::MESSAGE_ROOM;
use super::{Link, LinkError};
use crate::ice::url::Transport;

/// Addresses of the peer the server is asked to let through; more are not of a real session.
const MAX_PERMISSIONS: usize = 64;
/// Addresses of the peer that get a channel, which saves 32 bytes a datagram; others go without.
const MAX_CHANNELS: usize = 16;
/// A permission or channel the server refused is not asked for again before this.
const ASK_AGAIN: Duration = Duration::from_secs(10);
/// Datagrams kept until the server has agreed to let their receiver through; ICE repeats the first only after 50 ms.
const MAX_PARKED: usize = 32;
/// Repetitions of a request over UDP: first after this, doubled up to the second.
const FIRST_RETRY: Duration = Duration::from_millis(250);
const MAX_RETRY: Duration = Duration::from_secs(1);
const RETRIES: u32 = 8;
/// Refused datagrams in a row after which an allocated address is given up.
const MAX_REFUSED: u32 = 3;
/// Steps of the client in one turn; it settles in two or three.
const MAX_STEPS: usize = 64;
/// The client keeps requests 50 ms apart, which is for hundreds of them at once. The few that bring a session up need not
/// wait: its clock is put forward by as much, up to this in all.
const SPACING: Duration = Duration::from_millis(50);
const MAX_SKEW: Duration = Duration::from_secs(2);
/// The allocation is gone on the server.
const ALLOCATION_MISMATCH: u16 = 437;
const UNAUTHORIZED: u16 = 401;
/// Longest piece of a server's own words in a report.
const MAX_REASON: usize = 80;

/// What to allocate.
pub(crate) struct Order {
    pub(crate) server: SocketAddr,
    pub(crate) transport: Transport,
    /// What a certificate must be for.
    pub(crate) host: String,
    pub(crate) username: String,
    pub(crate) credential: String,
    pub(crate) deadline: Instant,
    /// Called once.
    pub(crate) answer: Answer,
}

pub(crate) type Answer = Box<dyn FnOnce(Result<Allocated, String>) + Send>;

/// Addresses that are ours on the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Allocated {
    /// One of each kind at most.
    pub(crate) addresses: Vec<SocketAddr>,
    /// Where we reach the server from.
    pub(crate) base: SocketAddr,
}

/// What became of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    Yes,
    /// The server does not let this address through, or not yet.
    NotPermitted,
    /// The way to the server has no room.
    Full,
}

pub(crate) struct Relay {
    link: Link,
    client: TurnClient,
    /// Start of the client's clock.
    epoch: Instant,
    /// How far that clock was put forward.
    skew: Duration,
    /// Until the allocation is decided.
    answer: Option<Answer>,
    deadline: Instant,
    addresses: Vec<SocketAddr>,
    /// When what the server was asked for may be asked for again.
    permissions: HashMap<IpAddr, Instant>,
    channels: HashMap<SocketAddr, Instant>,
    /// Addresses the server did not let through when last asked.
    denied: HashSet<IpAddr>,
    parked: VecDeque<(SocketAddr, Box<[u8]>)>,
    /// What the server last refused, and why.
    refusal: Option<(u16, String)>,
    /// The request that was answered with "who are you", which is how every allocation starts.
    challenged: Option<TransactionId>,
    refused: u32,
    /// The way to the server was open at the last turn.
    ready: bool,
    due: Instant,
    dead: Option<String>,
    room: Box<[u8]>,
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay")
            .field("link", &self.link)
            .field("addresses", &self.addresses)
            .field("dead", &self.dead)
            .finish_non_exhaustive()
    }
}

impl Relay {
    /// Starts allocating; `None` when that failed at once, which the order's answer was told.
    pub(crate) fn open(order: Order, now: Instant) -> Option<Relay> {
        let link = match Link::open(order.server, order.transport, &order.host) {
            Ok(link) => link,
            Err(error) => {
                (order.answer)(Err(error.to_string()));
                return None;
            }
        };
        let mut config = TurnConfig::new(TurnCredentials::new(&order.username, &order.credential));
        config.set_request_retransmits(FIRST_RETRY, MAX_RETRY, RETRIES, MAX_RETRY);
        if order.server.is_ipv6() {
            config.add_address_family(AddressFamily::IPV6);
        }
        let client = if link.is_stream() {
            TurnClientTcp::allocate(link.local(), link.server(), config).into()
        } else {
            TurnClientUdp::allocate(link.local(), link.server(), config).into()
        };
        Some(Relay {
            link,
            client,
            epoch: now,
            skew: Duration::ZERO,
            answer: Some(order.answer),
            deadline: order.deadline,
            addresses: Vec::new(),
            permissions: HashMap::new(),
            channels: HashMap::new(),
            denied: HashSet::new(),
            parked: VecDeque::new(),
            refusal: None,
            challenged: None,
            refused: 0,
            ready: false,
            due: now,
            dead: None,
            room: vec![0; MESSAGE_ROOM].into(),
        })
    }

    /// Why it can no longer be used.
    pub(crate) fn dead(&self) -> Option<&str> {
        self.dead.as_deref()
    }

    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// What to wait for beside the deadline.
    pub(crate) fn wanted(&self) -> PollFlags {
        self.link.wanted()
    }

    /// When `turn` is due.
    pub(crate) fn deadline(&self) -> Instant {
        match self.answer {
            Some(_) => self.due.min(self.deadline),
            None => self.due,
        }
    }

    /// Asks the server to let these addresses through, in this order.
    pub(crate) fn permit(&mut self, now: Instant, peers: impl IntoIterator<Item = IpAddr>) {
        for ip in peers {
            self.ask_permission(now, ip);
        }
        self.due = now;
    }

    fn ask_permission(&mut self, now: Instant, ip: IpAddr) {
        let matching = self.addresses.iter().any(|a| a.is_ipv4() == ip.is_ipv4());
        let room = self.permissions.len() < MAX_PERMISSIONS || self.permissions.contains_key(&ip);
        if !matching || !room || self.permissions.get(&ip).is_some_and(|again| now < *again) {
            return;
        }
        self.permissions.insert(ip, now + ASK_AGAIN);
        let at = self.clock(now);
        // Errors mean that it is there, on its way, or that the allocation is over, which a turn notices.
        let _ = self.client.create_permission(TransportType::Udp, ip, at);
        self.due = now;
    }

    /// Sends a datagram to the peer. `established` says that it belongs to a connection that is up, which is worth a
    /// channel.
    pub(crate) fn send(
        &mut self,
        now: Instant,
        to: SocketAddr,
        datagram: &[u8],
        established: bool,
    ) -> Sent {
        let at = self.clock(now);
        if !self.client.have_permission(TransportType::Udp, to.ip()) {
            self.ask_permission(now, to.ip());
            return self.park(to, datagram);
        }
        if established {
            self.ask_channel(now, to);
        }
        let Ok(Some(built)) = self.client.send_to(TransportType::Udp, to, datagram, at) else {
            return Sent::NotPermitted;
        };
        let len = built.data.len();
        let Some(room) = self.room.get_mut(..len) else {
            return Sent::Full;
        };
        built.write_into(room);
        match self.link.send(&self.room[..len], !established) {
            Ok(true) => Sent::Yes,
            Ok(false) => Sent::Full,
            Err(error) => {
                self.failed(&error);
                Sent::Full
            }
        }
    }

    /// Keeps a datagram whose permission is on its way.
    fn park(&mut self, to: SocketAddr, datagram: &[u8]) -> Sent {
        let asked = self.permissions.contains_key(&to.ip()) && !self.denied.contains(&to.ip());
        if !asked || self.parked.len() >= MAX_PARKED {
            return Sent::NotPermitted;
        }
        self.parked.push_back((to, datagram.into()));
        Sent::Yes
    }

    /// The server has decided about `ip`: what was kept for it goes, or is dropped.
    fn unpark(&mut self, now: Instant, ip: IpAddr, allowed: bool) {
        for (to, datagram) in std::mem::take(&mut self.parked) {
            if to.ip() != ip {
                self.parked.push_back((to, datagram));
            } else if allowed {
                self.send(now, to, &datagram, false);
            }
        }
    }

    fn ask_channel(&mut self, now: Instant, to: SocketAddr) {
        let known = self.channels.get(&to);
        if known.is_some_and(|again| now < *again)
            || (known.is_none() && self.channels.len() >= MAX_CHANNELS)
        {
            return;
        }
        self.channels.insert(to, now + ASK_AGAIN);
        let at = self.clock(now);
        let _ = self.client.bind_channel(TransportType::Udp, to, at);
        self.due = now;
    }

    /// Receives up to `count` messages and gives what the peer sent to `each`: our relayed address, the peer's address
    /// and the datagram. False when there may be more.
    pub(crate) fn receive(
        &mut self,
        now: Instant,
        count: usize,
        each: &mut dyn FnMut(SocketAddr, SocketAddr, &[u8]),
    ) -> bool {
        let at = self.clock(now);
        let mut room = std::mem::take(&mut self.room);
        let mut empty = self.dead.is_some();
        for _ in 0..count {
            match self.link.receive(&mut room) {
                Ok(Some(len)) => {
                    // An answer of the server may let the client go on; channel data does not.
                    if room[0] >> 6 == 0 {
                        self.due = now;
                    }
                    self.received(at, &room[..len], each);
                }
                Ok(None) => empty = true,
                Err(error) => {
                    self.failed(&error);
                    empty = true;
                }
            }
            if empty {
                break;
            }
        }
        self.room = room;
        empty
    }

    fn received(
        &mut self,
        at: stun_proto::Instant,
        message: &[u8],
        each: &mut dyn FnMut(SocketAddr, SocketAddr, &[u8]),
    ) {
        self.refused = 0;
        self.note_refusal(message);
        let transmit = Transmit::new(
            message,
            self.client.transport(),
            self.link.server(),
            self.link.local(),
        );
        if let TurnRecvRet::PeerData(data) = self.client.recv(transmit, at) {
            let ours = self
                .addresses
                .iter()
                .find(|a| a.is_ipv4() == data.peer.is_ipv4());
            if let Some(ours) = ours {
                each(*ours, data.peer, data.data());
            }
        }
    }

    /// The client says only that something failed; the reason is in the server's answer.
    fn note_refusal(&mut self, message: &[u8]) {
        if message.first().is_none_or(|kind| kind >> 6 != 0) {
            return;
        }
        let Ok(message) = Message::from_bytes(message) else {
            return;
        };
        if message.class() != MessageClass::Error {
            return;
        }
        if let Ok(error) = message.attribute::<ErrorCode>() {
            if error.code() == ALLOCATION_MISMATCH && !message.has_method(ALLOCATE) {
                self.die("the server does not know the allocation any more (437)".into());
            }
            let words = error.reason().chars().filter(|c| !c.is_control());
            self.refusal = Some((error.code(), words.take(MAX_REASON).collect()));
            // Servers do not sign this, so the client ignores it and goes on asking.
            if error.code() == UNAUTHORIZED && self.answer.is_some() {
                let first = self.challenged.get_or_insert(message.transaction_id());
                if *first != message.transaction_id() {
                    self.die(self.refusal_text());
                }
            }
        }
    }

    /// Goes on with what is due: connecting, requests, refreshes.
    pub(crate) fn turn(&mut self, now: Instant) {
        if self.dead.is_some() {
            return;
        }
        let done = if now >= self.due || !self.ready {
            self.step(now)
        } else {
            self.link.flush()
        };
        if let Err(error) = done {
            self.failed(&error);
        }
        if self.answer.is_some() && now >= self.deadline {
            self.die(match &self.refusal {
                Some((code, _)) if *code != UNAUTHORIZED => self.refusal_text(),
                _ => "no answer in the time allowed".to_owned(),
            });
        }
    }

    fn step(&mut self, now: Instant) -> Result<(), LinkError> {
        self.link.flush()?;
        if !self.link.is_ready() {
            self.due = self.deadline;
            return Ok(());
        }
        self.ready = true;
        for _ in 0..MAX_STEPS {
            let at = self.clock(now);
            let mut moved = false;
            while let Some(transmit) = self.client.poll_transmit(at) {
                self.link.send(&transmit.data, true)?;
                moved = true;
            }
            while let Some(event) = self.client.poll_event() {
                self.event(now, event);
                moved = true;
            }
            match self.client.poll(at) {
                TurnPollRet::WaitUntil(until) if until > at => {
                    let wait = until.saturating_duration_since(at);
                    self.due = now + wait;
                    if wait <= SPACING && self.skew + wait <= MAX_SKEW {
                        self.skew += wait;
                    } else if !moved {
                        break;
                    }
                }
                // Something to take out at once.
                TurnPollRet::WaitUntil(_) => self.due = now,
                TurnPollRet::Closed => {
                    while let Some(event) = self.client.poll_event() {
                        self.event(now, event);
                    }
                    self.die(self.refusal_text());
                    break;
                }
                // Of TCP allocations, which are not asked for.
                TurnPollRet::AllocateTcpSocket { .. } | TurnPollRet::TcpClose { .. } => {}
            }
        }
        self.link.flush()
    }

    fn event(&mut self, now: Instant, event: TurnEvent) {
        match event {
            TurnEvent::AllocationCreated(_, address) => {
                self.addresses.push(address);
                self.addresses.sort_by_key(SocketAddr::is_ipv6);
                if let Some(answer) = self.answer.take() {
                    // All families are in one answer of the server, so the others are known as well.
                    while let Some(event) = self.client.poll_event() {
                        if let TurnEvent::AllocationCreated(_, address) = event {
                            self.addresses.push(address);
                        }
                    }
                    answer(Ok(Allocated {
                        addresses: self.addresses.clone(),
                        base: self.link.local(),
                    }));
                }
            }
            TurnEvent::AllocationCreateFailed(family) => {
                tracing::debug!(?family, server = %self.link.server(), "no relayed address");
            }
            TurnEvent::PermissionCreated(_, ip) => {
                self.permissions.insert(ip, now);
                self.denied.remove(&ip);
                self.unpark(now, ip, true);
            }
            TurnEvent::PermissionCreateFailed(_, ip) => {
                // At most as many as were asked for.
                self.denied.insert(ip);
                self.unpark(now, ip, false);
                tracing::debug!(%ip, "the TURN server does not let this address through");
            }
            _ => {}
        }
    }

    fn failed(&mut self, error: &LinkError) {
        // ICMP about a UDP link can be forged or of the moment; without an allocation there is nothing to lose.
        if error.is_refusal() && !self.link.is_stream() && self.answer.is_none() {
            self.refused += 1;
            if self.refused < MAX_REFUSED {
                return;
            }
        }
        self.die(error.to_string());
    }

    /// The end, with the reason for the report.
    pub(crate) fn die(&mut self, reason: String) {
        if self.dead.is_some() {
            return;
        }
        if let Some(answer) = self.answer.take() {
            answer(Err(reason.clone()));
        }
        self.dead = Some(reason);
    }

    /// Why the client ended.
    fn refusal_text(&self) -> String {
        match &self.refusal {
            _ if self.answer.is_none() => "the allocation has expired".to_owned(),
            Some((UNAUTHORIZED, _)) => {
                "the server refuses the user name and password (401)".to_owned()
            }
            Some((code, words)) => format!("the server refuses: {words} ({code})"),
            None => "the server does not answer".to_owned(),
        }
    }

    /// Gives the allocation back, as far as one message can.
    pub(crate) fn release(&mut self, now: Instant) {
        let at = self.clock(now);
        if self.dead.is_some() || self.addresses.is_empty() || self.client.delete(at).is_err() {
            return;
        }
        // The client spaces its requests; for the last one there is no later.
        let later = at + MAX_RETRY;
        while let Some(transmit) = self.client.poll_transmit(later) {
            let _ = self.link.send(&transmit.data, true);
        }
        let _ = self.link.flush();
    }

    fn clock(&self, now: Instant) -> stun_proto::Instant {
        let since = now.saturating_duration_since(self.epoch);
        stun_proto::Instant::ZERO + since + self.skew
    }
}

impl AsFd for Relay {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.link.as_fd()
    }
}
