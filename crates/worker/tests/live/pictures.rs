//! What is on the streamed picture: the output asked for, the one detected, errors, any size.

use framewire_media::{Frame, FramePool};
use framewire_transport::VideoConfig;
use serde_json::{Value, json};

use crate::camera::{Camera, only};
use crate::common::peer::errors;
use crate::common::{worker, workflow};

/// The frame and a crop of it, and a text.
fn two_pictures(body: &mut Value) {
    let mut definition = workflow();
    let inputs = definition["inputs"].as_array_mut().unwrap();
    inputs.push(json!({"type": "WorkflowParameter", "name": "note"}));
    let outputs = definition["outputs"].as_array_mut().unwrap();
    outputs.push(json!({"type": "JsonField", "name": "text", "selector": "$inputs.note"}));
    body["workflow_configuration"]["workflow_specification"] = definition;
    body["workflow_configuration"]["workflows_parameters"] = json!({"note": "x"});
}

fn size(frame: &Frame) -> (u32, u32) {
    (frame.width(), frame.height())
}

/// Bright green pixels near the upper left corner.
fn green(frame: &Frame) -> usize {
    let bgr = frame.to_packed_bgr(&FramePool::default()).unwrap();
    let width = bgr.width() as usize;
    let rows = bgr.bgr_bytes().unwrap().chunks(3 * width).take(130);
    rows.flat_map(|row| row.chunks(3))
        .filter(|pixel| pixel[1] > 180 && pixel[0] < 110 && pixel[2] < 110)
        .count()
}

#[test]
fn the_first_picture_output_is_detected_and_can_be_changed_on_the_way() {
    let worker = worker();
    let mut camera = Camera::start(&worker, VideoConfig::default(), |body| {
        two_pictures(body);
        body["stream_output"] = Value::Null;
    });
    let back = camera.round_trip(0);
    assert_eq!(size(&back.frame), (32, 32), "`crop` is the first output");
    let first = camera.client.result();
    assert_eq!(first["video_metadata"]["frame_id"], 1);
    assert_eq!(errors(&first), [""; 0]);
    let mut index = 1;
    for (mode, wanted) in [
        ("[\"picture\"]", (640, 480)),
        ("[]", (32, 32)),
        ("[\"picture\"]", (640, 480)),
    ] {
        camera
            .client
            .control(&format!("{{\"stream_output\": {mode}}}"));
        loop {
            let back = camera.round_trip(index);
            index += 1;
            if size(&back.frame) == wanted {
                break;
            }
            assert!(index < 100, "{mode} is never applied");
        }
    }
    // One run of the workflow for each frame, detection or not.
    let mut last = 1;
    while last < u64::from(index) {
        let id = camera.client.result()["video_metadata"]["frame_id"]
            .as_u64()
            .unwrap();
        assert_eq!(id, last + 1);
        last = id;
    }
}

#[test]
fn an_output_that_is_no_picture_shows_the_source_frame_with_the_reasons_drawn_on_it() {
    let worker = worker();
    let mut plain = Camera::start(&worker, VideoConfig::default(), two_pictures);
    assert!(green(&plain.round_trip(0).frame) < 20);
    let mut camera = Camera::start(&worker, VideoConfig::default(), |body| {
        two_pictures(body);
        body["stream_output"] = json!(["text"]);
    });
    let back = camera.round_trip(0);
    assert_eq!(size(&back.frame), (640, 480));
    assert!(
        green(&back.frame) > 500,
        "{} green pixels",
        green(&back.frame)
    );
    let result = camera.client.result();
    assert_eq!(errors(&result).len(), 4, "{:?}", errors(&result));
}

#[test]
fn a_workflow_that_fails_shows_the_source_frame_with_its_error_and_goes_on() {
    let worker = worker();
    let mut camera = Camera::start(&worker, VideoConfig::default(), |body| {
        two_pictures(body);
        let workflow = &mut body["workflow_configuration"];
        workflow["workflow_specification"]["steps"][0]["x_center"] = json!("$inputs.note");
        body["stream_output"] = json!(["crop"]);
    });
    for index in 0..3 {
        let back = camera.round_trip(index);
        assert_eq!(size(&back.frame), (640, 480));
        assert!(green(&back.frame) > 100);
        assert_eq!(errors(&camera.client.result()).len(), 1);
    }
}

#[test]
fn the_size_may_change_in_mid_stream_in_both_directions() {
    let worker = worker();
    for codec in [
        framewire_transport::VideoCodec::Vp8,
        framewire_transport::VideoCodec::H264,
    ] {
        let mut camera = Camera::start(&worker, only(codec), |_| {});
        let mut index = 0;
        for wanted in [(640, 480), (320, 240), (1280, 720), (322, 242)] {
            camera.resize(wanted.0, wanted.1);
            for _ in 0..3 {
                let back = camera.round_trip(index);
                assert_eq!(
                    (size(&back.frame), back.counter()),
                    (wanted, index),
                    "{codec}"
                );
                let metadata = camera.client.result()["video_metadata"].clone();
                assert_eq!(
                    (&metadata["width"], &metadata["height"]),
                    (&json!(wanted.0), &json!(wanted.1))
                );
                index += 1;
            }
        }
    }
}
