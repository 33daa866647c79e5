//! The bounded queue of what happened on a peer connection, between the driver and one consumer.
//! It holds events only; whether the network is slowed down because of it is decided in `core`.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Instant;

use bytes::Bytes;

use crate::channel::{ChannelId, DataChannel};
use crate::error::{CloseReason, RecvError};
use crate::shared::PeerShared;

/// What an event counts in the queue beside its payload, so that empty messages are bounded too.
pub(crate) const EVENT_OVERHEAD: usize = 64;

/// Something that happened on a peer connection.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum PeerEvent {
    /// The encrypted connection is up.
    Connected,
    /// Nothing authenticated came for three seconds. Nothing is torn down.
    Stalled,
    /// The peer is heard again after [`PeerEvent::Stalled`].
    Resumed,
    /// A channel, ours or theirs, can be used.
    ChannelOpen(DataChannel),
    /// A complete message.
    Message {
        /// The channel it came on.
        channel: ChannelId,
        /// Its bytes, not copied again.
        data: Bytes,
        /// Whether it was sent as text; the bytes are not checked to be UTF-8.
        text: bool,
    },
    /// The buffered amount of a channel fell to its threshold. Only after a threshold was set.
    BufferedAmountLow(ChannelId),
    /// One channel was closed while the connection lives.
    ChannelClosed(ChannelId),
    /// The connection ended. Always the last event, exactly once.
    Closed(CloseReason),
}

impl PeerEvent {
    pub(crate) fn cost(&self) -> usize {
        match self {
            PeerEvent::Message { data, .. } => data.len() + EVENT_OVERHEAD,
            _ => EVENT_OVERHEAD,
        }
    }
}

/// The events of one peer. Clones take from the same queue: use one consumer.
#[derive(Clone)]
pub struct Events {
    shared: Arc<PeerShared>,
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Events")
            .field("queued_bytes", &self.queued_bytes())
            .finish()
    }
}

impl Events {
    pub(crate) fn new(shared: Arc<PeerShared>) -> Events {
        Events { shared }
    }

    /// Blocks until an event comes or `deadline` passes.
    pub fn recv_deadline(&self, deadline: Instant) -> Result<PeerEvent, RecvError> {
        let queue = &self.shared.events;
        let mut state = queue.lock();
        loop {
            if let Some(taken) = state.take(queue.limit) {
                drop(state);
                return Ok(self.taken(taken));
            }
            if state.ended {
                return Err(RecvError::Ended);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(RecvError::Timeout);
            }
            state.waiting += 1;
            state = queue
                .ready
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
            state.waiting -= 1;
        }
    }

    /// Takes an event if there is one; never blocks. `Ok(None)` means nothing yet.
    pub fn try_recv(&self) -> Result<Option<PeerEvent>, RecvError> {
        let queue = &self.shared.events;
        let mut state = queue.lock();
        let taken = state.take(queue.limit);
        let ended = state.ended;
        drop(state);
        match taken {
            Some(taken) => Ok(Some(self.taken(taken))),
            None if ended => Err(RecvError::Ended),
            None => Ok(None),
        }
    }

    /// Waits for the next event; `None` after the last. Cancel safe: an event is taken only on completion.
    pub async fn recv(&self) -> Option<PeerEvent> {
        std::future::poll_fn(|cx| {
            let queue = &self.shared.events;
            let mut state = queue.lock();
            if let Some(taken) = state.take(queue.limit) {
                drop(state);
                return Poll::Ready(Some(self.taken(taken)));
            }
            if state.ended {
                return Poll::Ready(None);
            }
            state.wait(cx.waker());
            Poll::Pending
        })
        .await
    }

    /// Bytes of events not yet taken.
    pub fn queued_bytes(&self) -> usize {
        self.shared.events.lock().bytes
    }

    /// Nobody takes events any more. One that still waits may hold its peer, and the peer holds the queue.
    pub(crate) fn abandon(&self) {
        self.shared.events.abandon();
        self.shared.notify();
    }

    fn taken(&self, taken: Taken) -> PeerEvent {
        if taken.release {
            self.shared.notify();
        }
        if let PeerEvent::BufferedAmountLow(id) = &taken.event {
            self.shared.low_event_taken(*id);
        }
        taken.event
    }
}

