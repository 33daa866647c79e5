//! Asks the worker for a new network path of a running session.
//! Not here: making the offer, applying the answer, and trying again.

use std::time::Duration;

use framewire_protocol::signalling::{Answer, RestartRequest, Secret, SessionKey};
use reqwest::StatusCode;
use reqwest::header::AUTHORIZATION;
use serde_json::Value;

use crate::client::ApiKeyTransport;
use crate::http::{MAX_ANSWER, Signalling, client, read_bounded};
use crate::redact;

/// Longest wait for one answer. The worker gathers for a second at most; whoever takes longer is asked again.
const ANSWER_WITHIN: Duration = Duration::from_secs(4);
/// What our workers say about a session that is not there (any more). Other servers' 404 means that nobody there knows
/// the request.
const NO_SESSION: &str = "SessionNotFound";

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoPath {
    /// The worker knows the session no longer.
    SessionGone,
    /// Asking again changes nothing.
    Refused(String),
    /// Asking again may help.
    NotNow(String),
}

impl Signalling {
    /// The worker's answer to the offer of an ICE restart. Uses a connection of its own: one from before may lead into the
    /// path that is dead. Cancel-safe for this side; the worker may have switched, which the next restart mends.
    pub(crate) async fn restart(&self, key: &SessionKey, sdp: &str) -> Result<String, NoPath> {
        match tokio::time::timeout(ANSWER_WITHIN, self.restart_now(key, sdp)).await {
            Ok(result) => result,
            Err(_) => Err(NoPath::NotNow(format!(
                "no answer within {} s",
                ANSWER_WITHIN.as_secs()
            ))),
        }
    }

    async fn restart_now(&self, key: &SessionKey, sdp: &str) -> Result<String, NoPath> {
        let not_now = |error| NoPath::NotNow(self.clean(&redact::http_error(error)));
        let in_body = self.transport != ApiKeyTransport::Header;
        let api_key = self.key.as_ref().filter(|_| in_body).map(Secret::new);
        let body = RestartRequest::new(key, sdp.to_owned(), api_key).to_value();
        let http = client(&self.api, self.reach_timeout).map_err(not_now)?;
        let route = self.api.join(key.restart_path().trim_start_matches('/'));
        let mut request = http.post(route).json(&body);
        if let Some(header) = self.key_header() {
            request = request.header(AUTHORIZATION, header);
        }
        let mut response = request.send().await.map_err(not_now)?;
        let status = response.status();
        let (bytes, _) = read_bounded(&mut response, MAX_ANSWER)
            .await
            .map_err(not_now)?;
        if status.is_success() {
            let answer = Answer::parse(&bytes).map_err(|error| NoPath::NotNow(error.to_string()));
            return answer.map(|answer| answer.sdp);
        }
        Err(refusal(status, &bytes, |text| self.clean(text)))
    }
}

fn refusal(status: StatusCode, body: &[u8], clean: impl Fn(&str) -> String) -> NoPath {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let said = value.get("message").and_then(Value::as_str);
    let text = match said {
        Some(said) => format!("{}: {}", status.as_u16(), clean(said)),
        None => status.to_string(),
    };
    let kind = value.get("error_type").and_then(Value::as_str);
    match status.as_u16() {
        404 if kind == Some(NO_SESSION) => NoPath::SessionGone,
        408 | 409 | 429 | 500..=599 => NoPath::NotNow(text),
        _ => NoPath::Refused(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_workers_can_say_that_a_session_is_gone() {
        let refused = |status: u16, body: &str| {
            let status = StatusCode::from_u16(status).unwrap();
            refusal(status, body.as_bytes(), str::to_owned)
        };
        let gone = r#"{"message": "x", "error_type": "SessionNotFound"}"#;
        assert_eq!(refused(404, gone), NoPath::SessionGone);
        for (status, body) in [(404, r#"{"detail": "Not Found"}"#), (403, gone), (400, "")] {
            assert!(
                matches!(refused(status, body), NoPath::Refused(_)),
                "{status}"
            );
        }
        for status in [409, 502, 503] {
            let busy = NoPath::NotNow(format!("{status}: busy"));
            assert_eq!(refused(status, r#"{"message": "busy"}"#), busy);
        }
    }
}
