//! Why a frame has no picture, and when that ends the session: nothing may be missing from a lossless job.
//! Not here: counting and telling it.

use framewire_media::{FrameError, ImageError};

use crate::error::{SessionError, Step};
use crate::session::shared::Shared;
use crate::stats::DropReason;

/// See the module.
#[derive(Debug)]
pub(crate) struct NoPicture {
    pub(crate) reason: DropReason,
    pub(crate) text: String,
}

impl NoPicture {
    pub(crate) fn undecodable(text: impl ToString) -> Self {
        NoPicture {
            reason: DropReason::Undecodable,
            text: text.to_string(),
        }
    }
}

impl From<FrameError> for NoPicture {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::PoolExhausted { live, limit, .. } => NoPicture {
                reason: DropReason::NoMemory,
                text: format!(
                    "the pictures that are still held take {live} of at most {limit} bytes: drop frames when they are done \
                     with, or keep copies of them (.copy() in Python)"
                ),
            },
            other => NoPicture::undecodable(other),
        }
    }
}

impl From<ImageError> for NoPicture {
    fn from(error: ImageError) -> Self {
        match error {
            ImageError::Frame(error) => error.into(),
            other => NoPicture::undecodable(other),
        }
    }
}

impl Shared {
    /// Ends a lossless session that has no memory for a picture: the program holds too many, and so will it for the next.
    pub(crate) fn needs_picture(&self, why: &NoPicture) {
        if why.reason == DropReason::NoMemory && !self.plan.realtime {
            self.fail(SessionError::Local {
                step: Step::Streaming,
                reason: why.text.clone(),
            });
        }
    }
}
