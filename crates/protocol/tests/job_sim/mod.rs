//! Drives a job machine as a worker does, with a clock of its own, and keeps everything it said.
//! It asserts only what holds at any time.
#![allow(dead_code, reason = "each test file uses its part")]

use std::time::{Duration, Instant};

use bytes::Bytes;
use framewire_protocol::FrameId;
use framewire_protocol::job::{
    Completion, Gate, Job, JobConfig, JobEnd, JobInput, JobOutput, JobPhase, JobSource,
};
use framewire_protocol::upload::create_video_upload_chunk;

pub(crate) const RESULTS: u64 = 1;
pub(crate) const UPLOAD: u64 = 3;

pub(crate) struct Run {
    pub(crate) job: Job,
    pub(crate) now: Instant,
    pub(crate) outputs: Vec<JobOutput>,
}

impl Run {
    pub(crate) fn new(config: JobConfig) -> Self {
        let now = Instant::now();
        Run {
            job: Job::new(now, config),
            now,
            outputs: Vec::new(),
        }
    }

    pub(crate) fn feed(&mut self, input: JobInput) -> &mut Self {
        self.job.handle(self.now, input);
        self.drain()
    }

    pub(crate) fn drain(&mut self) -> &mut Self {
        self.outputs.extend(std::iter::from_fn(|| self.job.poll()));
        self
    }

    pub(crate) fn open(&mut self, channel: u64, label: &str) -> &mut Self {
        self.feed(JobInput::ChannelOpen {
            channel,
            label: label.into(),
        })
    }

    pub(crate) fn connect(&mut self) -> &mut Self {
        self.feed(JobInput::Connected)
            .open(RESULTS, "inference")
            .open(UPLOAD, "video_upload")
    }

    pub(crate) fn send(&mut self, channel: u64, data: impl Into<Bytes>) -> &mut Self {
        self.feed(JobInput::Message {
            channel,
            data: data.into(),
        })
    }

    pub(crate) fn control(&mut self, json: &'static str) -> &mut Self {
        self.send(RESULTS, json)
    }

    pub(crate) fn chunk(&mut self, index: u32, total: u32, data: &[u8]) -> &mut Self {
        self.send(
            UPLOAD,
            create_video_upload_chunk(index, total, data).unwrap(),
        )
    }

    /// Connected, file whole, processing.
    pub(crate) fn processing(config: JobConfig) -> Self {
        let mut run = Run::new(config);
        run.connect().chunk(0, 1, b"file");
        assert_eq!(run.job.phase(), JobPhase::Processing);
        run
    }

    /// Lets time pass as a driver does: it wakes at every deadline on the way.
    pub(crate) fn pass(&mut self, seconds: u64) -> &mut Self {
        let until = self.now + Duration::from_secs(seconds);
        while let Some(at) = self.job.poll_timeout().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.feed(JobInput::Tick);
        }
        self.now = until;
        self.feed(JobInput::Tick)
    }

    pub(crate) fn frame(&mut self) -> FrameId {
        assert_eq!(self.job.gate(), Gate::Open);
        let frame = self.job.begin_frame(self.now).expect("the gate is open");
        self.job.end_frame(self.now, frame);
        self.drain();
        frame
    }

    pub(crate) fn completion(&self) -> Option<&Completion> {
        let mut all = self.outputs.iter().filter_map(|o| {
            if let JobOutput::Complete(c) = o {
                Some(c)
            } else {
                None
            }
        });
        let first = all.next();
        assert!(all.next().is_none(), "at most one completion message");
        first
    }

    pub(crate) fn end(&self) -> Option<&JobEnd> {
        let at = self
            .outputs
            .iter()
            .position(|o| matches!(o, JobOutput::Ended(_)))?;
        assert_eq!(at, self.outputs.len() - 1, "nothing comes after the end");
        assert!(self.outputs.iter().any(|o| matches!(o, JobOutput::Close)));
        if let JobOutput::Ended(end) = &self.outputs[at] {
            Some(end)
        } else {
            None
        }
    }

    pub(crate) fn starts(&self) -> usize {
        self.outputs
            .iter()
            .filter(|o| matches!(o, JobOutput::Start))
            .count()
    }

    pub(crate) fn warnings(&self) -> usize {
        self.outputs
            .iter()
            .filter(|o| matches!(o, JobOutput::Warning(_)))
            .count()
    }
}

pub(crate) fn config() -> JobConfig {
    JobConfig::new(JobSource::Upload)
}

pub(crate) fn batch() -> JobConfig {
    config().with_batch(true)
}

pub(crate) fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}
