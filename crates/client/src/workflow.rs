//! What the worker runs: a workflow given inline or by id, or a single model wrapped into one.
//! Not here: executing or validating workflows, which is the worker's.

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
            Workflow::ById { .. } | Workflow::Model { .. } => Ok(()),
        }
    }
}

/// What a model predicts. The names are those of the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TaskType {
    /// `object-detection`
    ObjectDetection,
    /// `instance-segmentation`
    InstanceSegmentation,
    /// `classification`
    Classification,
    /// `multi-label-classification`
    MultiLabelClassification,
    /// `keypoint-detection`
    KeypointDetection,
    /// `semantic-segmentation`
    SemanticSegmentation,
}

impl TaskType {
    /// Every supported task type.
    pub const ALL: [TaskType; 6] = [
        TaskType::ObjectDetection,
        TaskType::InstanceSegmentation,
        TaskType::Classification,
        TaskType::MultiLabelClassification,
        TaskType::KeypointDetection,
        TaskType::SemanticSegmentation,
    ];

    /// The platform's name.
    pub fn as_str(self) -> &'static str {
        match self {
            TaskType::ObjectDetection => "object-detection",
            TaskType::InstanceSegmentation => "instance-segmentation",
            TaskType::Classification => "classification",
            TaskType::MultiLabelClassification => "multi-label-classification",
            TaskType::KeypointDetection => "keypoint-detection",
            TaskType::SemanticSegmentation => "semantic-segmentation",
        }
    }

    /// Workflow block that runs models of this type.
    pub(crate) fn block(self) -> &'static str {
        match self {
            TaskType::ObjectDetection => "roboflow_core/roboflow_object_detection_model@v2",
            TaskType::InstanceSegmentation => {
                "roboflow_core/roboflow_instance_segmentation_model@v2"
            }
            TaskType::Classification => "roboflow_core/roboflow_classification_model@v2",
            TaskType::MultiLabelClassification => {
                "roboflow_core/roboflow_multi_label_classification_model@v2"
            }
            TaskType::KeypointDetection => "roboflow_core/roboflow_keypoint_detection_model@v2",
            TaskType::SemanticSegmentation => {
                "roboflow_core/roboflow_semantic_segmentation_model@v2"
            }
        }
    }
}

impl std::fmt::Display for TaskType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for TaskType {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        TaskType::ALL
            .into_iter()
            .find(|task| task.as_str() == text)
            .ok_or_else(|| ConfigError::TaskType {
                found: crate::redact::shorten(text),
            })
    }
}

/// The workflow that runs one model on the input `image`.
pub(crate) fn model_workflow(id: &str, task: TaskType) -> Value {
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
    fn every_task_type_reads_back_and_has_its_own_block() {
        let mut blocks = std::collections::BTreeSet::new();
        for task in TaskType::ALL {
            assert_eq!(task.as_str().parse::<TaskType>().unwrap(), task);
            assert!(blocks.insert(task.block()));
        }
    }

    #[test]
    fn an_unsupported_task_type_names_the_supported_ones() {
        let error = "vlm".parse::<TaskType>().unwrap_err().to_string();
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
