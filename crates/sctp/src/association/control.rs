//! What waits to be sent besides data and acknowledgements: handshake, heartbeats, resets, shutdown, errors.
//! It does not decide when any of it is due.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::types::Packet;

/// Heartbeats that are answered when many come in one pass; the rest is dropped.
const MAX_HEARTBEAT_ACKS: usize = 4;
/// Reports of unknown chunks that are kept for one pass.
const MAX_REPORTS: usize = 4;
/// Ready packets that are kept for one pass.
const MAX_READY: usize = 8;

/// Chunks and packets that wait for the next transmit. Every queue is bounded: a flood of requests gets some answers only.
#[derive(Debug, Default)]
pub(crate) struct Control {
    /// Something below is set. The one flag an idle pass looks at.
    pub(crate) wanted: bool,
    pub(crate) init: bool,
    pub(crate) cookie_echo: bool,
    pub(crate) cookie_ack: bool,
    pub(crate) heartbeat: bool,
    pub(crate) reset_request: bool,
    pub(crate) shutdown: bool,
    pub(crate) shutdown_ack: bool,
    /// Values of heartbeats to send back.
    pub(crate) heartbeat_acks: VecDeque<Bytes>,
    /// Unknown chunks to report.
    pub(crate) reports: VecDeque<Bytes>,
    /// Packets that were built at once because they carry a tag of their own or go alone.
    pub(crate) ready: VecDeque<Packet>,
}

impl Control {
    /// Queues the answer to a heartbeat; `false` if there are too many already.
    pub(crate) fn answer_heartbeat(&mut self, value: Bytes) -> bool {
        self.wanted = true;
        let room = self.heartbeat_acks.len() < MAX_HEARTBEAT_ACKS;
        if room {
            self.heartbeat_acks.push_back(value);
        }
        room
    }

    /// Queues the report of an unknown chunk, or drops it if there are too many already.
    pub(crate) fn report(&mut self, chunk: Bytes) {
        self.wanted = true;
        if self.reports.len() < MAX_REPORTS {
            self.reports.push_back(chunk);
        }
    }

    /// Queues a whole packet; `false` if there are too many already.
    pub(crate) fn send(&mut self, packet: Vec<u8>) -> bool {
        self.wanted = true;
        let room = self.ready.len() < MAX_READY;
        if room {
            self.ready.push_back(Packet(packet));
        }
        room
    }

    /// Takes back everything but the whole packets.
    pub(crate) fn clear(&mut self) {
        let ready = std::mem::take(&mut self.ready);
        *self = Control {
            wanted: !ready.is_empty(),
            ready,
            ..Control::default()
        };
    }
}
