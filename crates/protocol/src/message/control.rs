//! Control messages: small JSON texts from client to worker.
//! It parses them; what they change is decided by the job.

use serde_json::Value;
use thiserror::Error;

use crate::FrameId;
use crate::message::read::depth_within;
use crate::message::result::MAX_JSON_DEPTH;

/// Why a control message is dropped. The connection stays up.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ControlError {
    /// Not JSON, not UTF-8, or nested deeper than [`MAX_JSON_DEPTH`].
    #[error("the control message is not readable JSON")]
    NotJson,
    /// JSON, but not an object.
    #[error("the control message is not a JSON object")]
    NotAnObject,
    /// A known field of the wrong type.
    #[error("the control message has a {field} that is not {expected}")]
    WrongType {
        /// The field.
        field: &'static str,
        /// What it should be.
        expected: &'static str,
    },
}

/// What a client asks for; fields that are absent or null leave things unchanged. Unknown fields are ignored.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ControlMessage {
    /// Cumulative acknowledgement.
    pub ack: Option<u64>,
    /// The message had a negative `ack`, which is ignored and worth a warning.
    pub negative_ack: bool,
    /// New stream output.
    pub stream_output: Option<Vec<String>>,
    /// New data outputs.
    pub data_output: Option<Vec<String>>,
}

impl ControlMessage {
    /// Reads a control message. `ack` may also be a whole float, a numeric text or a boolean.
    pub fn parse(text: &[u8]) -> Result<ControlMessage, ControlError> {
        if !depth_within(text, MAX_JSON_DEPTH) {
            return Err(ControlError::NotJson);
        }
        let value: Value = serde_json::from_slice(text).map_err(|_| ControlError::NotJson)?;
        let object = value.as_object().ok_or(ControlError::NotAnObject)?;
        let mut message = ControlMessage::default();
        match object.get("ack") {
            None | Some(Value::Null) => {}
            Some(value) => {
                let wrong = ControlError::WrongType {
                    field: "ack",
                    expected: "a whole number",
                };
                match coerce_integer(value).ok_or(wrong)? {
                    ack if ack < 0 => message.negative_ack = true,
                    ack => message.ack = Some(u64::try_from(ack).unwrap_or(u64::MAX)),
                }
            }
        }
        message.stream_output = names(object.get("stream_output"), "stream_output")?;
        message.data_output = names(object.get("data_output"), "data_output")?;
        Ok(message)
    }
}

/// The text that asks for other outputs; what is `None` stays as it is.
pub fn outputs_text(stream_output: Option<&[String]>, data_output: Option<&[String]>) -> String {
    let mut fields = serde_json::Map::new();
    for (field, names) in [
        ("stream_output", stream_output),
        ("data_output", data_output),
    ] {
        if let Some(names) = names {
            fields.insert(field.to_owned(), names.into());
        }
    }
    Value::Object(fields).to_string()
}

/// The text of an acknowledgement, as the original client writes it.
pub fn ack_text(frame_id: FrameId) -> String {
    format!("{{\"ack\": {frame_id}}}")
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "guarded by the bound above the cast"
)]
fn coerce_integer(value: &Value) -> Option<i128> {
    let whole =
        |f: f64| (f.is_finite() && f.fract() == 0.0 && f.abs() <= 1e30).then_some(f as i128);
    match value {
        Value::Bool(flag) => Some(i128::from(*flag)),
        Value::Number(number) => {
            let integer = number
                .as_i64()
                .map(i128::from)
                .or(number.as_u64().map(i128::from));
            integer.or_else(|| number.as_f64().and_then(whole))
        }
        Value::String(text) => {
            let text = text.trim();
            text.parse()
                .ok()
                .or_else(|| text.parse().ok().and_then(whole))
        }
        _ => None,
    }
}

fn names(value: Option<&Value>, field: &'static str) -> Result<Option<Vec<String>>, ControlError> {
    let list = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(value) => value.as_array().and_then(|items| {
            items
                .iter()
                .map(|item| item.as_str().map(str::to_owned))
                .collect::<Option<Vec<_>>>()
        }),
    };
    list.map(Some).ok_or(ControlError::WrongType {
        field,
        expected: "a list of texts",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ack(json: &str) -> Option<u64> {
        ControlMessage::parse(json.as_bytes()).unwrap().ack
    }

    #[test]
    fn acks_and_their_coercions() {
        assert_eq!(ack_text(FrameId(5)), "{\"ack\": 5}");
        assert_eq!(ack("{\"ack\": 5}"), Some(5));
        assert_eq!(ack("{\"ack\": 5.0}"), Some(5));
        assert_eq!(ack("{\"ack\": \"7\"}"), Some(7));
        assert_eq!(ack("{\"ack\": true}"), Some(1));
        assert_eq!(ack("{\"ack\": null}"), None);
        assert_eq!(ack("{}"), None);
        assert_eq!(ack("{\"ack\": 1e25}"), Some(u64::MAX));
        for bad in ["5.5", "\"x\"", "[]", "{}", "\"\""] {
            let json = format!("{{\"ack\": {bad}}}");
            assert!(
                matches!(
                    ControlMessage::parse(json.as_bytes()),
                    Err(ControlError::WrongType { .. })
                ),
                "{bad}"
            );
        }
        let negative = ControlMessage::parse(b"{\"ack\": -1, \"data_output\": []}").unwrap();
        assert!(negative.negative_ack && negative.ack.is_none());
        assert_eq!(negative.data_output, Some(vec![]));
    }

    #[test]
    fn outputs_and_unknown_fields() {
        let json = br#"{"stream_output": ["a", ""], "data_output": null, "other": {"x": 1}, "framewire": 1}"#;
        let message = ControlMessage::parse(json).unwrap();
        assert_eq!(
            message.stream_output,
            Some(vec!["a".to_owned(), String::new()])
        );
        assert_eq!(message.data_output, None);
        for bad in ["\"a\"", "[1]", "{}", "[null]"] {
            let json = format!("{{\"data_output\": {bad}}}");
            assert!(ControlMessage::parse(json.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_no_object_is_dropped() {
        assert!(matches!(
            ControlMessage::parse(b"[1]"),
            Err(ControlError::NotAnObject)
        ));
        assert!(matches!(
            ControlMessage::parse(b"{"),
            Err(ControlError::NotJson)
        ));
        assert!(matches!(
            ControlMessage::parse(b"\xff"),
            Err(ControlError::NotJson)
        ));
        let deep = "[".repeat(100_000);
        assert!(matches!(
            ControlMessage::parse(deep.as_bytes()),
            Err(ControlError::NotJson)
        ));
    }
}
