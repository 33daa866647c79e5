//! The job machine: its transitions and timers.
//! See the module above for how to drive it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::FrameId;
use crate::ack::AckWindow;
use crate::job::channels::{Channels, Role};
use crate::job::processing::Processing;
use crate::job::upload::Announced;
use crate::job::{
    Completion, Gate, JobConfig, JobEnd, JobInput, JobOutput, JobPhase, JobSource, JobWarning,
    OutputModes, WORKER_SHUTDOWN,
};
use crate::message::ControlMessage;
use crate::output::{DataOutput, StreamChange};
use crate::upload::UploadReceiver;

/// One job; see the [module](crate::job).
#[derive(Debug)]
pub struct Job {
    pub(super) config: JobConfig,
    pub(super) phase: JobPhase,
    /// Limit of the current phase.
    deadline: Option<Instant>,
    processing_deadline: Option<Instant>,
    vanished_at: Option<Instant>,
    channels: Channels,
    pub(super) upload: UploadReceiver,
    pub(super) announced: Option<Announced>,
    /// The client's track has delivered a frame.
    track: bool,
    processing: Processing,
    modes: OutputModes,
    end: Option<JobEnd>,
    /// Whether the client still listens.
    reachable: bool,
    pub(super) out: VecDeque<JobOutput>,
}

impl Job {
    /// A job whose answer is about to be returned; its processing time counts from `now`.
    pub fn new(now: Instant, config: JobConfig) -> Self {
        let limits = config.limits;
        let processing = limits
            .processing
            .map(|limit| limit.saturating_sub(limits.reserve));
        Job {
            phase: JobPhase::Offered,
            deadline: now.checked_add(limits.connect),
            processing_deadline: processing.and_then(|limit| now.checked_add(limit)),
            vanished_at: None,
            // In batch processing no result may be lost.
            channels: Channels::new(config.fresh_results && !config.batch),
            upload: UploadReceiver::new(config.upload),
            announced: None,
            track: false,
            processing: Processing::new(
                AckWindow::new(config.batch, config.ack_window).from_the_start(config.agreement),
            ),
            modes: OutputModes {
                stream: config.stream_output.clone(),
                data: config.data_output.clone(),
            },
            end: None,
            reachable: true,
            out: VecDeque::new(),
            config,
        }
    }

    /// Takes an event. Events that do not fit the state change nothing.
    pub fn handle(&mut self, now: Instant, input: JobInput) {
        if self.phase == JobPhase::Ended {
            return;
        }
        match input {
            JobInput::ChannelOpen { channel, label } => self.channel_open(now, channel, label),
            JobInput::ChannelClosed { channel } => {
                if self.channels.close(channel) == Role::Results {
                    self.peer_ended(now, JobEnd::PeerLeft);
                }
            }
            JobInput::Message { channel, data } => match self.channels.role(channel) {
                Role::Results if self.upload_message(now, &data) => {}
                Role::Results => self.control(&data),
                Role::Upload => self.upload(now, channel, data),
                Role::Fresh | Role::Ignored => {}
            },
            JobInput::UploadOpened { have } => self.upload_opened(now, have),
            JobInput::UploadHashing => self.upload_hashing(now),
            JobInput::UploadVerified(verified) => self.upload_verified(now, verified),
            JobInput::TrackFrame => self.track_frame(now),
            JobInput::SourceEnded { error } => match error {
                None => self.stop(now, JobEnd::Done),
                Some(error) => self.stop(now, JobEnd::SourceFailed(error)),
            },
            JobInput::Drained if self.phase == JobPhase::Completing => self.drained(now),
            JobInput::Stalled(silence) if self.vanished_at.is_none() => {
                self.vanished_at =
                    now.checked_add(self.config.limits.vanished.saturating_sub(silence));
            }
            JobInput::Resumed => self.vanished_at = None,
            JobInput::PeerEnded => self.peer_ended(now, JobEnd::PeerLeft),
            JobInput::Shutdown => self.stop(now, JobEnd::Shutdown),
            JobInput::Connected | JobInput::Drained | JobInput::Stalled(_) | JobInput::Tick => {}
        }
        self.expire(now);
    }

