//! Python callables that threads of a session call, and what happens when they raise.
//! Not here: when they are called.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use framewire::{Session, StreamError};
use pyo3::call::PyCallArgs;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::attach::with_python;
use crate::metadata;
use crate::result::PyResultEvent;

/// The callables of one session. A session knows them weakly enough: dropping the Python object drops them.
#[derive(Default)]
pub(crate) struct Callbacks {
    pub(crate) on_result: Slot,
    pub(crate) on_errors: Slot,
    pub(crate) on_gap: Slot,
    pub(crate) on_stream_error: Slot,
}

/// Place for one callable. Its lock is taken only by threads attached to the interpreter and never while Python code runs.
#[derive(Default)]
pub(crate) struct Slot {
    /// Looked at before attaching: nothing happens for a callable that is not set.
    set: AtomicBool,
    connected: AtomicBool,
    callback: Mutex<Option<Py<PyAny>>>,
}

impl Slot {
    /// Sets or removes the callable. Returns whether the session has to be told, once, that there may be one.
    pub(crate) fn replace(&self, callback: Option<Py<PyAny>>) -> bool {
        let present = callback.is_some();
        let old = std::mem::replace(&mut *self.lock(), callback);
        self.set.store(present, Ordering::Release);
        // Dropping may run code of the program: not under the lock.
        drop(old);
        present && !self.connected.swap(true, Ordering::AcqRel)
    }

    pub(crate) fn visit(&self, visit: &pyo3::PyVisit<'_>) -> Result<(), pyo3::PyTraverseError> {
        // A lock that is taken right now belongs to a thread that is using the callable: it is alive.
        match self.callback.try_lock() {
            Ok(callback) => visit.call(&*callback),
            Err(_) => Ok(()),
        }
    }

    /// Calls the callable, if there is one, on this thread. Nothing happens while the interpreter is going away. What it
    /// raises is reported, to Python and to `session`, and ends nothing.
    fn call<A>(&self, session: &Weak<Session>, args: impl FnOnce(Python<'_>) -> PyResult<A>)
    where
        A: for<'py> PyCallArgs<'py>,
    {
        if !self.set.load(Ordering::Acquire) {
            return;
        }
        with_python(|py| {
            let callback = self.lock().as_ref().map(|callback| callback.clone_ref(py));
            let Some(callback) = callback else { return };
            if let Err(error) = args(py).and_then(|args| callback.call1(py, args)) {
                let text = error.to_string();
                error.write_unraisable(py, Some(callback.bind(py)));
                if let Some(session) = session.upgrade() {
                    session.note_handler_error(text);
                }
            }
        });
    }

    fn lock(&self) -> MutexGuard<'_, Option<Py<PyAny>>> {
        self.callback.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Callbacks {
    pub(crate) fn connect_result(self: &Arc<Self>, session: &Arc<Session>) {
        let (callbacks, handle) = (Arc::clone(self), Arc::downgrade(session));
        session.on_result(move |event| {
            callbacks
                .on_result
                .call(&handle, |py| Ok((Py::new(py, PyResultEvent::new(event))?,)));
        });
    }

    pub(crate) fn connect_errors(self: &Arc<Self>, session: &Arc<Session>) {
        let (callbacks, handle) = (Arc::clone(self), Arc::downgrade(session));
        session.on_error(move |errors, metadata| {
            callbacks.on_errors.call(&handle, |py| {
                let metadata = metadata::tuple(py, metadata)?.map(Bound::unbind);
                Ok((errors.to_vec(), metadata))
            });
        });
    }

    pub(crate) fn connect_gap(self: &Arc<Self>, session: &Arc<Session>) {
        let (callbacks, handle) = (Arc::clone(self), Arc::downgrade(session));
        session.on_gap(move |gap| {
            callbacks.on_gap.call(&handle, |py| {
                let facts = PyDict::new(py);
                facts.set_item("after", gap.after.map(|frame| frame.0))?;
                facts.set_item("resumed_at", gap.resumed_at.map(|frame| frame.0))?;
                facts.set_item("missed", gap.missed)?;
                facts.set_item("outage", gap.outage.as_secs_f64())?;
                facts.set_item("cause", gap.cause.to_string())?;
                facts.set_item("attempts", gap.attempts)?;
                Ok((facts.unbind(),))
            });
        });
    }

    pub(crate) fn connect_stream_error(self: &Arc<Self>, session: &Arc<Session>) {
        let callbacks = Arc::clone(self);
        session.on_stream_error(move |error| {
            // Its own failures are not reported to it again.
            callbacks
                .on_stream_error
                .call(&Weak::new(), |_| Ok((facts(error),)));
        });
    }

    pub(crate) fn clear(&self) {
        for slot in self.slots() {
            slot.replace(None);
        }
    }

    pub(crate) fn slots(&self) -> [&Slot; 4] {
        [
            &self.on_result,
            &self.on_errors,
            &self.on_gap,
            &self.on_stream_error,
        ]
    }
}

/// (kind, reason, frame id, message) of an error that did not end the session.
pub(crate) fn facts(error: &StreamError) -> Facts {
    (
        error.kind.as_str(),
        error.kind.reason(),
        error.frame_id.map(|frame| frame.0),
        error.message.clone(),
    )
}

/// See [`facts`].
pub(crate) type Facts = (&'static str, Option<&'static str>, Option<u64>, String);
