//! The way of native threads into the interpreter, and its end: a thread that is on its way in while the interpreter goes
//! away would be ended by force.
//! Not here: what they do inside.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pyo3::prelude::*;

use crate::{home, logging};

/// Longest wait at the end, each, for handlers of log events and for threads that are inside: what a program does in its
/// handlers may take as long as it likes.
const END_LIMIT: Duration = Duration::from_secs(1);

/// Longest wait at the end for what closed sessions left behind: gathering takes no longer.
const BACKGROUND_LIMIT: Duration = Duration::from_secs(2);

static DOOR: Mutex<Door> = Mutex::new(Door {
    inside: 0,
    shut: false,
});
static LEFT: Condvar = Condvar::new();

struct Door {
    /// Threads attached, or about to be.
    inside: usize,
    shut: bool,
}

fn door() -> MutexGuard<'static, Door> {
    DOOR.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Attaches this native thread and does the work; `None` when the interpreter is going away or gone. The lock of this module
/// is not held meanwhile.
pub(crate) fn with_python<R>(work: impl FnOnce(Python<'_>) -> R) -> Option<R> {
    {
        let mut door = door();
        if door.shut {
            return None;
        }
        door.inside += 1;
    }
    let _visit = Visit;
    Python::try_attach(work)
}

/// Ends with the visit, however it ends.
struct Visit;

impl Drop for Visit {
    fn drop(&mut self) {
        door().inside -= 1;
        LEFT.notify_all();
    }
}

/// For the end of the interpreter, after sessions were closed: hands over what is still to be logged, and from then on lets
/// no native thread call Python. Blocks without the GIL, for a second at most each, while log handlers or
/// callbacks are running.
#[pyfunction]
pub(crate) fn shutdown(py: Python<'_>) -> PyResult<()> {
    if home::is_orphan() {
        return Ok(());
    }
    let flushed = logging::flush(py, END_LIMIT);
    py.detach(|| {
        let mut door = door();
        door.shut = true;
        // Late or not, the interpreter ends.
        let _ = LEFT.wait_timeout_while(door, END_LIMIT, |door| door.inside > 0);
        // What sessions closed in the middle of their start were doing must not outlive the libraries it uses.
        framewire::wait_for_background(BACKGROUND_LIMIT);
    });
    flushed
}
