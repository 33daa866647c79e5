//! The data file: one JSON line per result, in frame order.
//! Not here: pictures; they are left out unless asked for.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;

use super::atomic::Sink;

/// One line, as it is written.
#[derive(Debug, Serialize)]
pub(crate) struct Line {
    pub(crate) frame_id: Option<u64>,
    pub(crate) pts: Option<i64>,
    pub(crate) time_base: Option<f64>,
    pub(crate) received_at: Option<String>,
    pub(crate) data: Value,
    pub(crate) errors: Vec<String>,
}

/// Writes lines as results come; results of one session come in frame order.
pub(crate) struct DataWriter {
    sink: Sink,
    keep_images: bool,
}

impl DataWriter {
    pub(crate) fn new(sink: Sink, keep_images: bool) -> Self {
        Self { sink, keep_images }
    }

    /// Appends one line; its data loses the pictures unless they are kept.
    pub(crate) fn write(&mut self, mut line: Line) -> io::Result<()> {
        if !self.keep_images {
            strip_images(&mut line.data);
        }
        serde_json::to_writer(&mut self.sink, &line)?;
        self.sink.write_all(b"\n")
    }

    pub(crate) fn finish(self) -> anyhow::Result<()> {
        self.sink.finish()
    }
}

/// Removes images from objects and puts `null` in their place in arrays and at the top.
fn strip_images(value: &mut Value) {
    if is_image(value) {
        *value = Value::Null;
        return;
    }
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !is_image(member));
            members.values_mut().for_each(strip_images);
        }
        Value::Array(items) => items.iter_mut().for_each(strip_images),
        _ => {}
    }
}

/// The wire form of a picture: an object with `type` = `base64` and a text `value`.
fn is_image(value: &Value) -> bool {
    value.get("type").and_then(Value::as_str) == Some("base64")
        && value.get("value").is_some_and(Value::is_string)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn images_are_left_out_at_any_depth() {
        let image = json!({"type": "base64", "value": "abc"});
        let mut data =
            json!({"image": image, "crops": [image, 1], "nested": {"picture": image, "n": 2}});
        strip_images(&mut data);
        assert_eq!(data, json!({"crops": [null, 1], "nested": {"n": 2}}));
    }

    #[test]
    fn a_line_has_the_documented_keys_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.jsonl");
        let mut writer = DataWriter::new(Sink::create(&path).unwrap(), false);
        let line = Line {
            frame_id: Some(1),
            pts: Some(512),
            time_base: Some(0.5),
            received_at: Some("2026-01-02T03:04:05".into()),
            data: json!({"n": 1}),
            errors: Vec::new(),
        };
        writer.write(line).unwrap();
        writer.finish().unwrap();
        assert_eq!(
            std::fs::read_to_string(path).unwrap(),
            "{\"frame_id\":1,\"pts\":512,\"time_base\":0.5,\"received_at\":\"2026-01-02T03:04:05\",\"data\":{\"n\":1},\"errors\":[]}\n"
        );
    }
}
