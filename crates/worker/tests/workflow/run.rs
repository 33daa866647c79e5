//! Short ways to compile, run and read the result message.

use std::sync::Arc;

use framewire_media::{Frame, FramePool};
use framewire_protocol::FrameId;
use framewire_protocol::message::{ResultWriter, VideoMetadata};
use framewire_protocol::output::DataOutput;
use framewire_worker::models::ModelRegistry;
use framewire_worker::workflow::{
    FrameMetadata, Outputs, RunError, Runner, RunnerOptions, Serializer, Workflow,
};
use serde_json::{Map, Value, json};

pub(crate) fn runner(definition: &Value, models: &ModelRegistry, parameters: Value) -> Runner {
    let workflow = Workflow::compile(definition, models).unwrap();
    let mut options = RunnerOptions::default();
    if let Value::Object(parameters) = parameters {
        options.parameters = parameters;
    }
    Runner::new(workflow, options, FramePool::default())
}

pub(crate) fn metadata() -> Arc<FrameMetadata> {
    let mut metadata = FrameMetadata::new(7);
    let date = chrono::NaiveDate::from_ymd_opt(2026, 1, 2).unwrap();
    metadata.frame_timestamp = date.and_hms_micro_opt(3, 4, 5, 678_901).unwrap();
    metadata.fps = Some(25.0);
    metadata.comes_from_video_file = Some(true);
    Arc::new(metadata)
}

pub(crate) fn run(definition: &Value, models: &ModelRegistry, frame: &Frame) -> Outputs {
    runner(definition, models, Value::Null)
        .run(frame, &metadata())
        .unwrap()
}

pub(crate) fn run_with(
    definition: &Value,
    models: &ModelRegistry,
    parameters: Value,
) -> Result<Outputs, RunError> {
    runner(definition, models, parameters)
        .run(&crate::support::solid(64, 64, 0x808080), &metadata())
}

/// The text of the message with these outputs.
pub(crate) fn text(outputs: &Outputs, which: &DataOutput) -> String {
    let mut message = Vec::new();
    let mut writer = ResultWriter::begin(&mut message);
    Serializer::default().write(outputs, which, &mut writer);
    writer.finish(
        &VideoMetadata::new(FrameId(7), metadata().frame_timestamp),
        Vec::new(),
    );
    String::from_utf8(message).unwrap()
}

/// `serialized_output_data` and `errors` of that message.
pub(crate) fn message(outputs: &Outputs, which: &DataOutput) -> (Value, Vec<String>) {
    let mut message: Value = serde_json::from_str(&text(outputs, which)).unwrap();
    let errors = message["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e.as_str().unwrap().to_owned())
        .collect();
    (message["serialized_output_data"].take(), errors)
}

pub(crate) fn named(names: &[&str]) -> DataOutput {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    DataOutput::from_names(Some(&names))
}

pub(crate) fn keys(object: &Value) -> Vec<&str> {
    object
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

/// A definition with one picture input `image` and these steps and outputs (name, selector, own coordinates).
pub(crate) fn definition(steps: Value, outputs: &[(&str, &str, bool)]) -> Value {
    let output = |(name, selector, own): &(&str, &str, bool)| {
        let system = if *own { "own" } else { "parent" };
        json!({"type": "JsonField", "name": name, "selector": selector, "coordinates_system": system})
    };
    json!({
        "version": "1.0",
        "inputs": [{"type": "WorkflowImage", "name": "image"}],
        "steps": steps,
        "outputs": outputs.iter().map(output).collect::<Vec<_>>(),
    })
}

pub(crate) fn detector(name: &str, images: &str, model: &str) -> Value {
    step(
        "roboflow_core/roboflow_object_detection_model@v2",
        name,
        json!({"images": images, "model_id": model}),
    )
}

pub(crate) fn step(kind: &str, name: &str, properties: Value) -> Value {
    let mut step = Map::new();
    step.insert("type".into(), kind.into());
    step.insert("name".into(), name.into());
    step.extend(properties.as_object().unwrap().clone());
    Value::Object(step)
}

/// Decodes a picture of a result.
pub(crate) fn picture(value: &Value) -> Frame {
    assert_eq!(keys(value), ["type", "value", "video_metadata"]);
    assert_eq!(value["type"], "base64");
    let base64 = value["value"].as_str().unwrap();
    let jpeg = framewire_protocol::encoding::base64_decode(base64.as_bytes()).unwrap();
    framewire_media::decode_jpeg(&jpeg, &FramePool::default()).unwrap()
}
