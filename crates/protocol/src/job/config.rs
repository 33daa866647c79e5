//! What a job is told at its start: flags of the request and time limits of the worker.
//! It is not the request itself.

use std::time::Duration;

use crate::ack::DEFAULT_ACK_WINDOW;
use crate::output::{DataOutput, StreamOutput};
use crate::upload::UploadLimits;

/// Where the frames of a job come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum JobSource {
    /// A file on the `video_upload` channel; processing starts when it is whole.
    Upload,
    /// A source that is there once the connection is: the worker reads it itself.
    Ready,
    /// A video track of the client; processing starts with its first frame.
    Track,
}

/// Time limits of a job. Together they leave no way to wait for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct JobLimits {
    /// From the answer to an open results channel; default 60 s.
    pub connect: Duration,
    /// Longest time without an upload message before the file is whole; default 60 s.
    pub upload_stall: Duration,
    /// From the results channel to the first frame of the client's track; default 60 s. Later silence is no end.
    pub first_frame: Duration,
    /// `processing_timeout` of the request; `None` = no limit.
    pub processing: Option<Duration>,
    /// Taken off `processing`, for the goodbye; default 1 s (`WEBRTC_MODAL_SHUTDOWN_RESERVE`).
    pub reserve: Duration,
    /// Silence after which a peer has vanished; default 30 s.
    pub vanished: Duration,
    /// Longest wait for the frame in progress once the job must end; default 30 s.
    pub frame: Duration,
    /// Longest wait for the queue to empty after the completion message; default 2 s.
    pub drain: Duration,
    /// How long a finished job waits for its client to hang up; default 120 s.
    pub linger: Duration,
}

impl Default for JobLimits {
    fn default() -> Self {
        JobLimits {
            connect: Duration::from_secs(60),
            upload_stall: Duration::from_secs(60),
            first_frame: Duration::from_secs(60),
            processing: None,
            reserve: Duration::from_secs(1),
            vanished: Duration::from_secs(30),
            frame: Duration::from_secs(30),
            drain: Duration::from_secs(2),
            linger: Duration::from_secs(120),
        }
    }
}

/// Settings of a [`Job`](crate::job::Job).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct JobConfig {
    /// Where frames come from.
    pub source: JobSource,
    /// The request said `webrtc_realtime_processing: false`.
    pub batch: bool,
    /// `stream_output` of the request.
    pub stream_output: StreamOutput,
    /// `data_output` of the request.
    pub data_output: DataOutput,
    /// Frames the job may be ahead of the last acknowledgement.
    pub ack_window: u64,
    /// Bounds of the upload.
    pub upload: UploadLimits,
    /// The client has our agreement, whatever its features: it reads what an original would not.
    pub agreement: bool,
    /// Both ends agreed on uploads that are announced, resumed and verified. One that is not announced is taken as ever.
    pub verified_uploads: bool,
    /// Both ends agreed on a channel for results that may be lost. Without effect in batch processing.
    pub fresh_results: bool,
    /// Time limits.
    pub limits: JobLimits,
}

impl JobConfig {
    /// Realtime, no outputs, default limits.
    pub fn new(source: JobSource) -> Self {
        JobConfig {
            source,
            batch: false,
            stream_output: StreamOutput::None,
            data_output: DataOutput::None,
            ack_window: DEFAULT_ACK_WINDOW,
            upload: UploadLimits::default(),
            agreement: false,
            verified_uploads: false,
            fresh_results: false,
            limits: JobLimits::default(),
        }
    }

    /// Sets batch processing.
    #[must_use]
    pub fn with_batch(mut self, batch: bool) -> Self {
        self.batch = batch;
        self
    }

    /// Sets both output modes.
    #[must_use]
    pub fn with_outputs(mut self, stream: StreamOutput, data: DataOutput) -> Self {
        self.stream_output = stream;
        self.data_output = data;
        self
    }

    /// Sets the acknowledgement window.
    #[must_use]
    pub fn with_ack_window(mut self, window: u64) -> Self {
        self.ack_window = window;
        self
    }

    /// Sets the bounds of the upload.
    #[must_use]
    pub fn with_upload_limits(mut self, upload: UploadLimits) -> Self {
        self.upload = upload;
        self
    }

    /// Sets whether the client has our agreement.
    #[must_use]
    pub fn with_agreement(mut self, agreement: bool) -> Self {
        self.agreement = agreement;
        self
    }

    /// Sets whether both ends agreed on announced uploads.
    #[must_use]
    pub fn with_verified_uploads(mut self, agreed: bool) -> Self {
        self.verified_uploads = agreed;
        self
    }

    /// Sets whether both ends agreed on a channel for results that may be lost.
    #[must_use]
    pub fn with_fresh_results(mut self, agreed: bool) -> Self {
        self.fresh_results = agreed;
        self
    }

    /// Replaces the time limits.
    #[must_use]
    pub fn with_limits(mut self, limits: JobLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets the processing timeout in seconds as the request has it: null is no limit, a negative number is 0.
    #[must_use]
    pub fn with_processing_timeout(mut self, seconds: Option<i64>) -> Self {
        self.limits.processing =
            seconds.map(|s| Duration::from_secs(u64::try_from(s).unwrap_or(0)));
        self
    }
}
