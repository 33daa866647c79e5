//! One loaded model: picture in, boxes or class scores out. Shared by all sessions.
//! Not here: class names in results and coordinates of crops, which the workflow adds.

use std::num::NonZero;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use framewire_media::Frame;

use super::TaskType;
use super::description::{Description, DescriptionError};
use super::engine::{self, Backend, EngineError, EnginePool};
use super::family::{Candidate, Head, Keep, MismatchError};
use super::nms::{NmsOptions, suppress};
use super::preprocess::{Picture, Placement, Preprocessor};
use crate::metrics::{Counter, Histogram, STAGE};

/// Most engines of one model; more than cores only costs memory.
const MAX_ENGINES: usize = 8;

/// How one model is loaded.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ModelOptions {
    /// The engine to use; `None` is ONNX Runtime when its library is found, else the built-in one.
    pub backend: Option<Backend>,
    /// How many frames the model may work on at once, 1 to 8. Default: one a core. Each holds its own copy of the weights
    /// with ONNX Runtime; they are built when first needed.
    pub engines: usize,
}

impl Default for ModelOptions {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        Self {
            backend: None,
            engines: cores.min(MAX_ENGINES),
        }
    }
}

/// What a detection keeps.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct DetectOptions {
    /// Boxes need more confidence than this.
    pub confidence: f32,
    /// Overlap (intersection over union) above which the weaker box is dropped.
    pub iou: f32,
    /// Most boxes in the result.
    pub max_detections: usize,
    /// Most boxes that take part in the suppression.
    pub max_candidates: usize,
    /// Boxes of different classes suppress each other too.
    pub class_agnostic: bool,
    /// Only these class ids, `[class id] -> kept`; `None` keeps all. Applied before the suppression.
    pub allowed: Option<Vec<bool>>,
}

impl Default for DetectOptions {
    fn default() -> Self {
        Self {
            confidence: 0.4,
            iou: 0.3,
            max_detections: 300,
            max_candidates: 3000,
            class_agnostic: false,
            allowed: None,
        }
    }
}

/// A detected box in pixels of the picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Box2d {
    /// Index into [`Model::classes`].
    pub class_id: u32,
    /// 0 to 1.
    pub confidence: f32,
    /// Left, top, right, bottom.
    pub corners: [f32; 4],
}