    /// Whether the processing loop may read its source. The upload must be whole and the results channel open.
    pub fn gate(&self) -> Gate {
        match self.phase {
            JobPhase::Processing if self.processing.may_take() => Gate::Open,
            JobPhase::Offered
            | JobPhase::AwaitingUpload
            | JobPhase::Uploading
            | JobPhase::Verifying
            | JobPhase::AwaitingFrame
            | JobPhase::Processing => Gate::Wait,
            _ => Gate::Stop,
        }
    }

    /// Numbers a frame just read from the source; `None` when the job no longer wants it: leave the loop.
    pub fn begin_frame(&mut self, now: Instant) -> Option<FrameId> {
        self.expire(now);
        (self.phase == JobPhase::Processing && !self.processing.is_busy())
            .then(|| self.processing.begin())
    }

    /// The result of that frame is queued, or cannot be.
    pub fn end_frame(&mut self, now: Instant, frame: FrameId) {
        if self.processing.end(frame) && self.phase == JobPhase::Stopping {
            self.complete(now);
        }
        self.expire(now);
    }

    /// The modes to make the next result with.
    pub fn modes(&self) -> &OutputModes {
        &self.modes
    }

    /// Where the job stands.
    pub fn phase(&self) -> JobPhase {
        self.phase
    }

    /// The channel results go to.
    pub fn results_channel(&self) -> Option<u64> {
        self.channels.results()
    }

    /// The channel for results that may be lost and need no order, while there is one. A result with errors is none of those.
    pub fn fresh_channel(&self) -> Option<u64> {
        self.channels.fresh()
    }

    /// The channel a file comes on.
    pub fn upload_channel(&self) -> Option<u64> {
        self.channels.upload()
    }

    /// Last frame taken from the source; 0 before the first.
    pub fn last_frame(&self) -> FrameId {
        self.processing.last()
    }

    /// Highest acknowledgement received; 0 before the first.
    pub fn last_ack(&self) -> u64 {
        self.processing.acks.last()
    }

    /// Progress of the upload: chunks received, chunks in total once known, bytes.
    pub fn upload_progress(&self) -> (u32, Option<u32>, u64) {
        (
            self.upload.received_chunks(),
            self.upload.total_chunks(),
            self.upload.received_bytes(),
        )
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<JobOutput> {
        self.out.pop_front()
    }

    /// When to report [`JobInput::Tick`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.deadline, self.processing_deadline, self.vanished_at]
            .into_iter()
            .flatten()
            .min()
    }

    fn channel_open(&mut self, now: Instant, channel: u64, label: String) {
        match self.channels.open(channel, &label) {
            Role::Results if self.phase == JobPhase::Offered => self.connected(now),
            Role::Results | Role::Upload | Role::Fresh => {}
            Role::Ignored => self.warn(JobWarning::IgnoredChannel(label)),
        }
    }

    fn connected(&mut self, now: Instant) {
        let stall = Some(self.config.limits.upload_stall);
        match self.config.source {
            JobSource::Upload if self.upload.total_chunks().is_none() => {
                self.enter(now, JobPhase::AwaitingUpload, stall);
            }
            JobSource::Upload if !self.upload.is_complete() => {
                self.enter(now, JobPhase::Uploading, stall)
            }
            JobSource::Track if !self.track => {
                let limit = Some(self.config.limits.first_frame);
                self.enter(now, JobPhase::AwaitingFrame, limit);
            }
            JobSource::Upload | JobSource::Ready | JobSource::Track => self.start(now),
        }
    }

    /// The track may be faster than the data channel, so that its first frame can come while the phase is still `Offered`.
    fn track_frame(&mut self, now: Instant) {
        self.track = true;
        if self.phase == JobPhase::AwaitingFrame {
            self.start(now);
        }
    }

    pub(super) fn start(&mut self, now: Instant) {
        self.enter(now, JobPhase::Processing, None);
        self.out.push_back(JobOutput::Start);
        self.out.push_back(JobOutput::GateChanged);
    }

    fn control(&mut self, data: &[u8]) {
        let message = match ControlMessage::parse(data) {
            Ok(message) => message,
            Err(error) => {
                return self.warn(JobWarning::Control(error));
            }
        };
        if message.negative_ack {
            self.warn(JobWarning::NegativeAck);
        }
        if message
            .ack
            .is_some_and(|ack| self.processing.acks.acknowledge(ack))
        {
            self.out.push_back(JobOutput::GateChanged);
        }
        let mut changed = false;
        if let Some(names) = message.stream_output {
            match self.modes.stream.apply(&names) {
                StreamChange::Applied => changed = true,
                StreamChange::NoVideoTrack => self.warn(JobWarning::NoVideoTrack),
            }
        }
        if let Some(names) = message.data_output {
            self.modes.data = DataOutput::from_names(Some(&names));
            changed = true;
        }
        if changed {
            self.out.push_back(JobOutput::ModesChanged);
        }
    }

