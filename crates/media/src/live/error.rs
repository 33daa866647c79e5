//! Why a live input cannot be opened or stopped.
//! Not FFmpeg's error numbers, and never a URL's credentials, path or query: an input is named by scheme and host.

use std::time::Duration;

use thiserror::Error;

use crate::limits::FrameError;

/// Why a live input could not be opened, or why it ended other than cleanly.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LiveError {
    /// There is no such camera, or it cannot be had.
    #[error("the camera {device} cannot be opened: {reason}; {hint}")]
    Camera {
        /// The device.
        device: String,
        /// What the system said.
        reason: String,
        /// What to try.
        hint: String,
    },
    /// The address is of no kind this input reads.
    #[error("{input} is not a usable address: {reason}")]
    Address {
        /// The input.
        input: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Nobody answers there: refused, unreachable, no such host, not found.
    #[error("{input} cannot be reached: {reason}")]
    Refused {
        /// The input.
        input: String,
        /// What came back.
        reason: String,
    },
    /// It wants other credentials.
    #[error("{input} refused the user name or password")]
    Unauthorized {
        /// The input.
        input: String,
    },
    /// It answered with something that cannot be read.
    #[error("{input} cannot be read: {reason}")]
    Open {
        /// The input.
        input: String,
        /// What was wrong.
        reason: String,
    },
    /// It holds no moving picture.
    #[error("{input} has no video")]
    NoVideo {
        /// The input.
        input: String,
    },
    /// Its video is in a codec this FFmpeg cannot decode.
    #[error("{input} sends {codec}, which cannot be decoded here: {reason}")]
    Codec {
        /// The input.
        input: String,
        /// The codec.
        codec: String,
        /// What FFmpeg said.
        reason: String,
    },
    /// A step took too long.
    #[error("{input} timed out after {after:?} while {step}")]
    TimedOut {
        /// The input.
        input: String,
        /// What did not finish.
        step: &'static str,
        /// The limit.
        after: Duration,
    },
    /// It broke while running.
    #[error("{input} broke off: {reason}")]
    Broken {
        /// The input.
        input: String,
        /// What happened.
        reason: String,
    },
    /// [`Interrupt::interrupt`](crate::Interrupt::interrupt) was called.
    #[error("the input was interrupted")]
    Interrupted,
    /// A picture is too large or the pool has no room.
    #[error("a frame could not be made")]
    Frame(#[source] FrameError),
}
