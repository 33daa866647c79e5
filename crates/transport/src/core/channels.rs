//! Moving queued messages into the engine as it has room, and closing channels once theirs have arrived.
//! The queues themselves belong to the users' handles.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{PeerCore, Sink};
use crate::channel::ChannelShared;
use crate::events::PeerEvent;
use crate::send_queue::{Life, Outgoing};
use crate::stats::add;

/// Bytes of one channel written before the next has its turn; a message that exceeds it is written whole.
const SHARE: usize = 64 * 1024;

/// A channel as the engine knows it and as users do.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) engine: str0m::channel::ChannelId,
    pub(super) shared: Arc<ChannelShared>,
    /// Taken from the queue and not written yet.
    ready: VecDeque<Outgoing>,
    ready_bytes: usize,
    /// What the queue believes is taken and unsent.
    reported: usize,
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
            ready: VecDeque::new(),
            ready_bytes: 0,
            reported: 0,
            close_sent: false,
        }
    }

    fn has_work(&self) -> bool {
        (!self.ready.is_empty() && self.shared.queue.life() != Life::Closed)
            || self.shared.queue.has_work()
    }

    fn refill(&mut self) {
        if self.ready.is_empty() {
            self.shared.queue.take(&mut self.ready);
            self.ready_bytes = self.ready.iter().map(|m| m.data.len()).sum();
            self.reported += self.ready_bytes;
        }
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
            self.next_channel = index + 1;
        }
        written
    }

    fn write_share(&mut self, index: usize) -> Turn {
        let slot = &mut self.channels[index];
        slot.refill();
        if slot.ready.is_empty() {
            return Turn::Nothing;
        }
        let Some(mut channel) = self.rtc.channel(slot.engine) else {
            // Not open, or closed by the peer: the event that says so is on its way.
            return Turn::Nothing;
        };
        let (mut messages, mut bytes, mut full) = (0, 0, false);
        while bytes < SHARE
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
            slot.ready.pop_front();
        }
        slot.ready_bytes -= bytes;
        let counters = &self.shared.counters;
        add(&counters.messages_sent, messages);
        add(&counters.bytes_sent, bytes);
        if messages > 0 && std::mem::take(&mut self.full) {
            // Room appeared, so the peer acknowledged something.
            self.heard(self.engine_now);
        }
        self.full |= full;
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
            let unsent = slot.ready_bytes;
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
        !self.has_outgoing() && (0..self.channels.len()).all(|index| self.in_flight(index) == 0)
    }

    /// Closes channels whose users asked for it and whose messages have arrived.
    pub(super) fn close_channels(&mut self, sink: &mut Sink<'_>) {
        for index in 0..self.channels.len() {
            let slot = &self.channels[index];
            let wanted =
                !slot.close_sent && slot.shared.queue.life() == Life::Closing && !slot.has_work();
            if wanted && self.closing.is_none() && self.in_flight(index) == 0 {
                self.channels[index].close_sent = true;
                self.rtc
                    .direct_api()
                    .close_data_channel(self.channels[index].engine);
                self.drain(sink);
            }
        }
    }

    fn in_flight(&mut self, index: usize) -> usize {
        self.rtc
            .channel(self.channels[index].engine)
            .map_or(0, |mut channel| channel.buffered_amount())
    }
}
