//! From the protocol machine's reason for the end to what callers get.
//! Words and types only; deciding that it is over is the machine's.

use framewire_protocol::session as machine;
use framewire_transport::CloseReason;

use crate::error::{About, SessionError, Step};
use crate::session::{EndKind, Ended};

/// The only reason code originals send.
const TIMEOUT_REACHED: &str = "timeout_reached";

pub(crate) fn verdict(
    end: Option<&machine::End>,
    failure: Option<&SessionError>,
) -> Result<Ended, SessionError> {
    use machine::End;
    let regular = |kind, termination_reason| {
        Ok(Ended {
            kind,
            termination_reason,
        })
    };
    match end {
        None | Some(End::Closed) => regular(EndKind::Closed, None),
        Some(End::Completed { reason, errors }) if errors.is_empty() => match reason.as_deref() {
            Some(TIMEOUT_REACHED) => regular(EndKind::ProcessingTimeout, reason.clone()),
            _ => regular(EndKind::Complete, reason.clone()),
        },
        Some(End::Completed { reason, errors }) => Err(SessionError::Worker {
            errors: errors.clone(),
            termination_reason: reason.clone(),
            about: About::default(),
        }),
        Some(End::Failed { .. } | End::SourceFailed { .. }) if failure.is_some() => {
            Err(failure.cloned().unwrap_or(SessionError::Closed))
        }
        Some(End::Failed { step, message } | End::SourceFailed { step, message }) => {
            Err(SessionError::Transport {
                step: step_of(*step),
                reason: message.clone(),
                about: About::default(),
            })
        }
        Some(End::TimedOut { step, limit }) => Err(SessionError::Timeout {
            step: step_of(*step),
            after: *limit,
            hint: hint(*step),
            about: About::default(),
        }),
        Some(End::PeerClosed { step }) => Err(SessionError::PeerClosed {
            step: step_of(*step),
            about: About::default(),
        }),
        Some(End::Gone { step }) => Err(SessionError::WorkerGone {
            step: step_of(*step),
            about: About::default(),
        }),
        Some(End::Lost { silence }) => Err(SessionError::Lost {
            step: Step::Streaming,
            silence: *silence,
            about: About::default(),
        }),
        Some(other) => Err(SessionError::Transport {
            step: Step::Streaming,
            reason: other.to_string(),
            about: About::default(),
        }),
    }
}

pub(crate) fn step_of(step: machine::Step) -> Step {
    match step {
        machine::Step::Gathering => Step::Gathering,
        machine::Step::Signalling => Step::Signalling,
        machine::Step::Connecting | machine::Step::Opening => Step::Connecting,
        machine::Step::Announcing => Step::Announcing,
        machine::Step::Uploading => Step::Uploading,
        machine::Step::Verifying => Step::Verifying,
        machine::Step::FirstResult => Step::FirstResult,
        _ => Step::Streaming,
    }
}

fn hint(step: machine::Step) -> &'static str {
    match step {
        machine::Step::Uploading => "the worker takes no more bytes; look at its log and its disk",
        machine::Step::Announcing => "the worker agreed to resumable uploads but does not answer",
        machine::Step::Verifying => {
            "the worker has every byte but does not say whether they are right; look at its log and its disk"
        }
        machine::Step::FirstResult => {
            "look at the worker's log for errors of its decoder, and at the path for large datagrams that get lost; loading a model may take longer (WEBRTC_INITIAL_FRAME_TIMEOUT)"
        }
        machine::Step::Signalling => {
            "the worker took the request but did not answer; look at its log"
        }
        _ => "check that UDP passes between both machines",
    }
}

/// What the end of a peer connection that was up means.
pub(crate) enum PeerVerdict {
    Ours,
    Machine(machine::PeerEnd),
    Error(SessionError),
}

pub(crate) fn peer_verdict(reason: &CloseReason, step: Step) -> PeerVerdict {
    match reason {
        CloseReason::Local => PeerVerdict::Ours,
        CloseReason::Remote => PeerVerdict::Machine(machine::PeerEnd::Remote),
        CloseReason::Gone => PeerVerdict::Machine(machine::PeerEnd::Gone),
        CloseReason::Lost { silence } => PeerVerdict::Error(SessionError::Lost {
            step,
            silence: *silence,
            about: About::default(),
        }),
        other => PeerVerdict::Error(SessionError::Transport {
            step,
            reason: other.to_string(),
            about: About::default(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn completion_with_errors_is_an_error_and_without_is_not() {
        let completed = |reason: Option<&str>, errors: &[&str]| {
            let end = machine::End::Completed {
                reason: reason.map(str::to_owned),
                errors: errors.iter().map(|text| (*text).to_owned()).collect(),
            };
            verdict(Some(&end), None)
        };
        assert_eq!(completed(None, &[]).unwrap().kind, EndKind::Complete);
        assert_eq!(
            completed(Some("timeout_reached"), &[]).unwrap().kind,
            EndKind::ProcessingTimeout
        );
        assert!(matches!(
            completed(None, &["no video"]),
            Err(SessionError::Worker { .. })
        ));
    }

    #[test]
    fn a_closed_connection_is_never_a_silent_success() {
        let end = machine::End::PeerClosed {
            step: machine::Step::Streaming,
        };
        assert!(matches!(
            verdict(Some(&end), None),
            Err(SessionError::PeerClosed {
                step: Step::Streaming,
                ..
            })
        ));
        let end = machine::End::TimedOut {
            step: machine::Step::FirstResult,
            limit: Duration::from_secs(90),
        };
        assert!(matches!(
            verdict(Some(&end), None),
            Err(SessionError::Timeout {
                step: Step::FirstResult,
                ..
            })
        ));
    }
}
