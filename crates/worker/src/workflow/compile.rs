//! Links a parsed definition: selectors to slots, steps in an order that runs, models to the registry.
//! Not here: running it.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value as Json;

use super::blocks::{BlockType, Produces};
use super::definition::{self, Definition, Input, InputKind, PropertyValue, Step};
use super::error::{BlockError, CompileError, CompileErrorKind};
use super::property::{Kind, Scalars};
use super::selector::Selector;
use crate::models::ModelRegistry;

/// A workflow that can be run. Clones share it.
#[derive(Debug, Clone)]
pub struct Workflow {
    pub(super) plan: Arc<Plan>,
    pub(super) registry: ModelRegistry,
}

#[derive(Debug)]
pub(super) struct Plan {
    pub(super) inputs: Vec<Input>,
    /// In an order in which each finds its inputs ready.
    pub(super) steps: Vec<LinkedStep>,
    pub(super) outputs: Vec<LinkedOutput>,
    pub(super) slots: usize,
}

#[derive(Debug)]
pub(super) struct LinkedStep {
    pub(super) name: String,
    pub(super) block: &'static BlockType,
    /// One for each property of the block.
    pub(super) properties: Vec<Source>,
    /// Its outputs fill the slots from here.
    pub(super) first_slot: usize,
}

#[derive(Debug, Clone)]
pub(super) enum Source {
    Literal(Json),
    /// Input `i` fills slot `i`; steps fill the ones after.
    Slot {
        slot: usize,
        selector: Selector,
    },
}

#[derive(Debug)]
pub(super) struct LinkedOutput {
    pub(super) name: Arc<str>,
    pub(super) own_coordinates: bool,
    pub(super) source: OutputSource,
}

#[derive(Debug)]
pub(super) enum OutputSource {
    Slot(usize),
    /// All outputs of a step, with their names.
    Step(Vec<(Arc<str>, usize)>),
}

impl Workflow {
    /// Checks a definition and finds its models. Takes well under a millisecond; does not run anything.
    pub fn compile(definition: &Json, registry: &ModelRegistry) -> Result<Self, CompileError> {
        let plan = Arc::new(link(definition::parse(definition)?)?);
        for step in &plan.steps {
            check_step(step, registry)?;
        }
        Ok(Self {
            plan,
            registry: registry.clone(),
        })
    }

    /// Names of the outputs, in the order of the definition.
    pub fn output_names(&self) -> impl Iterator<Item = &str> {
        self.plan.outputs.iter().map(|output| &*output.name)
    }

    /// Names of the picture inputs.
    pub fn image_inputs(&self) -> impl Iterator<Item = &str> {
        let images = self
            .plan
            .inputs
            .iter()
            .filter(|input| matches!(input.kind, InputKind::Image));
        images.map(|input| input.name.as_str())
    }
}

struct Names {
    /// Slot and what is in it.
    inputs: HashMap<String, (usize, Produces)>,
    steps: HashMap<String, (usize, &'static BlockType)>,
    slots: usize,
}

impl Names {
    fn of(definition: &Definition) -> Self {
        let mut slots = 0;
        let mut take = |count: usize| {
            slots += count;
            slots - count
        };
        let produces = |kind: &InputKind| match kind {
            InputKind::Image => Produces::Image,
            _ => Produces::Anything,
        };
        let inputs = definition
            .inputs
            .iter()
            .map(|i| (i.name.clone(), (take(1), produces(&i.kind))))
            .collect();
        let steps = definition
            .steps
            .iter()
            .map(|s| (s.name.clone(), (take(s.block.outputs.len()), s.block)))
            .collect();
        Self {
            inputs,
            steps,
            slots,
        }
    }

    /// The slot of a selector and what it holds.
    fn resolve(&self, selector: &Selector) -> Result<(usize, Produces), String> {
        match selector {
            Selector::Input(name) => self
                .inputs
                .get(name)
                .copied()
                .ok_or_else(|| format!("there is no input `{name}`")),
            Selector::Step { step, output } => {
                let (first, block) = self.step(step)?;
                let index = block.outputs.iter().position(|(name, _)| name == output);
                let index = index.ok_or_else(|| {
                    let names: Vec<_> = block.outputs.iter().map(|(name, _)| *name).collect();
                    format!(
                        "the step `{step}` has no output `{output}`; it has {}",
                        names.join(", ")
                    )
                })?;
                Ok((first + index, block.outputs[index].1))
            }
            Selector::WholeStep(step) => {
                Err(format!("`$steps.{step}.*` can be used in outputs only"))
            }
        }
    }

