//! From JSON to a checked list of inputs, steps and outputs; everything wrong is collected, not only the first.
//! Not here: whether selectors lead anywhere (`compile`).

use std::collections::HashSet;

use serde_json::{Map, Value as Json};

use super::blocks::{self, BlockType};
use super::error::{BlockError, CompileError, CompileErrorKind};
use super::selector::{Selector, is_name};
use super::version;

/// Most inputs, steps or outputs of one definition, each.
pub const MAX_ELEMENTS: usize = 512;
/// Longest name of an input, step or output, in bytes.
pub const MAX_NAME_LENGTH: usize = 256;

#[derive(Debug)]
pub(crate) struct Definition {
    pub(crate) inputs: Vec<Input>,
    pub(crate) steps: Vec<Step>,
    pub(crate) outputs: Vec<Output>,
}

#[derive(Debug)]
pub(crate) struct Input {
    pub(crate) name: String,
    pub(crate) kind: InputKind,
}

#[derive(Debug)]
pub(crate) enum InputKind {
    Image,
    /// With its default.
    Parameter(Json),
    VideoMetadata,
    Batch,
}

#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) name: String,
    pub(crate) type_name: String,
    pub(crate) block: &'static BlockType,
    /// One for each property of the block, in its order.
    pub(crate) properties: Vec<PropertyValue>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum PropertyValue {
    Literal(Json),
    Selector(Selector),
}

#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) name: String,
    pub(crate) selector: Selector,
    pub(crate) own_coordinates: bool,
}

/// Parses and validates a definition.
pub(crate) fn parse(definition: &Json) -> Result<Definition, CompileError> {
    let mut errors = Errors(Vec::new());
    let Some(root) = definition.as_object() else {
        errors.property((None, None), "specification", "must be an object");
        return Err(CompileError::syntax(errors.0));
    };
    let version = match root.get("version") {
        Some(Json::String(version)) => version.as_str(),
        Some(_) => {
            errors.property((None, None), "version", "must be text");
            ""
        }
        None => {
            errors.property((None, None), "version", "is required");
            ""
        }
    };
    // A wrong version explains other errors, so it is told first.
    if errors.0.is_empty() {
        version::check(version)?;
    }
    let inputs = elements(root, "inputs", &mut errors, input);
    let steps = elements(root, "steps", &mut errors, step);
    let outputs = elements(root, "outputs", &mut errors, output);
    if !errors.0.is_empty() {
        return Err(CompileError::syntax(errors.0));
    }
    unique("input", inputs.iter().map(|input| &input.name))?;
    unique("step", steps.iter().map(|step| &step.name))?;
    unique("output", outputs.iter().map(|output| &output.name))?;
    Ok(Definition {
        inputs,
        steps,
        outputs,
    })
}

fn unique<'n>(what: &str, names: impl Iterator<Item = &'n String>) -> Result<(), CompileError> {
    let mut seen = HashSet::new();
    for name in names {
        if !seen.insert(name) {
            let message = format!("two {what}s are named `{name}`; names must be unique");
            return Err(CompileError::new(CompileErrorKind::DuplicateName, message));
        }
    }
    Ok(())
}

struct Errors(Vec<BlockError>);

impl Errors {
    fn property(
        &mut self,
        block: (Option<&str>, Option<&str>),
        name: &str,
        details: impl Into<String>,
    ) {
        self.0.push(BlockError::property(block, name, details));
    }
}

/// One element being read: its object and how it is called in errors.
struct Reader<'j, 'e> {
    object: &'j Map<String, Json>,
    errors: &'e mut Errors,
    id: Option<&'j str>,
    kind: Option<&'j str>,
}

impl<'j> Reader<'j, '_> {
    fn error(&mut self, property: &str, details: impl Into<String>) {
        self.errors
            .property((self.id, self.kind), property, details);
    }

    /// A required text; an error and `None` when it is missing, no text, empty or too long.
    fn text(&mut self, key: &str) -> Option<&'j str> {
        match self.object.get(key) {
            None => self.error(key, "is required"),
            Some(Json::String(text)) if text.is_empty() => self.error(key, "must not be empty"),
            Some(Json::String(text)) if text.len() > MAX_NAME_LENGTH => {
                self.error(key, format!("is longer than {MAX_NAME_LENGTH} bytes"));
            }
            Some(Json::String(text)) => return Some(text),
            Some(_) => self.error(key, "must be text"),
        }
        None
    }

    /// A required name that selectors can spell.
    fn name(&mut self) -> Option<&'j str> {
        let name = self.text("name")?;
        if !is_name(name) {
            self.error("name", "may hold letters, digits, `_` and `-` only");
            return None;
        }
        Some(name)
    }
}

