//! The definition made for a model alone: picture in, predictions and the picture out.
//! Not here: which model a session wants.

use serde_json::{Value as Json, json};

use super::{CompileError, Workflow};
use crate::models::{BUNDLED_MODEL_ID, ModelRegistry, TaskType};

/// The definition that runs one model: outputs `predictions` (in the picture's own coordinates) and `image`.
#[must_use]
pub fn model_workflow(model_id: &str, task: TaskType) -> Json {
    json!({
        "version": "1.0",
        "inputs": [{"type": "InferenceImage", "name": "image"}],
        "steps": [{
            "type": task.block(),
            "name": "model",
            "images": "$inputs.image",
            "model_id": model_id,
        }],
        "outputs": [
            {
                "type": "JsonField",
                "name": "predictions",
                "coordinates_system": "own",
                "selector": "$steps.model.predictions",
            },
            {"type": "JsonField", "name": "image", "selector": "$inputs.image"},
        ],
    })
}

impl Workflow {
    /// The workflow of the bundled detector; fails if the registry does not have it.
    pub fn bundled(registry: &ModelRegistry) -> Result<Self, CompileError> {
        Self::compile(
            &model_workflow(BUNDLED_MODEL_ID, TaskType::ObjectDetection),
            registry,
        )
    }
}
