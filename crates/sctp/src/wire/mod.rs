//! The wire format: packets, chunks and parameters, read from datagrams and written into them.
//! Not the protocol: nothing here remembers anything or knows what a chunk leads to.
mod builder;
mod cause;
mod chunk;
mod init;
mod packet;
mod reconfig;
mod sack;
pub(crate) mod snap;

pub(crate) use builder::{Builder, DataHeader};
pub(crate) use cause::{Cause, Causes};
pub(crate) use chunk::{Chunk, Data, ForwardTsn};
pub(crate) use init::Init;
pub(crate) use packet::Packet;
pub(crate) use reconfig::{Reconfig, ReconfigParam, ReconfigResult, StreamIds};
pub(crate) use sack::SackView;

/// Both ports of every packet: data channels have one association for each DTLS connection.
pub(crate) const PORT: u16 = 5000;
/// Bytes of the common header.
pub(crate) const HEADER: usize = 12;
/// Bytes of a DATA chunk before its user data.
pub(crate) const DATA_HEADER: usize = 16;
/// Bytes of a chunk header, and of a parameter's or cause's.
const TLV: usize = 4;

/// Types of chunks.
pub(crate) mod kind {
    pub(crate) const DATA: u8 = 0;
    pub(crate) const INIT: u8 = 1;
    pub(crate) const INIT_ACK: u8 = 2;
    pub(crate) const SACK: u8 = 3;
    pub(crate) const HEARTBEAT: u8 = 4;
    pub(crate) const HEARTBEAT_ACK: u8 = 5;
    pub(crate) const ABORT: u8 = 6;
    pub(crate) const SHUTDOWN: u8 = 7;
    pub(crate) const SHUTDOWN_ACK: u8 = 8;
    pub(crate) const ERROR: u8 = 9;
    pub(crate) const COOKIE_ECHO: u8 = 10;
    pub(crate) const COOKIE_ACK: u8 = 11;
    pub(crate) const SHUTDOWN_COMPLETE: u8 = 14;
    pub(crate) const RECONFIG: u8 = 130;
    /// To be skipped by everyone (RFC 4820).
    pub(crate) const PAD: u8 = 132;
    pub(crate) const FORWARD_TSN: u8 = 192;

    /// Those that are read, DATA apart.
    pub(super) const KNOWN: [u8; 14] = [
        INIT,
        INIT_ACK,
        SACK,
        HEARTBEAT,
        HEARTBEAT_ACK,
        ABORT,
        SHUTDOWN,
        SHUTDOWN_ACK,
        ERROR,
        COOKIE_ECHO,
        COOKIE_ACK,
        SHUTDOWN_COMPLETE,
        RECONFIG,
        FORWARD_TSN,
    ];
}

/// Why a packet or a chunk cannot be read. It is dropped and counted, never answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    /// Less than a common header and one chunk header.
    #[error("the datagram is too short for a packet")]
    Short,
    /// The CRC32C of the packet is another.
    #[error("the checksum does not match")]
    Checksum,
    /// Meant for another port.
    #[error("the packet is for another port")]
    Port,
    /// A length field that is too small for its kind, or reaches beyond the end.
    #[error("a length field does not fit")]
    Length,
    /// A DATA chunk without a byte of data.
    #[error("a DATA chunk carries no user data")]
    NoUserData,
    /// INIT or INIT ACK with the initiate tag 0.
    #[error("the initiate tag is 0")]
    ZeroTag,
    /// INIT or INIT ACK that allows no stream in one direction.
    #[error("the number of streams is 0")]
    ZeroStreams,
    /// INIT ACK without a state cookie.
    #[error("the state cookie is missing")]
    NoCookie,
    /// A gap block that ends before it starts, or starts at the cumulative number.
    #[error("a gap block is not a range above the cumulative number")]
    GapBlock,
}

/// What to do with a chunk or parameter of unknown type, told by the two highest bits of the type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unrecognized {
    /// Nothing after it in the packet (or in the list of parameters) is to be read.
    pub(crate) stop: bool,
    /// Its sender wants to be told.
    pub(crate) report: bool,
}

impl Unrecognized {
    /// The rule for a chunk type.
    pub(crate) fn chunk(kind: u8) -> Self {
        Unrecognized {
            stop: kind & 0x80 == 0,
            report: kind & 0x40 != 0,
        }
    }

    /// The rule for a parameter type.
    pub(crate) fn parameter(kind: u16) -> Self {
        Self::chunk((kind >> 8) as u8)
    }
}

/// The length with the padding to a multiple of four.
#[inline]
fn padded(len: usize) -> usize {
    (len + 3) & !3
}

/// Two bytes at a place that the caller knows to exist.
#[inline]
fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// Four bytes at a place that the caller knows to exist.
#[inline]
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// Walks a list of parameters or causes: type, whole item with its header, without padding. `Err` once if a length does not fit.
/// The padding of the last item may be missing.
fn items(mut list: bytes::Bytes) -> impl Iterator<Item = Result<(u16, bytes::Bytes), Malformed>> {
    std::iter::from_fn(move || {
        if list.is_empty() {
            return None;
        }
        let len = if list.len() < TLV {
            0
        } else {
            usize::from(u16_at(&list, 2))
        };
        if len < TLV || len > list.len() {
            list.clear();
            return Some(Err(Malformed::Length));
        }
        let kind = u16_at(&list, 0);
        let mut item = list.split_to(padded(len).min(list.len()));
        item.truncate(len);
        Some(Ok((kind, item)))
    })
}

#[cfg(test)]
mod golden;
#[cfg(test)]
mod tests;
