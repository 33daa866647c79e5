//! Errors of a session, from its start to its end.
//! Not here: drops of single messages and frames, which are counted in [`SessionStats`](crate::SessionStats).

use std::path::PathBuf;
use std::time::Duration;

use crate::diagnosis::{self, Diagnosis};
use crate::error::{About, ErrorKind, HttpFailure, SourceError, Step, WorkerSession};

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
    /// No addresses could be collected that the worker could be reached from.
    #[error("{diagnosis}")]
    Gathering {
        /// What went wrong.
        reason: String,
        /// What it means and what to try.
        diagnosis: Box<Diagnosis>,
    },
    /// No HTTP answer came from the worker's address: nothing listens, the name does not resolve, TLS or a proxy failed ….
    #[error("no worker at {url}: {diagnosis}")]
    Unreachable {
        /// The address.
        url: String,
        /// What the system said.
        reason: String,
        /// What it means and what to try.
        diagnosis: Box<Diagnosis>,
    },
    /// Something accepts connections there but answers no HTTP request.
    #[error("{diagnosis}")]
    Silent {
        /// The address.
        url: String,
        /// How long it was waited.
        after: Duration,
        /// What it means and what to try.
        diagnosis: Box<Diagnosis>,
    },
    /// The worker refused the session.
    #[error("the worker refused the session: {0}")]
    Http(Box<HttpFailure>),
    /// The exchange of offer and answer broke.
    #[error("exchanging offer and answer failed: {diagnosis}")]
    Signalling {
        /// The address.
        url: String,
        /// What the system said.
        reason: String,
        /// What it means and what to try.
        diagnosis: Box<Diagnosis>,
    },
    /// The worker's answer cannot be used.
    #[error("{diagnosis}")]
    BadAnswer {
        /// The address.
        url: String,
        /// What is wrong with it.
        reason: String,
        /// What it means and what to try.
        diagnosis: Box<Diagnosis>,
    },
    /// A step did not finish in time.
    #[error("{}", timeout(*.step, *.after, .hint, .about))]
    Timeout {
        /// The step.
        step: Step,
        /// The limit that passed.
        after: Duration,
        /// What to look at.
        hint: &'static str,
        /// What else is known.
        about: About,
    },
    /// The peer connection could not be established.
    #[error("connecting to the worker failed: {problem}{about}")]
    Connect {
        /// What was found.
        problem: String,
        /// What it means and what to try.
        about: About,
    },
    /// The worker's process is gone.
    #[error("the worker is gone (while {step}): its host refuses further contact{about}")]
    WorkerGone {
        /// What was under way.
        step: Step,
        /// What else is known.
        about: About,
    },
    /// The worker was silent for too long.
    #[error("lost the worker (while {step}): nothing heard for {} s{about}", .silence.as_secs_f64())]
    Lost {
        /// What was under way.
        step: Step,
        /// How long it was silent.
        silence: Duration,
        /// What else is known.
        about: About,
    },
    /// The worker closed the connection without saying that the stream is complete.
    #[error(
        "the worker closed the connection before the stream was complete (while {step}){about}"
    )]
    PeerClosed {
        /// What was under way.
        step: Step,
        /// What else is known.
        about: About,
    },
    /// The worker ended the stream and reported errors.
    #[error("the worker ended the stream with an error: {}{about}", .errors.join("; "))]
    Worker {
        /// The errors it reported.
        errors: Vec<String>,
        /// Its reason code, when it gave one.
        termination_reason: Option<String>,
        /// What else is known.
        about: About,
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
    #[error("the connection failed (while {step}): {reason}{about}")]
    Transport {
        /// What was under way.
        step: Step,
        /// What went wrong.
        reason: String,
        /// What else is known.
        about: About,
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

fn timeout(step: Step, after: Duration, hint: &str, about: &About) -> String {
    match about.diagnosis() {
        Some(Diagnosis { problem, .. }) => format!("{step} did not finish: {problem}{about}"),
        None => format!(
            "{step} did not finish within {} s; {hint}{about}",
            after.as_secs_f64()
        ),
    }
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
            SessionError::Gathering { .. } => Step::Gathering,
            SessionError::Unreachable { .. } | SessionError::Silent { .. } => Step::Reaching,
            SessionError::Http(_)
            | SessionError::Signalling { .. }
            | SessionError::BadAnswer { .. } => Step::Signalling,
            SessionError::Connect { .. } => Step::Connecting,
            SessionError::Worker { .. } => Step::Streaming,
            SessionError::UploadMismatch { .. } => Step::Verifying,
            SessionError::Local { step, .. }
            | SessionError::Timeout { step, .. }
            | SessionError::WorkerGone { step, .. }
            | SessionError::Lost { step, .. }
            | SessionError::PeerClosed { step, .. }
            | SessionError::Transport { step, .. } => *step,
        })
    }

    /// What it means and what to try, as `framewire doctor` would say it. Every error of kind
    /// [`Connect`](ErrorKind::Connect) has one but [`Local`](Self::Local), and so has the loss of a worker.
    pub fn diagnosis(&self) -> Option<&Diagnosis> {
        match self {
            SessionError::Http(failure) => Some(&failure.diagnosis),
            SessionError::Gathering { diagnosis, .. }
            | SessionError::Unreachable { diagnosis, .. }
            | SessionError::Silent { diagnosis, .. }
            | SessionError::Signalling { diagnosis, .. }
            | SessionError::BadAnswer { diagnosis, .. } => Some(diagnosis),
            SessionError::Unrecovered { cause, last, .. } => cause
                .diagnosis()
                .or_else(|| last.as_deref().and_then(SessionError::diagnosis)),
            error => error.about().and_then(About::diagnosis),
        }
    }

    /// The session by the name its worker gave it, to be looked up in the worker's log. None before there was one, and with
    /// originals, which give no names.
    pub fn session(&self) -> Option<&WorkerSession> {
        self.about().and_then(About::session)
    }

    fn about(&self) -> Option<&About> {
        match self {
            SessionError::Timeout { about, .. }
            | SessionError::Connect { about, .. }
            | SessionError::WorkerGone { about, .. }
            | SessionError::Lost { about, .. }
            | SessionError::PeerClosed { about, .. }
            | SessionError::Worker { about, .. }
            | SessionError::Transport { about, .. } => Some(about),
            SessionError::Unrecovered { cause, .. } => cause.about(),
            _ => None,
        }
    }

    /// The same error with the session it happened in, and with a diagnosis where the error alone is evidence enough.
    pub(crate) fn in_session(mut self, session: Option<&WorkerSession>) -> Self {
        let found = diagnosis::of_loss(&self);
        match &mut self {
            SessionError::Timeout { about, .. }
            | SessionError::Connect { about, .. }
            | SessionError::WorkerGone { about, .. }
            | SessionError::Lost { about, .. }
            | SessionError::PeerClosed { about, .. }
            | SessionError::Worker { about, .. }
            | SessionError::Transport { about, .. } => {
                if let Some(found) = found {
                    about.set_diagnosis(found);
                }
                if let Some(session) = session {
                    about.set_session(session.clone());
                }
            }
            _ => {}
        }
        self
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
        let body = r#"{"error": "nope", "error_type": "WorkflowSyntaxError"}"#;
        let refused = crate::http::failure("http://w/x".into(), status, body, None, false);
        SessionError::Http(Box::new(refused))
    }

    #[test]
    fn kinds_follow_the_step() {
        assert_eq!(http(400).kind(), ErrorKind::Input);
        assert_eq!(http(503).kind(), ErrorKind::Connect);
        assert_eq!(http(404).kind(), ErrorKind::Connect);
        assert_eq!(
            SessionError::WorkerGone {
                step: Step::Streaming,
                about: About::default(),
            }
            .kind(),
            ErrorKind::Stream
        );
        assert_eq!(
            SessionError::WorkerGone {
                step: Step::Connecting,
                about: About::default(),
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
        for part in ["http://w/x", "400", "WorkflowSyntaxError", "nope"] {
            assert!(text.contains(part), "{text}");
        }
        assert!(http(404).to_string().contains("WebRTC support"));
    }

    #[test]
    fn a_loss_says_what_to_try_and_names_the_session() {
        let lost = SessionError::Lost {
            step: Step::Streaming,
            silence: Duration::from_secs(15),
            about: About::default(),
        };
        let session = WorkerSession {
            id: "7f3a".into(),
            url: "http://w".into(),
        };
        let lost = lost.in_session(Some(&session));
        let found = lost.diagnosis().unwrap();
        assert_eq!(found.cause, crate::Cause::Stalled);
        let text = lost.to_string();
        assert!(text.contains(&found.problem) && text.contains(&found.advice));
        assert!(text.ends_with("(session 7f3a at http://w)"), "{text}");
        assert_eq!(lost.clone().in_session(None), lost);
        let unrecovered = SessionError::Unrecovered {
            cause: Box::new(lost),
            attempts: 2,
            last: None,
        };
        assert_eq!(unrecovered.session(), Some(&session));
        assert!(unrecovered.diagnosis().is_some());
    }
}
