//! The workflow stage: takes frames in order, numbers them, runs the workflow on each.
//! Not serialization: its outputs travel on as values, so that a late change of mode still counts.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use chrono::NaiveDateTime;
use framewire_media::{FramePool, Timing};
use framewire_protocol::FrameId;
use framewire_protocol::ledger::WorkerTimes;
use framewire_protocol::message::VideoMetadata;
use serde_json::{Map, Value};

use super::control::Control;
use super::count::{Counts, DropReason, Stage, VideoDropReason};
use super::encode::StreamFrame;
use super::queue::{Handed, Handoff};
use super::rate::FrameRate;
use super::source::{RtpClock, SourceFacts, SourceFrame};
use super::stream::Streamer;
use super::work::Work;
use crate::metrics::ErrorKind;
use crate::workflow::{FrameMetadata, Outputs};

/// A stage that takes no longer than this for a frame works off a burst; a slower one goes on with the newest.
pub(crate) const KEEPS_UP: Duration = Duration::from_millis(10);

/// Frames without outputs that one session logs; the rest is only counted.
const LOGGED_FAILURES: u64 = 5;

/// A frame that went through the workflow.
#[derive(Debug)]
pub(crate) struct Processed {
    pub(crate) metadata: VideoMetadata,
    /// The outputs; `None` when the workflow failed.
    pub(crate) outputs: Option<Outputs>,
    /// What went wrong before serialization.
    pub(crate) errors: Vec<String>,
    pub(crate) took: Duration,
    /// When the source's frame was complete at the worker.
    pub(crate) received: Instant,
}

/// Where processed pictures go.
pub(crate) struct Picture {
    pub(crate) frames: Handoff<StreamFrame>,
    pub(crate) streamer: Streamer,
}

/// One thread of a session.
pub(crate) struct Process {
    pub(crate) frames: Handoff<SourceFrame>,
    pub(crate) results: Handoff<Processed>,
    /// `None`: no track towards the client.
    pub(crate) picture: Option<Picture>,
    pub(crate) control: Arc<Control>,
    pub(crate) work: Work,
    /// Values of the request, for the work.
    pub(crate) parameters: Arc<Map<String, Value>>,
    /// Set before the first frame arrives.
    pub(crate) facts: Arc<OnceLock<SourceFacts>>,
    pub(crate) counts: Arc<Counts>,
    pub(crate) pool: FramePool,
    pub(crate) clock: RtpClock,
    /// The client reads the ledger.
    pub(crate) ledger: bool,
    /// Reference of the ledger's times.
    pub(crate) epoch: Instant,
    pub(crate) from_file: bool,
    pub(crate) realtime: bool,
    /// Timestamp of the first frame of a live source.
    pub(crate) origin: Option<i64>,
    /// Frames without outputs so far.
    pub(crate) failures: u64,
}

/// The times of one frame so far.
struct Times {
    rtp_time: u32,
    queue: Duration,
    workflow: Duration,
}

impl Process {
    /// Runs until the frames end or the session stops.
    pub(crate) fn run(mut self) {
        let mut rate = FrameRate::default();
        let mut id = 0;
        let mut keeps_up = true;
        while let Some(source) = self.next(keeps_up) {
            if self.control.is_stopped() {
                return;
            }
            id += 1;
            let begun = Instant::now();
            rate.arrived(begun);
            if !self.frame(FrameId(id), source, &rate) {
                return;
            }
            keeps_up = begun.elapsed() <= KEEPS_UP;
        }
    }

    /// The next frame. Of a burst, a workflow that keeps up takes each, a slower one the newest.
    fn next(&mut self, keeps_up: bool) -> Option<SourceFrame> {
        let mut source = if keeps_up || !self.realtime {
            self.frames.pop()?
        } else {
            let (source, passed) = self.frames.pop_newest()?;
            self.counts.passed(passed);
            source
        };
        let timing = source.frame.timing();
        if let (false, Some(pts)) = (self.from_file, timing.pts) {
            // A client that counts from the first picture that comes back must find the same number here.
            let origin = *self.origin.get_or_insert(pts);
            let pts = pts.saturating_sub(origin);
            source.frame.set_timing(Timing::new(pts, timing.time_base));
        }
        Some(source)
    }

