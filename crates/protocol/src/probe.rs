//! The messages of the `probe` feature: small JSON texts on a channel of their own that measure a connection.
//! Not the measuring: both ends do that with what they read here.

use std::time::Duration;

use serde_json::{Map, Value};
use thiserror::Error;

/// Label of the channel, opened in-band by the client.
pub const PROBE_LABEL: &str = "framewire-probe";

/// Longest text read on the channel.
pub const MAX_PROBE_TEXT: usize = 512;

/// Longest time one request may make the other end send.
pub const MAX_PROBE_TIME: Duration = Duration::from_secs(3);

/// The same for all requests of one session together.
pub const MAX_PROBE_TOTAL: Duration = Duration::from_secs(10);

/// Smallest message the other end is asked to send: smaller ones cost it a core rather than tell of the path.
pub const MIN_PROBE_MESSAGE: usize = 1024;

/// Largest message the other end is asked to send.
pub const MAX_PROBE_MESSAGE: usize = 64 * 1024;

/// Why a text on the channel means nothing. It is dropped and counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// Longer than [`MAX_PROBE_TEXT`].
    #[error("a probe text has {0} bytes, more than {MAX_PROBE_TEXT}")]
    TooLong(usize),
    /// Not `{"framewire": {"probe": {…}}}`.
    #[error("a probe text is not of the form {{\"framewire\": {{\"probe\": {{…}}}}}}")]
    Shape,
    /// A field is absent, of the wrong type or out of bounds.
    #[error("a probe text has no usable {0}")]
    Field(&'static str),
}

/// What the client asks for. Its binary messages on the channel are counted and dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProbeRequest {
    /// The same text back.
    Echo(u64),
    /// Binary messages for some time.
    Send {
        /// For how long, at most [`MAX_PROBE_TIME`].
        time: Duration,
        /// Bytes of each message, [`MIN_PROBE_MESSAGE`] to [`MAX_PROBE_MESSAGE`].
        message: usize,
    },
    /// What has arrived so far.
    Count,
}

/// What the worker says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProbeReply {
    /// To [`ProbeRequest::Echo`].
    Echo(u64),
    /// After the last message of [`ProbeRequest::Send`]; zeros when it sends nothing because it sent for long enough already.
    Sent {
        /// Bytes of its binary messages.
        bytes: u64,
        /// Packets they and everything else went out in.
        packets: u64,
        /// Pieces of messages that were lost on the way and sent again.
        lost: u64,
    },
    /// To [`ProbeRequest::Count`]: the binary messages that came.
    Count {
        /// Bytes of them.
        received: u64,
        /// How many.
        messages: u64,
        /// Bytes of the largest.
        largest: u64,
    },
}

impl ProbeRequest {
    /// Reads a text of the client.
    pub fn parse(text: &[u8]) -> Result<ProbeRequest, ProbeError> {
        let probe = probe_object(text)?;
        if probe.contains_key("echo") {
            return number(&probe, "echo").map(ProbeRequest::Echo);
        }
        if probe.contains_key("send_ms") {
            let time = Duration::from_millis(number(&probe, "send_ms")?);
            let message = usize::try_from(number(&probe, "message")?).unwrap_or(usize::MAX);
            if time > MAX_PROBE_TIME {
                return Err(ProbeError::Field("send_ms"));
            }
            if !(MIN_PROBE_MESSAGE..=MAX_PROBE_MESSAGE).contains(&message) {
                return Err(ProbeError::Field("message"));
            }
            return Ok(ProbeRequest::Send { time, message });
        }
        match probe.get("count") {
            Some(Value::Bool(true)) => Ok(ProbeRequest::Count),
            _ => Err(ProbeError::Field("echo, send_ms or count")),
        }
    }

