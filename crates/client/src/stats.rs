//! Figures of a session and how they are collected.
//! Not here: deciding what is dropped; whoever drops says why.

use std::collections::BTreeMap;
use std::time::Duration;

use framewire_transport::{DataStats, VideoStats};

/// Why frames were not delivered. [`as_str`](DropReason::as_str) is the name in the binary's summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum DropReason {
    /// Realtime only: a newer frame replaced it before the consumer was ready.
    HandlerTooSlow,
    /// Its message or picture could not be decoded.
    Undecodable,
    /// The pictures that the program holds leave no room for it ([`ClientOptions::frame_pool_bytes`](crate::ClientOptions)).
    NoMemory,
    /// The result held no picture although one was asked for.
    NoPicture,
    /// Its message never arrived.
    Network,
    /// It came while the session was paused (realtime, frames of the worker's).
    Paused,
    /// The session was closed before it was delivered.
    Closed,
    /// Announced, and the session was closed before it arrived.
    NotReceived,
    /// Its result came after a newer one ([`StreamConfig::fresh_results`](crate::StreamConfig)).
    Overtaken,
}

impl DropReason {
    /// The name used in summaries.
    pub fn as_str(self) -> &'static str {
        match self {
            DropReason::HandlerTooSlow => "handler_too_slow",
            DropReason::Undecodable => "undecodable",
            DropReason::NoMemory => "no_memory",
            DropReason::NoPicture => "no_picture",
            DropReason::Network => "network",
            DropReason::Paused => "paused",
            DropReason::Closed => "closed",
            DropReason::NotReceived => "not_received",
            DropReason::Overtaken => "overtaken",
        }
    }

    /// Whether frames dropped for this reason had arrived on this side.
    pub fn is_after_receipt(self) -> bool {
        !matches!(self, DropReason::Network | DropReason::NotReceived)
    }
}

/// Frames by fate, consistent in every snapshot: `produced == delivered + sum(dropped) + in_flight`, and
/// `received == delivered + dropped_after_receipt() + queued`. `in_flight` and `queued` are 0 once the session is over.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct FrameCounts {
    /// Highest frame id the worker announced.
    pub produced: u64,
    /// Frames that arrived here, whatever became of them then.
    pub received: u64,
    /// Frames handed to a handler, an iterator or `wait`. When no pictures were asked for: results dispatched.
    pub delivered: u64,
    /// Frames not delivered, by reason.
    pub dropped: BTreeMap<DropReason, u64>,
    /// Arrived and waiting for their consumer.
    pub queued: u64,
    /// Announced and still under way, `queued` included.
    pub in_flight: u64,
}

impl FrameCounts {
    /// Frames dropped after they had arrived, for whatever reason.
    pub fn dropped_after_receipt(&self) -> u64 {
        let dropped = self.dropped.iter();
        dropped
            .filter(|(reason, _)| reason.is_after_receipt())
            .map(|(_, count)| count)
            .sum()
    }
}

/// Percentiles of a latency.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct LatencySummary {
    /// Median.
    pub p50: Duration,
    /// 95th percentile.
    pub p95: Duration,
    /// 99th percentile.
    pub p99: Duration,
    /// Number of measurements.
    pub n: u64,
}

/// State of the upload.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub struct UploadStats {
    /// File bytes handed to the channel so far, on the current connection.
    pub bytes: u64,
    /// File bytes the worker had from an earlier connection, which are not sent again. `bytes + resumed_bytes` is
    /// `total_bytes` once the upload is complete.
    pub resumed_bytes: u64,
    /// Size of the file; 0 before it is known.
    pub total_bytes: u64,
    /// From the first chunk until now, or until all bytes had left for the network.
    pub elapsed: Duration,
    /// Whether everything was handed over.
    pub complete: bool,
    /// Whether the worker confirmed that its file is this one, byte for byte. Originals do not.
    pub verified: bool,
    /// Bytes sent per second over the last two seconds; none before anything was sent.
    pub recent_rate: Option<f64>,
}

impl UploadStats {
    /// Bytes sent per second; none before anything was sent.
    pub fn rate(&self) -> Option<f64> {
        (self.bytes > 0 && !self.elapsed.is_zero())
            .then(|| self.bytes as f64 / self.elapsed.as_secs_f64())
    }

