//! Writes one packet, chunk after chunk, into one buffer.
//! Not the choice of what goes in: every `push` says whether there was room.
use super::chunk::{BEGIN, END, IMMEDIATE, NO_TAG, UNORDERED};
use super::packet::checksum;
use super::{Cause, DATA_HEADER, HEADER, Init, PORT, ReconfigParam, TLV, kind, padded};
use crate::serial::{Ssn, Tsn};

/// Everything of a DATA chunk but its data.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DataHeader {
    /// Its number.
    pub(crate) tsn: Tsn,
    /// Stream of the message.
    pub(crate) stream: u16,
    /// Place of the message in the stream.
    pub(crate) ssn: Ssn,
    /// Payload protocol identifier.
    pub(crate) ppi: u32,
    /// First part of its message.
    pub(crate) begin: bool,
    /// Last part of its message.
    pub(crate) end: bool,
    /// Delivered when complete, without regard to order.
    pub(crate) unordered: bool,
    /// Asks for a SACK at once.
    pub(crate) immediate: bool,
}

/// A packet in the making. A `push` that returns `false` wrote nothing.
#[derive(Debug)]
pub(crate) struct Builder {
    packet: Vec<u8>,
    capacity: usize,
}

impl Builder {
    /// An empty packet of at most `capacity` bytes, which are allocated now.
    pub(crate) fn new(tag: u32, capacity: usize) -> Builder {
        // A chunk cannot say that it is longer than this.
        let capacity = capacity.clamp(HEADER, usize::from(u16::MAX) & !3);
        let mut packet = Vec::with_capacity(capacity);
        let mut header = [0; HEADER];
        header[0..2].copy_from_slice(&PORT.to_be_bytes());
        header[2..4].copy_from_slice(&PORT.to_be_bytes());
        header[4..8].copy_from_slice(&tag.to_be_bytes());
        packet.extend_from_slice(&header);
        Builder { packet, capacity }
    }

    /// Bytes that are left, for a chunk with its header and padding.
    pub(crate) fn remaining(&self) -> usize {
        (self.capacity - self.packet.len()) & !3
    }

