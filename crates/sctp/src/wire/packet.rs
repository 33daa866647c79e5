//! One packet: common header, checksum, and the framing of its chunks.
//! Not the contents of the chunks, which are read one by one while they are taken out.
use bytes::{Buf as _, Bytes};

use super::chunk::{BEGIN, Chunk, Data, END, IMMEDIATE, UNORDERED};
use super::{DATA_HEADER, HEADER, Malformed, PORT, TLV, kind, padded, u16_at, u32_at};
use crate::serial::{Ssn, Tsn};

/// Bytes beside its data that a DATA chunk may keep alive by being a slice of its datagram; with more around them the data are copied.
/// The headers of packet and chunk and a small SACK stay below: what a bulk transfer sends is never copied.
const MAX_BESIDE: usize = 64;

/// CRC32C of a packet whose checksum field is zero.
#[inline]
pub(super) fn checksum(packet: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(packet)
}

/// A packet whose checksum is right and whose chunks all lie inside it.
#[derive(Debug, Clone)]
pub(crate) struct Packet {
    /// Verification tag.
    pub(crate) tag: u32,
    /// Number of chunks, at least one.
    pub(crate) count: usize,
    /// The chunks, without the common header.
    rest: Bytes,
}

impl Packet {
    /// Reads a datagram, which is kept: the data of its chunks are slices of it. Costs the checksum and one step for each chunk.
    pub(crate) fn parse(mut datagram: Vec<u8>) -> Result<Packet, Malformed> {
        if datagram.len() < HEADER + TLV {
            return Err(Malformed::Short);
        }
        let sum = u32::from_le_bytes([datagram[8], datagram[9], datagram[10], datagram[11]]);
        datagram[8..HEADER].fill(0);
        if checksum(&datagram) != sum {
            return Err(Malformed::Checksum);
        }
        if u16_at(&datagram, 2) != PORT {
            return Err(Malformed::Port);
        }
        let mut at = HEADER;
        let mut count = 0;
        while at < datagram.len() {
            if datagram.len() - at < TLV {
                return Err(Malformed::Length);
            }
            let len = usize::from(u16_at(&datagram, at + 2));
            if len < TLV || len > datagram.len() - at {
                return Err(Malformed::Length);
            }
            if datagram[at] == kind::DATA && len <= DATA_HEADER {
                return Err(if len == DATA_HEADER {
                    Malformed::NoUserData
                } else {
                    Malformed::Length
                });
            }
            // The padding of the last chunk may be missing.
            at += padded(len);
            count += 1;
        }
        let tag = u32_at(&datagram, 4);
        let mut rest = Bytes::from(datagram);
        rest.advance(HEADER);
        Ok(Packet { tag, count, rest })
    }

    /// Type of the first chunk.
    pub(crate) fn first_kind(&self) -> u8 {
        // `parse` accepts no packet without a chunk.
        self.rest[0]
    }

    /// The flags of the first chunk.
    pub(crate) fn first_flags(&self) -> u8 {
        self.rest[1]
    }

    /// Takes the chunks out one by one. A chunk whose contents cannot be read is an error; the caller decides about the rest.
    pub(crate) fn chunks(self) -> Chunks {
        Chunks {
            datagram: HEADER + self.rest.len(),
            rest: self.rest,
        }
    }
}

/// Iterator over the chunks of a packet.
#[derive(Debug, Clone)]
pub(crate) struct Chunks {
    /// Length of the whole datagram.
    datagram: usize,
    rest: Bytes,
}

impl Iterator for Chunks {
    type Item = Result<Chunk, Malformed>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        // The lengths were checked when the packet was parsed.
        let (kind, flags) = (self.rest[0], self.rest[1]);
        let len = usize::from(u16_at(&self.rest, 2));
        if kind == kind::DATA {
            return Some(Ok(Chunk::Data(self.data(flags, len))));
        }
        let next = padded(len).min(self.rest.len());
        let chunk = if next == self.rest.len() {
            let mut chunk = std::mem::take(&mut self.rest);
            if len < next {
                chunk.truncate(len);
            }
            chunk
        } else {
            let chunk = self.rest.slice(..len);
            self.rest.advance(next);
            chunk
        };
        Some(Chunk::control(kind, flags, chunk))
    }
}

impl Chunks {
    /// The DATA chunk at the front.
    #[inline]
    fn data(&mut self, flags: u8, len: usize) -> Data {
        let (tsn, stream) = (u32_at(&self.rest, 4), u16_at(&self.rest, 8));
        let (ssn, ppi) = (u16_at(&self.rest, 10), u32_at(&self.rest, 12));
        let next = padded(len).min(self.rest.len());
        let payload = if self.datagram - (len - DATA_HEADER) > MAX_BESIDE {
            let copy = Bytes::copy_from_slice(&self.rest[DATA_HEADER..len]);
            self.rest.advance(next);
            copy
        } else if next == self.rest.len() {
            // The last chunk takes the buffer over, which needs no reference count. Cutting does, so only if there is padding.
            let mut payload = std::mem::take(&mut self.rest);
            payload.advance(DATA_HEADER);
            if len < next {
                payload.truncate(len - DATA_HEADER);
            }
            payload
        } else {
            let payload = self.rest.slice(DATA_HEADER..len);
            self.rest.advance(next);
            payload
        };
        Data {
            tsn: Tsn(tsn),
            stream,
            ssn: Ssn(ssn),
            ppi,
            begin: flags & BEGIN != 0,
            end: flags & END != 0,
            unordered: flags & UNORDERED != 0,
            immediate: flags & IMMEDIATE != 0,
            payload,
        }
    }
}
