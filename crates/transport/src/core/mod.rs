//! One peer connection without sockets or clocks: datagrams and the time go in, datagrams, events and a deadline come out.
//! It is told; it does not ask. The driver calls it, and so do tests with a virtual network.
//!
//! The contract: after any `receive` (or several in a row), after a deadline passed and after a user's handle asked for
//! attention, call `turn`; then wait until `deadline`. When `is_over`, hand over what it sent, call `finish` and drop it.

mod auth;
mod channels;
pub(crate) mod datagram;
mod drain;
mod ending;
mod liveness;
mod local;
mod opening;
mod paths;
mod reading;
mod restart;
mod setup;
mod video;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use sctp_proto::tuning::Handle;
use str0m::net::{Protocol, Receive};
use str0m::{Input, Rtc};

pub(crate) use auth::request_ufrag;
pub use local::Local;
pub use restart::OurHalf;
pub(crate) use restart::{Negotiated, TheirHalf};
pub(crate) use setup::OfferCore;

use crate::channel::DataChannel;
use crate::config::ChannelOptions;
use crate::connection::ConnectionReport;
use crate::error::{CloseReason, ConnectStep, OpenError};
use crate::events::{Events, PeerEvent};
use crate::peer::{PeerId, PeerState};
use crate::shared::{CloseRequest, PeerShared};
use crate::stats::{PeerStats, add};
use auth::Auth;
use channels::Slot;
use datagram::Kind;
use ending::Closing;
use liveness::{Liveness, Verdict};
use paths::Paths;
use reading::Reading;
use video::Video;

/// The engine's clock may lag this much before it is told the time anew for a write.
const CLOCK_LAG: Duration = Duration::from_millis(1);

/// A datagram to send.
#[derive(Debug)]
pub struct Transmit<'a> {
    /// Our address it leaves from.
    pub source: SocketAddr,
    /// Where it goes.
    pub destination: SocketAddr,
    /// Its bytes.
    pub contents: &'a [u8],
}

/// Takes datagrams to send.
pub type Sink<'a> = dyn FnMut(Transmit<'_>) + 'a;

/// What became of a received datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// STUN whose integrity holds: its sender is the peer.
    Authentic,
    /// Anything else.
    Other,
}

/// See the module.
pub struct PeerCore {
    rtc: Rtc,
    shared: Arc<PeerShared>,
    auth: Auth,
    ufrag: String,
    remote_ufrag: String,
    candidates: Vec<SocketAddr>,
    channels: Vec<Slot>,
    max_message: usize,
    liveness: Liveness,
    reading: Reading,
    /// What SCTP says of itself, and the switch of reading.
    figures: Handle,
    /// Packets SCTP had received at the last look.
    packets_received: u64,
    video: Option<Video>,
    step: ConnectStep,
    connected: bool,
    connect_timeout: Duration,
    connect_deadline: Option<Instant>,
    /// The last error the engine reported without ending.
    detail: Option<String>,
    closing: Option<Closing>,
    /// Set by the drain when the connection ended.
    ending: Option<CloseReason>,
    over: bool,
    /// The peer is heard again after an outage, or gets a new path: it may have heard nothing while we heard everything.
    /// SCTP, which repeats ever more rarely while nothing comes back, is to repeat at once, as soon as there is a path.
    hurry: bool,
    engine_now: Instant,
    engine_deadline: Instant,
    /// DTLS datagrams fed since the last drain, and who sent them.
    undrained: usize,
    fed_from: Option<SocketAddr>,
    /// The channel whose turn to send it is.
    next_channel: usize,
    /// Events of this turn, queued together: a wake-up of the user's thread costs more than an event.
    outbox: Vec<PeerEvent>,
    path: Option<(SocketAddr, SocketAddr)>,
    paths: Paths,
    /// An ICE restart has not found its path yet.
    restarting: bool,
}

impl std::fmt::Debug for PeerCore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PeerCore")
            .field("id", &self.shared.id)
            .field("over", &self.over)
            .finish_non_exhaustive()
    }
}

impl PeerCore {
    /// Our ICE user name fragment: what requests of the peer are addressed to.
    pub(crate) fn ufrag(&self) -> &str {
        &self.ufrag
    }

