//! The handle of one peer connection.
//! The connection itself lives in the driver; this holds what is shared with it.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::channel::DataChannel;
use crate::config::ChannelOptions;
use crate::connection::ConnectionReport;
use crate::endpoint::Endpoint;
use crate::error::{CloseReason, OpenError};
use crate::events::Events;
use crate::figures::PeerFigures;
use crate::ice::GatherReport;
use crate::restart::IceHandle;
use crate::shared::{CloseRequest, PeerShared};
use crate::stats::PeerStats;
use crate::video::VideoTrack;

/// Names a peer of one endpoint; never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerId(pub u64);

/// Where a peer connection is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u8)]
pub enum PeerState {
    /// ICE and DTLS are under way.
    Connecting,
    /// Up.
    Connected,
    /// Up, but nothing was heard for three seconds.
    Stalled,
    /// We are closing it: the queues are being flushed.
    Closing,
    /// Over.
    Closed,
}

impl PeerState {
    pub(crate) fn from_u8(value: u8) -> PeerState {
        const ALL: [PeerState; 5] = [
            PeerState::Connecting,
            PeerState::Connected,
            PeerState::Stalled,
            PeerState::Closing,
            PeerState::Closed,
        ];
        ALL.get(usize::from(value))
            .copied()
            .unwrap_or(PeerState::Closed)
    }
}

/// One peer connection. Dropping it closes the connection at once, unless [`Peer::close`] was called before: then
/// the flush goes on.
pub struct Peer {
    shared: Arc<PeerShared>,
    events: Events,
    gathering: GatherReport,
    /// Keeps the driver alive.
    endpoint: Endpoint,
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer")
            .field("id", &self.shared.id)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

impl Peer {
    pub(crate) fn new(
        shared: Arc<PeerShared>,
        gathering: GatherReport,
        endpoint: Endpoint,
    ) -> Peer {
        let events = Events::new(shared.clone());
        Peer {
            shared,
            events,
            gathering,
            endpoint,
        }
    }

    /// Its id within the endpoint.
    pub fn id(&self) -> PeerId {
        self.shared.id
    }

    /// What happens on it. Take events promptly: above `inbound_limit` the peer's data is held back.
    pub fn events(&self) -> &Events {
        &self.events
    }

    /// The channel with this label, once known and until it has closed; the one that appeared first when there are several.
    pub fn channel(&self, label: &str) -> Option<DataChannel> {
        let channels = self.shared.channels();
        let channel = channels.iter().find(|c| c.label == label)?.clone();
        Some(DataChannel::new(channel, self.shared.clone()))
    }

    /// Opens another channel while the connection runs; the peer learns of it and of `options` in-band. Returns at once:
    /// [`PeerEvent::ChannelOpen`](crate::PeerEvent::ChannelOpen) says when it can be used, one round trip later.
    /// Fails when the connection is closing or over, the label is too long, or there are too many channels.
    pub fn open_channel(
        &self,
        label: &str,
        options: ChannelOptions,
    ) -> Result<DataChannel, OpenError> {
        DataChannel::open(&self.shared, label, options)
    }

    /// The video track; none when negotiation left no usable video section. Known from the start.
    pub fn video(&self) -> Option<VideoTrack> {
        self.shared.video_track()
    }

    /// What each STUN and TURN server gave when the addresses were gathered.
    pub fn gathering(&self) -> &GatherReport {
        &self.gathering
    }

    /// For ICE restarts: a new network path for this connection.
    pub fn ice(&self) -> IceHandle {
        IceHandle::new(self.shared.clone(), &self.endpoint)
    }

    /// Where it is in its life.
    pub fn state(&self) -> PeerState {
        self.shared.state()
    }

    /// Its figures for whoever watches it from elsewhere.
    pub fn figures(&self) -> PeerFigures {
        PeerFigures::new(self.shared.clone())
    }

    /// Counters so far.
    pub fn stats(&self) -> PeerStats {
        self.shared.stats()
    }

    /// How it came up or how far it got: addresses, pairs, steps. While connecting, while up and after the end. Does not
    /// block; costs a copy of what it tells.
    pub fn report(&self) -> ConnectionReport {
        self.shared.report()
    }

    /// Changes [`PeerConfig::lost_after`](crate::PeerConfig::lost_after): after how much silence the peer is given up,
    /// counted from the last word it sent. Works while connecting, connected and stalled, also in the middle of a silence:
    /// one that already lasts as long ends the connection at once. Does not block; wakes the network thread, which follows
    /// in its next turn.
    ///
    /// A path that was silent for longer than the configuration allowed may need an ICE restart to be used again.
    pub fn set_lost_after(&self, silence: Duration) {
        self.shared.set_lost_after(silence);
    }

    /// Starts closing and returns at once: queued messages get up to `flush` to arrive, then the peer is told, and
    /// [`PeerEvent::Closed`](crate::PeerEvent::Closed) with [`CloseReason::Local`] follows.
    pub fn close(&self, flush: Duration) {
        self.shared.request_close(CloseRequest {
            flush,
            reason: CloseReason::Local,
        });
    }

    /// Blocks until the connection has ended and its last datagrams are the kernel's (which may take 500 ms when the socket has
    /// no room); false when `deadline` came first. Takes no events.
    pub fn wait_closed(&self, deadline: Instant) -> bool {
        self.shared.wait_closed(deadline)
    }

    /// Makes the driver panic in this peer's next turn. For tests.
    #[doc(hidden)]
    pub fn __panic(&self) {
        self.shared
            .sabotaged
            .store(true, std::sync::atomic::Ordering::Relaxed);
        self.shared.notify();
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if self.shared.close_requested().is_none() {
            self.close(Duration::ZERO);
        }
        self.events.abandon();
    }
}
