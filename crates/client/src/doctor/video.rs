//! The step `video`: an ordinary session with numbered pictures, as any program would run it.
//! Not how the figures come about; the session's own ledger has them.

use serde_json::{Value, json};

use super::reach::At;
use super::walk::Walk;
use crate::diagnosis::CheckStep;

/// The output that has the pictures.
pub(super) const OUTPUT: &str = "crop";
/// Of the pictures sent.
const SIZE: (u32, u32) = (640, 480);

/// The whole picture as it came: the least a workflow can do, and every worker knows it.
pub(super) fn workflow() -> Value {
    let (width, height) = SIZE;
    json!({
        "version": "1.0",
        "inputs": [{"type": "InferenceImage", "name": "image"}],
        "steps": [{
            "type": "roboflow_core/absolute_static_crop@v1", "name": "crop", "images": "$inputs.image",
            "x_center": width / 2, "y_center": height / 2, "width": width, "height": height,
        }],
        "outputs": [{
            "type": "JsonField", "name": OUTPUT, "coordinates_system": "own", "selector": "$steps.crop.crops",
        }],
    })
}

/// See the module.
#[cfg(not(feature = "ffmpeg"))]
pub(super) async fn check(walk: &mut Walk, _: &At) {
    walk.skip(CheckStep::Video, "this program is built without video");
}

#[cfg(feature = "ffmpeg")]
pub(super) use sent::check;

#[cfg(feature = "ffmpeg")]
mod sent {
    use std::collections::BTreeMap;
    use std::time::{Duration, Instant};

    use framewire_media::{FramePool, TestPattern};
    use serde_json::json;
    use tokio::runtime::Handle;

    use super::{At, CheckStep, OUTPUT, SIZE, Walk, workflow};
    use crate::client::Client;
    use crate::config::StreamConfig;
    use crate::diagnosis::{Cause, Diagnosis};
    use crate::doctor::judge;
    use crate::doctor::report::ms;
    use crate::doctor::walk::Found;
    use crate::error::WaitError;
    use crate::session::Session;
    use crate::source::{FrameSender, ManualSource};
    use crate::stats::SessionStats;
    use crate::workflow::Workflow;

    const FPS: u32 = 30;
    const FRAMES: u32 = 30;
    /// Longest time for the whole step …
    const VIDEO: Duration = Duration::from_secs(9);
    /// … of which the connection may take this, …
    const CONNECT: Duration = Duration::from_secs(6);
    /// … and less than this is not worth beginning.
    const LEAST: Duration = Duration::from_millis(2500);
    /// Kept for closing.
    const CLOSING: Duration = Duration::from_millis(500);

    pub(in crate::doctor) async fn check(walk: &mut Walk, at: &At) {
        let step = CheckStep::Video;
        let limit = walk.allow(VIDEO);
        if limit < LEAST {
            return walk.skip(step, "no time is left for it");
        }
        walk.begin(step);
        let begun = Instant::now();
        let source = ManualSource::new();
        let sender = source.sender();
        let session = match session(walk, at, source, limit) {
            Ok(session) => session,
            Err(error) => {
                let advice = "please report this";
                let diagnosis = Diagnosis::new(step, Cause::NoVideo, error.to_string(), advice);
                let found = Found::new(begun.elapsed(), "not begun", json!({}));
                return walk.fail(step, found, diagnosis);
            }
        };
        let closer = session.closer();
        let deadline = begun + limit - CLOSING;
        let played = tokio::task::spawn_blocking(move || {
            let ended = play(&session, &sender, deadline);
            let stats = session.stats();
            session.close();
            (ended, stats)
        });
        let Ok(Ok((ended, stats))) = tokio::time::timeout(limit, played).await else {
            // Bounded by itself, and nobody waits for it.
            tokio::task::spawn_blocking(move || closer.close());
            let found = Found::new(begun.elapsed(), "did not end", json!({}));
            return walk.fail(step, found, stalled(0, limit));
        };
        let back = stats.frames.delivered;
        let against = match ended {
            Err(WaitError::Session(error)) => Some(judge::of_error(step, &error)),
            _ if back == 0 => Some(none_back(&stats, begun.elapsed())),
            Err(WaitError::Timeout(_)) if back < u64::from(FRAMES) / 2 => {
                Some(stalled(back, begun.elapsed()))
            }
            _ => None,
        };
        if against.as_ref().map(|against| against.cause) == Some(Cause::WorkerBusy) {
            // The first session took the last place, which is free again a moment after its end.
            return walk.skip(step, "the worker has no place for a second session");
        }
        walk.add(step, found(begun.elapsed(), &stats), against, None);
    }

