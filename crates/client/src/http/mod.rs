//! HTTP towards the worker: is anybody there, and the exchange of offer and answer.
//! Not here: the body of the request, and the platform's API.

mod api_url;
mod refusal;
mod restart;

use std::time::Duration;

use framewire_protocol::signalling::{self, Agreement, SessionKey, redact_url};
use reqwest::header::{AUTHORIZATION, HeaderValue, LOCATION};
use serde_json::Value;

use crate::client::ApiKeyTransport;
use crate::error::SessionError;
use crate::http::refusal::failure;
use crate::redact;

pub(crate) use api_url::ApiUrl;
pub(crate) use restart::NoPath;

/// Largest answer accepted: an SDP needs a few KiB.
const MAX_ANSWER: usize = 1 << 20;
/// Longest wait for the worker's port while the media path is silent.
const LIVENESS_TIMEOUT: Duration = Duration::from_secs(2);
/// An answer with SDP in it, not yet applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) sdp: String,
    /// Present when the worker is one of ours.
    pub(crate) agreement: Option<Agreement>,
    /// What it named the session by, for requests about it.
    pub(crate) session: Option<SessionKey>,
}

/// HTTP client for one session.
#[derive(Debug, Clone)]
pub(crate) struct Signalling {
    http: reqwest::Client,
    api: ApiUrl,
    key: Option<String>,
    transport: ApiKeyTransport,
    reach_timeout: Duration,
    signalling_timeout: Duration,
}

impl Signalling {
    pub(crate) fn new(
        api: ApiUrl,
        key: Option<String>,
        transport: ApiKeyTransport,
        reach_timeout: Duration,
        signalling_timeout: Duration,
    ) -> Result<Self, SessionError> {
        let http = client(&api, reach_timeout).map_err(|error| SessionError::Signalling {
            url: api.shown(),
            reason: redact::http_error(error),
        })?;
        Ok(Signalling {
            http,
            api,
            key,
            transport,
            reach_timeout,
            signalling_timeout,
        })
    }

    /// Succeeds on any HTTP answer. Cancel-safe.
    pub(crate) async fn reach(&self) -> Result<(), SessionError> {
        let request = self.http.get(self.api.join("")).send();
        let url = self.api.shown();
        match tokio::time::timeout(self.reach_timeout, request).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) if error.is_connect() && error.is_timeout() => {
                Err(SessionError::Unreachable {
                    url,
                    reason: "the attempt to connect was not answered".into(),
                })
            }
            Ok(Err(error)) if error.is_connect() => Err(SessionError::Unreachable {
                url,
                reason: self.clean(&redact::http_error(error)),
            }),
            Ok(Err(error)) => Err(SessionError::Unreachable {
                url,
                reason: format!(
                    "what answers there is no HTTP server ({})",
                    self.clean(&redact::http_error(error))
                ),
            }),
            Err(_) => Err(SessionError::Silent {
                url,
                after: self.reach_timeout,
            }),
        }
    }

    /// Sends the offer and returns the answer. Cancel-safe for this side: the worker may still start a session,
    /// which ends by itself because nobody connects to it.
    pub(crate) async fn exchange(&self, body: &Value) -> Result<Answer, SessionError> {
        match tokio::time::timeout(self.signalling_timeout, self.exchange_now(body)).await {
            Ok(result) => result,
            Err(_) => Err(SessionError::Timeout {
                step: crate::error::Step::Signalling,
                after: self.signalling_timeout,
                hint: "the worker took the request but did not answer; look at its log",
            }),
        }
    }

    async fn exchange_now(&self, body: &Value) -> Result<Answer, SessionError> {
        let route = self.api.join("initialise_webrtc_worker");
        let shown = redact_url(&route);
        let failed = |reason: String| SessionError::Signalling {
            url: shown.clone(),
            reason,
        };
        let mut request = self.http.post(&route).json(body);
        if let Some(header) = self.key_header() {
            request = request.header(AUTHORIZATION, header);
        }
        let mut response = request
            .send()
            .await
            .map_err(|error| failed(self.clean(&redact::http_error(error))))?;
        let status = response.status();
        let location = response
            .headers()
            .get(LOCATION)
            .and_then(|value| value.to_str().ok())
            .map(redact_url);
        let (bytes, complete) = read_bounded(&mut response, MAX_ANSWER)
            .await
            .map_err(|error| failed(self.clean(&redact::http_error(error))))?;
        if !status.is_success() {
            let text = self.clean(&String::from_utf8_lossy(&bytes));
            return Err(SessionError::Http(Box::new(failure(
                shown,
                status.as_u16(),
                &text,
                location,
            ))));
        }
        if !complete {
            return Err(SessionError::BadAnswer {
                url: shown,
                reason: format!("it is longer than {MAX_ANSWER} bytes"),
            });
        }
        read_answer(&bytes).map_err(|reason| SessionError::BadAnswer { url: shown, reason })
    }

    /// Whether the worker's host refuses connections to its HTTP port. Anything else, also silence, is not a proof.
    pub(crate) async fn is_gone(&self) -> bool {
        let Some((host, port)) = self.api.host_and_port() else {
            return false;
        };
        let attempt = tokio::net::TcpStream::connect((host.as_str(), port));
        match tokio::time::timeout(LIVENESS_TIMEOUT, attempt).await {
            Ok(Err(error)) => error.kind() == std::io::ErrorKind::ConnectionRefused,
            _ => false,
        }
    }

    fn key_header(&self) -> Option<HeaderValue> {
        if self.transport == ApiKeyTransport::Legacy {
            return None;
        }
        let mut value = HeaderValue::from_str(&format!("Bearer {}", self.key.as_deref()?)).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    fn clean(&self, text: &str) -> String {
        redact::shorten(&redact::without(text, self.key.as_deref()))
    }
}

