//! Which outputs of a function travel where, and what becomes of its errors.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use framewire_media::{FramePool, decode_jpeg};
use framewire_protocol::encoding::base64_decode;
use framewire_transport::VideoConfig;
use serde_json::{Value, json};

use crate::camera::Camera;
use crate::common::peer::{Client, errors};
use crate::common::{PATIENCE, video, workflow};
use crate::{image, json, worker};

fn keys(result: &Value) -> Option<Vec<&str>> {
    let outputs = result["serialized_output_data"].as_object()?;
    Some(outputs.keys().map(String::as_str).collect())
}

#[test]
fn pictures_and_values_of_a_function_come_back_and_it_sees_the_frames_metadata() {
    let worker = worker(|frame, metadata| {
        let seen = json!({
            "number": metadata.frame_number, "pts": frame.pts(), "unit": frame.time_base().as_f64(), "fps": metadata.fps,
            "measured": metadata.measured_fps, "file": metadata.comes_from_video_file,
            "total": metadata.total_frames, "parameters": *metadata.parameters,
        });
        let half = frame.crop(&FramePool::default(), 0, 0, 32, 24);
        let half = half.map_err(|error| error.to_string())?.expect("inside");
        Ok(vec![image("half", &half), json("seen", seen)])
    });
    let mut client = Client::start(&worker, |body| {
        body["data_output"] = json!(["half", "seen"]);
        body["workflow_configuration"]["workflows_parameters"] = json!({"threshold": 0.5});
    });
    client.upload(video::small(), 49152);
    let (results, _) = client.results();
    assert_eq!(results.len(), video::FRAMES);
    for (index, result) in results.iter().enumerate() {
        assert_eq!(errors(result), [""; 0]);
        assert_eq!(keys(result).unwrap(), ["half", "seen"]);
        let output = &result["serialized_output_data"];
        assert_eq!(output["half"]["video_metadata"]["frame_number"], index + 1);
        let jpeg = base64_decode(output["half"]["value"].as_str().unwrap().as_bytes()).unwrap();
        let picture = decode_jpeg(&jpeg, &FramePool::default()).unwrap();
        assert_eq!((picture.width(), picture.height()), (32, 24));
        let seen = &output["seen"];
        assert_eq!(seen["number"], index + 1);
        assert_eq!(seen["pts"], result["video_metadata"]["pts"]);
        assert_eq!(seen["unit"], result["video_metadata"]["time_base"]);
        assert_eq!(seen["fps"], 25.0);
        assert_eq!(seen["measured"], result["video_metadata"]["measured_fps"]);
        assert_eq!(seen["file"], true);
        assert_eq!(seen["total"], video::FRAMES);
        assert_eq!(seen["parameters"], json!({"threshold": 0.5}));
    }
}

#[test]
fn any_specification_is_accepted_and_outputs_are_chosen_by_name_as_with_workflows() {
    let worker = worker(|frame, metadata| {
        let count = json("count", metadata.frame_number);
        Ok(vec![
            image("picture", frame),
            count,
            json("none", Value::Null),
        ])
    });
    let kind = "WorkflowConfiguration";
    let by_id = json!({"type": kind, "workspace_name": "w", "workflow_id": "not-here"});
    let inline = json!({"type": kind, "workflow_specification": workflow()});
    for configuration in [inline, by_id, json!({"type": kind})] {
        let mut client = Client::start(&worker, |body| {
            body["workflow_configuration"] = configuration;
            body["data_output"] = json!(["*"]);
        });
        client.acks = false;
        client.control("{\"ack\": 1}");
        client.upload(video::small(), 49152);
        let first = client.result();
        assert_eq!(
            keys(&first).unwrap(),
            ["count", "none"],
            "no pictures in all"
        );
        client.result(); // frame 2 was allowed already
        for (id, names, chosen) in [
            (2, json!(["picture"]), Some(vec!["picture"])),
            (3, json!([]), None),
            (4, json!(["count", "nothing"]), Some(vec!["count"])),
        ] {
            client.control(&json!({"data_output": names, "ack": id}).to_string());
            let result = client.result();
            assert_eq!(keys(&result), chosen);
            let unknown: &[&str] = if id == 4 {
                &["Output 'nothing' not found"]
            } else {
                &[]
            };
            assert_eq!(errors(&result), unknown);
        }
    }
    assert_eq!(worker.stats().sessions_started, 3);
}

#[test]
fn an_error_and_a_panic_belong_to_their_frame_and_the_session_goes_on() {
    let worker = worker(|_, metadata| match metadata.frame_number % 3 {
        0 => Err(format!("no luck with {}", metadata.frame_number)),
        1 => panic!("bad luck with {}", metadata.frame_number),
        _ => Ok(vec![json("count", metadata.frame_number)]),
    });
    let mut client = Client::start(&worker, |body| body["data_output"] = json!(["count"]));
    client.upload(video::small(), 49152);
    let (results, completion) = client.results();
    assert_eq!(results.len(), video::FRAMES);
    for (index, result) in results.iter().enumerate() {
        let number = index + 1;
        let text = match number % 3 {
            0 => format!("no luck with {number}"),
            1 => format!("the processor panicked: bad luck with {number}"),
            _ => {
                assert_eq!(errors(result), [""; 0]);
                assert_eq!(result["serialized_output_data"]["count"], number);
                continue;
            }
        };
        assert_eq!(errors(result), [text]);
        assert_eq!(result["serialized_output_data"], Value::Null);
    }
    assert_eq!(errors(&completion), [""; 0]);
    client.peer.close(std::time::Duration::ZERO);
    assert!(worker.wait_idle(PATIENCE));
    assert_eq!(worker.stats().sessions_completed, 1);
}

#[test]
fn the_streamed_picture_is_found_on_the_first_frame_and_a_function_runs_once_for_each() {
    let calls = Arc::new(AtomicU64::new(0));
    let counted = calls.clone();
    let worker = worker(move |frame, _| {
        let call = counted.fetch_add(1, Ordering::Relaxed) + 1;
        let small = frame.crop(&FramePool::default(), 0, 0, 64, 32);
        let small = small.map_err(|error| error.to_string())?.expect("inside");
        Ok(vec![
            json("call", call),
            image("small", &small),
            image("whole", frame),
        ])
    });
    let mut camera = Camera::start(&worker, VideoConfig::default(), |body| {
        body["stream_output"] = Value::Null;
        body["data_output"] = json!(["call"]);
    });
    let back = camera.round_trip(0);
    assert_eq!((back.frame.width(), back.frame.height()), (64, 32));
    let result = camera.client.result();
    assert_eq!(result["serialized_output_data"]["call"], 1);
    assert_eq!(
        calls.load(Ordering::Relaxed),
        1,
        "detection costs no second call"
    );
    camera.client.control("{\"stream_output\": [\"whole\"]}");
    let mut index = 1;
    while camera.round_trip(index).frame.width() != 640 {
        index += 1;
    }
    camera.client.control("{\"stream_output\": [\"nothing\"]}");
    loop {
        index += 1;
        camera.round_trip(index);
        let result = camera.client.result();
        if !errors(&result).is_empty() {
            assert_eq!(errors(&result).len(), 4, "{result}");
            assert!(errors(&result)[0].contains("nothing"), "{result}");
            break;
        }
    }
}
