//! What the worker runs: a workflow given inline or by id, or a single model wrapped into one.
//! Not here: executing or validating workflows, which is the worker's.

use framewire_protocol::TaskType;
use serde_json::{Map, Value, json};

use crate::error::ConfigError;

/// Name of the only picture output of a generated model workflow.
pub(crate) const MODEL_IMAGE_OUTPUT: &str = "image";
/// Name of the only data output of a generated model workflow.
pub(crate) const MODEL_PREDICTIONS_OUTPUT: &str = "predictions";

/// What to run on each frame.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Workflow {
    /// A definition sent with the request (a JSON object).
    Inline(Value),
    /// A stored workflow.
    ById {
        /// Workspace that owns it.
        workspace: String,
        /// Its id.
        id: String,
    },
    /// The fields of `workflow_configuration` that say what to run, as they go into the request: `workflow_specification`,
    /// or `workflow_id` and `workspace_name`. Nothing is checked here.
    Configuration(Map<String, Value>),
    /// One model. Frames then carry the prediction that belongs to them.
    Model {
        /// Model id.
        id: String,
        /// Task type; unset costs one HTTP lookup in [`Client::stream`](crate::Client::stream).
        task_type: Option<TaskType>,
    },
}

impl Workflow {
    /// An inline definition.
    pub fn inline(definition: Value) -> Self {
        Workflow::Inline(definition)
    }

    /// A stored workflow.
    pub fn by_id(workspace: impl Into<String>, id: impl Into<String>) -> Self {
        Workflow::ById {
            workspace: workspace.into(),
            id: id.into(),
        }
    }

    /// Raw fields of `workflow_configuration`.
    pub fn configuration(fields: Map<String, Value>) -> Self {
        Workflow::Configuration(fields)
    }

    /// One model; without a task type the platform is asked for it.
    pub fn model(id: impl Into<String>, task_type: Option<TaskType>) -> Self {
        Workflow::Model {
            id: id.into(),
            task_type,
        }
    }

    /// Checks what can be checked here: nothing is sent.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let blank = |text: &String| text.trim().is_empty();
        match self {
            Workflow::Inline(Value::Object(_)) => Ok(()),
            Workflow::Inline(_) => Err(ConfigError::WorkflowNotAnObject),
            Workflow::ById { workspace, .. } if blank(workspace) => {
                Err(ConfigError::WorkspaceMissing)
            }
            Workflow::ById { id, .. } | Workflow::Model { id, .. } if blank(id) => {
                Err(ConfigError::IdMissing)
            }
            Workflow::ById { .. } | Workflow::Model { .. } | Workflow::Configuration(_) => Ok(()),
        }
    }
}

/// The definition that [`Workflow::model`] sends: one model on the input `image`, with the outputs `predictions` and `image`.
pub fn model_workflow(id: &str, task: TaskType) -> Value {
    json!({
        "version": "1.0",
        "inputs": [{"type": "InferenceImage", "name": "image"}],
        "steps": [{
            "type": task.block(),
            "name": "model",
            "images": "$inputs.image",
            "model_id": id,
        }],
        "outputs": [
            {
                "type": "JsonField",
                "name": MODEL_PREDICTIONS_OUTPUT,
                "coordinates_system": "own",
                "selector": "$steps.model.predictions",
            },
            {"type": "JsonField", "name": MODEL_IMAGE_OUTPUT, "selector": "$inputs.image"},
        ],
    })
}

/// The part of `workflow_configuration` that says what to run.
pub(crate) fn selection(workflow: &Workflow, task: Option<TaskType>) -> Map<String, Value> {
    let mut fields = Map::new();
    match workflow {
        Workflow::Inline(definition) => {
            fields.insert("workflow_specification".into(), definition.clone());
        }
        Workflow::ById { workspace, id } => {
            fields.insert("workflow_id".into(), id.clone().into());
            fields.insert("workspace_name".into(), workspace.clone().into());
        }
        Workflow::Configuration(raw) => fields.extend(raw.clone()),
        Workflow::Model { id, .. } => {
            let task = task.unwrap_or(TaskType::ObjectDetection);
            fields.insert("workflow_specification".into(), model_workflow(id, task));
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unsupported_task_type_names_the_supported_ones() {
        let error = ConfigError::from("vlm".parse::<TaskType>().unwrap_err()).to_string();
        assert!(
            error.contains("vlm") && error.contains("keypoint-detection"),
            "{error}"
        );
    }

    #[test]
    fn the_model_workflow_exposes_predictions_and_the_picture() {
        let flow = model_workflow("demo/1", TaskType::Classification);
        assert_eq!(flow["steps"][0]["model_id"], "demo/1");
        assert_eq!(flow["steps"][0]["type"], TaskType::Classification.block());
        assert_eq!(flow["outputs"][0]["name"], "predictions");
        assert_eq!(flow["outputs"][1]["selector"], "$inputs.image");
    }

    #[test]
    fn blank_ids_and_non_objects_are_refused_before_anything_is_sent() {
        assert!(matches!(
            Workflow::inline(json!([])).check(),
            Err(ConfigError::WorkflowNotAnObject)
        ));
        assert!(matches!(
            Workflow::by_id(" ", "x").check(),
            Err(ConfigError::WorkspaceMissing)
        ));
        assert!(matches!(
            Workflow::by_id("w", "").check(),
            Err(ConfigError::IdMissing)
        ));
        assert!(matches!(
            Workflow::model("", None).check(),
            Err(ConfigError::IdMissing)
        ));
        assert!(Workflow::inline(json!({})).check().is_ok());
    }
}
