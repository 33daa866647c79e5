//! The whole page of `GET /metrics`.
//! Not the counting, and not the format.

use super::label::Label;
use super::reasons::{EndReason, SessionState, Stage};
use super::text::Page;
use super::{Counter, Metrics, process};
use crate::models::{ModelRegistry, RuntimeLibrary, runtime_library};
use crate::session::SourceKind;
use crate::session::places::Census;

/// What is read at the moment of asking.
#[derive(Debug)]
pub(crate) struct Gauges<'a> {
    pub(crate) sessions: Census,
    pub(crate) max_sessions: usize,
    pub(crate) upload_bytes_held: u64,
    pub(crate) upload_space: u64,
    pub(crate) uploads_kept: usize,
    pub(crate) draining: bool,
    pub(crate) models: &'a ModelRegistry,
}

impl Metrics {
    /// The Prometheus text format, version 0.0.4. Reads some small files of the system.
    pub(crate) fn render(&self, now: &Gauges<'_>) -> String {
        let mut page = Page::with_capacity(64 << 10);
        build(&mut page);
        self.sessions(&mut page, now);
        self.frames(&mut page);
        self.uploads(&mut page, now);
        self.render_links(&mut page);
        models(&mut page, now.models);
        page.counters("framewire_errors_total", "What went wrong, by kind.")
            .each("kind", self.errors.each());
        self.http.render(&mut page);
        process::render(&mut page);
        page.into_text()
    }

    fn sessions(&self, page: &mut Page, now: &Gauges<'_>) {
        let mut sessions = page.gauges(
            "framewire_sessions",
            "Sessions now, by state and kind of source; `none` before the source is known.",
        );
        for state in SessionState::ALL {
            sessions.sample(
                &[("state", state.as_str()), ("source", "none")],
                now.sessions.count(*state, None),
            );
            for source in SourceKind::ALL {
                sessions.sample(
                    &[("state", state.as_str()), ("source", source.as_str())],
                    now.sessions.count(*state, Some(source)),
                );
            }
        }
        page.gauge(
            "framewire_sessions_limit",
            "Sessions allowed at once.",
            now.max_sessions,
        );
        page.gauge(
            "framewire_draining",
            "1 while shutting down.",
            u8::from(now.draining),
        );
        page.counters(
            "framewire_sessions_started_total",
            "Sessions answered, by kind of source.",
        )
        .each("source", self.sessions_started.each());
        let mut ended = page.counters(
            "framewire_sessions_ended_total",
            "Sessions that are over, by outcome (completed, cut_short, failed) and its reason.",
        );
        for reason in EndReason::ALL {
            let labels = [
                ("outcome", reason.outcome().as_str()),
                ("reason", reason.as_str()),
            ];
            ended.sample(&labels, self.sessions_ended.of(*reason).get());
        }
        page.counters(
            "framewire_sessions_refused_total",
            "Requests for a session that were refused, by reason.",
        )
        .each("reason", self.sessions_refused.each());
        page.histogram(
            "framewire_session_duration_seconds",
            "From a session's answer to its end.",
            &self.session_seconds,
        );
        page.histogram(
            "framewire_session_connect_seconds",
            "From a session's answer to its open results channel.",
            &self.connect_seconds,
        );
        plain(
            page,
            &[
                (
                    "framewire_ice_restarts_total",
                    "Running sessions that were given a new network path.",
                    &self.ice_restarts,
                ),
                (
                    "framewire_ice_restarts_refused_total",
                    "Requests for a new network path that were refused.",
                    &self.ice_restarts_refused,
                ),
                (
                    "framewire_control_messages_total",
                    "Control messages received.",
                    &self.control_messages,
                ),
                (
                    "framewire_control_rejected_total",
                    "Control messages dropped as unusable.",
                    &self.control_rejected,
                ),
                (
                    "framewire_probe_sent_bytes_total",
                    "Bytes sent because a client measured its connection.",
                    &self.probe_bytes_sent,
                ),
                (
                    "framewire_probe_received_bytes_total",
                    "Bytes received because a client measured its connection.",
                    &self.probe_bytes_received,
                ),
                (
                    "framewire_probe_rejected_total",
                    "Words of clients measuring their connection that were dropped.",
                    &self.probe_rejected,
                ),
            ],
        );
    }