    /// How long the rest takes at [`recent_rate`](Self::recent_rate).
    pub fn remaining(&self) -> Option<Duration> {
        let left = self
            .total_bytes
            .saturating_sub(self.bytes + self.resumed_bytes);
        Duration::try_from_secs_f64(left as f64 / self.recent_rate?).ok()
    }
}

/// A part of a frame's way. [`as_str`](Stage::as_str) is the name in summaries.
///
/// No clocks are compared: what happens at the worker is measured there and told as durations, and the network's share is
/// what remains of the round trip. An original worker tells nothing, so its stages and the network are one: `worker`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// From capture until the encoder took the frame.
    Capture,
    /// Encoding for the worker.
    Encode,
    /// From the encoder until it was handed to the network.
    Send,
    /// The network's share of the round trip, both ways.
    Network,
    /// Everything at the worker; against an original, the network included.
    Worker,
    /// Waiting at the worker.
    WorkerQueue,
    /// Decoding at the worker.
    WorkerDecode,
    /// The workflow.
    WorkerInfer,
    /// Encoding at the worker.
    WorkerEncode,
    /// From the first packet of a returned frame to its last.
    Receive,
    /// From the last packet to a decoded picture.
    Decode,
    /// From a decoded picture to its handler.
    Deliver,
    /// From capture to the handler.
    Total,
}

impl Stage {
    /// The name used in summaries.
    pub fn as_str(self) -> &'static str {
        match self {
            Stage::Capture => "capture",
            Stage::Encode => "encode",
            Stage::Send => "send",
            Stage::Network => "network",
            Stage::Worker => "worker",
            Stage::WorkerQueue => "worker_queue",
            Stage::WorkerDecode => "worker_decode",
            Stage::WorkerInfer => "worker_infer",
            Stage::WorkerEncode => "worker_encode",
            Stage::Receive => "receive",
            Stage::Decode => "decode",
            Stage::Deliver => "deliver",
            Stage::Total => "total",
        }
    }
}

/// Frames of a video track by how surely their result is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct PairingCounts {
    /// The worker said which result belongs to the frame.
    pub exact: u64,
    /// An original's timestamps were compared and fit.
    pub nearest: u64,
    /// No result came in time.
    pub unpaired: u64,
}

/// Results that were lost or dropped because their session wants them fresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct FreshCounts {
    /// Came after a newer result and were dropped.
    pub overtaken: u64,
    /// Arrived in part only. Of others nothing arrives at all; those show in the numbers of the frames.
    pub incomplete: u64,
}

/// What this side captured and sent on a video track. `captured == sent + sum(dropped)` once the session is over.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct OutgoingStats {
    /// Frames the source gave since the session started.
    pub captured: u64,
    /// Frames handed to the network.
    pub sent: u64,
    /// Of those, keyframes.
    pub keyframes: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Frames not sent, by reason: `replaced` by a newer one, `no_room` on the network, `encoder` refused,
    /// `paused`, `closed`.
    pub dropped: BTreeMap<&'static str, u64>,
    /// Bits per second the encoder works with at the moment.
    pub bitrate: u32,
}

/// A snapshot of a session's figures.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct SessionStats {
    /// Frames by fate.
    pub frames: FrameCounts,
    /// Result messages dispatched to handlers.
    pub results: u64,
    /// Per-frame error texts the worker reported.
    pub errors: u64,
    /// Messages that could not be used, by reason. They cost frames only if their frame never came otherwise.
    pub bad_messages: BTreeMap<&'static str, u64>,
    /// Errors that did not end the session, by kind: all that [`Session::errors`](crate::Session::errors) has had.
    pub stream_errors: BTreeMap<&'static str, u64>,
    /// Handlers that panicked; each is logged and the session goes on.
    pub handler_panics: u64,
    /// Frames delivered per second, first to last; none before the second one.
    pub fps: Option<f64>,
    /// Since the source was ready, until now or the end.
    pub elapsed: Duration,
    /// From the ready source to open channels.
    pub connect: Option<Duration>,
    /// From the ready source to the first delivered frame.
    pub first_frame: Option<Duration>,
    /// From the capture of a frame to its delivery, for frames captured here (against an original it is an estimate);
    /// otherwise, realtime only, from the arrival of a frame to its delivery.
    pub latency: Option<LatencySummary>,
    /// The parts of a frame's way that could be measured, in the order of the way.
    pub stages: Vec<(Stage, LatencySummary)>,
    /// Frames of a video track by how they found their result.
    pub pairing: PairingCounts,
    /// Sources that send a track: what was captured and sent.
    pub outgoing: Option<OutgoingStats>,
    /// The data channels of the current connection, all together: rate, round trip, losses, queues.
    pub transport: Option<DataStats>,
    /// Sessions with a video track: packets, losses, repairs and estimates of its network side.
    pub video: Option<VideoStats>,
    /// The upload.
    pub upload: UploadStats,
    /// New connections after a broken link that brought results.
    pub reconnects: u64,
    /// New network paths that the worker gave the running session while its link was silent.
    pub ice_restarts: u64,
    /// Frames that came again on a new connection and were skipped: their first coming was delivered or counted as dropped.
    pub repeated: u64,
    /// Results lost or dropped for newer ones ([`StreamConfig::fresh_results`](crate::StreamConfig)).
    pub fresh_results: FreshCounts,
}

