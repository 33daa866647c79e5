//! A score for each class of the whole picture.
//! Not here: thresholds; every class is returned with its confidence.

use serde::Deserialize;

use super::{MismatchError, check, options, output, sigmoid, tensor};
use crate::models::TaskType;
use crate::models::description::Description;
use crate::models::engine::{Signature, Tensor};

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Options {
    output: Option<String>,
    /// Default: `softmax`, and `sigmoid` for multi-label models.
    score_transform: Option<Transform>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Transform {
    Softmax,
    Sigmoid,
    None,
}

/// The decoder of one classification model.
#[derive(Debug)]
pub(crate) struct ClassificationHead {
    output: usize,
    classes: usize,
    transform: Transform,
}

impl ClassificationHead {
    pub(super) fn new(
        description: &Description,
        signature: &Signature,
    ) -> Result<Self, MismatchError> {
        let options: Options = options(description)?;
        let output = output(signature, options.output.as_deref())?;
        let classes = description.classes.len();
        check(&signature.outputs[output], &[Some(1), Some(classes)])?;
        let default = match description.task_type {
            TaskType::MultiLabelClassification => Transform::Sigmoid,
            _ => Transform::Softmax,
        };
        Ok(Self {
            output,
            classes,
            transform: options.score_transform.unwrap_or(default),
        })
    }

    /// Confidences in class order.
    pub(crate) fn decode(&self, outputs: &[Tensor<'_>]) -> Result<Vec<f32>, MismatchError> {
        let scores = tensor(outputs, self.output, &[Some(1), Some(self.classes)])?.data;
        Ok(match self.transform {
            Transform::None => scores.to_vec(),
            Transform::Sigmoid => scores.iter().map(|&score| sigmoid(score)).collect(),
            Transform::Softmax => {
                let top = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let powers: Vec<f32> = scores.iter().map(|score| (score - top).exp()).collect();
                let sum: f32 = powers.iter().sum();
                powers.into_iter().map(|power| power / sum).collect()
            }
        })
    }
}
