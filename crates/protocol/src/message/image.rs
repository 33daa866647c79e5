//! An image inside an output: base64 text in an object.
//! It is not decoded to pixels here.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::encoding::{Base64Error, base64_decode};

/// `{"type": "base64", "value": …}`, read borrowed.
#[derive(Debug, Clone)]
pub struct ImageValue<'a> {
    /// Base64 of a JPEG or PNG file.
    pub value: Cow<'a, str>,
    /// `video_metadata` of the image, untouched.
    pub video_metadata: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    value: Cow<'a, str>,
    #[serde(borrow, default)]
    video_metadata: Option<&'a RawValue>,
}

impl<'a> ImageValue<'a> {
    /// Reads the value of an output; `None` when it is anything but an image.
    pub fn parse(raw: &'a RawValue) -> Option<ImageValue<'a>> {
        if !raw.get().starts_with('{') {
            return None;
        }
        let wire: Wire<'a> = serde_json::from_str(raw.get()).ok()?;
        (wire.kind == "base64").then_some(ImageValue {
            value: wire.value,
            video_metadata: wire.video_metadata,
        })
    }

    /// The bytes of the image file.
    pub fn decode(&self) -> Result<Vec<u8>, Base64Error> {
        base64_decode(self.value.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> Box<RawValue> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn only_base64_objects_are_images() {
        let image = raw(
            r#"{"type":"base64","value":"/9j/","video_metadata":{"frame_number":1},"extra":1}"#,
        );
        let image = ImageValue::parse(&image).unwrap();
        assert!(matches!(image.value, Cow::Borrowed("/9j/")));
        assert_eq!(image.decode().unwrap(), [0xff, 0xd8, 0xff]);
        assert_eq!(image.video_metadata.unwrap().get(), r#"{"frame_number":1}"#);
        for json in [
            "5",
            "[]",
            "{}",
            "null",
            r#"{"type":"raw","value":"x"}"#,
            r#"{"type":"base64","value":5}"#,
        ] {
            assert!(ImageValue::parse(&raw(json)).is_none(), "{json}");
        }
        assert!(
            ImageValue::parse(&raw(r#"{"type":"base64","value":"*"}"#))
                .unwrap()
                .decode()
                .is_err()
        );
    }

    #[test]
    fn escaped_base64_is_unescaped() {
        let image = raw(r#"{"type":"base64","value":"\/9j\/"}"#);
        assert_eq!(
            ImageValue::parse(&image).unwrap().decode().unwrap(),
            [0xff, 0xd8, 0xff]
        );
    }
}
