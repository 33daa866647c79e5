//! Results as they arrived: pieces of JSON text that are parsed only when asked for.
//! Not here: reading messages, which is the protocol crate's; this only holds slices of checked ones.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use framewire_protocol::raw::Piece;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// One JSON value, held as text. Cloning is cheap; nothing is parsed before it is asked for.
///
/// Pictures that travelled beside the text are in it as base64, like those of a worker that knows nothing else; who does
/// not look at the text does not pay for that.
#[derive(Clone)]
pub struct Json {
    piece: Piece,
    /// The text with the pictures in it, once somebody asked; `None`: the text is all there is.
    whole: Option<Arc<OnceLock<Bytes>>>,
}

impl Json {
    /// The text of `piece` must be valid JSON; it came out of a parser.
    pub(crate) fn from_checked(piece: Piece) -> Self {
        let whole = piece.has_pictures().then(Arc::default);
        Json { piece, whole }
    }

    /// The value as it travelled.
    pub(crate) fn piece(&self) -> &Piece {
        &self.piece
    }

    fn text(&self) -> &Bytes {
        match &self.whole {
            Some(whole) => whole.get_or_init(|| self.piece.with_base64()),
            None => self.piece.text(),
        }
    }

    /// The JSON text exactly as received. With pictures in it that travelled beside the text, the first call costs their
    /// base64 (0.1 ms a megabyte).
    pub fn as_str(&self) -> &str {
        // Slices of a checked message; the check is repeated because it costs little and keeps this file safe code.
        std::str::from_utf8(self.text()).unwrap_or("null")
    }

    /// Parses the value into a tree. Costs a walk over the whole text.
    pub fn to_value(&self) -> Value {
        serde_json::from_slice(self.text()).unwrap_or(Value::Null)
    }

    /// Parses the value into a type of yours.
    ///
    /// # Errors
    /// The value has another shape.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(self.text())
    }

    /// Whether the value is a JSON object.
    pub fn is_object(&self) -> bool {
        self.piece.text().first() == Some(&b'{')
    }

    /// Whether the value is `null`.
    pub fn is_null(&self) -> bool {
        &self.piece.text()[..] == b"null"
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Json) -> bool {
        self.text() == other.text()
    }
}

impl Eq for Json {}

impl std::fmt::Debug for Json {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const SHOWN: usize = 200;
        // As it travelled: nobody wants base64 in a log.
        let text = std::str::from_utf8(self.piece.text()).unwrap_or("null");
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
        let json = |text: &'static str| Json::from_checked(Piece::plain(text.into()));
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
        let long = Json::from_checked(Piece::plain(format!("\"{}\"", "ü".repeat(5000)).into()));
        assert!(format!("{long:?}").len() < 600);
    }
}