/// The queue itself.
#[derive(Debug)]
pub(crate) struct EventQueue {
    state: Mutex<State>,
    ready: Condvar,
    limit: usize,
}

#[derive(Debug, Default)]
struct State {
    items: VecDeque<PeerEvent>,
    bytes: usize,
    peak: usize,
    ended: bool,
    /// The driver holds data back and wants to hear when there is room.
    holding: bool,
    /// Threads inside `recv_deadline`: without them a push is free of system calls.
    waiting: usize,
    wakers: Vec<Waker>,
}

struct Taken {
    event: PeerEvent,
    release: bool,
}

impl State {
    fn take(&mut self, limit: usize) -> Option<Taken> {
        let event = self.items.pop_front()?;
        self.bytes -= event.cost();
        // Half, so that a consumer at its limit does not wake the driver for each message.
        let release = self.holding && self.bytes <= limit / 2;
        if release {
            self.holding = false;
        }
        Some(Taken { event, release })
    }

    fn add(&mut self, event: PeerEvent) {
        if self.ended {
            return;
        }
        self.ended = matches!(event, PeerEvent::Closed(_));
        self.bytes += event.cost();
        self.peak = self.peak.max(self.bytes);
        self.items.push_back(event);
    }

    fn wait(&mut self, waker: &Waker) {
        if !self.wakers.iter().any(|known| known.will_wake(waker)) {
            self.wakers.push(waker.clone());
        }
    }
}

impl EventQueue {
    pub(crate) fn new(limit: usize) -> EventQueue {
        EventQueue {
            state: Mutex::default(),
            ready: Condvar::new(),
            limit,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an event; `Closed` ends the queue and whatever comes after it is ignored.
    pub(crate) fn push(&self, event: PeerEvent) {
        let mut state = self.lock();
        state.add(event);
        self.wake(state);
    }

    /// Adds events in their order and empties `events`: one lock and one wake-up for all of them. The room left.
    pub(crate) fn push_all(&self, events: &mut Vec<PeerEvent>) -> usize {
        let mut state = self.lock();
        for event in events.drain(..) {
            state.add(event);
        }
        let room = self.limit.saturating_sub(state.bytes);
        self.wake(state);
        room
    }

    fn wake(&self, mut state: MutexGuard<'_, State>) {
        let wakers = std::mem::take(&mut state.wakers);
        let threads = state.waiting > 0;
        drop(state);
        if threads {
            self.ready.notify_all();
        }
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Drops what waits and ignores what comes.
    fn abandon(&self) {
        let mut state = self.lock();
        state.ended = true;
        state.bytes = 0;
        let items = std::mem::take(&mut state.items);
        drop(state);
        drop(items);
    }

    /// Bytes there is room for. When none, the consumer will notify the driver once half is free.
    pub(crate) fn room(&self) -> usize {
        let mut state = self.lock();
        state.holding = state.bytes >= self.limit;
        self.limit.saturating_sub(state.bytes)
    }

    /// Bytes held now and at most.
    pub(crate) fn bytes(&self) -> (usize, usize) {
        let state = self.lock();
        (state.bytes, state.peak)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::DataChannel;
    use crate::peer::PeerId;

    fn peer(limit: usize) -> PeerShared {
        let ((), figures) = sctp_proto::tuning::scope(Default::default(), || ());
        PeerShared::new(PeerId(1), limit, std::time::Duration::ZERO, figures)
    }

    #[test]
    fn events_that_nobody_took_do_not_keep_their_peer() {
        let shared = Arc::new(peer(1000));
        let events = Events::new(shared.clone());
        let added = shared.channels().add("inference", Default::default());
        let channel = DataChannel::new(added.expect("room"), shared.clone());
        shared.events.push(PeerEvent::ChannelOpen(channel));
        let peer = Arc::downgrade(&shared);
        events.abandon();
        drop((events, shared));
        assert!(peer.upgrade().is_none());
    }

    #[test]
    fn nothing_is_queued_once_the_consumer_is_gone() {
        let shared = Arc::new(peer(10));
        Events::new(shared.clone()).abandon();
        shared.events.push(PeerEvent::Connected);
        assert_eq!(shared.events.bytes().0, 0);
        assert_eq!(shared.events.room(), 10);
    }
}