    /// `false`: nobody wants more.
    fn frame(&mut self, id: FrameId, source: SourceFrame, rate: &FrameRate) -> bool {
        let facts = self.facts.get().copied().unwrap_or_default();
        let received_at = chrono::Local::now().naive_local();
        let measured = rate.measured().or(facts.declared_fps);
        let started = Instant::now();
        let stamps = source.stamps;
        let queue = stamps.waited + started.saturating_duration_since(stamps.ready);
        let context = Arc::new(self.context(id, received_at, measured, facts));
        let span = tracing::debug_span!("frame", frame = id.0);
        let _entered = span.enter();
        let mut errors = Vec::new();
        let outputs = self.work.run(&source.frame, &context);
        if let Err(error) = &outputs {
            self.failed(id, error);
        }
        let outputs = outputs.map_err(|error| errors.push(error)).ok();
        let times = Times {
            rtp_time: source
                .rtp_time
                .unwrap_or_else(|| self.clock.time(&source.frame, started)),
            queue,
            workflow: started.elapsed(),
        };
        self.counts.stage(Stage::Queue, queue);
        self.counts.stage(Stage::Workflow, times.workflow);
        if let Some(decode) = stamps.decode {
            self.counts.stage(Stage::Decode, decode);
        }
        let mut metadata = VideoMetadata::new(id, received_at);
        metadata.pts = source.frame.pts();
        metadata.time_base = metadata.pts.map(|_| source.frame.time_base().as_f64());
        metadata.declared_fps = facts.declared_fps;
        metadata.measured_fps = measured;
        metadata.width = Some(source.frame.width());
        metadata.height = Some(source.frame.height());
        metadata.fw = self.ledger.then(|| self.ledger_of(&source, &times));
        let picture = self.picture.as_mut().map(|picture| {
            let mode = self.control.stream_output();
            let pool = &self.pool;
            let frame =
                picture
                    .streamer
                    .picture(&mode, &source.frame, outputs.as_ref(), &mut errors, pool);
            StreamFrame {
                frame,
                rtp_time: times.rtp_time,
                received: stamps.received,
            }
        });
        drop(source); // its memory is free for the decoder before the next wait
        let result = Processed {
            metadata,
            outputs,
            errors,
            took: times.workflow,
            received: stamps.received,
        };
        // The result goes first: a client pairs it with the frame that follows.
        self.hand_over(result, picture)
    }

    /// The client reads the error in the frame's result.
    fn failed(&mut self, id: FrameId, error: &str) {
        self.counts.error(ErrorKind::Workflow);
        self.failures += 1;
        if self.failures <= LOGGED_FAILURES {
            tracing::warn!(frame = id.0, error, "a frame has no outputs");
        }
    }

    fn hand_over(&self, result: Processed, picture: Option<StreamFrame>) -> bool {
        match self.results.push(result) {
            Handed::Stored => {}
            Handed::Replaced => self.counts.dropped(DropReason::SlowChannel),
            Handed::Closed => return false,
        }
        let (Some(to), Some(picture)) = (&self.picture, picture) else {
            return true;
        };
        // A track that is over ends nothing: results still go.
        if to.frames.push(picture) == Handed::Replaced {
            self.counts.not_streamed(VideoDropReason::SlowEncoder);
        }
        true
    }

    fn ledger_of(&self, source: &SourceFrame, times: &Times) -> WorkerTimes {
        let micros = |took: Duration| u64::try_from(took.as_micros()).ok();
        let stamps = source.stamps;
        let on_track = self.picture.is_some() || source.rtp_time.is_some();
        WorkerTimes {
            rtp_ts: on_track.then_some(times.rtp_time),
            received_us: micros(stamps.received.saturating_duration_since(self.epoch)),
            queue_us: micros(times.queue),
            decode_us: stamps.decode.and_then(micros),
            infer_us: micros(times.workflow),
            encode_us: None,
            send_us: None,
        }
    }

    fn context(
        &self,
        id: FrameId,
        at: NaiveDateTime,
        measured: Option<f64>,
        facts: SourceFacts,
    ) -> FrameMetadata {
        let mut context = FrameMetadata::new(id.0);
        context.frame_timestamp = at;
        context.fps = facts.declared_fps;
        context.measured_fps = measured;
        context.comes_from_video_file = Some(self.from_file);
        context.total_frames = facts.total_frames;
        context.parameters = Arc::clone(&self.parameters);
        context
    }
}