    /// The text.
    pub fn text(&self) -> String {
        match self {
            ProbeRequest::Echo(n) => wrapped(&format!(r#"{{"echo": {n}}}"#)),
            ProbeRequest::Send { time, message } => {
                let ms = time.as_millis();
                wrapped(&format!(r#"{{"send_ms": {ms}, "message": {message}}}"#))
            }
            ProbeRequest::Count => wrapped(r#"{"count": true}"#),
        }
    }
}

impl ProbeReply {
    /// Reads a text of the worker.
    pub fn parse(text: &[u8]) -> Result<ProbeReply, ProbeError> {
        let probe = probe_object(text)?;
        if probe.contains_key("echo") {
            return number(&probe, "echo").map(ProbeReply::Echo);
        }
        if probe.contains_key("sent") {
            return Ok(ProbeReply::Sent {
                bytes: number(&probe, "sent")?,
                packets: number(&probe, "packets")?,
                lost: number(&probe, "lost")?,
            });
        }
        Ok(ProbeReply::Count {
            received: number(&probe, "received")?,
            messages: number(&probe, "messages")?,
            largest: number(&probe, "largest")?,
        })
    }

    /// The text.
    pub fn text(&self) -> String {
        match self {
            ProbeReply::Echo(n) => ProbeRequest::Echo(*n).text(),
            ProbeReply::Sent {
                bytes,
                packets,
                lost,
            } => wrapped(&format!(
                r#"{{"sent": {bytes}, "packets": {packets}, "lost": {lost}}}"#
            )),
            ProbeReply::Count {
                received,
                messages,
                largest,
            } => wrapped(&format!(
                r#"{{"received": {received}, "messages": {messages}, "largest": {largest}}}"#
            )),
        }
    }
}

fn wrapped(probe: &str) -> String {
    format!(r#"{{"framewire": {{"probe": {probe}}}}}"#)
}

fn probe_object(text: &[u8]) -> Result<Map<String, Value>, ProbeError> {
    if text.len() > MAX_PROBE_TEXT {
        return Err(ProbeError::TooLong(text.len()));
    }
    // So short a text cannot be nested deeper than the parser's own limit without failing there.
    let mut value: Value = serde_json::from_slice(text).map_err(|_| ProbeError::Shape)?;
    match value.pointer_mut("/framewire/probe").map(Value::take) {
        Some(Value::Object(probe)) => Ok(probe),
        _ => Err(ProbeError::Shape),
    }
}

fn number(probe: &Map<String, Value>, field: &'static str) -> Result<u64, ProbeError> {
    let number = probe.get(field).and_then(Value::as_u64);
    number.ok_or(ProbeError::Field(field))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_are_the_bytes_in_the_description_of_the_protocol() {
        let send = ProbeRequest::Send {
            time: Duration::from_secs(2),
            message: 16384,
        };
        for (request, text) in [
            (
                ProbeRequest::Echo(7),
                r#"{"framewire": {"probe": {"echo": 7}}}"#,
            ),
            (
                send,
                r#"{"framewire": {"probe": {"send_ms": 2000, "message": 16384}}}"#,
            ),
            (
                ProbeRequest::Count,
                r#"{"framewire": {"probe": {"count": true}}}"#,
            ),
        ] {
            assert_eq!(request.text(), text);
            assert_eq!(ProbeRequest::parse(text.as_bytes()), Ok(request));
        }
        let sent = ProbeReply::Sent {
            bytes: 32768,
            packets: 40,
            lost: 1,
        };
        let count = ProbeReply::Count {
            received: 32768,
            messages: 2,
            largest: 16384,
        };
        for (reply, text) in [
            (
                ProbeReply::Echo(7),
                r#"{"framewire": {"probe": {"echo": 7}}}"#,
            ),
            (
                sent,
                r#"{"framewire": {"probe": {"sent": 32768, "packets": 40, "lost": 1}}}"#,
            ),
            (
                count,
                r#"{"framewire": {"probe": {"received": 32768, "messages": 2, "largest": 16384}}}"#,
            ),
        ] {
            assert_eq!(reply.text(), text);
            assert_eq!(ProbeReply::parse(text.as_bytes()), Ok(reply));
        }
    }

    #[test]
    fn nobody_is_made_to_send_for_long_or_much_at_a_time() {
        let request = |probe: &str| ProbeRequest::parse(wrapped(probe).as_bytes());
        assert!(request(r#"{"send_ms": 3000, "message": 65536}"#).is_ok());
        for (probe, field) in [
            (r#"{"send_ms": 3001, "message": 1}"#, "send_ms"),
            (r#"{"send_ms": 1e9, "message": 1}"#, "send_ms"),
            (r#"{"send_ms": 1, "message": 65537}"#, "message"),
            (r#"{"send_ms": 1, "message": 0}"#, "message"),
            (r#"{"send_ms": 1, "message": 1023}"#, "message"),
            (r#"{"send_ms": 1}"#, "message"),
            (r#"{"echo": -1}"#, "echo"),
            (r#"{"count": false}"#, "echo, send_ms or count"),
        ] {
            assert_eq!(request(probe), Err(ProbeError::Field(field)), "{probe}");
        }
        for text in ["", "[]", "{}", r#"{"framewire": {"probe": 1}}"#] {
            assert_eq!(
                ProbeRequest::parse(text.as_bytes()),
                Err(ProbeError::Shape),
                "{text}"
            );
        }
        let long = vec![b'['; MAX_PROBE_TEXT + 1];
        assert_eq!(
            ProbeReply::parse(&long),
            Err(ProbeError::TooLong(MAX_PROBE_TEXT + 1))
        );
    }
}