    fn session(
        walk: &Walk,
        at: &At,
        source: ManualSource,
        limit: Duration,
    ) -> Result<Session, crate::error::ConfigError> {
        let patient = &walk.patient;
        let mut options = patient.options.clone();
        options.reach_timeout = options.reach_timeout.min(limit);
        options.signalling_timeout = options.signalling_timeout.min(limit);
        options.connect_timeout = options.connect_timeout.min(limit).min(CONNECT);
        options.initial_frame_timeout = options.initial_frame_timeout.min(limit);
        options.shutdown_timeout = CLOSING;
        let mut config = StreamConfig::new().stream_output([OUTPUT]);
        config.turn_server = patient.ice.as_ref().map(crate::ice::IceConfig::to_request);
        let mut client = Client::new(at.api.as_str())
            .with_options(options)
            .with_api_key_transport(patient.transport);
        if let Some(key) = &patient.api_key {
            client = client.with_api_key(key);
        }
        client.stream(source, Workflow::inline(workflow()), config)
    }

    /// Sends the pictures at their pace and takes those that come back.
    fn play(session: &Session, sender: &FrameSender, deadline: Instant) -> Result<(), WaitError> {
        session.on_frame(|_| {});
        // What is sent while the session connects is left out, and would look lost. Bounded by the limits of connecting.
        Handle::current().block_on(session.ready())?;
        std::thread::scope(|scope| {
            scope.spawn(|| send(sender, deadline));
            // Frames are handed over by this call, so it must not wait for the last one to be sent.
            let left = deadline.saturating_duration_since(Instant::now());
            session.wait(Some(left)).map(drop)
        })
    }

    fn send(sender: &FrameSender, deadline: Instant) {
        let pool = FramePool::default();
        let begun = Instant::now();
        let interval = Duration::from_secs(1) / FPS;
        if let Ok(mut pattern) = TestPattern::new(SIZE.0, SIZE.1, FPS) {
            for number in 0..FRAMES {
                let due = begun + interval * number;
                // A session that ended meanwhile says why to whoever waits for it.
                let sent = pattern.frame(number + 1, &pool).map(|frame| {
                    std::thread::sleep(due.saturating_duration_since(Instant::now()));
                    sender.send(frame)
                });
                if !matches!(sent, Ok(Ok(()))) || due > deadline {
                    break;
                }
            }
        }
        sender.end();
    }

    fn found(took: Duration, stats: &SessionStats) -> Found {
        let frames = &stats.frames;
        let latency = stats.latency.as_ref();
        let detail = match latency {
            Some(latency) => format!(
                "{} of {FRAMES} pictures came back, after {:.1} ms (p50), {:.1} ms (p95)",
                frames.delivered,
                ms(latency.p50),
                ms(latency.p95)
            ),
            None => format!("{} of {FRAMES} pictures came back", frames.delivered),
        };
        let stages = stats.stages.iter();
        let stages: BTreeMap<&str, f64> = stages
            .map(|(stage, latency)| (stage.as_str(), ms(latency.p50)))
            .collect();
        let dropped = frames.dropped.iter();
        let dropped: BTreeMap<&str, u64> = dropped
            .map(|(reason, count)| (reason.as_str(), *count))
            .collect();
        let facts = json!({
            "sent": FRAMES,
            "delivered": frames.delivered,
            "dropped": dropped,
            "latency_ms": latency.map(|latency| json!({"p50": ms(latency.p50), "p95": ms(latency.p95), "n": latency.n})),
            "stages_ms": stages,
            "connect_ms": stats.connect.map(ms),
            "first_frame_ms": stats.first_frame.map(ms),
        });
        Found::new(took, detail, facts)
    }

    fn none_back(stats: &SessionStats, waited: Duration) -> Diagnosis {
        Diagnosis::new(
            CheckStep::Video,
            Cause::NoVideo,
            format!(
                "{FRAMES} pictures were sent and none came back within {:.1} s ({} results came)",
                waited.as_secs_f64(),
                stats.results
            ),
            "look at the worker's log for errors of its decoder or encoder; a path that loses large datagrams looks like this as well",
        )
    }

    fn stalled(back: u64, waited: Duration) -> Diagnosis {
        Diagnosis::new(
            CheckStep::Video,
            Cause::VideoStalled,
            format!(
                "{back} of {FRAMES} pictures came back within {:.1} s, and then no more",
                waited.as_secs_f64()
            ),
            "look at the worker's load and its log, and at the losses of the path",
        )
    }
}
