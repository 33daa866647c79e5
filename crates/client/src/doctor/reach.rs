//! The steps over HTTP: the address, an answer from it, what answers, whether it takes the key, and its clock.
//! Not the exchange of offer and answer.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::judge;
use super::report::{WorkerKind, WorkerReport, ms};
use super::walk::{Found, Walk};
use crate::diagnosis::{Cause, CheckStep, Diagnosis};
use crate::error::SessionError;
use crate::http::{ApiUrl, Look, Signalling};

/// Longest look-up of the address's name.
const LOOK_UP: Duration = Duration::from_secs(3);
/// Longest wait for the first answer, connecting included.
const FIRST_ANSWER: Duration = Duration::from_secs(5);
/// Longest wait for each further one.
const ANSWER: Duration = Duration::from_secs(2);
/// Differences below it matter to nobody, and `Date` has whole seconds.
const CLOCK: Duration = Duration::from_secs(60);
/// Addresses shown.
const MAX_SHOWN: usize = 8;

/// An address that leads somewhere.
#[derive(Clone)]
pub(super) struct At {
    pub(super) api: ApiUrl,
    pub(super) signalling: Signalling,
    /// Where HTTP reached it; none through a proxy.
    pub(super) reached: Option<IpAddr>,
}

/// Step `address`.
pub(super) async fn address(walk: &mut Walk) -> Option<At> {
    walk.begin(CheckStep::Address);
    let begun = Instant::now();
    let api = match ApiUrl::parse(&walk.patient.api_url) {
        Ok(api) => api,
        Err(error) => {
            let diagnosis = Diagnosis::new(
                CheckStep::Address,
                Cause::BadUrl,
                error.to_string(),
                "give the worker's address like http://HOST:9001",
            );
            let found = Found::new(begun.elapsed(), "not a usable address", json!({}));
            walk.fail(CheckStep::Address, found, diagnosis);
            return None;
        }
    };
    let proxy = crate::http::proxy(&api);
    let (host, port) = api.host_and_port().unwrap_or_default();
    let mut facts = json!({"host": host, "port": port, "proxy": proxy});
    let resolved = resolve(&host, port).await;
    let through = proxy
        .as_ref()
        .map(|proxy| format!("through the proxy {proxy}"));
    let detail = match &resolved {
        Ok(addresses) => {
            facts["addresses"] = addresses.iter().map(ToString::to_string).collect();
            let literal = host.parse::<IpAddr>().is_ok();
            let shown = addresses
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>();
            let leads = match literal {
                true => "an address, no name to look up".to_owned(),
                false => format!("{host} is {}", shown.join(", ")),
            };
            [Some(leads), through]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join("; ")
        }
        // The proxy looks it up.
        Err(reason) => match through {
            Some(through) => format!("{host} is not known here ({reason}); {through}"),
            None => {
                let diagnosis = Diagnosis::new(
                    CheckStep::Address,
                    Cause::NameNotFound,
                    format!(
                        "the name {host} of the worker's address {} does not resolve ({reason})",
                        api.shown()
                    ),
                    format!("check its spelling and this machine's DNS (`getent hosts {host}`)"),
                );
                let found = Found::new(begun.elapsed(), format!("{host} is not known"), facts);
                walk.fail(CheckStep::Address, found, diagnosis);
                return None;
            }
        },
    };
    let patient = &walk.patient;
    let signalling = Signalling::new(
        api.clone(),
        patient.api_key.clone(),
        patient.transport,
        FIRST_ANSWER,
        ANSWER,
    );
    let found = Found::new(begun.elapsed(), detail, facts);
    match signalling {
        Ok(signalling) => {
            walk.ok(CheckStep::Address, found);
            Some(At {
                api,
                signalling,
                reached: None,
            })
        }
        Err(error) => {
            walk.fail(
                CheckStep::Address,
                found,
                judge::of_error(CheckStep::Address, &error),
            );
            None
        }
    }
}

async fn resolve(host: &str, port: u16) -> Result<Vec<IpAddr>, String> {
    let asked = tokio::net::lookup_host((host, port));
    let found = match tokio::time::timeout(LOOK_UP, asked).await {
        Ok(found) => found.map_err(|error| error.to_string())?,
        Err(_) => return Err(format!("no answer within {} s", LOOK_UP.as_secs())),
    };
    let mut addresses: Vec<IpAddr> = Vec::new();
    for address in found {
        if !addresses.contains(&address.ip()) && addresses.len() < MAX_SHOWN {
            addresses.push(address.ip());
        }
    }
    match addresses.is_empty() {
        true => Err("it has no address".into()),
        false => Ok(addresses),
    }
}

/// What the questions to the worker came to, each of them or the first that failed.
#[derive(Default)]
struct Heard {
    first: Option<Look>,
    info: Option<Value>,
    /// By what it says of itself, it has no place free.
    busy: Option<Diagnosis>,
    /// The first answer that speaks against a session.
    against: Option<Diagnosis>,
    /// Whether the key was looked at.
    key_checked: bool,
    /// How long it took to find out what it is, and whether it takes sessions and the key.
    took: (Duration, Duration),
}