    /// Addresses the peer announced.
    pub(crate) fn candidates(&self) -> &[SocketAddr] {
        &self.candidates
    }

    pub(crate) fn shared(&self) -> &Arc<PeerShared> {
        &self.shared
    }

    /// The peer's id.
    pub fn id(&self) -> PeerId {
        self.shared.id
    }

    /// Its events.
    pub fn events(&self) -> Events {
        Events::new(self.shared.clone())
    }

    /// The channel with this label, once known.
    pub fn channel(&self, label: &str) -> Option<DataChannel> {
        let slot = self.channels.iter().find(|s| s.shared.label == label)?;
        Some(DataChannel::new(slot.shared.clone(), self.shared.clone()))
    }

    /// Opens another channel, as `Peer::open_channel` does; takes effect in the next turn.
    pub fn open_channel(
        &self,
        label: &str,
        options: ChannelOptions,
    ) -> Result<DataChannel, OpenError> {
        DataChannel::open(&self.shared, label, options)
    }

    /// Counters.
    pub fn stats(&self) -> PeerStats {
        self.shared.stats()
    }

    /// How it came up or how far it got.
    pub fn report(&self) -> ConnectionReport {
        self.shared.report()
    }

    /// Asks for the end, as `Peer::close` does; takes effect in the next turn.
    pub fn close(&self, flush: Duration) {
        self.shared.request_close(CloseRequest {
            flush,
            reason: CloseReason::Local,
        });
    }

    /// Sets the silence after which the peer is lost, as `Peer::set_lost_after` does; takes effect in the next turn.
    pub fn set_lost_after(&self, silence: Duration) {
        self.shared.set_lost_after(silence);
    }

    /// Whether nothing more will happen, but for `finish`.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// A datagram came from `remote` to our address `local`.
    pub fn receive(
        &mut self,
        now: Instant,
        local: SocketAddr,
        remote: SocketAddr,
        datagram: &[u8],
        sink: &mut Sink<'_>,
    ) -> Received {
        if self.over {
            return Received::Other;
        }
        add(&self.shared.counters.datagrams_received, 1);
        match datagram::kind(datagram) {
            Some(Kind::Stun) => {
                if !self.auth.is_authentic(datagram) {
                    add(&self.shared.counters.dropped_unauthenticated, 1);
                    return Received::Other;
                }
                self.heard(now);
                self.shared.watch.received(ConnectStep::Ice);
                if let Some((pair, rtt)) = self.paths.received(now, remote, datagram) {
                    self.shared.watch.answered(pair, rtt);
                }
                self.feed(now, local, remote, datagram, sink);
                self.drain(sink);
                self.settle(sink);
                Received::Authentic
            }
            Some(Kind::Dtls) => {
                if !self.connected {
                    self.shared.watch.received(ConnectStep::Dtls);
                }
                self.feed(now, local, remote, datagram, sink);
                Received::Other
            }
            Some(Kind::Rtp) if self.video.is_some() && self.connected => {
                self.feed(now, local, remote, datagram, sink);
                Received::Other
            }
            Some(Kind::Rtp) | None => {
                add(&self.shared.counters.dropped_by_engine, 1);
                Received::Other
            }
        }
    }

    /// Does everything that can be done now.
    pub fn turn(&mut self, now: Instant, sink: &mut Sink<'_>) {
        if self.over {
            return;
        }
        assert!(
            !self.shared.sabotaged.load(Ordering::Relaxed),
            "a test asked for this"
        );
        let requested = self.shared.close_requested();
        let wants_clock = self.has_outgoing() || self.has_video_work() || requested.is_some();
        if now >= self.engine_deadline || (wants_clock && now > self.engine_now + CLOCK_LAG) {
            self.tell_time(now, sink);
        }
        self.drain(sink);
        if !self.restarting && std::mem::take(&mut self.hurry) {
            self.figures.hurry();
            self.tell_time(now, sink);
            self.drain(sink);
        }
        self.read_on(now, sink);
        self.open_channels(now, sink);
        self.video_turn(now, sink);
        self.send_queued(sink);
        self.close_channels(sink);
        if let Some(request) = requested {
            self.flush(now, request);
        }
        self.liveness.set_lost_after(self.shared.lost_after());
        if let Some(verdict) = self.liveness.tick(now) {
            self.judge(verdict);
        }
        if self
            .connect_deadline
            .is_some_and(|deadline| now >= deadline)
        {
            let detail = self.detail.take();
            self.end(CloseReason::ConnectTimeout {
                step: self.step,
                after: self.connect_timeout,
                detail,
            });
        }
        self.flush_events();
        self.settle(sink);
    }

