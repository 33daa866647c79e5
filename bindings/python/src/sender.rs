//! The sending end of a source whose frames come from Python.
//! Not here: what becomes of them.

use std::time::Duration;

use framewire::{FrameSender, SendFrameError};
use framewire_media::FramePool;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;

use crate::array;
use crate::home::Home;

/// How long Ctrl-C may stay unnoticed while there is no room.
const SIGNAL_SLICE: Duration = Duration::from_millis(500);

/// Sends frames into the session its source became part of. Usable from any thread.
#[pyclass(frozen, name = "Sender", module = "framewire._core")]
pub(crate) struct PySender {
    inner: Home<(FrameSender, FramePool)>,
}

impl PySender {
    pub(crate) fn new(sender: FrameSender) -> Self {
        PySender {
            inner: Home::new((sender, FramePool::default())),
        }
    }
}

#[pymethods]
impl PySender {
    /// Sends a copy of a picture: `uint8`, shape (height, width, 3), BGR, any strides. Works without the GIL; blocks only
    /// in a batch session while the worker has no room; Ctrl-C ends that.
    ///
    /// Raises TypeError or ValueError for another array, RuntimeError before the start and after the end.
    fn send(&self, py: Python<'_>, frame: &Bound<'_, PyAny>) -> PyResult<()> {
        let (sender, pool) = self.inner.get()?;
        let picture = array::to_frame(frame, pool)?;
        loop {
            // The next attempt needs the picture again; sharing it costs nothing.
            let attempt = picture.clone();
            match py.detach(|| sender.send_within(attempt, SIGNAL_SLICE)) {
                Ok(()) => return Ok(()),
                Err(SendFrameError::NoRoom) => py.check_signals()?,
                Err(error @ (SendFrameError::WrongShape { .. } | SendFrameError::Frame(_))) => {
                    return Err(PyValueError::new_err(error.to_string()));
                }
                Err(error) => return Err(PyRuntimeError::new_err(error.to_string())),
            }
        }
    }

    /// Ends the input: the session ends once the last frame has come back. Does not block; calling it again does no harm.
    fn close(&self) {
        if let Some((sender, _)) = self.inner.get_here() {
            sender.end();
        }
    }
}
