//! Where a session is and how it ended, in the words of the log and the worker's counters.
//! Not what is done about it.

use framewire_protocol::job::{JobEnd, JobPhase};
use framewire_transport::CloseReason;

use crate::metrics::{EndReason, SessionState};

/// Where the worker's gauges count a session in this phase.
pub(super) fn state_of(phase: JobPhase) -> SessionState {
    match phase {
        JobPhase::Offered => SessionState::Connecting,
        JobPhase::AwaitingUpload | JobPhase::Uploading | JobPhase::Verifying => {
            SessionState::Uploading
        }
        JobPhase::AwaitingFrame | JobPhase::Processing => SessionState::Running,
        _ => SessionState::Ending,
    }
}

/// All that is known of a session's end.
pub(super) struct Ending<'a> {
    pub(super) end: Option<&'a JobEnd>,
    /// How the connection ended, if it did so first.
    pub(super) closed: Option<&'a CloseReason>,
    pub(super) panicked: bool,
}

impl Ending<'_> {
    pub(super) fn text(&self) -> String {
        match (self.end, self.closed) {
            _ if self.panicked => "internal error".to_owned(),
            (Some(JobEnd::PeerLeft), Some(reason)) => reason.to_string(),
            (Some(end), _) => end.to_string(),
            (None, _) => "unknown".to_owned(),
        }
    }

    pub(super) fn reason(&self) -> EndReason {
        let left = matches!(
            self.closed,
            None | Some(CloseReason::Remote | CloseReason::Local)
        );
        match self.end {
            _ if self.panicked => EndReason::Internal,
            Some(JobEnd::Done) => EndReason::Done,
            Some(JobEnd::PeerLeft) if left => EndReason::ClientLeft,
            Some(JobEnd::PeerLeft) => EndReason::ConnectionLost,
            Some(JobEnd::Shutdown) => EndReason::Shutdown,
            Some(JobEnd::SourceFailed(_)) => EndReason::SourceFailed,
            Some(JobEnd::UploadStalled(_)) => EndReason::UploadStalled,
            Some(JobEnd::UploadMismatch) => EndReason::UploadDamaged,
            Some(JobEnd::TimedOut) => EndReason::TimedOut,
            Some(JobEnd::PeerVanished(_)) => EndReason::ClientVanished,
            Some(JobEnd::NeverConnected(_)) => EndReason::NeverConnected,
            _ => EndReason::Internal,
        }
    }
}
