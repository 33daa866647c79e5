//! Moving queued messages into the engine as it has room, and closing channels once theirs have arrived.
//! The queues themselves belong to the users' handles.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use sctp_proto::tuning::Handle;

use super::{PeerCore, Sink};
use crate::channel::ChannelShared;
use crate::events::PeerEvent;
use crate::send_queue::{Life, Outgoing};
use crate::stats::add;

/// Bytes of one channel written before the next has its turn; a message that exceeds it is written whole.
const SHARE: usize = 64 * 1024;
/// What a message counts in this beside its bytes.
const OVERHEAD: usize = 64;

/// A channel as the engine knows it and as users do.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) engine: str0m::channel::ChannelId,
    pub(super) shared: Arc<ChannelShared>,
    /// Known once it is open.
    pub(super) stream: Option<u16>,
    /// Taken from the queue and not written yet.
    ready: VecDeque<Outgoing>,
    /// When each of these becomes too old, if the channel has a lifetime.
    too_old: VecDeque<Instant>,
    ready_bytes: usize,
    /// What the queue believes is taken and unsent.
    reported: usize,
    /// Written of its share in this turn.
    spent: usize,
    close_sent: bool,
}

/// What became of a channel's turn to be written.
enum Turn {
    /// Nothing waits, or the channel is not open.
    Nothing,
    /// So many messages were written.
    Written(usize),
    /// The same, and the engine takes no more.
    Full(usize),
}

impl Slot {
    pub(super) fn new(engine: str0m::channel::ChannelId, shared: Arc<ChannelShared>) -> Slot {
        Slot {
            engine,
            shared,
            stream: None,
            ready: VecDeque::new(),
            too_old: VecDeque::new(),
            ready_bytes: 0,
            reported: 0,
            spent: 0,
            close_sent: false,
        }
    }

    fn has_work(&self) -> bool {
        (!self.ready.is_empty() && self.shared.queue.life() != Life::Closed)
            || self.shared.queue.has_work()
    }

    fn refill(&mut self, now: Instant) {
        if self.ready.is_empty() {
            self.shared.queue.take(&mut self.ready);
            self.ready_bytes = self.ready.iter().map(|m| m.data.len()).sum();
            self.reported += self.ready_bytes;
        } else if self.shared.options.max_lifetime.is_some() && self.shared.queue.has_work() {
            // Taken at once, so that their time begins.
            let mut more = VecDeque::new();
            self.shared.queue.take(&mut more);
            let bytes: usize = more.iter().map(|m| m.data.len()).sum();
            self.ready.append(&mut more);
            self.ready_bytes += bytes;
            self.reported += bytes;
        }
        if let Some(lifetime) = self.shared.options.max_lifetime {
            self.too_old.resize(self.ready.len(), now + lifetime);
        }
    }

    /// Removes the next message, which was written or is given up.
    fn pop(&mut self) {
        self.too_old.pop_front();
        if let Some(message) = self.ready.pop_front() {
            self.ready_bytes -= message.data.len();
        }
    }

    /// Gives up what is too old by now; how many messages. SCTP would lose them as well, had it got them in time.
    fn expire(&mut self, now: Instant) -> usize {
        let mut expired = 0;
        while self.too_old.front().is_some_and(|at| *at < now) {
            self.pop();
            expired += 1;
        }
        expired
    }
}

impl PeerCore {
    pub(super) fn has_outgoing(&self) -> bool {
        self.channels.iter().any(Slot::has_work)
    }

    /// Gives the engine what waits, as far as it takes it, and tells the queues what has left. Bounded by the engine's
    /// buffer and by what it may have in flight.
    pub(super) fn send_queued(&mut self, sink: &mut Sink<'_>) {
        while self.connected && self.ending.is_none() && self.write_waiting() > 0 {
            self.drain(sink);
        }
        self.report_amounts();
    }

    /// Writes a share of each channel in turn until the engine is full or nothing waits; how many messages. The engine
    /// only queues what is written, so many writes may come before one drain: each drain costs as much as many of them.
    fn write_waiting(&mut self) -> usize {
        let count = self.channels.len();
        let (mut written, mut idle) = (0, 0);
        while idle < count {
            let index = self.next_channel % count;
            match self.write_share(index) {
                Turn::Nothing => idle += 1,
                Turn::Written(messages) => {
                    written += messages;
                    idle = 0;
                }
                // It goes on here, so that a large message does not wait for ever behind small ones.
                Turn::Full(messages) => return written + messages,
            }
            self.channels[index].spent = 0;
            self.next_channel = index + 1;
        }
        written
    }

