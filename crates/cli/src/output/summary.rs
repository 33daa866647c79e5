//! The summary JSON: what happened in one run, in numbers.
//! Not here: how the numbers are measured.

use std::collections::BTreeMap;

use serde::Serialize;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ended {
    Complete,
    Closed,
    Timeout,
    ProcessingTimeout,
    Interrupted,
    Error,
}

/// The whole summary. Field order is the order in the file.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Summary {
    pub(crate) ended: Ended,
    pub(crate) error: Option<String>,
    pub(crate) source: String,
    pub(crate) api_url: String,
    pub(crate) frames: Frames,
    pub(crate) results: u64,
    pub(crate) errors: u64,
    pub(crate) fps: Option<f64>,
    pub(crate) seconds: f64,
    pub(crate) connect_ms: Option<f64>,
    pub(crate) first_frame_ms: Option<f64>,
    pub(crate) latency_ms: Option<Latency>,
    /// The same for each stage of a frame's way, by the names of `framewire::Stage`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) stages_ms: BTreeMap<&'static str, Latency>,
    /// How frames on a track met their results.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pairing: Option<Pairing>,
    pub(crate) upload: Option<Upload>,
    /// New connections after a broken link; absent when there were none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reconnects: Option<u64>,
    pub(crate) cpu_seconds: f64,
    pub(crate) max_rss_mb: f64,
}

/// `produced == delivered + sum(dropped)` always.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Frames {
    pub(crate) produced: u64,
    pub(crate) delivered: u64,
    pub(crate) dropped: BTreeMap<String, u64>,
}

/// Frames by how they met their result: by the RTP time the worker named, by the nearest timestamp, or not at all.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Pairing {
    pub(crate) exact: u64,
    pub(crate) nearest: u64,
    pub(crate) unpaired: u64,
}

/// Milliseconds from capture to the handler's call.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Latency {
    pub(crate) p50: f64,
    pub(crate) p95: f64,
    pub(crate) p99: f64,
    pub(crate) n: u64,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Upload {
    pub(crate) bytes: u64,
    /// Those the worker had from an earlier connection.
    pub(crate) resumed_bytes: u64,
    pub(crate) seconds: f64,
    pub(crate) mb_per_s: f64,
}

/// A figure rounded for people and files: three decimals are below any noise.
pub(crate) fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
