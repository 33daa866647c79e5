//! A result message for callbacks; nothing of it is parsed or copied before it is asked for.
//! Not here: reading messages.

use framewire::{Outputs, ResultEvent, VideoMetadata};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};

use crate::metadata;

/// What a worker said about one frame.
#[pyclass(frozen, name = "Result", module = "framewire._core")]
pub(crate) struct PyResultEvent {
    all: Option<Outputs>,
    visible: Option<Outputs>,
    metadata: Option<VideoMetadata>,
}

impl PyResultEvent {
    pub(crate) fn new(event: &ResultEvent<'_>) -> Self {
        PyResultEvent {
            all: event.outputs.cloned(),
            visible: event.visible(),
            metadata: event.metadata.cloned(),
        }
    }
}

#[pymethods]
impl PyResultEvent {
    /// The outputs without those that travel as frames, as a JSON object; None when the message has none.
    fn visible<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        let outputs = self.visible.as_ref()?;
        let text = py.detach(|| {
            let mut text = String::from("{");
            for (position, (name, value)) in outputs.iter().enumerate() {
                if position > 0 {
                    text.push(',');
                }
                text.push_str(&serde_json::Value::from(name).to_string());
                text.push(':');
                text.push_str(value.as_str());
            }
            text.push('}');
            text
        });
        Some(PyBytes::new(py, text.as_bytes()))
    }

    /// Names of all outputs, in the order of the message.
    fn names(&self) -> Vec<&str> {
        self.all
            .iter()
            .flat_map(|outputs| outputs.iter().map(|(name, _)| name))
            .collect()
    }

    /// The value of one output as JSON; None when there is no such output.
    fn value<'py>(&self, py: Python<'py>, name: &str) -> Option<Bound<'py, PyBytes>> {
        let value = self.all.as_ref()?.get(name)?;
        Some(PyBytes::new(py, value.as_str().as_bytes()))
    }

    /// What is known about the frame; None when the message did not say.
    #[getter]
    fn metadata<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        metadata::tuple(py, self.metadata.as_ref())
    }
}
