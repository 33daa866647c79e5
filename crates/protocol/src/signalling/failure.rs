//! What a client tells its user when the signalling request failed.
//! Texts only; without credentials.

use crate::signalling::redact;

/// Bytes of a response body quoted in an error text.
pub const MAX_BODY_EXCERPT: usize = 2000;

/// Text for an HTTP status of 400 or more. 404 most often means that the URL is no worker, and says so.
pub fn describe_http_failure(status: u16, endpoint: &str, body: &str) -> String {
    let endpoint = redact(endpoint);
    let body = excerpt(body);
    if status == 404 {
        return format!(
            "{endpoint} was not found (404); the server may not support WebRTC sessions, or the URL may be wrong. \
             It said: {body}"
        );
    }
    format!("the worker at {endpoint} refused the session with status {status}. It said: {body}")
}

/// Text for any other failure of the request: the kind of error, its text, and the URL.
pub fn describe_other_failure(kind: &str, text: &str, endpoint: &str) -> String {
    format!(
        "the request to {} failed ({kind}): {}",
        redact(endpoint),
        redact(text)
    )
}

/// What is looked at of a body at all, so that a huge one costs nothing.
const MAX_BODY_LOOKED_AT: usize = 4 * MAX_BODY_EXCERPT;

fn excerpt(body: &str) -> String {
    let looked_at = body
        .char_indices()
        .map(|(at, _)| at)
        .find(|at| *at > MAX_BODY_LOOKED_AT);
    // Redact before the final cut: it could separate a name from its value.
    let body = redact(looked_at.and_then(|at| body.get(..at)).unwrap_or(body));
    let body = body.trim();
    if body.is_empty() {
        return "nothing".to_owned();
    }
    match body
        .char_indices()
        .map(|(at, _)| at)
        .find(|at| *at > MAX_BODY_EXCERPT)
    {
        Some(at) => format!("{}…", body.get(..at).unwrap_or_default()),
        None => body.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_say_what_to_try_and_hide_credentials() {
        let text = describe_http_failure(
            404,
            "http://me:pw@host/initialise_webrtc_worker",
            "{\"detail\":\"Not Found\"}",
        );
        assert!(
            text.contains("http://***@host/initialise_webrtc_worker") && text.contains("Not Found")
        );
        assert!(text.contains("may not support WebRTC") && !text.contains("pw"));
        let text = describe_http_failure(400, "http://host", "{\"api_key\":\"abc\"}");
        assert!(text.contains("400") && text.contains("http://host") && !text.contains("abc"));
        assert!(describe_http_failure(500, "http://host", " ").ends_with("nothing"));
        assert!(
            describe_other_failure("timeout", "after 90 s", "http://host")
                .contains("(timeout): after 90 s")
        );
    }

    #[test]
    fn long_bodies_are_cut() {
        let text = describe_http_failure(500, "http://host", &"ä".repeat(MAX_BODY_EXCERPT));
        assert!(text.len() < MAX_BODY_EXCERPT + 200 && text.ends_with('…'));
    }
}