/// Counts durations in logarithmic classes (64 for each doubling: at most 1.6 % off) in fixed memory.
#[derive(Debug)]
pub(crate) struct Histogram {
    classes: Vec<u64>,
    n: u64,
}

const PER_DOUBLING: u32 = 64;
/// Covers 1 µs to 2^34 µs, about 4.8 hours; longer ones count as that.
const DOUBLINGS: u32 = 34;

impl Default for Histogram {
    fn default() -> Self {
        Histogram {
            classes: vec![0; (PER_DOUBLING * (DOUBLINGS + 1)) as usize],
            n: 0,
        }
    }
}

impl Histogram {
    pub(crate) fn record(&mut self, value: Duration) {
        let class = class_of(u64::try_from(value.as_micros()).unwrap_or(u64::MAX))
            .min(self.classes.len() - 1);
        self.classes[class] += 1;
        self.n += 1;
    }

    pub(crate) fn summary(&self) -> Option<LatencySummary> {
        (self.n > 0).then(|| LatencySummary {
            p50: self.percentile(0.50),
            p95: self.percentile(0.95),
            p99: self.percentile(0.99),
            n: self.n,
        })
    }

    fn percentile(&self, share: f64) -> Duration {
        let rank = ((self.n as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        for (class, count) in self.classes.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return Duration::from_micros(middle_of(class));
            }
        }
        Duration::ZERO
    }
}

/// Values below 64 have a class each; above, each doubling is cut into 64.
fn class_of(micros: u64) -> usize {
    if micros < u64::from(PER_DOUBLING) {
        return micros as usize;
    }
    let doubling = micros.ilog2() - PER_DOUBLING.ilog2();
    let within = (micros >> doubling) - u64::from(PER_DOUBLING);
    ((doubling + 1) * PER_DOUBLING) as usize + within as usize
}

fn middle_of(class: usize) -> u64 {
    let class = class as u64;
    let per = u64::from(PER_DOUBLING);
    if class < per {
        return class;
    }
    let doubling = class / per - 1;
    let low = (per + class % per) << doubling;
    low + (1 << doubling) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_within_two_percent() {
        let mut histogram = Histogram::default();
        for micros in 1..=100_000 {
            histogram.record(Duration::from_micros(micros));
        }
        let summary = histogram.summary().unwrap();
        assert_eq!(summary.n, 100_000);
        for (found, expected) in [
            (summary.p50, 50_000.0),
            (summary.p95, 95_000.0),
            (summary.p99, 99_000.0),
        ] {
            let off = (found.as_micros() as f64 - expected).abs() / expected;
            assert!(off < 0.02, "{found:?} for {expected} µs");
        }
    }

    #[test]
    fn extremes_fit_and_nothing_is_nothing() {
        let mut histogram = Histogram::default();
        assert!(histogram.summary().is_none());
        histogram.record(Duration::ZERO);
        histogram.record(Duration::MAX);
        assert_eq!(histogram.summary().unwrap().n, 2);
    }

    #[test]
    fn upload_rate_needs_bytes_and_time() {
        assert_eq!(UploadStats::default().rate(), None);
        let stats = UploadStats {
            bytes: 10,
            elapsed: Duration::from_secs(2),
            ..UploadStats::default()
        };
        assert_eq!(stats.rate(), Some(5.0));
    }
}