    /// When `turn` is due next, whatever else happens.
    pub fn deadline(&self) -> Instant {
        let more = self.reading.wants_turn().then_some(self.engine_now);
        // An engine that asks for "now" again and again must not keep the driver from sleeping.
        let engine = self.engine_deadline.max(self.engine_now + CLOCK_LAG);
        let others = [
            more,
            self.liveness.deadline(),
            self.video_deadline(),
            self.connect_deadline,
            self.closing.as_ref().map(|c| c.deadline),
        ];
        others.into_iter().flatten().fold(engine, Instant::min)
    }

    /// Gives the time to the engine; ends a batch of datagrams.
    fn tell_time(&mut self, now: Instant, sink: &mut Sink<'_>) {
        if self.undrained > 0 {
            self.drain(sink);
        }
        self.engine_now = self.engine_now.max(now);
        let engine_now = self.engine_now;
        if let Err(error) = self.rtc.handle_input(Input::Timeout(engine_now)) {
            self.failed(&error);
        }
    }

    /// The only place where the engine gets datagrams. It must be drained after each, with one exception measured for
    /// exactly this engine version: up to `BATCH` DTLS datagrams in a row from one source on a connection that is up.
    fn feed(
        &mut self,
        now: Instant,
        local: SocketAddr,
        remote: SocketAddr,
        datagram: &[u8],
        sink: &mut Sink<'_>,
    ) {
        let batched = self.connected && datagram::kind(datagram) == Some(Kind::Dtls);
        if self.undrained > 0
            && (!batched || self.undrained >= BATCH || self.fed_from != Some(remote))
        {
            self.drain(sink);
        }
        let Ok(contents) = datagram.try_into() else {
            add(&self.shared.counters.dropped_by_engine, 1);
            return;
        };
        self.engine_now = self.engine_now.max(now);
        let receive = Receive {
            proto: Protocol::Udp,
            source: remote,
            destination: local,
            contents,
        };
        let mut engine_now = self.engine_now;
        if self.undrained > 0 {
            // The engine looks at its timers for each datagram, unless its clock has gone past it.
            engine_now -= Duration::from_nanos(1);
        }
        if let Err(error) = self.rtc.handle_input(Input::Receive(engine_now, receive)) {
            // Anyone can send rubbish from a known address; it must not end the connection.
            add(&self.shared.counters.dropped_by_engine, 1);
            tracing::debug!(peer = self.shared.id.0, %error, "datagram refused by the engine");
            self.detail = Some(error.to_string());
        }
        self.undrained += 1;
        self.fed_from = Some(remote);
        if !batched {
            self.drain(sink);
        }
    }

    fn heard(&mut self, now: Instant) {
        if self.connected
            && let Some(verdict) = self.liveness.heard(now)
        {
            self.judge(verdict);
        }
    }

    fn judge(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Stalled => {
                add(&self.shared.counters.stalls, 1);
                self.set_state(PeerState::Stalled);
                self.outbox.push(PeerEvent::Stalled);
            }
            Verdict::Resumed => {
                self.hurry = true;
                self.set_state(PeerState::Connected);
                self.outbox.push(PeerEvent::Resumed);
            }
            Verdict::Gone => self.end(CloseReason::Gone),
            Verdict::Lost(silence) => self.end(CloseReason::Lost { silence }),
        }
    }

    fn set_state(&self, state: PeerState) {
        if self.closing.is_none() {
            self.shared.set_state(state);
        }
    }
}

/// See [`PeerCore::feed`]. The engine's DTLS queue takes 30.
const BATCH: usize = 16;
