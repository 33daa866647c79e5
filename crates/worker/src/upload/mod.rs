//! Keeps the sessions' videos on disk: chunks are written where they belong as they arrive, and what a broken session brought
//! waits for the next one. Not the framing: `framewire_protocol` validated index, total and size before anything comes here.

mod content;
mod file;
mod shelf;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use framewire_protocol::upload::{ChunkSet, UploadBatch, UploadId, UploadPlan};
use sha2::{Digest, Sha256};
use tokio::sync::Notify;

use content::Content;
use file::Space;
pub(crate) use file::UploadFile;
pub use file::write_batch;
use shelf::{Key, Shelf};

/// Makes upload files in one folder, bounds what they hold together, and keeps those of broken sessions for a while. Clones
/// are the same store.
#[derive(Debug, Clone)]
pub(crate) struct UploadStore {
    folder: PathBuf,
    space: Arc<Space>,
    shelf: Arc<Mutex<Shelf>>,
    /// Something was put on the shelf.
    shelved: Arc<Notify>,
}

/// Who an upload belongs to: the API key it was made with, hashed, so that no key lies about. Without keys, everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct UploadOwner(Option<[u8; 32]>);

impl UploadOwner {
    /// Whoever has this key.
    pub(crate) fn of_key(key: Option<&str>) -> UploadOwner {
        UploadOwner(key.map(|key| Sha256::digest(key).into()))
    }
}

/// A session's hold on an announced upload. Dropping it forgets the upload, unless another session has it by then;
/// [`Claim::keep`] leaves it for the next one.
#[derive(Debug)]
pub(crate) struct Claim {
    store: UploadStore,
    key: Key,
    claim: u64,
    content: Arc<Content>,
    replaced: Arc<Notify>,
    keep: bool,
}

impl UploadStore {
    /// A store in `folder` (made when missing) whose files together hold at most `limit` bytes. What a broken session brought
    /// is kept for `keep`. Fails when no file can be made there.
    pub(crate) fn open(folder: &Path, limit: u64, keep: Duration) -> io::Result<UploadStore> {
        std::fs::create_dir_all(folder)?;
        let store = UploadStore {
            folder: folder.to_owned(),
            space: Space::new(limit),
            shelf: Arc::new(Mutex::new(Shelf::new(keep))),
            shelved: Arc::default(),
        };
        store.create().map(drop)?;
        Ok(store)
    }

    /// A new, empty, nameless file.
    pub(crate) fn create(&self) -> io::Result<UploadFile> {
        UploadFile::create(&self.folder, &self.space)
    }

    /// The announced upload of that name and cut, and what is there of it; new when there is none. Whoever has it at the
    /// moment loses it.
    pub(crate) fn claim(
        &self,
        owner: UploadOwner,
        id: UploadId,
        plan: UploadPlan,
    ) -> io::Result<(Claim, ChunkSet)> {
        let key = (owner, id);
        let taken =
            self.on_shelf(|shelf| shelf.claim(Instant::now(), key, plan, || self.create()))?;
        let claim = Claim {
            store: self.clone(),
            key,
            claim: taken.claim,
            content: taken.content,
            replaced: taken.replaced,
            keep: false,
        };
        Ok((claim, taken.have))
    }

    /// Writes chunks at their place. Blocks for the disk; kept uploads give way when the disk or the store is full.
    pub(crate) fn write(&self, file: &UploadFile, batch: &UploadBatch) -> io::Result<()> {
        self.making_room(|| file.write(batch))
    }

    /// Bytes held by all uploads now.
    pub(crate) fn used(&self) -> u64 {
        self.space.used()
    }

    /// Uploads of broken sessions that wait for the next one.
    pub(crate) fn kept(&self) -> usize {
        self.lock().kept()
    }

    /// Forgets kept uploads when their time is over. Never returns; cancel-safe. The files end on a thread that may block.
    pub(crate) async fn sweep(&self) {
        loop {
            let (next, gone) = {
                let mut shelf = self.lock();
                (shelf.expire(Instant::now()), shelf.gone())
            };
            if !gone.is_empty() {
                tokio::task::spawn_blocking(move || drop(gone));
            }
            tokio::select! {
                () = self.shelved.notified() => {}
                () = async {
                    match next {
                        Some(at) => tokio::time::sleep_until(at.into()).await,
                        None => std::future::pending().await,
                    }
                } => {}
            }
        }
    }

