//! Diagnoses of errors that are evidence enough by themselves: silence, an end too early, a step that took too long.
//! Not here: why a connection did not come about, which takes the report of its paths.

use crate::diagnosis::{Cause, CheckStep, Diagnosis, seconds};
use crate::error::{SessionError, Step};

/// What the error means; none for errors that say it themselves or have a diagnosis by other evidence.
pub(crate) fn of_loss(error: &SessionError) -> Option<Diagnosis> {
    let found = |step, cause, problem: String, advice: &str| {
        Some(Diagnosis::new(step, cause, problem, advice))
    };
    match error {
        SessionError::Lost { silence, step, .. } => found(
            check_step(*step),
            Cause::Stalled,
            format!("nothing heard for {}", seconds(*silence)),
            "check the network in between, and the worker's log: its machine may be stopped or overloaded",
        ),
        SessionError::WorkerGone { step, .. } => found(
            check_step(*step),
            Cause::IceRefused,
            "its host refuses further contact".into(),
            "look at the end of the worker's log, and start it again",
        ),
        SessionError::PeerClosed { step, .. } => found(
            check_step(*step),
            Cause::WorkerError,
            "the worker closed the connection".into(),
            "look at the worker's log",
        ),
        SessionError::Transport { step, reason, .. } if connects(*step) => found(
            check_step(*step),
            Cause::IceNoAnswer,
            reason.clone(),
            "try again, and see what `framewire doctor` finds",
        ),
        SessionError::Timeout {
            step,
            after,
            hint,
            about,
        } if about.diagnosis().is_none() => found(
            check_step(*step),
            match step {
                Step::Gathering => Cause::NoCandidates,
                Step::Reaching => Cause::PortSilent,
                Step::Connecting => Cause::IceNoAnswer,
                Step::FirstResult => Cause::NoVideo,
                _ => Cause::WorkerStalled,
            },
            match step {
                Step::FirstResult => format!(
                    "everything was sent, and nothing came back within {}",
                    seconds(*after)
                ),
                _ => format!("it was not done after {}", seconds(*after)),
            },
            hint,
        ),
        _ => None,
    }
}

fn connects(step: Step) -> bool {
    matches!(
        step,
        Step::Gathering | Step::Reaching | Step::Signalling | Step::Connecting
    )
}

/// Where a session's step belongs in the walk of `doctor`.
fn check_step(step: Step) -> CheckStep {
    match step {
        Step::Source | Step::Gathering => CheckStep::Candidates,
        Step::Reaching => CheckStep::Http,
        Step::Signalling => CheckStep::Signalling,
        Step::Connecting => CheckStep::Ice,
        Step::Announcing | Step::Uploading | Step::Verifying => CheckStep::ThroughputUp,
        Step::FirstResult | Step::Streaming => CheckStep::Video,
    }
}
