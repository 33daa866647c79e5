//! Tells everyone who waits that something changed: threads by a condition variable, tasks by their wakers.
//! It holds nothing anybody could wait for; that is guarded by a lock of its owner's.

use std::sync::{Condvar, LockResult, Mutex, MutexGuard, PoisonError, WaitTimeoutResult};
use std::task::Waker;
use std::time::Duration;

/// See the module. Change the state under its lock, then call [`notify_all`](Self::notify_all) without it.
#[derive(Debug, Default)]
pub(crate) struct Changed {
    threads: Condvar,
    tasks: Mutex<Tasks>,
}

#[derive(Debug, Default)]
struct Tasks {
    places: u64,
    /// At most one waker for each place; as short as there are waiting tasks.
    waiting: Vec<(u64, Waker)>,
}

impl Changed {
    /// Wakes every waiting thread and every parked task, once each.
    pub(crate) fn notify_all(&self) {
        self.threads.notify_all();
        let woken = std::mem::take(&mut self.tasks().waiting);
        // Wakers are foreign code: not under a lock.
        for (_, waker) in woken {
            waker.wake();
        }
    }

    pub(crate) fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        self.threads.wait(guard)
    }

    pub(crate) fn wait_timeout<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        limit: Duration,
    ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)> {
        self.threads.wait_timeout(guard, limit)
    }

    /// A place for one task.
    pub(crate) fn place(&self) -> u64 {
        let mut tasks = self.tasks();
        tasks.places += 1;
        tasks.places
    }

    /// Wakes this waker with the next change. Call it under the lock of what is waited for, or a change is missed.
    pub(crate) fn park(&self, place: u64, waker: &Waker) {
        let mut tasks = self.tasks();
        match tasks.waiting.iter_mut().find(|(at, _)| *at == place) {
            Some((_, parked)) => parked.clone_from(waker),
            None => tasks.waiting.push((place, waker.clone())),
        }
    }

    /// Forgets the waker of this place.
    pub(crate) fn unpark(&self, place: u64) {
        let mut tasks = self.tasks();
        let at = tasks.waiting.iter().position(|(at, _)| *at == place);
        let parked = at.map(|at| tasks.waiting.swap_remove(at));
        drop(tasks);
        drop(parked);
    }

    fn tasks(&self) -> MutexGuard<'_, Tasks> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    #[derive(Default)]
    struct Counter(AtomicUsize);

    impl Wake for Counter {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_parked_task_is_woken_once_and_holds_one_place() {
        let changed = Changed::default();
        let (first, second) = (Arc::new(Counter::default()), Arc::new(Counter::default()));
        let (one, two) = (changed.place(), changed.place());
        for _ in 0..100 {
            changed.park(one, &Waker::from(first.clone()));
        }
        changed.park(two, &Waker::from(second.clone()));
        assert_eq!(changed.tasks().waiting.len(), 2);
        changed.unpark(two);
        changed.notify_all();
        changed.notify_all();
        let counts = [&first, &second].map(|counter| counter.0.load(Ordering::Relaxed));
        assert_eq!(counts, [1, 0]);
        assert!(changed.tasks().waiting.is_empty());
    }
}
