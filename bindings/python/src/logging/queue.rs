//! Events between the threads that log and the one that hands them to Python.
//! It is bounded, and never touches the interpreter.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

/// Events kept while Python is busy. Later ones are counted and dropped.
pub(crate) const CAPACITY: usize = 8192;

/// One event, ready to be written.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) logger: String,
    pub(crate) level: u8,
    pub(crate) message: String,
    pub(crate) file: &'static str,
    pub(crate) line: u32,
    pub(crate) thread: String,
    pub(crate) at: SystemTime,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    filled: Condvar,
    idle: Condvar,
}

#[derive(Debug)]
struct State {
    records: VecDeque<Record>,
    dropped: u64,
    /// Batches taken and not yet handed over.
    under_way: u32,
}

impl Queue {
    pub(crate) const fn new() -> Self {
        Queue {
            state: Mutex::new(State {
                records: VecDeque::new(),
                dropped: 0,
                under_way: 0,
            }),
            filled: Condvar::new(),
            idle: Condvar::new(),
        }
    }

    /// Never blocks for longer than it takes to move a record.
    pub(crate) fn push(&self, record: Record) {
        let mut state = self.lock();
        if state.records.len() >= CAPACITY {
            state.dropped += 1;
            return;
        }
        state.records.push_back(record);
        drop(state);
        self.filled.notify_one();
    }

    /// Everything queued, and how many were dropped since the last call. Whoever takes says when it is `done`.
    pub(crate) fn take(&self) -> (VecDeque<Record>, u64) {
        let mut state = self.lock();
        state.under_way += 1;
        let records = std::mem::take(&mut state.records);
        (records, std::mem::take(&mut state.dropped))
    }

    /// What was taken is handed over.
    pub(crate) fn done(&self) {
        self.lock().under_way -= 1;
        self.idle.notify_all();
    }

    /// Blocks until nobody is handing over, for at most so long.
    pub(crate) fn wait_idle(&self, limit: Duration) {
        // Late or not, the caller goes on.
        let _ = self
            .idle
            .wait_timeout_while(self.lock(), limit, |state| state.under_way > 0);
    }

    /// Blocks until there is something to take.
    pub(crate) fn wait(&self) {
        let mut state = self.lock();
        while state.records.is_empty() {
            state = self
                .filled
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
