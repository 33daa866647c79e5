//! The chunks as typed values, read from their bytes.
//! Not the larger ones, which have files of their own: INIT, SACK, RE-CONFIG, error causes.
use bytes::{Buf as _, Bytes};

use super::{Causes, Init, Malformed, Reconfig, SackView, TLV, Unrecognized, kind, u16_at, u32_at};
use crate::serial::{Ssn, Tsn};

/// Flag of DATA: answer at once.
pub(super) const IMMEDIATE: u8 = 8;
/// Flag of DATA: not part of the stream's order.
pub(super) const UNORDERED: u8 = 4;
/// Flag of DATA: first part of its message.
pub(super) const BEGIN: u8 = 2;
/// Flag of DATA: last part of its message.
pub(super) const END: u8 = 1;
/// Flag of ABORT and SHUTDOWN COMPLETE: the sender knew no tag and reflected ours.
pub(super) const NO_TAG: u8 = 1;

/// Any chunk.
#[derive(Debug, Clone)]
pub(crate) enum Chunk {
    /// Part of a message.
    Data(Data),
    /// Opens an association.
    Init(Init),
    /// Answers INIT; with the state cookie to echo.
    InitAck(Init, Bytes),
    /// Acknowledges DATA.
    Sack(SackView),
    /// Asks for an echo; everything after the chunk header.
    Heartbeat(Bytes),
    /// The echo.
    HeartbeatAck(Bytes),
    /// Ends the association at once.
    Abort {
        /// The packet carries our own tag instead of the peer's.
        no_tag: bool,
        /// Why.
        causes: Causes,
    },
    /// The peer wants to end and has got everything up to here.
    Shutdown {
        /// Cumulative number acknowledged.
        cumulative: Tsn,
    },
    /// Answers SHUTDOWN.
    ShutdownAck,
    /// Answers SHUTDOWN ACK.
    ShutdownComplete {
        /// The packet carries our own tag instead of the peer's.
        no_tag: bool,
    },
    /// Something the peer did not like.
    Error(Causes),
    /// Our cookie, come back.
    CookieEcho(Bytes),
    /// Answers COOKIE ECHO.
    CookieAck,
    /// Stream resets.
    Reconfig(Reconfig),
    /// The peer gave up on messages.
    ForwardTsn(ForwardTsn),
    /// A type that is not known here.
    Unknown(Unknown),
}

/// A DATA chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Data {
    /// Its number.
    pub(crate) tsn: Tsn,
    /// Stream of the message.
    pub(crate) stream: u16,
    /// Place of the message in the stream; without meaning if unordered.
    pub(crate) ssn: Ssn,
    /// Payload protocol identifier.
    pub(crate) ppi: u32,
    /// First part of its message.
    pub(crate) begin: bool,
    /// Last part of its message.
    pub(crate) end: bool,
    /// Delivered when complete, without regard to order.
    pub(crate) unordered: bool,
    /// The sender asks for a SACK at once.
    pub(crate) immediate: bool,
    /// At least one byte. A slice of the datagram, unless that would keep much else of it alive.
    pub(crate) payload: Bytes,
}

/// A FORWARD-TSN chunk.
#[derive(Debug, Clone)]
pub(crate) struct ForwardTsn {
    /// Everything up to here counts as received.
    pub(crate) cumulative: Tsn,
    /// Pairs of stream and number.
    list: Bytes,
}

impl ForwardTsn {
    /// Streams with skipped ordered messages, and the highest skipped number of each.
    pub(crate) fn streams(&self) -> impl Iterator<Item = (u16, Ssn)> + '_ {
        self.list
            .chunks_exact(4)
            .map(|pair| (u16_at(pair, 0), Ssn(u16_at(pair, 2))))
    }
}

/// A chunk of a type that is not known here.
#[derive(Debug, Clone)]
pub(crate) struct Unknown {
    /// What its type says about it.
    pub(crate) rule: Unrecognized,
    /// The whole chunk, for the report; its type is the first byte.
    pub(crate) chunk: Bytes,
}

impl Chunk {
    /// Reads a chunk that is not DATA from its bytes, header included and padding not.
    pub(super) fn control(kind: u8, flags: u8, chunk: Bytes) -> Result<Chunk, Malformed> {
        if !kind::KNOWN.contains(&kind) {
            let rule = Unrecognized::chunk(kind);
            return Ok(Chunk::Unknown(Unknown { rule, chunk }));
        }
        let mut value = chunk;
        value.advance(TLV);
        let no_tag = flags & NO_TAG != 0;
        Ok(match kind {
            kind::INIT => Chunk::Init(Init::parse(value)?.0),
            kind::INIT_ACK => {
                let (init, cookie) = Init::parse(value)?;
                Chunk::InitAck(init, cookie.ok_or(Malformed::NoCookie)?)
            }
            kind::SACK => Chunk::Sack(SackView::parse(value)?),
            kind::HEARTBEAT => Chunk::Heartbeat(value),
            kind::HEARTBEAT_ACK => Chunk::HeartbeatAck(value),
            kind::ABORT => Chunk::Abort {
                no_tag,
                causes: Causes(value),
            },
            kind::SHUTDOWN if value.len() < 4 => return Err(Malformed::Length),
            kind::SHUTDOWN => Chunk::Shutdown {
                cumulative: Tsn(u32_at(&value, 0)),
            },
            kind::SHUTDOWN_ACK => Chunk::ShutdownAck,
            kind::SHUTDOWN_COMPLETE => Chunk::ShutdownComplete { no_tag },
            kind::ERROR => Chunk::Error(Causes(value)),
            kind::COOKIE_ECHO => Chunk::CookieEcho(value),
            kind::COOKIE_ACK => Chunk::CookieAck,
            kind::RECONFIG => Chunk::Reconfig(Reconfig::parse(value)?),
            // The last of the known ones.
            _ if value.len() < 4 || !value.len().is_multiple_of(4) => {
                return Err(Malformed::Length);
            }
            _ => Chunk::ForwardTsn(ForwardTsn {
                cumulative: Tsn(u32_at(&value, 0)),
                list: value.slice(4..),
            }),
        })
    }
}
