//! The workflow stage: takes frames in order, numbers them, runs the workflow on each.
//! Not serialization: its outputs travel on as values, so that a late change of mode still counts.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use chrono::NaiveDateTime;
use framewire_media::Frame;
use framewire_protocol::FrameId;
use framewire_protocol::message::VideoMetadata;

use super::control::Control;
use super::pipeline::SourceFacts;
use super::queue::Handoff;
use super::rate::FrameRate;
use crate::workflow::{FrameMetadata, Outputs, Runner};

/// A frame that went through the workflow.
#[derive(Debug)]
pub(crate) struct Processed {
    pub(crate) metadata: VideoMetadata,
    /// The outputs, or why there are none.
    pub(crate) outputs: Result<Outputs, String>,
    pub(crate) took: Duration,
}

/// One thread of a session.
pub(crate) struct Process {
    pub(crate) frames: Handoff<Frame>,
    pub(crate) results: Handoff<Processed>,
    pub(crate) control: Arc<Control>,
    pub(crate) runner: Runner,
    /// Set before the first frame arrives.
    pub(crate) facts: Arc<OnceLock<SourceFacts>>,
}

impl Process {
    /// Runs until the frames end or the session stops.
    pub(crate) fn run(mut self) {
        let mut rate = FrameRate::default();
        let mut id = 0;
        while let Some(frame) = self.frames.pop() {
            if self.control.is_stopped() {
                return;
            }
            id += 1;
            rate.arrived(Instant::now());
            let processed = self.process(FrameId(id), &frame, &rate);
            drop(frame); // its memory is free for the decoder before the next wait
            if !self.results.push(processed) {
                return;
            }
        }
    }

    fn process(&mut self, id: FrameId, frame: &Frame, rate: &FrameRate) -> Processed {
        let facts = self.facts.get().copied().unwrap_or_default();
        let received_at = chrono::Local::now().naive_local();
        let measured = rate.measured().or(facts.declared_fps);
        let started = Instant::now();
        let context = Arc::new(context(id, received_at, measured, facts));
        let outputs = self
            .runner
            .run(frame, &context)
            .map_err(|error| error.to_string());
        let mut metadata = VideoMetadata::new(id, received_at);
        metadata.pts = frame.pts();
        metadata.time_base = frame.pts().map(|_| frame.time_base().as_f64());
        metadata.declared_fps = facts.declared_fps;
        metadata.measured_fps = measured;
        metadata.width = Some(frame.width());
        metadata.height = Some(frame.height());
        Processed {
            metadata,
            outputs,
            took: started.elapsed(),
        }
    }
}

fn context(
    id: FrameId,
    at: NaiveDateTime,
    measured: Option<f64>,
    facts: SourceFacts,
) -> FrameMetadata {
    let mut context = FrameMetadata::new(id.0);
    context.frame_timestamp = at;
    context.fps = facts.declared_fps;
    context.measured_fps = measured;
    context.comes_from_video_file = Some(true);
    context.total_frames = facts.total_frames;
    context
}