    fn making_room<T>(&self, write: impl Fn() -> io::Result<T>) -> io::Result<T> {
        loop {
            match write() {
                Err(error)
                    if error.kind() == io::ErrorKind::StorageFull
                        && self.on_shelf(Shelf::drop_oldest) => {}
                done => return done,
            }
        }
    }

    /// Changes the shelf. What that forgets is dropped here, by this thread, after the shelf is free again.
    fn on_shelf<T>(&self, change: impl FnOnce(&mut Shelf) -> T) -> T {
        let (done, gone) = {
            let mut shelf = self.lock();
            (change(&mut shelf), shelf.gone())
        };
        drop(gone);
        done
    }

    fn lock(&self) -> MutexGuard<'_, Shelf> {
        // Whatever panicked, the entries are whole: each is put in and taken out in one step.
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claim {
    /// The file, for whoever reads it.
    pub(crate) fn file(&self) -> UploadFile {
        self.content.file().clone()
    }

    /// Writes chunks that are not there yet, as [`UploadStore::write`]. `Ok(false)`: another session has the upload now.
    pub(crate) fn write(&self, batch: &UploadBatch) -> io::Result<bool> {
        let write = || self.content.write(self.claim, batch);
        self.store.making_room(write)
    }

    /// Waits until another session takes the upload. Cancel-safe.
    pub(crate) async fn replaced(&self) {
        self.replaced.notified().await;
    }

    /// The hash of the whole file, if its chunks came in order.
    pub(crate) fn digest(&self) -> Option<[u8; 32]> {
        self.content.digest()
    }

    /// Hashes what did not come in order, for another thread to do.
    pub(crate) fn hashing(&self) -> Hashing {
        Hashing(self.content.clone())
    }

    /// The session broke: its upload waits for the next one.
    pub(crate) fn keep(mut self) {
        self.keep = true;
    }
}

/// A whole file to hash.
#[derive(Debug)]
pub(crate) struct Hashing(Arc<Content>);

impl Hashing {
    /// The hash. Blocks for the disk; between blocks asks `go_on`, and gives `None` when told to stop.
    pub(crate) fn run(&self, go_on: impl Fn() -> bool) -> io::Result<Option<[u8; 32]>> {
        self.0.hash_rest(go_on)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let now = Instant::now();
        self.store
            .on_shelf(|shelf| shelf.release(now, &self.key, self.claim, self.keep));
        self.store.shelved.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use framewire_protocol::upload::UploadWrite;
    use std::fs::File;
    use std::io::Read;

    const KEEP: Duration = Duration::from_secs(120);

    pub(super) fn batch(offset: u64, data: &'static [u8]) -> UploadBatch {
        let data = Bytes::from_static(data);
        UploadBatch::new(UploadWrite { offset, data })
    }

    fn claim(store: &UploadStore, id: u128, size: u64) -> (Claim, ChunkSet) {
        let plan = UploadPlan::new(size, 4).unwrap();
        let id = UploadId::from_random(id);
        store.claim(UploadOwner::default(), id, plan).unwrap()
    }

    #[test]
    fn chunks_land_at_their_offsets_and_nothing_has_a_name() {
        let folder = tempfile::tempdir().unwrap();
        let store = UploadStore::open(&folder.path().join("made"), 1 << 20, KEEP).unwrap();
        let file = store.create().unwrap();
        store.write(&file, &batch(4, b"efgh")).unwrap();
        store.write(&file, &batch(0, b"abcd")).unwrap();
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
        let store = UploadStore::open(folder.path(), 10, KEEP).unwrap();
        let first = store.create().unwrap();
        let second = store.create().unwrap();
        store.write(&first, &batch(0, &[0; 8])).unwrap();
        let error = store.write(&second, &batch(0, &[0; 3])).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        store.write(&second, &batch(0, &[0; 2])).unwrap();
        assert_eq!(store.used(), 10);
        drop(first);
        store.write(&second, &batch(2, &[0; 8])).unwrap();
        drop(second);
        assert_eq!(store.used(), 0);
    }

    #[test]
    fn kept_uploads_give_way_oldest_first_and_running_ones_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let store = UploadStore::open(folder.path(), 12, KEEP).unwrap();
        for id in [1, 2] {
            let (broken, _) = claim(&store, id, 8);
            assert!(broken.write(&batch(0, b"abcd")).unwrap());
            broken.keep();
        }
        let (running, _) = claim(&store, 3, 12);
        assert!(running.write(&batch(0, b"abcd")).unwrap());
        assert_eq!((store.kept(), store.used()), (2, 12));
        assert!(running.write(&batch(4, b"efgh")).unwrap());
        assert_eq!((store.kept(), store.used()), (1, 12));
        assert_eq!(claim(&store, 1, 8).1.count(), 0, "the oldest went");
        let (second, have) = claim(&store, 2, 8);
        assert_eq!(have.count(), 1);
        let error = running.write(&batch(8, b"ijkl")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull, "nothing is kept");
        drop(second);
        assert!(running.write(&batch(8, b"ijkl")).unwrap());
        drop(running);
        assert_eq!((store.kept(), store.used()), (0, 0));
    }

