//! A result message, read borrowed: each output stays the slice of JSON it arrived as.
//! It does not judge what the outputs mean.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use thiserror::Error;

use crate::FrameId;
use crate::message::metadata::VideoMetadata;
use crate::message::read::depth_within;

/// Deepest nesting of arrays and objects accepted in a message.
pub const MAX_JSON_DEPTH: usize = 128;

/// Why bytes are not a result message.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ResultError {
    /// Not UTF-8.
    #[error("the message is not UTF-8 text")]
    NotUtf8(#[source] std::str::Utf8Error),
    /// Nested deeper than [`MAX_JSON_DEPTH`].
    #[error("the message nests deeper than {MAX_JSON_DEPTH} levels")]
    TooDeep,
    /// Not JSON, or JSON that is not an object.
    #[error("the message is not a JSON object")]
    NotAnObject(#[source] serde_json::Error),
}

/// One named output, as it stands in the message.
#[derive(Debug, Clone)]
pub struct Output<'a> {
    /// Name of the workflow output.
    pub name: Cow<'a, str>,
    /// Its value, untouched; valid JSON within [`MAX_JSON_DEPTH`].
    pub value: &'a RawValue,
}

/// What a message said in `video_metadata`.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every message has readable metadata, and a message holds one"
)]
pub enum Metadata {
    /// Null or missing.
    Absent,
    /// Readable.
    Present(VideoMetadata),
    /// There, but unreadable (no frame id, no date, wrong types). Worth a warning; the message counts as having none.
    Unreadable,
}

impl Metadata {
    /// The readable metadata.
    pub fn get(&self) -> Option<&VideoMetadata> {
        match self {
            Metadata::Present(metadata) => Some(metadata),
            Metadata::Absent | Metadata::Unreadable => None,
        }
    }
}

/// A result or completion message. Missing keys have their defaults, unknown keys are ignored, a key of the wrong type
/// counts as missing, and of a repeated key the last one counts.
#[derive(Debug, Clone)]
pub struct ResultMessage<'a> {
    /// `serialized_output_data` in message order; `None` when null.
    pub outputs: Option<Vec<Output<'a>>>,
    /// `video_metadata`, without the errors; see [`ResultMessage::metadata_with_errors`].
    pub video_metadata: Metadata,
    /// Errors of this frame.
    pub errors: Vec<String>,
    /// Set in the last message of a session.
    pub processing_complete: bool,
    /// Why processing ended early; `timeout_reached` is the only value in use.
    pub termination_reason: Option<Cow<'a, str>>,
}

impl<'a> ResultMessage<'a> {
    /// Reads a message body in one pass, without copying outputs. Never panics; fails on what is no JSON object.
    pub fn parse(body: &'a [u8]) -> Result<ResultMessage<'a>, ResultError> {
        let text = std::str::from_utf8(body).map_err(ResultError::NotUtf8)?;
        if !depth_within(body, MAX_JSON_DEPTH) {
            return Err(ResultError::TooDeep);
        }
        serde_json::from_str(text).map_err(ResultError::NotAnObject)
    }

    /// Frame id of the metadata.
    pub fn frame_id(&self) -> Option<FrameId> {
        self.video_metadata.get().map(|m| m.frame_id)
    }

    /// The metadata handlers receive: the message's, with its errors attached.
    pub fn metadata_with_errors(&self) -> Option<VideoMetadata> {
        let mut metadata = self.video_metadata.get()?.clone();
        metadata.errors.clone_from(&self.errors);
        Some(metadata)
    }

    /// The value of a named output.
    pub fn output(&self, name: &str) -> Option<&'a RawValue> {
        self.outputs
            .as_deref()?
            .iter()
            .find(|o| o.name == name)
            .map(|o| o.value)
    }
}

impl<'de> Deserialize<'de> for ResultMessage<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MessageVisitor)
    }
}

struct MessageVisitor;

impl<'de> Visitor<'de> for MessageVisitor {
    type Value = ResultMessage<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a result message")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut message = ResultMessage {
            outputs: None,
            video_metadata: Metadata::Absent,
            errors: Vec::new(),
            processing_complete: false,
            termination_reason: None,
        };
        while let Some(Text(key)) = map.next_key()? {
            match key.as_ref() {
                "serialized_output_data" => message.outputs = map.next_value::<Outputs<'de>>()?.0,
                "video_metadata" => {
                    message.video_metadata =
                        VideoMetadata::read(map.next_value::<&'de RawValue>()?);
                }
                "errors" => message.errors = map.next_value::<Errors>()?.0,
                "processing_complete" => {
                    message.processing_complete =
                        map.next_value::<&'de RawValue>()?.get() == "true";
                }
                "termination_reason" => {
                    let raw = map.next_value::<&'de RawValue>()?;
                    message.termination_reason = Text::read(raw.get());
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(message)
    }
}

/// A string borrowed where it has no escapes.
#[derive(Deserialize, Serialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

impl<'a> Text<'a> {
    /// The string in `json`, or `None` for another kind of value.
    pub(super) fn read(json: &'a str) -> Option<Cow<'a, str>> {
        serde_json::from_str::<Text<'a>>(json).ok().map(|t| t.0)
    }
}

/// Runs a visitor's default for every kind of value it does not expect: it counts as missing.
macro_rules! anything_else_is_missing {
    ($value:expr) => {
        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
            Ok($value)
        }
        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
            Ok($value)
        }
        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
            Ok($value)
        }
        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
            Ok($value)
        }
        fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
            Ok($value)
        }
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok($value)
        }
    };
}

