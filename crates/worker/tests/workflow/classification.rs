//! Classification results as they go on the wire.

use framewire_protocol::output::DataOutput;
use framewire_worker::models::{Backend, TaskType};
use framewire_worker::workflow::model_workflow;
use serde_json::json;

use crate::run::{keys, message, run};
use crate::support::{solid, tiny_models};

#[test]
fn a_single_label_result_ranks_all_classes() {
    let definition = model_workflow("tiny/colors", TaskType::Classification);
    let outputs = run(
        &definition,
        &tiny_models(Backend::Rten),
        &solid(40, 20, 0x00ff20),
    );
    let (data, _) = message(&outputs, &DataOutput::All);
    let found = &data["predictions"];
    assert_eq!(
        keys(found),
        [
            "inference_id",
            "time",
            "image",
            "predictions",
            "top",
            "confidence",
            "prediction_type",
            "parent_id",
            "root_parent_id",
        ]
    );
    assert_eq!(found["image"], json!({"width": 40, "height": 20}));
    assert_eq!(
        (&found["top"], &found["prediction_type"]),
        (&json!("green"), &json!("classification"))
    );
    assert_eq!(found["parent_id"], "image.[0]");
    let classes: Vec<_> = found["predictions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["class"].as_str().unwrap())
        .collect();
    assert_eq!(classes, ["green", "blue", "red"]);
    assert_eq!(
        keys(&found["predictions"][0]),
        ["class", "class_id", "confidence"]
    );
    assert_eq!(found["predictions"][0]["class_id"], 1);
    assert_eq!(found["predictions"][0]["confidence"], found["confidence"]);
    assert!(found["time"].as_f64().unwrap() > 0.0);
}

#[test]
fn a_multi_label_result_maps_classes_and_lists_those_above_the_threshold() {
    let mut definition = model_workflow("tiny/tags", TaskType::MultiLabelClassification);
    definition["steps"][0]["confidence"] = json!(0.9);
    let outputs = run(
        &definition,
        &tiny_models(Backend::Rten),
        &solid(40, 20, 0xffff00),
    );
    let (data, _) = message(&outputs, &DataOutput::All);
    let found = &data["predictions"];
    assert_eq!(
        keys(found),
        [
            "inference_id",
            "time",
            "image",
            "predictions",
            "predicted_classes",
            "prediction_type",
            "parent_id",
            "root_parent_id",
        ]
    );
    assert_eq!(keys(&found["predictions"]), ["red", "green", "blue"]);
    assert_eq!(
        keys(&found["predictions"]["blue"]),
        ["confidence", "class_id"]
    );
    assert_eq!(found["predictions"]["blue"]["class_id"], 2);
    assert_eq!(found["predicted_classes"], json!(["red", "green"]));
}
