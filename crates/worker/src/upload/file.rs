//! One upload on disk: a file without a name, and the space it holds.
//! Not what it is for: chunks and sessions are the others' matter.

use std::fs::File;
use std::io::{self, IoSlice};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use framewire_protocol::upload::UploadBatch;

/// One upload. The file has no name: whatever ends this process, the system takes the space back. Clones are the same file;
/// it and its space are gone with the last one.
#[derive(Debug, Clone)]
pub(crate) struct UploadFile(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    file: File,
    space: Arc<Space>,
    held: AtomicU64,
}

/// Bytes all uploads together hold, and may hold.
#[derive(Debug)]
pub(super) struct Space {
    limit: u64,
    used: AtomicU64,
}

impl UploadFile {
    /// An empty file in `folder`.
    pub(super) fn create(folder: &Path, space: &Arc<Space>) -> io::Result<UploadFile> {
        Ok(UploadFile(Arc::new(Inner {
            file: tempfile::tempfile_in(folder)?,
            space: space.clone(),
            held: AtomicU64::new(0),
        })))
    }

    /// Writes bytes that were not written before. Blocks for the disk; fails with `StorageFull` when the disk or the store is.
    pub(super) fn write(&self, batch: &UploadBatch) -> io::Result<()> {
        let length = batch.len() as u64;
        let Inner { file, space, held } = &*self.0;
        space.take(length)?;
        match write_batch(file, batch) {
            Ok(()) => {
                held.fetch_add(length, Ordering::Relaxed);
                Ok(())
            }
            Err(error) => {
                space.give_back(length);
                Err(error)
            }
        }
    }

    /// Reads exactly these bytes. Blocks for the disk.
    pub(super) fn read_at(&self, offset: u64, data: &mut [u8]) -> io::Result<()> {
        self.0.file.read_exact_at(data, offset)
    }

    /// A path that opens this file for as long as `self` lives.
    pub(crate) fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.0.file.as_raw_fd()))
    }
}

/// Writes all of a batch, as a rule with one system call. Blocks for the disk; fails as it does.
pub fn write_batch(file: &File, batch: &UploadBatch) -> io::Result<()> {
    let mut slices: Vec<_> = batch.parts.iter().map(|part| IoSlice::new(part)).collect();
    let (mut left, mut offset) = (&mut slices[..], batch.offset);
    while left.iter().any(|part| !part.is_empty()) {
        match rustix::io::pwritev(file, left, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                IoSlice::advance_slices(&mut left, written);
                offset += written as u64;
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.space.give_back(*self.held.get_mut());
    }
}

impl Space {
    pub(super) fn new(limit: u64) -> Arc<Space> {
        let used = AtomicU64::new(0);
        Arc::new(Space { limit, used })
    }

    pub(super) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: u64) -> io::Result<()> {
        let room = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= self.limit);
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, room)
            .map(drop)
            .map_err(|_| io::ErrorKind::StorageFull.into())
    }

    fn give_back(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}
