//! Model families: what the output tensors of a model mean. Each checks its tensors once, at load.
//! Not here: running the model, NMS, coordinates of the original picture.

mod classification;
mod ssd;
mod yolov8;
mod yolox;

pub(crate) use classification::ClassificationHead;
pub(crate) use ssd::SsdHead;
pub(crate) use yolov8::Yolov8Head;
pub(crate) use yolox::YoloxHead;

use serde::de::DeserializeOwned;

use super::description::{Description, Family};
use super::engine::{Signature, Tensor, TensorInfo};

/// A box in input pixels that passed the confidence threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Candidate {
    pub(crate) class_id: u32,
    pub(crate) confidence: f32,
    /// Left, top, right, bottom.
    pub(crate) corners: [f32; 4],
}

/// Which candidates are worth keeping.
#[derive(Clone, Copy)]
pub(crate) struct Keep<'a> {
    /// Confidence must be above this.
    pub(crate) confidence: f32,
    /// `allowed[class]`; `None` allows all.
    pub(crate) allowed: Option<&'a [bool]>,
}

impl Keep<'_> {
    /// Adds the candidate if it is confident enough, of an allowed class and has finite corners.
    pub(crate) fn push(
        &self,
        class: usize,
        confidence: f32,
        corners: [f32; 4],
        out: &mut Vec<Candidate>,
    ) {
        let allowed = self
            .allowed
            .is_none_or(|allowed| allowed.get(class).copied().unwrap_or(false));
        if confidence > self.confidence && allowed && corners.iter().all(|v| v.is_finite()) {
            out.push(Candidate {
                class_id: class as u32,
                confidence,
                corners,
            });
        }
    }
}

/// The decoder of one model's outputs.
#[derive(Debug)]
pub(crate) enum Head {
    Ssd(SsdHead),
    Yolox(YoloxHead),
    Yolov8(Yolov8Head),
    Classification(ClassificationHead),
}

impl Head {
    /// Checks the model's inputs and outputs against its description.
    pub(crate) fn new(
        description: &Description,
        signature: &Signature,
    ) -> Result<Self, MismatchError> {
        let input = signature
            .inputs
            .first()
            .ok_or(MismatchError::NoTensor { kind: "input" })?;
        if signature.inputs.len() != 1 {
            return Err(MismatchError::Inputs {
                found: signature.inputs.len(),
            });
        }
        check(input, &description.input.shape().map(Some))?;
        Ok(match description.family {
            Family::SsdMobilenet => Self::Ssd(SsdHead::new(description, signature)?),
            Family::Yolox => Self::Yolox(YoloxHead::new(description, signature)?),
            Family::Yolov8 => Self::Yolov8(Yolov8Head::new(description, signature)?),
            Family::Classification => {
                Self::Classification(ClassificationHead::new(description, signature)?)
            }
        })
    }

    /// Whether boxes are cut at the picture's edges; SSD keeps what the model says.
    pub(crate) fn clips_boxes(&self) -> bool {
        !matches!(self, Self::Ssd(_))
    }
}

/// A model file that is not what its description says.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MismatchError {
    /// A tensor has another shape.
    #[error("tensor `{tensor}` should have the shape {expected} but has {found}")]
    Shape {
        /// The tensor's name.
        tensor: String,
        /// What the description leads to; `?` is any size.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A tensor does not hold 32-bit floats.
    #[error("tensor `{tensor}` does not hold 32-bit floats; export the model in float32")]
    Type {
        /// The tensor's name.
        tensor: String,
    },
    /// The description names a tensor that the file does not have.
    #[error("there is no output tensor `{tensor}`; the outputs are {outputs}")]
    Missing {
        /// The name asked for.
        tensor: String,
        /// What is there.
        outputs: String,
    },
    /// The file has no input or no output.
    #[error("the model has no {kind} tensor")]
    NoTensor {
        /// `input` or `output`.
        kind: &'static str,
    },
    /// A model with several inputs.
    #[error("the model has {found} inputs, exactly one picture input is supported")]
    Inputs {
        /// How many there are.
        found: usize,
    },
    /// The family's options are wrong.
    #[error("`options` {problem}")]
    Options {
        /// What is wrong with them.
        problem: String,
    },
}

/// Family options from `model.json`, defaults where nothing is said.
fn options<T: DeserializeOwned + Default>(description: &Description) -> Result<T, MismatchError> {
    if description.options.is_null() {
        return Ok(T::default());
    }
    serde_json::from_value(description.options.clone()).map_err(|error| MismatchError::Options {
        problem: format!(
            "of the family {} are wrong: {error}",
            description.family.name()
        ),
    })
}

/// The index of a named output, or of the first.
fn output(signature: &Signature, name: Option<&str>) -> Result<usize, MismatchError> {
    let Some(name) = name else {
        return if signature.outputs.is_empty() {
            Err(MismatchError::NoTensor { kind: "output" })
        } else {
            Ok(0)
        };
    };
    signature
        .outputs
        .iter()
        .position(|info| info.name == name)
        .ok_or_else(|| MismatchError::Missing {
            tensor: name.to_owned(),
            outputs: signature
                .outputs
                .iter()
                .map(|info| format!("`{}`", info.name))
                .collect::<Vec<_>>()
                .join(", "),
        })
}

