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
    use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
    use std::time::{Duration, Instant};

    use framewire_media::{FramePool, TestPattern};
    use serde_json::json;
    use tokio::runtime::Handle;

    use super::{At, CheckStep, OUTPUT, SIZE, Walk, workflow};
    use crate::client::Client;
    use crate::config::StreamConfig;
    use crate::diagnosis::{Cause, Diagnosis};
    use crate::doctor::connect::OFFER_ORIGINAL;
    use crate::doctor::judge;
    use crate::doctor::report::{WorkerKind, ms};
    use crate::doctor::walk::Found;
    use crate::error::{SessionError, WaitError};
    use crate::session::Session;
    use crate::source::{FrameSender, ManualSource};
    use crate::stats::SessionStats;
    use crate::workflow::Workflow;

    const FPS: u32 = 30;
    const FRAMES: u32 = 30;
    /// Longest time for the whole step …
    const VIDEO: Duration = Duration::from_secs(12);
    /// … and less than this is not worth beginning.
    const LEAST: Duration = Duration::from_millis(2500);
    /// So long without a picture is a standstill.
    const STANDSTILL: Duration = Duration::from_millis(2500);
    /// Kept for closing.
    const CLOSING: Duration = Duration::from_millis(500);
    /// After so long the place of the first session is free again, if it is its.
    const PLACE: Duration = Duration::from_millis(500);

    pub(in crate::doctor) async fn check(walk: &mut Walk, at: &At) {
        let step = CheckStep::Video;
        let limit = walk.allow(VIDEO);
        if limit < LEAST {
            return walk.skip(step, "no time is left for it");
        }
        walk.begin(step);
        let begun = Instant::now();
        let mut came = attempt(walk, at, limit).await;
        // The first session may have held the only place.
        let busy = |came: &Result<(Played, SessionStats), Diagnosis>| matches!(came, Ok((Played::Failed(error), _)) if judge::of_error(step, error).cause == Cause::WorkerBusy);
        if busy(&came) && walk.left() > LEAST + PLACE {
            tokio::time::sleep(PLACE).await;
            came = attempt(walk, at, walk.allow(VIDEO)).await;
        }
        let (ended, stats) = match came {
            Ok(came) => came,
            Err(diagnosis) => {
                let found = Found::new(begun.elapsed(), "not begun", json!({}));
                return walk.fail(step, found, diagnosis);
            }
        };
        let seen = Seen {
            back: stats.frames.delivered,
            results: stats.results,
            connected: stats.connect.is_some(),
            waited: begun.elapsed(),
            poor: walk.has_poor_path(),
        };
        match seen.verdict(ended) {
            Verdict::Fine => walk.ok(step, found(seen.waited, &stats)),
            Verdict::Wrong(diagnosis) => walk.fail(step, found(seen.waited, &stats), diagnosis),
            Verdict::Unknown(why) => walk.skip(step, why),
        }
    }

    /// One session. What an original takes to answer its offer does not count against the whole.
    async fn attempt(
        walk: &mut Walk,
        at: &At,
        limit: Duration,
    ) -> Result<(Played, SessionStats), Diagnosis> {
        let begun = Instant::now();
        let extra = match walk.worker.kind {
            WorkerKind::Original => OFFER_ORIGINAL,
            _ => Duration::ZERO,
        };
        let source = ManualSource::new();
        let sender = source.sender();
        let session = session(walk, at, source, limit, extra).map_err(|error| {
            let advice = "please report this";
            Diagnosis::new(CheckStep::Video, Cause::NoVideo, error.to_string(), advice)
        })?;
        let closer = session.closer();
        let time = limit.saturating_sub(CLOSING);
        let played = tokio::task::spawn_blocking(move || {
            let ended = play(&session, &sender, time, extra);
            let stats = session.stats();
            session.close();
            (ended, stats)
        });
        let came = match tokio::time::timeout(limit + extra, played).await {
            Ok(Ok(came)) => came,
            // Bounded by itself, and nobody waits for it.
            _ => {
                tokio::task::spawn_blocking(move || closer.close());
                (Played::NotReady, SessionStats::default())
            }
        };
        walk.excuse(begun.elapsed().min(extra));
        Ok(came)
    }

    /// How the pictures' session went.
    enum Played {
        /// It did not come up in the time there was.
        NotReady,
        Failed(SessionError),
        /// It did not end in the time there was; since when no picture had come, if ever one had.
        Late(Option<Duration>),
        Ended,
    }

    /// What a verdict depends on besides.
    #[derive(Clone, Copy)]
    struct Seen {
        back: u64,
        results: u64,
        /// Its channels opened.
        connected: bool,
        waited: Duration,
        /// The path is known to be lossy or long: sessions bear that, given more time than there is here.
        poor: bool,
    }

    enum Verdict {
        Fine,
        Wrong(Diagnosis),
        Unknown(&'static str),
    }

    impl Seen {
        fn verdict(self, ended: Played) -> Verdict {
            let found = |cause, problem: String, advice: &str| {
                Verdict::Wrong(Diagnosis::new(CheckStep::Video, cause, problem, advice))
            };
            let seconds = self.waited.as_secs_f64();
            match ended {
                Played::NotReady if self.poor => Verdict::Unknown(TOO_SHORT),
                Played::NotReady => {
                    let problem = match self.connected {
                        true => "connected and could not begin to send pictures",
                        false => "got no usable answer or no connection",
                    };
                    found(
                        Cause::NoVideo,
                        format!("a second session {problem} within {seconds:.1} s"),
                        "look at the worker's log and its load",
                    )
                }
                Played::Failed(error) => {
                    let diagnosis = judge::of_error(CheckStep::Video, &error);
                    let path = [CheckStep::Ice, CheckStep::Dtls, CheckStep::DataChannel];
                    match diagnosis.cause {
                        // The first session took the last place, which is free again a moment after its end.
                        Cause::WorkerBusy => {
                            Verdict::Unknown("the worker has no place for a second session")
                        }
                        _ if self.poor && path.contains(&diagnosis.step) => {
                            Verdict::Unknown(TOO_SHORT)
                        }
                        _ => Verdict::Wrong(diagnosis),
                    }
                }
                Played::Late(None) if self.poor => Verdict::Unknown(TOO_SHORT),
                _ if self.back == 0 => found(
                    Cause::NoVideo,
                    format!(
                        "{FRAMES} pictures were sent and none came back within {seconds:.1} s ({} results came)",
                        self.results
                    ),
                    "look at the worker's log for errors of its decoder or encoder; a path that loses large datagrams looks like this as well",
                ),
                Played::Late(Some(since)) if since >= STANDSTILL => found(
                    Cause::VideoStalled,
                    format!(
                        "{} of {FRAMES} pictures came back, and none for {:.1} s",
                        self.back,
                        since.as_secs_f64()
                    ),
                    "look at the worker's load and its log, and at the losses of the path",
                ),
                Played::Late(_) | Played::Ended => Verdict::Fine,
            }
        }
    }

    const TOO_SHORT: &str =
        "on this path the time that was left is too short to say; sessions wait longer";

    fn session(
        walk: &Walk,
        at: &At,
        source: ManualSource,
        limit: Duration,
        extra: Duration,
    ) -> Result<Session, crate::error::ConfigError> {
        let patient = &walk.patient;
        let mut options = patient.options.clone();
        // Shorter than the whole, so that the step that takes too long says so itself.
        options.reach_timeout = options.reach_timeout.min(limit / 2);
        options.signalling_timeout = options.signalling_timeout.min(limit / 2 + extra);
        options.connect_timeout = options.connect_timeout.min(limit / 4); // twice as long where something comes in
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
    /// `extra` is for coming up only.
    fn play(session: &Session, sender: &FrameSender, time: Duration, extra: Duration) -> Played {
        let deadline = Instant::now() + time + extra;
        let last = Arc::new(Mutex::new(None));
        let seen = last.clone();
        session.on_frame(move |_| *lock(&seen) = Some(Instant::now()));
        // What is sent while the session connects is left out, and would look lost.
        let ready = async { tokio::time::timeout_at(deadline.into(), session.ready()).await };
        match Handle::current().block_on(ready) {
            Err(_) => return Played::NotReady,
            Ok(Err(error)) => return Played::Failed(error),
            Ok(Ok(())) => {}
        }
        let deadline = deadline.min(Instant::now() + time);
        let ended = std::thread::scope(|scope| {
            scope.spawn(|| send(sender, deadline));
            // Frames are handed over by this call, so it must not wait for the last one to be sent.
            let left = deadline.saturating_duration_since(Instant::now());
            session.wait(Some(left))
        });
        let last = *lock(&last);
        match ended {
            Ok(_) => Played::Ended,
            Err(WaitError::Session(error)) => Played::Failed(error),
            Err(_) => Played::Late(last.map(|last| last.elapsed())),
        }
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

    fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn only_a_good_path_speaks_against_a_session_that_ran_out_of_time() {
            let cause = |back, poor, ended| {
                let seen = Seen {
                    back,
                    results: 0,
                    connected: back > 0,
                    waited: Duration::from_secs(9),
                    poor,
                };
                match seen.verdict(ended) {
                    Verdict::Fine => "fine",
                    Verdict::Wrong(diagnosis) => diagnosis.cause.as_str(),
                    Verdict::Unknown(_) => "unknown",
                }
            };
            let late = |ms| Played::Late(Some(Duration::from_millis(ms)));
            for (back, poor, ended, expected) in [
                (30, false, Played::Ended, "fine"),
                (0, false, Played::Ended, "no_video"),
                (0, true, Played::Ended, "no_video"),
                (0, false, Played::NotReady, "no_video"),
                (0, true, Played::NotReady, "unknown"),
                (0, false, Played::Late(None), "no_video"),
                (0, true, Played::Late(None), "unknown"),
                (13, false, late(100), "fine"),
                (13, false, late(3000), "video_stalled"),
                (13, true, late(3000), "video_stalled"),
            ] {
                assert_eq!(cause(back, poor, ended), expected, "{back} {poor}");
            }
        }
    }
}
