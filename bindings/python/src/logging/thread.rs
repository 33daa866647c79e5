//! The one thread that hands records to Python, started with the first of them.
//! No lock of ours is held while it is attached to the interpreter.

use std::sync::Once;
use std::time::{Duration, Instant, UNIX_EPOCH};

use pyo3::exceptions::PyException;
use pyo3::prelude::*;

use crate::attach::with_python;
use crate::home;
use crate::logging::queue::{Queue, Record};

static QUEUE: Queue = Queue::new();

const NAME: &str = "framewire-logging";

/// Queues a record; the thread passes it on. Never waits for Python.
pub(crate) fn submit(record: Record) {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        // In a fork of this process there is no such thread any more; `home` has to know.
        let _ = home::enter();
        // Without the thread, records wait for `flush_logs` and then for room.
        let _ = std::thread::Builder::new().name(NAME.into()).spawn(run);
    });
    QUEUE.push(record);
}

fn run() {
    loop {
        QUEUE.wait();
        let told = with_python(|py| {
            if let Err(error) = hand_over(py) {
                error.write_unraisable(py, None);
            }
        });
        if told.is_none() {
            // The interpreter is going or gone; there is nobody to tell.
            return;
        }
    }
}

/// Passes on what is queued, after what the thread is passing on at this moment, and waits for what the thread took in
/// between; the waits together last until the limit at most.
///
/// # Errors
/// See [`hand_over`].
pub(crate) fn flush(py: Python<'_>, limit: Duration) -> PyResult<()> {
    // A handler that flushes would wait for itself.
    if std::thread::current().name() == Some(NAME) {
        return hand_over(py);
    }
    let deadline = Instant::now() + limit;
    let settle = || QUEUE.wait_idle(deadline.saturating_duration_since(Instant::now()));
    py.detach(settle);
    let handed_over = hand_over(py);
    // The thread may have been first to take what came before this call, and hand it over at this moment.
    py.detach(settle);
    handed_over
}

/// # Errors
/// What no program should overlook, such as `KeyboardInterrupt`; everything is passed on all the same.
fn hand_over(py: Python<'_>) -> PyResult<()> {
    let (records, dropped) = QUEUE.take();
    let _done = Done;
    let mut result = Ok(());
    let mut contain = |outcome: PyResult<()>| match outcome {
        Ok(()) => {}
        // A handler or filter of the program raised.
        Err(error) if error.is_instance_of::<PyException>(py) => error.write_unraisable(py, None),
        Err(error) => result = Err(error),
    };
    for record in records {
        contain(log(py, &record));
    }
    if dropped > 0 {
        contain(log_drops(py, dropped));
    }
    result
}

fn log_drops(py: Python<'_>, dropped: u64) -> PyResult<()> {
    let text = format!("{dropped} events were not logged: Python was busy for too long");
    py.import("logging")?
        .call_method1("getLogger", ("framewire",))?
        .call_method1("warning", (text,))?;
    Ok(())
}

/// Says so however the handing over ends.
struct Done;

impl Drop for Done {
    fn drop(&mut self) {
        QUEUE.done();
    }
}

fn log(py: Python<'_>, record: &Record) -> PyResult<()> {
    let logger = py
        .import("logging")?
        .call_method1("getLogger", (&record.logger,))?;
    if !logger
        .call_method1("isEnabledFor", (record.level,))?
        .is_truthy()?
    {
        return Ok(());
    }
    let made = logger.call_method1(
        "makeRecord",
        (
            &record.logger,
            record.level,
            record.file,
            record.line,
            &record.message,
            (),
            py.None(),
        ),
    )?;
    // When and where it happened, not when and where it was passed on.
    let at = record
        .at
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64();
    made.setattr("created", at)?;
    made.setattr("msecs", (at.fract() * 1000.0).floor())?;
    made.setattr("threadName", &record.thread)?;
    logger.call_method1("handle", (made,))?;
    Ok(())
}
