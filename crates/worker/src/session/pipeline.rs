//! The pipeline of one session: three threads and two short queues between source and channel, and a fourth for a track.
//! Not the stages themselves: each is one file.

use std::io;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use framewire_media::{FramePool, PoolLimits};
use framewire_protocol::queue::QueuePolicy;
use framewire_transport::{VideoCodec, VideoTrack};

use super::compress::Compression;
use super::control::Control;
use super::count::Counts;
use super::decode::Decode;
use super::encode::{Encode, StreamFrame};
use super::message::MessageWriter;
use super::places::Place;
use super::process::{Picture, Process, Processed};
use super::pull::PullRead;
use super::queue::{CloseOnDrop, EndOnDrop, Handoff};
use super::send::{Results, Send, SendRules};
use super::source::{RtpClock, Source, SourceFrame};
use super::stage::{EarlyEnd, SEND, stage};
use super::stream::Streamer;
use super::track::TrackDecode;
use super::work::WorkPlan;
use super::writers::{CloseLine, Line, Ready, Writer, writer_count};
use crate::config::Reconnect;
use crate::metrics::{Counter, Metrics};
use crate::sources::Stop;
use crate::workflow::RunnerOptions;

/// Decoded frames that may wait in batch processing. A 720p one is 1.4 MB, and more than a few only cost memory: decoding is
/// the fastest stage.
const BATCH_FRAMES: usize = 3;
/// In realtime a waiting frame is soon an old frame: enough for a burst after a hiccup, and only a workflow that keeps up
/// works it off.
const REALTIME_FRAMES: usize = 3;
/// Processed frames that may wait for serialization.
const RESULTS: usize = 1;
/// The same beside a live track, where a slow channel costs results instead of holding up the video: enough for a hiccup.
const LIVE_RESULTS: usize = 4;
/// Processed pictures that may wait for the encoder, by the same rule.
const PICTURES: usize = 3;
/// Memory a session's pool keeps for reuse: as many pictures as are under way at once.
const IDLE_BYTES: usize = 16 << 20;
const IDLE_BUFFERS: usize = 8;
/// Memory in pictures somebody holds; far above what the queues can hold, low enough that a leak is an error.
const LIVE_BYTES: usize = 512 << 20;

/// What a pipeline is made of.
pub(crate) struct Plan {
    pub(crate) work: WorkPlan,
    pub(crate) options: RunnerOptions,
    pub(crate) realtime: bool,
    pub(crate) declared_fps: Option<f64>,
    pub(crate) jpeg_quality: u8,
    /// The client reads pictures behind the JSON of a result.
    pub(crate) raw_pictures: bool,
    pub(crate) rules: SendRules,
    /// The client reads the ledger.
    pub(crate) ledger: bool,
    /// The track towards the client.
    pub(crate) video: Option<VideoOut>,
    pub(crate) pool: FramePool,
    pub(crate) reconnect: Reconnect,
    pub(crate) first_frame: Duration,
    pub(crate) max_frame_age: Duration,
}

/// A track towards the client.
#[derive(Debug, Clone)]
pub(crate) struct VideoOut {
    pub(crate) track: VideoTrack,
    pub(crate) codec: VideoCodec,
}

/// Counters of one session, for its closing line.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) frames: Counter,
    pub(crate) frame_errors: Counter,
    pub(crate) dropped: Counter,
    pub(crate) skipped: Counter,
    pub(crate) decoded: Counter,
    pub(crate) streamed: Counter,
    pub(crate) not_streamed: Counter,
    pub(crate) reconnects: Counter,
    pub(crate) result_bytes: Counter,
    pub(crate) upload_bytes: Counter,
    pub(crate) control_messages: Counter,
    pub(crate) control_rejected: Counter,
}

/// The running threads, as far as the session thread needs to know them.
pub(crate) struct Pipeline {
    frames: Handoff<SourceFrame>,
    results: Handoff<Processed>,
    pictures: Handoff<StreamFrame>,
    video_done: Handoff<()>,
    /// Ends what a pulled source is blocked in.
    stop: Option<Stop>,
}

