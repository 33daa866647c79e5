//! `model.json`: what a model folder says about its ONNX file.
//! Not here: whether the file agrees (each family checks its own tensors at load).

use std::path::{Component, Path};

use framewire_protocol::TaskType;
use serde::Deserialize;

/// Largest side of a model input; an absurd size is refused instead of allocated.
pub const MAX_INPUT_SIDE: u32 = 4096;
/// Most classes a model may have.
pub const MAX_CLASSES: usize = 100_000;
/// Largest `model.json`.
pub const MAX_DESCRIPTION_BYTES: u64 = 8 << 20;

/// The parsed and checked `model.json`.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Description {
    pub(crate) id: String,
    pub(crate) task_type: TaskType,
    pub(crate) family: Family,
    pub(crate) file: String,
    pub(crate) classes: Vec<String>,
    pub(crate) input: InputDescription,
    #[serde(default)]
    pub(crate) options: serde_json::Value,
}

/// How the output tensors are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum Family {
    #[serde(rename = "ssd-mobilenet")]
    SsdMobilenet,
    #[serde(rename = "yolox")]
    Yolox,
    #[serde(rename = "yolov8")]
    Yolov8,
    #[serde(rename = "classification")]
    Classification,
}

impl Family {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::SsdMobilenet => "ssd-mobilenet",
            Self::Yolox => "yolox",
            Self::Yolov8 => "yolov8",
            Self::Classification => "classification",
        }
    }
}

/// How a picture becomes the input tensor.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct InputDescription {
    pub(crate) width: u32,
    pub(crate) height: u32,
    #[serde(default)]
    pub(crate) layout: Layout,
    #[serde(default)]
    pub(crate) color: Color,
    #[serde(default)]
    pub(crate) resize: Resize,
    /// Grey level around a letterboxed picture.
    #[serde(default = "default_pad")]
    pub(crate) pad: u8,
    /// Where the letterboxed picture lies.
    #[serde(default)]
    pub(crate) align: Align,
    /// What 0..255 is mapped to; instead of `mean` and `std`.
    pub(crate) range: Option<[f32; 2]>,
    /// Subtracted from 0..255, a number a channel in the order of `color`.
    pub(crate) mean: Option<[f32; 3]>,
    /// Divides after `mean`.
    pub(crate) std: Option<[f32; 3]>,
}

