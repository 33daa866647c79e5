//! Results as they arrived: pieces of JSON text that are parsed only when asked for.
//! Not here: reading messages, which is the protocol crate's; this only holds slices of checked ones.

use std::sync::Arc;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// One JSON value, held as text. Cloning is cheap; nothing is parsed before it is asked for.
#[derive(Clone, PartialEq, Eq)]
pub struct Json {
    text: Bytes,
}

impl Json {
    /// `text` must be valid JSON text; it came out of a parser.
    pub(crate) fn from_checked(text: Bytes) -> Self {
        Json { text }
    }

    /// The JSON text exactly as received.
    pub fn as_str(&self) -> &str {
        // Slices of a checked message; the check is repeated because it costs little and keeps this file safe code.
        std::str::from_utf8(&self.text).unwrap_or("null")
    }

    /// Parses the value into a tree. Costs a walk over the whole text.
    pub fn to_value(&self) -> Value {
        serde_json::from_slice(&self.text).unwrap_or(Value::Null)
    }

    /// Parses the value into a type of yours.
    ///
    /// # Errors
    /// The value has another shape.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.text)
    }

    /// Whether the value is a JSON object.
    pub fn is_object(&self) -> bool {
        self.text.first() == Some(&b'{')
    }

    /// Whether the value is `null`.
    pub fn is_null(&self) -> bool {
        &self.text[..] == b"null"
    }
}

impl std::fmt::Debug for Json {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const SHOWN: usize = 200;
        let text = self.as_str();
        match text.char_indices().nth(SHOWN) {
            Some((end, _)) => write!(f, "Json({}… {} bytes)", &text[..end], text.len()),
            None => write!(f, "Json({text})"),
        }
    }
}

/// The outputs of one result, in the order of the message. Cloning is cheap.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outputs {
    entries: Arc<[(Arc<str>, Json)]>,
}

impl Outputs {
    pub(crate) fn new(entries: Vec<(Arc<str>, Json)>) -> Self {
        Outputs {
            entries: entries.into(),
        }
    }

    /// The value of one output.
    pub fn get(&self, name: &str) -> Option<&Json> {
        self.iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    }

    /// Names and values in message order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.entries.iter().map(|(name, value)| (&**name, value))
    }

    /// Number of outputs.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no output.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All outputs as one JSON object. Costs a walk over all of them.
    pub fn to_value(&self) -> Value {
        Value::Object(
            self.iter()
                .map(|(name, value)| (name.to_owned(), value.to_value()))
                .collect(),
        )
    }

    /// The outputs whose names are not listed.
    pub(crate) fn without(&self, names: &[String]) -> Outputs {
        if !self
            .iter()
            .any(|(name, _)| names.iter().any(|listed| listed == name))
        {
            return self.clone();
        }
        let kept = self
            .entries
            .iter()
            .filter(|(name, _)| !names.iter().any(|listed| **listed == **name));
        Outputs {
            entries: kept.cloned().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outputs() -> Outputs {
        let json = |text: &'static str| Json::from_checked(Bytes::from_static(text.as_bytes()));
        Outputs::new(vec![
            ("b".into(), json("[1,2]")),
            ("a".into(), json("{\"x\":1}")),
            ("n".into(), json("null")),
        ])
    }

    #[test]
    fn order_and_text_are_kept() {
        let outputs = outputs();
        assert_eq!(
            outputs.iter().map(|(name, _)| name).collect::<Vec<_>>(),
            ["b", "a", "n"]
        );
        assert_eq!(outputs.get("b").unwrap().as_str(), "[1,2]");
        assert!(outputs.get("a").unwrap().is_object());
        assert!(outputs.get("n").unwrap().is_null());
        assert_eq!(
            outputs.get("b").unwrap().parse::<Vec<u8>>().unwrap(),
            [1, 2]
        );
        assert_eq!(outputs.to_value()["a"]["x"], 1);
    }

    #[test]
    fn listed_names_are_removed() {
        let outputs = outputs();
        assert_eq!(outputs.without(&["a".into()]).len(), 2);
        assert_eq!(outputs.without(&["zzz".into()]), outputs);
    }

    #[test]
    fn debug_text_is_bounded() {
        let long = Json::from_checked(Bytes::from(format!("\"{}\"", "ü".repeat(5000))));
        assert!(format!("{long:?}").len() < 600);
    }
}
