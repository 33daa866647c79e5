//! Whole sessions over real sockets: upload, results, acknowledgements, modes, the end.

mod common;

use common::peer::{Client, Heard, errors};
use common::{PATIENCE, video, worker, worker_with};
use framewire_transport::CloseReason;
use serde_json::{Value, json};
use std::time::Duration;

fn ids(results: &[Value]) -> Vec<u64> {
    let id = |value: &Value| value["video_metadata"]["frame_id"].as_u64().unwrap();
    results.iter().map(id).collect()
}

#[test]
fn a_file_becomes_one_result_for_each_frame_and_a_completion_message() {
    let worker = worker();
    let mut client = Client::start(&worker, |_| {});
    client.upload(video::small(), 1000);
    let (results, completion) = client.results();
    assert_eq!(
        ids(&results),
        (1..=video::FRAMES as u64).collect::<Vec<_>>()
    );
    let first = &results[0];
    assert_eq!(errors(first), [""; 0]);
    let keys: Vec<_> = first["serialized_output_data"]
        .as_object()
        .unwrap()
        .keys()
        .collect();
    assert_eq!(keys, ["crop"]);
    let crop = &first["serialized_output_data"]["crop"];
    assert_eq!(crop["type"], "base64");
    assert_eq!(crop["video_metadata"]["comes_from_video_file"], true);
    assert_eq!(crop["video_metadata"]["total_frames"], video::FRAMES);
    let metadata = &first["video_metadata"];
    assert_eq!(
        (&metadata["width"], &metadata["height"]),
        (&json!(64), &json!(48))
    );
    assert_eq!(metadata["declared_fps"], 25.0);
    assert!(metadata["measured_fps"].as_f64().unwrap() > 0.0);
    let seconds = |value: &Value| {
        let metadata = &value["video_metadata"];
        metadata["pts"].as_f64().unwrap() * metadata["time_base"].as_f64().unwrap()
    };
    assert!((seconds(&results[25]) - seconds(first) - 1.0).abs() < 1e-6);
    assert_eq!(completion["termination_reason"], Value::Null);
    assert_eq!(errors(&completion), [""; 0]);
    assert_eq!(completion["video_metadata"]["frame_id"], video::FRAMES);
    client.peer.close(Duration::from_secs(1));
    assert_eq!(client.closed(), CloseReason::Local);
    assert!(worker.wait_idle(PATIENCE), "the place is free again");
    assert_eq!(worker.stats().sessions_completed, 1);
    assert_eq!(worker.stats().upload_bytes, video::small().len() as u64);
    assert_eq!(worker.stats().upload_bytes_held, 0);
    assert_eq!(worker.stats().frames, video::FRAMES as u64);
}

