//! Counts work of sessions that may outlive their close for a moment, so that the end of a program can wait for it.
//! Not here: the work itself; each piece ends by itself within its own limit.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

static UNDER_WAY: Mutex<usize> = Mutex::new(0);
static ENDED: Condvar = Condvar::new();

/// Blocks until nothing is left running of sessions that were closed while they connected, at most for `limit`. Returns
/// whether that is so.
///
/// Closing interrupts a connect at once, and what the connect was doing at that moment (binding sockets, making keys) ends
/// behind its back. A process that exits meanwhile takes the libraries away from under it; call this first. Usually there is
/// nothing to wait for.
pub fn wait_for_background(limit: Duration) -> bool {
    let (count, _) = ENDED
        .wait_timeout_while(lock(), limit, |count| *count > 0)
        .unwrap_or_else(PoisonError::into_inner);
    *count == 0
}

/// One piece of work; it counts until this is dropped.
pub(crate) struct Work(());

impl Work {
    pub(crate) fn begin() -> Self {
        *lock() += 1;
        Work(())
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        *lock() -= 1;
        ENDED.notify_all();
    }
}

fn lock() -> MutexGuard<'static, usize> {
    UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_waits_for_work_but_not_for_ever() {
        let work = Work::begin();
        assert!(!wait_for_background(Duration::from_millis(10)));
        let worker = std::thread::spawn(move || drop(work));
        // Other tests of this process may be connecting; their work ends too.
        assert!(wait_for_background(Duration::from_secs(60)));
        worker.join().expect("no panic");
    }
}
