//! The steps `data_channel`, `throughput_up` and `throughput_down`: how fast small messages and many of them go through.
//! With a worker of ours over a probe channel, with an original over the upload channel, whose file never becomes whole.

mod bulk;
mod echo;

use std::time::{Duration, Instant};

use framewire_protocol::job::UPLOAD_LABEL;
use framewire_protocol::probe::PROBE_LABEL;
use framewire_transport::DataChannel;
use serde_json::{Value, json};

use super::judge;
use super::link::{Ended, Link};
use super::report::ms;
use super::walk::{Found, Walk};
use crate::diagnosis::{Cause, CheckStep, Diagnosis};
use bulk::Moved;
use echo::Echoes;

/// Longest wait for the probe channel to open.
const OPEN: Duration = Duration::from_secs(3);
/// How long data goes through in each direction.
const BULK: Duration = Duration::from_secs(2);
/// What a direction takes beyond that: the end of what was sent, and its answer.
const TAIL: Duration = Duration::from_secs(1);
/// Kept free for the video step.
const VIDEO: Duration = Duration::from_secs(4);

/// See the module. The connection ends here.
pub(super) async fn measure(walk: &mut Walk, link: Link) {
    walk.begin(CheckStep::DataChannel);
    let probe = match link.probes() {
        true => link.open(PROBE_LABEL, walk.allow(OPEN)).await,
        false => None,
    };
    let channel = probe.clone().or_else(|| link.peer.channel(UPLOAD_LABEL));
    let begun = Instant::now();
    let echoes = match &channel {
        Some(channel) => {
            let limit = walk.allow(echo::PATIENCE);
            echo::run(&link, channel, probe.is_some(), limit).await
        }
        None => Err(Ended("its channels closed".into())),
    };
    small_messages(walk, &link, begun.elapsed(), echoes.as_ref());
    let (Some(channel), Ok(_)) = (channel, &echoes) else {
        walk.skip(CheckStep::ThroughputUp, "the connection is gone");
        walk.skip(CheckStep::ThroughputDown, "the connection is gone");
        return;
    };
    let time = BULK.min(walk.left().saturating_sub(VIDEO + TAIL * 3) / 2);
    if !walk.patient.throughput || time < BULK / 4 {
        let why = match walk.patient.throughput {
            true => "no time is left for it",
            false => "not wanted",
        };
        walk.skip(CheckStep::ThroughputUp, why);
        walk.skip(CheckStep::ThroughputDown, why);
        return;
    }
    walk.begin(CheckStep::ThroughputUp);
    let alive = match probe {
        Some(_) => {
            let mut up = bulk::up(&link, &channel, time, TAIL).await;
            if let Ok(up) = &mut up {
                look_again(&link, &channel, up).await;
            }
            bulk_step(walk, &link, CheckStep::ThroughputUp, time, up)
        }
        None => {
            let up = bulk::upload(&link, &channel, time).await;
            bulk_step(walk, &link, CheckStep::ThroughputUp, time, up)
        }
    };
    match (alive, probe) {
        (false, _) => walk.skip(CheckStep::ThroughputDown, "the connection is gone"),
        (true, None) => {
            let why =
                "an original sends nothing on request, and its results are as large as they are";
            walk.skip(CheckStep::ThroughputDown, why);
        }
        (true, Some(_)) => {
            walk.begin(CheckStep::ThroughputDown);
            let down = bulk::down(&link, &channel, time, TAIL).await;
            bulk_step(walk, &link, CheckStep::ThroughputDown, time, down);
        }
    }
}

