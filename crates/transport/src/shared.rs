//! What the driver's core of a peer and the user's handles of it share.
//! Only queues, flags and counters: no engine, no socket.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use sctp_proto::tuning::Handle;

use crate::channel::{ChannelId, ChannelShared};
use crate::channels::Channels;
use crate::config::ChannelOptions;
use crate::connection::{ConnectionReport, Watch};
use crate::core::Negotiated;
use crate::data::DataStats;
use crate::error::CloseReason;
use crate::events::{EventQueue, PeerEvent};
use crate::peer::{PeerId, PeerState};
use crate::send_queue::Life;
use crate::stats::{Path, PeerCounters, PeerStats};
use crate::video::{TrackShared, VideoTrack};

/// Tells the driver that a peer has something to do.
pub(crate) trait Notify: Send + Sync + std::fmt::Debug {
    fn notify(&self);
}

/// A user's wish to end the connection.
#[derive(Debug, Clone)]
pub(crate) struct CloseRequest {
    /// How long queued messages may take to arrive first.
    pub(crate) flush: Duration,
    pub(crate) reason: CloseReason,
}

#[derive(Debug)]
pub(crate) struct PeerShared {
    pub(crate) id: PeerId,
    pub(crate) events: EventQueue,
    pub(crate) counters: PeerCounters,
    /// What SCTP says of itself.
    pub(crate) figures: Handle,
    channels: Mutex<Channels>,
    opening: Mutex<Vec<Arc<ChannelShared>>>,
    video: OnceLock<Arc<TrackShared>>,
    state: AtomicU8,
    close: Mutex<Option<CloseRequest>>,
    /// Silence after which the peer is given up, in nanoseconds.
    lost_after: AtomicU64,
    notify: OnceLock<Arc<dyn Notify>>,
    pub(crate) path: Path,
    /// How the connection comes up.
    pub(crate) watch: Watch,
    /// For ICE restarts; `None` inside when it was too much to keep.
    pub(crate) negotiated: OnceLock<Option<Arc<Negotiated>>>,
    /// An ICE restart is being prepared or waits for its answer.
    pub(crate) restarting: AtomicBool,
    /// Its addresses on TURN servers, with the address each server is reached from.
    relayed: Mutex<Vec<(SocketAddr, SocketAddr)>>,
    /// Set by tests: the next turn panics.
    pub(crate) sabotaged: AtomicBool,
    over: Mutex<bool>,
    ended: Condvar,
}

impl PeerShared {
    pub(crate) fn new(
        id: PeerId,
        inbound_limit: usize,
        lost_after: Duration,
        figures: Handle,
    ) -> PeerShared {
        PeerShared {
            figures,
            id,
            events: EventQueue::new(inbound_limit),
            counters: PeerCounters::default(),
            channels: Mutex::default(),
            opening: Mutex::default(),
            video: OnceLock::new(),
            state: AtomicU8::new(PeerState::Connecting as u8),
            close: Mutex::default(),
            lost_after: AtomicU64::new(nanoseconds(lost_after)),
            notify: OnceLock::new(),
            path: Path::default(),
            watch: Watch::default(),
            negotiated: OnceLock::new(),
            restarting: AtomicBool::new(false),
            relayed: Mutex::default(),
            sabotaged: AtomicBool::new(false),
            over: Mutex::new(false),
            ended: Condvar::new(),
        }
    }

    pub(crate) fn set_notify(&self, notify: Arc<dyn Notify>) {
        let _ = self.notify.set(notify);
    }

    pub(crate) fn notify(&self) {
        if let Some(notify) = self.notify.get() {
            notify.notify();
        }
    }

    pub(crate) fn channels(&self) -> MutexGuard<'_, Channels> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a channel that the driver opens in its next turn. `None` when there are as many as there may be.
    pub(crate) fn open_channel(
        &self,
        label: &str,
        options: ChannelOptions,
    ) -> Option<Arc<ChannelShared>> {
        let channel = self.channels().add(label, options)?;
        self.opening().push(channel.clone());
        self.notify();
        Some(channel)
    }

