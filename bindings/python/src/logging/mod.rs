//! `tracing` events of the native side as records of Python's `logging`.
//! Whoever logs never waits for Python: events go through a bounded queue to one thread that attaches to the interpreter.

mod queue;
mod subscriber;
mod thread;

use std::time::Duration;

use pyo3::exceptions::PyException;
use pyo3::prelude::*;

use crate::home;

pub(crate) use self::thread::flush;

/// Longest wait of [`flush_logs`] for handlers of the program.
const FLUSH_LIMIT: Duration = Duration::from_secs(5);

/// Sends the events of the native side to the logger "framewire" and its children, from now on. Called by everything that
/// may cause events; costs a look at a clock when nothing is due. Also takes over the effective level of that logger, at
/// most once a second, or at once with `refresh`.
#[pyfunction]
#[pyo3(signature = (refresh = true))]
pub(crate) fn start_logging(py: Python<'_>, refresh: bool) -> PyResult<()> {
    if home::is_orphan() {
        return Ok(());
    }
    subscriber::install();
    subscriber::follow_level(py, refresh)
}

/// Hands every event that is still queued to `logging` before it returns; waits without the GIL, for 5 s at most, while
/// handlers are busy with earlier ones.
#[pyfunction]
pub(crate) fn flush_logs(py: Python<'_>) -> PyResult<()> {
    if home::is_orphan() {
        return Ok(());
    }
    flush(py, FLUSH_LIMIT)
}

/// Takes over the level of the logger, when it is time. Without it the level stays as it is.
///
/// # Errors
/// Only what no program should overlook, such as `KeyboardInterrupt`.
pub(crate) fn keep_up(py: Python<'_>) -> PyResult<()> {
    match start_logging(py, false) {
        Err(error) if !error.is_instance_of::<PyException>(py) => Err(error),
        _ => Ok(()),
    }
}
