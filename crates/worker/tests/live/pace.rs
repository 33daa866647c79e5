//! Which frames are processed when, and what silence and loss do.

use std::time::{Duration, Instant};

use framewire_transport::{DataConfig, PeerConfig, VideoCodec, VideoConfig};
use serde_json::{Value, json};

use crate::camera::{Camera, only, passthrough};
use crate::common::peer::{Client, errors};
use crate::common::{PATIENCE, deadline, worker, worker_with};

/// A workflow that takes tens of milliseconds: the same small model many times over.
fn slow(body: &mut Value) {
    let step = |n| {
        json!({
            "type": "roboflow_core/roboflow_classification_model@v2",
            "name": format!("step{n}"),
            "images": "$inputs.image",
            "model_id": "tiny/colors",
        })
    };
    let steps: Vec<Value> = (0..200).map(step).collect();
    body["workflow_configuration"]["workflow_specification"]["steps"] = json!(steps);
    body["framewire"] = json!({"v": 1, "features": ["ledger"]});
}

#[test]
fn the_newest_frame_wins_when_the_workflow_is_slow_and_none_waits_long() {
    const FRAMES: u32 = 60;
    let models = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/models");
    let worker = worker_with(|config| config.models_dir = Some(models));
    let mut camera = Camera::start(&worker, VideoConfig::default(), slow);
    let mut last = None;
    let mut count = 0;
    let skipped = || {
        let dropped = worker.stats().dropped;
        let slow = dropped
            .iter()
            .find(|(reason, _)| *reason == "slow_workflow");
        slow.expect("the reason exists").1
    };
    let end = deadline();
    let mut index = 0;
    // Faster than the workflow, however busy the machine is: until frames had to give way.
    while index < FRAMES || skipped() == 0 {
        assert!(
            Instant::now() < end,
            "the workflow is slower than the frames"
        );
        camera.send(index);
        index += 1;
        while let Some(back) = camera.back_before(Instant::now() + Duration::from_millis(4)) {
            assert!(last < Some(back.index()), "in order");
            last = Some(back.index());
            count += 1;
        }
    }
    while last != Some(index - 1) {
        let back = camera.back();
        assert!(last < Some(back.index()), "in order");
        last = Some(back.index());
        count += 1;
    }
    assert!(count < index);
    for _ in 0..count {
        let result = camera.client.result();
        let times = &result["video_metadata"]["fw"];
        let (queue, infer) = (
            times["queue_us"].as_u64().unwrap(),
            times["infer_us"].as_u64().unwrap(),
        );
        assert!(
            queue < 3 * infer + 200_000,
            "waited {queue} us for a workflow of {infer} us"
        );
    }
}

#[test]
fn a_stream_that_begins_in_the_middle_is_asked_for_a_keyframe() {
    let worker = worker();
    for codec in [VideoCodec::Vp8, VideoCodec::H264] {
        let mut camera = Camera::start(&worker, only(codec), |_| {});
        assert!(
            camera.track.take_keyframe_request(),
            "true once after connecting"
        );
        let _lost = camera.encode(0, true);
        let end = deadline();
        let mut index = 1;
        while !camera.track.take_keyframe_request() {
            let data = camera.encode(index, false);
            camera.send_encoded(index, data);
            index += 1;
            assert!(
                camera
                    .back_before(Instant::now() + Duration::from_millis(20))
                    .is_none()
            );
            assert!(Instant::now() < end, "no keyframe was asked for");
        }
        let data = camera.encode(index, true);
        camera.send_encoded(index, data);
        assert_eq!(camera.back().counter(), index, "{codec}");
    }
}

#[test]
fn silence_in_the_middle_is_no_end() {
    let worker = worker_with(|config| config.limits.first_frame = Duration::from_millis(400));
    let mut camera = Camera::start(&worker, VideoConfig::default(), |_| {});
    camera.round_trip(0);
    let silence = Instant::now() + Duration::from_millis(1500);
    assert!(camera.back_before(silence).is_none());
    assert_eq!(camera.round_trip(1).counter(), 1);
}

#[test]
fn a_track_that_never_brings_a_usable_frame_ends_with_the_step_that_failed() {
    let worker = worker_with(|config| config.limits.first_frame = Duration::from_millis(600));
    let mut silent = Camera::start(&worker, VideoConfig::default(), |_| {});
    let (results, completion) = silent.client.results();
    assert!(results.is_empty());
    let text = errors(&completion).join(" ");
    assert!(
        text.contains("no video frame came on the client's track within 600ms"),
        "{text}"
    );
    let mut headless = Camera::start(&worker, only(VideoCodec::Vp8), |_| {});
    let _lost = headless.encode(0, true);
    for index in 1..5 {
        let data = headless.encode(index, false);
        headless.send_encoded(index, data);
    }
    let (_, completion) = headless.client.results();
    let text = errors(&completion).join(" ");
    assert!(text.contains("no keyframe to start with"), "{text}");
}

#[test]
fn the_processing_timeout_fires_while_no_frame_comes() {
    let worker = worker_with(|config| config.env.shutdown_reserve = Duration::from_millis(800));
    let mut camera = Camera::start(&worker, VideoConfig::default(), |body| {
        body["processing_timeout"] = json!(1);
    });
    let (_, completion) = camera.client.results();
    assert_eq!(completion["termination_reason"], "timeout_reached");
}

#[test]
fn a_slow_data_channel_costs_results_and_never_holds_up_the_video() {
    const FRAMES: u32 = 400;
    let worker = worker_with(|config| config.env.buffer_limit = 64 * 1024);
    let narrow = |config: &mut PeerConfig| {
        config.video = Some(VideoConfig::default());
        config.inbound_limit = 64 * 1024;
        config.data = DataConfig::default().with_receive_window(1 << 20);
    };
    let client = Client::with_config(
        &worker,
        &["inference"],
        &[],
        |body| {
            passthrough(body);
            body["data_output"] = json!(["picture"]);
        },
        narrow,
    );
    let client = client.unwrap_or_else(|refused| panic!("refused: {}", refused.body));
    let mut camera = Camera::of(client);
    for index in 0..FRAMES {
        assert_eq!(
            camera.round_trip(index).index(),
            index,
            "nothing is read from the channel meanwhile"
        );
    }
    drop(camera);
    assert!(worker.wait_idle(PATIENCE), "closed sessions end");
    let stats = worker.stats();
    let lost = stats
        .dropped
        .iter()
        .find(|(reason, _)| *reason == "slow_channel")
        .unwrap()
        .1;
    assert!(lost > 0, "{stats:?}");
    assert_eq!(stats.video_frames, u64::from(FRAMES));
}
