//! Why a run is to end early, and the means to end it from any thread.
//! Not here: judging the end; the first reason is kept for that.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use framewire::Closer;

/// What asked for an early end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// `--max-frames` is reached.
    Enough,
    /// `--timeout` is over.
    Timeout,
    /// Ctrl-C.
    Interrupted,
    /// SIGTERM.
    Terminated,
    /// The reader of our standard output is gone.
    PipeClosed,
    /// A file could not be written.
    OutputFailed,
}

/// Ends a session once, whoever asks first.
#[derive(Default)]
pub(crate) struct Stop {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    reason: Option<Reason>,
    closer: Option<Closer>,
}

impl Stop {
    /// Gives the session to be ended. A request made earlier ends it at once.
    pub(crate) fn attach(&self, closer: Closer) {
        let pending = {
            let mut state = self.lock();
            state.closer = Some(closer.clone());
            state.reason
        };
        if pending.is_some() {
            closer.close();
        }
    }

    /// Asks for the end. Later reasons change nothing.
    pub(crate) fn request(&self, reason: Reason) {
        let closer = {
            let mut state = self.lock();
            if state.reason.is_some() {
                return;
            }
            state.reason = Some(reason);
            state.closer.clone()
        };
        // Outside the lock: closing may wait for a handler that is asking, too.
        if let Some(closer) = closer {
            closer.close();
        }
    }

    /// The first reason given.
    pub(crate) fn reason(&self) -> Option<Reason> {
        self.lock().reason
    }

    /// Asks for the end with [`Reason::Timeout`] after `time`, unless the guard is dropped before.
    pub(crate) fn after(self: &Arc<Self>, time: Duration) -> Timer {
        let (guard, dropped) = mpsc::channel::<()>();
        let stop = Arc::clone(self);
        thread::spawn(move || {
            if dropped.recv_timeout(time) == Err(RecvTimeoutError::Timeout) {
                stop.request(Reason::Timeout);
            }
        });
        Timer { _guard: guard }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // The state is two plain values: a panic elsewhere cannot leave it half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Cancels its timeout when dropped.
pub(crate) struct Timer {
    _guard: mpsc::Sender<()>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reason_is_kept() {
        let stop = Stop::default();
        stop.request(Reason::Timeout);
        stop.request(Reason::Interrupted);
        assert_eq!(stop.reason(), Some(Reason::Timeout));
    }
}
