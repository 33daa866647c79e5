//! Keeps native objects in the process that made them: after `fork` the child has their memory, but not their threads.
//! Not here: what the objects are.

use std::sync::atomic::{AtomicI32, Ordering};

use pyo3::PyResult;
use pyo3::exceptions::PyRuntimeError;

/// The process that started the first native thread; 0 before that.
static THREADS_OF: AtomicI32 = AtomicI32::new(0);

fn this_process() -> i32 {
    rustix::process::getpid().as_raw_nonzero().get()
}

/// Says that native threads are about to start, or may run already, in this process.
///
/// # Errors
/// They were started in a parent process: locks they held at the time of the fork stay locked for ever here.
pub(crate) fn enter() -> PyResult<()> {
    let here = this_process();
    match THREADS_OF.compare_exchange(0, here, Ordering::Relaxed, Ordering::Relaxed) {
        Err(there) if there != here => Err(PyRuntimeError::new_err(
            "framewire was used in this process's parent before the fork and cannot be used here: its threads stayed in the \
             parent; start worker processes with the 'spawn' or 'forkserver' method, or fork before the first session",
        )),
        _ => Ok(()),
    }
}

/// Whether this process is a fork of one that had started native threads.
pub(crate) fn is_orphan() -> bool {
    let there = THREADS_OF.load(Ordering::Relaxed);
    there != 0 && there != this_process()
}

/// A value that is used and dropped only in the process that made it. A forked child leaks its copy: dropping it could
/// wait for threads or locks that nobody there will ever release.
#[derive(Debug)]
pub(crate) struct Home<T> {
    value: Option<T>,
    process: i32,
}

impl<T> Home<T> {
    pub(crate) fn new(value: T) -> Self {
        Home {
            value: Some(value),
            process: this_process(),
        }
    }

    /// The value, or an error that says what happened.
    pub(crate) fn get(&self) -> PyResult<&T> {
        self.get_here().ok_or_else(|| {
            PyRuntimeError::new_err(
                "this object was made before a fork and cannot be used in the child process; make a new one after the fork, \
                 or start worker processes with the 'spawn' method",
            )
        })
    }

    /// Takes the value out, unless this is another process.
    pub(crate) fn take_here(&mut self) -> Option<T> {
        if self.process == this_process() {
            self.value.take()
        } else {
            None
        }
    }

    /// The value, unless this is another process.
    pub(crate) fn get_here(&self) -> Option<&T> {
        self.value
            .as_ref()
            .filter(|_| self.process == this_process())
    }
}

impl<T> Drop for Home<T> {
    fn drop(&mut self) {
        if self.process != this_process() {
            std::mem::forget(self.value.take());
        }
    }
}
