//! The six model blocks. Object detection and classification run; the others are checked and refused by name.
//! Not here: the models.

use std::sync::Arc;
use std::time::Instant;

use super::{BlockType, Prepared, Problem, Produces, StepInputs};
use crate::models::{DetectOptions, Model, ModelRegistry, TaskType};
use crate::workflow::error::CompileErrorKind;
use crate::workflow::property::{Kind, Property, Scalars};
use crate::workflow::value::{Classification, Detection, Detections, Value};

const FRACTION: Kind = Kind::Number(0.0, 1.0);

const IMAGES: Property = Property::required("images", Kind::Image);
const MODEL_ID: Property = Property::required("model_id", Kind::Text);
const CONFIDENCE: Property = Property::optional("confidence", FRACTION, "0.4");
const CLASS_FILTER: Property = Property::optional("class_filter", Kind::OptionalTexts, "null");
const IOU: Property = Property::optional("iou_threshold", FRACTION, "0.3");
const MAX_DETECTIONS: Property = Property::optional("max_detections", Kind::Int(1), "300");
const AGNOSTIC: Property = Property::optional("class_agnostic_nms", Kind::Bool, "false");
const MAX_CANDIDATES: Property = Property::optional("max_candidates", Kind::Int(1), "3000");
// Active learning is accepted and has no effect here.
const NO_LEARNING: Property = Property::optional("disable_active_learning", Kind::Bool, "true");
const LEARNING: Property =
    Property::optional("active_learning_target_dataset", Kind::OptionalText, "null");

const DETECTION_OUTPUTS: &[(&str, Produces)] = &[
    ("inference_id", Produces::Text),
    ("predictions", Produces::Detections),
    ("model_id", Produces::Text),
];
const CLASS_OUTPUTS: &[(&str, Produces)] = &[
    ("inference_id", Produces::Text),
    ("predictions", Produces::Classification),
    ("model_id", Produces::Text),
];

pub(super) const BLOCKS: &[BlockType] = &[
    BlockType {
        name: "roboflow_core/roboflow_object_detection_model@v2",
        alias: None,
        properties: &[
            IMAGES,
            MODEL_ID,
            CONFIDENCE,
            CLASS_FILTER,
            IOU,
            MAX_DETECTIONS,
            AGNOSTIC,
            MAX_CANDIDATES,
            NO_LEARNING,
            LEARNING,
        ],
        outputs: DETECTION_OUTPUTS,
        check: |scalars, registry| check(scalars, registry, TaskType::ObjectDetection),
        prepare: |scalars, registry| {
            let model = find(
                scalars.text("model_id"),
                registry,
                TaskType::ObjectDetection,
            )
            .map_err(|p| p.details)?;
            Ok(Box::new(Detector::new(model, scalars)))
        },
    },
    BlockType {
        name: "roboflow_core/roboflow_classification_model@v2",
        alias: None,
        properties: &[IMAGES, MODEL_ID, CONFIDENCE, NO_LEARNING, LEARNING],
        outputs: CLASS_OUTPUTS,
        check: |scalars, registry| check(scalars, registry, TaskType::Classification),
        prepare: |scalars, registry| {
            Classifier::prepare(scalars, registry, TaskType::Classification)
        },
    },
    BlockType {
        name: "roboflow_core/roboflow_multi_label_classification_model@v2",
        alias: None,
        properties: &[IMAGES, MODEL_ID, CONFIDENCE, NO_LEARNING, LEARNING],
        outputs: CLASS_OUTPUTS,
        check: |scalars, registry| check(scalars, registry, TaskType::MultiLabelClassification),
        prepare: |scalars, registry| {
            Classifier::prepare(scalars, registry, TaskType::MultiLabelClassification)
        },
    },
    BlockType {
        name: "roboflow_core/roboflow_instance_segmentation_model@v2",
        alias: None,
        properties: &[
            IMAGES,
            MODEL_ID,
            CONFIDENCE,
            CLASS_FILTER,
            IOU,
            MAX_DETECTIONS,
            AGNOSTIC,
            MAX_CANDIDATES,
            Property::optional(
                "mask_decode_mode",
                Kind::Choice(&["accurate", "tradeoff", "fast"]),
                "\"accurate\"",
            ),
            Property::optional("tradeoff_factor", FRACTION, "0.0"),
            Property::optional(
                "enforce_dense_masks_in_inference_models",
                Kind::Bool,
                "true",
            ),
            NO_LEARNING,
            LEARNING,
        ],
        outputs: DETECTION_OUTPUTS,
        check: |_, _| Err(not_here(TaskType::InstanceSegmentation)),
        prepare: |_, _| Err(not_here(TaskType::InstanceSegmentation).details),
    },
    BlockType {
        name: "roboflow_core/roboflow_keypoint_detection_model@v2",
        alias: None,
        properties: &[
            IMAGES,
            MODEL_ID,
            CONFIDENCE,
            CLASS_FILTER,
            IOU,
            MAX_DETECTIONS,
            AGNOSTIC,
            MAX_CANDIDATES,
            Property::optional("keypoint_confidence", FRACTION, "0.0"),
            NO_LEARNING,
            LEARNING,
        ],
        outputs: DETECTION_OUTPUTS,
        check: |_, _| Err(not_here(TaskType::KeypointDetection)),
        prepare: |_, _| Err(not_here(TaskType::KeypointDetection).details),
    },
    BlockType {
        name: "roboflow_core/roboflow_semantic_segmentation_model@v2",
        alias: None,
        properties: &[
            IMAGES,
            MODEL_ID,
            Property::optional(
                "confidence_mode",
                Kind::Choice(&["best", "default", "custom"]),
                "\"best\"",
            ),
            Property::optional("custom_confidence", FRACTION, "0.4"),
        ],
        outputs: DETECTION_OUTPUTS,
        check: |_, _| Err(not_here(TaskType::SemanticSegmentation)),
        prepare: |_, _| Err(not_here(TaskType::SemanticSegmentation).details),
    },
];

