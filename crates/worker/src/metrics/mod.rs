//! What one worker counts over all its sessions, and how `GET /metrics` says it.
//! Not statistics of a single session: those go to its closing log line. A label for each session would leave a new series
//! in the database of whoever scrapes, for each session there ever was.

mod histogram;
mod http;
mod label;
mod links;
mod process;
mod reasons;
mod render;
mod text;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub(crate) use histogram::{Histogram, STAGE};
pub(crate) use label::{Counters, Label};
pub(crate) use reasons::{
    DropReason, EndReason, ErrorKind, Outcome, Refusal, SessionState, Stage, VideoDropReason,
};
pub(crate) use render::Gauges;

use crate::latency::{Latency, LatencySummary};
use crate::session::SourceKind;
use histogram::{ROUND_TRIP, SESSION};
use http::HttpMetrics;
use label::Histograms;
use links::Links;

/// Everything counted. Each update is a relaxed atomic addition or two.
#[derive(Debug)]
pub(crate) struct Metrics {
    pub(crate) sessions_started: Counters<SourceKind>,
    pub(crate) sessions_refused: Counters<Refusal>,
    sessions_ended: Counters<EndReason>,
    session_seconds: Histogram,
    connect_seconds: Histogram,
    pub(crate) ice_restarts: Counter,
    pub(crate) ice_restarts_refused: Counter,
    pub(crate) frames: Counter,
    pub(crate) frame_errors: Counter,
    pub(crate) upload_bytes: Counter,
    pub(crate) uploads_resumed: Counter,
    pub(crate) uploads_damaged: Counter,
    pub(crate) result_bytes: Counter,
    pub(crate) control_messages: Counter,
    pub(crate) control_rejected: Counter,
    pub(crate) probe_bytes_sent: Counter,
    pub(crate) probe_bytes_received: Counter,
    pub(crate) probe_rejected: Counter,
    /// Encoded frames of live sources.
    pub(crate) source_received: Counters<SourceKind>,
    /// Pictures made of them.
    pub(crate) source_decoded: Counters<SourceKind>,
    pub(crate) source_reconnects: Counter,
    pub(crate) video_sent: Counter,
    pub(crate) video_keyframes_sent: Counter,
    pub(crate) keyframe_requests_received: Counter,
    pub(crate) dropped: Counters<DropReason>,
    pub(crate) video_dropped: Counters<VideoDropReason>,
    pub(crate) errors: Counters<ErrorKind>,
    pub(crate) http: HttpMetrics,
    stages: Histograms<Stage>,
    /// The same in finer buckets, for the worker's own statistics.
    latencies: Vec<Latency>,
    /// Round trips of the sessions, one for each at each reading.
    round_trips: Histogram,
    links: Mutex<Links>,
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics {
            sessions_started: Counters::default(),
            sessions_refused: Counters::default(),
            sessions_ended: Counters::default(),
            session_seconds: Histogram::new(SESSION),
            connect_seconds: Histogram::new(STAGE),
            ice_restarts: Counter::default(),
            ice_restarts_refused: Counter::default(),
            frames: Counter::default(),
            frame_errors: Counter::default(),
            upload_bytes: Counter::default(),
            uploads_resumed: Counter::default(),
            uploads_damaged: Counter::default(),
            result_bytes: Counter::default(),
            control_messages: Counter::default(),
            control_rejected: Counter::default(),
            probe_bytes_sent: Counter::default(),
            probe_bytes_received: Counter::default(),
            probe_rejected: Counter::default(),
            source_received: Counters::default(),
            source_decoded: Counters::default(),
            source_reconnects: Counter::default(),
            video_sent: Counter::default(),
            video_keyframes_sent: Counter::default(),
            keyframe_requests_received: Counter::default(),
            dropped: Counters::default(),
            video_dropped: Counters::default(),
            errors: Counters::default(),
            http: HttpMetrics::default(),
            stages: Histograms::new(STAGE),
            latencies: Stage::ALL.iter().map(|_| Latency::default()).collect(),
            round_trips: Histogram::new(ROUND_TRIP),
            links: Mutex::default(),
        }
    }
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Metrics {
    /// What a stage took for one frame.
    pub(crate) fn stage(&self, stage: Stage, took: Duration) {
        self.stages.of(stage).record(took);
        self.latencies[stage.index()].record(took); // one was made for each
    }

    /// What frames spent in each stage so far.
    pub(crate) fn stage_summaries(&self) -> Vec<(&'static str, LatencySummary)> {
        let stages = Stage::ALL.iter().zip(&self.latencies);
        stages
            .map(|(stage, latency)| (stage.as_str(), latency.summary()))
            .collect()
    }

    /// A session's connection came up, this long after its answer.
    pub(crate) fn connected(&self, took: Duration) {
        self.connect_seconds.record(took);
    }

    /// A session is over.
    pub(crate) fn ended(&self, reason: EndReason, took: Duration) {
        self.sessions_ended.of(reason).add(1);
        self.session_seconds.record(took);
        let kind = match reason {
            EndReason::Done | EndReason::ClientLeft | EndReason::Shutdown => return,
            EndReason::SourceFailed => ErrorKind::Source,
            EndReason::UploadStalled | EndReason::UploadDamaged => ErrorKind::Upload,
            EndReason::TimedOut => ErrorKind::Timeout,
            EndReason::ClientVanished | EndReason::NeverConnected | EndReason::ConnectionLost => {
                ErrorKind::Connection
            }
            EndReason::Internal => ErrorKind::Internal,
        };
        self.errors.of(kind).add(1);
    }

    /// Sessions that came to this.
    pub(crate) fn ended_as(&self, outcome: Outcome) -> u64 {
        let reasons = EndReason::ALL.iter().copied();
        reasons
            .filter(|reason| reason.outcome() == outcome)
            .map(|reason| self.sessions_ended.of(reason).get())
            .sum()
    }
}
