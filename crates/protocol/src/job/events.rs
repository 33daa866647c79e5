//! What goes into the job machine and what comes out of it.
//! Types only; the transitions are in `machine`.

use std::time::Duration;

use bytes::Bytes;

use crate::job::{Completion, JobEnd, JobWarning};
use crate::output::{DataOutput, StreamOutput};
use crate::upload::{ChunkSet, UploadId, UploadPlan, UploadWrite};

/// What happened. Channels are named by whatever number the transport uses.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum JobInput {
    /// ICE and DTLS are up.
    Connected,
    /// The client's channel is open.
    ChannelOpen {
        /// Its number.
        channel: u64,
        /// Its label.
        label: String,
    },
    /// A channel was closed.
    ChannelClosed {
        /// Its number.
        channel: u64,
    },
    /// A message, text or binary.
    Message {
        /// Its channel.
        channel: u64,
        /// Its bytes.
        data: Bytes,
    },
    /// The announced upload is open and these chunks of it are on disk.
    UploadOpened {
        /// Its chunks.
        have: ChunkSet,
    },
    /// The file is being hashed and that goes on; puts off the stall.
    UploadHashing,
    /// The file was hashed: whether it is what its sender said.
    UploadVerified(bool),
    /// A frame came on the client's track. Only the first one matters; repeating it costs nothing.
    TrackFrame,
    /// The source has no more frames, or failed; also for an upload that cannot be written or opened.
    SourceEnded {
        /// What went wrong; without credentials.
        error: Option<String>,
    },
    /// Everything sent so far was handed to the network.
    Drained,
    /// The transport has heard nothing for this long.
    Stalled(Duration),
    /// The transport hears the peer again.
    Resumed,
    /// The connection ended.
    PeerEnded,
    /// The worker shuts down.
    Shutdown,
    /// Time passed.
    Tick,
}

/// What to do.
#[derive(Debug)]
#[non_exhaustive]
pub enum JobOutput {
    /// Send these bytes back on that channel (a keep-alive).
    Echo {
        /// The channel.
        channel: u64,
        /// The bytes.
        data: Bytes,
    },
    /// Send this text on the results channel.
    SendText(String),
    /// Write a part of the uploaded file.
    Write(UploadWrite),
    /// Find what is there of this upload, of equal size and chunk size only, and report [`JobInput::UploadOpened`]. Comes at
    /// most once, before any write, and only when both ends agreed on it.
    OpenUpload {
        /// Its name.
        id: UploadId,
        /// How it is cut.
        plan: UploadPlan,
    },
    /// Every byte was handed out: compare the file with this, report [`JobInput::UploadVerified`], and meanwhile
    /// [`JobInput::UploadHashing`] if it takes long. Comes at most once.
    VerifyUpload {
        /// SHA-256 the file must have.
        sha256: [u8; 32],
    },
    /// The source may be opened and the processing loop started; for an upload, after the writes before this are done.
    /// Comes once.
    Start,
    /// [`Job::gate`](crate::job::Job::gate) may answer differently now.
    GateChanged,
    /// [`Job::modes`](crate::job::Job::modes) changed; the next result is made by it.
    ModesChanged,
    /// Worth a log line.
    Warning(JobWarning),
    /// Send the completion message, then report [`JobInput::Drained`]. Comes at most once, after the last result.
    Complete(Completion),
    /// Close the connection after what is queued.
    Close,
    /// Over; tear down. Comes once, as the last output.
    Ended(JobEnd),
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum JobPhase {
    /// Answered; waiting for the results channel.
    Offered,
    /// Waiting for the first upload message.
    AwaitingUpload,
    /// The file is coming.
    Uploading,
    /// The file is whole and compared with what its sender said.
    Verifying,
    /// Waiting for the first frame of the client's track.
    AwaitingFrame,
    /// Frames are taken.
    Processing,
    /// Waiting for the frame in progress to end.
    Stopping,
    /// The completion message is on its way.
    Completing,
    /// Waiting for the client to hang up.
    Lingering,
    /// Over.
    Ended,
}

impl JobPhase {
    /// Whether no further frame is taken.
    pub fn is_ending(self) -> bool {
        matches!(
            self,
            JobPhase::Stopping | JobPhase::Completing | JobPhase::Lingering | JobPhase::Ended
        )
    }
}

/// The output modes in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputModes {
    /// What is streamed.
    pub stream: StreamOutput,
    /// What result messages carry.
    pub data: DataOutput,
}
