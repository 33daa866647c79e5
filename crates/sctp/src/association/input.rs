//! What comes in: the tests a packet must pass, and which part each chunk goes to.
//! The parts decide what a chunk leads to; this file only knows in which states it is welcome.

use super::{Association, State};
use crate::error::AssociationError;
use crate::time::Time;
use crate::wire::{Builder, Cause, Causes, Chunk, Data, Packet, kind};

impl Association {
    pub(super) fn handle_datagram(&mut self, now: Time, datagram: Vec<u8>) {
        self.deadline_stale = true;
        self.figures.stale = true;
        let Ok(packet) = Packet::parse(datagram) else {
            self.figures.dropped += 1;
            return;
        };
        if self.state == State::Closed || !self.is_ours(&packet) {
            self.answer_stranger(&packet);
            self.figures.dropped += 1;
            return;
        }
        self.figures.packets_received += 1;
        self.heard(now);
        let tag = packet.tag;
        let mut had_data = false;
        for chunk in packet.chunks() {
            match chunk {
                Ok(Chunk::Data(data)) => had_data |= self.on_data(now, data),
                Ok(chunk) => {
                    if !self.on_control(now, tag, chunk) {
                        break;
                    }
                }
                // What came before it was good; what comes after it cannot be trusted.
                Err(_) => {
                    self.figures.dropped += 1;
                    break;
                }
            }
        }
        if had_data {
            if let Some(transfer) = &mut self.transfer {
                transfer.receiver.on_datagram(now);
            }
            // RFC 9260 section 9.2: each packet with data is answered by SHUTDOWN again, and the wait for an answer begins anew.
            if self.state == State::ShutdownSent {
                self.timers.shutdown.stop();
                self.control.shutdown = true;
                self.control.wanted = true;
            }
        }
        self.advance();
    }

    /// Whether the packet carries the tag it must (RFC 9260 section 8.5).
    fn is_ours(&self, packet: &Packet) -> bool {
        let reflected = packet.first_flags() & 1 != 0;
        let peer = self.peer.map(|p| p.tag);
        match packet.first_kind() {
            kind::INIT => packet.tag == 0 && packet.count == 1,
            kind::ABORT | kind::SHUTDOWN_COMPLETE if reflected => Some(packet.tag) == peer,
            // The cookie itself says which tag it belongs to.
            kind::COOKIE_ECHO => true,
            kind::SHUTDOWN_ACK => packet.tag == self.local.tag && self.transfer.is_some(),
            _ => packet.tag == self.local.tag,
        }
    }

    /// A peer that waits for the end of an association we do not know (any more) is told that it is over.
    fn answer_stranger(&mut self, packet: &Packet) {
        if packet.first_kind() == kind::SHUTDOWN_ACK && packet.tag != 0 {
            let mut answer = Builder::new(packet.tag, self.packet_size());
            answer.push_shutdown_complete(true);
            self.control.send(answer.finish());
        }
    }

    fn heard(&mut self, now: Time) {
        self.active_at = now;
        if let Some(transfer) = &mut self.transfer {
            transfer.sender.heard_peer();
            if self.timers.heartbeat.is_none() && self.state == State::Established {
                self.timers.heartbeat = Some(now + super::timers::IDLE);
            }
            self.consider_probe(now);
        }
    }

    /// Returns whether it was taken in.
    #[inline]
    fn on_data(&mut self, now: Time, data: Data) -> bool {
        match self.state {
            State::Established | State::ShutdownPending | State::ShutdownSent => {}
            // The peer sends data only after our cookie reached it: its answer was lost.
            State::CookieEchoed => self.on_cookie_ack(now),
            _ => return false,
        }
        let Some(transfer) = &mut self.transfer else {
            return false;
        };
        let taken = if self.streams.admit(data.stream) {
            transfer.receiver.on_data(data)
        } else {
            self.figures.dropped += 1;
            transfer.receiver.discard(data.tsn)
        };
        if taken.is_err() {
            self.refuse_size();
        }
        true
    }

