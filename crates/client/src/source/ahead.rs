//! Reads a file ahead of whoever sends it, on a thread of its own, into messages that are ready to be sent; where its hash is
//! wanted, it is made there too. It neither sends nor decides what is sent.

use std::collections::VecDeque;
use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use framewire_protocol::upload::{ChunkRanges, UPLOAD_HEADER_LEN, UploadPlan};

use super::buffers::Buffers;
use super::{check_size, read_at};
use crate::error::SourceError;
use crate::session::{Changed, FileHash};

/// Bytes read ahead, but at least two messages: enough to hide a disk's pauses, and little enough to stay in the processor's
/// caches until they are sent.
const AHEAD_BYTES: usize = 2 << 20;

/// Where nothing is to be sent, bytes hashed between two signs of life.
const PULSE_BYTES: u64 = 8 << 20;

/// What is to be read.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) file: File,
    pub(crate) path: PathBuf,
    pub(crate) plan: UploadPlan,
    /// Chunks that need not be sent.
    pub(crate) have: ChunkRanges,
    /// The file's hash as far as it is known; made whole, also of what is not sent.
    pub(crate) hash: Option<Arc<Mutex<FileHash>>>,
}

/// What comes of it, in the order of the file.
#[derive(Debug)]
pub(crate) enum Read {
    /// The message of the next chunk that is to be sent.
    Message(Bytes),
    /// Nothing to send, but work was done: some of the file was hashed.
    Hashed,
    /// All of the file was read and was what it should be.
    End,
}

/// A file being read. Dropping it ends the reading with the block at hand.
#[derive(Debug)]
pub(crate) struct Ahead {
    shared: Arc<Shared>,
    place: u64,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Changed,
    limit: usize,
}

#[derive(Debug, Default)]
struct State {
    ready: VecDeque<Read>,
    /// What came after the last message; [`Read::End`] or an error.
    over: Option<Result<(), SourceError>>,
    stopped: bool,
    /// The reader sleeps until half of what is ready was taken, so that it does not wake for every message.
    reader_waits: bool,
    taker_waits: bool,
}

