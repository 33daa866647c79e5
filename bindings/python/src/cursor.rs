//! The consuming end of a session: frames one by one, waited for without the GIL.
//! Not here: where they come from.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use framewire::{FrameEvent, FrameStream, Match, SessionError};
use framewire_media::FramePool;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};

use crate::errors::{session_error, wait_timeout};
use crate::event::{Event, deadline};
use crate::home::Home;
use crate::{array, logging, metadata};

/// Takes the frames of a session. A frame counts as handled when the next one is asked for, when
/// another consumer waits for one, or when the cursor is closed.
#[pyclass(frozen, name = "Cursor", module = "framewire._core")]
pub(crate) struct PyCursor {
    inner: Home<Inner>,
}

struct Inner {
    /// None after the end.
    stream: Mutex<Option<FrameStream>>,
    closed: AtomicBool,
    event: Arc<Event>,
    /// For copies of pictures that somebody else holds too.
    pool: FramePool,
    pictures: bool,
}

type Taken = Option<Result<FrameEvent, SessionError>>;

impl PyCursor {
    pub(crate) fn new(stream: FrameStream, pictures: bool) -> PyResult<Self> {
        Ok(PyCursor {
            inner: Home::new(Inner {
                stream: Mutex::new(Some(stream)),
                closed: AtomicBool::new(false),
                event: Event::new()?,
                pool: FramePool::default(),
                pictures,
            }),
        })
    }
}

#[pymethods]
impl PyCursor {
    /// Blocks until there is a frame and returns (frame, metadata, data, pairing, age in seconds, pts); None at the end of
    /// the stream and when the session or the cursor is closed. `pts` is the picture's own, in units of 1/90000 s for frames
    /// of a video track. Starts the session. The GIL is released while it waits; Ctrl-C ends the wait within a second.
    ///
    /// Raises TimeoutError after `timeout` seconds, the session's error once, and RuntimeError while another thread waits.
    #[pyo3(signature = (timeout=None))]
    fn next<'py>(
        &self,
        py: Python<'py>,
        timeout: Option<f64>,
    ) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let deadline = deadline(timeout)?;
        let inner = self.inner.get()?;
        logging::keep_up(py)?;
        let mut guard = inner.lock()?;
        let stream = &mut *guard;
        let taken = inner
            .event
            .wait_for(py, deadline, |context| inner.poll(stream, context))?;
        match taken {
            Some(taken) => inner.item(py, &mut guard, taken),
            None => Err(wait_timeout(
                py,
                "no frame came",
                timeout.unwrap_or_default(),
            )),
        }
    }

    /// As `next`, without waiting: NotImplemented when there is nothing yet. `fileno` tells when it is worth calling.
    fn poll<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let inner = self.inner.get()?;
        logging::keep_up(py)?;
        let mut guard = inner.lock()?;
        let stream = &mut *guard;
        let polled = py.detach(|| {
            // Before the look: a wake after it stays visible.
            inner.event.clear();
            let waker = Waker::from(Arc::clone(&inner.event));
            inner.poll(stream, &mut Context::from_waker(&waker))
        });
        match polled {
            Poll::Pending => Ok(py.NotImplemented().into_bound(py)),
            Poll::Ready(taken) => Ok(inner
                .item(py, &mut guard, taken)?
                .map_or_else(|| py.None().into_bound(py), Bound::into_any)),
        }
    }

    /// A descriptor that is readable when calling `poll` is worth it. It belongs to the cursor: do not read or close it.
    fn fileno(&self) -> PyResult<i32> {
        Ok(self.inner.get()?.event.fileno())
    }

    /// Ends the taking: a waiting `next` returns None. Does not close the session. Does not block.
    fn close(&self, py: Python<'_>) {
        let Some(inner) = self.inner.get_here() else {
            return;
        };
        inner.closed.store(true, Ordering::Release);
        inner.event.set();
        // Whoever is inside sees the flag and drops the stream.
        if let Ok(mut guard) = inner.stream.try_lock() {
            let stream = guard.take();
            drop(guard);
            py.detach(|| drop(stream));
        }
    }
}

impl Inner {
    fn lock(&self) -> PyResult<MutexGuard<'_, Option<FrameStream>>> {
        match self.stream.try_lock() {
            Ok(guard) => Ok(guard),
            // Nothing of Python runs under the lock; what a panic left behind is a stream like any other.
            Err(TryLockError::Poisoned(poisoned)) => Ok(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => Err(PyRuntimeError::new_err(
                "another thread is waiting for a frame here; give each thread an iterator of its own",
            )),
        }
    }

    fn poll(&self, stream: &mut Option<FrameStream>, context: &mut Context<'_>) -> Poll<Taken> {
        if self.closed.load(Ordering::Acquire) {
            *stream = None;
        }
        match stream {
            Some(stream) => stream.poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn item<'py>(
        &self,
        py: Python<'py>,
        stream: &mut Option<FrameStream>,
        taken: Taken,
    ) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let event = match taken {
            Some(Ok(event)) => event,
            Some(Err(error)) => {
                *stream = None;
                return Err(session_error(py, &error));
            }
            None => {
                *stream = None;
                return Ok(None);
            }
        };
        let age = event.captured.map(|at| at.elapsed());
        let pts = event.frame.pts();
        let frame = self
            .pictures
            .then(|| array::from_frame(py, event.frame, &self.pool))
            .transpose()?;
        let data = event
            .data
            .map(|data| PyBytes::new(py, data.as_str().as_bytes()));
        (
            frame,
            metadata::tuple(py, event.metadata.as_ref())?,
            data,
            pairing(event.pairing),
            age.as_ref().map(Duration::as_secs_f64),
            pts,
        )
            .into_pyobject(py)
            .map(Some)
    }
}

fn pairing(pairing: Match) -> &'static str {
    match pairing {
        Match::Exact => "exact",
        Match::Nearest => "nearest",
        _ => "unpaired",
    }
}
