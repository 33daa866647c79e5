//! Reading how a worker refused: JSON of several shapes, or none at all.
//! Not here: which answers are refusals.

use serde_json::Value;

use crate::diagnosis::{Refusal, of_refusal};
use crate::error::HttpFailure;
use crate::redact;

/// The refusal in an answer of this status.
pub(crate) fn failure(
    url: String,
    status: u16,
    body: &str,
    location: Option<String>,
    has_key: bool,
) -> HttpFailure {
    let value: Value = serde_json::from_str(body).unwrap_or(Value::Null);
    let text = |key: &str| value.get(key).and_then(Value::as_str).map(redact::shorten);
    let redirect = location
        .filter(|_| (300..400).contains(&status))
        .map(|target| format!("it redirects to {target}; give that address instead"));
    let message = redirect
        .or_else(|| message_with_cause(&value))
        .or_else(|| text("detail"))
        .or_else(|| details(&value));
    let (error_type, body) = (text("error_type"), redact::shorten(body));
    let diagnosis = of_refusal(&Refusal {
        url: &url,
        status,
        message: message.as_deref(),
        error_type: error_type.as_deref(),
        body: &body,
        has_key,
    });
    HttpFailure {
        url,
        status,
        message,
        error_type,
        body,
        diagnosis,
    }
}

fn message_with_cause(value: &Value) -> Option<String> {
    let text = |key: &str| value.get(key).and_then(Value::as_str);
    let message = text("message")?;
    let inner = text("inner_error_message").filter(|inner| !inner.is_empty() && *inner != "None");
    let shown = match inner {
        Some(inner) if !message.contains(inner) => format!("{message} ({inner})"),
        _ => message.to_owned(),
    };
    Some(redact::shorten(&shown))
}

/// `loc: msg` of each validation error.
fn details(value: &Value) -> Option<String> {
    let entries = value.get("detail")?.as_array()?;
    let shown: Vec<String> = entries
        .iter()
        .take(8)
        .filter_map(|entry| {
            let message = entry.get("msg")?.as_str()?;
            let place: Vec<String> = entry
                .get("loc")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .map(|part| {
                    part.as_str()
                        .map_or_else(|| part.to_string(), str::to_owned)
                })
                .collect();
            Some(format!("{}: {message}", place.join(".")))
        })
        .collect();
    (!shown.is_empty()).then(|| redact::shorten(&shown.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_with_and_without_json_are_readable() {
        let plain = failure("u".into(), 502, "<html>bad gateway</html>", None, true);
        assert_eq!(
            (plain.message.clone(), plain.error_type.clone()),
            (None, None)
        );
        assert!(plain.to_string().contains("bad gateway"));

        let body =
            r#"{"message": "m", "error_type": "WorkflowError", "inner_error_message": "why"}"#;
        let typed = failure("u".into(), 500, body, None, true);
        assert_eq!(typed.message.as_deref(), Some("m (why)"));
        assert_eq!(typed.error_type.as_deref(), Some("WorkflowError"));

        let body = r#"{"detail": [{"type": "missing", "loc": ["body", "webrtc_offer", 0], "msg": "Field required"}]}"#;
        let invalid = failure("u".into(), 422, body, None, true);
        assert_eq!(
            invalid.message.as_deref(),
            Some("body.webrtc_offer.0: Field required")
        );

        let huge = failure("u".into(), 500, &"x".repeat(1 << 20), None, true);
        assert!(huge.body.len() < 5000);
        let moved = failure("u".into(), 307, "", Some("https://other/".into()), true);
        assert!(moved.to_string().contains("https://other/"));
    }
}
