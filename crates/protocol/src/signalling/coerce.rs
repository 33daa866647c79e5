//! Single values of a request, taken as pydantic takes them: `"5"` is a number, `"yes"` a boolean.
//! It knows no field names.

use serde_json::Value;

/// Kind and text of an error.
pub(super) type Reason = (&'static str, &'static str);

pub(super) const NOT_TEXT: Reason = ("string_type", "Input should be a valid string");

pub(super) fn text(value: &Value) -> Result<String, Reason> {
    value.as_str().map(str::to_owned).ok_or(NOT_TEXT)
}

pub(super) fn boolean(value: &Value) -> Result<bool, Reason> {
    const PARSING: Reason = (
        "bool_parsing",
        "Input should be a valid boolean, unable to interpret input",
    );
    match value {
        Value::Bool(flag) => Ok(*flag),
        Value::Number(number) => match number.as_f64() {
            Some(0.0) => Ok(false),
            Some(1.0) => Ok(true),
            _ => Err(PARSING),
        },
        Value::String(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "on" | "1" => Ok(true),
            "false" | "f" | "no" | "n" | "off" | "0" => Ok(false),
            _ => Err(PARSING),
        },
        _ => Err(("bool_type", "Input should be a valid boolean")),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "guarded by the bound above the cast"
)]
pub(super) fn integer(value: &Value) -> Result<i64, Reason> {
    const PARSING: Reason = (
        "int_parsing",
        "Input should be a valid integer, unable to parse string as an integer",
    );
    const FRACTION: Reason = (
        "int_from_float",
        "Input should be a valid integer, got a number with a fractional part",
    );
    let whole = |f: f64, reason| {
        if f.fract() == 0.0 && f.abs() < 9e18 {
            Ok(f as i64)
        } else {
            Err(reason)
        }
    };
    match value {
        Value::Bool(flag) => Ok(i64::from(*flag)),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => Ok(integer),
            None => whole(number.as_f64().unwrap_or(f64::NAN), FRACTION),
        },
        Value::String(text) => match text.trim().parse() {
            Ok(integer) => Ok(integer),
            Err(_) => whole(text.trim().parse().unwrap_or(f64::NAN), PARSING),
        },
        _ => Err(("int_type", "Input should be a valid integer")),
    }
}

pub(super) fn number(value: &Value) -> Result<f64, Reason> {
    const PARSING: Reason = (
        "float_parsing",
        "Input should be a valid number, unable to parse string as a number",
    );
    match value {
        Value::Bool(flag) => Ok(f64::from(u8::from(*flag))),
        Value::Number(number) => number.as_f64().ok_or(PARSING),
        Value::String(text) => text
            .trim()
            .parse()
            .ok()
            .filter(|f: &f64| f.is_finite())
            .ok_or(PARSING),
        _ => Err(("float_type", "Input should be a valid number")),
    }
}