/// What all threads share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) control: Arc<Control>,
    pub(crate) compression: Arc<Mutex<Compression>>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) tally: Arc<Tally>,
    /// Held by every thread: the place is free when the last one is over.
    pub(crate) place: Arc<Place>,
    /// Where log lines belong.
    pub(crate) span: tracing::Span,
}

/// The memory of one session's pictures.
pub(crate) fn frame_pool() -> FramePool {
    let limits = PoolLimits::default()
        .with_max_live_bytes(LIVE_BYTES)
        .with_max_idle_bytes(IDLE_BYTES)
        .with_max_idle_buffers(IDLE_BUFFERS);
    FramePool::new(limits)
}

impl Pipeline {
    /// Starts the threads. On failure the queues close, so that those already started end.
    pub(crate) fn start(mut plan: Plan, source: Source, shared: &Shared) -> io::Result<Pipeline> {
        let kind = source.kind();
        let policy = if plan.realtime {
            QueuePolicy::NewestWins
        } else {
            QueuePolicy::Lossless
        };
        let waiting = if plan.realtime {
            REALTIME_FRAMES
        } else {
            BATCH_FRAMES
        };
        let results = if plan.realtime && plan.video.is_some() {
            Handoff::new(LIVE_RESULTS, QueuePolicy::NewestWins)
        } else {
            Handoff::new(RESULTS, QueuePolicy::Lossless)
        };
        let pipeline = Pipeline {
            frames: Handoff::new(waiting, policy),
            results,
            pictures: Handoff::new(PICTURES, policy),
            video_done: Handoff::new(1, QueuePolicy::Lossless),
            stop: match &source {
                Source::Pulled(pulled) => Some(pulled.stop.clone()),
                _ => None,
            },
        };
        let counts = Counts::new(kind, shared.metrics.clone(), shared.tally.clone());
        let parts = Parts {
            shared,
            facts: Arc::default(),
            error: Arc::default(),
            counts: Arc::new(counts),
            pool: plan.pool.clone(),
            pipeline: &pipeline,
        };
        let video = plan.video.take();
        let (rules, realtime) = (plan.rules, plan.realtime);
        let (quality, raw) = (plan.jpeg_quality, plan.raw_pictures);
        let writer = move || MessageWriter::new(quality, raw);
        if let Some(out) = &video {
            parts.encode(out.clone(), &plan)?;
        }
        parts.source(source, &plan)?;
        parts.process(plan, video.is_some(), !kind.is_live())?;
        let results = if realtime {
            // More of them on the way would only be older when they leave.
            Results::Direct(pipeline.results.clone())
        } else {
            Results::Written(parts.write(&writer)?)
        };
        parts.send(rules, writer(), results, video.is_some())?;
        Ok(pipeline)
    }

    /// Makes every stage stop as soon as its current frame is done.
    pub(crate) fn halt(&self) {
        self.frames.close();
        self.results.close();
        self.pictures.close();
        self.video_done.close();
        if let Some(stop) = &self.stop {
            stop.fire();
        }
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        self.halt();
    }
}

/// What the stages of one pipeline are put together from.
struct Parts<'a> {
    shared: &'a Shared,
    facts: Arc<OnceLock<super::source::SourceFacts>>,
    /// Why the source ended early.
    error: EarlyEnd,
    counts: Arc<Counts>,
    pool: FramePool,
    pipeline: &'a Pipeline,
}

