//! Pictures behind the JSON: for clients that agreed, and never for others.

use framewire_media::{Bgr, Frame, FramePool};
use framewire_worker::ProcessedValue;
use serde_json::{Value, json};

use crate::common::peer::{Client, errors};
use crate::common::video;
use crate::{image, json, worker};

fn agrees(body: &mut Value, features: &[&str]) {
    body["framewire"] = json!({"v": 1, "features": features});
}

/// Two pictures, one of them twice, and what a value of the user's own says beside them.
fn pictures(frame: &Frame, other: Value) -> Result<Vec<(String, ProcessedValue)>, String> {
    let red = Frame::solid_bgr(&FramePool::default(), 16, 16, Bgr::new(0, 0, 220));
    let red = red.map_err(|error| error.to_string())?;
    Ok(vec![
        image("frame", frame),
        json("other", other),
        image("red", &red),
        image("again", frame),
    ])
}

/// The outputs of all results without the times in them.
fn outputs(mut results: Vec<Value>) -> Vec<Value> {
    for result in &mut results {
        assert_eq!(errors(result), [""; 0]);
        for name in ["frame", "red", "again"] {
            let metadata = &mut result["serialized_output_data"][name]["video_metadata"];
            metadata.as_object_mut().unwrap().remove("frame_timestamp");
            metadata.as_object_mut().unwrap().remove("measured_fps");
        }
    }
    let outputs = |result: &Value| result["serialized_output_data"].clone();
    results.iter().map(outputs).collect()
}

#[test]
fn pictures_behind_the_json_are_those_of_base64_and_only_for_who_agreed() {
    let worker = worker(|frame, _| pictures(frame, json!({"type": "something"})));
    let mut seen = Vec::new();
    for features in [&["raw_image"][..], &["ledger"], &[]] {
        let mut client = Client::start(&worker, |body| {
            body["data_output"] = json!(["frame", "other", "red", "again"]);
            agrees(body, features);
        });
        client.upload(video::small(), 49152);
        let (results, _) = client.results();
        let raw = if features.contains(&"raw_image") {
            video::FRAMES
        } else {
            0
        };
        assert_eq!(client.raw_results, raw);
        seen.push(outputs(results));
    }
    assert_eq!(seen[0].len(), video::FRAMES);
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0], seen[2]);
}

#[test]
fn a_value_that_looks_like_a_picture_is_never_taken_for_one() {
    let worker = worker(|frame, metadata| {
        let odd = metadata.frame_number % 2 == 1;
        let kind = if odd { "raw" } else { "raw " };
        pictures(
            frame,
            json!([{"type": kind, "format": "jpeg", "offset": 0, "length": 9}]),
        )
    });
    let mut client = Client::start(&worker, |body| {
        body["data_output"] = json!(["frame", "other", "red", "again"]);
        agrees(body, &["raw_image"]);
    });
    client.upload(video::small(), 49152);
    let (results, _) = client.results();
    assert_eq!(results.len(), video::FRAMES);
    assert_eq!(
        client.raw_results,
        video::FRAMES / 2,
        "the others have base64"
    );
    for (index, outputs) in outputs(results).iter().enumerate() {
        let kind = if index % 2 == 0 { "raw" } else { "raw " };
        assert_eq!(outputs["other"][0]["type"], kind);
        assert_eq!(outputs["frame"]["type"], "base64");
        assert_eq!(outputs["frame"], outputs["again"]);
    }
}

#[test]
fn a_message_without_pictures_is_the_json_it_always_was() {
    let worker = worker(|frame, _| pictures(frame, Value::Null));
    let mut client = Client::start(&worker, |body| {
        body["data_output"] = json!(["frame"]);
        agrees(body, &["raw_image"]);
    });
    client.acks = false;
    client.control("{\"ack\": 1}");
    client.upload(video::small(), 49152);
    client.result();
    client.result(); // frame 2 was allowed already
    assert_eq!(client.raw_results, 2);
    for (id, names) in [(2, json!([])), (3, json!(["*"])), (4, json!(["other"]))] {
        client.control(&json!({"data_output": names, "ack": id}).to_string());
        client.result();
        assert_eq!(client.raw_results, 2, "{names}");
    }
    client.control(&json!({"data_output": ["red"], "ack": 5}).to_string());
    let result = client.result();
    assert_eq!(client.raw_results, 3);
    assert_eq!(result["serialized_output_data"]["red"]["type"], "base64");
}
