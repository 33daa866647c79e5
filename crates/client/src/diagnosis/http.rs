//! Diagnoses of the HTTP side: requests without an answer, refusals, and answers that are none.
//! Not here: sending requests, and reading refusals (`http`).

use std::time::Duration;

use crate::diagnosis::{Cause, CheckStep, Diagnosis, seconds};
use crate::http::{ApiUrl, Trouble, TroubleKind};
use crate::redact::one_line;

/// A request that got no answer, and what it was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Request {
    /// Is anybody there?
    Reach,
    /// Offer and answer.
    Offer,
}

/// A request got no answer within `waited`.
pub(crate) fn of_request(
    request: Request,
    api: &ApiUrl,
    trouble: &Trouble,
    waited: Duration,
) -> Diagnosis {
    let (host, port) = api.host_and_port().unwrap_or_default();
    let at = if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    };
    let (url, waited, text) = (api.shown(), seconds(waited), &trouble.text);
    let found = |cause, problem: String, advice: String| {
        let step = match cause {
            Cause::NameNotFound | Cause::ProxyFailed => CheckStep::Address,
            _ if request == Request::Offer => CheckStep::Signalling,
            _ => CheckStep::Http,
        };
        Diagnosis::new(step, cause, problem, advice)
    };
    if let (Some(proxy), Some(what)) = (&trouble.proxy, of_proxy(trouble, &waited)) {
        return found(
            Cause::ProxyFailed,
            format!("the proxy {proxy} {what}, so {url} was not reached"),
            "check HTTP_PROXY, HTTPS_PROXY and ALL_PROXY, or name the worker's host in NO_PROXY"
                .into(),
        );
    }
    let certificate = |what: &str| format!("the certificate of {url} {what} ({text})");
    match trouble.kind {
        TroubleKind::Name => found(
            Cause::NameNotFound,
            format!("the name {host} of the worker's address {url} does not resolve ({text})"),
            format!("check its spelling and this machine's DNS (`getent hosts {host}`)"),
        ),
        TroubleKind::Refused => found(
            Cause::PortClosed,
            format!("nothing listens at {at} (connection refused)"),
            "start the worker there (`framewire serve --listen ADDR:PORT`), or correct address and port".into(),
        ),
        TroubleKind::NoRoute => found(
            Cause::HostUnreachable,
            format!("this machine has no way to {at} ({text})"),
            "check its network, VPN and routes, and the address".into(),
        ),
        TroubleKind::ConnectSilent => found(
            Cause::PortSilent,
            format!("{at} did not answer the attempt to connect within {waited}"),
            "check that the host is up and that no firewall drops TCP to that port".into(),
        ),
        TroubleKind::AnswerSilent if request == Request::Offer => of_stall(api, &waited),
        TroubleKind::AnswerSilent => found(
            Cause::PortSilent,
            format!("{url} took the connection and gave no HTTP answer within {waited}"),
            "check that this is the worker's address and that the process there is not stuck or stopped".into(),
        ),
        TroubleKind::UnknownIssuer => found(
            Cause::TlsUnknownIssuer,
            certificate("is signed by nobody this machine trusts"),
            "add the issuer to the system's certificates, or point SSL_CERT_FILE at a file with it".into(),
        ),
        TroubleKind::WrongName => found(
            Cause::TlsNameMismatch,
            certificate(&format!("is not for the name {host}")),
            "use a name the certificate is for, or give the server a certificate for this one".into(),
        ),
        TroubleKind::Expired => found(
            Cause::TlsExpired,
            certificate("is not valid now"),
            "renew the server's certificate, or correct this machine's clock".into(),
        ),
        TroubleKind::NoTls => found(
            Cause::TlsFailed,
            format!("what listens at {at} does not speak TLS ({text})"),
            "give the address as http://, or correct the port".into(),
        ),
        TroubleKind::Tls => found(
            Cause::TlsFailed,
            format!("TLS with {url} failed ({text})"),
            "check the server's TLS settings, and whether something between intercepts TLS".into(),
        ),
        TroubleKind::Setup => found(
            Cause::TlsFailed,
            format!("requests to {url} cannot be made ({text})"),
            "install the system's certificates (ca-certificates), or point SSL_CERT_FILE at a file with them".into(),
        ),
        TroubleKind::Broken | TroubleKind::Proxy if request == Request::Reach => found(
            Cause::NotHttp,
            format!("what answers at {at} is no HTTP server ({text})"),
            "correct the port; if the server expects TLS, give the address as https://".into(),
        ),
        TroubleKind::Broken | TroubleKind::Proxy => found(
            Cause::WorkerError,
            format!("{url} ended the connection while its answer to the offer was awaited ({text})"),
            "look at the worker's log: it may have crashed, or something in front of it cut the request".into(),
        ),
    }
}

