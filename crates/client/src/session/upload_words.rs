//! What the worker says about an upload, on its way from the session thread to the upload thread.
//! Not what follows from it, but for the one word that ends the session.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use framewire_protocol::upload::{UploadId, UploadMessageError, UploadReply};

use crate::error::{About, SessionError, Step};
use crate::session::upload::Upload;

/// Words that may wait: a worker says two.
const WORDS: usize = 4;

/// The session thread's end. Dropping it wakes the upload thread, which then stops.
#[derive(Debug)]
pub(crate) struct Hearing {
    words: SyncSender<UploadReply>,
    id: UploadId,
    path: PathBuf,
}

/// Both ends for this upload.
pub(crate) fn hearing(upload: &Upload) -> (Hearing, Receiver<UploadReply>) {
    let (words, replies) = sync_channel(WORDS);
    let hearing = Hearing {
        words,
        id: upload.identity.id,
        path: upload.path.clone(),
    };
    (hearing, replies)
}

impl Hearing {
    /// Takes a text of the worker; `false` when it is about something else. Never blocks. A word that the file is damaged is an
    /// error at once: the worker's completion message comes right behind it and knows less.
    pub(crate) fn hear(&self, text: &[u8]) -> Result<bool, SessionError> {
        let Some(reply) = UploadReply::parse(text).map_err(|error| broken_agreement(&error))?
        else {
            return Ok(false);
        };
        if let UploadReply::Verified {
            id,
            verified: false,
        } = reply
            && id == self.id
        {
            return Err(SessionError::UploadMismatch {
                path: self.path.clone(),
            });
        }
        if self.words.try_send(reply).is_err() {
            tracing::warn!("the worker says more about the upload than it was asked");
        }
        Ok(true)
    }
}

/// What a worker's word that makes no sense ends the session with.
pub(crate) fn broken_agreement(error: &UploadMessageError) -> SessionError {
    SessionError::Transport {
        step: Step::Uploading,
        reason: format!("the worker broke the agreement on uploads: {error}"),
        about: About::default(),
    }
}
