//! The block types: names on the wire, properties, outputs, and what runs them.
//! Not here: the pixel work of drawing and the models.

mod bounding_box;
mod crop;
mod label;
mod model;
mod visual;

use std::sync::Arc;

use framewire_media::FramePool;

use super::error::CompileErrorKind;
use super::property::{Property, Scalars};
use super::value::{Detections, Value, WorkflowImage};
use crate::models::ModelRegistry;

/// What an output of a block or an input of the workflow holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Produces {
    Image,
    Detections,
    Classification,
    Text,
    /// Known only at run time.
    Anything,
}

impl Produces {
    pub(crate) fn describe(self) -> &'static str {
        match self {
            Self::Image => "a picture",
            Self::Detections => "detections",
            Self::Classification => "a classification",
            Self::Text => "text",
            Self::Anything => "any value",
        }
    }
}

/// One block type.
pub(crate) struct BlockType {
    /// The full name, `<namespace>/<block>@<version>`.
    pub(crate) name: &'static str,
    pub(crate) alias: Option<&'static str>,
    pub(crate) properties: &'static [Property],
    pub(crate) outputs: &'static [(&'static str, Produces)],
    /// Looks at the properties that are literals before the first frame.
    pub(crate) check: fn(&Scalars<'_>, &ModelRegistry) -> Result<(), Problem>,
    /// Makes the runner of a step, from the values of all its plain properties.
    pub(crate) prepare: fn(&Scalars<'_>, &ModelRegistry) -> Preparation,
}

/// A step ready to run, or why it cannot.
pub(crate) type Preparation = Result<Box<dyn Prepared>, String>;

impl std::fmt::Debug for BlockType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// Why a step cannot run on this worker.
pub(crate) struct Problem {
    pub(crate) kind: CompileErrorKind,
    pub(crate) details: String,
}

/// The data a step works on.
pub(crate) struct StepInputs<'s> {
    pub(crate) image: &'s WorkflowImage,
    pub(crate) detections: Option<&'s Arc<Detections>>,
    pub(crate) pool: &'s FramePool,
}

/// A step ready to run; made once for each runner unless its properties change from frame to frame.
pub(crate) trait Prepared: Send {
    /// Its outputs, in the block's order.
    fn run(&mut self, inputs: &StepInputs<'_>) -> Result<Vec<Value>, String>;
}

/// The block of a `type`, by full name or alias.
pub(crate) fn find(type_name: &str) -> Option<&'static BlockType> {
    let mut all = crop::BLOCKS
        .iter()
        .chain(model::BLOCKS)
        .chain([&bounding_box::BLOCK, &label::BLOCK]);
    all.find(|block| block.name == type_name || block.alias == Some(type_name))
}

fn always_fine(_: &Scalars<'_>, _: &ModelRegistry) -> Result<(), Problem> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_a_valid_value_of_its_property() {
        for block in crop::BLOCKS
            .iter()
            .chain(model::BLOCKS)
            .chain([&bounding_box::BLOCK, &label::BLOCK])
        {
            for property in block.properties {
                if let Some(default) = property.default {
                    let value = serde_json::from_str(default).unwrap();
                    assert_eq!(
                        property.kind.check(&value),
                        Ok(()),
                        "{} {}",
                        block.name,
                        property.name
                    );
                }
            }
        }
    }

    #[test]
    fn names_and_aliases_of_the_wire_are_found() {
        for name in [
            "roboflow_core/absolute_static_crop@v1",
            "AbsoluteStaticCrop",
            "roboflow_core/relative_statoic_crop@v1",
            "RelativeStaticCrop",
            "roboflow_core/roboflow_object_detection_model@v2",
            "roboflow_core/roboflow_instance_segmentation_model@v2",
            "roboflow_core/roboflow_keypoint_detection_model@v2",
            "roboflow_core/roboflow_classification_model@v2",
            "roboflow_core/roboflow_multi_label_classification_model@v2",
            "roboflow_core/roboflow_semantic_segmentation_model@v2",
            "roboflow_core/bounding_box_visualization@v1",
            "BoundingBoxVisualization",
            "roboflow_core/label_visualization@v1",
            "LabelVisualization",
        ] {
            assert!(find(name).is_some(), "{name}");
        }
        assert!(find("roboflow_core/relative_static_crop@v1").is_none());
    }
}
