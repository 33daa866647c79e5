//! Errors of a session, from its start to its end.
//! Not here: drops of single messages and frames, which are counted in [`SessionStats`](crate::SessionStats).

use std::path::PathBuf;
use std::time::Duration;

use crate::error::{ErrorKind, HttpFailure, SourceError, Step};

/// Why a session failed. Cheap to clone: every waiting consumer gets the same one.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The session was used after it had been closed.
    #[error("cannot use a closed session; streams are not restartable, start a new one")]
    Closed,
    /// Something was asked of a session that needs a started one.
    #[error("the session has not started; start it first")]
    NotStarted,
    /// Something was asked of a session that cannot be done with it.
    #[error("not possible with this session: {reason}")]
    NotPossible {
        /// Why, and what to do instead.
        reason: &'static str,
    },
    /// The video cannot be used.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// This machine refused a thread or a socket.
    #[error("{step} failed: {reason}")]
    Local {
        /// What was under way.
        step: Step,
        /// What the system said.
        reason: String,
    },
    /// Nothing listens at the worker's address, or its name does not resolve.
    #[error("no worker at {url}: {reason}; is it running there, and is the address right?")]
    Unreachable {
        /// The address.
        url: String,
        /// What went wrong.
        reason: String,
    },
    /// Something accepts connections there but answers no HTTP request.
    #[error("{url} accepted the connection but gave no HTTP answer within {} s; is this the worker's address?", .after.as_secs_f64())]
    Silent {
        /// The address.
        url: String,
        /// How long it was waited.
        after: Duration,
    },
    /// The worker refused the session.
    #[error("the worker refused the session: {0}")]
    Http(Box<HttpFailure>),
    /// The exchange of offer and answer broke.
    #[error("exchanging offer and answer with {url} failed: {reason}")]
    Signalling {
        /// The address.
        url: String,
        /// What went wrong.
        reason: String,
    },
    /// The worker's answer cannot be used.
    #[error("the answer of {url} is not usable: {reason}")]
    BadAnswer {
        /// The address.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A step did not finish in time.
    #[error("{step} did not finish within {} s; {hint}", .after.as_secs_f64())]
    Timeout {
        /// The step.
        step: Step,
        /// The limit that passed.
        after: Duration,
        /// What to look at.
        hint: &'static str,
    },
    /// The peer connection could not be established.
    #[error(
        "connecting to the worker failed while {stage}; check that UDP passes between both machines"
    )]
    Connect {
        /// What did not come about.
        stage: String,
    },
    /// The worker's process is gone.
    #[error("the worker is gone (while {step}): its host refuses further contact")]
    WorkerGone {
        /// What was under way.
        step: Step,
    },
    /// The worker was silent for too long.
    #[error("lost the worker (while {step}): nothing heard for {} s", .silence.as_secs_f64())]
    Lost {
        /// What was under way.
        step: Step,
        /// How long it was silent.
        silence: Duration,
    },
    /// The worker closed the connection without saying that the stream is complete.
    #[error("the worker closed the connection before the stream was complete (while {step})")]
    PeerClosed {
        /// What was under way.
        step: Step,
    },
    /// The worker ended the stream and reported errors.
    #[error("the worker ended the stream with an error: {}", .errors.join("; "))]
    Worker {
        /// The errors it reported.
        errors: Vec<String>,
        /// Its reason code, when it gave one.
        termination_reason: Option<String>,
    },
    /// The worker got other bytes than were read here, and processed none of them.
    #[error(
        "the worker's copy of {} is not what was sent (SHA-256 differs): it was damaged on the way, or the file changed meanwhile; nothing of it was processed, start again",
        .path.display()
    )]
    UploadMismatch {
        /// The file.
        path: PathBuf,
    },
    /// The transport failed.
    #[error("the connection failed (while {step}): {reason}")]
    Transport {
        /// What was under way.
        step: Step,
        /// What went wrong.
        reason: String,
    },
    /// The link broke, and no new connection came about ([`Recovery`](crate::Recovery)).
    #[error("{cause} ({})", gave_up(*.attempts, .last.as_deref()))]
    Unrecovered {
        /// What broke the link in the first place.
        cause: Box<SessionError>,
        /// Attempts to connect anew.
        attempts: u32,
        /// Why the last one failed, when that says more than the cause.
        last: Option<Box<SessionError>>,
    },
}