/// What the proxy did, where the trouble lies with it.
fn of_proxy(trouble: &Trouble, waited: &str) -> Option<String> {
    let text = &trouble.text;
    Some(match trouble.kind {
        TroubleKind::Proxy => format!("did not connect to it ({text})"),
        TroubleKind::Name => format!("is not found ({text})"),
        TroubleKind::Refused => "refused the connection".into(),
        TroubleKind::NoRoute => format!("cannot be reached ({text})"),
        TroubleKind::ConnectSilent => {
            format!("did not answer the attempt to connect within {waited}")
        }
        _ => return None,
    })
}

/// The worker's port answers, and the offer was not answered within `waited`.
fn of_stall(api: &ApiUrl, waited: &str) -> Diagnosis {
    let url = api.shown();
    Diagnosis::new(
        CheckStep::Signalling,
        Cause::WorkerStalled,
        format!("the port answers GET {url}/, but the offer was not answered within {waited}"),
        "look at the worker's log: it may be loading a model, waiting for a camera, or be stuck",
    )
}

/// An answer of the worker's side that is no success.
#[derive(Debug)]
pub(crate) struct Refusal<'a> {
    /// The route that was asked.
    pub(crate) url: &'a str,
    pub(crate) status: u16,
    /// What it says, read out of the JSON forms that workers use.
    pub(crate) message: Option<&'a str>,
    pub(crate) error_type: Option<&'a str>,
    /// The beginning of the body, in case it says nothing in those forms.
    pub(crate) body: &'a str,
    /// Whether a key was sent.
    pub(crate) has_key: bool,
}

/// The worker, or what stands in front of it, refused.
pub(crate) fn of_refusal(refusal: &Refusal<'_>) -> Diagnosis {
    let (step, cause, advice) = sort(refusal);
    let mut problem = format!("{} answered HTTP {}", refusal.url, refusal.status);
    if let Some(kind) = refusal.error_type {
        problem.push_str(&format!(" ({})", one_line(kind)));
    }
    match (refusal.message, refusal.body.trim()) {
        (Some(message), _) => problem.push_str(&format!(": {}", one_line(message))),
        (None, "") => {}
        (None, body) => problem.push_str(&format!(": {}", one_line(&without_tags(body)))),
    }
    Diagnosis::new(step, cause, problem.trim_end_matches('.'), advice)
}

/// The words of a web page; other text as it is.
fn without_tags(body: &str) -> String {
    if !body.starts_with('<') {
        return body.to_owned();
    }
    let pieces = body.split('<').map(|piece| match piece.split_once('>') {
        Some((_, text)) => text,
        None => piece,
    });
    pieces.collect::<Vec<_>>().join(" ")
}

