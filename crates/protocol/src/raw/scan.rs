//! Finds the pictures a JSON text refers to, in one pass.
//! It does not judge the text: what it finds in text that is no JSON is of no use, but harmless.

use std::ops::Range;

use memchr::memchr2;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{MAX_PICTURES, RawBodyError};

/// One picture of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reference {
    /// The object in the text.
    pub(super) at: Range<usize>,
    /// Its bytes, counted from the first one behind the text.
    pub(super) bytes: Range<usize>,
    /// Its metadata in the text.
    pub(super) metadata: Option<Range<usize>>,
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    format: Format,
    offset: u64,
    length: u64,
    #[serde(borrow, default)]
    video_metadata: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    Jpeg,
}

/// An object that is not closed yet.
struct Open {
    start: usize,
    is_raw: bool,
}

/// The pictures of a text, in its order. The text nests within the depth the caller checked.
pub(super) fn references(json: &[u8]) -> Result<Vec<Reference>, RawBodyError> {
    let mut found: Vec<Reference> = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    // The last thing read was the key `type`.
    let mut at_type = false;
    let mut at = 0;
    while let Some(&byte) = json.get(at) {
        let start = at;
        at += 1;
        match byte {
            b'"' => {
                let end = string_end(json, at);
                let text = json.get(at..end).unwrap_or_default();
                at = end + 1;
                let is_key = next_byte(json, at) == Some(b':');
                if at_type
                    && !is_key
                    && text == b"raw"
                    && let Some(object) = open.last_mut()
                {
                    object.is_raw = true;
                }
                at_type = is_key && text == b"type";
            }
            b'[' => at_type = false,
            b'{' => {
                at_type = false;
                open.push(Open {
                    start,
                    is_raw: false,
                });
            }
            b'}' => {
                if let Some(object) = open.pop().filter(|object| object.is_raw) {
                    if found.len() == MAX_PICTURES {
                        return Err(RawBodyError::TooMany);
                    }
                    let inner = found
                        .last()
                        .is_some_and(|last| last.at.start > object.start);
                    if inner {
                        return Err(RawBodyError::BadReference);
                    }
                    found.push(reference(json, object.start..at)?);
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

fn reference(json: &[u8], at: Range<usize>) -> Result<Reference, RawBodyError> {
    let object = json.get(at.clone()).unwrap_or_default();
    let wire: Wire<'_> = serde_json::from_slice(object).map_err(|_| RawBodyError::BadReference)?;
    let Format::Jpeg = wire.format;
    let offset = usize::try_from(wire.offset).map_err(|_| RawBodyError::Outside)?;
    let length = usize::try_from(wire.length).map_err(|_| RawBodyError::Outside)?;
    let end = offset.checked_add(length).ok_or(RawBodyError::Outside)?;
    if wire.kind != "raw" {
        return Err(RawBodyError::BadReference);
    }
    let metadata = wire.video_metadata.map(|raw| {
        // Borrowed from `object`, so it lies in it.
        let start = at.start + (raw.get().as_ptr() as usize - object.as_ptr() as usize);
        start..start + raw.get().len()
    });
    Ok(Reference {
        at,
        bytes: offset..end,
        metadata,
    })
}

/// Where the string that begins at `at` has its closing quote; the end of the text when it has none.
fn string_end(json: &[u8], mut at: usize) -> usize {
    while let Some(next) = json.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        at += next;
        if json.get(at) == Some(&b'"') {
            return at;
        }
        at += 2;
    }
    json.len()
}

fn next_byte(json: &[u8], at: usize) -> Option<u8> {
    let rest = json.get(at..)?;
    rest.iter()
        .copied()
        .find(|byte| !byte.is_ascii_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(json: &str) -> Vec<Reference> {
        references(json.as_bytes()).unwrap()
    }

    #[test]
    fn pictures_are_found_wherever_they_are_and_in_any_order_of_keys() {
        let json = r#"{"a": {"type": "raw", "format": "jpeg", "offset": 1, "length": 2}, "b\"": [1, {"c": {"length":0,
            "video_metadata": {"x": [{}]}, "offset":7,"format":"jpeg", "extra": "}", "type" : "raw"}}]}"#;
        let found = found(json);
        assert_eq!(found.len(), 2);
        assert_eq!(
            (found[0].bytes.clone(), found[1].bytes.clone()),
            (1..3, 7..7)
        );
        assert!(json[found[0].at.clone()].ends_with("\"length\": 2}"));
        assert!(json[found[1].at.clone()].starts_with("{\"length\":0"));
        assert_eq!(&json[found[1].metadata.clone().unwrap()], r#"{"x": [{}]}"#);
        assert_eq!(found[0].metadata, None);
    }

    #[test]
    fn what_only_looks_like_a_picture_is_none() {
        for json in [
            r#"{"type": ["raw"]}"#,
            r#"{"type": {"raw": "raw"}}"#,
            r#"{"x": "type", "y": "raw"}"#,
            r#"{"x": ["type", "raw"]}"#,
            r#"{"type": "base64", "value": "raw"}"#,
            r#"{"type": "{\"type\": \"raw\"}"}"#,
            r#"{"type": 5, "raw": "raw"}"#,
            r#"["raw"]"#,
            r#""raw"#,
            "}}}]",
            "",
        ] {
            assert_eq!(found(json), [], "{json}");
        }
    }

    #[test]
    fn a_picture_that_says_nothing_usable_is_an_error() {
        let good = r#"{"type":"raw","format":"jpeg","offset":1,"length":2}"#;
        assert_eq!(found(good).len(), 1);
        for (from, to) in [
            ("\"offset\":1", "\"offset\":-1"),
            ("\"offset\":1", "\"offset\":1.5"),
            ("\"offset\":1,", ""),
            ("\"length\":2", "\"length\":\"2\""),
            ("\"length\":2", "\"length\":18446744073709551616"),
            ("jpeg", "tiff"),
            ("\"format\":\"jpeg\",", ""),
            ("\"offset\":1", "\"offset\":1,\"offset\":1"),
            ("\"offset\":1", "\"offset\":1,\"type\":\"raw\""),
            ("}", ",\"x\":}"),
            (
                "}",
                ",\"video_metadata\":{\"type\":\"raw\",\"format\":\"jpeg\",\"offset\":1,\"length\":2}}",
            ),
        ] {
            let bad = good.replacen(from, to, 1);
            assert_eq!(
                references(bad.as_bytes()),
                Err(RawBodyError::BadReference),
                "{bad}"
            );
        }
        let far = good.replace("\"length\":2", "\"length\":18446744073709551615");
        assert_eq!(references(far.as_bytes()), Err(RawBodyError::Outside));
    }

    #[test]
    fn their_number_is_bounded() {
        let one = r#"{"type":"raw","format":"jpeg","offset":1,"length":0},"#;
        let json = |count| format!("[{}0]", one.repeat(count));
        assert_eq!(found(&json(MAX_PICTURES)).len(), MAX_PICTURES);
        assert_eq!(
            references(json(MAX_PICTURES + 1).as_bytes()),
            Err(RawBodyError::TooMany)
        );
    }
}