fn not_here(task: TaskType) -> Problem {
    let details = format!(
        "{} cannot run here: this worker runs object-detection, classification and multi-label-classification models",
        task.as_str()
    );
    Problem {
        kind: CompileErrorKind::NotRunnable,
        details,
    }
}

/// A model id that is a selector is known only when parameters are; it is checked then.
fn check(scalars: &Scalars<'_>, registry: &ModelRegistry, task: TaskType) -> Result<(), Problem> {
    match scalars.get("model_id").as_str() {
        Some(id) => find(id, registry, task).map(drop),
        None => Ok(()),
    }
}

fn find(id: &str, registry: &ModelRegistry, task: TaskType) -> Result<Arc<Model>, Problem> {
    let Some(model) = registry.get(id) else {
        let known: Vec<_> = registry.models().map(|model| model.id()).take(20).collect();
        let known = if known.is_empty() {
            "it has none".to_owned()
        } else {
            format!("it has {}", known.join(", "))
        };
        let details = format!("the model `{id}` is not on this worker; {known}");
        return Err(Problem {
            kind: CompileErrorKind::ModelNotFound,
            details,
        });
    };
    if model.task_type() != task {
        let details = format!(
            "the model `{id}` is for {}, not for {}",
            model.task_type().as_str(),
            task.as_str()
        );
        return Err(Problem {
            kind: CompileErrorKind::NotRunnable,
            details,
        });
    }
    Ok(Arc::clone(model))
}

struct Detector {
    model: Arc<Model>,
    options: DetectOptions,
    classes: Vec<Arc<str>>,
}

impl Detector {
    fn new(model: Arc<Model>, scalars: &Scalars<'_>) -> Self {
        let options = DetectOptions {
            confidence: scalars.number("confidence") as f32,
            iou: scalars.number("iou_threshold") as f32,
            max_detections: count(scalars, "max_detections"),
            max_candidates: count(scalars, "max_candidates"),
            class_agnostic: scalars.flag("class_agnostic_nms"),
            allowed: scalars
                .texts("class_filter")
                .map(|names| model.allow(&names)),
        };
        let classes = model
            .classes()
            .iter()
            .map(|name| name.as_str().into())
            .collect();
        Self {
            model,
            options,
            classes,
        }
    }
}

fn count(scalars: &Scalars<'_>, name: &str) -> usize {
    usize::try_from(scalars.integer(name)).unwrap_or(usize::MAX)
}

impl Prepared for Detector {
    fn run(&mut self, inputs: &StepInputs<'_>) -> Result<Vec<Value>, String> {
        let frame = &inputs.image.frame;
        let boxes = self
            .model
            .detect(frame, &self.options)
            .map_err(|error| error.to_string())?;
        let detection = |found: crate::models::Box2d| {
            let class = self.classes.get(found.class_id as usize)?;
            Some(Detection {
                corners: found.corners,
                confidence: found.confidence,
                class_id: found.class_id,
                class: Arc::clone(class),
                id: uuid::Uuid::new_v4(),
            })
        };
        let found = Detections {
            image_size: (frame.width(), frame.height()),
            origin: Arc::clone(&inputs.image.origin),
            items: boxes.into_iter().filter_map(detection).collect(),
        };
        let id = uuid::Uuid::new_v4().to_string();
        Ok(vec![
            Value::text(id),
            Value::Detections(Arc::new(found)),
            Value::text(self.model.id()),
        ])
    }
}

struct Classifier {
    model: Arc<Model>,
    classes: Vec<Arc<str>>,
    multi_label_threshold: Option<f32>,
}

impl Classifier {
    fn prepare(
        scalars: &Scalars<'_>,
        registry: &ModelRegistry,
        task: TaskType,
    ) -> Result<Box<dyn Prepared>, String> {
        let model =
            find(scalars.text("model_id"), registry, task).map_err(|problem| problem.details)?;
        let classes = model
            .classes()
            .iter()
            .map(|name| name.as_str().into())
            .collect();
        let multi_label = task == TaskType::MultiLabelClassification;
        let multi_label_threshold = multi_label.then(|| scalars.number("confidence") as f32);
        Ok(Box::new(Self {
            model,
            classes,
            multi_label_threshold,
        }))
    }
}

impl Prepared for Classifier {
    fn run(&mut self, inputs: &StepInputs<'_>) -> Result<Vec<Value>, String> {
        let frame = &inputs.image.frame;
        let started = Instant::now();
        let scores = self
            .model
            .classify(frame)
            .map_err(|error| error.to_string())?;
        let inference_id = uuid::Uuid::new_v4().to_string();
        let scores = self
            .classes
            .iter()
            .zip(0..)
            .zip(scores)
            .map(|((class, id), score)| (Arc::clone(class), id, score));
        let classification = Classification {
            image_size: (frame.width(), frame.height()),
            origin: Arc::clone(&inputs.image.origin),
            inference_id: inference_id.clone(),
            seconds: started.elapsed().as_secs_f64(),
            scores: scores.collect(),
            multi_label_threshold: self.multi_label_threshold,
        };
        let predictions = Value::Classification(Arc::new(classification));
        Ok(vec![
            Value::text(inference_id),
            predictions,
            Value::text(self.model.id()),
        ])
    }
}
