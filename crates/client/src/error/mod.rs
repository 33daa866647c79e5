//! Errors of the client: one type per operation, each naming the step that failed.
//! Here: steps, kinds, and how the worker's HTTP side refuses.

mod about;
mod config;
mod session;
mod source;

use crate::diagnosis::Diagnosis;

pub use about::{About, WorkerSession};
pub use config::{ConfigError, UrlPolicyError};
pub use session::{SessionError, WaitError};
pub use source::SourceError;

/// The part of a session's life an error belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Step {
    /// Checking or downloading the video.
    Source,
    /// Collecting network candidates.
    Gathering,
    /// Finding out whether a worker answers HTTP at the address.
    Reaching,
    /// Exchanging offer and answer.
    Signalling,
    /// ICE, DTLS and opening the channels.
    Connecting,
    /// Asking the worker what it has of the file from an earlier connection.
    Announcing,
    /// Sending the file.
    Uploading,
    /// Waiting for the worker's word that it has the file byte for byte.
    Verifying,
    /// Waiting for the first result.
    FirstResult,
    /// Receiving results.
    Streaming,
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Step::Source => "preparing the source",
            Step::Gathering => "gathering network candidates",
            Step::Reaching => "reaching the worker over HTTP",
            Step::Signalling => "exchanging offer and answer",
            Step::Connecting => "connecting to the worker",
            Step::Announcing => "asking the worker what it has of the video",
            Step::Uploading => "uploading the video",
            Step::Verifying => "waiting for the worker to verify the video",
            Step::FirstResult => "waiting for the first result",
            Step::Streaming => "receiving results",
        })
    }
}

/// What kind of problem an error is; the binary's exit status follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The input (file, URL, workflow, names) cannot be used; nothing was streamed.
    Input,
    /// No connection came about.
    Connect,
    /// A running session ended with an error.
    Stream,
    /// The session had been closed before the call.
    Closed,
}

/// How the worker's HTTP side refused a session. Texts are bounded and hold no credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpFailure {
    /// The address that was asked.
    pub url: String,
    /// The status.
    pub status: u16,
    /// `message` of the answer (or the texts of `detail`), when it had one.
    pub message: Option<String>,
    /// `error_type` of the answer, when it had one.
    pub error_type: Option<String>,
    /// The beginning of the answer's body.
    pub body: String,
    /// What it means and what to try.
    pub diagnosis: Diagnosis,
}

impl HttpFailure {
    /// Whether the worker found fault with the request itself. A 404 with a `message` is the worker missing the workflow
    /// or model; without one it comes from a server that does not know the route.
    pub(crate) fn names_bad_input(&self) -> bool {
        let has_message = |body: &str| {
            serde_json::from_str::<serde_json::Value>(body)
                .is_ok_and(|body| body.get("message").is_some())
        };
        match self.status {
            400 | 422 => true,
            404 => has_message(&self.body),
            _ => false,
        }
    }
}

impl std::fmt::Display for HttpFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.diagnosis.fmt(f)
    }
}