    fn write_share(&mut self, index: usize) -> Turn {
        let slot = &mut self.channels[index];
        slot.refill(self.engine_now);
        let expired = slot.expire(self.engine_now);
        if expired > 0 {
            add(&slot.shared.counters.expired, expired);
            add(&self.shared.counters.expired_messages, expired);
        }
        if slot.ready.is_empty() {
            return Turn::Nothing;
        }
        let Some(mut channel) = self.rtc.channel(slot.engine) else {
            // Not open, or closed by the peer: the event that says so is on its way.
            return Turn::Nothing;
        };
        let (mut messages, mut bytes, mut full) = (0, 0, false);
        while slot.spent < SHARE
            && let Some(message) = slot.ready.front()
        {
            match channel.write(!message.text, &message.data) {
                Ok(true) => {}
                Ok(false) => {
                    full = true;
                    break;
                }
                Err(error) => {
                    self.failed(&error);
                    return Turn::Full(messages);
                }
            }
            messages += 1;
            bytes += message.data.len();
            slot.spent += message.data.len() + OVERHEAD;
            slot.pop();
        }
        let (channel, all) = (&slot.shared.counters, &self.shared.counters);
        add(&channel.messages_sent, messages);
        add(&channel.bytes_sent, bytes);
        add(&all.messages_sent, messages);
        add(&all.bytes_sent, bytes);
        if full {
            Turn::Full(messages)
        } else {
            Turn::Written(messages)
        }
    }

    /// Tells the queues what is in packets by now, and their users if that is what they wait for.
    fn report_amounts(&mut self) {
        for slot in &mut self.channels {
            if slot.reported == 0 {
                continue;
            }
            // Without it the end is near, and what has not left will not leave.
            let Some(mut engine) = self.rtc.channel(slot.engine) else {
                continue;
            };
            let unsent = slot.ready_bytes + engine.buffered_amount();
            if unsent == slot.reported {
                continue;
            }
            slot.reported = unsent;
            if slot.shared.queue.report(unsent) {
                let low = PeerEvent::BufferedAmountLow(slot.shared.id);
                self.outbox.push(low);
            }
        }
    }

    /// Whether everything queued has arrived at the peer.
    pub(super) fn is_flushed(&mut self) -> bool {
        let figures = self.figures.snapshot();
        !self.has_outgoing() && figures.unsent + figures.outstanding == 0
    }

    /// Closes channels whose users asked for it and whose messages have arrived.
    pub(super) fn close_channels(&mut self, sink: &mut Sink<'_>) {
        if self.closing.is_some() {
            return;
        }
        let mut closed = false;
        for slot in &mut self.channels {
            let wanted =
                !slot.close_sent && slot.shared.queue.life() == Life::Closing && !slot.has_work();
            // One that is not open yet is closed by the engine as soon as it has been opened.
            let figures = &self.figures;
            if wanted && slot.stream.is_none_or(|id| in_flight(figures, id) == 0) {
                slot.close_sent = true;
                self.rtc.direct_api().close_data_channel(slot.engine);
                closed = true;
            }
        }
        if closed {
            self.drain(sink);
        }
    }

    /// The engine closed it: what still waits will never leave, and its stream and place are free for another.
    pub(super) fn channel_closed(&mut self, id: str0m::channel::ChannelId) {
        let Some(index) = self.channels.iter().position(|s| s.engine == id) else {
            return;
        };
        let slot = self.channels.remove(index);
        if index < self.next_channel {
            self.next_channel -= 1;
        }
        let channel = &slot.shared;
        self.shared.channels().remove(channel, &self.figures);
        self.outbox.push(PeerEvent::ChannelClosed(channel.id));
    }
}

/// Bytes the engine took and the peer has not acknowledged.
fn in_flight(figures: &Handle, stream: u16) -> u64 {
    let figures = figures.stream(stream);
    figures.map_or(0, |stream| stream.unsent + stream.outstanding)
}
