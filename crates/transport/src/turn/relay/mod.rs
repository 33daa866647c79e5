//! One relayed address: its allocation, its permissions and channels, and datagrams through it.
//! It is told the time and never blocks; the driver calls it beside its peers.

mod traffic;

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use stun_proto::types::message::TransactionId;
use turn_client_proto::api::{TurnClientApi, TurnConfig, TurnEvent, TurnPollRet};
use turn_client_proto::client::TurnClient;
use turn_client_proto::tcp::TurnClientTcp;
use turn_client_proto::types::{AddressFamily, TurnCredentials};
use turn_client_proto::udp::TurnClientUdp;

use super::framing::MESSAGE_ROOM;
use super::{Link, LinkError};
use crate::ice::ServerFailure;
use crate::ice::url::Transport;
use crate::sdp::is_reachable;
pub(crate) use traffic::Sent;

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
const UNAUTHORIZED: u16 = 401;
/// A server that makes an allocation nobody waits for any more may do so for this long; it is given back then. Requests are
/// repeated for about as long.
const LATE: Duration = Duration::from_secs(8);

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

pub(crate) type Answer = Box<dyn FnOnce(Result<Allocated, ServerFailure>) + Send>;

/// Addresses that are ours on the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Allocated {
    /// One of each kind at most.
    pub(crate) addresses: Vec<SocketAddr>,
    /// Where we reach the server from.
    pub(crate) base: SocketAddr,
    /// Where the server sees us.
    pub(crate) reflexive: Option<SocketAddr>,
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
    /// Nobody waits for the allocation; what still comes of it until then is given back.
    abandoned: Option<Instant>,
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
    dead: Option<ServerFailure>,
    /// Something came that is no TURN.
    foreign: bool,
    /// Where the server sees us.
    reflexive: Option<SocketAddr>,
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
                (order.answer)(Err((&error).into()));
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
            abandoned: None,
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
            foreign: false,
            reflexive: None,
            room: vec![0; MESSAGE_ROOM].into(),
        })
    }

    /// Why it can no longer be used.
    pub(crate) fn dead(&self) -> Option<&ServerFailure> {
        self.dead.as_ref()
    }

    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Connected, and past the TLS handshake.
    pub(crate) fn is_ready(&self) -> bool {
        self.ready
    }

    /// What to wait for beside the deadline.
    pub(crate) fn wanted(&self) -> PollFlags {
        self.link.wanted()
    }

    /// When `turn` is due.
    pub(crate) fn deadline(&self) -> Instant {
        let undecided = self.answer.as_ref().map(|_| self.deadline);
        let others = [undecided, self.abandoned];
        others.into_iter().flatten().fold(self.due, Instant::min)
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
        if now >= self.deadline
            && let Some(answer) = self.answer.take()
        {
            let after = self.deadline.saturating_duration_since(self.epoch);
            answer(Err(self.overdue(after)));
            self.abandon(now);
        }
        if let Some(until) = self.abandoned {
            if !self.addresses.is_empty() {
                self.release(now);
                self.die(ServerFailure::local("given back: it came too late"));
            } else if now >= until {
                self.die(ServerFailure::local("nothing came of it"));
            }
        }
    }

    /// Whether the server may yet make the allocation.
    pub(crate) fn is_undecided(&self) -> bool {
        self.dead.is_none() && self.addresses.is_empty()
    }

    /// Nobody waits for the allocation any more.
    pub(crate) fn abandon(&mut self, now: Instant) {
        self.answer = None;
        self.abandoned.get_or_insert(now + LATE);
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
                    self.die(self.failure());
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
                if !is_plausible(address, self.link.local()) {
                    let text =
                        format!("the server gave {address}, which cannot be a relayed address");
                    if let Some(answer) = self.answer.take() {
                        answer(Err(ServerFailure::local(text)));
                    }
                    // Given back in this turn.
                    return self.abandon(now);
                }
                self.addresses.sort_by_key(SocketAddr::is_ipv6);
                if let Some(answer) = self.answer.take() {
                    // All families are in one answer of the server, so the others are known as well.
                    while let Some(event) = self.client.poll_event() {
                        if let TurnEvent::AllocationCreated(_, address) = event
                            && is_plausible(address, self.link.local())
                        {
                            self.addresses.push(address);
                        }
                    }
                    answer(Ok(Allocated {
                        addresses: self.addresses.clone(),
                        base: self.link.local(),
                        reflexive: self.reflexive,
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
        if error.is_of_the_network() && !self.link.is_stream() && self.answer.is_none() {
            self.refused += 1;
            if self.refused < MAX_REFUSED {
                return;
            }
        }
        self.die(error.into());
    }

    /// The end, with the reason for the report.
    pub(crate) fn die(&mut self, reason: ServerFailure) {
        if self.dead.is_some() {
            return;
        }
        if let Some(answer) = self.answer.take() {
            answer(Err(reason.clone()));
        }
        self.dead = Some(reason);
    }

    /// Why the client ended.
    fn failure(&self) -> ServerFailure {
        match &self.refusal {
            _ if self.answer.is_none() => ServerFailure::local("the allocation has expired"),
            Some((code, words)) => ServerFailure::of_code(*code, words),
            None => ServerFailure::local("the server does not answer"),
        }
    }

    /// What it means that there is no allocation after all this time.
    pub(crate) fn overdue(&self, after: Duration) -> ServerFailure {
        match &self.refusal {
            Some((code, words)) if *code != UNAUTHORIZED => ServerFailure::of_code(*code, words),
            None if self.foreign || self.link.holds_part() => ServerFailure::NotStun,
            _ => ServerFailure::Silent { after },
        }
    }

    /// The TURN crate sees bytes from strangers. Should it panic, this allocation is over and nothing else.
    pub(crate) fn guarded(&mut self, work: impl FnOnce(&mut Relay)) {
        if catch_unwind(AssertUnwindSafe(|| work(self))).is_err() {
            let reason = "the TURN client panicked; please report this";
            self.die(ServerFailure::local(reason));
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

/// Whether a server may have given this address: one that datagrams can be sent to and that is not our own.
fn is_plausible(address: SocketAddr, base: SocketAddr) -> bool {
    is_reachable(address.ip()) && address.port() > 0 && address != base
}

impl AsFd for Relay {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.link.as_fd()
    }
}
