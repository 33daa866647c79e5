//! One association: its state, and the calls str0m makes on it.
//! Sending, receiving and the wire format are modules of their own; this one and its children put them together.

use std::sync::Arc;
use std::time::Instant;

use rand::rngs::StdRng;

use crate::cookie::{Key, PeerInfo};
use crate::error::{AssociationError, Error};
use crate::receive::Receiver;
use crate::send::Sender;
use crate::serial::Tsn;
use crate::time::{Time, Timeline};
use crate::tuning::{Tuning, counters::Shared};
use crate::types::{EndpointEvent, Event, PayloadProtocolIdentifier, Transmit};
use crate::wire::Init;

mod check;
mod control;
mod figures;
mod handshake;
mod input;
mod output;
mod path_size;
mod reset;
mod shutdown;
mod stream;
mod streams;
mod timers;

pub(crate) use handshake::greeting;
pub use stream::Stream;

use control::Control;
use figures::Figures;
use handshake::Handshake;
use path_size::PathSize;
use reset::Resets;
use streams::Streams;
use timers::Timers;

/// A datagram on its way from the endpoint to the association.
#[derive(Debug)]
pub struct AssociationEvent {
    pub(crate) now: Instant,
    pub(crate) datagram: Vec<u8>,
}

/// Where an association is in its life (RFC 9260 section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Made by the peer's first INIT; nothing was agreed yet.
    Listen,
    /// INIT sent.
    CookieWait,
    /// COOKIE ECHO sent.
    CookieEchoed,
    Established,
    /// This side wants to end and waits until its data is acknowledged.
    ShutdownPending,
    /// SHUTDOWN sent.
    ShutdownSent,
    /// The peer wants to end; this side waits until its data is acknowledged.
    ShutdownReceived,
    /// SHUTDOWN ACK sent.
    ShutdownAckSent,
    Closed,
}

/// What an association is made with.
pub(crate) struct Setup {
    /// User data per DATA chunk.
    pub(crate) payload: usize,
    pub(crate) receive_window: u32,
    pub(crate) max_receive_message: u32,
    pub(crate) max_init_retransmits: Option<usize>,
    pub(crate) tuning: Tuning,
    pub(crate) shared: Arc<Shared>,
    pub(crate) key: Key,
    pub(crate) random: StdRng,
}

/// Both halves of the data transfer. They exist from the moment the association is established.
struct Transfer {
    sender: Sender,
    receiver: Receiver,
}

/// One SCTP association.
///
/// It never acts by itself: call [`handle_event`](Self::handle_event) with what the endpoint made of a datagram and
/// [`handle_timeout`](Self::handle_timeout) when [`poll_timeout`](Self::poll_timeout) is reached, and after each of them and
/// after each call on a stream drain [`poll_transmit`](Self::poll_transmit) and [`poll`](Self::poll).
/// No call blocks.
pub struct Association {
    state: State,
    setup: Setup,
    /// What this side says of itself.
    local: Init,
    /// What the peer said of itself; known from INIT ACK or the cookie on.
    peer: Option<PeerInfo>,
    transfer: Option<Transfer>,
    handshake: Handshake,
    streams: Streams,
    resets: Resets,
    timers: Timers,
    control: Control,
    path_size: PathSize,
    figures: Figures,
    line: Timeline,
    /// The earliest deadline of everything; valid unless `deadline_stale`.
    wake_at: Option<Instant>,
    deadline_stale: bool,
    /// When anything was last sent or received.
    active_at: Time,
    /// The largest message the peer accepts.
    max_send_message: usize,
}

impl std::fmt::Debug for Association {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Association")
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl Association {
    /// An association in `state`, which is one of those before anything was agreed.
    fn new(state: State, setup: Setup, local: Init) -> Self {
        Association {
            state,
            handshake: Handshake::default(),
            streams: Streams::default(),
            resets: Resets::new(local.initial_tsn),
            timers: Timers::default(),
            control: Control::default(),
            path_size: PathSize::default(),
            figures: Figures::default(),
            line: Timeline::default(),
            wake_at: None,
            deadline_stale: true,
            active_at: Time::default(),
            max_send_message: usize::MAX,
            peer: None,
            transfer: None,
            setup,
            local,
        }
    }

    /// Whether a packet is ready: an association that the peer's first packet did not make answer is none.
    pub(crate) fn has_output(&self) -> bool {
        self.control.wanted
    }

    /// Sets the largest message the peer accepts; 0 means any size.
    pub fn set_max_send_message_size(&mut self, bytes: u32) {
        self.max_send_message = match bytes {
            0 => usize::MAX,
            bytes => bytes as usize,
        };
    }

    /// Whether the association is shutting down: no new message is accepted.
    pub fn is_closing(&self) -> bool {
        matches!(
            self.state,
            State::ShutdownPending
                | State::ShutdownSent
                | State::ShutdownReceived
                | State::ShutdownAckSent
        )
    }

    /// Whether the association is over.
    pub fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// Ends the association after everything written was acknowledged. Before it is established it just ends.
    /// Asking again changes nothing. Never fails.
    pub fn shutdown(&mut self) -> Result<(), Error> {
        self.begin_shutdown();
        Ok(())
    }

    /// A stream that exists. [`Error::NoSuchStream`] if it was never opened, or once its end was reported by [`poll`](Self::poll).
    /// Costs a search among the streams.
    pub fn stream(&mut self, id: u16) -> Result<Stream<'_>, Error> {
        Stream::find(self, id)
    }

