//! Crops, and detections in crops: their own coordinates, the frame's, and what is said about their origin.

use framewire_worker::models::Backend;
use framewire_worker::workflow::Value as Output;
use serde_json::{Value, json};

use crate::run::{definition, detector, keys, message, named, picture, run, step};
use crate::support::{clip_frames, solid, tiny_models};

fn absolute(name: &str, images: &str, [x, y, width, height]: [u32; 4]) -> Value {
    let properties =
        json!({"images": images, "x_center": x, "y_center": y, "width": width, "height": height});
    step("roboflow_core/absolute_static_crop@v1", name, properties)
}

#[test]
fn a_crop_of_a_real_frame_is_that_part_of_it() {
    let frame = clip_frames(&[0]).remove(0);
    let steps = json!([absolute("crop", "$inputs.image", [101, 81, 60, 40])]);
    let outputs = run(
        &definition(steps, &[("crops", "$steps.crop.crops", true)]),
        &tiny_models(Backend::Rten),
        &frame,
    );
    let (data, errors) = message(&outputs, &named(&["crops"]));
    assert!(errors.is_empty(), "{errors:?}");
    let crop = picture(&data["crops"]);
    assert_eq!((crop.width(), crop.height()), (60, 40));
    let pool = framewire_media::FramePool::default();
    let whole = frame.to_bgr(&pool).unwrap();
    let expected = whole.crop(&pool, 71, 61, 60, 40).unwrap().unwrap();
    let pairs = crop
        .plane(0)
        .rows()
        .zip(expected.plane(0).rows())
        .flat_map(|(a, b)| a.iter().zip(b));
    let difference: u64 = pairs.map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    assert!(
        difference / (60 * 40 * 3) < 6,
        "mean difference {}",
        difference as f64 / 7200.0
    );
}

#[test]
fn a_crop_says_which_frame_and_crop_it_is() {
    let steps = json!([absolute("crop", "$inputs.image", [40, 40, 80, 80])]);
    let definition = definition(steps, &[("crops", "$steps.crop.crops", true)]);
    let outputs = run(
        &definition,
        &tiny_models(Backend::Rten),
        &solid(200, 100, 0),
    );
    let (data, _) = message(&outputs, &named(&["crops"]));
    let metadata = &data["crops"]["video_metadata"];
    let expected = [
        "video_identifier",
        "frame_number",
        "frame_timestamp",
        "fps",
        "measured_fps",
        "comes_from_video_file",
        "total_frames",
    ];
    assert_eq!(keys(metadata), expected);
    let identifier = metadata["video_identifier"].as_str().unwrap();
    let id = identifier
        .strip_prefix("default_source | crop: absolute_static_crop.")
        .unwrap();
    assert!(uuid::Uuid::parse_str(id).is_ok_and(|id| id.get_version_num() == 4));
    assert_eq!(metadata["frame_number"], 7);
    assert_eq!(metadata["frame_timestamp"], "2026-01-02T03:04:05.678901");
    assert_eq!(
        (&metadata["fps"], &metadata["measured_fps"]),
        (&json!(25.0), &json!(null))
    );
    assert_eq!(
        (
            &metadata["comes_from_video_file"],
            &metadata["total_frames"]
        ),
        (&json!(true), &json!(null))
    );
}

#[test]
fn detections_in_a_crop_have_their_own_and_the_frames_coordinates() {
    // 64x64 at (100, 50); the model's first box there is 8,16..40,32.
    let steps = json!([
        absolute("crop", "$inputs.image", [132, 82, 64, 64]),
        detector("model", "$steps.crop.crops", "tiny/yolov8"),
    ]);
    let outputs = [
        ("own", "$steps.model.predictions", true),
        ("parent", "$steps.model.predictions", false),
    ];
    let outputs = run(
        &definition(steps, &outputs),
        &tiny_models(Backend::Rten),
        &solid(640, 480, 0),
    );
    let (data, _) = message(&outputs, &named(&["own", "parent"]));

    assert_eq!(data["own"]["image"], json!({"width": 64, "height": 64}));
    let own = &data["own"]["predictions"][0];
    assert_eq!((&own["x"], &own["y"]), (&json!(24.0), &json!(24.0)));
    let crop_id = own["parent_id"].as_str().unwrap();
    assert!(crop_id.starts_with("absolute_static_crop."));
    assert_eq!(
        own["parent_origin"],
        json!({"offset_x": 100, "offset_y": 50, "width": 640, "height": 480})
    );
    assert_eq!(own["root_parent_id"], "image.[0]");
    assert_eq!(own["root_parent_origin"], own["parent_origin"]);
    assert_eq!(
        keys(own),
        [
            "width",
            "height",
            "x",
            "y",
            "confidence",
            "class_id",
            "class",
            "detection_id",
            "parent_id",
            "parent_origin",
            "root_parent_id",
            "root_parent_origin",
        ]
    );

    assert_eq!(
        data["parent"]["image"],
        json!({"width": 640, "height": 480})
    );
    let parent = &data["parent"]["predictions"][0];
    assert_eq!((&parent["x"], &parent["y"]), (&json!(124.0), &json!(74.0)));
    assert_eq!(
        (&parent["width"], &parent["height"]),
        (&own["width"], &own["height"])
    );
    assert_eq!(parent["parent_id"], "image.[0]");
    assert_eq!(parent["detection_id"], own["detection_id"]);
    assert!(parent.get("parent_origin").is_none() && parent.get("root_parent_id").is_none());
}

