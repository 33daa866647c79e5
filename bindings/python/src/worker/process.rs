//! One session's function: a frame goes in as an array, what it returns comes out as outputs.
//! Not here: what may be returned (`values`).

use std::cell::Cell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use framewire_media::{Frame, FramePool, PoolLimits};
use framewire_worker::workflow::FrameMetadata;
use framewire_worker::{ProcessedValue, Processor};
use pyo3::prelude::*;
use pyo3::types::PyString;

use super::values;
use crate::array;

/// Memory kept for the next frames of a session: a picture in, a picture out, and some that wait.
const IDLE_BYTES: usize = 16 << 20;

/// The function of one session, made when its first frame is there.
pub(crate) struct PyProcessor {
    make: Arc<Py<PyAny>>,
    call: Option<Py<PyAny>>,
    /// The request's parameters, the same object for every frame.
    parameters: Option<Py<PyAny>>,
    pool: FramePool,
    /// The last field: dropped when nothing of Python is left in the others.
    _alive: Alive,
}

impl PyProcessor {
    pub(super) fn new(make: Arc<Py<PyAny>>) -> Self {
        let limits = PoolLimits::default().with_max_idle_bytes(IDLE_BYTES);
        PyProcessor {
            make,
            call: None,
            parameters: None,
            pool: FramePool::new(limits),
            _alive: Alive::begin(),
        }
    }

    fn call(
        &mut self,
        py: Python<'_>,
        frame: Frame,
        metadata: &FrameMetadata,
    ) -> PyResult<Vec<(String, ProcessedValue)>> {
        let (pts, time_base) = (frame.pts(), frame.time_base().as_f64());
        let call = match &self.call {
            Some(call) => call,
            None => self.call.insert(self.make.call0(py)?),
        };
        let parameters = match &self.parameters {
            Some(parameters) => parameters,
            None => {
                // Writing JSON that was read cannot fail.
                let text = serde_json::to_string(&*metadata.parameters).unwrap_or_default();
                let parsed = py.import("json")?.call_method1("loads", (text,))?;
                self.parameters.insert(parsed.unbind())
            }
        };
        let received_at = metadata.frame_timestamp.format("%Y-%m-%dT%H:%M:%S%.6f");
        let fields = (
            metadata.frame_number,
            received_at.to_string(),
            pts,
            pts.map(|_| time_base),
            metadata.fps,
            metadata.measured_fps,
            metadata.comes_from_video_file,
            metadata.total_frames,
            parameters,
        );
        let picture = array::from_frame(py, frame, &self.pool)?;
        let returned = call.bind(py).call1((picture, fields))?;
        values::outputs(&returned, &self.pool)
    }
}

impl Processor for PyProcessor {
    fn process(
        &mut self,
        frame: &Frame,
        metadata: &FrameMetadata,
    ) -> Result<Vec<(String, ProcessedValue)>, String> {
        // Converted without the GIL, and once: what the function gets is its own.
        let picture = frame
            .to_packed_bgr(&self.pool)
            .map_err(|error| error.to_string())?;
        let _inside = Inside::enter();
        let done = Python::try_attach(|py| {
            self.call(py, picture, metadata)
                .map_err(|error| text(py, &error))
        });
        done.unwrap_or_else(|| Err("the worker's interpreter is ending".to_owned()))
    }
}

impl Drop for PyProcessor {
    fn drop(&mut self) {
        // The state of a session, a model perhaps, goes now, and not when some other thread happens to be attached.
        Python::try_attach(|_| {
            self.call = None;
            self.parameters = None;
        });
    }
}

/// An exception as the text that travels with its frame.
fn text(py: Python<'_>, error: &PyErr) -> String {
    let owned = |name: Bound<'_, PyString>| name.to_string_lossy().into_owned();
    let kind = error
        .get_type(py)
        .name()
        .map_or_else(|_| "an exception".to_owned(), owned);
    match error.value(py).str().map(owned) {
        Ok(text) if !text.is_empty() => format!("{kind}: {text}"),
        _ => kind,
    }
}

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is inside a call.
pub(super) fn inside_call() -> bool {
    INSIDE.get()
}

/// A call that goes on for as long as this lives.
struct Inside;

impl Inside {
    fn enter() -> Self {
        INSIDE.set(true);
        Inside
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.set(false);
    }
}

static PROCESSORS: Mutex<Processors> = Mutex::new(Processors {
    alive: 0,
    waiting: None,
});

/// Processors whose threads may still attach to the interpreter.
struct Processors {
    alive: usize,
    /// Who wants to know that there is none: the end of the interpreter, of which there is one.
    waiting: Option<Waker>,
}

fn processors() -> MutexGuard<'static, Processors> {
    PROCESSORS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether no session has a function any more; while one has, `waker` is woken when the last is gone.
pub(super) fn none_alive(waker: &Waker) -> bool {
    let mut processors = processors();
    processors.waiting = (processors.alive > 0).then(|| waker.clone());
    processors.alive == 0
}

/// One of them.
struct Alive;

impl Alive {
    fn begin() -> Self {
        processors().alive += 1;
        Alive
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        let mut processors = processors();
        processors.alive -= 1;
        if processors.alive == 0
            && let Some(waker) = processors.waiting.take()
        {
            waker.wake();
        }
    }
}