fn gave_up(attempts: u32, last: Option<&SessionError>) -> String {
    let times = if attempts == 1 { "attempt" } else { "attempts" };
    match last {
        None => format!("gave up after {attempts} {times} to reconnect"),
        Some(last) => format!(
            "gave up after {attempts} {times} to reconnect, the last of which failed: {last}"
        ),
    }
}

impl SessionError {
    /// What went wrong first: the error itself, or the broken link that could not be recovered.
    pub fn first_cause(&self) -> &SessionError {
        match self {
            SessionError::Unrecovered { cause, .. } => cause.first_cause(),
            error => error,
        }
    }

    /// The step that failed; none when the session was simply used after its end.
    pub fn step(&self) -> Option<Step> {
        Some(match self {
            SessionError::Closed | SessionError::NotStarted | SessionError::NotPossible { .. } => {
                return None;
            }
            SessionError::Unrecovered { cause, .. } => return cause.step(),
            SessionError::Source(SourceError::Changed { .. }) => Step::Uploading,
            SessionError::Source(SourceError::Broken { .. }) => Step::Streaming,
            SessionError::Source(_) => Step::Source,
            SessionError::Unreachable { .. } | SessionError::Silent { .. } => Step::Reaching,
            SessionError::Http(_)
            | SessionError::Signalling { .. }
            | SessionError::BadAnswer { .. } => Step::Signalling,
            SessionError::Connect { .. } => Step::Connecting,
            SessionError::Worker { .. } => Step::Streaming,
            SessionError::UploadMismatch { .. } => Step::Verifying,
            SessionError::Local { step, .. }
            | SessionError::Timeout { step, .. }
            | SessionError::WorkerGone { step }
            | SessionError::Lost { step, .. }
            | SessionError::PeerClosed { step }
            | SessionError::Transport { step, .. } => *step,
        })
    }

    /// Sorts the error into input, connection or stream.
    pub fn kind(&self) -> ErrorKind {
        match (self, self.step()) {
            (SessionError::Closed, _) => ErrorKind::Closed,
            (SessionError::NotStarted | SessionError::NotPossible { .. }, _) => ErrorKind::Input,
            (SessionError::Http(failure), _) if failure.names_bad_input() => ErrorKind::Input,
            (_, Some(Step::Source)) => ErrorKind::Input,
            (_, Some(Step::Gathering | Step::Reaching | Step::Signalling | Step::Connecting)) => {
                ErrorKind::Connect
            }
            _ => ErrorKind::Stream,
        }
    }
}

/// Why [`Session::wait`](crate::Session::wait) returned without the end of the stream.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// The stream did not end in time. The session goes on; wait again or close it.
    #[error("the stream did not end within {} s", .0.as_secs_f64())]
    Timeout(Duration),
    /// The session failed.
    #[error(transparent)]
    Session(#[from] SessionError),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(status: u16) -> SessionError {
        SessionError::Http(Box::new(HttpFailure {
            url: "http://w/initialise_webrtc_worker".into(),
            status,
            message: Some("nope".into()),
            error_type: Some("WorkflowSyntaxError".into()),
            body: String::new(),
        }))
    }

    #[test]
    fn kinds_follow_the_step() {
        assert_eq!(http(400).kind(), ErrorKind::Input);
        assert_eq!(http(503).kind(), ErrorKind::Connect);
        assert_eq!(http(404).kind(), ErrorKind::Connect);
        assert_eq!(
            SessionError::WorkerGone {
                step: Step::Streaming
            }
            .kind(),
            ErrorKind::Stream
        );
        assert_eq!(
            SessionError::WorkerGone {
                step: Step::Connecting
            }
            .kind(),
            ErrorKind::Connect
        );
        let changed = SourceError::Changed {
            path: "a".into(),
            expected: 2,
            found: 1,
        };
        assert_eq!(SessionError::from(changed).kind(), ErrorKind::Stream);
        assert_eq!(
            SessionError::from(SourceError::Empty { path: "a".into() }).kind(),
            ErrorKind::Input
        );
        assert_eq!(SessionError::Closed.kind(), ErrorKind::Closed);
    }

    #[test]
    fn a_refusal_shows_status_type_and_message() {
        let text = http(400).to_string();
        for part in ["400", "WorkflowSyntaxError", "nope"] {
            assert!(text.contains(part), "{text}");
        }
        assert!(http(404).to_string().contains("WebRTC support"));
    }
}