fn sort(refusal: &Refusal<'_>) -> (CheckStep, Cause, &'static str) {
    let has_message = refusal.message.is_some();
    let is_page = !has_message && !refusal.body.trim_start().starts_with('{');
    match refusal.status {
        300..=399 => (
            CheckStep::Http,
            Cause::Redirected,
            "give the address it redirects to as the worker's",
        ),
        401 | 403 if refusal.status == 403 && is_page && !refusal.body.trim().is_empty() => (
            CheckStep::Worker,
            Cause::WorkerRefused,
            "use an address the worker accepts requests for; a proxy or firewall in front may also have refused",
        ),
        401 | 403 if refusal.has_key => (
            CheckStep::ApiKey,
            Cause::KeyRejected,
            "check the API key (--api-key, ROBOFLOW_API_KEY) and what it may be used for",
        ),
        401 | 403 => (
            CheckStep::ApiKey,
            Cause::KeyMissing,
            "give an API key (--api-key, ROBOFLOW_API_KEY)",
        ),
        407 => (
            CheckStep::Address,
            Cause::ProxyFailed,
            "put the proxy's user name and password into HTTP_PROXY or HTTPS_PROXY",
        ),
        404 | 405 | 501 if !names_missing_thing(refusal) => (
            CheckStep::Worker,
            Cause::RouteMissing,
            "is this a worker with WebRTC support? Check address and path; an original worker needs WEBRTC_WORKER_ENABLED",
        ),
        402 | 423 => (
            CheckStep::Worker,
            Cause::WorkerRefused,
            "check the account's credits and whether its use is paused",
        ),
        404 => (
            CheckStep::Signalling,
            Cause::WorkerRefused,
            "check the names of workflow, workspace and model",
        ),
        429 => (
            CheckStep::Worker,
            Cause::WorkerBusy,
            "try again later, end another session, or raise the limit (--max-sessions)",
        ),
        // A gateway may speak JSON as well.
        503 if refusal.error_type.is_some() || refusal.message.is_some_and(says_busy) => (
            CheckStep::Worker,
            Cause::WorkerBusy,
            "try again later, or use another worker",
        ),
        // Our workers say so of a camera or stream they cannot open.
        502 | 504 if refusal.error_type.is_some() => (
            CheckStep::Signalling,
            Cause::WorkerRefused,
            "correct what it names",
        ),
        502..=504 => (
            CheckStep::Worker,
            Cause::BadGateway,
            "the server in front reached no worker: check that the worker runs and that the server's settings lead to it",
        ),
        500..=599 => (
            CheckStep::Signalling,
            Cause::WorkerError,
            "look at the worker's log",
        ),
        408 => (
            CheckStep::Signalling,
            Cause::WorkerRefused,
            "the request arrived too slowly: check the network in between",
        ),
        _ => (
            CheckStep::Signalling,
            Cause::WorkerRefused,
            "correct what it names",
        ),
    }
}

/// What workers say that take no further session.
fn says_busy(message: &str) -> bool {
    let message = message.to_lowercase();
    let words = [
        "no new session",
        "shutting down",
        "full",
        "busy",
        "capacity",
        "too many",
    ];
    words.iter().any(|word| message.contains(word))
}

/// A 404 with a `message` is the worker missing a workflow or model; without one it comes from a server that does not know the
/// route.
fn names_missing_thing(refusal: &Refusal<'_>) -> bool {
    let body: Option<serde_json::Value> = serde_json::from_str(refusal.body).ok();
    refusal.status == 404 && body.is_some_and(|body| body.get("message").is_some())
}

/// The answer is a success and not what a worker says.
pub(crate) fn of_answer(
    url: &str,
    content_type: Option<&str>,
    is_json: bool,
    reason: &str,
) -> Diagnosis {
    let reason = one_line(reason);
    if is_json || content_type.is_some_and(|kind| kind.contains("json")) {
        return Diagnosis::new(
            CheckStep::Signalling,
            Cause::BadAnswer,
            format!("the answer of {url} is not usable: {reason}"),
            "check that a worker with WebRTC support answers there, and its version",
        );
    }
    Diagnosis::new(
        CheckStep::Worker,
        Cause::WrongContentType,
        format!(
            "{url} answered with {} instead of the worker's JSON ({reason})",
            content_type.map_or_else(|| "no content type".into(), one_line)
        ),
        "this is a web page or another service: check the address, and any proxy or login page in front",
    )
}
