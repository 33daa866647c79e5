//! A session as a Python object: made, started, consumed, closed.
//! Not here: handlers of users and their order, which the Python package keeps.

use std::pin::pin;
use std::sync::Arc;

use framewire::{
    ApiKeyTransport, Client, Delivery, Reconfigure, Session, SessionState, StreamConfig, Workflow,
};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use serde_json::{Map, Value};

use crate::callbacks::{self, Callbacks};
use crate::cursor::PyCursor;
use crate::errors::{config_error, session_error};
use crate::event::{Event, deadline};
use crate::home::{self, Home};
use crate::options::{PyOptions, duration};
use crate::source::PySource;
use crate::{logging, stats};

/// One stream to one worker. Making it does no I/O and starts no thread. Usable from any thread.
#[pyclass(frozen, name = "Session", module = "framewire._core")]
pub(crate) struct PySession {
    session: Home<Arc<Session>>,
    callbacks: Arc<Callbacks>,
}

#[pymethods]
impl PySession {
    #[new]
    #[pyo3(signature = (
        *,
        api_url,
        source,
        workflow_configuration,
        api_key = None,
        api_key_transport = "legacy",
        image_input = "image",
        stream_output = Vec::new(),
        data_output = Vec::new(),
        realtime_processing = true,
        declared_fps = None,
        turn_server = None,
        workflow_parameters = None,
        requested_plan = None,
        requested_region = None,
        processing_timeout = None,
        predictions_output = None,
        fresh_results = None,
        request_overrides = None,
        options = None,
    ))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn new(
        py: Python<'_>,
        api_url: String,
        source: &PySource,
        workflow_configuration: &str,
        api_key: Option<String>,
        api_key_transport: &str,
        image_input: &str,
        stream_output: Vec<String>,
        data_output: Vec<String>,
        realtime_processing: bool,
        declared_fps: Option<f64>,
        turn_server: Option<&str>,
        workflow_parameters: Option<&str>,
        requested_plan: Option<String>,
        requested_region: Option<String>,
        processing_timeout: Option<u64>,
        predictions_output: Option<String>,
        fresh_results: Option<f64>,
        request_overrides: Option<&str>,
        options: Option<&PyOptions>,
    ) -> PyResult<Self> {
        logging::keep_up(py)?;
        let mut client = Client::new(api_url).with_api_key_transport(match api_key_transport {
            "legacy" => ApiKeyTransport::Legacy,
            "both" => ApiKeyTransport::Both,
            "header" => ApiKeyTransport::Header,
            _ => {
                return Err(PyValueError::new_err(
                    "api_key_transport is legacy, both or header",
                ));
            }
        });
        if let Some(key) = api_key {
            client = client.with_api_key(key);
        }
        if let Some(options) = options {
            client = client.with_options(options.inner.clone());
        }
        let mut config = StreamConfig::new()
            .stream_output(stream_output)
            .data_output(data_output)
            .realtime_processing(realtime_processing)
            .image_input(image_input);
        config.declared_fps = declared_fps;
        config.turn_server = turn_server
            .map(|text| json("turn_server", text))
            .transpose()?;
        config.workflow_parameters = object("workflow_parameters", workflow_parameters)?;
        config.requested_plan = requested_plan;
        config.requested_region = requested_region;
        config.processing_timeout = processing_timeout;
        config.predictions_output = predictions_output;
        config.fresh_results = fresh_results
            .map(|seconds| duration("fresh_results", seconds))
            .transpose()?;
        config.request_overrides = object("request_overrides", request_overrides)?;
        let workflow = Workflow::configuration(object(
            "workflow_configuration",
            Some(workflow_configuration),
        )?);
        let session = client
            .stream(source.take()?, workflow, config)
            .map_err(|error| config_error(py, &error))?;
        Ok(PySession {
            session: Home::new(Arc::new(session)),
            callbacks: Arc::default(),
        })
    }

    /// "not_started", "started" or "closed".
    #[getter]
    fn state(&self) -> PyResult<&'static str> {
        Ok(self.session.get()?.state().as_str())
    }

    /// Connects, if nothing did before, and blocks without the GIL until the worker can take frames. False when that took
    /// longer than `timeout` seconds; the start goes on then. Ctrl-C ends the wait.
    #[pyo3(signature = (timeout=None))]
    fn start(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        let deadline = deadline(timeout)?;
        let session = self.session.get()?;
        home::enter()?;
        logging::keep_up(py)?;
        let mut ready = pin!(session.ready());
        match Event::new()?.wait_for(py, deadline, |context| ready.as_mut().poll(context))? {
            None => Ok(false),
            Some(Ok(())) => Ok(true),
            Some(Err(error)) => Err(session_error(py, &error)),
        }
    }

    /// A consumer of frames; several share them. Without `pictures` frames are not converted and come as None.
    #[pyo3(signature = (pictures=true))]
    fn cursor(&self, pictures: bool) -> PyResult<PyCursor> {
        let session = self.session.get()?;
        home::enter()?;
        let stream = session.frame_stream();
        PyCursor::new(
            if pictures {
                stream
            } else {
                stream.without_pictures()
            },
            pictures,
        )
    }

    /// Closes the session, also while it starts; blocks without the GIL until everything is released, at most for the
    /// shutdown timeout, and returns at once when called from a callback. Does nothing in a forked child.
    fn close(&self, py: Python<'_>) {
        if let Some(session) = self.session.get_here() {
            py.detach(|| session.close());
            self.callbacks.clear();
        }
    }

    /// Sets or removes callbacks: `on_result(Result)`, `on_errors(list, metadata)`, `on_gap(dict)` and
    /// `on_stream_error((kind, reason, frame_id, message))`. They run on threads of the session; those that are not named
    /// stay as they are.
    #[pyo3(signature = (**callbacks))]
    fn set_callbacks(&self, callbacks: Option<&Bound<'_, PyDict>>) -> PyResult<()> {
        let session = self.session.get()?;
        let known = &self.callbacks;
        for (name, callback) in callbacks.into_iter().flatten() {
            if !callback.is_none() && !callback.is_callable() {
                return Err(PyTypeError::new_err(format!(
                    "{name} is a callable or None"
                )));
            }
            let callback = (!callback.is_none()).then(|| callback.unbind());
            let name = name.cast::<PyString>()?;
            match name.to_string_lossy().as_ref() {
                "on_result" => {
                    if known.on_result.replace(callback) {
                        known.connect_result(session);
                    }
                }
                "on_errors" => {
                    if known.on_errors.replace(callback) {
                        known.connect_errors(session);
                    }
                }
                "on_stream_error" => {
                    if known.on_stream_error.replace(callback) {
                        known.connect_stream_error(session);
                    }
                }
                "on_gap" => {
                    if known.on_gap.replace(callback) {
                        known.connect_gap(session);
                    }
                }
                other => {
                    return Err(PyTypeError::new_err(format!(
                        "there is no callback {other:?}"
                    )));
                }
            }
        }
        Ok(())
    }

    /// The figures of the session as a JSON object. Cheap, at any time.
    fn stats(&self) -> PyResult<String> {
        Ok(stats::json(&self.session.get()?.stats()).to_string())
    }

    /// Asks the worker for other outputs while the session runs; None leaves a list as it is. Does not block.
    #[pyo3(signature = (stream_output=None, data_output=None))]
    fn reconfigure(
        &self,
        py: Python<'_>,
        stream_output: Option<Vec<String>>,
        data_output: Option<Vec<String>>,
    ) -> PyResult<()> {
        let mut change = Reconfigure::new();
        if let Some(names) = stream_output {
            change = change.stream_output(names);
        }
        if let Some(names) = data_output {
            change = change.data_output(names);
        }
        let changed = self.session.get()?.reconfigure(change);
        changed.map_err(|error| session_error(py, &error))
    }

    /// Asks for nothing more until `resume`. Does not block.
    fn pause(&self) -> PyResult<()> {
        self.session.get()?.pause();
        Ok(())
    }

    /// Goes on after `pause`. Does not block.
    fn resume(&self) -> PyResult<()> {
        self.session.get()?.resume();
        Ok(())
    }

    /// Whether the session is paused.
    #[getter]
    fn paused(&self) -> PyResult<bool> {
        Ok(self.session.get()?.is_paused())
    }

    /// The latest errors that did not end the session, oldest first: (kind, reason, frame id, message).
    fn errors(&self) -> PyResult<Vec<callbacks::Facts>> {
        let errors = self.session.get()?.errors();
        Ok(errors.iter().map(callbacks::facts).collect())
    }

    /// ("lossless", None), or ("latest", seconds a frame may wait beside a newer one; None without a video track).
    #[getter]
    fn delivery(&self) -> PyResult<(&'static str, Option<f64>)> {
        let delivery = self.session.get()?.delivery();
        let max_age = match delivery {
            Delivery::Latest { max_age } => max_age,
            _ => None,
        };
        Ok((delivery.as_str(), max_age.map(|age| age.as_secs_f64())))
    }

    /// Reports that a handler raised: counted beside handlers that panicked, and among the errors.
    fn note_handler_error(&self, text: String) -> PyResult<()> {
        self.session.get()?.note_handler_error(text);
        Ok(())
    }

    fn __traverse__(&self, visit: pyo3::PyVisit<'_>) -> Result<(), pyo3::PyTraverseError> {
        for slot in self.callbacks.slots() {
            slot.visit(&visit)?;
        }
        Ok(())
    }

    fn __clear__(&self) {
        self.callbacks.clear();
    }
}

impl Drop for PySession {
    fn drop(&mut self) {
        let Some(session) = self.session.take_here() else {
            return;
        };
        if session.state() == SessionState::NotStarted {
            return;
        }
        // Closing waits for threads that may be waiting for the interpreter: not while this thread holds it.
        let mut session = Some(session);
        Python::try_attach(|py| py.detach(|| drop(session.take())));
    }
}

fn json(name: &str, text: &str) -> PyResult<Value> {
    // The text may hold credentials: it is not repeated.
    serde_json::from_str(text).map_err(|_| PyValueError::new_err(format!("{name} is not JSON")))
}

fn object(name: &str, text: Option<&str>) -> PyResult<Map<String, Value>> {
    match text.map(|text| json(name, text)).transpose()? {
        None => Ok(Map::new()),
        Some(Value::Object(map)) => Ok(map),
        Some(_) => Err(PyValueError::new_err(format!(
            "{name} is not a JSON object"
        ))),
    }
}
