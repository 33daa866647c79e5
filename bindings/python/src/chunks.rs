//! The framing of results for Python programs that handle channels themselves.
//! Not here: the framing, which is the Rust client's.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use framewire::datachannel::ChunkReassembler;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// Joins result chunks into message bodies, within fixed bounds.
#[pyclass(frozen, name = "ChunkReassembler", module = "framewire._core")]
#[derive(Default)]
pub(crate) struct PyChunkReassembler {
    inner: Mutex<ChunkReassembler>,
}

#[pymethods]
impl PyChunkReassembler {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    /// Takes one message; returns (body, frame id) once all chunks of a body are there, else (None, None). Raises
    /// ValueError for what is no valid chunk.
    fn add_chunk<'py>(
        &self,
        py: Python<'py>,
        message: &[u8],
    ) -> PyResult<(Option<Bound<'py, PyBytes>>, Option<u64>)> {
        let message = Bytes::copy_from_slice(message);
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let added = inner.add_chunk(message);
        drop(inner);
        match added {
            Ok(Some((body, frame))) => Ok((Some(PyBytes::new(py, &body)), Some(frame.0))),
            Ok(None) => Ok((None, None)),
            Err(error) => Err(PyValueError::new_err(error.to_string())),
        }
    }
}
