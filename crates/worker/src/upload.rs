//! Keeps one session's video on disk: chunks are written where they belong as they arrive.
//! Not the framing: `framewire_protocol` validated index, total and size before anything comes here.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Makes upload files in one folder and bounds what they hold together.
#[derive(Debug, Clone)]
pub(crate) struct UploadStore {
    folder: PathBuf,
    space: Arc<Space>,
}

/// One upload. The file has no name: whatever ends this process, the system takes the space back.
#[derive(Debug)]
pub(crate) struct UploadFile {
    file: File,
    space: Arc<Space>,
    held: u64,
}

#[derive(Debug)]
struct Space {
    limit: u64,
    used: AtomicU64,
}

impl UploadStore {
    /// A store in `folder` (made when missing) whose files together hold at most `limit` bytes. Fails when no file
    /// can be made there.
    pub(crate) fn open(folder: &Path, limit: u64) -> io::Result<UploadStore> {
        std::fs::create_dir_all(folder)?;
        let store = UploadStore {
            folder: folder.to_owned(),
            space: Arc::new(Space {
                limit,
                used: AtomicU64::new(0),
            }),
        };
        store.create().map(drop)?;
        Ok(store)
    }

    /// A new, empty, nameless file.
    pub(crate) fn create(&self) -> io::Result<UploadFile> {
        Ok(UploadFile {
            file: tempfile::tempfile_in(&self.folder)?,
            space: self.space.clone(),
            held: 0,
        })
    }

    /// Bytes held by all uploads now.
    pub(crate) fn used(&self) -> u64 {
        self.space.used.load(Ordering::Relaxed)
    }
}

impl UploadFile {
    /// Writes one chunk at its place. Blocks for the disk; fails when the disk or the store is full.
    pub(crate) fn write_at(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        let length = data.len() as u64;
        self.space.take(length)?;
        self.held += length;
        self.file.write_all_at(data, offset)
    }

    /// A path that opens this file for as long as `self` lives.
    pub(crate) fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.file.as_raw_fd()))
    }
}

impl Drop for UploadFile {
    fn drop(&mut self) {
        self.space.used.fetch_sub(self.held, Ordering::Relaxed);
    }
}

impl Space {
    fn take(&self, bytes: u64) -> io::Result<()> {
        let room = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= self.limit);
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, room)
            .map(drop)
            .map_err(|_| io::ErrorKind::StorageFull.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn chunks_land_at_their_offsets_and_nothing_has_a_name() {
        let folder = tempfile::tempdir().unwrap();
        let store = UploadStore::open(&folder.path().join("made"), 1 << 20).unwrap();
        let mut file = store.create().unwrap();
        file.write_at(4, b"efgh").unwrap();
        file.write_at(0, b"abcd").unwrap();
        let mut text = String::new();
        File::open(file.path())
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, "abcdefgh");
        let names = std::fs::read_dir(folder.path().join("made")).unwrap();
        assert_eq!(names.count(), 0, "an upload must leave no name behind");
    }

    #[test]
    fn the_store_is_full_at_its_limit_and_space_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let store = UploadStore::open(folder.path(), 10).unwrap();
        let mut first = store.create().unwrap();
        let mut second = store.create().unwrap();
        first.write_at(0, &[0; 8]).unwrap();
        let error = second.write_at(0, &[0; 3]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        second.write_at(0, &[0; 2]).unwrap();
        assert_eq!(store.used(), 10);
        drop(first);
        second.write_at(2, &[0; 8]).unwrap();
        drop(second);
        assert_eq!(store.used(), 0);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_an_error_at_start() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(UploadStore::open(&file.path().join("under"), 1).is_err());
    }
}