    /// Whether there is no chunk in it yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.packet.len() == HEADER
    }

    /// The packet with its checksum.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        let sum = checksum(&self.packet);
        self.packet[8..HEADER].copy_from_slice(&sum.to_le_bytes());
        self.packet
    }

    /// A DATA chunk.
    #[inline]
    pub(crate) fn push_data(&mut self, header: &DataHeader, payload: &[u8]) -> bool {
        let mut flags = 0;
        for (set, flag) in [
            (header.begin, BEGIN),
            (header.end, END),
            (header.unordered, UNORDERED),
            (header.immediate, IMMEDIATE),
        ] {
            if set {
                flags |= flag;
            }
        }
        let len = DATA_HEADER + payload.len();
        if padded(len) > self.remaining() {
            return false;
        }
        let mut fixed = [kind::DATA, flags, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        fixed[2..4].copy_from_slice(&(len as u16).to_be_bytes());
        fixed[4..8].copy_from_slice(&header.tsn.0.to_be_bytes());
        fixed[8..10].copy_from_slice(&header.stream.to_be_bytes());
        fixed[10..12].copy_from_slice(&header.ssn.0.to_be_bytes());
        fixed[12..16].copy_from_slice(&header.ppi.to_be_bytes());
        self.packet.extend_from_slice(&fixed);
        self.packet.extend_from_slice(payload);
        self.pad();
        true
    }

    /// INIT. Unrecognized parameters in it are left out.
    pub(crate) fn push_init(&mut self, init: &Init) -> bool {
        let mut value = Vec::new();
        init.write(None, &mut value);
        self.push(kind::INIT, 0, &value)
    }

    /// INIT ACK.
    pub(crate) fn push_init_ack(&mut self, init: &Init, cookie: &[u8]) -> bool {
        let mut value = Vec::new();
        init.write(Some(cookie), &mut value);
        self.push(kind::INIT_ACK, 0, &value)
    }

    /// SACK. The blocks are ranges of distances from the cumulative number.
    pub(crate) fn push_sack(
        &mut self,
        cumulative: Tsn,
        a_rwnd: u32,
        blocks: impl ExactSizeIterator<Item = (u16, u16)>,
        duplicates: &[Tsn],
    ) -> bool {
        let (Ok(block_count), Ok(duplicate_count)) =
            (u16::try_from(blocks.len()), u16::try_from(duplicates.len()))
        else {
            return false;
        };
        let len = 12 + 4 * (blocks.len() + duplicates.len());
        if !self.start(kind::SACK, 0, len) {
            return false;
        }
        let out = &mut self.packet;
        out.extend_from_slice(&cumulative.0.to_be_bytes());
        out.extend_from_slice(&a_rwnd.to_be_bytes());
        out.extend_from_slice(&block_count.to_be_bytes());
        out.extend_from_slice(&duplicate_count.to_be_bytes());
        for (first, last) in blocks {
            let pair = u32::from(first) << 16 | u32::from(last);
            out.extend_from_slice(&pair.to_be_bytes());
        }
        for tsn in duplicates {
            out.extend_from_slice(&tsn.0.to_be_bytes());
        }
        true
    }

    /// HEARTBEAT with its information parameter around the given bytes.
    pub(crate) fn push_heartbeat(&mut self, info: &[u8]) -> bool {
        const INFO: u16 = 1;
        let mut value = Vec::new();
        super::init::write_parameter(INFO, info, &mut value);
        self.push(kind::HEARTBEAT, 0, &value)
    }

    /// Fills the rest of the packet with a chunk that everyone skips.
    pub(crate) fn push_padding(&mut self) -> bool {
        let rest = self.remaining();
        rest >= TLV && self.push(kind::PAD, 0, &vec![0; rest - TLV])
    }

    /// HEARTBEAT ACK: the value of the HEARTBEAT as it came.
    pub(crate) fn push_heartbeat_ack(&mut self, value: &[u8]) -> bool {
        self.push(kind::HEARTBEAT_ACK, 0, value)
    }

    /// ABORT; `no_tag` if the packet carries the peer's own tag.
    pub(crate) fn push_abort(&mut self, no_tag: bool, causes: &[Cause<'_>]) -> bool {
        self.push_causes(kind::ABORT, if no_tag { NO_TAG } else { 0 }, causes)
    }

    /// ERROR.
    pub(crate) fn push_error(&mut self, causes: &[Cause<'_>]) -> bool {
        self.push_causes(kind::ERROR, 0, causes)
    }

    /// SHUTDOWN.
    pub(crate) fn push_shutdown(&mut self, cumulative: Tsn) -> bool {
        self.push(kind::SHUTDOWN, 0, &cumulative.0.to_be_bytes())
    }

    /// SHUTDOWN ACK.
    pub(crate) fn push_shutdown_ack(&mut self) -> bool {
        self.push(kind::SHUTDOWN_ACK, 0, &[])
    }

    /// SHUTDOWN COMPLETE; `no_tag` if the packet carries the peer's own tag.
    pub(crate) fn push_shutdown_complete(&mut self, no_tag: bool) -> bool {
        let flags = if no_tag { NO_TAG } else { 0 };
        self.push(kind::SHUTDOWN_COMPLETE, flags, &[])
    }

    /// COOKIE ECHO.
    pub(crate) fn push_cookie_echo(&mut self, cookie: &[u8]) -> bool {
        self.push(kind::COOKIE_ECHO, 0, cookie)
    }

    /// COOKIE ACK.
    pub(crate) fn push_cookie_ack(&mut self) -> bool {
        self.push(kind::COOKIE_ACK, 0, &[])
    }

    /// RE-CONFIG with one parameter or two.
    pub(crate) fn push_reconfig(&mut self, params: &[ReconfigParam]) -> bool {
        let mut value = Vec::new();
        for param in params {
            param.write(&mut value);
        }
        self.push(kind::RECONFIG, 0, &value)
    }

    /// FORWARD-TSN. The streams are those of the skipped ordered messages.
    pub(crate) fn push_forward_tsn(
        &mut self,
        cumulative: Tsn,
        streams: impl ExactSizeIterator<Item = (u16, Ssn)>,
    ) -> bool {
        if !self.start(kind::FORWARD_TSN, 0, 4 + 4 * streams.len()) {
            return false;
        }
        self.packet.extend_from_slice(&cumulative.0.to_be_bytes());
        for (stream, ssn) in streams {
            self.packet.extend_from_slice(&stream.to_be_bytes());
            self.packet.extend_from_slice(&ssn.0.to_be_bytes());
        }
        true
    }

    /// A chunk with a value that is at hand.
    fn push(&mut self, kind: u8, flags: u8, value: &[u8]) -> bool {
        if !self.start(kind, flags, value.len()) {
            return false;
        }
        self.packet.extend_from_slice(value);
        self.pad();
        true
    }

    /// A chunk that is a list of causes.
    fn push_causes(&mut self, kind: u8, flags: u8, causes: &[Cause<'_>]) -> bool {
        let mut value = Vec::new();
        for cause in causes {
            cause.write(&mut value);
        }
        self.push(kind, flags, &value)
    }

    /// Writes the header of a chunk if there is room for it.
    #[inline]
    fn start(&mut self, kind: u8, flags: u8, value: usize) -> bool {
        let len = TLV + value;
        if padded(len) > self.remaining() {
            return false;
        }
        // `remaining` is less than 64 KiB.
        let [high, low] = (len as u16).to_be_bytes();
        self.packet.extend_from_slice(&[kind, flags, high, low]);
        true
    }

    /// Pads the chunk just written.
    #[inline]
    fn pad(&mut self) {
        while !self.packet.len().is_multiple_of(4) {
            self.packet.push(0);
        }
    }
}