    fn step(&self, name: &str) -> Result<(usize, &'static BlockType), String> {
        self.steps
            .get(name)
            .copied()
            .ok_or_else(|| format!("there is no step `{name}`"))
    }
}

fn link(definition: Definition) -> Result<Plan, CompileError> {
    let names = Names::of(&definition);
    let order = order(&definition.steps)?;
    let mut steps: Vec<_> = definition.steps.into_iter().map(Some).collect();
    let steps = order.into_iter().map(|index| {
        let step = steps[index].take().expect("the order names each step once");
        link_step(step, &names)
    });
    let steps = steps.collect::<Result<_, _>>()?;
    let outputs = definition
        .outputs
        .iter()
        .map(|output| link_output(output, &names))
        .collect::<Result<_, _>>()?;
    Ok(Plan {
        steps,
        inputs: definition.inputs,
        outputs,
        slots: names.slots,
    })
}

fn link_step(step: Step, names: &Names) -> Result<LinkedStep, CompileError> {
    let mut properties = Vec::with_capacity(step.properties.len());
    for (value, property) in step.properties.into_iter().zip(step.block.properties) {
        properties.push(match value {
            PropertyValue::Literal(value) => Source::Literal(value),
            PropertyValue::Selector(selector) => {
                let slot = names
                    .resolve(&selector)
                    .and_then(|(slot, found)| fits(property.kind, found).map(|()| slot));
                let slot = slot.map_err(|details| {
                    let message = format!(
                        "step `{}`, property `{}`: {details}",
                        step.name, property.name
                    );
                    let block = (Some(step.name.as_str()), Some(step.type_name.as_str()));
                    CompileError::new(CompileErrorKind::Reference, message)
                        .with_block(BlockError::property(block, property.name, details))
                })?;
                Source::Slot { slot, selector }
            }
        });
    }
    let first_slot = names.steps.get(&step.name).map_or(0, |(first, _)| *first);
    Ok(LinkedStep {
        name: step.name,
        block: step.block,
        properties,
        first_slot,
    })
}

fn fits(wanted: Kind, found: Produces) -> Result<(), String> {
    let wrong = |wanted: &str| {
        Err(format!(
            "needs {wanted}, but the selector gives {}",
            found.describe()
        ))
    };
    match (wanted, found) {
        (_, Produces::Anything)
        | (Kind::Image, Produces::Image)
        | (Kind::Detections, Produces::Detections) => Ok(()),
        (Kind::Image, _) => wrong("a picture"),
        (Kind::Detections, _) => wrong("detections"),
        (_, Produces::Text) => Ok(()),
        _ => wrong("a plain value"),
    }
}

fn link_output(output: &definition::Output, names: &Names) -> Result<LinkedOutput, CompileError> {
    let source = match &output.selector {
        Selector::WholeStep(step) => names.step(step).map(|(first, block)| {
            let members = block
                .outputs
                .iter()
                .enumerate()
                .map(|(index, (name, _))| (Arc::from(*name), first + index));
            OutputSource::Step(members.collect())
        }),
        selector => names
            .resolve(selector)
            .map(|(slot, _)| OutputSource::Slot(slot)),
    };
    let source =
        source.map_err(|details| {
            let message = format!("output `{}`: {details}", output.name);
            CompileError::new(CompileErrorKind::Reference, message).with_block(
                BlockError::property((Some(&output.name), Some("JsonField")), "selector", details),
            )
        })?;
    Ok(LinkedOutput {
        name: output.name.as_str().into(),
        own_coordinates: output.own_coordinates,
        source,
    })
}

/// Definition order as far as each step's inputs allow. References to unknown steps are left for `link_step` to report.
fn order(steps: &[Step]) -> Result<Vec<usize>, CompileError> {
    let positions: HashMap<_, _> = steps
        .iter()
        .enumerate()
        .map(|(index, step)| (step.name.as_str(), index))
        .collect();
    let needs = |step: &Step| -> Vec<usize> {
        let selected = step.properties.iter().filter_map(|value| match value {
            PropertyValue::Selector(Selector::Step { step, .. }) => {
                positions.get(step.as_str()).copied()
            }
            _ => None,
        });
        selected.collect()
    };
    let needs: Vec<_> = steps.iter().map(needs).collect();
    let mut order = Vec::with_capacity(steps.len());
    let mut done = vec![false; steps.len()];
    while order.len() < steps.len() {
        let ready = |index: &usize| !done[*index] && needs[*index].iter().all(|&other| done[other]);
        let Some(next) = (0..steps.len()).find(ready) else {
            let stuck: Vec<_> = (0..steps.len())
                .filter(|&i| !done[i])
                .map(|i| steps[i].name.as_str())
                .collect();
            let message = format!("the steps {} wait for each other", stuck.join(", "));
            return Err(CompileError::new(CompileErrorKind::Cycle, message));
        };
        done[next] = true;
        order.push(next);
    }
    Ok(order)
}

/// What can be known before the first frame: the block can run here, its model is there.
fn check_step(step: &LinkedStep, registry: &ModelRegistry) -> Result<(), CompileError> {
    let mut values = Vec::new();
    for (property, source) in step.block.properties.iter().zip(&step.properties) {
        if let Source::Literal(value) = source {
            values.push((property.name, value));
        }
    }
    (step.block.check)(&Scalars { values }, registry).map_err(|problem| {
        let message = format!(
            "step `{}` ({}): {}",
            step.name, step.block.name, problem.details
        );
        CompileError::new(problem.kind, message).with_block(BlockError::block(
            (&step.name, step.block.name),
            problem.details,
        ))
    })
}