fn default_pad() -> u8 {
    114
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Layout {
    #[default]
    Nchw,
    Nhwc,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Color {
    #[default]
    Rgb,
    Bgr,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Resize {
    #[default]
    Stretch,
    Letterbox,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Align {
    #[default]
    Center,
    TopLeft,
}

/// Why a `model.json` cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DescriptionError {
    /// The file cannot be read.
    #[error("cannot read it")]
    Read(#[source] std::io::Error),
    /// The file is larger than any description.
    #[error("it has {found} bytes, more than the {limit} allowed")]
    TooLarge {
        /// Its size.
        found: u64,
        /// The limit.
        limit: u64,
    },
    /// Not JSON, a missing key, or a value of the wrong kind.
    #[error("it is not a model description: {0}")]
    Syntax(#[source] serde_json::Error),
    /// A value that cannot be right.
    #[error("`{key}` {problem}")]
    Value {
        /// The key.
        key: &'static str,
        /// What is wrong with it.
        problem: String,
    },
}

impl Description {
    /// Reads and checks one file.
    pub(crate) fn read(path: &Path) -> Result<Self, DescriptionError> {
        let size = std::fs::metadata(path)
            .map_err(DescriptionError::Read)?
            .len();
        if size > MAX_DESCRIPTION_BYTES {
            return Err(DescriptionError::TooLarge {
                found: size,
                limit: MAX_DESCRIPTION_BYTES,
            });
        }
        Self::parse(&std::fs::read(path).map_err(DescriptionError::Read)?)
    }

    pub(crate) fn parse(text: &[u8]) -> Result<Self, DescriptionError> {
        let description: Self = serde_json::from_slice(text).map_err(DescriptionError::Syntax)?;
        description.check()?;
        Ok(description)
    }

    fn check(&self) -> Result<(), DescriptionError> {
        let wrong = |key, problem: String| Err(DescriptionError::Value { key, problem });
        if self.id.is_empty() {
            return wrong("id", "is empty".into());
        }
        let mut parts = Path::new(&self.file).components();
        if !matches!(
            (parts.next(), parts.next()),
            (Some(Component::Normal(_)), None)
        ) {
            return wrong(
                "file",
                format!(
                    "is `{}`; it must be a file name in the model's folder",
                    self.file
                ),
            );
        }
        if self.classes.is_empty() || self.classes.len() > MAX_CLASSES {
            return wrong(
                "classes",
                format!(
                    "has {} names; 1 to {MAX_CLASSES} are possible",
                    self.classes.len()
                ),
            );
        }
        for (key, side) in [
            ("input.width", self.input.width),
            ("input.height", self.input.height),
        ] {
            if side == 0 || side > MAX_INPUT_SIDE {
                return wrong(
                    key,
                    format!("is {side}; 1 to {MAX_INPUT_SIDE} are possible"),
                );
            }
        }
        if self.input.range.is_some() && (self.input.mean.is_some() || self.input.std.is_some()) {
            return wrong(
                "input.range",
                "cannot be combined with `mean` or `std`".into(),
            );
        }
        if self.input.std.is_some_and(|std| std.contains(&0.0)) {
            return wrong(
                "input.std",
                "has a zero, pixels cannot be divided by it".into(),
            );
        }
        let expected = match self.family {
            Family::SsdMobilenet | Family::Yolox | Family::Yolov8 => TaskType::ObjectDetection,
            Family::Classification => TaskType::Classification,
        };
        let multi_label = (self.family, self.task_type)
            == (Family::Classification, TaskType::MultiLabelClassification);
        if self.task_type != expected && !multi_label {
            let (family, task) = (self.family.name(), self.task_type.as_str());
            return wrong(
                "task_type",
                format!(
                    "is {task}, but the family {family} gives {}",
                    expected.as_str()
                ),
            );
        }
        Ok(())
    }
}

impl InputDescription {
    /// The shape of the input tensor, batch of one.
    pub(crate) fn shape(&self) -> [usize; 4] {
        let (width, height) = (self.width as usize, self.height as usize);
        match self.layout {
            Layout::Nchw => [1, 3, height, width],
            Layout::Nhwc => [1, height, width, 3],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(change: impl FnOnce(&mut serde_json::Value)) -> Vec<u8> {
        let mut value = serde_json::json!({
            "id": "team/model", "task_type": "object-detection", "family": "yolox", "file": "m.onnx",
            "classes": ["a"], "input": {"width": 32, "height": 16}
        });
        change(&mut value);
        serde_json::to_vec(&value).unwrap()
    }

    #[test]
    fn defaults_fill_what_is_not_said() {
        let description = Description::parse(&text(|_| ())).unwrap();
        assert_eq!(description.input.shape(), [1, 3, 16, 32]);
        assert_eq!(description.input.resize, Resize::Stretch);
    }

    #[test]
    fn values_that_cannot_be_right_are_named() {
        let message = |change: fn(&mut serde_json::Value)| {
            Description::parse(&text(change)).unwrap_err().to_string()
        };
        assert!(message(|v| v["file"] = "../m.onnx".into()).contains("`file`"));
        assert!(message(|v| v["file"] = "a/m.onnx".into()).contains("`file`"));
        assert!(message(|v| v["input"]["width"] = 0.into()).contains("`input.width`"));
        assert!(message(|v| v["input"]["height"] = 5000.into()).contains("4096"));
        assert!(message(|v| v["classes"] = serde_json::json!([])).contains("`classes`"));
        assert!(message(|v| v["task_type"] = "classification".into()).contains("`task_type`"));
        assert!(message(|v| v["task_type"] = "lmm".into()).contains("keypoint-detection"));
        assert!(message(|v| v["family"] = "resnet".into()).contains("resnet"));
        assert!(
            message(|v| v["input"]["std"] = serde_json::json!([1, 0, 1])).contains("`input.std`")
        );
    }
}
