//! FFmpeg's error numbers sorted by what a user can do about them.
//! Not texts: those are `live`'s.

use ff::error::{
    EACCES, EADDRNOTAVAIL, EBUSY, ECONNABORTED, ECONNREFUSED, ECONNRESET, EHOSTUNREACH, EIO,
    ENETDOWN, ENETUNREACH, ENODEV, ENOENT, ENOTTY, ENXIO, EPERM, EPIPE, ETIMEDOUT,
};
use ffmpeg_next as ff;

use super::AvError;

/// What kind of failure an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// No such device or file, or it is no camera.
    Missing,
    /// The system forbids it.
    Denied,
    /// Somebody else uses it.
    Busy,
    /// Nobody answers at the address, or the connection was cut.
    Unreachable,
    /// The server wants other credentials.
    Unauthorized,
    /// The server does not have it.
    NotFound,
    /// The network stopped answering.
    TimedOut,
    /// FFmpeg's answer to unknown host names and to connections that end in the middle of an answer.
    Input,
    /// Anything else.
    Other,
}

impl AvError {
    /// What kind of failure this is.
    pub(crate) fn cause(self) -> Cause {
        match self.0 {
            ff::Error::HttpUnauthorized | ff::Error::HttpForbidden => Cause::Unauthorized,
            ff::Error::HttpNotFound => Cause::NotFound,
            ff::Error::Other { errno } => match errno {
                ENOENT | ENODEV | ENXIO | ENOTTY => Cause::Missing,
                EACCES | EPERM => Cause::Denied,
                EBUSY => Cause::Busy,
                EIO => Cause::Input,
                ETIMEDOUT => Cause::TimedOut,
                ECONNREFUSED | ECONNRESET | ECONNABORTED | EHOSTUNREACH | ENETUNREACH
                | ENETDOWN | EADDRNOTAVAIL | EPIPE => Cause::Unreachable,
                _ => Cause::Other,
            },
            _ => Cause::Other,
        }
    }
}
