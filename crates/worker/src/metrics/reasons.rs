//! The values of the worker's labels: why, where, of which kind.
//! Not the counting.

use super::label::{Label, labels};
use crate::session::SourceKind;

impl Label for SourceKind {
    const ALL: &'static [SourceKind] = &SourceKind::ALL;

    fn index(self) -> usize {
        self as usize
    }

    fn as_str(self) -> &'static str {
        SourceKind::as_str(self)
    }
}

labels! {
    /// Why a frame got no result.
    DropReason {
        /// A newer frame came before the workflow was free.
        SlowWorkflow = "slow_workflow",
        /// The result channel did not take it in time.
        SlowChannel = "slow_channel",
        /// There is no result channel.
        NoChannel = "no_channel",
        /// It was old already, and a newer one waited.
        Stale = "stale",
        /// It, or one it needs, was lost or damaged.
        Undecodable = "undecodable",
    }
}

labels! {
    /// Why a processed frame is not on its track.
    VideoDropReason {
        /// It would have left late.
        NoRoom = "no_room",
        /// A newer frame came before the encoder was free.
        SlowEncoder = "slow_encoder",
        /// The encoder could not take it.
        EncodeFailed = "encode_failed",
    }
}

labels! {
    /// Steps of a frame through the worker.
    Stage {
        /// Waiting, before decoding and before the workflow.
        Queue = "queue",
        Decode = "decode",
        Workflow = "workflow",
        /// Encoding for the track.
        Encode = "encode",
        /// From a written result to the channel having taken it, the wait for room included.
        Send = "send",
        /// From the complete frame received to the encoded frame handed to the transport; without a track, to its result.
        Total = "total",
    }
}

labels! {
    /// Where a session is between its request and its end.
    SessionState {
        /// Its request is being answered.
        Starting = "starting",
        /// Answered; the connection is coming up.
        Connecting = "connecting",
        /// Its file is coming.
        Uploading = "uploading",
        /// Frames are, or soon will be, processed.
        Running = "running",
        /// No further frame is taken.
        Ending = "ending",
    }
}

labels! {
    /// How a session ended.
    EndReason {
        Done = "done",
        ClientLeft = "client_left",
        Shutdown = "shutdown",
        SourceFailed = "source_failed",
        UploadStalled = "upload_stalled",
        UploadDamaged = "upload_damaged",
        TimedOut = "timed_out",
        ClientVanished = "client_vanished",
        NeverConnected = "never_connected",
        ConnectionLost = "connection_lost",
        Internal = "internal",
    }
}

impl EndReason {
    /// Whether the job was done, ended early by somebody's wish, or failed.
    pub(crate) fn outcome(self) -> Outcome {
        match self {
            EndReason::Done => Outcome::Completed,
            EndReason::ClientLeft | EndReason::Shutdown => Outcome::CutShort,
            _ => Outcome::Failed,
        }
    }
}

labels! {
    /// What a session came to.
    Outcome {
        /// The whole source was processed.
        Completed = "completed",
        /// The client or a shutdown ended it early.
        CutShort = "cut_short",
        Failed = "failed",
    }
}

labels! {
    /// Why a session was not started.
    Refusal {
        /// All places are taken.
        Full = "full",
        Draining = "draining",
        Unauthorized = "unauthorized",
        /// The body is no request.
        Invalid = "invalid",
        TooLarge = "too_large",
        Slow = "slow",
        Configuration = "configuration",
        Offer = "offer",
        Source = "source",
        Workflow = "workflow",
        /// A workflow or model that is not here.
        NotFound = "not_found",
        Internal = "internal",
    }
}

labels! {
    /// What went wrong.
    ErrorKind {
        /// A frame's workflow, or the function of the worker's owner.
        Workflow = "workflow",
        /// A frame, or one it needs, was lost or damaged.
        Decode = "decode",
        Encode = "encode",
        /// The results channel broke or took nothing.
        Send = "send",
        /// A control message was unusable.
        Control = "control",
        /// A source ended its session.
        Source = "source",
        /// An upload stalled, was damaged or could not be stored.
        Upload = "upload",
        /// A connection never came up, or its client fell silent.
        Connection = "connection",
        /// The processing timeout was reached.
        Timeout = "timeout",
        /// A bug, or a machine without threads.
        Internal = "internal",
    }
}

labels! {
    /// Data channels with a name of their own. The client chooses labels, so any other is `other`.
    ChannelName {
        Inference = "inference",
        Upload = "video_upload",
        Fresh = "framewire-results",
        Probe = "framewire-probe",
        Other = "other",
    }
}

labels! {
    /// Routes with a name of their own; unknown paths, however many, are `other`.
    Route {
        Root = "/",
        Healthz = "/healthz",
        Readyz = "/readyz",
        Metrics = "/metrics",
        Info = "/info",
        Models = "/models",
        Initialise = "/initialise_webrtc_worker",
        Restart = "/webrtc/session/{id}/ice",
        Heartbeat = "/webrtc/session/heartbeat",
        HeartbeatEnd = "/webrtc/session/heartbeat/end",
        ViewerScript = "/viewer.js",
        ViewerStyle = "/viewer.css",
        Other = "other",
    }
}

labels! {
    /// Status of a response by its first digit.
    StatusClass {
        Success = "2xx",
        Redirection = "3xx",
        ClientError = "4xx",
        ServerError = "5xx",
    }
}

/// The value a text names, if any does.
pub(crate) fn named<L: Label>(text: &str) -> Option<L> {
    L::ALL.iter().copied().find(|label| label.as_str() == text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use framewire_protocol::job::{FRESH_LABEL, RESULTS_LABEL, UPLOAD_LABEL};

    #[test]
    fn channels_have_the_names_of_the_wire() {
        for (name, channel) in [
            (RESULTS_LABEL, ChannelName::Inference),
            (UPLOAD_LABEL, ChannelName::Upload),
            (FRESH_LABEL, ChannelName::Fresh),
        ] {
            assert_eq!(named(name), Some(channel));
        }
        assert_eq!(named::<ChannelName>("a\"} 1"), None);
    }

    #[test]
    fn each_value_has_the_index_of_its_place() {
        fn check<L: Label>() {
            for (index, label) in L::ALL.iter().enumerate() {
                assert_eq!(label.index(), index);
            }
        }
        check::<SourceKind>();
        check::<DropReason>();
        check::<EndReason>();
        check::<Route>();
    }
}