#[test]
fn the_completion_header_is_one_past_the_last_frame() {
    let worker = worker();
    let mut client = Client::start(&worker, |_| {});
    client.upload(video::small(), 49152);
    loop {
        match client.next() {
            Heard::Result(value, header) => {
                let id = value["video_metadata"]["frame_id"].as_u64().unwrap();
                let completion = value["processing_complete"] == true;
                assert_eq!(u64::from(header), id + u64::from(completion));
                if completion {
                    break;
                }
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn without_acknowledgements_every_frame_still_comes() {
    let worker = worker();
    let mut client = Client::start(&worker, |_| {});
    client.acks = false;
    client.upload(video::small(), 49152);
    let (results, _) = client.results();
    assert_eq!(results.len(), video::FRAMES);
}

#[test]
fn after_the_first_acknowledgement_the_window_holds() {
    let worker = worker_with(|config| config.env.ack_window = Some(3));
    let mut client = Client::start(&worker, |body| body["data_output"] = json!([]));
    client.acks = false;
    // The acknowledgement is there before the first frame, so that the gate is closed from the start.
    client.control("{\"ack\": 1}");
    client.upload(video::small(), 49152);
    let got = ids(&[
        client.result(),
        client.result(),
        client.result(),
        client.result(),
    ]);
    assert_eq!(got, [1, 2, 3, 4]);
    // Frame 5 needs the acknowledgement of 2. The answer to a ping comes after whatever was sent before it.
    client.ping();
    client.acks = true;
    client.control("{\"ack\": 2}");
    assert_eq!(ids(&[client.result()]), [5]);
    client.control("{\"ack\": 4}");
    let (rest, _) = client.results();
    assert_eq!(rest.len(), video::FRAMES - 5);
}

#[test]
fn outputs_change_from_the_next_frame_on() {
    let worker = worker();
    let mut client = Client::start(&worker, |body| body["data_output"] = json!([]));
    client.acks = false;
    client.control("{\"ack\": 1}");
    client.upload(video::small(), 49152);
    let first = client.result();
    assert_eq!(first["serialized_output_data"], Value::Null);
    let mut last = ids(&[client.result()])[0]; // frame 2 was allowed already
    for (names, keys) in [
        (json!(["crop"]), Some(vec!["crop"])),
        (json!(["picture", "crop"]), Some(vec!["picture", "crop"])),
        (json!(["*"]), None),
        (json!([""]), None),
        (json!(["nothing_like_it"]), None),
    ] {
        client.control(&json!({"data_output": names, "ack": last}).to_string());
        let next = client.result();
        last += 1;
        assert_eq!(ids(std::slice::from_ref(&next)), [last]);
        let got = next["serialized_output_data"].as_object();
        let got: Option<Vec<_>> = got.map(|map| map.keys().map(String::as_str).collect());
        assert_eq!(got, keys, "{names}");
        let missing = names == json!(["nothing_like_it"]);
        assert_eq!(errors(&next).len(), usize::from(missing), "{next}");
    }
}

#[test]
fn a_realtime_session_keeps_the_files_pace_and_skips_what_is_late() {
    let worker = worker();
    let mut client = Client::start(&worker, |body| {
        body["webrtc_realtime_processing"] = json!(true);
        body["data_output"] = json!(["picture"]);
    });
    client.upload(video::fast(), 49152);
    let (results, completion) = client.results();
    assert!(
        !results.is_empty() && results.len() <= 120,
        "{}",
        results.len()
    );
    // Ids have no gap: a skipped frame never got one.
    assert_eq!(
        ids(&results),
        (1..=results.len() as u64).collect::<Vec<_>>()
    );
    let pts = |value: &Value| value["video_metadata"]["pts"].as_i64().unwrap();
    assert!(
        results.windows(2).all(|pair| pts(&pair[0]) < pts(&pair[1])),
        "order is kept"
    );
    assert_eq!(errors(&completion), [""; 0]);
    client.peer.close(Duration::ZERO);
    assert!(worker.wait_idle(PATIENCE), "the place is free again");
    let skipped: u64 = worker.stats().dropped.iter().map(|(_, count)| count).sum();
    assert_eq!(results.len() as u64 + skipped, 120);
}

#[test]
fn a_realtime_session_takes_as_long_as_the_video() {
    let worker = worker();
    let begin = std::time::Instant::now();
    let mut client = Client::start(&worker, |body| {
        body["webrtc_realtime_processing"] = json!(true)
    });
    client.upload(video::small(), 49152);
    let (results, _) = client.results();
    assert!(
        begin.elapsed() >= Duration::from_millis(29 * 40),
        "{:?}",
        begin.elapsed()
    );
    assert!(results.len() > video::FRAMES / 2);
}

#[test]
fn a_failing_workflow_is_an_error_of_each_frame_and_not_of_the_session() {
    let worker = worker();
    let mut client = Client::start(&worker, |body| {
        let configuration = &mut body["workflow_configuration"];
        configuration["workflow_specification"]["inputs"] = json!([
            {"type": "WorkflowImage", "name": "image"},
            {"type": "WorkflowParameter", "name": "size", "default_value": 32},
        ]);
        configuration["workflow_specification"]["steps"][0]["width"] = json!("$inputs.size");
        configuration["workflows_parameters"] = json!({"size": "no number"});
    });
    client.upload(video::small(), 49152);
    let (results, completion) = client.results();
    assert_eq!(results.len(), video::FRAMES);
    for result in &results {
        assert_eq!(result["serialized_output_data"], Value::Null);
        assert!(!errors(result).is_empty());
    }
    assert_eq!(errors(&completion), [""; 0]);
}

#[test]
fn gzip_is_used_only_when_switched_on_and_for_peers_known_to_read_it() {
    for (setting, client_is_known, compressed) in [
        (None, true, false),
        (Some(true), true, true),
        (Some(true), false, false),
        (Some(false), true, false),
    ] {
        let worker = worker_with(|config| config.env.gzip = setting);
        let mut client = Client::start(&worker, |body| {
            body["data_output"] = json!(["picture"]);
            if !client_is_known {
                body["workflow_configuration"]["workflows_thread_pool_workers"] = json!(4);
            }
        });
        client.upload(video::small(), 49152);
        let gzip = client.first_body_is_gzip();
        assert_eq!(gzip, compressed, "{setting:?} {client_is_known}");
    }
}

#[test]
fn eight_sessions_at_once_do_not_mix() {
    let worker = worker();
    let mut clients: Vec<_> = (0..8).map(|_| Client::start(&worker, |_| {})).collect();
    for client in &clients {
        client.upload(video::small(), 700);
    }
    for client in &mut clients {
        let (results, _) = client.results();
        assert_eq!(
            ids(&results),
            (1..=video::FRAMES as u64).collect::<Vec<_>>()
        );
    }
    assert_eq!(worker.stats().sessions_started, 8);
}

#[test]
fn a_label_of_another_client_serves_as_result_channel() {
    let worker = worker();
    let channels = ["roboflow-control", "video_upload"];
    let mut client = Client::try_start(&worker, &channels, &[], |_| {}).unwrap();
    client.upload(video::small(), 49152);
    assert_eq!(client.results().0.len(), video::FRAMES);
}