    fn frames(&self, page: &mut Page) {
        page.counters(
            "framewire_source_frames_received_total",
            "Encoded frames of live sources, by kind of source.",
        )
        .each("source", self.source_received.each());
        page.counters(
            "framewire_source_frames_decoded_total",
            "Pictures made of the sources' frames, by kind of source.",
        )
        .each("source", self.source_decoded.each());
        page.counters(
            "framewire_frames_dropped_total",
            "Frames without a result, by reason.",
        )
        .each("reason", self.dropped.each());
        page.counters(
            "framewire_video_frames_dropped_total",
            "Processed frames that are not on their track, by reason.",
        )
        .each("reason", self.video_dropped.each());
        plain(
            page,
            &[
                (
                    "framewire_frames_total",
                    "Frames whose result was sent.",
                    &self.frames,
                ),
                (
                    "framewire_frame_errors_total",
                    "Frames whose result carries errors.",
                    &self.frame_errors,
                ),
                (
                    "framewire_result_bytes_total",
                    "Bytes of results sent.",
                    &self.result_bytes,
                ),
                (
                    "framewire_source_reconnects_total",
                    "Pulled sources that broke off and came back.",
                    &self.source_reconnects,
                ),
                (
                    "framewire_video_frames_sent_total",
                    "Processed frames put on a track.",
                    &self.video_sent,
                ),
                (
                    "framewire_video_keyframes_sent_total",
                    "Keyframes among them.",
                    &self.video_keyframes_sent,
                ),
                (
                    "framewire_video_keyframe_requests_total",
                    "Keyframes the clients asked for.",
                    &self.keyframe_requests_received,
                ),
            ],
        );
        let mut stages = page.histograms(
            "framewire_stage_duration_seconds",
            "What a frame spends in each stage.",
        );
        for stage in Stage::ALL {
            stages.distribution(&[("stage", stage.as_str())], self.stages.of(*stage));
        }
    }

    fn uploads(&self, page: &mut Page, now: &Gauges<'_>) {
        page.gauge(
            "framewire_upload_held_bytes",
            "Bytes of uploads on disk now.",
            now.upload_bytes_held,
        );
        page.gauge(
            "framewire_upload_space_bytes",
            "Bytes of uploads allowed on disk.",
            now.upload_space,
        );
        page.gauge(
            "framewire_uploads_kept",
            "Uploads of broken sessions that wait for the next one.",
            now.uploads_kept,
        );
        plain(
            page,
            &[
                (
                    "framewire_upload_bytes_total",
                    "Bytes of video received.",
                    &self.upload_bytes,
                ),
                (
                    "framewire_uploads_resumed_total",
                    "Uploads that went on where an earlier session had stopped.",
                    &self.uploads_resumed,
                ),
                (
                    "framewire_uploads_damaged_total",
                    "Uploads whose hash was not what their sender said.",
                    &self.uploads_damaged,
                ),
            ],
        );
    }
}

fn plain(page: &mut Page, counters: &[(&str, &str, &Counter)]) {
    for (name, help, counter) in counters {
        page.counter(name, help, counter.get());
    }
}

fn build(page: &mut Page) {
    let runtime = match runtime_library() {
        RuntimeLibrary::Loaded { build, .. } => commit_in(build).unwrap_or("unknown"),
        _ => "none",
    };
    page.gauges(
        "framewire_build_info",
        "Always 1; the labels say what runs: versions of the worker and FFmpeg, commit of ONNX Runtime.",
    )
    .sample(
        &[
            ("version", env!("CARGO_PKG_VERSION")),
            ("ffmpeg", &framewire_media::ffmpeg_version()),
            ("onnxruntime", runtime),
        ],
        1,
    );
}

/// ONNX Runtime says which commit it was built from, not which version.
fn commit_in(build: &str) -> Option<&str> {
    let (_, rest) = build.split_once("git-commit-id=")?;
    rest.split([',', ' ', ')']).next()
}

/// One series of each loaded model; their number is bounded when the worker starts.
fn models(page: &mut Page, models: &ModelRegistry) {
    let mut info = page.gauges(
        "framewire_model_info",
        "Always 1; the labels say which models are loaded and which engine computes them.",
    );
    for model in models.models() {
        let labels = [
            ("model", model.id()),
            ("engine", model.backend().name()),
            ("task", model.task_type().as_str()),
        ];
        info.sample(&labels, 1);
    }
    let mut seconds = page.histograms(
        "framewire_model_inference_seconds",
        "What a model takes for a picture, preparing it and reading the outputs included.",
    );
    for model in models.models() {
        seconds.distribution(&[("model", model.id())], &model.usage().inferences);
    }
    let mut waits = page.counters(
        "framewire_model_wait_seconds_total",
        "Time frames waited for a free engine of the model.",
    );
    for model in models.models() {
        waits.sample(&[("model", model.id())], model.waited().as_secs_f64());
    }
    let mut errors = page.counters(
        "framewire_model_errors_total",
        "Pictures a model gave no result for.",
    );
    for model in models.models() {
        errors.sample(&[("model", model.id())], model.usage().errors.get());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commit_is_found_in_what_the_runtime_says_of_itself() {
        let said = "ORT Build Info: git-branch=HEAD, git-commit-id=a83fc4d58c, build type=Release";
        assert_eq!(commit_in(said), Some("a83fc4d58c"));
        assert_eq!(commit_in("nothing of the kind"), None);
    }
}
