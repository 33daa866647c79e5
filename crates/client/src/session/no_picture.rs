//! Why a frame has no picture, and when that ends the session: nothing may be missing from a lossless job.
//! Not here: counting and telling it.

use framewire_media::{FrameError, ImageError};
use framewire_protocol::session::End;

use crate::error::{SessionError, Step};
use crate::session::shared::{Shared, lock};
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
    /// A worker that was done before this was noticed changes nothing: the job is not complete without the picture.
    pub(crate) fn needs_picture(&self, why: &NoPicture) {
        if why.reason != DropReason::NoMemory || self.plan.realtime {
            return;
        }
        let error = SessionError::Local {
            step: Step::Streaming,
            reason: why.text.clone(),
        };
        self.fail(error.clone());
        let mut control = lock(&self.control);
        if matches!(control.machine.end(), Some(End::Completed { .. })) {
            control.fate.get_or_insert(Err(error.clone()));
        }
        drop(control);
        if let Some(ended @ Ok(_)) = &mut lock(&self.state).ended {
            *ended = Err(error);
        }
    }
}
