//! The announced uploads by name: which session owns each, and how long one that nobody owns is kept.
//! It reads no clock and moves no bytes; `now` comes in.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use framewire_protocol::upload::{ChunkSet, UploadId, UploadPlan};
use tokio::sync::Notify;

use super::UploadOwner;
use super::content::Content;
use super::file::UploadFile;

/// Kept uploads at once; each costs a descriptor. The oldest gives way.
pub(super) const MAX_KEPT: usize = 64;

/// An upload belongs to whoever made it: another API key never meets it.
pub(super) type Key = (UploadOwner, UploadId);

#[derive(Debug)]
pub(super) struct Shelf {
    keep: Duration,
    uploads: HashMap<Key, Entry>,
    claims: u64,
    /// Forgotten, and still to be dropped: the end of a file of gigabytes takes its time, and the shelf is locked meanwhile.
    gone: Vec<Arc<Content>>,
}

#[derive(Debug)]
struct Entry {
    content: Arc<Content>,
    state: State,
}

#[derive(Debug)]
enum State {
    Owned { claim: u64, replaced: Arc<Notify> },
    Kept { since: Instant, order: u64 },
}

/// What a session gets that names an upload.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) claim: u64,
    pub(super) content: Arc<Content>,
    pub(super) have: ChunkSet,
    /// Notified when another session names the same upload.
    pub(super) replaced: Arc<Notify>,
}

impl Shelf {
    pub(super) fn new(keep: Duration) -> Shelf {
        Shelf {
            keep,
            uploads: HashMap::new(),
            claims: 0,
            gone: Vec::new(),
        }
    }

    /// Gives the upload to a new session. The one that owned it so far is told: it is dead without knowing it, or being
    /// replaced by its client. Another size or chunk is another file: it starts anew. Without a file for it nothing changes.
    pub(super) fn claim(
        &mut self,
        now: Instant,
        key: Key,
        plan: UploadPlan,
        create: impl FnOnce() -> io::Result<UploadFile>,
    ) -> io::Result<Taken> {
        self.expire(now);
        self.claims += 1;
        let claim = self.claims;
        let same = self
            .uploads
            .get(&key)
            .filter(|old| *old.content.plan() == plan);
        let (content, have) = match same {
            Some(old) => (old.content.clone(), old.content.pass_to(claim)),
            None => {
                let content = Content::new(plan, create()?, claim);
                (Arc::new(content), ChunkSet::new())
            }
        };
        let replaced = Arc::new(Notify::new());
        let state = State::Owned {
            claim,
            replaced: replaced.clone(),
        };
        let entry = Entry {
            content: content.clone(),
            state,
        };
        if let Some(old) = self.uploads.insert(key, entry) {
            if let State::Owned { replaced, .. } = &old.state {
                replaced.notify_one();
            }
            self.gone.push(old.content);
        }
        Ok(Taken {
            claim,
            content,
            have,
            replaced,
        })
    }

    /// A session is over. Unless another one has the upload by now, it is kept from `now` on or forgotten.
    pub(super) fn release(&mut self, now: Instant, key: &Key, claim: u64, keep: bool) {
        let owned =
            |entry: &Entry| matches!(entry.state, State::Owned { claim: c, .. } if c == claim);
        if !self.uploads.get(key).is_some_and(owned) {
            return;
        }
        let Some(mut entry) = self.uploads.remove(key) else {
            return;
        };
        if keep && !self.keep.is_zero() && !entry.content.is_empty() {
            while self.kept() >= MAX_KEPT {
                self.drop_oldest();
            }
            self.claims += 1;
            entry.state = State::Kept {
                since: now,
                order: self.claims,
            };
            self.uploads.insert(*key, entry);
        } else {
            self.gone.push(entry.content);
        }
    }

    /// Forgets what was kept for long enough. When to ask again.
    pub(super) fn expire(&mut self, now: Instant) -> Option<Instant> {
        let (keep, gone) = (self.keep, &mut self.gone);
        let mut next: Option<Instant> = None;
        self.uploads.retain(|_, entry| {
            let State::Kept { since, .. } = entry.state else {
                return true;
            };
            // An unrepresentable time is as good as never.
            let Some(until) = since.checked_add(keep) else {
                return true;
            };
            if until > now {
                next = Some(next.map_or(until, |next| next.min(until)));
            } else {
                gone.push(entry.content.clone());
            }
            until > now
        });
        next
    }

    /// Makes room: forgets the kept upload that was released first. `false`: none is kept.
    pub(super) fn drop_oldest(&mut self) -> bool {
        let oldest = self
            .uploads
            .iter()
            .filter_map(|(key, entry)| match entry.state {
                State::Kept { order, .. } => Some((order, *key)),
                State::Owned { .. } => None,
            })
            .min_by_key(|(order, _)| *order);
        let entry = oldest.and_then(|(_, key)| self.uploads.remove(&key));
        let found = entry.is_some();
        self.gone.extend(entry.map(|entry| entry.content));
        found
    }

    /// What was forgotten since the last call; to be dropped where it may take its time, with the shelf unlocked.
    pub(super) fn gone(&mut self) -> Vec<Arc<Content>> {
        std::mem::take(&mut self.gone)
    }