/// A client without any connection yet.
fn client(api: &ApiUrl, reach_timeout: Duration) -> reqwest::Result<reqwest::Client> {
    let mut builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        // Shorter than the whole wait, so that a host that drops packets is told from one that is silent.
        .connect_timeout(reach_timeout.mul_f64(0.9));
    if api.is_loopback() {
        builder = builder.no_proxy();
    }
    if api.scheme() == "http" {
        // Loading the system's certificates would be the slowest step of a local start.
        builder = builder.tls_certs_only([]);
    }
    builder.build()
}

/// Reads at most `limit` bytes; says whether that was all.
pub(crate) async fn read_bounded(
    response: &mut reqwest::Response,
    limit: usize,
) -> Result<(Vec<u8>, bool), reqwest::Error> {
    let mut bytes = Vec::new();
    while let Some(block) = response.chunk().await? {
        let room = limit - bytes.len();
        if block.len() > room {
            bytes.extend_from_slice(&block[..room]);
            return Ok((bytes, false));
        }
        bytes.extend_from_slice(&block);
    }
    Ok((bytes, true))
}

fn read_answer(bytes: &[u8]) -> Result<Answer, String> {
    let value: Value =
        serde_json::from_slice(bytes).map_err(|error| format!("it is no JSON ({error})"))?;
    let text = |key: &str| value.get(key).and_then(Value::as_str);
    let Some(sdp) = text("sdp").filter(|sdp| !sdp.trim().is_empty()) else {
        return Err("it has no `sdp`".into());
    };
    match text("type") {
        Some("answer") => Ok(Answer {
            sdp: sdp.to_owned(),
            agreement: value.get("framewire").and_then(Agreement::from_value),
            session: signalling::Answer::parse(bytes)
                .ok()
                .and_then(|answer| answer.session),
        }),
        Some(other) => Err(format!(
            "its `type` is {:?}, not \"answer\"",
            redact::shorten(other)
        )),
        None => Err("it has no `type`".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_need_sdp_and_type() {
        assert!(read_answer(br#"{"sdp": "v=0", "type": "answer"}"#).is_ok());
        for bad in [
            &b"nope"[..],
            b"[]",
            br#"{"type": "answer"}"#,
            br#"{"sdp": "v=0"}"#,
            br#"{"sdp": "v=0", "type": "offer"}"#,
        ] {
            assert!(read_answer(bad).is_err());
        }
    }
}