fn small_messages(walk: &mut Walk, link: &Link, waited: Duration, echoes: Result<&Echoes, &Ended>) {
    let step = CheckStep::DataChannel;
    let opened = match link.peer.report().channels {
        framewire_transport::Progress::Done { took } => took,
        _ => Duration::ZERO,
    };
    let mut facts = json!({"opened_ms": ms(opened)});
    let echoes = match echoes {
        Ok(echoes) => echoes,
        Err(Ended(reason)) => {
            let found = Found::new(opened, "opened, and lost", facts);
            return walk.fail(step, found, judge::of_break(step, reason));
        }
    };
    let (Some(p50), Some(p95)) = (echoes.percentile(0.5), echoes.percentile(0.95)) else {
        let found = Found::new(opened, "opened, and nothing comes back", facts);
        return walk.fail(step, found, judge::of_silence(step, waited));
    };
    facts["rtt_ms"] = json!({"p50": ms(p50), "p95": ms(p95), "n": echoes.len()});
    let detail = format!(
        "round trip {:.1} ms (p50), {:.1} ms (p95) of {} small messages",
        ms(p50),
        ms(p95),
        echoes.len()
    );
    let found = Found::new(opened, detail, facts);
    walk.add(step, found, judge::of_round_trip(p50), None);
}

/// A sender that takes all there is overruns the buffers of many a path that loses nothing otherwise, a relay over TCP above all.
async fn look_again(link: &Link, channel: &DataChannel, up: &mut Moved) {
    if share(up.lost).is_some_and(|share| share >= judge::LOSSY) {
        // A connection that ends meanwhile is told by what comes next.
        up.calm = bulk::calm(link, channel, TAIL).await.ok();
    }
}

fn share(lost: Option<(u64, u64)>) -> Option<f64> {
    lost.and_then(|(lost, packets)| judge::share(lost, packets))
}

/// Says what came of one direction; whether the connection lives.
fn bulk_step(
    walk: &mut Walk,
    link: &Link,
    step: CheckStep,
    time: Duration,
    moved: Result<Moved, Ended>,
) -> bool {
    let moved = match moved {
        Ok(moved) => moved,
        Err(Ended(reason)) => {
            let found = Found::new(time, "the connection ended", json!({}));
            walk.fail(step, found, judge::of_break(step, &reason));
            return false;
        }
    };
    let data = link.peer.stats().data;
    let rate = moved.rate();
    let (loaded, calm) = (share(moved.lost), share(moved.calm));
    let share = calm.or(loaded);
    let mut facts: Value = json!({
        "mb_per_s": (rate / 1e4).round() / 100.0,
        "bytes": moved.bytes,
        "loss": loaded.map(|share| (share * 1e4).round() / 1e4),
        "retransmitted": moved.lost.map(|(lost, _)| lost),
    });
    let mut detail = format!("{:.1} MB/s", rate / 1e6);
    if let Some(share) = loaded {
        detail += &format!(", {:.1} % lost and sent again", share * 100.0);
    }
    if let Some(share) = calm {
        detail += &format!(" ({:.1} % without load)", share * 100.0);
    }
    let mut against = match moved.bytes {
        0 => Some(judge::of_silence(step, moved.time)),
        _ => share.and_then(|share| judge::of_loss(step, share)),
    };
    if step == CheckStep::ThroughputUp {
        facts["rtt_loaded_ms"] = ms(moved.rtt).into();
        detail += &format!(", round trip under load {:.1} ms", ms(moved.rtt));
        facts["largest_datagram"] = data.max_datagram.into();
        if let Some(hole) = judge::of_mtu(data.max_datagram, data.size_probes_lost, share) {
            detail += &format!(", no datagram above {} bytes arrives", data.max_datagram);
            against = Some(hole);
        }
    }
    let gone = against.as_ref().map(|against: &Diagnosis| against.cause) == Some(Cause::Stalled);
    walk.add(step, Found::new(moved.time, detail, facts), against, None);
    !gone
}

/// What both kinds of bulk leave unsent: what the path takes in a twentieth of a second, so that little is left at the end.
fn ahead(link: &Link) -> usize {
    let rate = link.peer.stats().data.rate / 20;
    usize::try_from(rate.clamp(32 * 1024, 1024 * 1024)).unwrap_or(32 * 1024)
}

/// Queues what the closure makes while there is room for it.
async fn room(link: &Link, channel: &DataChannel) -> Result<(), Ended> {
    let waited = channel.buffered_at_most(ahead(link)).await;
    waited.map_err(|error| Ended(error.to_string()))
}