impl Parts<'_> {
    fn source(&self, source: Source, plan: &Plan) -> io::Result<()> {
        let frames = &self.pipeline.frames;
        let ends = EndOnDrop(frames.clone());
        let control = self.shared.control.clone();
        let counts = self.counts.clone();
        match source {
            Source::Upload(file) => {
                let decode = Decode {
                    file,
                    realtime: plan.realtime,
                    declared_fps: plan.declared_fps,
                    facts: self.facts.clone(),
                    frames: frames.clone(),
                    control,
                    counts,
                    pool: self.pool.clone(),
                    error: self.error.clone(),
                };
                stage("decode", self.shared, &self.error, ends, move || {
                    decode.run()
                })
            }
            Source::Track(track) => {
                let decode = TrackDecode {
                    track,
                    realtime: plan.realtime,
                    declared_fps: plan.declared_fps,
                    facts: self.facts.clone(),
                    frames: frames.clone(),
                    control,
                    error: self.error.clone(),
                    counts,
                    pool: self.pool.clone(),
                    first_frame: plan.first_frame,
                    max_age: plan.max_frame_age,
                };
                stage("decode", self.shared, &self.error, ends, move || {
                    decode.run()
                })
            }
            Source::Pulled(pulled) => {
                let read = PullRead {
                    reconnect: plan.reconnect,
                    declared_fps: plan.declared_fps,
                    facts: self.facts.clone(),
                    frames: frames.clone(),
                    control,
                    counts,
                    pool: self.pool.clone(),
                    error: self.error.clone(),
                };
                stage("source", self.shared, &self.error, ends, move || {
                    read.run(*pulled);
                })
            }
        }
    }

    fn process(&self, plan: Plan, video: bool, from_file: bool) -> io::Result<()> {
        let (frames, results) = (&self.pipeline.frames, &self.pipeline.results);
        let pictures = &self.pipeline.pictures;
        let now = Instant::now();
        let process = Process {
            frames: frames.clone(),
            results: results.clone(),
            picture: video.then(|| Picture {
                frames: pictures.clone(),
                streamer: Streamer::default(),
            }),
            control: self.shared.control.clone(),
            parameters: Arc::new(plan.options.parameters.clone()),
            work: plan.work.ready(plan.options, self.pool.clone()),
            facts: self.facts.clone(),
            counts: self.counts.clone(),
            pool: self.pool.clone(),
            // RTP wants a start nobody can guess; any 32 bits of a random id are one.
            clock: RtpClock::new(uuid::Uuid::new_v4().as_u128() as u32, now),
            ledger: plan.ledger,
            epoch: now,
            from_file,
            realtime: plan.realtime,
            origin: None,
            failures: 0,
        };
        let ends = (
            CloseOnDrop(frames.clone()),
            EndOnDrop(results.clone()),
            EndOnDrop(pictures.clone()),
        );
        stage("workflow", self.shared, &self.error, ends, move || {
            process.run();
        })
    }

    /// The threads that write messages. They end with the results, or when nobody takes what they wrote.
    fn write(&self, writer: &dyn Fn() -> MessageWriter) -> io::Result<Line<Ready>> {
        let writers = writer_count();
        let line = Line::new(writers + 1);
        let taking: Arc<Mutex<()>> = Arc::default();
        for _ in 0..writers {
            let writer = Writer {
                results: self.pipeline.results.clone(),
                taking: taking.clone(),
                line: line.clone(),
                control: self.shared.control.clone(),
                writer: writer(),
            };
            stage("write", self.shared, &self.error, (), move || writer.run())?;
        }
        Ok(line)
    }

    fn send(
        &self,
        rules: SendRules,
        writer: MessageWriter,
        results: Results,
        video: bool,
    ) -> io::Result<()> {
        let line = match &results {
            Results::Written(line) => Some(CloseLine(line.clone())),
            Results::Direct(_) => None,
        };
        let ends = (line, CloseOnDrop(self.pipeline.results.clone()));
        let send = Send {
            results,
            control: self.shared.control.clone(),
            compression: self.shared.compression.clone(),
            writer,
            rules,
            metrics: self.shared.metrics.clone(),
            tally: self.shared.tally.clone(),
            counts: self.counts.clone(),
            video_done: video.then(|| self.pipeline.video_done.clone()),
            source_error: self.error.clone(),
        };
        stage(SEND, self.shared, &self.error, ends, move || send.run())
    }

    fn encode(&self, out: VideoOut, plan: &Plan) -> io::Result<()> {
        let pictures = &self.pipeline.pictures;
        let encode = Encode {
            frames: pictures.clone(),
            track: out.track,
            codec: out.codec,
            realtime: plan.realtime,
            facts: self.facts.clone(),
            control: self.shared.control.clone(),
            counts: self.counts.clone(),
        };
        let ends = (
            CloseOnDrop(pictures.clone()),
            EndOnDrop(self.pipeline.video_done.clone()),
        );
        stage("encode", self.shared, &self.error, ends, move || {
            encode.run();
        })
    }
}
