//! A session's upload on its way to the disk: opened, written, verified, and kept when the session breaks.
//! Not the rules, which the job machine has, and not the disk, which is the store's.

use std::thread;
use std::time::{Duration, Instant};

use framewire_protocol::job::{JobEnd, JobInput};
use framewire_protocol::upload::{UploadBatch, UploadGather, UploadId, UploadPlan, UploadWrite};

use super::pipeline::Shared;
use crate::upload::{Claim, UploadFile, UploadOwner, UploadStore};

/// Longest time chunks wait for others to be written with them. On a fast line they do not wait at all; on a slow one each
/// is written by itself, and what a broken session brought is there when its client comes back.
const GATHER_TIME: Duration = Duration::from_millis(5);

/// See the module.
pub(super) struct Receiving {
    store: UploadStore,
    owner: UploadOwner,
    shared: Shared,
    /// An announced upload.
    claim: Option<Claim>,
    gather: UploadGather,
    /// When what is gathered has to be written.
    due: Option<Instant>,
}

impl Receiving {
    pub(super) fn new((store, owner): (UploadStore, UploadOwner), shared: Shared) -> Receiving {
        Receiving {
            store,
            owner,
            shared,
            claim: None,
            gather: UploadGather::new(),
            due: None,
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

    /// Takes one chunk. `false`: what came so far is not on disk, and the machine knows.
    pub(super) fn take(&mut self, file: &UploadFile, write: UploadWrite) -> bool {
        let batch = self.gather.add(write);
        if self.gather.is_empty() {
            self.due = None;
        } else if batch.is_some() || self.due.is_none() {
            self.due = Some(Instant::now() + GATHER_TIME);
        }
        batch.is_none_or(|batch| self.write(file, &batch))
    }

    /// When [`flush`](Self::flush) is due, if anything is gathered.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Writes what is gathered. `false` as [`take`](Self::take).
    pub(super) fn flush(&mut self, file: &UploadFile) -> bool {
        self.due = None;
        let batch = self.gather.take();
        batch.is_none_or(|batch| self.write(file, &batch))
    }

    fn write(&mut self, file: &UploadFile, batch: &UploadBatch) -> bool {
        let written = match &self.claim {
            Some(claim) => claim.write(batch),
            None => self.store.write(file, batch).map(|()| true),
        };
        match written {
            Ok(true) => {
                let bytes = batch.len() as u64;
                self.shared.metrics.upload_bytes.add(bytes);
                self.shared.tally.upload_bytes.add(bytes);
                return true;
            }
            Ok(false) => self.give_up(),
            Err(error) => {
                self.forget();
                self.fail(format!("the worker cannot store the upload: {error}"));
            }
        }
        false
    }

    /// Nothing more is written.
    fn forget(&mut self) {
        self.claim = None;
        self.gather.take();
        self.due = None;
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
        self.forget();
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
