//! The content of an announced upload: which chunks are on disk, and the SHA-256 of the file as far as it is in order.
//! Not who may write it: each write names its claim, and only the newest one counts.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use framewire_protocol::upload::{ChunkSet, UploadBatch, UploadPlan};
use sha2::{Digest, Sha256};

use super::file::UploadFile;

/// Bytes hashed between two looks at whether it is still wanted.
const HASH_BLOCK: usize = 1 << 20;

/// See the module. Outlives the sessions that write it.
#[derive(Debug)]
pub(super) struct Content {
    plan: UploadPlan,
    file: UploadFile,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    claim: u64,
    have: ChunkSet,
    hasher: Sha256,
    /// Bytes from the start that went into `hasher`.
    hashed: u64,
}

impl Content {
    pub(super) fn new(plan: UploadPlan, file: UploadFile, claim: u64) -> Content {
        Content {
            plan,
            file,
            state: Mutex::new(State {
                claim,
                have: ChunkSet::new(),
                hasher: Sha256::new(),
                hashed: 0,
            }),
        }
    }

    pub(super) fn plan(&self) -> &UploadPlan {
        &self.plan
    }

    pub(super) fn file(&self) -> &UploadFile {
        &self.file
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().have.count() == 0
    }

    /// From here on only this claim writes. What is on disk by then.
    pub(super) fn pass_to(&self, claim: u64) -> ChunkSet {
        let mut state = self.lock();
        state.claim = claim;
        state.have.clone()
    }

    /// Writes chunks that are not there yet. Chunks in order are hashed on the way, while their bytes are still in the
    /// processor's caches: a second pass over the file would cost as much again. `Ok(false)`: the claim has passed on.
    pub(super) fn write(&self, claim: u64, batch: &UploadBatch) -> io::Result<bool> {
        let mut state = self.lock();
        if state.claim != claim {
            return Ok(false);
        }
        self.file.write(batch)?;
        for (offset, data) in batch.pieces() {
            let index = offset / self.plan.chunk_size() as u64;
            let index = u32::try_from(index).map_err(io::Error::other)?;
            state.have.insert(index);
            if offset == state.hashed {
                state.hasher.update(data);
                state.hashed += data.len() as u64;
            }
        }
        Ok(true)
    }

    /// The SHA-256 of the whole file, if nothing is left to hash.
    pub(super) fn digest(&self) -> Option<[u8; 32]> {
        let state = self.lock();
        (state.hashed == self.plan.file_size()).then(|| state.hasher.clone().finalize().into())
    }

    /// Hashes what did not come in order. Blocks for the disk; between blocks asks `go_on`, and returns `None` when told to
    /// stop. Nothing may be written meanwhile.
    pub(super) fn hash_rest(&self, go_on: impl Fn() -> bool) -> io::Result<Option<[u8; 32]>> {
        let (mut hasher, mut at) = {
            let state = self.lock();
            (state.hasher.clone(), state.hashed)
        };
        let size = self.plan.file_size();
        let mut block = vec![0; HASH_BLOCK];
        while at < size {
            if !go_on() {
                return Ok(None);
            }
            let left = usize::try_from(size - at).unwrap_or(HASH_BLOCK);
            let block = &mut block[..left.min(HASH_BLOCK)];
            self.file.read_at(at, block)?;
            hasher.update(&*block);
            at += block.len() as u64;
        }
        let digest = hasher.clone().finalize().into();
        let mut state = self.lock();
        (state.hasher, state.hashed) = (hasher, at);
        Ok(Some(digest))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while holding it leaves at worst a chunk unmarked, which is sent again.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
