//! A worker in this process that runs a Python function on every frame: started, stopped.
//! Not here: the function's calls (`process`), and signals, which the Python package looks after.

mod process;
mod values;

use std::error::Error;
use std::net::ToSocketAddrs;
use std::sync::{Mutex, PoisonError};
use std::task::Poll;
use std::thread;

use framewire_worker::{StartError, Worker, WorkerConfig, WorkerEnv};
use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;

use self::process::PyProcessor;
use crate::event::Event;
use crate::home::{self, Home};
use crate::{logging, options};

/// A running worker. Starts when it is made; dropping it ends its sessions at once.
#[pyclass(frozen, name = "Worker", module = "framewire._core")]
pub(crate) struct PyWorker {
    /// None once it is stopped.
    worker: Home<Mutex<Option<Worker>>>,
    host: String,
    port: u16,
    media_port: u16,
}

#[pymethods]
impl PyWorker {
    /// `make()` is called once for each session and returns the session's `call(frame, fields)`: both on the session's own
    /// thread. Blocks without the GIL until the first request would be answered.
    ///
    /// Raises OSError when an address or port cannot be used, ValueError for options that make no sense.
    #[new]
    #[pyo3(signature = (
        make,
        *,
        host,
        port,
        media_port = 0,
        public_ips = Vec::new(),
        max_sessions = None,
        api_keys = Vec::new(),
        insecure = false,
    ))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn new(
        py: Python<'_>,
        make: Py<PyAny>,
        host: &str,
        port: u16,
        media_port: u16,
        public_ips: Vec<String>,
        max_sessions: Option<usize>,
        api_keys: Vec<String>,
        insecure: bool,
    ) -> PyResult<Self> {
        home::enter()?;
        logging::keep_up(py)?;
        let bad = |error: &dyn Error| PyValueError::new_err(chain(error));
        let mut config = WorkerConfig::default();
        config.env = WorkerEnv::from_process().map_err(|error| bad(&error))?;
        config.listen = py
            .detach(|| (host, port).to_socket_addrs())?
            .next()
            .ok_or_else(|| PyOSError::new_err(format!("{host} has no address")))?;
        config.media_port = media_port;
        for text in public_ips {
            let address = text
                .parse()
                .map_err(|_| PyValueError::new_err(format!("{text:?} is no IP address")))?;
            config.public_ips.push(address);
        }
        config.api_keys = api_keys;
        config.insecure = insecure;
        if let Some(sessions) = max_sessions {
            config.max_sessions = sessions;
        }
        let make = std::sync::Arc::new(make);
        let config = config.with_processor(move || Box::new(PyProcessor::new(make.clone())));
        let worker = py
            .detach(|| Worker::start(config))
            .map_err(|error| start_error(&error))?;
        let (port, media_port) = (worker.local_addr().port(), worker.media_port());
        Ok(PyWorker {
            host: host.to_owned(),
            port,
            media_port,
            worker: Home::new(Mutex::new(Some(worker))),
        })
    }

    /// Where clients find it.
    #[getter]
    fn url(&self) -> String {
        if self.host.contains(':') {
            format!("http://[{}]:{}", self.host, self.port)
        } else {
            format!("http://{}:{}", self.host, self.port)
        }
    }

    /// The HTTP port.
    #[getter]
    fn port(&self) -> u16 {
        self.port
    }

    /// The UDP port of all sessions.
    #[getter]
    fn media_port(&self) -> u16 {
        self.media_port
    }

    /// Takes no new session, lets running ones go on for `timeout` seconds, then ends them; True when all of them finished by
    /// themselves. Blocks without the GIL, for at most 15 s more when a call of the function does not return. From inside
    /// such a call it returns at once, and the rest happens beside it. Further calls do nothing.
    #[pyo3(signature = (timeout = 0.0))]
    fn stop(&self, py: Python<'_>, timeout: f64) -> PyResult<bool> {
        let timeout = options::duration("timeout", timeout)?;
        let Some(worker) = self.worker.get_here() else {
            return Ok(true);
        };
        let worker = worker.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(worker) = worker else {
            return Ok(true);
        };
        if process::inside_call() {
            // It would wait for the call it is in.
            thread::Builder::new()
                .name("fw-stop".into())
                .spawn(move || worker.shutdown(timeout))?;
            return Ok(false);
        }
        Ok(py.detach(|| worker.shutdown(timeout)))
    }
}

/// Blocks without the GIL until no session has a function any more, as Python waits for its own threads at exit. Workers are
/// stopped before; a call that does not return keeps it waiting. Ctrl-C ends the wait.
#[pyfunction]
pub(crate) fn wait_for_processors(py: Python<'_>) -> PyResult<()> {
    if home::is_orphan() {
        return Ok(());
    }
    let waited = Event::new()?.wait_for(py, None, |context| {
        if process::none_alive(context.waker()) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    });
    waited.map(drop)
}

fn start_error(error: &StartError) -> PyErr {
    let text = chain(error);
    match error {
        StartError::Listen { source, .. } | StartError::Uploads { source, .. } => {
            match source.raw_os_error() {
                // With an error number Python makes the fitting kind of OSError.
                Some(number) => PyOSError::new_err((number, text)),
                None => PyOSError::new_err(text),
            }
        }
        StartError::Media { .. } | StartError::Threads(_) => PyOSError::new_err(text),
        StartError::Insecure(_) => PyValueError::new_err(
            "refusing to listen on a public address without API keys: give api_keys, listen on 127.0.0.1, or accept everyone \
             with insecure=True",
        ),
        StartError::Config(_) => PyValueError::new_err(text),
        _ => PyRuntimeError::new_err(text),
    }
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut inner = error.source();
    while let Some(error) = inner {
        text.push_str(": ");
        text.push_str(&error.to_string());
        inner = error.source();
    }
    text
}
