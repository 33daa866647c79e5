//! Moving queued messages into the engine as it has room, and closing channels once theirs have arrived.
//! The queues themselves belong to the users' handles.

use std::sync::Arc;

use super::{PeerCore, Sink};
use crate::channel::ChannelShared;
use crate::events::PeerEvent;
use crate::send_queue::Life;
use crate::stats::add;

/// A channel as the engine knows it and as users do.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) engine: str0m::channel::ChannelId,
    pub(super) shared: Arc<ChannelShared>,
    close_sent: bool,
}

impl Slot {
    pub(super) fn new(engine: str0m::channel::ChannelId, shared: Arc<ChannelShared>) -> Slot {
        Slot {
            engine,
            shared,
            close_sent: false,
        }
    }
}

impl PeerCore {
    pub(super) fn has_outgoing(&self) -> bool {
        self.channels.iter().any(|s| s.shared.queue.has_work())
    }

    /// Fills the engine's buffer, one message of each channel in turn. Bounded by that buffer: 128 KiB.
    pub(super) fn send_queued(&mut self, sink: &mut Sink<'_>) {
        if !self.connected || self.ending.is_some() {
            return;
        }
        let count = self.channels.len();
        let mut idle = 0;
        while idle < count {
            let index = self.next_channel % count;
            let slot = &self.channels[index];
            let Some(message) = slot.shared.queue.front() else {
                self.next_channel = index + 1;
                idle += 1;
                continue;
            };
            let Some(mut channel) = self.rtc.channel(slot.engine) else {
                // Not open, or closed by the peer: the event that says so is on its way.
                self.next_channel = index + 1;
                idle += 1;
                continue;
            };
            match channel.write(!message.text, &message.data) {
                Ok(true) => {}
                Ok(false) => {
                    self.full = true;
                    return;
                }
                Err(error) => {
                    self.failed(&error);
                    return;
                }
            }
            if slot.shared.queue.pop() {
                self.shared
                    .events
                    .push(PeerEvent::BufferedAmountLow(slot.shared.id));
            }
            add(&self.shared.counters.messages_sent, 1);
            add(&self.shared.counters.bytes_sent, message.data.len());
            self.next_channel = index + 1;
            idle = 0;
            if std::mem::take(&mut self.full) {
                // Room appeared, so the peer acknowledged something.
                self.heard(self.engine_now);
            }
            self.drain(sink);
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
            let queue = &slot.shared.queue;
            let wanted = !slot.close_sent && queue.life() == Life::Closing && queue.is_empty();
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
