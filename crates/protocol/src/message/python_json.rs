//! JSON the way Python's `json.dumps` writes it by default: a space after `:` and `,`, everything ASCII.
//! Numbers are written so that Python's own texts come out byte for byte; NaN never occurs.

use std::io;

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

/// Appends `value` to `out`. Fails only if `value` cannot be serialized at all, in which case `out` is unchanged.
pub(crate) fn to_python_json<T: Serialize>(
    value: &T,
    out: &mut Vec<u8>,
) -> Result<(), serde_json::Error> {
    let start = out.len();
    let result = value.serialize(&mut Serializer::with_formatter(&mut *out, PythonFormatter));
    if result.is_err() {
        out.truncate(start);
    }
    result
}

struct PythonFormatter;

impl Formatter for PythonFormatter {
    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if first {
            Ok(())
        } else {
            writer.write_all(b", ")
        }
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if first {
            Ok(())
        } else {
            writer.write_all(b", ")
        }
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }

    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(|c: char| !c.is_ascii()) {
            let (ascii, tail) = rest.split_at(at);
            writer.write_all(ascii.as_bytes())?;
            let mut chars = tail.chars();
            if let Some(c) = chars.next() {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
            rest = chars.as_str();
        }
        writer.write_all(rest.as_bytes())
    }

    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        let magnitude = value.abs();
        if magnitude == 0.0 || (1e-4..1e16).contains(&magnitude) {
            return write!(writer, "{value:?}");
        }
        let text = format!("{value:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, digits) = exponent
            .strip_prefix('-')
            .map_or(('+', exponent), |digits| ('-', digits));
        write!(writer, "{mantissa}e{sign}{digits:0>2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn text<T: Serialize>(value: &T) -> String {
        let mut out = Vec::new();
        to_python_json(value, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn separators_and_escapes_are_those_of_python() {
        let value =
            json!({"a": [1, null, true], "é": "\u{1F600}\n\"\u{7f}\u{1f}", "b": {}, "c": []});
        let python = r#"{"a": [1, null, true], "\u00e9": "\ud83d\ude00\n\""#.to_owned()
            + "\u{7f}\\u001f\", \"b\": {}, \"c\": []}";
        assert_eq!(text(&value), python);
    }

    #[test]
    fn numbers_are_those_of_python() {
        let table = [
            (1.0 / 90_000.0, "1.1111111111111112e-05"),
            (1.0 / 15_360.0, "6.510416666666667e-05"),
            (30.0, "30.0"),
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (29.97, "29.97"),
            (0.0001, "0.0001"),
            (1e16, "1e+16"),
            (9_999_999_999_999_998.0, "9999999999999998.0"),
            (1e22, "1e+22"),
            (5e-324, "5e-324"),
            (-1.5e-7, "-1.5e-07"),
            (1.7976931348623157e308, "1.7976931348623157e+308"),
        ];
        for (number, python) in table {
            assert_eq!(text(&number), python);
        }
        assert_eq!(text(&f64::NAN), "null");
        assert_eq!(text(&f64::INFINITY), "null");
    }
}
