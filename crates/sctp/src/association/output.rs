//! What goes out: one pass fills up to 32 packets with control chunks, acknowledgements and data, in that order.
//! It asks the parts what is due; it decides nothing but the order.

use super::{Association, State};
use crate::time::Time;
use crate::types::{Packet, Packets, Payload, Transmit};
use crate::wire::{Builder, Cause, HEADER};

/// Packets in one transmit: what one segmented send of the kernel takes.
const MAX_PACKETS: usize = 32;
/// Gap blocks in one acknowledgement; 20 of the places are left to duplicates by the receiver itself.
const MAX_BLOCKS: usize = 265;

impl Association {
    pub(super) fn build_packets(&mut self, now: Time) -> Option<Transmit> {
        if !self.control.wanted && !self.transfer_wants(now) {
            if let Some(transfer) = &mut self.transfer {
                self.deadline_stale |= transfer.sender.note_release(now);
            }
            self.publish();
            return None;
        }
        self.advance();
        let mut packets = Vec::with_capacity(if self.transfer_wants(now) { 16 } else { 1 });
        self.take_ready(now, &mut packets);
        self.fill(now, &mut packets);
        if !self.control.wanted {
            // Looking for data may have given up what a reset or the end waited for: nobody would ask again.
            self.advance();
            if self.control.wanted {
                self.fill(now, &mut packets);
            }
        }
        // Also without a packet: what was given up may have moved a timer.
        self.deadline_stale = true;
        if packets.is_empty() {
            self.control.wanted = false;
            self.publish();
            return None;
        }
        self.active_at = now;
        self.figures.stale = true;
        self.figures.packets_sent += packets.len() as u64;
        Some(Transmit {
            payload: Payload::RawEncode(Packets(packets)),
        })
    }

    /// Adds packets with all that is due, as many as one transmit takes.
    fn fill(&mut self, now: Time, packets: &mut Vec<Packet>) {
        let Some(tag) = self.sendable() else {
            return;
        };
        let before = packets.len();
        let mut only_sack = false;
        while packets.len() < MAX_PACKETS && (self.control.wanted || self.transfer_wants(now)) {
            let control = self.control.wanted;
            let mut builder = Builder::new(tag, self.packet_size());
            self.write_control(&mut builder);
            let mut data = self.write_transfer(now, &mut builder);
            if builder.is_empty() && self.packet_size() < self.full_size() {
                // Data that was cut for larger packets can only be repeated as it is.
                builder = Builder::new(tag, self.full_size());
                data = self.write_transfer(now, &mut builder);
            }
            if builder.is_empty() {
                break;
            }
            if packets.len() == before {
                only_sack = !control && !data;
            }
            packets.push(Packet(builder.finish()));
        }
        // A lone acknowledgement goes last: packets of one size in a row can leave in one system call.
        if only_sack {
            packets[before..].rotate_left(1);
        }
    }

    /// Whether acknowledgements or data may go now. The test of an idle pass.
    #[inline]
    fn transfer_wants(&self, now: Time) -> bool {
        match &self.transfer {
            Some(t) if self.state != State::Closed => {
                t.receiver.sack_due(now)
                    || t.sender.wants_to_send(now)
                    || t.sender.pending_forward_tsn()
            }
            _ => false,
        }
    }

    /// The packets that go alone or carry a tag of their own.
    fn take_ready(&mut self, now: Time, packets: &mut Vec<Packet>) {
        packets.extend(self.control.ready.drain(..));
        if self.control.init {
            self.control.init = false;
            let init = self.init_packet(now);
            packets.push(Packet(init));
        }
        if self.control.cookie_echo {
            self.control.cookie_echo = false;
            if let (Some(cookie), Some(peer)) = (self.cookie_to_echo(now), self.peer) {
                // The peer chose its size; our packet is as large as needed to give it back.
                let size = self.packet_size().max(HEADER + 8 + cookie.len());
                let mut builder = Builder::new(peer.tag, size);
                builder.push_cookie_echo(&cookie);
                packets.push(Packet(builder.finish()));
            }
        }
        self.control.wanted = self.transfer.is_some() && self.control.wanted;
    }

    /// The peer's tag, while packets with it may be sent.
    fn sendable(&self) -> Option<u32> {
        match self.state {
            State::Closed => None,
            _ => self.transfer.as_ref().and(self.peer).map(|peer| peer.tag),
        }
    }

    /// Control chunks as far as they fit; the rest goes into the next packet.
    fn write_control(&mut self, builder: &mut Builder) {
        if !self.control.wanted {
            return;
        }
        let mut rest = false;
        if self.control.cookie_ack {
            self.control.cookie_ack = !builder.push_cookie_ack();
        }
        while let Some(value) = self.control.heartbeat_acks.front() {
            if !builder.push_heartbeat_ack(value) {
                // One that fills a packet goes with nothing else; it fits an empty one, or it was not taken.
                rest = true;
                break;
            }
            self.control.heartbeat_acks.pop_front();
        }
        if self.control.heartbeat {
            self.control.heartbeat =
                !builder.push_heartbeat(&self.figures.packets_sent.to_be_bytes());
            rest |= self.control.heartbeat;
        }
        while let Some(chunk) = self.control.reports.front() {
            if !builder.push_error(&[Cause::UnrecognizedChunk(chunk)]) {
                rest = true;
                break;
            }
            self.control.reports.pop_front();
        }
        rest |= !self.write_resets(builder);
        rest |= !self.write_shutdown(builder);
        self.control.wanted = rest;
    }

    /// Acknowledgement, FORWARD-TSN and data. Returns whether there was data.
    fn write_transfer(&mut self, now: Time, builder: &mut Builder) -> bool {
        let Some(transfer) = &mut self.transfer else {
            return false;
        };
        if transfer.receiver.sack_due(now) {
            transfer.receiver.write_sack(builder, MAX_BLOCKS);
        }
        // After SHUTDOWN ACK nothing may follow; before it everything is acknowledged anyway.
        self.state != State::ShutdownAckSent && transfer.sender.write_all(now, builder)
    }
}