struct Outputs<'a>(Option<Vec<Output<'a>>>);

impl<'de> Deserialize<'de> for Outputs<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OutputsVisitor)
    }
}

struct OutputsVisitor;

impl<'de> Visitor<'de> for OutputsVisitor {
    type Value = Outputs<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("workflow outputs")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut outputs: Vec<Output<'de>> = Vec::new();
        let mut at: HashMap<Cow<'de, str>, usize> = HashMap::new();
        while let Some((Text(name), value)) = map.next_entry::<Text<'de>, &'de RawValue>()? {
            match at.get(&name).and_then(|at| outputs.get_mut(*at)) {
                Some(output) => output.value = value,
                None => {
                    at.insert(name.clone(), outputs.len());
                    outputs.push(Output { name, value });
                }
            }
        }
        Ok(Outputs(Some(outputs)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Outputs(None))
    }

    anything_else_is_missing!(Outputs(None));
}

struct Errors(Vec<String>);

impl<'de> Deserialize<'de> for Errors {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ErrorsVisitor)
    }
}

struct ErrorsVisitor;

impl<'de> Visitor<'de> for ErrorsVisitor {
    type Value = Errors;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("error texts")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut errors = Vec::new();
        // An entry that is no text is kept as the JSON it is: an error must not vanish.
        while let Some(raw) = seq.next_element::<&'de RawValue>()? {
            errors
                .push(Text::read(raw.get()).map_or_else(|| raw.get().to_owned(), Cow::into_owned));
        }
        Ok(Errors(errors))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Errors(Vec::new()))
    }

    anything_else_is_missing!(Errors(Vec::new()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_and_unknown_keys_and_wrong_types_are_tolerated() {
        let message = ResultMessage::parse(b"{}").unwrap();
        assert!(
            message.outputs.is_none() && message.errors.is_empty() && !message.processing_complete
        );
        assert_eq!(message.video_metadata, Metadata::Absent);
        let odd = br#"{"x": [1, {}], "serialized_output_data": [1], "errors": 5, "processing_complete": "yes",
            "termination_reason": 3, "video_metadata": "no"}"#;
        let message = ResultMessage::parse(odd).unwrap();
        assert!(
            message.outputs.is_none() && message.errors.is_empty() && !message.processing_complete
        );
        assert!(message.termination_reason.is_none());
        assert_eq!(message.video_metadata, Metadata::Unreadable);
    }

    #[test]
    fn outputs_keep_their_bytes_and_order_and_the_last_of_a_repeated_key_counts() {
        let body = br#"{"serialized_output_data":{"b":{"x": 1.50},"a":[1, 2],"b":null},"errors":["e", 7]}"#;
        let message = ResultMessage::parse(body).unwrap();
        let outputs = message.outputs.as_deref().unwrap();
        assert_eq!(
            outputs.iter().map(|o| o.name.as_ref()).collect::<Vec<_>>(),
            ["b", "a"]
        );
        assert_eq!(message.output("b").unwrap().get(), "null");
        assert_eq!(message.output("a").unwrap().get(), "[1, 2]");
        assert!(message.output("c").is_none());
        assert_eq!(message.errors, ["e", "7"]);
    }

    #[test]
    fn what_is_no_object_is_an_error() {
        for body in ["", "[]", "1", "\"x\"", "null", "{", "{}x", "{\"a\":NaN}"] {
            assert!(
                matches!(
                    ResultMessage::parse(body.as_bytes()),
                    Err(ResultError::NotAnObject(_))
                ),
                "{body}"
            );
        }
        assert!(matches!(
            ResultMessage::parse(b"{\"a\":\"\xff\"}"),
            Err(ResultError::NotUtf8(_))
        ));
    }

    #[test]
    fn depth_128_is_accepted_and_129_is_not() {
        for (arrays, fits) in [(127, true), (128, false)] {
            let body = format!("{{\"x\":{}{}}}", "[".repeat(arrays), "]".repeat(arrays));
            assert_eq!(
                ResultMessage::parse(body.as_bytes()).is_ok(),
                fits,
                "{arrays} arrays in an object"
            );
            let body = body.replace("\"x\"", "\"serialized_output_data\"");
            assert_eq!(ResultMessage::parse(body.as_bytes()).is_ok(), fits);
        }
    }

    #[test]
    fn errors_are_attached_to_the_metadata() {
        let body = br#"{"video_metadata":{"frame_id":4,"received_at":"2026-01-02T03:04:05"},"errors":["a"]}"#;
        let message = ResultMessage::parse(body).unwrap();
        assert_eq!(message.frame_id(), Some(FrameId(4)));
        assert_eq!(message.metadata_with_errors().unwrap().errors, ["a"]);
    }
}
