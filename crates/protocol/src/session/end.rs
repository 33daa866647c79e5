//! Where a session stands and how it can end.
//! Names only; the transitions are in the machine.

use std::fmt;
use std::time::Duration;

/// What a session waits for. The order is the order of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Step {
    /// The local offer and its candidates.
    Gathering,
    /// The worker's HTTP answer.
    Signalling,
    /// ICE and DTLS.
    Connecting,
    /// The data channels.
    Opening,
    /// What the worker has of the file already; only between two ends of ours.
    Announcing,
    /// The file going up.
    Uploading,
    /// The worker's word that the file is right; only between two ends of ours.
    Verifying,
    /// The first frame of our own source; no limit of its own, since the user may push it at any time.
    Sending,
    /// The first result.
    FirstResult,
    /// Further results; no limit of its own.
    Streaming,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Step::Gathering => "gathering ICE candidates",
            Step::Signalling => "waiting for the worker's answer",
            Step::Connecting => "connecting to the worker",
            Step::Opening => "opening the data channels",
            Step::Announcing => "asking the worker what it has of the file",
            Step::Uploading => "uploading the file",
            Step::Verifying => "waiting for the worker to verify the file",
            Step::Sending => "waiting for the first frame to send",
            Step::FirstResult => "waiting for the first result",
            Step::Streaming => "receiving results",
        })
    }
}

/// How the transport says a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeerEnd {
    /// Closed by the worker, or its results channel was.
    Remote,
    /// The worker's port is unreachable.
    Gone,
    /// Nothing was heard for this long.
    Lost(Duration),
    /// Anything else, in words.
    Failed(String),
}

/// Why a session ended. The first reason stays.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// The worker said it is done.
    Completed {
        /// `termination_reason`, e.g. `timeout_reached`.
        reason: Option<String>,
        /// Errors of the completion message: the source or the upload failed.
        errors: Vec<String>,
    },
    /// Closed from this side.
    Closed,
    /// A step did not finish in time.
    TimedOut {
        /// The step.
        step: Step,
        /// Its limit.
        limit: Duration,
    },
    /// The worker ended the connection before it said it was done.
    PeerClosed {
        /// Where the session stood.
        step: Step,
    },
    /// The worker is gone: its port refuses.
    Gone {
        /// Where the session stood.
        step: Step,
    },
    /// Nothing was heard from the worker for this long.
    Lost {
        /// Length of the silence.
        silence: Duration,
    },
    /// Our own source failed; results of what was sent before have been waited for.
    SourceFailed {
        /// Where the session stood.
        step: Step,
        /// What happened, in words; without credentials.
        message: String,
    },
    /// A step failed.
    Failed {
        /// The step.
        step: Step,
        /// What happened, in words; without credentials.
        message: String,
    },
}

impl End {
    /// Whether the stream ran to its regular end: completed without errors, or closed from this side.
    pub fn is_regular(&self) -> bool {
        match self {
            End::Completed { errors, .. } => errors.is_empty(),
            End::Closed => true,
            _ => false,
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Completed {
                reason: None,
                errors,
            } if errors.is_empty() => f.write_str("processing is complete"),
            End::Completed { reason, errors } => {
                f.write_str("processing ended")?;
                if let Some(reason) = reason {
                    write!(f, " ({reason})")?;
                }
                if !errors.is_empty() {
                    write!(f, " with errors: {}", errors.join("; "))?;
                }
                Ok(())
            }
            End::Closed => f.write_str("the session was closed"),
            End::TimedOut { step, limit } => write!(f, "{step} did not finish within {limit:?}"),
            End::PeerClosed { step } => write!(f, "the worker ended the connection while {step}"),
            End::Gone { step } => write!(
                f,
                "the worker is gone (its port refuses connections) while {step}"
            ),
            End::Lost { silence } => write!(f, "nothing was heard from the worker for {silence:?}"),
            End::SourceFailed { step, message } => {
                write!(f, "the source failed while {step}: {message}")
            }
            End::Failed { step, message } => write!(f, "{step} failed: {message}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_name_the_step() {
        let end = End::TimedOut {
            step: Step::Connecting,
            limit: Duration::from_secs(30),
        };
        assert_eq!(
            end.to_string(),
            "connecting to the worker did not finish within 30s"
        );
        let errors = vec!["cannot decode".to_owned()];
        let end = End::Completed {
            reason: Some("timeout_reached".into()),
            errors,
        };
        assert_eq!(
            end.to_string(),
            "processing ended (timeout_reached) with errors: cannot decode"
        );
        assert!(!end.is_regular());
        assert!(
            End::Completed {
                reason: None,
                errors: vec![]
            }
            .is_regular()
                && End::Closed.is_regular()
        );
    }
}
