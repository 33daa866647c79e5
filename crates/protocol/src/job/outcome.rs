//! How a job ends, and what it says about it.
//! Names and texts only.

use std::fmt;
use std::time::Duration;

use crate::FrameId;
use crate::message::{ControlError, VideoMetadata, completion_message};
use crate::upload::{ReceiveError, UploadMessageError};

/// `termination_reason` of a session whose worker shuts down; only said to an end that agreed on anything.
pub const WORKER_SHUTDOWN: &str = "worker_shutdown";

/// What the completion message says. The worker adds the time and sends it uncompressed, in chunks as any message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Completion {
    /// Last processed frame; 0 when there was none.
    pub last_frame: FrameId,
    /// `timeout_reached`, [`WORKER_SHUTDOWN`](crate::job::WORKER_SHUTDOWN), or nothing.
    pub termination_reason: Option<&'static str>,
    /// What went wrong, if anything did.
    pub errors: Vec<String>,
}

impl Completion {
    /// A completion without anything to report.
    pub fn new(last_frame: FrameId) -> Self {
        Completion {
            last_frame,
            termination_reason: None,
            errors: Vec::new(),
        }
    }

    /// Frame id of the chunk header: one past the last processed frame.
    pub fn header_frame(&self) -> FrameId {
        self.last_frame.next()
    }

    /// The body of the message, given the worker's local time.
    pub fn body(&self, now: chrono::NaiveDateTime) -> Vec<u8> {
        let metadata = VideoMetadata::new(self.last_frame, now);
        completion_message(&metadata, &self.errors, self.termination_reason)
    }
}

/// Why a job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum JobEnd {
    /// The source ended and the client hung up, or was waited for long enough.
    Done,
    /// The source or the upload failed; the client was told.
    SourceFailed(String),
    /// Nothing of the upload came, or was read, for too long; the client was told, if it still listens.
    UploadStalled(String),
    /// The uploaded file is not the one its sender has; the client was told.
    UploadMismatch,
    /// `processing_timeout` passed; the client was told.
    TimedOut,
    /// The client hung up early.
    PeerLeft,
    /// Nothing was heard from the client for this long.
    PeerVanished(Duration),
    /// The connection or its results channel did not come up in time.
    NeverConnected(Duration),
    /// The worker shuts down; the client was told.
    Shutdown,
}

impl fmt::Display for JobEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JobEnd::Done => f.write_str("done"),
            JobEnd::SourceFailed(error) | JobEnd::UploadStalled(error) => {
                write!(f, "the source failed: {error}")
            }
            JobEnd::UploadMismatch => f.write_str(
                "the upload is damaged: its sha256 is not the one its sender named; upload it again",
            ),
            JobEnd::TimedOut => f.write_str("the processing timeout was reached"),
            JobEnd::PeerLeft => f.write_str("the client ended the connection"),
            JobEnd::PeerVanished(silence) => {
                write!(f, "nothing was heard from the client for {silence:?}")
            }
            JobEnd::NeverConnected(limit) => {
                write!(f, "no results channel within {limit:?} of the answer")
            }
            JobEnd::Shutdown => f.write_str("the worker is shutting down"),
        }
    }
}

/// Worth a log line; the job goes on.
#[derive(Debug)]
#[non_exhaustive]
pub enum JobWarning {
    /// A control message was dropped.
    Control(ControlError),
    /// A negative acknowledgement was ignored.
    NegativeAck,
    /// `stream_output` was changed in a session without video.
    NoVideoTrack,
    /// An upload message was dropped.
    Upload(ReceiveError),
    /// A message about an upload was dropped.
    UploadMessage(UploadMessageError),
    /// A chunk or message of an upload came when it makes no sense, and was dropped.
    UploadOutOfTurn,
    /// A channel without a role was opened.
    IgnoredChannel(String),
}

impl fmt::Display for JobWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JobWarning::Control(error) => write!(f, "dropped a control message: {error}"),
            JobWarning::NegativeAck => f.write_str("ignored a negative ack"),
            JobWarning::NoVideoTrack => {
                f.write_str("stream_output was changed in a session without video")
            }
            JobWarning::Upload(error) => write!(f, "dropped an upload message: {error}"),
            JobWarning::UploadMessage(error) => {
                write!(f, "dropped a message about an upload: {error}")
            }
            JobWarning::UploadOutOfTurn => {
                f.write_str("dropped a part of an upload that came out of turn")
            }
            JobWarning::IgnoredChannel(label) => write!(f, "ignored the data channel {label:?}"),
        }
    }
}