    pub(super) fn warn(&mut self, warning: JobWarning) {
        self.out.push_back(JobOutput::Warning(warning));
    }

    pub(super) fn enter(&mut self, now: Instant, phase: JobPhase, limit: Option<Duration>) {
        self.phase = phase;
        self.deadline = limit.and_then(|limit| now.checked_add(limit));
    }

    /// Begins the end: no further frame; the frame in progress is waited for. The first reason counts.
    pub(super) fn stop(&mut self, now: Instant, end: JobEnd) {
        if self.end.is_some() {
            return;
        }
        self.end = Some(end);
        self.processing_deadline = None;
        self.enter(now, JobPhase::Stopping, Some(self.config.limits.frame));
        self.out.push_back(JobOutput::GateChanged);
        if !self.processing.is_busy() {
            self.complete(now);
        }
    }

    fn complete(&mut self, now: Instant) {
        if !self.reachable || self.channels.results().is_none() {
            return self.finish();
        }
        let termination_reason = match &self.end {
            Some(JobEnd::TimedOut) => Some("timeout_reached"),
            Some(JobEnd::Shutdown) if self.config.agreement => Some(WORKER_SHUTDOWN),
            _ => None,
        };
        let errors = match &self.end {
            Some(JobEnd::SourceFailed(error) | JobEnd::UploadStalled(error)) => vec![error.clone()],
            Some(end @ (JobEnd::Shutdown | JobEnd::UploadMismatch)) => vec![end.to_string()],
            _ => Vec::new(),
        };
        self.enter(now, JobPhase::Completing, Some(self.config.limits.drain));
        let last_frame = self.processing.last();
        self.out.push_back(JobOutput::Complete(Completion {
            last_frame,
            termination_reason,
            errors,
        }));
    }

    /// After a regular end the client hangs up, as the original expects; after any other the worker does.
    fn drained(&mut self, now: Instant) {
        if self.end == Some(JobEnd::Done) {
            self.enter(now, JobPhase::Lingering, Some(self.config.limits.linger));
        } else {
            self.finish();
        }
    }

    fn peer_ended(&mut self, now: Instant, end: JobEnd) {
        self.reachable = false;
        self.vanished_at = None;
        match self.phase {
            JobPhase::Completing | JobPhase::Lingering => self.finish(),
            JobPhase::Stopping => {}
            _ => self.stop(now, end),
        }
    }

    fn expire(&mut self, now: Instant) {
        let passed = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if passed(self.vanished_at) {
            self.peer_ended(now, JobEnd::PeerVanished(self.config.limits.vanished));
        }
        if passed(self.processing_deadline) {
            self.stop(now, JobEnd::TimedOut);
        }
        if !passed(self.deadline) {
            return;
        }
        let limits = self.config.limits;
        match self.phase {
            JobPhase::Offered => {
                self.reachable = false;
                self.stop(now, JobEnd::NeverConnected(limits.connect));
            }
            JobPhase::AwaitingUpload | JobPhase::Uploading | JobPhase::Verifying => {
                let error = self.upload_stalled();
                self.stop(now, JobEnd::UploadStalled(error));
            }
            JobPhase::AwaitingFrame => {
                let error = format!("no video frame arrived within {:?}", limits.first_frame);
                self.stop(now, JobEnd::SourceFailed(error));
            }
            JobPhase::Stopping => self.complete(now),
            JobPhase::Completing => self.drained(now),
            JobPhase::Lingering => self.finish(),
            JobPhase::Processing | JobPhase::Ended => {}
        }
    }

    fn finish(&mut self) {
        self.phase = JobPhase::Ended;
        (self.deadline, self.processing_deadline, self.vanished_at) = (None, None, None);
        self.out.push_back(JobOutput::Close);
        self.out
            .push_back(JobOutput::Ended(self.end.clone().unwrap_or(JobEnd::Done)));
    }
}