    /// Opens a stream. The payload identifier is not used: each message brings its own.
    ///
    /// Fails with [`Error::ErrStreamAlreadyExist`] or [`Error::ErrStreamResetPending`] while the id is in use, and with
    /// [`Error::NotEstablished`] before the association is established and once it shuts down; in words for an id that the peer
    /// does not accept.
    pub fn open_stream(
        &mut self,
        id: u16,
        _default: PayloadProtocolIdentifier,
    ) -> Result<Stream<'_>, Error> {
        Stream::open(self, id)
    }

    /// Takes a datagram in. Never fails: what cannot be used is dropped and counted.
    /// Costs the checksum and one step for each chunk and acknowledged range.
    pub fn handle_event(&mut self, event: AssociationEvent) {
        let now = self.line.at(event.now);
        self.handle_datagram(now, event.datagram);
    }

    /// Lets timers run that are due at `now`. Costs one comparison when none is.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.setup.shared.take_hurry() {
            let now = self.line.at(now);
            self.hurry(now);
        }
        if self.deadline_stale {
            self.find_deadline();
        }
        if self.wake_at.is_some_and(|at| at <= now) {
            let now = self.line.at(now);
            self.run_timers(now);
        } else {
            self.line.begin(now);
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is wanted next, if nothing else happens before.
    pub fn poll_timeout(&mut self) -> Option<Instant> {
        if self.deadline_stale {
            self.find_deadline();
        }
        self.wake_at
    }

    /// Always `None`: the endpoint need not be told anything.
    pub fn poll_endpoint_event(&mut self) -> Option<EndpointEvent> {
        None
    }

    /// What happened since, oldest first.
    pub fn poll(&mut self) -> Option<Event> {
        self.next_event()
    }

    /// Packets to send now, at most 32 at once; `None` when there is nothing or nothing may go yet.
    /// Call it until it answers `None`. Costs a few tests when there is nothing.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Transmit> {
        // Whatever could make a packet due marks the figures, also time: it passes through `handle_timeout`.
        if !self.figures.stale && !self.control.wanted {
            return None;
        }
        let now = self.line.at(now);
        self.build_packets(now)
    }

    fn find_deadline(&mut self) {
        let transfer = self
            .transfer
            .as_ref()
            .filter(|_| self.state != State::Closed);
        let deadline = [
            self.timers.earliest(),
            self.path_size.due.filter(|_| self.state != State::Closed),
            transfer.and_then(|t| t.sender.deadline()),
            transfer.and_then(|t| t.receiver.sack_deadline()),
        ]
        .into_iter()
        .flatten()
        .min();
        self.wake_at = deadline.and_then(|at| self.line.instant(at));
        self.deadline_stale = false;
    }

    /// Makes what waits for an answer due now, with the waits of the first time after it.
    fn hurry(&mut self, now: Time) {
        self.deadline_stale = true;
        self.timers.hurry(now);
        if let Some(transfer) = &mut self.transfer {
            transfer.sender.hurry(now);
        }
        self.search_size();
    }

    fn run_timers(&mut self, now: Time) {
        self.deadline_stale = true;
        self.figures.stale = true;
        if self.timers.handshake.fire(now) {
            self.repeat_handshake(now);
        }
        if self.timers.shutdown.fire(now) {
            self.repeat_shutdown();
        }
        if self.timers.reset.fire(now) {
            self.repeat_reset();
        }
        if self.timers.heartbeat.is_some_and(|at| at <= now) {
            self.consider_heartbeat(now);
        }
        if let Some(transfer) = &mut self.transfer
            && transfer.sender.deadline().is_some_and(|at| at <= now)
        {
            transfer.sender.on_timeout(now);
            self.doubt_size();
        }
        if self.path_size.due.is_some_and(|at| at <= now) {
            self.size_due(now);
        }
        self.advance();
    }

    /// Sends a heartbeat after a long silence, else looks again when the silence would be long enough.
    fn consider_heartbeat(&mut self, now: Time) {
        self.timers.heartbeat = None;
        if self.state != State::Established {
            return;
        }
        let due = self.active_at + timers::IDLE;
        if due <= now {
            self.control.heartbeat = true;
            self.control.wanted = true;
        }
        self.timers.heartbeat = Some(due.max(now + timers::IDLE / 30));
    }

    /// Lets resets and the shutdown go on, which wait for data to be acknowledged or to arrive.
    fn advance(&mut self) {
        if self.resets.waits() {
            self.advance_resets();
        }
        if matches!(self.state, State::ShutdownPending | State::ShutdownReceived) {
            self.advance_shutdown();
        }
    }

    /// Ends the association: reported once, and nothing after it.
    fn lose(&mut self, reason: AssociationError) {
        if self.state == State::Closed {
            return;
        }
        self.state = State::Closed;
        self.timers = Timers::default();
        self.control.clear();
        self.resets.clear();
        self.streams.lose(reason);
        self.deadline_stale = true;
        self.figures.stale = true;
    }

    /// The cumulative TSN of what was received.
    fn received_up_to(&self) -> Tsn {
        match (&self.transfer, &self.peer) {
            (Some(transfer), _) => transfer.receiver.cumulative(),
            (None, Some(peer)) => peer.initial_tsn.prev(),
            (None, None) => Tsn::default(),
        }
    }
}

#[cfg(test)]
mod tests;
