//! Reads a file block by block on a thread of its own, a little ahead of whoever sends it.
//! It neither cuts nor sends.

use std::collections::VecDeque;
use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use framewire_protocol::upload::UploadPlan;

use crate::error::SourceError;
use crate::session::Changed;
use crate::source::{check_size, read_at};

/// Blocks read ahead.
const AHEAD: usize = 2;
/// Bytes read from disk at once.
const READ_BLOCK: usize = 512 << 10;

/// A file being read. Dropping it ends the reading.
#[derive(Debug)]
pub(super) struct Blocks {
    shared: Arc<Shared>,
    place: u64,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Changed,
}

#[derive(Debug, Default)]
struct State {
    ready: VecDeque<Result<Vec<u8>, SourceError>>,
    stopped: bool,
}

impl Blocks {
    /// Reads whole chunks from the chunk `from` on.
    pub(super) fn read(
        file: &File,
        path: PathBuf,
        plan: UploadPlan,
        from: u32,
    ) -> std::io::Result<Blocks> {
        let mut file = file.try_clone()?;
        let shared = Arc::new(Shared::default());
        let reading = shared.clone();
        std::thread::Builder::new()
            .name("framewire-read".into())
            .spawn(move || {
                let chunks = (READ_BLOCK / plan.chunk_size()).max(1) as u32;
                let mut index = from;
                while index < plan.total_chunks() {
                    let wanted = (index..index.saturating_add(chunks)).map_while(|n| plan.range(n));
                    let wanted = wanted.map(|(_, len)| len).sum();
                    let mut block = vec![0; wanted];
                    let offset = u64::from(index) * plan.chunk_size() as u64;
                    index = index.saturating_add(chunks);
                    let read = read_at(&mut file, &path, plan.file_size(), offset, &mut block);
                    let read = match index < plan.total_chunks() {
                        true => read,
                        // Before the last chunk leaves: a file that grew is not whole.
                        false => read.and_then(|()| check_size(&file, &path, plan.file_size())),
                    };
                    let failed = read.is_err();
                    if !reading.push(read.map(|()| block)) || failed {
                        return;
                    }
                }
            })?;
        let place = shared.changed.place();
        Ok(Blocks { shared, place })
    }

    /// The next block. Call it only while there is one.
    pub(super) fn poll_next(&self, cx: &Context<'_>) -> Poll<Result<Vec<u8>, SourceError>> {
        self.shared.changed.unpark(self.place);
        let mut state = self.shared.lock();
        match state.ready.pop_front() {
            Some(block) => {
                drop(state);
                self.shared.changed.notify_all();
                Poll::Ready(block)
            }
            None => {
                self.shared.changed.park(self.place, cx.waker());
                Poll::Pending
            }
        }
    }
}

impl Drop for Blocks {
    fn drop(&mut self) {
        self.shared.lock().stopped = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    /// Waits for room; false when nobody wants more.
    fn push(&self, block: Result<Vec<u8>, SourceError>) -> bool {
        let mut state = self.lock();
        while state.ready.len() >= AHEAD && !state.stopped {
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if state.stopped {
            return false;
        }
        state.ready.push_back(block);
        drop(state);
        self.changed.notify_all();
        true
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No foreign code runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
