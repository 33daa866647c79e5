//! Pausing a session and going on.
//! It only says so to everyone concerned: the protocol machine, the frame slot, the upload and whoever hands frames out.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use framewire_protocol::session::Input;

use crate::session::Session;
use crate::session::shared::{Shared, lock};

impl Session {
    /// Asks for nothing more until [`resume`](Self::resume). Returns at once, and may be called at any time, also before the
    /// start; a closed session is not paused.
    ///
    /// What was received is still delivered. What stops depends on who gives the frames:
    ///
    /// | the session | stops |
    /// |---|---|
    /// | batch | acknowledgements are withheld, so the worker stops after the frame it is at; an upload stands still |
    /// | a realtime source of this side | frames are neither encoded nor sent; `send` drops them. Counted as `paused` in [`OutgoingStats`](crate::OutgoingStats) |
    /// | a realtime source the worker reads or plays | nothing at the worker: results and frames that arrive are dropped, and counted as [`DropReason::Paused`](crate::DropReason::Paused) |
    ///
    /// While it is paused, the limits of the upload, of the first result and of draining do not run; those of connecting and
    /// of a silent worker do. A batch worker that was never acknowledged anything goes on until its first frame is there.
    pub fn pause(&self) {
        self.shared.set_paused(true);
    }

    /// Goes on after [`pause`](Self::pause); limits that stood still begin anew. Returns at once. Without a pause it changes
    /// nothing.
    pub fn resume(&self) {
        self.shared.set_paused(false);
    }

    /// Whether the session is paused.
    pub fn is_paused(&self) -> bool {
        self.shared.pause.is_on()
    }
}

/// The switch. One at a time turns it, so that everyone concerned hears the same order.
#[derive(Debug, Default)]
pub(crate) struct Pause {
    turning: Mutex<()>,
    on: AtomicBool,
}

impl Pause {
    pub(crate) fn is_on(&self) -> bool {
        self.on.load(Ordering::Acquire)
    }
}

impl Shared {
    fn set_paused(&self, paused: bool) {
        if self.turn(paused) {
            // Wakes foreign code: without a lock.
            self.changed.notify_all();
        }
    }

    /// Whether that changed anything.
    fn turn(&self, paused: bool) -> bool {
        let turning = &self.pause.turning;
        let _turning = turning.lock().unwrap_or_else(PoisonError::into_inner);
        let state = lock(&self.state);
        if self.pause.is_on() == paused || (paused && state.closed) {
            return false;
        }
        // Under the lock, so that nobody looks before and waits after.
        self.pause.on.store(paused, Ordering::Release);
        drop(state);
        self.live.set_paused(paused);
        self.input(if paused { Input::Pause } else { Input::Unpause });
        true
    }

    /// Whether what arrives is dropped: nobody can tell the worker to wait.
    pub(crate) fn discards(&self) -> bool {
        self.pause.is_on() && self.plan.realtime && !self.plan.media.sends
    }

    /// Blocks while the session is paused and `useful` says that going on would make sense.
    pub(crate) fn wait_unpaused(&self, useful: impl Fn() -> bool) {
        let mut state = lock(&self.state);
        while self.pause.is_on() && !state.closed && state.ended.is_none() && useful() {
            // The switch, the end of the session or of its connection wakes us.
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}
