//! The messages of a resumable, verified upload: JSON texts on `inference` with the one key `framewire`.
//! Only for two ends that agreed on it; what they change is decided by the machines of both ends.

use std::fmt::Write;

use memchr::memmem;
use serde_json::{Map, Value};
use thiserror::Error;

use crate::message::{MAX_JSON_DEPTH, depth_within};
use crate::upload::{ChunkRanges, RangesError, UploadId};

/// Longest message read: the largest `have` and then some.
pub const MAX_UPLOAD_MESSAGE: usize = 64 * 1024;

/// Why such a message is not usable.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UploadMessageError {
    /// Longer than [`MAX_UPLOAD_MESSAGE`].
    #[error("an upload message has {len} bytes, more than {MAX_UPLOAD_MESSAGE}")]
    TooLong {
        /// Its length.
        len: usize,
    },
    /// A field is absent or means nothing.
    #[error("an upload message has no usable {field}")]
    Field {
        /// The field.
        field: &'static str,
    },
    /// The ranges contradict each other.
    #[error("an upload message names impossible chunks: {0}")]
    Ranges(#[from] RangesError),
}

/// What the sender of a file says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum UploadRequest {
    /// Before the first chunk: which file comes.
    Announce {
        /// Its name.
        id: UploadId,
        /// Its bytes.
        size: u64,
        /// Bytes of each chunk but the last.
        chunk: u32,
    },
    /// After the last chunk: what the whole file must be.
    End {
        /// Its name.
        id: UploadId,
        /// SHA-256 of the file.
        sha256: [u8; 32],
    },
}

/// What the receiver says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum UploadReply {
    /// The chunks that need not be sent.
    Have {
        /// The upload.
        id: UploadId,
        /// Chunks on disk.
        have: ChunkRanges,
    },
    /// Whether the file is what it must be.
    Verified {
        /// The upload.
        id: UploadId,
        /// It is.
        verified: bool,
    },
}

impl UploadRequest {
    /// Reads a message of the sender. `Ok(None)`: it is about something else.
    pub fn parse(text: &[u8]) -> Result<Option<Self>, UploadMessageError> {
        let Some(mut body) = framewire_object(text)? else {
            return Ok(None);
        };
        if let Some(end) = body.remove("upload_end") {
            let sha256 = end.get("sha256").and_then(Value::as_str).and_then(digest);
            return Ok(Some(UploadRequest::End {
                id: id(&end)?,
                sha256: sha256.ok_or(UploadMessageError::Field { field: "sha256" })?,
            }));
        }
        let Some(upload) = body.remove("upload") else {
            return Ok(None);
        };
        let number = |field: &'static str| {
            let number = upload.get(field).and_then(Value::as_u64);
            number.ok_or(UploadMessageError::Field { field })
        };
        let chunk = u32::try_from(number("chunk")?);
        Ok(Some(UploadRequest::Announce {
            id: id(&upload)?,
            size: number("size")?,
            chunk: chunk.map_err(|_| UploadMessageError::Field { field: "chunk" })?,
        }))
    }

    /// The message.
    pub fn text(&self) -> String {
        match self {
            UploadRequest::Announce { id, size, chunk } => format!(
                r#"{{"framewire": {{"upload": {{"id": "{id}", "size": {size}, "chunk": {chunk}}}}}}}"#
            ),
            UploadRequest::End { id, sha256 } => {
                let mut digits = String::with_capacity(64);
                for byte in sha256 {
                    let _ = write!(digits, "{byte:02x}"); // writing to a text cannot fail
                }
                format!(
                    r#"{{"framewire": {{"upload_end": {{"id": "{id}", "sha256": "{digits}"}}}}}}"#
                )
            }
        }
    }
}