    #[test]
    fn the_hash_is_right_whatever_the_order_of_the_chunks() {
        let folder = tempfile::tempdir().unwrap();
        let store = UploadStore::open(folder.path(), 1 << 20, KEEP).unwrap();
        let chunks = [(0, b"abcd"), (4, b"efgh"), (8, b"ijkl")];
        let whole: [u8; 32] = Sha256::digest(b"abcdefghijkl").into();
        for (order, at_once) in [([0, 1, 2], true), ([1, 0, 2], false), ([2, 1, 0], false)] {
            let (upload, _) = claim(&store, 1, 12);
            for index in order {
                let (offset, data) = chunks[index];
                assert!(upload.write(&batch(offset, data)).unwrap());
            }
            assert_eq!(upload.digest(), at_once.then_some(whole));
            assert_eq!(upload.hashing().run(|| true).unwrap(), Some(whole));
            assert_eq!(upload.digest(), Some(whole), "not hashed twice");
        }
        let (upload, _) = claim(&store, 1, 12);
        assert!(upload.write(&batch(4, b"efgh")).unwrap());
        assert_eq!(upload.hashing().run(|| false).unwrap(), None);
    }

    #[test]
    fn the_hash_goes_on_with_the_upload() {
        let folder = tempfile::tempdir().unwrap();
        let store = UploadStore::open(folder.path(), 1 << 20, KEEP).unwrap();
        let (first, _) = claim(&store, 1, 8);
        assert!(first.write(&batch(0, b"abcd")).unwrap());
        first.keep();
        let (second, have) = claim(&store, 1, 8);
        assert_eq!(have.ranges().as_slice(), [(0, 1)]);
        assert!(second.write(&batch(4, b"efgh")).unwrap());
        let whole: [u8; 32] = Sha256::digest(b"abcdefgh").into();
        assert_eq!(second.digest(), Some(whole));
    }

    #[test]
    fn what_nobody_came_back_for_is_forgotten_by_itself() {
        let folder = tempfile::tempdir().unwrap();
        let keep = Duration::from_millis(30);
        let store = UploadStore::open(folder.path(), 10, keep).unwrap();
        let (broken, _) = claim(&store, 1, 8);
        assert!(broken.write(&batch(0, b"abcd")).unwrap());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(async {
            // The sweep is looked at before its limit is, so however late both come, its time is over first.
            let limit = Duration::from_millis(100);
            let swept = tokio::time::timeout(limit, async {
                tokio::join!(store.sweep(), async { broken.keep() })
            });
            assert!(swept.await.is_err(), "it never ends");
        });
        drop(runtime); // waits for the thread that ends the files
        assert_eq!((store.kept(), store.used()), (0, 0));
    }

    #[test]
    fn keys_do_not_show_and_tell_owners_apart() {
        let owner = UploadOwner::of_key(Some("secret-key"));
        assert!(!format!("{owner:?}").contains("secret-key"));
        assert_ne!(owner, UploadOwner::of_key(Some("other")));
        assert_ne!(owner, UploadOwner::of_key(None));
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_an_error_at_start() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(UploadStore::open(&file.path().join("under"), 1, KEEP).is_err());
    }
}
