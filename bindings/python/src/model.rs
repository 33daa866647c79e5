//! Model mode: the generated workflow and the lookup of a model's task type.
//! Not here: the rules of either, which are the client's.

use framewire::{Client, TaskType};
use pyo3::prelude::*;

use crate::errors::config_error;
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

/// The task type of a model, asked of the platform. Blocks without the GIL for at most 10 s.
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
    py.detach(|| client.platform_task_type(model_id))
        .map(TaskType::as_str)
        .map_err(|error| config_error(py, &error))
}
