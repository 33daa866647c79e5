//! The handle of one data channel: queueing messages and waiting for the queue to drain.
//! Nothing here touches the network; the driver takes messages out of the queue.

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Instant;

use bytes::Bytes;
use sctp_proto::tuning::Handle;

use crate::config::{ChannelOptions, MAX_LABEL, MAX_QUEUED_BYTES, MAX_SEND_MESSAGE};
use crate::data::ChannelStats;
use crate::error::{ChannelError, OpenError, SendError};
use crate::peer::PeerState;
use crate::send_queue::{Life, Outgoing, Refused, SendQueue, WaitEnd};
use crate::shared::PeerShared;

/// Names a channel of one peer, in the order the channels appeared. Not the SCTP stream id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelId(pub u32);

/// What the driver and the handles of a channel share.
#[derive(Debug)]
pub(crate) struct ChannelShared {
    pub(crate) id: ChannelId,
    pub(crate) label: String,
    pub(crate) options: ChannelOptions,
    pub(crate) queue: SendQueue,
    pub(crate) counters: ChannelCounters,
    /// Largest message the peer accepts.
    max_message: AtomicUsize,
    stream: Mutex<Stream>,
}

/// What SCTP says of a channel.
#[derive(Debug, Default)]
struct Stream {
    /// Its id while it is open: after that it may be another channel's.
    id: Option<u16>,
    /// Bytes sent again, at the last look.
    retransmitted: u64,
}

/// What went through a channel.
#[derive(Debug, Default)]
pub(crate) struct ChannelCounters {
    pub(crate) messages_sent: AtomicU64,
    pub(crate) bytes_sent: AtomicU64,
    pub(crate) messages_received: AtomicU64,
    pub(crate) bytes_received: AtomicU64,
    pub(crate) expired: AtomicU64,
}

impl ChannelShared {
    pub(crate) fn new(id: ChannelId, label: String, options: ChannelOptions) -> ChannelShared {
        ChannelShared {
            id,
            label,
            options,
            queue: SendQueue::new(),
            counters: ChannelCounters::default(),
            max_message: AtomicUsize::new(MAX_SEND_MESSAGE),
            stream: Mutex::default(),
        }
    }

    fn stream(&self) -> MutexGuard<'_, Stream> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_stream(&self, id: Option<u16>) {
        self.stream().id = id;
    }

    /// Closed for good, and what its stream does from now on is not its own.
    pub(crate) fn end(&self, figures: &Handle) {
        self.queue.set_life(Life::Closed);
        self.stats(figures);
        self.set_stream(None);
    }

    pub(crate) fn stats(&self, figures: &Handle) -> ChannelStats {
        let counters = &self.counters;
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut stream = self.stream();
        let now = stream.id.and_then(|id| figures.stream(id));
        if let Some(now) = now {
            stream.retransmitted = now.bytes_retransmitted;
        }
        ChannelStats {
            messages_sent: get(&counters.messages_sent),
            bytes_sent: get(&counters.bytes_sent),
            messages_received: get(&counters.messages_received),
            bytes_received: get(&counters.bytes_received),
            buffered: self.queue.buffered() as u64,
            unacknowledged: now.map_or(0, |now| now.outstanding),
            retransmitted: stream.retransmitted,
            expired: get(&counters.expired),
        }
    }

    pub(crate) fn set_max_message(&self, bytes: usize) {
        self.max_message
            .store(bytes.min(MAX_SEND_MESSAGE), Ordering::Relaxed);
    }
}

/// A data channel. Clones are the same channel.
#[derive(Clone)]
pub struct DataChannel {
    channel: Arc<ChannelShared>,
    peer: Arc<PeerShared>,
}

impl fmt::Debug for DataChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataChannel")
            .field("id", &self.channel.id)
            .field("label", &self.channel.label)
            .finish_non_exhaustive()
    }
}

impl DataChannel {
    pub(crate) fn new(channel: Arc<ChannelShared>, peer: Arc<PeerShared>) -> DataChannel {
        DataChannel { channel, peer }
    }

    /// One that the driver is to open.
    pub(crate) fn open(
        peer: &Arc<PeerShared>,
        label: &str,
        options: ChannelOptions,
    ) -> Result<DataChannel, OpenError> {
        if label.len() > MAX_LABEL {
            return Err(OpenError::Label(label.len()));
        }
        if matches!(peer.state(), PeerState::Closing | PeerState::Closed)
            || peer.close_requested().is_some()
        {
            return Err(OpenError::Closed);
        }
        let channel = peer
            .open_channel(label, options)
            .ok_or(OpenError::Channels)?;
        // The end may have come in between; then nobody else closes this channel.
        if peer.state() == PeerState::Closed {
            channel.queue.set_life(Life::Closed);
            return Err(OpenError::Closed);
        }
        Ok(DataChannel::new(channel, peer.clone()))
    }

