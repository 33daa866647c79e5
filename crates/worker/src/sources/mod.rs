//! Sources the worker pulls itself: `rtsp_url` and `mjpeg_url`, from the request's text to an open input.
//! Not the session: reading frames, reconnecting and ending are its source stage's.

mod address;
mod gate;
mod http_body;
mod pull;

pub(crate) use pull::{Opened, PullSpec, Pulled, Stop};

use std::time::Duration;

/// Why a source cannot be pulled. No text ever holds a URL: it may carry a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SourceError {
    /// The request's text is no usable URL.
    #[error("`{field}` {reason}")]
    Url {
        /// The request's field.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The host leads nowhere.
    #[error("its host cannot be resolved: {0}")]
    NoAddress(String),
    /// The host leads to a place this worker does not go.
    #[error("it leads to a {class} address, which is not allowed{hint}")]
    Address {
        /// What kind of place that is.
        class: &'static str,
        /// What would permit it, if anything does.
        hint: &'static str,
    },
    /// A redirect that is not followed.
    #[error("it redirects, and {0}")]
    Redirect(&'static str),
    /// The server does not let us in.
    #[error("the server refused the credentials")]
    Unauthorized,
    /// The server answers something else.
    #[error("the server answered with HTTP status {0}")]
    Status(u16),
    /// Nobody answers.
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    /// A step took too long.
    #[error("{step} took longer than {limit:?}")]
    TimedOut {
        /// What was being done.
        step: &'static str,
        /// How long it may take.
        limit: Duration,
    },
    /// It answers, but what comes breaks off or makes no sense.
    #[error("{0}")]
    Stream(String),
    /// It will never be video this worker reads.
    #[error("{0}")]
    Unusable(String),
    /// The session ended meanwhile.
    #[error("the session ended")]
    Stopped,
}

impl SourceError {
    /// Whether trying again may help.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            SourceError::NoAddress(_)
            | SourceError::Unreachable(_)
            | SourceError::TimedOut { .. }
            | SourceError::Stream(_) => true,
            SourceError::Status(status) => *status >= 500,
            _ => false,
        }
    }
}
