//! Waiting for a session without the GIL, so that Ctrl-C ends the wait.
//! Not here: what is waited for.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::Errno;

/// How long a signal that hit another thread may stay unnoticed. One that hits the waiting thread ends the wait at once.
const SIGNAL_SLICE: Duration = Duration::from_secs(1);

/// A flag with a file descriptor that is readable while it is set; it is also a `Waker`.
#[derive(Debug)]
pub(crate) struct Event {
    fd: OwnedFd,
}

impl Wake for Event {
    fn wake(self: Arc<Self>) {
        self.set();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.set();
    }
}

enum Waited {
    Set,
    SliceOver,
    Interrupted,
}

impl Event {
    pub(crate) fn new() -> io::Result<Arc<Self>> {
        let fd = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        Ok(Arc::new(Event { fd }))
    }

    pub(crate) fn fileno(&self) -> i32 {
        self.fd.as_raw_fd()
    }

    /// Sets the flag; never blocks.
    pub(crate) fn set(&self) {
        // The only way to fail is a counter that is full: set already.
        let _ = rustix::io::write(&self.fd, &1u64.to_ne_bytes());
    }

    /// Clears the flag; never blocks.
    pub(crate) fn clear(&self) {
        // The only way to fail is a counter at 0: cleared already.
        let _ = rustix::io::read(&self.fd, &mut [0; 8]);
    }

    fn wait(&self, limit: Duration) -> Waited {
        let mut fds = [PollFd::from_borrowed_fd(self.fd.as_fd(), PollFlags::IN)];
        let limit = Timespec {
            tv_sec: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: limit.subsec_nanos().into(),
        };
        match poll(&mut fds, Some(&limit)) {
            Ok(0) => Waited::SliceOver,
            Ok(_) => Waited::Set,
            Err(Errno::INTR) => Waited::Interrupted,
            // A valid descriptor and a valid limit leave only a lack of kernel memory: look again.
            Err(_) => Waited::SliceOver,
        }
    }

    /// Polls until something is ready or the deadline has passed (`None`). The GIL is released all the while; `poll` runs
    /// without it, and is called again whenever the flag was set.
    ///
    /// # Errors
    /// What a signal handler of Python raised, normally `KeyboardInterrupt`.
    pub(crate) fn wait_for<T: Send>(
        self: &Arc<Self>,
        py: Python<'_>,
        deadline: Option<Instant>,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<T> + Send,
    ) -> PyResult<Option<T>> {
        let waker = Waker::from(Arc::clone(self));
        loop {
            let step = py.detach(|| {
                let mut context = Context::from_waker(&waker);
                loop {
                    // Cleared before the look: a wake after it stays visible to the wait.
                    self.clear();
                    if let Poll::Ready(value) = poll(&mut context) {
                        return Step::Ready(value);
                    }
                    let left = deadline.map_or(SIGNAL_SLICE, |deadline| {
                        deadline.saturating_duration_since(Instant::now())
                    });
                    if left.is_zero() {
                        return Step::Late;
                    }
                    match self.wait(left.min(SIGNAL_SLICE)) {
                        Waited::Set => {}
                        Waited::SliceOver | Waited::Interrupted => return Step::Signals,
                    }
                }
            });
            match step {
                Step::Ready(value) => return Ok(Some(value)),
                Step::Late => return Ok(None),
                Step::Signals => py.check_signals()?,
            }
        }
    }
}

enum Step<T> {
    Ready(T),
    Late,
    Signals,
}

/// The end of a wait of so many seconds; none for `None` and for what is further away than clocks reach.
///
/// # Errors
/// `ValueError` for a negative number or NaN.
pub(crate) fn deadline(timeout: Option<f64>) -> PyResult<Option<Instant>> {
    let Some(seconds) = timeout else {
        return Ok(None);
    };
    if seconds.is_nan() || seconds < 0.0 {
        return Err(pyo3::exceptions::PyValueError::new_err(
            "a timeout is a number of seconds, 0 or more",
        ));
    }
    Ok(Duration::try_from_secs_f64(seconds)
        .ok()
        .and_then(|timeout| Instant::now().checked_add(timeout)))
}