/// Steps `http`, `worker`, `api_key` and `clock`. `None`: no session can be asked for.
pub(super) async fn worker(walk: &mut Walk, mut at: At) -> Option<At> {
    walk.begin(CheckStep::Http);
    let begun = Instant::now();
    let connect = tcp(&at.api, walk.allow(FIRST_ANSWER));
    let look = at.signalling.look("", walk.allow(FIRST_ANSWER));
    let (tcp, first) = beside(connect, look).await;
    let mut heard = Heard::default();
    match first {
        Ok(look) => {
            at.reached = look.from;
            heard.first = Some(look);
        }
        Err(diagnosis) => heard.against = Some(diagnosis),
    }
    let answered = begun.elapsed();
    if heard.first.is_some() {
        ask(walk, &at, &mut heard).await;
    }
    // The step a finding belongs to is the one that failed, and those behind it cannot be looked at.
    let mut against = heard.against.take();
    let mut here = |step: CheckStep| against.take_if(|diagnosis| diagnosis.step <= step);
    let found = http_found(&at.api, answered, tcp, heard.first.as_ref());
    if let Some(diagnosis) = here(CheckStep::Http) {
        walk.add(CheckStep::Http, found, Some(diagnosis), None);
        for step in [CheckStep::Worker, CheckStep::ApiKey, CheckStep::Clock] {
            walk.skip(step, "no answer of a worker");
        }
        return None;
    }
    walk.ok(CheckStep::Http, found);
    walk.worker = presented(heard.info.as_ref());
    let info = heard.info.as_ref();
    let found = worker_found(&walk.worker, info, heard.took.0);
    let refused = here(CheckStep::Worker).or(heard.busy.take());
    let goes_on = refused
        .as_ref()
        .is_none_or(|diagnosis| diagnosis.cause == Cause::WorkerBusy);
    let busy = refused.is_some();
    walk.add(CheckStep::Worker, found, refused, None);
    match here(CheckStep::ApiKey) {
        Some(diagnosis) => {
            let found = Found::new(
                heard.took.1,
                "refused",
                json!({"required": true, "given": walk.patient.api_key.is_some()}),
            );
            walk.fail(CheckStep::ApiKey, found, diagnosis);
            clock(walk, heard.first.as_ref());
            return None;
        }
        None if !goes_on => walk.skip(CheckStep::ApiKey, "no worker to give it to"),
        None => api_key(walk, info, &heard, busy),
    }
    clock(walk, heard.first.as_ref());
    goes_on.then_some(at)
}

/// The second, and the first if it is done by then: addresses that do not answer are tried one after the other.
async fn beside<A, B>(
    one: impl Future<Output = Option<A>>,
    other: impl Future<Output = B>,
) -> (Option<A>, B) {
    tokio::pin!(one, other);
    let (mut first, mut done) = (None, false);
    loop {
        tokio::select! {
            biased;
            came = &mut one, if !done => (first, done) = (came, true),
            second = &mut other => return (first, second),
        }
    }
}

/// How long a TCP connection takes; none when it is the proxy's, or fails, which the request says better.
async fn tcp(api: &ApiUrl, limit: Duration) -> Option<Duration> {
    let direct = crate::http::proxy(api).is_none();
    let (host, port) = api.host_and_port().filter(|_| direct)?;
    let begun = Instant::now();
    let attempt = tokio::net::TcpStream::connect((host.as_str(), port));
    let connected = tokio::time::timeout(limit, attempt).await;
    connected.ok()?.ok().map(|_| begun.elapsed())
}

/// Asks the worker what it is, and with a request that can start no session whether it would take one of ours.
async fn ask(walk: &Walk, at: &At, heard: &mut Heard) {
    let begun = Instant::now();
    if let Ok(look) = at.signalling.look("info", walk.allow(ANSWER)).await {
        heard.info = look.json().filter(|_| look.status == 200);
    }
    let ours = presented(heard.info.as_ref()).kind == WorkerKind::Framewire;
    if let Some(busy) = heard
        .info
        .as_ref()
        .filter(|_| ours)
        .and_then(|info| busy(info, &at.api))
    {
        heard.busy = Some(busy);
    }
    let body = if ours {
        // Well-formed, so that the key is looked at, and no offer, so that nothing is begun.
        json!({
            "workflow_configuration": {"type": "WorkflowConfiguration", "workflow_specification": {}},
            "webrtc_offer": {"type": "probe", "sdp": ""},
        })
    } else {
        json!({})
    };
    let body = walk.patient.with_key(body);
    heard.took.0 = begun.elapsed();
    let begun = Instant::now();
    match at
        .signalling
        .with_patience(walk.allow(ANSWER))
        .exchange(&body)
        .await
    {
        // The request was read and found wanting, as it is.
        Err(SessionError::Http(refused)) if matches!(refused.status, 400 | 422) => {
            heard.key_checked = ours;
        }
        Err(error) => {
            let found = || judge::of_error(CheckStep::Worker, &error);
            heard.against.get_or_insert_with(found);
        }
        // Whatever it is that accepts this: the offer will show.
        Ok(_) => {}
    }
    heard.took.1 = begun.elapsed();
}