#[test]
fn offsets_of_nested_crops_add_up() {
    let relative = json!({"images": "$steps.outer.crops", "x_center": 0.5, "y_center": 0.5, "width": 0.5, "height": 0.5});
    let steps = json!([
        absolute("outer", "$inputs.image", [160, 140, 120, 80]),
        step("RelativeStaticCrop", "inner", relative),
        detector("model", "$steps.inner.crops", "tiny/yolov8"),
    ]);
    let outputs = run(
        &definition(steps, &[("own", "$steps.model.predictions", true)]),
        &tiny_models(Backend::Rten),
        &solid(640, 480, 0),
    );
    let (data, _) = message(&outputs, &named(&["own"]));
    assert_eq!(data["own"]["image"], json!({"width": 60, "height": 40}));
    let found = &data["own"]["predictions"][0];
    assert!(
        found["parent_id"]
            .as_str()
            .unwrap()
            .starts_with("relative_static_crop.")
    );
    assert_eq!(
        found["parent_origin"],
        json!({"offset_x": 30, "offset_y": 20, "width": 120, "height": 80})
    );
    assert_eq!(
        found["root_parent_origin"],
        json!({"offset_x": 130, "offset_y": 120, "width": 640, "height": 480})
    );
}

#[test]
fn a_crop_outside_the_picture_is_null_and_so_is_all_that_follows() {
    let boxes = json!({"image": "$steps.crop.crops", "predictions": "$steps.model.predictions"});
    let steps = json!([
        absolute("crop", "$inputs.image", [500, 500, 10, 10]),
        detector("model", "$steps.crop.crops", "tiny/yolox"),
        step("BoundingBoxVisualization", "boxes", boxes),
    ]);
    let outputs = [
        ("crops", "$steps.crop.crops", true),
        ("predictions", "$steps.model.predictions", false),
        ("drawn", "$steps.boxes.image", false),
        ("everything", "$steps.model.*", false),
    ];
    let outputs = run(
        &definition(steps, &outputs),
        &tiny_models(Backend::Rten),
        &solid(64, 64, 0),
    );
    assert!(matches!(outputs.get("crops"), Some(Output::Null)));
    let (data, errors) = message(
        &outputs,
        &named(&["crops", "predictions", "drawn", "everything"]),
    );
    let nothing = json!({"inference_id": null, "predictions": null, "model_id": null});
    assert_eq!(
        data,
        json!({"crops": null, "predictions": null, "drawn": null, "everything": nothing})
    );
    assert!(errors.is_empty());
}

#[test]
fn a_relative_crop_is_cut_at_the_edge_of_the_picture() {
    let relative = json!({"images": "$inputs.image", "x_center": 0.0, "y_center": 1.0, "width": 0.5, "height": 0.5});
    let steps = json!([step(
        "roboflow_core/relative_statoic_crop@v1",
        "crop",
        relative
    )]);
    let definition = definition(steps, &[("crops", "$steps.crop.crops", true)]);
    let outputs = run(&definition, &tiny_models(Backend::Rten), &solid(100, 60, 0));
    let Some(Output::Image(crop)) = outputs.get("crops") else {
        panic!("no picture")
    };
    assert_eq!((crop.frame.width(), crop.frame.height()), (25, 15));
    assert_eq!(
        (crop.origin.root.offset_x, crop.origin.root.offset_y),
        (0, 45)
    );
}
