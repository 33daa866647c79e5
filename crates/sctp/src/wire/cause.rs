//! Error causes, in ERROR and ABORT.
//! Not what is done about them.
use std::fmt;

use bytes::Bytes;

use super::{TLV, items, padded, u32_at};
use crate::serial::Tsn;
use crate::wire::init::write_parameter;

/// Characters of the peer's own words that are shown.
const MAX_TEXT: usize = 120;

mod code {
    pub(super) const INVALID_STREAM: u16 = 1;
    pub(super) const STALE_COOKIE: u16 = 3;
    pub(super) const OUT_OF_RESOURCE: u16 = 4;
    pub(super) const UNRECOGNIZED_CHUNK: u16 = 6;
    pub(super) const UNRECOGNIZED_PARAMETERS: u16 = 8;
    pub(super) const NO_USER_DATA: u16 = 9;
    pub(super) const SHUTTING_DOWN: u16 = 10;
    pub(super) const USER_ABORT: u16 = 12;
    pub(super) const PROTOCOL_VIOLATION: u16 = 13;
}

/// A cause to send.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cause<'a> {
    /// DATA on a stream that does not exist.
    InvalidStream(u16),
    /// The cookie came back too late, by so many microseconds.
    StaleCookie(u32),
    /// No memory for it.
    OutOfResource,
    /// The whole chunk that was not known.
    UnrecognizedChunk(&'a [u8]),
    /// Whole parameters that were not known.
    UnrecognizedParameters(&'a [Bytes]),
    /// A DATA chunk without data.
    NoUserData(Tsn),
    /// COOKIE ECHO while shutting down.
    ShuttingDown,
    /// The application ended the association.
    UserAbort(&'a str),
    /// The peer broke a rule.
    ProtocolViolation(&'a str),
}

impl Cause<'_> {
    /// Appends the cause, see [`write_parameter`].
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match *self {
            Cause::InvalidStream(stream) => {
                let [high, low] = stream.to_be_bytes();
                write_parameter(code::INVALID_STREAM, &[high, low, 0, 0], out);
            }
            Cause::StaleCookie(late) => {
                write_parameter(code::STALE_COOKIE, &late.to_be_bytes(), out);
            }
            Cause::OutOfResource => write_parameter(code::OUT_OF_RESOURCE, &[], out),
            Cause::UnrecognizedChunk(chunk) => {
                write_parameter(code::UNRECOGNIZED_CHUNK, chunk, out);
            }
            Cause::UnrecognizedParameters(list) => {
                let mut all = Vec::new();
                for item in list {
                    all.resize(padded(all.len()), 0);
                    all.extend_from_slice(item);
                }
                write_parameter(code::UNRECOGNIZED_PARAMETERS, &all, out);
            }
            Cause::NoUserData(tsn) => {
                write_parameter(code::NO_USER_DATA, &tsn.0.to_be_bytes(), out);
            }
            Cause::ShuttingDown => write_parameter(code::SHUTTING_DOWN, &[], out),
            Cause::UserAbort(text) => write_parameter(code::USER_ABORT, text.as_bytes(), out),
            Cause::ProtocolViolation(text) => {
                write_parameter(code::PROTOCOL_VIOLATION, text.as_bytes(), out);
            }
        }
    }
}

/// Causes that a peer sent, unread.
#[derive(Debug, Clone, Default)]
pub(crate) struct Causes(pub(super) Bytes);

impl Causes {
    /// Code and value of each; ends at the first that does not fit.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u16, Bytes)> + use<> {
        items(self.0.clone())
            .map_while(Result::ok)
            .map(|(code, item)| (code, item.slice(TLV..)))
    }

    /// Whether one says that our cookie came back too late.
    pub(crate) fn stale_cookie(&self) -> bool {
        self.iter().any(|(code, _)| code == code::STALE_COOKIE)
    }
}

/// For people: names the first cause, with the peer's words if it sent any, cut and without control characters.
impl fmt::Display for Causes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((code, value)) = self.iter().next() else {
            return f.write_str("no cause given");
        };
        let text = |f: &mut fmt::Formatter<'_>, what: &str| {
            f.write_str(what)?;
            if value.is_empty() {
                return Ok(());
            }
            f.write_str(": ")?;
            String::from_utf8_lossy(&value[..value.len().min(4 * MAX_TEXT)])
                .chars()
                .filter(|letter| !letter.is_control())
                .take(MAX_TEXT)
                .try_for_each(|letter| fmt::Write::write_char(f, letter))
        };
        match code {
            code::INVALID_STREAM => f.write_str("invalid stream"),
            2 => f.write_str("missing mandatory parameter"),
            code::STALE_COOKIE => f.write_str("stale cookie"),
            code::OUT_OF_RESOURCE => f.write_str("out of resource"),
            5 => f.write_str("unresolvable address"),
            code::UNRECOGNIZED_CHUNK => match value.first() {
                Some(kind) => write!(f, "unrecognized chunk type {kind}"),
                None => f.write_str("unrecognized chunk type"),
            },
            7 => f.write_str("invalid mandatory parameter"),
            code::UNRECOGNIZED_PARAMETERS => f.write_str("unrecognized parameters"),
            code::NO_USER_DATA if value.len() >= 4 => {
                write!(f, "no user data in chunk {}", u32_at(&value, 0))
            }
            code::NO_USER_DATA => f.write_str("no user data"),
            code::SHUTTING_DOWN => f.write_str("cookie received while shutting down"),
            11 => f.write_str("restart with new addresses"),
            code::USER_ABORT => text(f, "aborted by the application"),
            code::PROTOCOL_VIOLATION => text(f, "protocol violation"),
            other => write!(f, "error cause {other}"),
        }
    }
}