/// Sizes the file leaves open match anything here and are checked on each run.
fn check(info: &TensorInfo, expected: &[Option<usize>]) -> Result<(), MismatchError> {
    if !info.is_f32 {
        return Err(MismatchError::Type {
            tensor: info.name.clone(),
        });
    }
    let Some(found) = &info.shape else {
        return Ok(());
    };
    let equal = |(found, expected): (&Option<usize>, &Option<usize>)| {
        found.is_none() || expected.is_none() || found == expected
    };
    if found.len() == expected.len() && found.iter().zip(expected).all(equal) {
        return Ok(());
    }
    Err(MismatchError::Shape {
        tensor: info.name.clone(),
        expected: show(expected),
        found: show(found),
    })
}

/// The output of a run with its true shape checked.
fn tensor<'t>(
    outputs: &[Tensor<'t>],
    index: usize,
    expected: &[Option<usize>],
) -> Result<Tensor<'t>, MismatchError> {
    let name = || format!("output {index}");
    let tensor = *outputs
        .get(index)
        .ok_or(MismatchError::NoTensor { kind: "output" })?;
    let equal = |(found, expected): (&usize, &Option<usize>)| {
        expected.is_none_or(|expected| *found == expected)
    };
    let complete = tensor.data.len() == tensor.shape.iter().product::<usize>();
    if complete
        && tensor.shape.len() == expected.len()
        && tensor.shape.iter().zip(expected).all(equal)
    {
        return Ok(tensor);
    }
    let found: Vec<_> = tensor.shape.iter().copied().map(Some).collect();
    Err(MismatchError::Shape {
        tensor: name(),
        expected: show(expected),
        found: show(&found),
    })
}

fn show(shape: &[Option<usize>]) -> String {
    let sizes: Vec<_> = shape
        .iter()
        .map(|size| size.map_or_else(|| "?".to_owned(), |size| size.to_string()))
        .collect();
    format!("[{}]", sizes.join(", "))
}

fn sigmoid(value: f32) -> f32 {
    1.0 / (1.0 + (-value).exp())
}

/// Index and value of the largest number; NaN never wins. `None` for an empty or all-NaN slice.
fn best(values: &[f32]) -> Option<(usize, f32)> {
    let mut best: Option<(usize, f32)> = None;
    for (index, &value) in values.iter().enumerate() {
        if !value.is_nan() && best.is_none_or(|(_, top)| value > top) {
            best = Some((index, value));
        }
    }
    best
}

/// Centre and size as left, top, right, bottom.
fn corners(cx: f32, cy: f32, width: f32, height: f32) -> [f32; 4] {
    [
        cx - width / 2.0,
        cy - height / 2.0,
        cx + width / 2.0,
        cy + height / 2.0,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_shape_is_told_with_name_expected_and_found() {
        let info = TensorInfo {
            name: "scores".into(),
            shape: Some(vec![Some(1), None, Some(24)]),
            is_f32: true,
        };
        assert!(check(&info, &[Some(1), Some(1917), Some(24)]).is_ok());
        let error = check(&info, &[Some(1), Some(1917), Some(5)]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "tensor `scores` should have the shape [1, 1917, 5] but has [1, ?, 24]"
        );
        let whole = TensorInfo {
            is_f32: false,
            ..info
        };
        assert!(
            check(&whole, &[])
                .unwrap_err()
                .to_string()
                .contains("float32")
        );
    }

    #[test]
    fn open_sizes_are_checked_on_each_run() {
        let data = [0.0; 6];
        let outputs = [Tensor {
            shape: &[1, 6],
            data: &data,
        }];
        assert!(tensor(&outputs, 0, &[Some(1), None]).is_ok());
        assert!(tensor(&outputs, 0, &[Some(1), Some(5)]).is_err());
        assert!(tensor(&outputs, 1, &[]).is_err());
        assert!(
            tensor(
                &[Tensor {
                    shape: &[1, 7],
                    data: &data
                }],
                0,
                &[Some(1), None]
            )
            .is_err()
        );
    }

    #[test]
    fn infinite_boxes_and_forbidden_classes_are_not_kept() {
        let mut out = Vec::new();
        let keep = Keep {
            confidence: 0.4,
            allowed: Some(&[false, true]),
        };
        keep.push(1, 0.5, [0.0, 0.0, f32::INFINITY, 1.0], &mut out);
        keep.push(0, 0.5, [0.0; 4], &mut out);
        keep.push(9, 0.5, [0.0; 4], &mut out);
        keep.push(1, 0.4, [0.0; 4], &mut out);
        keep.push(1, f32::NAN, [0.0; 4], &mut out);
        assert!(out.is_empty());
        keep.push(1, 0.41, [0.0; 4], &mut out);
        assert_eq!(out.len(), 1);
    }

    #[test]
    fn the_best_class_ignores_nan() {
        assert_eq!(best(&[f32::NAN, 1.0, 3.0, 2.0]), Some((2, 3.0)));
        assert_eq!(best(&[f32::NAN]), None);
    }
}
