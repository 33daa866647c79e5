//! Parameters, pictures and metadata as inputs: given, defaulted, missing, wrong.

use framewire_media::FramePool;
use framewire_protocol::output::DataOutput;
use framewire_worker::models::Backend;
use framewire_worker::workflow::{RunError, Runner, RunnerOptions, Workflow};
use serde_json::{Value, json};

use crate::run::{definition, detector, message, metadata, run, run_with};
use crate::support::{solid, tiny_models};

fn with_parameters() -> Value {
    let mut definition = definition(
        json!([detector("model", "$inputs.image", "$inputs.model")]),
        &[
            ("predictions", "$steps.model.predictions", true),
            ("threshold", "$inputs.threshold", false),
        ],
    );
    definition["steps"][0]["confidence"] = json!("$inputs.threshold");
    definition["steps"][0]["class_filter"] = json!("$inputs.classes");
    definition["inputs"].as_array_mut().unwrap().extend([
        json!({"type": "WorkflowParameter", "name": "model", "default_value": "tiny/yolov8"}),
        json!({"type": "InferenceParameter", "name": "threshold", "kind": ["float"], "default_value": 0.4}),
        json!({"type": "WorkflowParameter", "name": "classes"}),
    ]);
    definition
}

fn found(parameters: Value) -> Vec<String> {
    let outputs = run_with(&with_parameters(), &tiny_models(Backend::Rten), parameters).unwrap();
    let (data, _) = message(&outputs, &DataOutput::All);
    let predictions = data["predictions"]["predictions"].as_array().unwrap();
    predictions
        .iter()
        .map(|found| {
            format!(
                "{} {}",
                found["class"].as_str().unwrap(),
                found["confidence"]
            )
        })
        .collect()
}

#[test]
fn parameters_have_defaults_and_can_be_given() {
    assert_eq!(found(json!({})), ["cat 0.9", "dog 0.8", "dog 0.5"]);
    assert_eq!(found(json!({"threshold": 0.6})), ["cat 0.9", "dog 0.8"]);
    assert_eq!(
        found(json!({"classes": ["dog"], "unknown": 5})),
        ["dog 0.8", "dog 0.5"]
    );
    assert_eq!(
        found(json!({"model": "tiny/yolov8-nms"})),
        ["cat 0.9", "dog 0.5"]
    );
}

#[test]
fn a_parameter_is_an_output_as_it_is() {
    let outputs = run_with(
        &with_parameters(),
        &tiny_models(Backend::Rten),
        json!({"threshold": 0.25}),
    )
    .unwrap();
    assert_eq!(message(&outputs, &DataOutput::All).0["threshold"], 0.25);
}

#[test]
fn wrong_parameters_are_errors_of_the_frame_that_name_the_property() {
    let models = tiny_models(Backend::Rten);
    let error = |parameters| run_with(&with_parameters(), &models, parameters).unwrap_err();
    let wrong = error(json!({"threshold": "high"}));
    assert!(matches!(wrong, RunError::Input(_)));
    assert!(
        wrong.to_string().contains("`confidence`") && wrong.to_string().contains("high"),
        "{wrong}"
    );
    let missing = error(json!({"model": "none"}));
    assert!(matches!(&missing, RunError::Step { step, .. } if step == "model"));
    assert!(missing.to_string().contains("`none`"), "{missing}");
    assert!(
        error(json!({"model": null}))
            .to_string()
            .contains("`model_id`")
    );
}

#[test]
fn a_frame_for_another_input_is_an_error_of_each_frame_and_the_runner_goes_on() {
    let models = tiny_models(Backend::Rten);
    let workflow = Workflow::compile(&with_parameters(), &models).unwrap();
    let mut options = RunnerOptions::default();
    options.image_input_name = "picture".into();
    let mut runner = Runner::new(workflow, options, FramePool::default());
    for _ in 0..2 {
        let error = runner.run(&solid(8, 8, 0), &metadata()).unwrap_err();
        assert!(
            error.to_string().contains("`image`") && error.to_string().contains("`picture`"),
            "{error}"
        );
    }
}

#[test]
fn video_metadata_is_an_input_by_its_name() {
    let mut definition = definition(json!([]), &[("video", "$inputs.video_metadata", false)]);
    let input = json!({"type": "WorkflowVideoMetadata", "name": "video_metadata"});
    definition["inputs"].as_array_mut().unwrap().push(input);
    let models = tiny_models(Backend::Rten);
    let (data, _) = message(
        &run(&definition, &models, &solid(8, 8, 0)),
        &DataOutput::All,
    );
    assert_eq!(data["video"]["frame_number"], 7);
    assert_eq!(data["video"]["video_identifier"], "default_source");
    definition["inputs"][1]["name"] = json!("other");
    definition["outputs"][0]["selector"] = json!("$inputs.other");
    assert!(
        run_with(&definition, &models, Value::Null)
            .unwrap_err()
            .to_string()
            .contains("`other`")
    );
}

#[test]
fn a_batch_input_comes_from_the_parameters() {
    let mut definition = definition(json!([]), &[("values", "$inputs.values", false)]);
    let input = json!({"type": "WorkflowBatchInput", "name": "values", "kind": ["integer"]});
    definition["inputs"].as_array_mut().unwrap().push(input);
    let models = tiny_models(Backend::Rten);
    let outputs = run_with(&definition, &models, json!({"values": [1, 2]})).unwrap();
    assert_eq!(
        message(&outputs, &DataOutput::All).0["values"],
        json!([1, 2])
    );
    assert!(run_with(&definition, &models, json!({})).is_err());
}

#[test]
fn frames_may_change_size_from_one_to_the_next() {
    let models = tiny_models(Backend::Rten);
    let workflow = Workflow::compile(&with_parameters(), &models).unwrap();
    let mut runner = Runner::new(workflow, RunnerOptions::default(), FramePool::default());
    for (width, height) in [(64, 64), (31, 17), (1, 1), (640, 480)] {
        let outputs = runner.run(&solid(width, height, 0), &metadata()).unwrap();
        let (data, _) = message(&outputs, &DataOutput::All);
        assert_eq!(
            data["predictions"]["image"],
            json!({"width": width, "height": height})
        );
    }
}