    /// Handles any chunk but DATA. `false` if the rest of the packet is not to be read.
    fn on_control(&mut self, now: Time, tag: u32, chunk: Chunk) -> bool {
        match chunk {
            // Taken in before, apart from all others.
            Chunk::Data(_) => {}
            Chunk::Sack(sack) => {
                // A report that contradicts what was sent is counted by the sender.
                if let Some(transfer) = &mut self.transfer {
                    let _ = transfer.sender.on_sack(now, &sack);
                }
            }
            Chunk::Init(init) => {
                self.on_init(now, init);
                return false;
            }
            Chunk::InitAck(init, cookie) => self.on_init_ack(now, &init, cookie),
            Chunk::CookieEcho(cookie) => {
                self.on_cookie_echo(now, tag, &cookie);
                // What follows belongs to the association only if the cookie's tag is its own.
                return tag == self.local.tag;
            }
            Chunk::CookieAck => self.on_cookie_ack(now),
            Chunk::Heartbeat(value) => {
                // An answer larger than a packet cannot be sent.
                let fits = value.len() + 16 <= self.packet_size();
                if !fits || self.transfer.is_none() || !self.control.answer_heartbeat(value) {
                    self.figures.dropped += 1;
                }
            }
            Chunk::HeartbeatAck(value) => self.on_heartbeat_ack(&value),
            Chunk::Abort { causes, .. } => self.on_abort(&causes),
            Chunk::Shutdown { cumulative } => self.on_shutdown(now, cumulative),
            Chunk::ShutdownAck => self.on_shutdown_ack(),
            Chunk::ShutdownComplete { .. } => self.on_shutdown_complete(),
            Chunk::Error(causes) if causes.stale_cookie() => self.on_stale_cookie(),
            // A complaint never ends the association; what matters is that it was counted.
            Chunk::Error(_) => self.figures.dropped += 1,
            Chunk::Reconfig(reconfig) => {
                if self.transfer.is_some() {
                    for param in reconfig.into_params() {
                        self.on_reconfig(param);
                    }
                }
            }
            Chunk::ForwardTsn(forward) => {
                let Some(transfer) = &mut self.transfer else {
                    return true;
                };
                let streams = &mut self.streams;
                let taken = transfer
                    .receiver
                    .on_forward_tsn(&forward, |id| streams.admit(id));
                if taken.is_err() {
                    self.refuse_size();
                }
            }
            Chunk::Unknown(unknown) if unknown.chunk.first() == Some(&kind::PAD) => {}
            Chunk::Unknown(unknown) => {
                self.figures.dropped += 1;
                // Some peers give up on a complaint that comes before the association is established.
                let small = unknown.chunk.len() + 32 <= self.packet_size();
                if unknown.rule.report && small && self.transfer.is_some() {
                    self.control.report(unknown.chunk);
                }
                return !unknown.rule.stop;
            }
        }
        self.state != State::Closed
    }

    fn on_abort(&mut self, causes: &Causes) {
        // Before anything was agreed there is nothing to abort but the handshake.
        if self.state != State::Listen {
            self.lose(AssociationError::Aborted(causes.to_string()));
        }
    }

    /// A message that could never be complete would hold its bytes for ever.
    fn refuse_size(&mut self) {
        let cause = Cause::ProtocolViolation("message above the agreed size");
        self.abort(&cause, AssociationError::MessageTooLarge);
    }

    /// Tells the peer that the association is over, and ends it.
    pub(super) fn abort(&mut self, cause: &Cause<'_>, reason: AssociationError) {
        if let Some(peer) = self.peer {
            let mut packet = Builder::new(peer.tag, self.packet_size());
            packet.push_abort(false, std::slice::from_ref(cause));
            self.control.send(packet.finish());
        }
        self.lose(reason);
    }
}
