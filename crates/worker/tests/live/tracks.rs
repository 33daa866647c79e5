//! The client's own track as the source: what comes back, with which numbers and timestamps.

use framewire_transport::{VideoCodec, VideoConfig};
use serde_json::{Value, json};

use crate::camera::{Camera, START, STEP, only};
use crate::common::http::get;
use crate::common::peer::errors;
use crate::common::{PATIENCE, worker};

#[test]
fn frames_of_the_clients_track_come_back_with_their_timestamps_and_numbers() {
    let worker = worker();
    for codec in [VideoCodec::Vp8, VideoCodec::H264] {
        // Dropped at the end of the turn, which closes the session.
        let mut camera = Camera::start(&worker, only(codec), |_| {});
        for index in 0..30 {
            let back = camera.round_trip(index);
            assert_eq!(back.index(), index, "{codec}");
            assert_eq!(back.counter(), index, "{codec}");
        }
        for id in 1..=30u32 {
            let result = camera.client.result();
            assert_eq!(errors(&result), [""; 0]);
            let metadata = &result["video_metadata"];
            assert_eq!(metadata["frame_id"], id);
            assert_eq!(
                metadata["pts"],
                (id - 1) * STEP,
                "from 0 on, across the wrap"
            );
            assert!((metadata["time_base"].as_f64().unwrap() - 1.0 / 90_000.0).abs() < 1e-12);
            assert_eq!(
                (&metadata["width"], &metadata["height"]),
                (&json!(640), &json!(480))
            );
            assert_eq!(
                metadata.get("fw"),
                None,
                "an original never sees the ledger"
            );
        }
    }
    assert!(worker.wait_idle(PATIENCE), "closed sessions end");
    let stats = worker.stats();
    assert_eq!((stats.frames, stats.video_frames), (60, 60));
    assert!(
        stats.dropped.iter().all(|(_, count)| *count == 0),
        "{stats:?}"
    );
}

#[test]
fn a_camera_that_leaves_is_never_taken_for_a_source_that_is_done() {
    let worker = worker();
    for _ in 0..20 {
        let mut camera = Camera::start(&worker, VideoConfig::default(), |_| {});
        camera.round_trip(0);
    }
    assert!(worker.wait_idle(PATIENCE), "closed sessions end");
    let stats = worker.stats();
    assert_eq!((stats.sessions_started, stats.sessions_completed), (20, 0));
}

#[test]
fn the_ledger_names_the_frame_and_where_its_time_went_to_those_who_ask() {
    let worker = worker();
    let agreement = json!({"v": 1, "features": ["ledger"]});
    let mut camera = Camera::start(&worker, VideoConfig::default(), |body| {
        body["framewire"] = agreement;
    });
    for index in 0..5 {
        camera.round_trip(index);
        let result = camera.client.result();
        let times = &result["video_metadata"]["fw"];
        assert_eq!(times["rtp_ts"], START.wrapping_add(index * STEP));
        for known in ["received_us", "queue_us", "decode_us", "infer_us"] {
            assert!(times[known].is_u64(), "{known}: {times}");
        }
        assert_eq!(
            (&times["encode_us"], &times["send_us"]),
            (&Value::Null, &Value::Null)
        );
    }
}

#[test]
fn metrics_show_frames_by_source_stages_and_the_running_tracks() {
    let worker = worker();
    let mut camera = Camera::start(&worker, VideoConfig::default(), |_| {});
    for index in 0..5 {
        camera.round_trip(index);
    }
    let text = get(worker.local_addr(), "/metrics").body;
    for line in [
        "framewire_sessions_started_total{source=\"track\"} 1",
        "framewire_source_frames_decoded_total{source=\"track\"} 5",
        "framewire_frames_dropped_total{reason=\"slow_workflow\"} 0",
        "framewire_video_frames_dropped_total{reason=\"no_room\"} 0",
    ] {
        assert!(text.contains(&format!("\n{line}\n")), "{line} in {text}");
    }
    for start in [
        "framewire_stage_duration_seconds_sum{stage=\"encode\"}",
        "framewire_track_target_bytes_per_second",
    ] {
        let value = text.lines().find_map(|line| line.strip_prefix(start));
        let value: f64 = value.expect(start).trim().parse().unwrap();
        assert!(value > 0.0, "{start}");
    }
}