impl Ahead {
    /// Begins to read. Fails when there is no thread for it.
    pub(crate) fn begin(reading: Reading) -> std::io::Result<Ahead> {
        let message = UPLOAD_HEADER_LEN + reading.plan.chunk_size();
        let limit = (AHEAD_BYTES / message).max(2);
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: Changed::default(),
            limit,
        });
        let ahead = Ahead {
            place: shared.changed.place(),
            shared: shared.clone(),
        };
        let thread = std::thread::Builder::new().name("framewire-read".into());
        thread.spawn(move || {
            // Whatever happens, nobody waits for a reader that is gone.
            let ended = EndOnDrop(&shared);
            let over = reading.run(&shared, &Buffers::new(message, 2 * limit));
            ended.with(over);
        })?;
        Ok(ahead)
    }

    /// What comes next. Blocks; `None`: nothing came before the deadline.
    pub(crate) fn next(&self, deadline: Instant) -> Option<Result<Read, SourceError>> {
        let mut state = self.shared.lock();
        loop {
            if let Some(next) = self.shared.take(&mut state) {
                drop(state);
                return Some(next);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            state.taker_waits = true;
            let waited = self.shared.changed.wait_timeout(state, left);
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The same for a task.
    pub(crate) fn poll_next(&self, cx: &Context<'_>) -> Poll<Result<Read, SourceError>> {
        self.shared.changed.unpark(self.place);
        let mut state = self.shared.lock();
        match self.shared.take(&mut state) {
            Some(next) => Poll::Ready(next),
            None => {
                state.taker_waits = true;
                self.shared.changed.park(self.place, cx.waker());
                Poll::Pending
            }
        }
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.shared.lock().stopped = true;
        self.shared.changed.notify_all();
    }
}

impl Reading {
    /// Reads until the end, an error, or until nobody wants more.
    fn run(&self, shared: &Shared, buffers: &Arc<Buffers>) -> Result<(), SourceError> {
        let total = self.plan.total_chunks();
        let mut silent = 0;
        let mut buffer = buffers.take();
        for (index, (offset, len)) in (0..).map_while(|n| Some((n, self.plan.range(n)?))) {
            let wanted = self.have.next_missing(index) == index;
            let end = offset + len as u64;
            if wanted || self.lacks_hash_before(end) {
                let space = buffer.space();
                let (header, rest) = space.split_at_mut(UPLOAD_HEADER_LEN);
                header.copy_from_slice(&self.plan.header(index).unwrap_or_default());
                let data = &mut rest[..len]; // a buffer holds a message with the longest chunk
                read_at(&self.file, &self.path, self.plan.file_size(), offset, data)?;
                if let Some(hash) = &self.hash {
                    let mut hash = hash.lock().unwrap_or_else(PoisonError::into_inner);
                    hash.add(offset, data);
                }
                silent += len as u64;
            }
            if index + 1 == total {
                // Before the last chunk leaves: a file that grew is not whole.
                check_size(&self.file, &self.path, self.plan.file_size())?;
            }
            let next = if wanted {
                let full = std::mem::replace(&mut buffer, buffers.take());
                Read::Message(full.into_message(UPLOAD_HEADER_LEN + len))
            } else if silent >= PULSE_BYTES {
                Read::Hashed
            } else {
                continue;
            };
            silent = 0;
            if !shared.push(next) {
                break;
            }
        }
        Ok(())
    }

    fn lacks_hash_before(&self, end: u64) -> bool {
        self.hash.as_ref().is_some_and(|hash| {
            let hash = hash.lock().unwrap_or_else(PoisonError::into_inner);
            hash.hashed() < end
        })
    }
}

impl Shared {
    fn take(&self, state: &mut State) -> Option<Result<Read, SourceError>> {
        let Some(next) = state.ready.pop_front() else {
            let over = state.over.clone()?;
            return Some(over.map(|()| Read::End));
        };
        if state.reader_waits && state.ready.len() <= self.limit / 2 {
            state.reader_waits = false;
            self.changed.notify_all();
        }
        Some(Ok(next))
    }

    /// Waits for room; false when nobody wants more.
    fn push(&self, next: Read) -> bool {
        let mut state = self.lock();
        if state.ready.len() >= self.limit {
            state.reader_waits = true;
        }
        while state.reader_waits && !state.stopped {
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if state.stopped {
            return false;
        }
        state.ready.push_back(next);
        let wake = std::mem::take(&mut state.taker_waits);
        drop(state);
        if wake {
            self.changed.notify_all();
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No foreign code runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells the taker that the reader is gone; without a word of its own it ended in a panic.
struct EndOnDrop<'a>(&'a Shared);

impl EndOnDrop<'_> {
    fn with(self, over: Result<(), SourceError>) {
        self.0.lock().over = Some(over);
    }
}

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.over.get_or_insert_with(|| {
            Err(SourceError::Unreadable {
                path: PathBuf::new(),
                reason: "the thread that reads it failed; please report this".into(),
            })
        });
        drop(state);
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};
    use std::io::Write;
    use std::time::Duration;

    fn reading(content: &[u8], chunk: usize, have: &[(u32, u32)], hash: bool) -> Reading {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        Reading {
            file: file.reopen().unwrap(),
            path: file.path().to_owned(),
            plan: UploadPlan::new(content.len() as u64, chunk).unwrap(),
            have: ChunkRanges::new(have.to_vec()).unwrap(),
            hash: hash.then(Arc::default),
        }
    }

    fn next(ahead: &Ahead) -> Result<Read, SourceError> {
        let guard = Instant::now() + Duration::from_secs(60);
        ahead.next(guard).expect("the reader goes on")
    }

    /// Messages, and how often work without one was reported.
    fn all(reading: Reading) -> (Vec<Bytes>, usize) {
        let (mut messages, mut pulses) = (Vec::new(), 0);
        let ahead = Ahead::begin(reading).unwrap();
        loop {
            match next(&ahead).unwrap() {
                Read::Message(message) => messages.push(message),
                Read::Hashed => pulses += 1,
                Read::End => return (messages, pulses),
            }
        }
    }

    #[test]
    fn messages_are_those_of_the_plan_in_order() {
        let content: Vec<u8> = (0..9_000_000u32).map(|n| (n >> 5) as u8).collect();
        let job = reading(&content, 49_152, &[], false);
        let plan = job.plan;
        let (messages, pulses) = all(job);
        let planned: Vec<_> = (0..)
            .zip(content.chunks(49_152))
            .map(|(index, data)| plan.message(index, data).unwrap())
            .collect();
        assert!(messages == planned && pulses == 0);
    }

    #[test]
    fn what_the_worker_has_is_hashed_and_not_sent() {
        let content = vec![9; 3 * PULSE_BYTES as usize];
        let chunk = PULSE_BYTES as usize / 4;
        for (have, indices, pulses) in [
            (vec![(0, 6), (7, 12)], vec![6], 2),
            (vec![(0, 12)], vec![], 3),
        ] {
            let job = reading(&content, chunk, &have, true);
            let hash = job.hash.clone().unwrap();
            let (messages, found) = all(job);
            let sent: Vec<_> = messages.iter().map(|message| message[0]).collect();
            assert_eq!((sent, found), (indices, pulses));
            let whole: [u8; 32] = Sha256::digest(&content).into();
            assert_eq!(hash.lock().unwrap().digest(), whole);
        }
    }

    #[test]
    fn what_is_hashed_already_is_not_read_again() {
        let job = reading(b"abcdef", 2, &[(0, 3)], true);
        let hash = job.hash.clone().unwrap();
        hash.lock().unwrap().add(0, b"ABCDEF");
        assert_eq!(all(job), (vec![], 0));
        let whole: [u8; 32] = Sha256::digest(b"ABCDEF").into();
        assert_eq!(hash.lock().unwrap().digest(), whole);
    }

    #[test]
    fn it_reads_no_further_ahead_than_its_bound_and_stops_when_dropped() {
        let job = reading(&vec![1; 8 * AHEAD_BYTES], 1 << 20, &[], false);
        let ahead = Ahead::begin(job).unwrap();
        assert_eq!(ahead.shared.limit, 2, "a message is more than half of it");
        for _ in 0..3 {
            assert!(matches!(next(&ahead), Ok(Read::Message(_))));
            assert!(ahead.shared.lock().ready.len() <= 2);
        }
        let shared = ahead.shared.clone();
        drop(ahead);
        assert!(!shared.push(Read::Hashed));
    }

    #[test]
    fn a_file_that_is_shorter_or_longer_than_planned_is_an_error_before_its_last_chunk() {
        for size in [5, 7] {
            let job = reading(b"abcdef", 2, &[], false);
            let (path, plan) = (job.path.clone(), UploadPlan::new(size, 2).unwrap());
            let ahead = Ahead::begin(Reading { plan, ..job }).unwrap();
            let error = std::iter::repeat_with(|| next(&ahead)).find_map(Result::err);
            let expected = SourceError::Changed {
                path,
                expected: size,
                found: 6,
            };
            assert_eq!(error, Some(expected));
        }
    }

    #[test]
    fn a_deadline_ends_the_wait_for_a_disk_that_does_not_answer() {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: Changed::default(),
            limit: 2,
        });
        let ahead = Ahead { shared, place: 0 };
        assert!(ahead.next(Instant::now()).is_none());
    }
}