    /// Uploads nobody owns.
    pub(super) fn kept(&self) -> usize {
        let kept = |entry: &&Entry| matches!(entry.state, State::Kept { .. });
        self.uploads.values().filter(kept).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upload::file::Space;
    use crate::upload::tests::batch;

    struct Bench {
        shelf: Shelf,
        folder: tempfile::TempDir,
        space: Arc<Space>,
        now: Instant,
    }

    impl Bench {
        fn new() -> Bench {
            Bench {
                shelf: Shelf::new(Duration::from_secs(120)),
                folder: tempfile::tempdir().unwrap(),
                space: Space::new(1 << 20),
                now: Instant::now(),
            }
        }

        fn claim(&mut self, key: Key, size: u64, chunk: usize) -> Taken {
            let plan = UploadPlan::new(size, chunk).unwrap();
            let create = || UploadFile::create(self.folder.path(), &self.space);
            self.shelf.claim(self.now, key, plan, create).unwrap()
        }

        /// Bytes on disk once what is gone is dropped.
        fn used(&mut self) -> u64 {
            self.shelf.gone();
            self.space.used()
        }

        /// A session that wrote the first chunk and died.
        fn broken(&mut self, key: Key) {
            let taken = self.claim(key, 9, 3);
            taken.content.write(taken.claim, &batch(0, b"abc")).unwrap();
            self.shelf.release(self.now, &key, taken.claim, true);
        }

        fn pass(&mut self, seconds: u64) {
            self.now += Duration::from_secs(seconds);
        }
    }

    fn key(id: u128) -> Key {
        (UploadOwner::default(), UploadId::from_random(id))
    }

    #[test]
    fn an_upload_is_there_after_119_seconds_and_gone_after_121() {
        for (seconds, chunks) in [(119, 1), (121, 0)] {
            let mut bench = Bench::new();
            bench.broken(key(1));
            bench.pass(seconds);
            assert_eq!(
                bench.claim(key(1), 9, 3).have.count(),
                chunks,
                "{seconds} s"
            );
        }
        let mut bench = Bench::new();
        bench.broken(key(1));
        let until = bench.now + Duration::from_secs(120);
        bench.pass(119);
        assert_eq!(bench.shelf.expire(bench.now), Some(until));
        assert_eq!((bench.shelf.kept(), bench.used()), (1, 3));
        bench.pass(1);
        assert_eq!(bench.shelf.expire(bench.now), None);
        let left = (bench.shelf.kept(), bench.space.used());
        assert_eq!(left, (0, 3), "forgetting drops no file");
        assert_eq!(bench.used(), 0);
    }

    #[test]
    fn another_size_chunk_id_or_key_starts_anew() {
        let other_key = (UploadOwner::of_key(Some("other")), key(1).1);
        for (key_, size, chunk) in [
            (key(1), 10, 3),
            (key(1), 9, 4),
            (key(2), 9, 3),
            (other_key, 9, 3),
        ] {
            let mut bench = Bench::new();
            bench.broken(key(1));
            assert_eq!(bench.claim(key_, size, chunk).have.count(), 0);
        }
    }

    #[test]
    fn a_second_session_takes_the_upload_over_and_the_first_one_is_told() {
        let mut bench = Bench::new();
        let first = bench.claim(key(1), 9, 3);
        assert!(first.content.write(first.claim, &batch(0, b"abc")).unwrap());
        let second = bench.claim(key(1), 9, 3);
        assert_eq!(second.have.ranges().as_slice(), [(0, 1)]);
        assert!(
            !first.content.write(first.claim, &batch(3, b"xyz")).unwrap(),
            "nothing is written that the second one does not know of"
        );
        let mut told = std::pin::pin!(first.replaced.notified());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(told.as_mut().poll(&mut context).is_ready());
        bench.shelf.release(bench.now, &key(1), first.claim, false);
        assert!(
            second
                .content
                .write(second.claim, &batch(3, b"def"))
                .unwrap()
        );
        bench.shelf.release(bench.now, &key(1), second.claim, true);
        assert_eq!(bench.claim(key(1), 9, 3).have.count(), 2);
    }

    #[test]
    fn a_claim_that_gets_no_file_leaves_everything_as_it_was() {
        let mut bench = Bench::new();
        let running = bench.claim(key(1), 9, 3);
        bench.broken(key(2));
        for id in [1, 2] {
            let plan = UploadPlan::new(10, 3).unwrap();
            let full = || Err(io::ErrorKind::StorageFull.into());
            let error = bench.shelf.claim(bench.now, key(id), plan, full);
            assert_eq!(error.unwrap_err().kind(), io::ErrorKind::StorageFull);
        }
        let mut told = std::pin::pin!(running.replaced.notified());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(told.as_mut().poll(&mut context).is_pending());
        assert!(
            running
                .content
                .write(running.claim, &batch(0, b"abc"))
                .unwrap()
        );
        assert_eq!(bench.claim(key(2), 9, 3).have.count(), 1);
    }

    #[test]
    fn nothing_is_kept_of_a_session_that_is_done_or_brought_nothing() {
        let mut bench = Bench::new();
        let done = bench.claim(key(1), 9, 3);
        done.content.write(done.claim, &batch(0, b"abc")).unwrap();
        bench.shelf.release(bench.now, &key(1), done.claim, false);
        let empty = bench.claim(key(2), 9, 3);
        bench.shelf.release(bench.now, &key(2), empty.claim, true);
        assert_eq!(bench.shelf.kept(), 0);
        drop(done);
        assert_eq!(bench.used(), 0);
    }

    #[test]
    fn the_oldest_gives_way_to_more_than_64() {
        let mut bench = Bench::new();
        for id in 0..MAX_KEPT as u128 + 2 {
            bench.broken(key(id));
        }
        assert_eq!(bench.shelf.kept(), MAX_KEPT);
        assert_eq!(bench.claim(key(1), 9, 3).have.count(), 0);
        assert_eq!(bench.claim(key(2), 9, 3).have.count(), 1);
    }
}
