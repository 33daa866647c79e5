//! Error causes, in ERROR and ABORT.
//! Not what is done about them.
use std::fmt;

use bytes::Bytes;

use super::{TLV, items, u32_at};
use crate::wire::init::write_parameter;

/// Characters of the peer's own words that are shown.
const MAX_TEXT: usize = 120;

mod code {
    pub(super) const STALE_COOKIE: u16 = 3;
    pub(super) const UNRECOGNIZED_CHUNK: u16 = 6;
    pub(super) const NO_USER_DATA: u16 = 9;
    pub(super) const USER_ABORT: u16 = 12;
    pub(super) const PROTOCOL_VIOLATION: u16 = 13;
}

/// A cause to send.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cause<'a> {
    /// The cookie came back too late, by so many microseconds.
    StaleCookie(u32),
    /// The whole chunk that was not known.
    UnrecognizedChunk(&'a [u8]),
    /// The application ended the association.
    UserAbort(&'a str),
    /// The peer broke a rule.
    ProtocolViolation(&'a str),
}

impl Cause<'_> {
    /// Appends the cause, see [`write_parameter`].
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let late;
        let (code, value) = match *self {
            Cause::StaleCookie(time) => {
                late = time.to_be_bytes();
                (code::STALE_COOKIE, &late[..])
            }
            Cause::UnrecognizedChunk(chunk) => (code::UNRECOGNIZED_CHUNK, chunk),
            Cause::UserAbort(text) => (code::USER_ABORT, text.as_bytes()),
            Cause::ProtocolViolation(text) => (code::PROTOCOL_VIOLATION, text.as_bytes()),
        };
        write_parameter(code, value, out);
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
            1 => f.write_str("invalid stream"),
            2 => f.write_str("missing mandatory parameter"),
            code::STALE_COOKIE => f.write_str("stale cookie"),
            4 => f.write_str("out of resource"),
            5 => f.write_str("unresolvable address"),
            code::UNRECOGNIZED_CHUNK => match value.first() {
                Some(kind) => write!(f, "unrecognized chunk type {kind}"),
                None => f.write_str("unrecognized chunk type"),
            },
            7 => f.write_str("invalid mandatory parameter"),
            8 => f.write_str("unrecognized parameters"),
            code::NO_USER_DATA if value.len() >= 4 => {
                write!(f, "no user data in chunk {}", u32_at(&value, 0))
            }
            code::NO_USER_DATA => f.write_str("no user data"),
            10 => f.write_str("cookie received while shutting down"),
            11 => f.write_str("restart with new addresses"),
            code::USER_ABORT => text(f, "aborted by the application"),
            code::PROTOCOL_VIOLATION => text(f, "protocol violation"),
            other => write!(f, "error cause {other}"),
        }
    }
}
