//! A session's upload on its way to the disk: opened, written, verified, and kept when the session breaks.
//! Not the rules, which the job machine has, and not the disk, which is the store's.

use std::thread;

use framewire_protocol::job::{JobEnd, JobInput};
use framewire_protocol::upload::{UploadId, UploadPlan};

use super::pipeline::Shared;
use crate::upload::{Claim, UploadFile, UploadOwner, UploadStore};

/// See the module.
pub(super) struct Receiving {
    store: UploadStore,
    owner: UploadOwner,
    shared: Shared,
    /// An announced upload.
    claim: Option<Claim>,
}

impl Receiving {
    pub(super) fn new((store, owner): (UploadStore, UploadOwner), shared: Shared) -> Receiving {
        Receiving {
            store,
            owner,
            shared,
            claim: None,
        }
    }

    /// Takes up an announced upload where it stopped. `None`: there is no file for it, and the machine knows.
    pub(super) fn open(&mut self, id: UploadId, plan: UploadPlan) -> Option<UploadFile> {
        match self.store.claim(self.owner, id, plan) {
            Ok((claim, have)) => {
                let chunks = have.count();
                if chunks > 0 {
                    self.shared.metrics.uploads_resumed.add(1);
                    tracing::info!(
                        chunks,
                        of = plan.total_chunks(),
                        "going on with an earlier upload"
                    );
                }
                let file = claim.file();
                self.claim = Some(claim);
                self.shared.control.handle(JobInput::UploadOpened { have });
                Some(file)
            }
            Err(error) => {
                self.fail(format!("the worker cannot store the upload: {error}"));
                None
            }
        }
    }

    /// Writes one chunk. `false`: it is not there, and the machine knows.
    pub(super) fn write(&mut self, file: &UploadFile, offset: u64, data: &[u8]) -> bool {
        let written = match &self.claim {
            Some(claim) => claim.write_at(offset, data),
            None => self.store.write_at(file, offset, data).map(|()| true),
        };
        match written {
            Ok(true) => {
                let bytes = data.len() as u64;
                self.shared.metrics.upload_bytes.add(bytes);
                self.shared.tally.upload_bytes.add(bytes);
                return true;
            }
            Ok(false) => self.give_up(),
            Err(error) => {
                self.claim = None;
                self.fail(format!("the worker cannot store the upload: {error}"));
            }
        }
        false
    }

    /// Compares the file with what its sender said. A file that did not come in order is read by a thread of its own.
    pub(super) fn verify(&self, sha256: [u8; 32]) {
        let Some(claim) = &self.claim else {
            return; // a write failed; the machine knows
        };
        if let Some(digest) = claim.digest() {
            return verdict(&self.shared, digest == sha256);
        }
        let (hashing, shared) = (claim.hashing(), self.shared.clone());
        let run = move || {
            let span = shared.span.clone();
            let _entered = span.enter();
            let hashed = hashing.run(|| {
                shared.control.handle(JobInput::UploadHashing);
                !shared.control.is_stopped()
            });
            match hashed {
                Ok(Some(digest)) => verdict(&shared, digest == sha256),
                Ok(None) => {}
                Err(error) => fail(
                    &shared,
                    format!("the worker cannot read the upload: {error}"),
                ),
            }
        };
        if let Err(error) = thread::Builder::new().name("fw-verify".into()).spawn(run) {
            tracing::error!(%error, "cannot start the thread that verifies an upload");
            self.fail("the worker has no thread left to verify the upload".to_owned());
        }
    }

    /// Waits until another session takes the upload. Cancel-safe.
    pub(super) async fn replaced(&self) {
        match &self.claim {
            Some(claim) => claim.replaced().await,
            None => std::future::pending().await,
        }
    }

    /// Another session has the upload now.
    pub(super) fn give_up(&mut self) {
        self.claim = None;
        self.fail("another session goes on with this upload".to_owned());
    }

    /// The session is over; `left`: its client hung up. Of one that broke, what it brought is kept: its client may come back
    /// for it, also when all was done but nobody can tell whether the client knows.
    pub(super) fn end(&mut self, end: Option<&JobEnd>, left: bool) {
        let broke = match end {
            Some(JobEnd::PeerLeft | JobEnd::PeerVanished(_) | JobEnd::UploadStalled(_)) => true,
            Some(JobEnd::Done) => !left,
            _ => false,
        };
        if let Some(claim) = self.claim.take().filter(|_| broke) {
            claim.keep();
        }
    }

    fn fail(&self, error: String) {
        fail(&self.shared, error);
    }
}

fn verdict(shared: &Shared, verified: bool) {
    if !verified {
        shared.metrics.uploads_damaged.add(1);
    }
    shared.control.handle(JobInput::UploadVerified(verified));
}

fn fail(shared: &Shared, error: String) {
    let error = Some(error);
    shared.control.handle(JobInput::SourceEnded { error });
}
