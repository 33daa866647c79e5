//! The steps from addresses to open channels, on a connection made for nothing else.
//! Not what is then measured on it.

use std::time::{Duration, Instant};

use framewire_protocol::job::{RESULTS_LABEL, UPLOAD_LABEL};
use framewire_protocol::signalling::{Agreement, Feature};
use framewire_transport::{
    CloseReason, ConnectionReport, Endpoint, EndpointConfig, Offer, OfferError, Peer, PeerConfig,
    PeerEvent, Progress,
};
use serde_json::json;

use super::link::Link;
use super::paths::{candidates, ice, offered, took};
use super::reach::At;
use super::report::{WorkerKind, ms};
use super::walk::{Found, Walk};
use super::{judge, video};
use crate::diagnosis::{
    Cause, CheckStep, Diagnosis, Evidence, WorkerSeen, of_connection, of_missing_relay,
};
use crate::http::Signalling;
use crate::session::{names, servers};

/// Longest wait for the answer to an offer.
const OFFER: Duration = Duration::from_secs(9);
/// The same of an original, which as shipped starts a process for each session. It does not count against the whole.
pub(super) const OFFER_ORIGINAL: Duration = Duration::from_secs(40);
/// Longest time for ICE, DTLS and the channels together.
const CONNECT: Duration = Duration::from_secs(10);
/// What waiting for the transport's own word takes beyond its limit.
const GRACE: Duration = Duration::from_secs(1);
/// Longest time to put an answer to use; names in it are looked up.
const APPLY: Duration = Duration::from_secs(3);

/// Steps `candidates`, `signalling`, `ice` and `dtls`; `data_channel` only when it does not come that far.
pub(super) async fn connect(walk: &mut Walk, at: At) -> Option<(At, Link)> {
    walk.begin(CheckStep::Candidates);
    let begun = Instant::now();
    let offer = match gather(walk, &at).await {
        Ok(offer) => offer,
        Err(diagnosis) => {
            let found = Found::new(begun.elapsed(), "none of ours", json!({}));
            walk.fail(CheckStep::Candidates, found, diagnosis);
            walk.skip_from(
                CheckStep::Signalling,
                "there is nothing to offer to the worker",
            );
            return None;
        }
    };
    let gathered = begun.elapsed();
    walk.begin(CheckStep::Signalling);
    let begun = Instant::now();
    let (gathering, sdp) = (offer.gathering().clone(), offer.sdp().to_owned());
    let answered = exchange(walk, &at, offer).await;
    let took = begun.elapsed();
    if walk.worker.kind == WorkerKind::Original {
        walk.excuse(took);
    }
    let Applied {
        peer,
        agreement,
        names,
    } = match answered {
        Ok(answered) => answered,
        Err(diagnosis) => {
            walk.ok(
                CheckStep::Candidates,
                candidates(gathered, &offered(&sdp), &[]),
            );
            let found = Found::new(took, "no usable answer", json!({}));
            walk.fail(CheckStep::Signalling, found, diagnosis);
            walk.skip_from(CheckStep::Ice, "the worker gave no answer to connect with");
            return None;
        }
    };
    let report = peer.report();
    walk.ok(
        CheckStep::Candidates,
        candidates(gathered, &report.local, &report.remote),
    );
    let detail = format!("offer answered in {:.0} ms", ms(took));
    let facts = json!({"framewire": agreement.is_some()});
    walk.ok(CheckStep::Signalling, Found::new(took, detail, facts));

    walk.begin(CheckStep::Ice);
    let seen = WorkerSeen {
        reached: at.reached,
        names,
        ..WorkerSeen::default()
    };
    let ended = until_open(&peer, &at.signalling, time_to_connect(walk), seen).await;
    let report = peer.report();
    let against = ended.map(|(ended, worker)| {
        of_connection(&Evidence {
            report: &report,
            gathering: &gathering,
            ended: &ended,
            worker,
        })
    });
    steps(walk, &report, against)?;
    Some((at, Link { peer, agreement }))
}

/// As long as connecting may take, so that its own end is heard before the whole is over.
fn time_to_connect(walk: &Walk) -> Duration {
    CONNECT.min(walk.left().saturating_sub(GRACE))
}

/// Our offer, made as a session makes it.
async fn gather(walk: &Walk, at: &At) -> Result<Offer, Diagnosis> {
    let patient = &walk.patient;
    let config = PeerConfig::default()
        .with_channel(RESULTS_LABEL)
        .with_channel(UPLOAD_LABEL)
        .with_ice_servers(servers(patient.ice.as_ref(), &at.api))
        .with_gather_timeout(walk.allow(patient.options.gather_timeout))
        .with_connect_timeout(time_to_connect(walk))
        .with_lost_after(Duration::from_secs(15))
        .with_relay_only(patient.options.relay_only);
    let made = tokio::task::spawn_blocking(move || {
        let none = |reason: String| {
            let advice = "check this machine's network interfaces";
            Diagnosis::new(CheckStep::Candidates, Cause::NoCandidates, reason, advice)
        };
        let endpoint = Endpoint::bind(EndpointConfig::default())
            .map_err(|error| none(crate::session::chain(&error)))?;
        endpoint.offer(config).map_err(|error| match error {
            OfferError::NoRelay(report) => of_missing_relay(&report.to_string()),
            error => none(crate::session::chain(&error)),
        })
    });
    let failed = |reason: &str| {
        let (step, cause) = (CheckStep::Candidates, Cause::NoCandidates);
        Diagnosis::new(step, cause, reason, "please report this")
    };
    match tokio::time::timeout(walk.left(), made).await {
        Ok(made) => made.map_err(|_| failed("an internal task failed"))?,
        Err(_) => Err(failed("our addresses were not found in time")),
    }
}