impl UploadReply {
    /// Reads a message of the receiver. `Ok(None)`: it is about something else, a result for example.
    pub fn parse(text: &[u8]) -> Result<Option<Self>, UploadMessageError> {
        let Some(upload) = framewire_object(text)?.and_then(|mut body| body.remove("upload"))
        else {
            return Ok(None);
        };
        let id = id(&upload)?;
        if let Some(verified) = upload.get("verified") {
            let verified = verified.as_bool();
            let verified = verified.ok_or(UploadMessageError::Field { field: "verified" })?;
            return Ok(Some(UploadReply::Verified { id, verified }));
        }
        let have = upload.get("have").and_then(Value::as_array);
        let ranges: Option<Vec<_>> = have.and_then(|have| have.iter().map(range).collect());
        let ranges = ranges.ok_or(UploadMessageError::Field { field: "have" })?;
        let have = ChunkRanges::new(ranges)?;
        Ok(Some(UploadReply::Have { id, have }))
    }

    /// The message.
    pub fn text(&self) -> String {
        match self {
            UploadReply::Have { id, have } => {
                let ranges: Vec<_> = have
                    .as_slice()
                    .iter()
                    .map(|(from, to)| format!("[{from}, {to}]"))
                    .collect();
                let have = ranges.join(", ");
                format!(r#"{{"framewire": {{"upload": {{"id": "{id}", "have": [{have}]}}}}}}"#)
            }
            UploadReply::Verified { id, verified } => format!(
                r#"{{"framewire": {{"upload": {{"id": "{id}", "verified": {verified}}}}}}}"#
            ),
        }
    }
}

/// The object under `framewire`. `None` for any other text; telling costs one pass over it and parses nothing.
fn framewire_object(text: &[u8]) -> Result<Option<Map<String, Value>>, UploadMessageError> {
    let named = memmem::find(text, br#""framewire""#).is_some();
    if !named || !depth_within(text, MAX_JSON_DEPTH) {
        return Ok(None);
    }
    if text.len() > MAX_UPLOAD_MESSAGE {
        return Err(UploadMessageError::TooLong { len: text.len() });
    }
    Ok(match serde_json::from_slice(text) {
        Ok(Value::Object(mut body)) if body.len() == 1 => match body.remove("framewire") {
            Some(Value::Object(inner)) => Some(inner),
            _ => None,
        },
        _ => None,
    })
}

fn id(value: &Value) -> Result<UploadId, UploadMessageError> {
    let text = value.get("id").and_then(Value::as_str);
    text.and_then(|text| text.parse().ok())
        .ok_or(UploadMessageError::Field { field: "id" })
}

fn range(value: &Value) -> Option<(u32, u32)> {
    let [from, to] = value.as_array()?.as_slice() else {
        return None;
    };
    let number = |value: &Value| u32::try_from(value.as_u64()?).ok();
    Some((number(from)?, number(to)?))
}

fn digest(text: &str) -> Option<[u8; 32]> {
    let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    let digits: [u32; 64] = digits?.try_into().ok()?;
    let mut digest = [0; 32];
    for (byte, pair) in digest.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = pair.iter().fold(0, |byte, digit| byte << 4 | *digit as u8);
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "123e4567-e89b-42d3-a456-426614174000";

    fn id() -> UploadId {
        ID.parse().unwrap()
    }

    #[test]
    fn the_four_messages_byte_for_byte() {
        let announce = UploadRequest::Announce {
            id: id(),
            size: 7_340_032,
            chunk: 49_152,
        };
        let mut sha256 = [0xab; 32];
        sha256[0] = 1;
        let end = UploadRequest::End { id: id(), sha256 };
        let have = ChunkRanges::new(vec![(0, 80), (90, 91)]).unwrap();
        let have = UploadReply::Have { id: id(), have };
        let none = UploadReply::Have {
            id: id(),
            have: ChunkRanges::default(),
        };
        let verified = UploadReply::Verified {
            id: id(),
            verified: true,
        };
        let hex = format!("01{}", "ab".repeat(31));
        let texts = [
            format!(
                r#"{{"framewire": {{"upload": {{"id": "{ID}", "size": 7340032, "chunk": 49152}}}}}}"#
            ),
            format!(r#"{{"framewire": {{"upload_end": {{"id": "{ID}", "sha256": "{hex}"}}}}}}"#),
        ];
        for (message, text) in [announce, end].iter().zip(&texts) {
            assert_eq!(message.text(), *text);
            assert_eq!(
                UploadRequest::parse(text.as_bytes()),
                Ok(Some(message.clone()))
            );
        }
        let texts = [
            format!(
                r#"{{"framewire": {{"upload": {{"id": "{ID}", "have": [[0, 80], [90, 91]]}}}}}}"#
            ),
            format!(r#"{{"framewire": {{"upload": {{"id": "{ID}", "have": []}}}}}}"#),
            format!(r#"{{"framewire": {{"upload": {{"id": "{ID}", "verified": true}}}}}}"#),
        ];
        for (message, text) in [have, none, verified].iter().zip(&texts) {
            assert_eq!(message.text(), *text);
            assert_eq!(
                UploadReply::parse(text.as_bytes()),
                Ok(Some(message.clone()))
            );
        }
    }

    #[test]
    fn other_messages_are_not_ours() {
        for text in [
            "",
            r#"{"ack": 1}"#,
            r#"{"framewire": 1}"#,
            r#"{"framewire": {}}"#,
            r#"{"framewire": {"pause": true}}"#,
            r#"{"framewire": {"upload": {}}, "ack": 1}"#,
            r#"{"a": "framewire"}"#,
            r#"["framewire"]"#,
            r#"{"framewire": "#,
        ] {
            assert_eq!(UploadRequest::parse(text.as_bytes()), Ok(None), "{text}");
            assert_eq!(UploadReply::parse(text.as_bytes()), Ok(None), "{text}");
        }
    }

    #[test]
    fn unusable_fields_are_named() {
        let request = |body: &str| {
            let text = format!(r#"{{"framewire": {body}}}"#);
            UploadRequest::parse(text.as_bytes()).unwrap_err()
        };
        let field = |field| UploadMessageError::Field { field };
        assert_eq!(
            request(r#"{"upload": {"size": 1, "chunk": 1}}"#),
            field("id")
        );
        let with_id = |rest: &str| request(&format!(r#"{{"upload": {{"id": "{ID}"{rest}}}}}"#));
        assert_eq!(with_id(r#", "size": -1, "chunk": 1"#), field("size"));
        assert_eq!(with_id(r#", "size": 1.5, "chunk": 1"#), field("size"));
        assert_eq!(
            with_id(r#", "size": 1, "chunk": 4294967296"#),
            field("chunk")
        );
        for hex in ["", "ab", &"g".repeat(64), &"é".repeat(32)] {
            let body = format!(r#"{{"upload_end": {{"id": "{ID}", "sha256": "{hex}"}}}}"#);
            assert_eq!(request(&body), field("sha256"), "{hex}");
        }
        let reply = |rest: &str| {
            let text = format!(r#"{{"framewire": {{"upload": {{"id": "{ID}"{rest}}}}}}}"#);
            UploadReply::parse(text.as_bytes()).unwrap_err()
        };
        assert_eq!(reply(r#", "verified": 1"#), field("verified"));
        for have in [
            "",
            r#", "have": 1"#,
            r#", "have": [[1]]"#,
            r#", "have": [[-1, 2]]"#,
        ] {
            assert_eq!(reply(have), field("have"));
        }
        assert!(matches!(
            reply(r#", "have": [[2, 1]]"#),
            UploadMessageError::Ranges(RangesError::Empty { .. })
        ));
    }

    #[test]
    fn a_message_that_is_too_long_is_not_parsed() {
        let ranges = "[0, 1], ".repeat(10_000);
        let text =
            format!(r#"{{"framewire": {{"upload": {{"id": "{ID}", "have": [{ranges}]}}}}}}"#);
        assert!(matches!(
            UploadReply::parse(text.as_bytes()),
            Err(UploadMessageError::TooLong { .. })
        ));
        let deep = format!(r#"{{"framewire": {}"#, "[".repeat(1000));
        assert_eq!(UploadReply::parse(deep.as_bytes()), Ok(None));
    }
}
