//! Runs a workflow frame by frame: inputs into slots, steps in order, outputs out.
//! Not here: threads; a runner belongs to one session's pipeline and runs on its thread.

use std::sync::Arc;

use framewire_media::{Frame, FramePool};
use serde_json::{Map, Value as Json};

use super::blocks::{Prepared, StepInputs};
use super::compile::{LinkedStep, OutputSource, Plan, Source, Workflow};
use super::definition::InputKind;
use super::error::RunError;
use super::property::Scalars;
use super::selector::Selector;
use super::serialize::metadata_json;
use super::value::{FrameMetadata, Origin, Value, WorkflowImage};
use crate::models::ModelRegistry;

/// How a session feeds its workflow.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RunnerOptions {
    /// Values of the workflow's parameters; those it does not have are ignored.
    pub parameters: Map<String, Json>,
    /// The input that receives the frame. Default `image`.
    pub image_input_name: String,
    /// The input that receives the frame's metadata. Default `video_metadata`.
    pub video_metadata_input_name: String,
}

impl Default for RunnerOptions {
    fn default() -> Self {
        Self {
            parameters: Map::new(),
            image_input_name: "image".into(),
            video_metadata_input_name: "video_metadata".into(),
        }
    }
}

/// A workflow with its parameters, ready for frames.
pub struct Runner {
    plan: Arc<Plan>,
    registry: ModelRegistry,
    options: RunnerOptions,
    pool: FramePool,
    /// One for each step; `None` until first run, and always for steps whose properties come from other steps.
    prepared: Vec<Option<Box<dyn Prepared>>>,
    slots: Vec<Value>,
}

impl std::fmt::Debug for Runner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runner")
            .field("plan", &self.plan)
            .finish_non_exhaustive()
    }
}

impl Runner {
    /// A runner that takes the memory of converted and drawn pictures from `pool`. Cheap.
    #[must_use]
    pub fn new(workflow: Workflow, options: RunnerOptions, pool: FramePool) -> Self {
        let prepared = workflow.plan.steps.iter().map(|_| None).collect();
        let slots = vec![Value::Null; workflow.plan.slots];
        Self {
            plan: workflow.plan,
            registry: workflow.registry,
            options,
            pool,
            prepared,
            slots,
        }
    }

    /// Runs every step on one frame, on the calling thread; blocks for as long as the models take.
    /// After an error the next frame can be run as if nothing had happened.
    pub fn run(
        &mut self,
        frame: &Frame,
        metadata: &Arc<FrameMetadata>,
    ) -> Result<Outputs, RunError> {
        let plan = Arc::clone(&self.plan);
        let done = self.run_plan(&plan, frame, metadata);
        let outputs = done.map(|()| Outputs::new(self.collect(&plan)));
        // Pictures must not stay held until the next frame.
        self.slots.fill(Value::Null);
        outputs
    }

    fn run_plan(
        &mut self,
        plan: &Plan,
        frame: &Frame,
        metadata: &Arc<FrameMetadata>,
    ) -> Result<(), RunError> {
        for (slot, input) in plan.inputs.iter().enumerate() {
            self.slots[slot] = self.input(&input.name, &input.kind, frame, metadata)?;
        }
        for (index, step) in plan.steps.iter().enumerate() {
            let outputs = self.step(index, step)?;
            for (slot, value) in self.slots[step.first_slot..].iter_mut().zip(outputs) {
                *slot = value;
            }
        }
        Ok(())
    }