fn busy(info: &Value, api: &ApiUrl) -> Option<Diagnosis> {
    let (sessions, most) = places(info)?;
    let draining = info.get("draining").and_then(Value::as_bool) == Some(true);
    let problem = match (draining, sessions >= most) {
        (true, _) => format!("the worker at {} is shutting down", api.shown()),
        (_, true) => format!(
            "the worker at {} runs {sessions} of {most} sessions",
            api.shown()
        ),
        _ => return None,
    };
    let advice = "try again later, end another session, or raise the limit (--max-sessions)";
    Some(Diagnosis::new(
        CheckStep::Worker,
        Cause::WorkerBusy,
        problem,
        advice,
    ))
}

fn places(info: &Value) -> Option<(u64, u64)> {
    let sessions = info.get("sessions")?.as_u64()?;
    Some((sessions, info.pointer("/limits/max_sessions")?.as_u64()?))
}

fn presented(info: Option<&Value>) -> WorkerReport {
    let text = |key: &str| Some(info?.get(key)?.as_str()?.to_owned());
    let name = text("name").unwrap_or_default();
    WorkerReport {
        kind: match name.as_str() {
            "framewire" => WorkerKind::Framewire,
            name if name.contains("Inference Server") => WorkerKind::Original,
            _ => WorkerKind::Unknown,
        },
        version: text("version").map(|version| version.chars().take(40).collect()),
    }
}

fn http_found(api: &ApiUrl, took: Duration, tcp: Option<Duration>, first: Option<&Look>) -> Found {
    let Some(look) = first else {
        return Found::new(took, "no answer", json!({"tcp_ms": tcp.map(ms)}));
    };
    let tls = if api.scheme() == "https" { ", TLS" } else { "" };
    let connected = tcp.map_or_else(String::new, |tcp| format!("TCP {:.1} ms, ", ms(tcp)));
    let detail = format!(
        "HTTP {} ({connected}first answer{tls} {:.1} ms)",
        look.status,
        ms(look.took)
    );
    let facts = json!({"status": look.status, "tcp_ms": tcp.map(ms), "answer_ms": ms(look.took), "tls": api.scheme() == "https"});
    Found::new(took, detail, facts)
}

fn worker_found(worker: &WorkerReport, info: Option<&Value>, took: Duration) -> Found {
    let version = worker.version.as_deref().unwrap_or("of unknown version");
    let places = info.and_then(places);
    let detail = match (worker.kind, places) {
        (WorkerKind::Framewire, Some((sessions, most))) => {
            format!("framewire {version}, {sessions} of {most} sessions in use")
        }
        (WorkerKind::Framewire, None) => format!("framewire {version}"),
        (WorkerKind::Original, _) => format!("original inference server {version}"),
        _ => "a server that does not say what it is".to_owned(),
    };
    let facts = json!({
        "sessions": places.map(|places| places.0),
        "max_sessions": places.map(|places| places.1),
        "media_port": info.and_then(|info| u16::try_from(info.get("media_port")?.as_u64()?).ok()),
    });
    Found::new(took, detail, facts)
}

fn api_key(walk: &mut Walk, info: Option<&Value>, heard: &Heard, busy: bool) {
    let given = walk.patient.api_key.is_some();
    let required = info.and_then(|info| info.get("api_key_required")?.as_bool());
    let detail = match (required, heard.key_checked) {
        (Some(false), true) => "not asked for",
        (_, true) => "accepted",
        (_, false) => {
            let why = match (busy, walk.worker.kind) {
                (true, _) => "the worker takes no session now, and did not say",
                (_, WorkerKind::Framewire) => "the worker did not say; see the step signalling",
                _ => "this worker looks at it with the offer only; see the step signalling",
            };
            return walk.skip(CheckStep::ApiKey, why);
        }
    };
    let facts = json!({"required": required, "given": given});
    walk.ok(CheckStep::ApiKey, Found::new(heard.took.1, detail, facts));
}

/// Step `clock`: it never fails, since nothing depends on it but the logs of both machines laid side by side.
fn clock(walk: &mut Walk, first: Option<&Look>) {
    let Some((theirs, look)) = first.and_then(|look| Some((look.date?, look))) else {
        return walk.skip(CheckStep::Clock, "the answer has no usable date");
    };
    let (ahead, off) = match theirs.duration_since(look.at) {
        Ok(off) => (true, off),
        Err(error) => (false, error.duration()),
    };
    let seconds = off.as_secs_f64().round();
    let detail = if off < Duration::from_secs(2) {
        "as ours".to_owned()
    } else {
        let side = if ahead { "ahead of" } else { "behind" };
        let warning = if off > CLOCK {
            "; times in the logs of both machines do not fit, and certificates or keys may seem expired"
        } else {
            ""
        };
        format!("{seconds:.0} s {side} ours{warning}")
    };
    let facts = json!({"offset_s": if ahead { seconds } else { 0.0 - seconds }});
    walk.ok(CheckStep::Clock, Found::new(Duration::ZERO, detail, facts));
}