/// Why a model cannot be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// `model.json` is missing or wrong.
    #[error("model.json cannot be used")]
    Description(#[from] DescriptionError),
    /// The engine refused the model's file.
    #[error("the model's file cannot be loaded")]
    Engine(#[from] EngineError),
    /// The file is not what `model.json` says.
    #[error("the model's file does not match model.json")]
    Mismatch(#[from] MismatchError),
    /// It was loaded but gives no usable answer for a grey picture.
    #[error("the model fails its first run")]
    FirstRun(#[source] RunError),
}

/// Why a model gave no result for a picture.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The engine failed or was not free in time.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The outputs have another shape than described.
    #[error("the model's result does not match its description: {0}")]
    Mismatch(#[from] MismatchError),
    /// The picture has a pixel format that models do not read.
    #[error("pictures in the format {0} cannot be given to a model")]
    Picture(String),
    /// The model has another task.
    #[error("the model `{id}` is for {task}, it cannot be used for {wanted}")]
    Task {
        /// The model.
        id: String,
        /// What it does.
        task: &'static str,
        /// What was asked.
        wanted: &'static str,
    },
}

/// A loaded model. Runs on the calling thread; several threads may run it at once, up to [`ModelOptions::engines`].
#[derive(Debug)]
pub struct Model {
    description: Description,
    preprocessor: Preprocessor,
    head: Head,
    engines: EnginePool,
    /// Input tensors for reuse; never more than engines.
    scratch: Mutex<Vec<Vec<f32>>>,
    scratch_limit: usize,
    usage: Usage,
}

/// What a model was used for, since it was loaded.
#[derive(Debug)]
pub(crate) struct Usage {
    /// Each picture with its time, preparing it and reading the outputs included.
    pub(crate) inferences: Histogram,
    /// Pictures without a result.
    pub(crate) errors: Counter,
}

impl Model {
    /// Name of the description file in a model's folder.
    pub const DESCRIPTION: &'static str = "model.json";

    /// Loads the model in `folder`, checks it against its `model.json` and runs it once on a grey picture, so that sizes
    /// the file leaves open are checked too and the first frame does not pay for first-time work. Blocks meanwhile.
    pub fn load(folder: &Path, options: &ModelOptions) -> Result<Self, LoadError> {
        let description = Description::read(&folder.join(Self::DESCRIPTION))?;
        let factory = engine::factory(&folder.join(&description.file), options.backend)?;
        let limit = options.engines.clamp(1, MAX_ENGINES);
        let engines = EnginePool::new(factory, limit)?;
        let head = Head::new(&description, engines.signature())?;
        let preprocessor = Preprocessor::new(&description.input);
        let model = Self {
            description,
            preprocessor,
            head,
            engines,
            scratch: Mutex::default(),
            scratch_limit: limit,
            usage: Usage {
                inferences: Histogram::new(STAGE),
                errors: Counter::default(),
            },
        };
        model.first_run().map_err(LoadError::FirstRun)?;
        tracing::info!(
            model = model.id(),
            backend = model.backend().name(),
            engines = limit,
            "model loaded"
        );
        Ok(model)
    }

    /// The id workflows use.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.description.id
    }

    /// The model file's name in its folder.
    #[must_use]
    pub fn file_name(&self) -> &str {
        &self.description.file
    }

    /// What it answers.
    #[must_use]
    pub fn task_type(&self) -> TaskType {
        self.description.task_type
    }

    /// The model family's name, for example `ssd-mobilenet`.
    #[must_use]
    pub fn family(&self) -> &'static str {
        self.description.family.name()
    }

    /// Class names by class id.
    #[must_use]
    pub fn classes(&self) -> &[String] {
        &self.description.classes
    }

    /// Width and height of the model's input.
    #[must_use]
    pub fn input_size(&self) -> (u32, u32) {
        (self.description.input.width, self.description.input.height)
    }

    /// The engine it runs on.
    #[must_use]
    pub fn backend(&self) -> Backend {
        self.engines.backend()
    }

    pub(crate) fn usage(&self) -> &Usage {
        &self.usage
    }

    /// How long pictures waited for a free engine, all together.
    pub(crate) fn waited(&self) -> Duration {
        self.engines.waited()
    }

    /// The `allowed` list of a class filter: names the model does not have are ignored.
    #[must_use]
    pub fn allow(&self, names: &[impl AsRef<str>]) -> Vec<bool> {
        self.classes()
            .iter()
            .map(|class| names.iter().any(|name| name.as_ref() == class))
            .collect()
    }

    /// Finds objects in a picture. Blocks while all engines are busy (30 s at most) and for the inference itself.
    pub fn detect(&self, frame: &Frame, options: &DetectOptions) -> Result<Vec<Box2d>, RunError> {
        let picture = picture(frame)?;
        let keep = Keep {
            confidence: options.confidence,
            allowed: options.allowed.as_deref(),
        };
        let mut candidates = Vec::new();
        let mut placement = None;
        self.counted(picture, |outputs, place| {
            placement = Some(place);
            match &self.head {
                Head::Ssd(head) => Ok(head.decode(outputs, keep, &mut candidates)?),
                Head::Yolox(head) => Ok(head.decode(outputs, keep, &mut candidates)?),
                Head::Yolov8(head) => Ok(head.decode(outputs, keep, &mut candidates)?),
                Head::Classification(_) => Err(self.wrong_task(TaskType::ObjectDetection)),
            }
        })?;
        let nms = NmsOptions {
            iou: options.iou,
            class_agnostic: options.class_agnostic,
            max_candidates: options.max_candidates,
            max_detections: options.max_detections,
        };
        suppress(&mut candidates, nms);
        let place = |candidate: Candidate| self.place(candidate, placement?, picture);
        Ok(candidates.into_iter().filter_map(place).collect())
    }

    /// Confidence of each class, in class order, for a picture. Blocks like [`Model::detect`].
    pub fn classify(&self, frame: &Frame) -> Result<Vec<f32>, RunError> {
        let mut scores = Vec::new();
        self.counted(picture(frame)?, |outputs, _| {
            let Head::Classification(head) = &self.head else {
                return Err(self.wrong_task(TaskType::Classification));
            };
            scores = head.decode(outputs)?;
            Ok(())
        })?;
        Ok(scores)
    }

    fn first_run(&self) -> Result<(), RunError> {
        let (width, height) = self.input_size();
        let (width, height) = (width as usize, height as usize);
        let grey = vec![128; width * height * 3];
        let keep = Keep {
            confidence: f32::INFINITY,
            allowed: None,
        };
        self.infer(
            Picture::bgr(&grey, width, height, width * 3),
            |outputs, _| {
                let none = &mut Vec::new();
                match &self.head {
                    Head::Classification(head) => head.decode(outputs).map(drop)?,
                    Head::Ssd(head) => head.decode(outputs, keep, none)?,
                    Head::Yolox(head) => head.decode(outputs, keep, none)?,
                    Head::Yolov8(head) => head.decode(outputs, keep, none)?,
                }
                Ok(())
            },
        )
    }

    fn place(
        &self,
        candidate: Candidate,
        placement: Placement,
        picture: Picture<'_>,
    ) -> Option<Box2d> {
        let mut corners = placement.to_picture(candidate.corners);
        if self.head.clips_boxes() {
            let limits = [picture.width as f32, picture.height as f32];
            for (index, value) in corners.iter_mut().enumerate() {
                *value = value.clamp(0.0, limits[index % 2]);
            }
        }
        let visible = corners[2] > corners[0] && corners[3] > corners[1];
        visible.then_some(Box2d {
            class_id: candidate.class_id,
            confidence: candidate.confidence,
            corners,
        })
    }

    /// [`infer`](Self::infer) for somebody's picture.
    fn counted(
        &self,
        picture: Picture<'_>,
        read: impl FnMut(&[engine::Tensor<'_>], Placement) -> Result<(), RunError>,
    ) -> Result<(), RunError> {
        let begun = Instant::now();
        let result = self.infer(picture, read);
        match result {
            Ok(()) => self.usage.inferences.record(begun.elapsed()),
            Err(_) => self.usage.errors.add(1),
        }
        result
    }

    fn infer(
        &self,
        picture: Picture<'_>,
        mut read: impl FnMut(&[engine::Tensor<'_>], Placement) -> Result<(), RunError>,
    ) -> Result<(), RunError> {
        let mut tensor = self
            .scratch
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop()
            .unwrap_or_default();
        let placement = self.preprocessor.fill(picture, &mut tensor);
        let mut result = Ok(());
        let ran = self
            .engines
            .run(&tensor, &self.description.input.shape(), &mut |outputs| {
                result = read(outputs, placement);
            });
        let mut scratch = self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        if scratch.len() < self.scratch_limit {
            scratch.push(tensor);
        }
        drop(scratch);
        ran?;
        result
    }

    fn wrong_task(&self, wanted: TaskType) -> RunError {
        RunError::Task {
            id: self.id().into(),
            task: self.task_type().as_str(),
            wanted: wanted.as_str(),
        }
    }
}

fn picture(frame: &Frame) -> Result<Picture<'_>, RunError> {
    Picture::of(frame).ok_or_else(|| RunError::Picture(format!("{:?}", frame.format())))
}
