//! Ending a blocked open or read of a live input from another thread.
//! Not time limits: those are the input's own (`ffmpeg::interrupt`).

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Ends every open and read of the inputs it was given to, within some 100 ms, with
/// [`LiveError::Interrupted`](crate::LiveError::Interrupted). Clones are one interrupt; it cannot be taken back.
#[derive(Debug, Clone, Default)]
pub struct Interrupt {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    set: Mutex<bool>,
    changed: Condvar,
}

impl Interrupt {
    /// One that has not happened.
    pub fn new() -> Interrupt {
        Interrupt::default()
    }

    /// Ends what is blocked and whatever is started later. Never blocks.
    pub fn interrupt(&self) {
        *self.lock() = true;
        self.inner.changed.notify_all();
    }

    /// Whether [`interrupt`](Interrupt::interrupt) was called.
    pub fn is_interrupted(&self) -> bool {
        *self.lock()
    }

    /// Waits until `deadline`; true if interrupted instead.
    pub(crate) fn wait_until(&self, deadline: Instant) -> bool {
        let mut set = self.lock();
        while !*set {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            set = self
                .inner
                .changed
                .wait_timeout(set, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        // A flag is valid whoever panicked while holding it.
        self.inner
            .set
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_waiting_thread_wakes_when_interrupted_and_not_before_its_deadline_otherwise() {
        let interrupt = Interrupt::new();
        let deadline = Instant::now() + Duration::from_millis(5);
        assert!(!interrupt.wait_until(deadline));
        assert!(Instant::now() >= deadline);
        let other = interrupt.clone();
        let waiting =
            std::thread::spawn(move || other.wait_until(Instant::now() + Duration::from_secs(60)));
        interrupt.interrupt();
        assert!(waiting.join().unwrap());
        assert!(interrupt.is_interrupted());
    }
}
