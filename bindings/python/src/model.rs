//! Model mode: the generated workflow and the lookup of a model's task type.
//! Not here: the rules of either, which are the client's.

use std::sync::mpsc::{TryRecvError, channel};
use std::task::Poll;
use std::thread;

use framewire::{Client, TaskType};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::errors::config_error;
use crate::event::Event;
use crate::home;

/// The names of the task types that can be streamed.
#[pyfunction]
pub(crate) fn task_types() -> Vec<&'static str> {
    TaskType::ALL.iter().map(|task| task.as_str()).collect()
}

/// The workflow that runs one model, as JSON.
#[pyfunction]
pub(crate) fn model_workflow(py: Python<'_>, model_id: &str, task_type: &str) -> PyResult<String> {
    let task = task_type
        .parse::<TaskType>()
        .map_err(|error| config_error(py, &error.into()))?;
    Ok(framewire::model_workflow(model_id, task).to_string())
}

/// The task type of a model, asked of the platform. Blocks without the GIL for at most 10 s; Ctrl-C ends the wait.
#[pyfunction]
#[pyo3(signature = (api_key, model_id))]
pub(crate) fn find_task_type(
    py: Python<'_>,
    api_key: Option<String>,
    model_id: &str,
) -> PyResult<&'static str> {
    home::enter()?;
    let mut client = Client::new("http://localhost");
    if let Some(key) = api_key {
        client = client.with_api_key(key);
    }
    // On a thread of its own, which an interrupt leaves behind: the wait itself could not be ended.
    let (event, model_id) = (Event::new()?, model_id.to_owned());
    let (answer, answers) = channel();
    let done = event.clone();
    thread::Builder::new()
        .name("fw-lookup".into())
        .spawn(move || {
            // Nobody takes it after an interrupt.
            let _ = answer.send(client.platform_task_type(&model_id));
            drop(answer);
            done.set();
        })?;
    let found = event.wait_for(py, None, move |_| match answers.try_recv() {
        Ok(found) => Poll::Ready(Some(found)),
        Err(TryRecvError::Empty) => Poll::Pending,
        Err(TryRecvError::Disconnected) => Poll::Ready(None),
    })?;
    match found.flatten() {
        Some(found) => found
            .map(TaskType::as_str)
            .map_err(|error| config_error(py, &error)),
        None => Err(PyRuntimeError::new_err(
            "the lookup of the task type failed inside; please report this",
        )),
    }
}