    fn input(
        &self,
        name: &str,
        kind: &InputKind,
        frame: &Frame,
        metadata: &Arc<FrameMetadata>,
    ) -> Result<Value, RunError> {
        let parameter = || self.options.parameters.get(name).cloned();
        let missing =
            |what: &str| RunError::Input(format!("the workflow's {what} `{name}` was not given"));
        match kind {
            InputKind::Image if name == self.options.image_input_name => {
                let origin = Arc::new(Origin::root(name, frame.width(), frame.height()));
                Ok(Value::Image(WorkflowImage {
                    frame: frame.clone(),
                    origin,
                    metadata: Arc::clone(metadata),
                }))
            }
            InputKind::Image => {
                let given = &self.options.image_input_name;
                Err(RunError::Input(format!(
                    "the workflow's picture `{name}` was not given; frames go to `{given}`"
                )))
            }
            InputKind::Parameter(default) => Ok(Value::Json(Arc::new(
                parameter().unwrap_or_else(|| default.clone()),
            ))),
            InputKind::VideoMetadata if name == self.options.video_metadata_input_name => {
                Ok(Value::Json(Arc::new(metadata_json(metadata))))
            }
            InputKind::VideoMetadata => Err(missing("video metadata")),
            InputKind::Batch => parameter()
                .map(|value| Value::Json(Arc::new(value)))
                .ok_or_else(|| missing("batch")),
        }
    }

    fn step(&mut self, index: usize, step: &LinkedStep) -> Result<Vec<Value>, RunError> {
        let nothing = || Ok(vec![Value::Null; step.block.outputs.len()]);
        let failed = |reason: String| RunError::Step {
            step: step.name.clone(),
            reason,
        };
        let (mut image, mut detections) = (None, None);
        let mut values = Vec::new();
        let mut changes = false;
        for (property, source) in step.block.properties.iter().zip(&step.properties) {
            let (slot, selector) = match source {
                Source::Literal(value) => {
                    values.push((property.name, value));
                    continue;
                }
                Source::Slot { slot, selector } => (&self.slots[*slot], selector),
            };
            let wrong = |details: String| {
                RunError::Input(format!(
                    "step `{}`, property `{}`: {details}",
                    step.name, property.name
                ))
            };
            match slot {
                // Nothing in, nothing out: the crop before was empty.
                Value::Null if property.kind.is_data() => return nothing(),
                Value::Image(value) if property.kind.is_data() => image = Some(value),
                Value::Detections(value) if property.kind.is_data() => detections = Some(value),
                Value::Json(value) if !property.kind.is_data() => {
                    property.kind.check_selected(value).map_err(wrong)?;
                    changes |= matches!(selector, Selector::Step { .. });
                    values.push((property.name, value));
                }
                Value::Null => {
                    changes = true;
                    values.push((property.name, &Json::Null));
                }
                _ => return Err(wrong("the selected value is of another kind".into())),
            }
        }
        // Every block takes a picture; `compile` lets only pictures and values unknown until now through.
        let Some(image) = image else {
            return Err(failed("it has no picture".into()));
        };
        if changes {
            self.prepared[index] = None;
        }
        let prepared = match &mut self.prepared[index] {
            Some(prepared) => prepared,
            empty => empty
                .insert((step.block.prepare)(&Scalars { values }, &self.registry).map_err(failed)?),
        };
        prepared
            .run(&StepInputs {
                image,
                detections,
                pool: &self.pool,
            })
            .map_err(failed)
    }

    fn collect(&self, plan: &Plan) -> Vec<(Arc<str>, Value)> {
        let value = |source: &OutputSource| match source {
            OutputSource::Slot(slot) => self.slots[*slot].clone(),
            OutputSource::Step(members) => {
                let members = members
                    .iter()
                    .map(|(name, slot)| (Arc::clone(name), self.slots[*slot].clone()));
                Value::Object(Arc::new(members.collect()))
            }
        };
        let output = |output: &super::compile::LinkedOutput| {
            let value = value(&output.source);
            let value = if output.own_coordinates {
                value
            } else {
                value.in_root_coordinates()
            };
            (Arc::clone(&output.name), value)
        };
        plan.outputs.iter().map(output).collect()
    }
}

/// The outputs of one frame, in the order of the definition.
#[derive(Debug, Clone, Default)]
pub struct Outputs {
    items: Vec<(Arc<str>, Value)>,
}

impl Outputs {
    pub(crate) fn new(items: Vec<(Arc<str>, Value)>) -> Self {
        Self { items }
    }

    /// The value of an output; `None` if the workflow does not have it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.items
            .iter()
            .find(|(other, _)| &**other == name)
            .map(|(_, value)| value)
    }

    /// Names and values in the order of the definition.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.items.iter().map(|(name, value)| (&**name, value))
    }
}
