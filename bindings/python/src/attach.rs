//! The way of native threads into the interpreter, and its end: a thread that is on its way in while the interpreter goes
//! away would be ended by force.
//! Not here: what they do inside.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use pyo3::prelude::*;

use crate::event::Event;
use crate::{home, logging};

/// Longest wait at the end for handlers of log events to take what is queued.
const END_LIMIT: Duration = Duration::from_secs(1);

/// Longest wait at the end for what closed sessions left behind: gathering takes no longer.
const BACKGROUND_LIMIT: Duration = Duration::from_secs(2);

static DOOR: Mutex<Door> = Mutex::new(Door {
    inside: 0,
    shut: false,
    waiting: None,
});

struct Door {
    /// Threads attached, or about to be.
    inside: usize,
    shut: bool,
    /// Who wants to know that nobody is inside: the end of the interpreter, of which there is one.
    waiting: Option<Waker>,
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
        let mut door = door();
        door.inside -= 1;
        let waiting = if door.inside == 0 {
            door.waiting.take()
        } else {
            None
        };
        drop(door);
        if let Some(waker) = waiting {
            waker.wake();
        }
    }
}

/// For the end of the interpreter, after sessions were closed: hands over what is still to be logged, and from then on lets
/// no native thread call Python. Blocks without the GIL until the callbacks and log handlers that are running have
/// returned, as Python waits for its own threads: the interpreter must not end below them.
///
/// Raises what a signal handler raised, normally KeyboardInterrupt: then somebody may still be inside.
#[pyfunction]
pub(crate) fn shutdown(py: Python<'_>) -> PyResult<()> {
    if home::is_orphan() {
        return Ok(());
    }
    if let Err(error) = logging::flush(py, END_LIMIT) {
        error.write_unraisable(py, None);
    }
    door().shut = true;
    let waited = Event::new()?.wait_for(py, None, |context| {
        let mut door = door();
        if door.inside == 0 {
            return Poll::Ready(());
        }
        door.waiting = Some(context.waker().clone());
        Poll::Pending
    });
    waited?;
    // What sessions closed in the middle of their start were doing must not outlive the libraries it uses.
    py.detach(|| framewire::wait_for_background(BACKGROUND_LIMIT));
    Ok(())
}
