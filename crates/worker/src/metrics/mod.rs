//! Counters of one worker.
//! Not statistics of a single session: those go to its closing log line.

mod links;
mod render;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use framewire_transport::{PeerFigures, VideoTrack};

use crate::latency::Latency;
use crate::session::SourceKind;

/// Everything counted. Each update is one relaxed atomic addition.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    pub(crate) sessions_started: Counter,
    pub(crate) sessions_completed: Counter,
    pub(crate) sessions_failed: Counter,
    pub(crate) sessions_cut_short: Counter,
    pub(crate) sessions_refused: Counter,
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
    pub(crate) http_requests: Counter,
    pub(crate) probe_bytes_sent: Counter,
    pub(crate) probe_bytes_received: Counter,
    pub(crate) probe_rejected: Counter,
    /// Sessions by kind of source.
    pub(crate) source_sessions: [Counter; SourceKind::ALL.len()],
    /// Encoded frames of live sources.
    pub(crate) source_received: [Counter; SourceKind::ALL.len()],
    /// Pictures made of them.
    pub(crate) source_decoded: [Counter; SourceKind::ALL.len()],
    pub(crate) source_reconnects: Counter,
    pub(crate) video_sent: Counter,
    pub(crate) video_keyframes_sent: Counter,
    pub(crate) keyframe_requests_received: Counter,
    pub(crate) stages: [Latency; Stage::ALL.len()],
    dropped: [Counter; DropReason::ALL.len()],
    video_dropped: [Counter; DropReason::ALL.len()],
    tracks: Mutex<Vec<(u64, VideoTrack)>>,
    links: Mutex<Vec<(u64, PeerFigures)>>,
}

/// Why a frame got no result, or is not on the track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DropReason {
    /// A newer frame came before the workflow was free.
    SlowWorkflow,
    /// The result channel did not take it in time.
    SlowChannel,
    /// There is no result channel.
    NoChannel,
    /// It was old already, and a newer one waited.
    Stale,
    /// It, or one it needs, was lost or damaged.
    Undecodable,
    /// It would have left late.
    NoRoom,
    /// A newer frame came before the encoder was free.
    SlowEncoder,
    /// The encoder could not take it.
    EncodeFailed,
}

impl DropReason {
    const ALL: [DropReason; 8] = [
        DropReason::SlowWorkflow,
        DropReason::SlowChannel,
        DropReason::NoChannel,
        DropReason::Stale,
        DropReason::Undecodable,
        DropReason::NoRoom,
        DropReason::SlowEncoder,
        DropReason::EncodeFailed,
    ];
    /// Those that cost a result.
    const OF_RESULTS: [DropReason; 5] = [
        DropReason::SlowWorkflow,
        DropReason::SlowChannel,
        DropReason::NoChannel,
        DropReason::Stale,
        DropReason::Undecodable,
    ];
    /// Those that cost a picture on the track.
    const OF_VIDEO: [DropReason; 3] = [
        DropReason::NoRoom,
        DropReason::SlowEncoder,
        DropReason::EncodeFailed,
    ];

    fn as_str(self) -> &'static str {
        match self {
            DropReason::SlowWorkflow => "slow_workflow",
            DropReason::SlowChannel => "slow_channel",
            DropReason::NoChannel => "no_channel",
            DropReason::Stale => "stale",
            DropReason::Undecodable => "undecodable",
            DropReason::NoRoom => "no_room",
            DropReason::SlowEncoder => "slow_encoder",
            DropReason::EncodeFailed => "encode_failed",
        }
    }
}

/// Steps of a frame through the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Waiting, before decoding and before the workflow.
    Queue,
    Decode,
    Workflow,
    Encode,
    /// From the complete frame received to the encoded frame handed to the transport.
    Total,
}

impl Stage {
    pub(crate) const ALL: [Stage; 5] = [
        Stage::Queue,
        Stage::Decode,
        Stage::Workflow,
        Stage::Encode,
        Stage::Total,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Stage::Queue => "queue",
            Stage::Decode => "decode",
            Stage::Workflow => "workflow",
            Stage::Encode => "encode",
            Stage::Total => "total",
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

/// What is read at the moment of asking.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gauges {
    pub(crate) sessions: usize,
    pub(crate) max_sessions: usize,
    pub(crate) upload_bytes_held: u64,
    pub(crate) uploads_kept: usize,
    pub(crate) draining: bool,
}

impl Metrics {
    /// Frames get no result.
    pub(crate) fn lose(&self, reason: DropReason, count: u64) {
        self.dropped[reason as usize].add(count);
    }

    /// A frame is not on the track.
    pub(crate) fn lose_video(&self, reason: DropReason) {
        self.video_dropped[reason as usize].add(1);
    }

    /// Frames without a result by reason.
    pub(crate) fn dropped(&self) -> Vec<(&'static str, u64)> {
        let count = |reason: DropReason| (reason.as_str(), self.dropped[reason as usize].get());
        DropReason::OF_RESULTS.map(count).to_vec()
    }

    /// Processed frames that are not on their track by reason.
    pub(crate) fn video_dropped(&self) -> Vec<(&'static str, u64)> {
        let count =
            |reason: DropReason| (reason.as_str(), self.video_dropped[reason as usize].get());
        DropReason::OF_VIDEO.map(count).to_vec()
    }

    /// The track of a session, for as long as it runs. At most one for each place.
    pub(crate) fn add_track(&self, session: u64, track: VideoTrack) {
        self.tracks().push((session, track));
    }

    pub(crate) fn remove_track(&self, session: u64) {
        self.tracks().retain(|(id, _)| *id != session);
    }

    fn links(&self) -> MutexGuard<'_, Vec<(u64, PeerFigures)>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tracks(&self) -> MutexGuard<'_, Vec<(u64, VideoTrack)>> {
        self.tracks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
