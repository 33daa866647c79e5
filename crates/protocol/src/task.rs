//! What a model predicts, by the platform's names, and the workflow block that runs it.
//! It knows no model.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer};
use thiserror::Error;

/// What a model predicts. The names are those of the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum TaskType {
    /// Boxes.
    ObjectDetection,
    /// Boxes with masks.
    InstanceSegmentation,
    /// One class for the picture.
    Classification,
    /// Several classes for the picture.
    MultiLabelClassification,
    /// Boxes with keypoints.
    KeypointDetection,
    /// A class for each pixel.
    SemanticSegmentation,
}

/// A name no workflow block exists for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{name:?} is not a supported task type; supported are {}",
    TaskType::names()
)]
pub struct UnknownTaskType {
    /// The name.
    pub name: String,
}

impl TaskType {
    /// Every task type.
    pub const ALL: [TaskType; 6] = [
        TaskType::ObjectDetection,
        TaskType::InstanceSegmentation,
        TaskType::Classification,
        TaskType::MultiLabelClassification,
        TaskType::KeypointDetection,
        TaskType::SemanticSegmentation,
    ];

    /// The name on the wire, for example `object-detection`.
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

    /// The task type of a name on the wire.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|task| task.as_str() == name)
    }

    /// The workflow block that runs models of this type.
    pub fn block(self) -> &'static str {
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

    /// All names, for messages.
    pub fn names() -> String {
        Self::ALL.map(TaskType::as_str).join(", ")
    }
}

impl fmt::Display for TaskType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for TaskType {
    type Err = UnknownTaskType;

    fn from_str(name: &str) -> Result<Self, UnknownTaskType> {
        Self::from_name(name).ok_or_else(|| UnknownTaskType {
            name: name.to_owned(),
        })
    }
}

impl<'de> Deserialize<'de> for TaskType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        name.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_name_their_block() {
        for task in TaskType::ALL {
            let name = task.to_string();
            assert_eq!(name.parse(), Ok(task));
            assert_eq!(
                serde_json::from_str::<TaskType>(&format!("{name:?}")).unwrap(),
                task
            );
            let block = format!("roboflow_core/roboflow_{}_model@v2", name.replace('-', "_"));
            assert_eq!(task.block(), block);
        }
    }

    #[test]
    fn an_unknown_name_is_refused_with_those_that_exist() {
        let error = "vlm".parse::<TaskType>().unwrap_err().to_string();
        assert!(error.contains("\"vlm\"") && error.contains("keypoint-detection"));
        assert!(serde_json::from_str::<TaskType>("\"vlm\"").is_err());
        assert!(serde_json::from_str::<TaskType>("3").is_err());
    }
}
