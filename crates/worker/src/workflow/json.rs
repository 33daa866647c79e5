//! Writes JSON pieces straight into a byte buffer.
//! Not here: what is written.

use std::fmt::Write as _;
use std::io::Write as _;

use chrono::NaiveDateTime;

/// An object being written: `{` on creation, commas between members, `}` on [`Object::end`].
pub(super) struct Object<'b> {
    out: &'b mut Vec<u8>,
    first: bool,
}

impl<'b> Object<'b> {
    pub(super) fn begin(out: &'b mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, first: true }
    }

    /// Writes the key and gives the buffer for its value.
    pub(super) fn key(&mut self, key: &str) -> &mut Vec<u8> {
        if !std::mem::take(&mut self.first) {
            self.out.push(b',');
        }
        text(self.out, key);
        self.out.push(b':');
        self.out
    }

    pub(super) fn end(self) {
        self.out.push(b'}');
    }
}

/// Items with commas between, in brackets.
pub(super) fn array<T>(
    out: &mut Vec<u8>,
    items: impl Iterator<Item = T>,
    mut write: impl FnMut(&mut Vec<u8>, T),
) {
    out.push(b'[');
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(b']');
}

pub(super) fn text(out: &mut Vec<u8>, text: &str) {
    // Writing text into memory cannot fail.
    let _ = serde_json::to_writer(out, text);
}

pub(super) fn value(out: &mut Vec<u8>, value: &serde_json::Value) {
    let _ = serde_json::to_writer(out, value);
}

/// The shortest digits that read back as the same 32-bit number; null when it is none.
pub(super) fn float(out: &mut Vec<u8>, number: f32) {
    let _ = serde_json::to_writer(out, &number);
}

pub(super) fn double(out: &mut Vec<u8>, number: f64) {
    let _ = serde_json::to_writer(out, &number);
}

pub(super) fn integer(out: &mut Vec<u8>, number: impl Into<u64>) {
    let _ = write!(out, "{}", number.into());
}

pub(super) fn null(out: &mut Vec<u8>) {
    out.extend_from_slice(b"null");
}

pub(super) fn optional<T>(
    out: &mut Vec<u8>,
    value: Option<T>,
    write: impl FnOnce(&mut Vec<u8>, T),
) {
    match value {
        Some(value) => write(out, value),
        None => null(out),
    }
}

/// ISO-8601 without a zone; the fraction has six digits and is left out when it is zero.
pub(super) fn timestamp(moment: NaiveDateTime) -> String {
    use chrono::Timelike;
    let micros = moment.nanosecond() / 1000 % 1_000_000;
    let mut text = moment.format("%Y-%m-%dT%H:%M:%S").to_string();
    if micros > 0 {
        let _ = write!(text, ".{micros:06}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_valid_json() {
        let mut out = Vec::new();
        let mut object = Object::begin(&mut out);
        float(object.key("a"), 0.1);
        text(object.key("b\""), "c\n");
        array(object.key("d"), [1u32, 2].into_iter(), integer);
        optional(object.key("e"), None::<f64>, double);
        float(object.key("f"), f32::NAN);
        object.end();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#"{"a":0.1,"b\"":"c\n","d":[1,2],"e":null,"f":null}"#
        );
    }

    #[test]
    fn timestamps_leave_out_a_zero_fraction() {
        let date = chrono::NaiveDate::from_ymd_opt(2026, 1, 2).unwrap();
        assert_eq!(
            timestamp(date.and_hms_micro_opt(3, 4, 5, 678_901).unwrap()),
            "2026-01-02T03:04:05.678901"
        );
        assert_eq!(
            timestamp(date.and_hms_micro_opt(3, 4, 5, 8).unwrap()),
            "2026-01-02T03:04:05.000008"
        );
        assert_eq!(
            timestamp(date.and_hms_opt(3, 4, 5).unwrap()),
            "2026-01-02T03:04:05"
        );
    }
}
