//! Pictures behind the JSON: for clients that agreed, and never for others.

use framewire_media::{Bgr, Frame, FramePool};
use framewire_protocol::ack::OWN_ACK_WINDOW;
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
    let worker = worker(|frame, _| pictures(frame, json!(7)));
    for (without, null) in [(json!([]), true), (json!(["*"]), false)] {
        let mut client = Client::start(&worker, |body| {
            body["data_output"] = json!(["frame"]);
            agrees(body, &["raw_image"]);
        });
        client.upload(video::small(), 49152);
        let mut modes = [without, json!(["red"])].into_iter();
        let mut seen = Vec::new();
        for number in 1..=video::FRAMES {
            let before = client.raw_results;
            let outputs = client.result()["serialized_output_data"].take();
            let has = |name: &str| outputs[name]["type"] == "base64";
            let raw = client.raw_results - before;
            assert_eq!(raw, usize::from(has("frame") || has("red")));
            seen.push((has("frame"), has("red"), outputs.is_null()));
            // Further apart than the worker is ahead.
            if number % (OWN_ACK_WINDOW as usize + 1) == 0
                && let Some(mode) = modes.next()
            {
                client.control(&json!({"data_output": mode}).to_string());
            }
        }
        seen.dedup();
        let (before, after) = ((true, false, false), (false, true, false));
        assert_eq!(seen, [before, (false, false, null), after]);
    }
}
