//! The pipeline of one session: three threads and two short queues between file and channel.
//! Not the stages themselves: `decode`, `process` and `send` are one file each.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;

use framewire_media::{Frame, FramePool};
use framewire_protocol::job::{Job, JobInput};
use framewire_protocol::queue::QueuePolicy;

use super::control::Control;
use super::decode::Decode;
use super::places::Place;
use super::process::{Process, Processed};
use super::queue::{CloseOnDrop, EndOnDrop, Handoff};
use super::send::{Send, SendRules};
use crate::metrics::{Counter, Metrics};
use crate::upload::UploadFile;
use crate::workflow::{Runner, RunnerOptions, Serializer, Workflow};

/// Decoded frames that may wait in batch processing. A 720p one is 1.4 MB, and more than a few only cost memory: decoding is
/// the fastest stage.
const BATCH_FRAMES: usize = 3;
/// In realtime a waiting frame is an old frame.
const REALTIME_FRAMES: usize = 1;
/// Processed frames that may wait for serialization.
const RESULTS: usize = 1;

/// What a pipeline is made of.
pub(crate) struct Plan {
    pub(crate) workflow: Workflow,
    pub(crate) options: RunnerOptions,
    pub(crate) realtime: bool,
    pub(crate) declared_fps: Option<f64>,
    pub(crate) jpeg_quality: u8,
    pub(crate) rules: SendRules,
}

/// What is known of the source once it is open.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SourceFacts {
    pub(crate) declared_fps: Option<f64>,
    pub(crate) total_frames: Option<u64>,
}

/// Counters of one session, for its closing line.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) frames: Counter,
    pub(crate) frame_errors: Counter,
    pub(crate) dropped: Counter,
    pub(crate) result_bytes: Counter,
    pub(crate) upload_bytes: Counter,
    pub(crate) control_messages: Counter,
    pub(crate) control_rejected: Counter,
}

/// The running threads, as far as the session thread needs to know them.
pub(crate) struct Pipeline {
    frames: Handoff<Frame>,
    results: Handoff<Processed>,
}

/// What all threads share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) control: Arc<Control>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) tally: Arc<Tally>,
    /// Held by every thread: the place is free when the last one is over.
    pub(crate) place: Arc<Place>,
    /// Where log lines belong.
    pub(crate) span: tracing::Span,
}

impl Pipeline {
    /// Starts the three threads. On failure the queues close, so that those already started end.
    pub(crate) fn start(plan: Plan, file: UploadFile, shared: &Shared) -> io::Result<Pipeline> {
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
        let frames = Handoff::new(waiting, policy);
        let results = Handoff::new(RESULTS, QueuePolicy::Lossless);
        let facts = Arc::new(OnceLock::new());
        let source_error = Arc::new(Mutex::new(None));
        let decode = Decode {
            file,
            realtime: plan.realtime,
            declared_fps: plan.declared_fps,
            facts: facts.clone(),
            frames: frames.clone(),
            control: shared.control.clone(),
            error: source_error.clone(),
        };
        let process = Process {
            frames: frames.clone(),
            results: results.clone(),
            control: shared.control.clone(),
            runner: Runner::new(plan.workflow, plan.options, FramePool::default()),
            facts,
        };
        let send = Send {
            results: results.clone(),
            control: shared.control.clone(),
            serializer: Serializer::new(plan.jpeg_quality),
            rules: plan.rules,
            metrics: shared.metrics.clone(),
            tally: shared.tally.clone(),
            source_error: source_error.clone(),
        };
        let pipeline = Pipeline { frames, results };
        let (from, to) = (&pipeline.frames, &pipeline.results);
        let ends = EndOnDrop(from.clone());
        stage("decode", shared, &source_error, ends, move || decode.run())?;
        let ends = (CloseOnDrop(from.clone()), EndOnDrop(to.clone()));
        stage("workflow", shared, &source_error, ends, move || {
            process.run()
        })?;
        let ends = CloseOnDrop(to.clone());
        stage(SEND, shared, &source_error, ends, move || send.run())?;
        Ok(pipeline)
    }

    /// Makes every stage stop as soon as its current frame is done.
    pub(crate) fn halt(&self) {
        self.frames.close();
        self.results.close();
    }

    /// Frames that were skipped because the workflow was slower than the source.
    pub(crate) fn skipped(&self) -> u64 {
        self.frames.stats().dropped
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        self.halt();
    }
}

/// One thread. A panic in it ends this session with an error and nothing else; `ends` go after that error is known.
fn stage(
    name: &'static str,
    shared: &Shared,
    error: &Arc<Mutex<Option<String>>>,
    ends: impl std::marker::Send + 'static,
    body: impl FnOnce() + std::marker::Send + 'static,
) -> io::Result<()> {
    let shared = shared.clone();
    let error = error.clone();
    let run = move || {
        let span = shared.span.clone();
        let _entered = span.enter();
        if catch_unwind(AssertUnwindSafe(body)).is_err() {
            tracing::error!(
                stage = name,
                "a session thread panicked; this session ends, others go on"
            );
            let text = format!("internal error in the {name} stage");
            *error.lock().unwrap_or_else(PoisonError::into_inner) = Some(text.clone());
            if name == SEND {
                let control = &shared.control;
                control.end_frame(control.with_job(Job::last_frame));
                control.handle(JobInput::SourceEnded { error: Some(text) });
            }
        }
        drop(ends);
        drop(shared.place); // explicit: what the field is for
    };
    let builder = thread::Builder::new().name(format!("fw-{name}"));
    builder.spawn(run).map(drop)
}

/// Name of the stage that takes turns with the job machine.
const SEND: &str = "send";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::places::Places;
    use framewire_protocol::job::{JobConfig, JobOutput, JobSource};
    use std::time::{Duration, Instant};

    fn shared(place: Place) -> Shared {
        let job = Job::new(Instant::now(), JobConfig::new(JobSource::Ready));
        let control = Arc::new(Control::new(job));
        control.handle(JobInput::ChannelOpen {
            channel: 0,
            label: "inference".into(),
        });
        Shared {
            control,
            metrics: Arc::default(),
            tally: Arc::default(),
            place: Arc::new(place),
            span: tracing::Span::none(),
        }
    }

    fn completion_errors(control: &Control) -> Vec<String> {
        loop {
            match control.poll().0 {
                Some(JobOutput::Complete(completion)) => return completion.errors,
                Some(_) => {}
                None => panic!("the job does not end"),
            }
        }
    }

    #[test]
    fn a_panic_in_any_stage_ends_its_session_with_an_error_and_frees_the_place() {
        for name in ["decode", "workflow", SEND] {
            let places = Places::new(1);
            let shared = shared(places.take().unwrap());
            if name == SEND {
                shared.control.begin_frame().unwrap();
            }
            let error = Arc::new(Mutex::new(None));
            let ends: Handoff<u8> = Handoff::new(1, QueuePolicy::Lossless);
            let guard = EndOnDrop(ends.clone());
            stage(name, &shared, &error, guard, || panic!("a bad frame")).unwrap();
            assert_eq!(ends.pop(), None, "what waits for the stage goes on");
            let text = error
                .lock()
                .unwrap()
                .clone()
                .expect("the reason is known by then");
            assert!(text.contains(name));
            if name == SEND {
                assert_eq!(completion_errors(&shared.control), [text]);
            }
            drop(shared);
            assert!(places.wait_empty(Duration::from_secs(20)));
        }
    }
}