/// An answer that is in use.
struct Applied {
    peer: Peer,
    agreement: Option<Agreement>,
    /// Names instead of addresses in it.
    names: usize,
}

async fn exchange(walk: &Walk, at: &At, offer: Offer) -> Result<Applied, Diagnosis> {
    let patient = &walk.patient;
    let mut body = json!({
        "workflow_configuration": {
            "type": "WorkflowConfiguration", "image_input_name": "image", "workflows_parameters": {},
            "workflow_specification": video::workflow(),
        },
        "webrtc_offer": {"type": "offer", "sdp": offer.sdp()},
        "webrtc_realtime_processing": true,
        "stream_output": [],
        "data_output": [video::OUTPUT],
        "video_file_upload": true,
        "framewire": Agreement::new([Feature::Probe]).to_value(),
    });
    if let Some(ice) = &patient.ice {
        body["webrtc_config"] = ice.to_request();
    }
    let body = patient.with_key(body);
    let (patience, apply) = match walk.worker.kind {
        WorkerKind::Original => (OFFER_ORIGINAL, APPLY),
        _ => {
            let patience = walk.allow(OFFER);
            (patience, APPLY.min(walk.left().saturating_sub(patience)))
        }
    };
    let answer = at.signalling.with_patience(patience).exchange(&body).await;
    let answer = answer.map_err(|error| judge::of_error(CheckStep::Signalling, &error))?;
    let url = at.api.shown();
    let applied = tokio::task::spawn_blocking(move || {
        let peer = offer.accept_answer(&answer.sdp);
        peer.map(|peer| Applied {
            peer,
            agreement: answer.agreement,
            names: names(&answer.sdp),
        })
    });
    let refused = |reason: String| {
        let problem = format!("the answer of {url} is not usable: {reason}");
        let advice = "check that a worker with WebRTC support answers there, and its version";
        Diagnosis::new(CheckStep::Signalling, Cause::BadAnswer, problem, advice)
    };
    match tokio::time::timeout(apply, applied).await {
        Ok(Ok(Ok(applied))) => Ok(applied),
        Ok(Ok(Err(error))) => Err(refused(crate::session::chain(&error))),
        Ok(Err(_)) => Err(refused("it broke an internal task".into())),
        Err(_) => Err(refused("the names in it were not looked up in time".into())),
    }
}

/// Waits until all channels of the offer are open; otherwise says how the connection ended, and whether the worker's HTTP side
/// answered meanwhile.
async fn until_open(
    peer: &Peer,
    signalling: &Signalling,
    limit: Duration,
    mut seen: WorkerSeen,
) -> Option<(CloseReason, WorkerSeen)> {
    // Late enough that it is asked only where something is wrong.
    let later = tokio::time::sleep(limit / 2);
    let asked = async {
        later.await;
        signalling.still_there(limit / 3).await
    };
    // The transport's own limit comes first.
    let opened = tokio::time::timeout(limit + GRACE, opened(peer));
    tokio::pin!(asked, opened);
    let mut heard = false;
    loop {
        tokio::select! {
            ended = &mut opened => {
                let ended = ended.unwrap_or(Some(CloseReason::Lost { silence: limit }));
                return ended.map(|ended| (ended, seen));
            }
            http = &mut asked, if !heard => (seen.http, heard) = (http, true),
        }
    }
}

async fn opened(peer: &Peer) -> Option<CloseReason> {
    let is_open = |label: &str| peer.channel(label).is_some_and(|channel| channel.is_open());
    while !(is_open(RESULTS_LABEL) && is_open(UPLOAD_LABEL)) {
        match peer.events().recv().await {
            Some(PeerEvent::Closed(reason)) => return Some(reason),
            Some(_) => {}
            None => return Some(CloseReason::Failed("it ended without a word".into())),
        }
    }
    None
}

/// Says of each step how far it got. `None`: one of them failed, and everything behind it is skipped.
fn steps(walk: &mut Walk, report: &ConnectionReport, against: Option<Diagnosis>) -> Option<()> {
    let order = [
        (CheckStep::Ice, ice(report), report.ice),
        (
            CheckStep::Dtls,
            Found::new(took(report.dtls), "encrypted", json!({})),
            report.dtls,
        ),
        (
            CheckStep::DataChannel,
            Found::new(took(report.channels), "opening", json!({})),
            report.channels,
        ),
    ];
    // A cause may belong to an earlier step, or to none; what it hindered is the first step that is not done.
    let open = order.iter().find(|(_, _, progress)| !progress.is_done());
    let open = open.map_or(CheckStep::DataChannel, |(step, ..)| *step);
    let failed = against.as_ref().map(|against| match against.step {
        step @ (CheckStep::Ice | CheckStep::Dtls | CheckStep::DataChannel) => step,
        _ => open,
    });
    for (step, mut found, progress) in order {
        if failed == Some(step) {
            if let Progress::UnderWay { sent, received } = progress {
                found.facts["sent"] = sent.into();
                found.facts["received"] = received.into();
                if step != CheckStep::Ice {
                    found.detail = format!("{sent} datagrams went out, {received} came back");
                }
            }
            walk.add(step, found, against, None);
            for next in CheckStep::ALL.iter().filter(|next| **next > step) {
                walk.skip(*next, "there is no connection");
            }
            return None;
        }
        if step != CheckStep::DataChannel {
            walk.ok(step, found);
        }
    }
    Some(())
}