    /// Channels the driver has yet to open; never more than there may be.
    pub(crate) fn opening(&self) -> MutexGuard<'_, Vec<Arc<ChannelShared>>> {
        self.opening.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_video(&self, track: Arc<TrackShared>) {
        let _ = self.video.set(track);
    }

    pub(crate) fn video_track(self: &Arc<Self>) -> Option<VideoTrack> {
        Some(VideoTrack::new(self.video.get()?.clone(), self.clone()))
    }

    pub(crate) fn low_event_taken(&self, id: ChannelId) {
        if let Some(channel) = self.channels().iter().find(|c| c.id == id) {
            channel.queue.low_event_taken();
        }
    }

    pub(crate) fn relayed(&self) -> Vec<(SocketAddr, SocketAddr)> {
        let relayed = self.relayed.lock();
        relayed.unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_relayed(&self, addresses: Vec<(SocketAddr, SocketAddr)>) {
        let relayed = self.relayed.lock();
        *relayed.unwrap_or_else(PoisonError::into_inner) = addresses;
    }

    pub(crate) fn state(&self) -> PeerState {
        PeerState::from_u8(self.state.load(Ordering::Acquire))
    }

    pub(crate) fn set_state(&self, state: PeerState) {
        self.state.store(state as u8, Ordering::Release);
    }

    /// Asks for the end. The first request decides the reason; a later one can only shorten the flush.
    pub(crate) fn request_close(&self, request: CloseRequest) {
        let mut close = self.close.lock().unwrap_or_else(PoisonError::into_inner);
        match close.as_mut() {
            Some(known) => known.flush = known.flush.min(request.flush),
            None => *close = Some(request),
        }
        drop(close);
        self.notify();
    }

    /// Sets the silence after which the peer is given up; the driver follows in its next turn.
    pub(crate) fn set_lost_after(&self, silence: Duration) {
        self.lost_after
            .store(nanoseconds(silence), Ordering::Relaxed);
        self.notify();
    }

    pub(crate) fn lost_after(&self) -> Duration {
        Duration::from_nanos(self.lost_after.load(Ordering::Relaxed))
    }

    pub(crate) fn close_requested(&self) -> Option<CloseRequest> {
        self.close
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The end: channels are closed, waiters released, and the last event queued. Only the first call counts.
    pub(crate) fn finish(&self, reason: CloseReason) {
        for channel in self.channels().iter() {
            channel.queue.set_life(Life::Closed);
        }
        if let Some(video) = self.video.get() {
            video.end();
        }
        self.set_state(PeerState::Closed);
        self.events.push(PeerEvent::Closed(reason));
        *self.over.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.ended.notify_all();
    }

    /// Blocks until `finish` was called or `deadline` passes; whether it was called.
    pub(crate) fn wait_closed(&self, deadline: Instant) -> bool {
        let mut over = self.over.lock().unwrap_or_else(PoisonError::into_inner);
        while !*over {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            over = self
                .ended
                .wait_timeout(over, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        *over
    }

    pub(crate) fn report(&self) -> ConnectionReport {
        let figures = self.figures.snapshot();
        let packets = (figures.packets_sent, figures.packets_received);
        self.watch.report(packets, self.path.get())
    }

    pub(crate) fn stats(&self) -> PeerStats {
        let (event_bytes, event_bytes_peak) = self.events.bytes();
        let path = self.path.get();
        let counters = self.counters.snapshot();
        let queued_bytes = self
            .channels()
            .iter()
            .map(|c| c.queue.buffered() as u64)
            .sum();
        let data = DataStats {
            unsent: queued_bytes,
            ..DataStats::new(&self.figures.snapshot())
        };
        PeerStats {
            queued_bytes,
            data,
            event_bytes: event_bytes as u64,
            event_bytes_peak: event_bytes_peak as u64,
            local: path.map(|p| p.0),
            remote: path.map(|p| p.1),
            ..counters
        }
    }
}

/// What does not fit is five centuries anyway.
fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
