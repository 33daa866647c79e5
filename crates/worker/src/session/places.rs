//! How many sessions run, whether new ones are taken, and waiting until all are gone.
//! Not the sessions themselves: each holds a [`Place`] until its last thread ended.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

/// All places of one worker.
#[derive(Debug)]
pub(crate) struct Places {
    max: usize,
    state: Mutex<State>,
    changed: Condvar,
    cut: watch::Sender<bool>,
    next_id: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    taken: usize,
    draining: bool,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoPlace {
    /// The limit is reached.
    Full(usize),
    /// The worker is shutting down.
    Draining,
}

/// One session's place; dropping it frees the place.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    id: u64,
}

impl Places {
    pub(crate) fn new(max: usize) -> Arc<Places> {
        Arc::new(Places {
            max,
            state: Mutex::default(),
            changed: Condvar::new(),
            cut: watch::Sender::new(false),
            next_id: AtomicU64::new(1),
        })
    }

    /// Takes a place, if there is one. Never blocks.
    pub(crate) fn take(self: &Arc<Places>) -> Result<Place, NoPlace> {
        let mut state = self.lock();
        if state.draining {
            return Err(NoPlace::Draining);
        }
        if state.taken >= self.max {
            return Err(NoPlace::Full(self.max));
        }
        state.taken += 1;
        Ok(Place {
            places: self.clone(),
            id: self.next_id.fetch_add(1, Ordering::Relaxed),
        })
    }

    /// Sessions running now.
    pub(crate) fn taken(&self) -> usize {
        self.lock().taken
    }

    pub(crate) fn max(&self) -> usize {
        self.max
    }

    pub(crate) fn draining(&self) -> bool {
        self.lock().draining
    }

    /// Whether a new session would be taken.
    pub(crate) fn ready(&self) -> bool {
        let state = self.lock();
        !state.draining && state.taken < self.max
    }

    /// No new sessions from here on.
    pub(crate) fn drain(&self) {
        self.lock().draining = true;
    }

    /// Tells every session to end at once.
    pub(crate) fn cut(&self) {
        self.cut.send_replace(true);
    }

    /// Blocks until no session runs or `limit` passed; whether none runs.
    pub(crate) fn wait_empty(&self, limit: Duration) -> bool {
        // An unrepresentable deadline is as good as a day.
        let deadline = Instant::now() + limit.min(Duration::from_secs(86_400));
        let mut state = self.lock();
        while state.taken > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = match self.changed.wait_timeout(state, left) {
                Ok((state, _)) => state,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The counters are valid whatever panicked while holding them.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// The session's number, for the log.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// Turns true when the session must end at once.
    pub(crate) fn cut_signal(&self) -> watch::Receiver<bool> {
        self.places.cut.subscribe()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.lock().taken -= 1;
        self.places.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_end_at_the_limit_and_come_back() {
        let places = Places::new(2);
        let first = places.take().unwrap();
        let second = places.take().unwrap();
        assert_ne!(first.id(), second.id());
        assert_eq!(places.take().unwrap_err(), NoPlace::Full(2));
        assert!(!places.ready());
        drop(first);
        assert!(places.ready());
        drop(second);
        assert_eq!(places.taken(), 0);
    }

    #[test]
    fn draining_takes_nobody_and_waits_for_the_last() {
        let places = Places::new(2);
        let place = places.take().unwrap();
        let cut = place.cut_signal();
        places.drain();
        assert_eq!(places.take().unwrap_err(), NoPlace::Draining);
        assert!(!places.wait_empty(Duration::ZERO));
        assert!(!*cut.borrow());
        places.cut();
        assert!(*cut.borrow());
        let leaver = std::thread::spawn(move || drop(place));
        assert!(places.wait_empty(Duration::from_secs(20)));
        leaver.join().unwrap();
    }
}
