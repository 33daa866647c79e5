//! How many sessions run, whether new ones are taken, and waiting until all are gone.
//! Not the sessions themselves: each holds a [`Place`] until its last thread ended.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::source::SourceKind;
use crate::metrics::{Label, SessionState};

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
    census: Census,
    draining: bool,
}

/// Where the sessions are: how many by state and kind of source.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Census([[usize; 1 + SourceKind::ALL.len()]; SessionState::ALL.len()]);

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
    at: Mutex<(SessionState, Option<SourceKind>)>,
}

impl Census {
    /// Sessions in a state with a source; `None`: the source is not known yet.
    pub(crate) fn count(&self, state: SessionState, source: Option<SourceKind>) -> usize {
        self.0[state.index()][column(source)] // a row for each state, a column for each source and none
    }

    fn of(&mut self, state: SessionState, source: Option<SourceKind>) -> &mut usize {
        &mut self.0[state.index()][column(source)] // as above
    }
}

fn column(source: Option<SourceKind>) -> usize {
    source.map_or(0, |source| 1 + source.index())
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
        *state.census.of(SessionState::Starting, None) += 1;
        Ok(Place {
            places: self.clone(),
            id: self.next_id.fetch_add(1, Ordering::Relaxed),
            at: Mutex::new((SessionState::Starting, None)),
        })
    }

    /// Sessions running now.
    pub(crate) fn taken(&self) -> usize {
        self.lock().taken
    }

    /// The same, by where they are.
    pub(crate) fn census(&self) -> Census {
        self.lock().census
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

    /// The session is here now, for whoever counts.
    pub(crate) fn is_at(&self, state: SessionState, source: Option<SourceKind>) {
        let mut at = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        if *at != (state, source) {
            let mut places = self.places.lock();
            *places.census.of(at.0, at.1) -= 1;
            *places.census.of(state, source) += 1;
            *at = (state, source);
        }
    }

    /// Turns true when the session must end at once.
    pub(crate) fn cut_signal(&self) -> watch::Receiver<bool> {
        self.places.cut.subscribe()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let (state, source) = *self.at.get_mut().unwrap_or_else(PoisonError::into_inner);
        let mut places = self.places.lock();
        places.taken -= 1;
        *places.census.of(state, source) -= 1;
        drop(places);
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
    fn the_census_follows_each_session_and_forgets_it_with_its_place() {
        let places = Places::new(2);
        let (first, second) = (places.take().unwrap(), places.take().unwrap());
        first.is_at(SessionState::Running, Some(SourceKind::Track));
        let count = |state, source| places.census().count(state, source);
        assert_eq!(count(SessionState::Starting, None), 1);
        assert_eq!(count(SessionState::Running, Some(SourceKind::Track)), 1);
        drop(first);
        assert_eq!(count(SessionState::Running, Some(SourceKind::Track)), 0);
        drop(second);
        assert_eq!(count(SessionState::Starting, None), 0);
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
