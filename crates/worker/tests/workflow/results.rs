//! The JSON of results: keys, order, modes, and real detections on real frames.

use framewire_protocol::output::DataOutput;
use framewire_worker::models::{Backend, TaskType};
use framewire_worker::workflow::{Workflow, model_workflow};
use serde_json::{Value, json};

use crate::run::{definition, detector, keys, message, named, picture, run, step, text};
use crate::support::{clip_frames, real_models, solid, tiny_models};

#[test]
fn the_bundled_workflow_finds_the_street_of_the_clip() {
    let models = real_models(Backend::OnnxRuntime);
    assert!(Workflow::bundled(&models).is_ok());
    let definition = model_workflow(
        framewire_worker::models::BUNDLED_MODEL_ID,
        TaskType::ObjectDetection,
    );
    let mut classes = Vec::new();
    for frame in clip_frames(&[40, 110, 140, 170]) {
        let outputs = run(&definition, &models, &frame);
        let (data, errors) = message(&outputs, &named(&["predictions", "image"]));
        assert!(errors.is_empty());
        assert_eq!(keys(&data), ["predictions", "image"]);
        assert_eq!(
            data["predictions"]["image"],
            json!({"width": 640, "height": 272})
        );
        for found in data["predictions"]["predictions"].as_array().unwrap() {
            let wanted = [
                "width",
                "height",
                "x",
                "y",
                "confidence",
                "class_id",
                "class",
                "detection_id",
                "parent_id",
            ];
            assert_eq!(keys(found), wanted);
            assert_eq!(found["parent_id"], "image.[0]");
            let id = uuid::Uuid::parse_str(found["detection_id"].as_str().unwrap()).unwrap();
            assert_eq!(id.get_version_num(), 4);
            classes.push(found["class"].as_str().unwrap().to_owned());
        }
        let picture = picture(&data["image"]);
        assert_eq!((picture.width(), picture.height()), (640, 272));
        assert_eq!(
            data["image"]["video_metadata"]["video_identifier"],
            "default_source"
        );
    }
    for class in ["Car", "Bicycle", "Person"] {
        assert!(
            classes.iter().any(|found| found == class),
            "no {class} in {classes:?}"
        );
    }
}

fn two_outputs() -> Value {
    definition(
        json!([detector("model", "$inputs.image", "tiny/yolox")]),
        &[
            ("predictions", "$steps.model.predictions", true),
            ("image", "$inputs.image", false),
        ],
    )
}

#[test]
fn the_message_is_exactly_this_text() {
    let mut definition = two_outputs();
    definition["steps"][0]["model_id"] = json!("tiny/yolov8");
    let outputs = run(&definition, &tiny_models(Backend::Rten), &solid(64, 32, 0));
    let text = text(&outputs, &named(&["predictions"]));
    let (before, after) = text.split_once(r#""detection_id":""#).unwrap();
    assert_eq!(
        before,
        concat!(
            r#"{"serialized_output_data":{"predictions":{"image":{"width":64,"height":32},"predictions":[{"width":32.0,"#,
            r#""height":8.0,"x":24.0,"y":12.0,"confidence":0.9,"class_id":0,"class":"cat","#
        )
    );
    assert!(
        after[36..].starts_with(r#"","parent_id":"image.[0]"},{"#),
        "{after}"
    );
}

#[test]
fn an_empty_result_has_the_size_of_the_picture() {
    let mut definition = two_outputs();
    definition["steps"][0]["confidence"] = json!(1.0);
    for system in ["own", "parent"] {
        definition["outputs"][0]["coordinates_system"] = json!(system);
        let outputs = run(&definition, &tiny_models(Backend::Rten), &solid(64, 32, 0));
        let (data, _) = message(&outputs, &named(&["predictions"]));
        assert_eq!(
            data["predictions"],
            json!({"image": {"width": 64, "height": 32}, "predictions": []})
        );
    }
}

#[test]
fn modes_select_outputs_and_missing_ones_are_errors() {
    let outputs = run(
        &two_outputs(),
        &tiny_models(Backend::Rten),
        &solid(64, 32, 0),
    );
    let (data, errors) = message(&outputs, &DataOutput::All);
    assert_eq!((keys(&data), errors.len()), (vec!["predictions"], 0));
    let (data, errors) = message(&outputs, &DataOutput::None);
    assert_eq!((data, errors.len()), (Value::Null, 0));
    let (data, errors) = message(&outputs, &named(&["image", "predictions"]));
    assert_eq!(
        (keys(&data), errors.len()),
        (vec!["image", "predictions"], 0)
    );
    let (data, errors) = message(&outputs, &named(&["nothing", "predictions"]));
    assert_eq!(keys(&data), ["predictions"]);
    assert_eq!(errors, ["Output 'nothing' not found"]);
    let (data, errors) = message(&outputs, &named(&["nothing"]));
    assert_eq!((data, errors.len()), (Value::Null, 1));
    let (data, _) = message(&outputs, &named(&["*", "image"]));
    assert_eq!(keys(&data), ["image", "predictions"]);
}

#[test]
fn pictures_inside_objects_are_left_out_of_all_and_kept_when_named() {
    let crop =
        json!({"images": "$inputs.image", "x_center": 8, "y_center": 8, "width": 8, "height": 8});
    let definition = definition(
        json!([
            step("AbsoluteStaticCrop", "crop", crop),
            detector("model", "$inputs.image", "tiny/yolox")
        ]),
        &[
            ("crop", "$steps.crop.*", false),
            ("model", "$steps.model.*", false),
        ],
    );
    let outputs = run(&definition, &tiny_models(Backend::Rten), &solid(64, 32, 0));
    let (data, _) = message(&outputs, &DataOutput::All);
    assert_eq!(data["crop"], json!({}));
    assert_eq!(
        keys(&data["model"]),
        ["inference_id", "predictions", "model_id"]
    );
    assert_eq!(data["model"]["model_id"], "tiny/yolox");
    assert!(uuid::Uuid::parse_str(data["model"]["inference_id"].as_str().unwrap()).is_ok());
    assert_eq!(
        data["model"]["predictions"]["predictions"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    let (data, _) = message(&outputs, &named(&["crop"]));
    assert_eq!(picture(&data["crop"]["crops"]).width(), 8);
}

#[test]
fn one_picture_in_two_outputs_is_the_same_text_twice() {
    let definition = definition(
        json!([]),
        &[("a", "$inputs.image", false), ("b", "$inputs.image", true)],
    );
    for frame in [clip_frames(&[10]).remove(0), solid(33, 17, 0x336699)] {
        let outputs = run(&definition, &tiny_models(Backend::Rten), &frame);
        let (data, _) = message(&outputs, &named(&["a", "b"]));
        assert_eq!(data["a"], data["b"]);
        assert_eq!(picture(&data["b"]).height(), frame.height());
    }
}

#[test]
fn a_model_runs_once_however_many_outputs_show_it() {
    let definition = definition(
        json!([detector("model", "$inputs.image", "tiny/yolox")]),
        &[
            ("a", "$steps.model.inference_id", false),
            ("b", "$steps.model.inference_id", true),
        ],
    );
    let (data, _) = message(
        &run(&definition, &tiny_models(Backend::Rten), &solid(9, 9, 0)),
        &DataOutput::All,
    );
    assert_eq!(data["a"], data["b"]);
    assert!(data["a"].is_string());
}