fn elements<T>(
    root: &Map<String, Json>,
    key: &str,
    errors: &mut Errors,
    read: impl Fn(&mut Reader<'_, '_>) -> Option<T>,
) -> Vec<T> {
    let items = match root.get(key) {
        Some(Json::Array(items)) => items,
        Some(_) => {
            errors.property((None, None), key, "must be a list");
            return Vec::new();
        }
        None => {
            errors.property((None, None), key, "is required");
            return Vec::new();
        }
    };
    if items.len() > MAX_ELEMENTS {
        errors.property(
            (None, None),
            key,
            format!(
                "has {} entries, more than the {MAX_ELEMENTS} allowed",
                items.len()
            ),
        );
        return Vec::new();
    }
    let mut found = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let Some(object) = item.as_object() else {
            errors.property(
                (None, None),
                &format!("{key}[{index}]"),
                "must be an object",
            );
            continue;
        };
        let text = |key| object.get(key).and_then(Json::as_str);
        let (id, kind) = (text("name"), text("type"));
        found.extend(read(&mut Reader {
            object,
            errors,
            id,
            kind,
        }));
    }
    found
}

fn input(reader: &mut Reader<'_, '_>) -> Option<Input> {
    let (kind, name) = (reader.text("type"), reader.name());
    let kind = match kind? {
        "WorkflowImage" | "InferenceImage" => InputKind::Image,
        "WorkflowParameter" | "InferenceParameter" => InputKind::Parameter(
            reader
                .object
                .get("default_value")
                .cloned()
                .unwrap_or_default(),
        ),
        "WorkflowVideoMetadata" => InputKind::VideoMetadata,
        "WorkflowBatchInput" => match reader.object.get("dimensionality").map(Json::as_u64) {
            None | Some(Some(1)) => InputKind::Batch,
            Some(_) => {
                reader.error("dimensionality", "must be 1");
                return None;
            }
        },
        _ => {
            let known =
                "WorkflowImage, WorkflowParameter, WorkflowVideoMetadata, WorkflowBatchInput";
            reader.error(
                "type",
                format!("is not a known input type; known are {known}"),
            );
            return None;
        }
    };
    Some(Input {
        name: name?.to_owned(),
        kind,
    })
}

fn step(reader: &mut Reader<'_, '_>) -> Option<Step> {
    let (kind, name) = (reader.text("type"), reader.name());
    let type_name = kind?;
    let Some(block) = blocks::find(type_name) else {
        reader.error("type", "is not a block this worker knows");
        return None;
    };
    let mut properties = Vec::with_capacity(block.properties.len());
    for property in block.properties {
        let written = reader
            .object
            .get(property.name)
            .map(|value| (property.name, value));
        let alias = property
            .alias
            .and_then(|alias| Some((alias, reader.object.get(alias)?)));
        match (written.or(alias), property.default) {
            (Some((key, value)), _) => {
                properties.extend(property_value(reader, property, key, value))
            }
            (None, Some(default)) => {
                let literal = serde_json::from_str(default)
                    .expect("defaults are constants of ours and tested");
                properties.push(PropertyValue::Literal(literal));
            }
            (None, None) => reader.error(property.name, "is required"),
        }
    }
    let complete = properties.len() == block.properties.len();
    let name = name?.to_owned();
    complete.then(|| Step {
        name,
        type_name: type_name.to_owned(),
        block,
        properties,
    })
}

fn property_value(
    reader: &mut Reader<'_, '_>,
    property: &super::property::Property,
    key: &str,
    value: &Json,
) -> Option<PropertyValue> {
    if let Some(text) = value.as_str().filter(|text| Selector::looks_like(text)) {
        return match Selector::parse(text) {
            Some(Selector::WholeStep(_)) => {
                reader.error(key, "cannot be all outputs of a step; name one output");
                None
            }
            Some(selector) => Some(PropertyValue::Selector(selector)),
            None => {
                reader.error(
                    key,
                    "is not a valid selector; use $inputs.<name> or $steps.<step>.<output>",
                );
                None
            }
        };
    }
    match property.kind.check(value) {
        Ok(()) => Some(PropertyValue::Literal(value.clone())),
        Err(details) => {
            reader.error(key, details);
            None
        }
    }
}

fn output(reader: &mut Reader<'_, '_>) -> Option<Output> {
    let (kind, name, selector) = (
        reader.text("type"),
        reader.text("name"),
        reader.text("selector"),
    );
    if kind? != "JsonField" {
        reader.error("type", "is not a known output type; known is JsonField");
        return None;
    }
    let own_coordinates = match reader.object.get("coordinates_system") {
        None => false,
        Some(Json::String(text)) if text == "parent" => false,
        Some(Json::String(text)) if text == "own" => true,
        Some(_) => {
            reader.error("coordinates_system", "must be `own` or `parent`");
            return None;
        }
    };
    let Some(selector) = Selector::parse(selector?) else {
        reader.error("selector", "is not a valid selector; use $inputs.<name>, $steps.<step>.<output> or $steps.<step>.*");
        return None;
    };
    Some(Output {
        name: name?.to_owned(),
        selector,
        own_coordinates,
    })
}