    /// The id its messages carry.
    pub fn id(&self) -> ChannelId {
        self.channel.id
    }

    /// The label given by whoever created it.
    pub fn label(&self) -> &str {
        &self.channel.label
    }

    /// How it delivers, as agreed with the peer when it was opened.
    pub fn options(&self) -> ChannelOptions {
        self.channel.options
    }

    /// Whether messages can be queued now.
    pub fn is_open(&self) -> bool {
        self.channel.queue.life() == Life::Open
    }

    /// Largest message `send` takes: the peer's limit, at most [`MAX_SEND_MESSAGE`].
    pub fn max_message_size(&self) -> usize {
        self.channel.max_message.load(Ordering::Relaxed)
    }

    /// Queues a binary message, which may be empty. Never blocks and copies nothing. Fails when the channel is not open, the
    /// message is larger than the peer accepts, or the queue would exceed [`MAX_QUEUED_BYTES`].
    pub fn send(&self, data: Bytes) -> Result<(), SendError> {
        self.push(Outgoing { data, text: false })
    }

    /// Queues a text message; otherwise like [`DataChannel::send`].
    pub fn send_text(&self, text: String) -> Result<(), SendError> {
        self.push(Outgoing {
            data: Bytes::from(text),
            text: true,
        })
    }

    /// Its figures so far, also after its end. Those of the network are a few milliseconds old.
    pub fn stats(&self) -> ChannelStats {
        self.channel.stats(&self.peer.figures)
    }

    /// Bytes that are in no packet yet, wherever they wait. What is on its way does not count. Once the channel is closed it
    /// stays what it was: these bytes will not leave.
    pub fn buffered_amount(&self) -> usize {
        self.channel.queue.buffered()
    }

    /// From now on report [`PeerEvent::BufferedAmountLow`](crate::PeerEvent::BufferedAmountLow) each time the
    /// buffered amount falls from above `bytes` to `bytes` or less. At most one such event waits to be taken.
    pub fn set_buffered_amount_low_threshold(&self, bytes: usize) {
        self.channel.queue.set_threshold(bytes);
    }

    /// Blocks until at most `limit` bytes are buffered. Do not call it from the only thread that takes the peer's
    /// events: a full event queue holds back the acknowledgements this waits for.
    pub fn wait_buffered_at_most(
        &self,
        limit: usize,
        deadline: Instant,
    ) -> Result<(), ChannelError> {
        self.waited(limit, self.channel.queue.wait_at_most(limit, deadline))
    }

    /// The same without a deadline, for tasks. Cancel safe.
    pub async fn buffered_at_most(&self, limit: usize) -> Result<(), ChannelError> {
        let queue = &self.channel.queue;
        let end = std::future::poll_fn(|cx| match queue.poll_at_most(limit, cx.waker()) {
            Some(end) => Poll::Ready(end),
            None => Poll::Pending,
        })
        .await;
        self.waited(limit, end)
    }

    /// Closes the channel after what is queued has arrived. Returns at once; new messages are refused.
    pub fn close(&self) {
        self.channel.queue.set_life(Life::Closing);
        self.peer.notify();
    }

    fn push(&self, message: Outgoing) -> Result<(), SendError> {
        let (len, max) = (message.data.len(), self.max_message_size());
        if len > max {
            return Err(SendError::TooLarge { len, max });
        }
        match self.channel.queue.push(message) {
            Ok(()) => {
                self.peer.notify();
                Ok(())
            }
            Err(Refused::NotOpen) => Err(SendError::NotOpen {
                label: self.channel.label.clone(),
            }),
            Err(Refused::Full(queued)) => Err(SendError::QueueFull {
                queued,
                max: MAX_QUEUED_BYTES,
            }),
        }
    }

    fn waited(&self, limit: usize, end: WaitEnd) -> Result<(), ChannelError> {
        let label = || self.channel.label.clone();
        match end {
            WaitEnd::Reached => Ok(()),
            WaitEnd::Closed(queued) => Err(ChannelError::Closed {
                label: label(),
                queued,
            }),
            WaitEnd::Timeout(queued) => Err(ChannelError::Timeout {
                label: label(),
                queued,
                limit,
            }),
        }
    }
}
