//! HTTP towards the worker: is anybody there, and the exchange of offer and answer.
//! Not here: the body of the request, and the platform's API.

mod api_url;
mod look;
mod refusal;
mod restart;
mod trouble;

use std::net::IpAddr;
use std::time::Duration;

use framewire_protocol::signalling::{self, Agreement, SessionKey, redact_url};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, LOCATION};
use serde_json::Value;

use crate::client::ApiKeyTransport;
use crate::diagnosis::{Diagnosis, HttpNow, Request, of_answer, of_request};
use crate::error::SessionError;
use crate::redact;

pub(crate) use api_url::ApiUrl;
pub(crate) use look::Look;
pub(crate) use refusal::failure;
pub(crate) use restart::NoPath;
pub(crate) use trouble::{Trouble, TroubleKind, proxy};

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
        let http = client(&api, reach_timeout).map_err(|error| {
            let trouble = Trouble::of(error, &api, str::to_owned);
            SessionError::Signalling {
                url: api.shown(),
                diagnosis: Box::new(of_request(Request::Reach, &api, &trouble, reach_timeout)),
                reason: trouble.text,
            }
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

    /// Succeeds on any HTTP answer, with the address it came from unless that is a proxy's. Cancel-safe.
    pub(crate) async fn reach(&self) -> Result<Option<IpAddr>, SessionError> {
        let request = self.http.get(self.api.join("")).send();
        let trouble = match tokio::time::timeout(self.reach_timeout, request).await {
            Ok(Ok(answer)) => {
                let direct = proxy(&self.api).is_none();
                let from = answer.remote_addr().filter(|_| direct);
                return Ok(from.map(|from| from.ip().to_canonical()));
            }
            Ok(Err(error)) => Trouble::of(error, &self.api, |text| self.clean(text)),
            Err(_) => Trouble::silent(&self.api),
        };
        let waited = match trouble.kind {
            TroubleKind::ConnectSilent => connect_timeout(self.reach_timeout),
            _ => self.reach_timeout,
        };
        let diagnosis = Box::new(of_request(Request::Reach, &self.api, &trouble, waited));
        let url = self.api.shown();
        Err(match trouble.kind {
            TroubleKind::AnswerSilent => SessionError::Silent {
                url,
                after: waited,
                diagnosis,
            },
            _ => SessionError::Unreachable {
                url,
                reason: trouble.text,
                diagnosis,
            },
        })
    }

    /// Sends the offer and returns the answer. Cancel-safe for this side: the worker may still start a session,
    /// which ends by itself because nobody connects to it.
    pub(crate) async fn exchange(&self, body: &Value) -> Result<Answer, SessionError> {
        match tokio::time::timeout(self.signalling_timeout, self.exchange_now(body)).await {
            Ok(result) => result,
            Err(_) => Err(SessionError::Timeout {
                step: crate::error::Step::Signalling,
                after: self.signalling_timeout,
                hint: "look at the worker's log",
                about: self.diagnose(&Trouble::silent(&self.api)).into(),
            }),
        }
    }

    fn diagnose(&self, trouble: &Trouble) -> Diagnosis {
        let waited = match trouble.kind {
            TroubleKind::ConnectSilent => connect_timeout(self.reach_timeout),
            _ => self.signalling_timeout,
        };
        of_request(Request::Offer, &self.api, trouble, waited)
    }

    async fn exchange_now(&self, body: &Value) -> Result<Answer, SessionError> {
        let route = self.api.join("initialise_webrtc_worker");
        let shown = redact_url(&route);
        let failed = |error| {
            let trouble = Trouble::of(error, &self.api, |text| self.clean(text));
            SessionError::Signalling {
                url: shown.clone(),
                diagnosis: Box::new(self.diagnose(&trouble)),
                reason: trouble.text,
            }
        };
        let mut request = self.http.post(&route).json(body);
        if let Some(header) = self.key_header() {
            request = request.header(AUTHORIZATION, header);
        }
        let mut response = request.send().await.map_err(failed)?;
        let status = response.status();
        let location = response
            .headers()
            .get(LOCATION)
            .and_then(|value| value.to_str().ok())
            .map(redact_url);
        let kind = response.headers().get(CONTENT_TYPE);
        let kind = kind.and_then(|value| value.to_str().ok());
        let kind = kind.map(|kind| self.clean(kind));
        let (bytes, complete) = read_bounded(&mut response, MAX_ANSWER)
            .await
            .map_err(failed)?;
        if !status.is_success() {
            let text = self.clean(&String::from_utf8_lossy(&bytes));
            return Err(SessionError::Http(Box::new(failure(
                shown,
                status.as_u16(),
                &text,
                location,
                self.key.is_some(),
            ))));
        }
        let unusable = |is_json: bool, reason: String| SessionError::BadAnswer {
            url: shown.clone(),
            diagnosis: Box::new(of_answer(&shown, kind.as_deref(), is_json, &reason)),
            reason,
        };
        if !complete {
            let reason = format!("it is longer than {MAX_ANSWER} bytes");
            return Err(unusable(false, reason));
        }
        let value = serde_json::from_slice(&bytes)
            .map_err(|error| unusable(false, format!("it is no JSON: {error}")))?;
        read_answer(&value, &bytes).map_err(|reason| unusable(true, reason))
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

    /// Whether HTTP is still answered, asked over a new connection. Of a proxy's silence, or within less than 2 s, nothing
    /// is concluded. Cancel-safe.
    pub(crate) async fn still_there(&self, limit: Duration) -> HttpNow {
        if proxy(&self.api).is_some() {
            return HttpNow::Unknown;
        }
        let Ok(http) = client(&self.api, limit) else {
            return HttpNow::Unknown;
        };
        let request = http.get(self.api.join("")).send();
        let kind = match tokio::time::timeout(limit, request).await {
            Ok(Ok(_)) => return HttpNow::Answers,
            Ok(Err(error)) => Trouble::of(error, &self.api, str::to_owned).kind,
            Err(_) => TroubleKind::AnswerSilent,
        };
        match kind {
            TroubleKind::Refused => HttpNow::Gone,
            TroubleKind::ConnectSilent | TroubleKind::AnswerSilent if limit >= LIVENESS_TIMEOUT => {
                HttpNow::Silent
            }
            _ => HttpNow::Unknown,
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
        .connect_timeout(connect_timeout(reach_timeout));
    if api.is_loopback() {
        builder = builder.no_proxy();
    }
    if api.scheme() == "http" {
        // Loading the system's certificates would be the slowest step of a local start.
        builder = builder.tls_certs_only([]);
    }
    builder.build()
}

fn connect_timeout(reach_timeout: Duration) -> Duration {
    reach_timeout.mul_f64(0.9)
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

/// What the answer says; `bytes` is where `value` comes from.
fn read_answer(value: &Value, bytes: &[u8]) -> Result<Answer, String> {
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
        let read = |text: &str| {
            let value = serde_json::from_str(text).unwrap();
            read_answer(&value, text.as_bytes())
        };
        assert!(read(r#"{"sdp": "v=0", "type": "answer"}"#).is_ok());
        for bad in [
            "[]",
            r#"{"type": "answer"}"#,
            r#"{"sdp": "v=0"}"#,
            r#"{"sdp": "v=0", "type": "offer"}"#,
        ] {
            assert!(read(bad).is_err());
        }
    }
}
