//! What one session counts about its video, in its own books and the worker's at once.
//! Not uploads, results and control messages: those are the `Tally`'s other fields.

use std::sync::Arc;
use std::time::Duration;

use super::pipeline::Tally;
use super::queue::Handed;
use super::source::SourceKind;
pub(crate) use crate::metrics::{DropReason, Stage, VideoDropReason};
use crate::metrics::{ErrorKind, Metrics};

/// Both books, and which column of the worker's is meant.
#[derive(Debug)]
pub(crate) struct Counts {
    kind: SourceKind,
    metrics: Arc<Metrics>,
    tally: Arc<Tally>,
}

impl Counts {
    pub(crate) fn new(kind: SourceKind, metrics: Arc<Metrics>, tally: Arc<Tally>) -> Counts {
        Counts {
            kind,
            metrics,
            tally,
        }
    }

    /// An encoded frame came.
    pub(crate) fn received(&self) {
        self.metrics.source_received.of(self.kind).add(1);
    }

    /// A picture was made of it.
    pub(crate) fn decoded(&self) {
        self.metrics.source_decoded.of(self.kind).add(1);
        self.tally.decoded.add(1);
    }

    /// What became of a picture that was handed to the workflow.
    pub(crate) fn handed(&self, handed: Handed) {
        self.passed(u64::from(handed == Handed::Replaced));
    }

    /// Pictures that gave way to newer ones.
    pub(crate) fn passed(&self, count: u64) {
        self.metrics.dropped.of(DropReason::SlowWorkflow).add(count);
        self.tally.skipped.add(count);
    }

    /// A frame gets no result.
    pub(crate) fn dropped(&self, reason: DropReason) {
        self.metrics.dropped.of(reason).add(1);
        if reason == DropReason::Undecodable {
            self.error(ErrorKind::Decode);
        }
        self.tally.dropped.add(1);
    }

    /// A frame got a result but is not on the track.
    pub(crate) fn not_streamed(&self, reason: VideoDropReason) {
        self.metrics.video_dropped.of(reason).add(1);
        if reason == VideoDropReason::EncodeFailed {
            self.error(ErrorKind::Encode);
        }
        self.tally.not_streamed.add(1);
    }

    /// A frame went on the track.
    pub(crate) fn streamed(&self, keyframe: bool) {
        self.metrics.video_sent.add(1);
        self.metrics.video_keyframes_sent.add(u64::from(keyframe));
        self.tally.streamed.add(1);
    }

    /// The client asked for a keyframe.
    pub(crate) fn keyframe_requested(&self) {
        self.metrics.keyframe_requests_received.add(1);
    }

    /// The source broke off and is back.
    pub(crate) fn reconnected(&self) {
        self.metrics.source_reconnects.add(1);
        self.tally.reconnects.add(1);
    }

    /// What a stage took for one frame.
    pub(crate) fn stage(&self, stage: Stage, took: Duration) {
        self.metrics.stage(stage, took);
    }

    /// Something went wrong with a frame.
    pub(crate) fn error(&self, kind: ErrorKind) {
        self.metrics.errors.of(kind).add(1);
    }
}
