//! `framewire run` with live sources and the embedded worker: what comes back, how it ends, what the summary says.

mod common;

use common::*;
use serde_json::{Value, json};

/// The whole 640x480 picture as it came.
fn whole_picture(dir: &std::path::Path) -> String {
    let path = dir.join("whole.json");
    let definition = json!({
        "version": "1.0",
        "inputs": [{"type": "InferenceImage", "name": "image"}],
        "steps": [{
            "type": "roboflow_core/absolute_static_crop@v1", "name": "crop", "images": "$inputs.image",
            "x_center": 320, "y_center": 240, "width": 640, "height": 480,
        }],
        "outputs": [{"type": "JsonField", "name": "crop", "selector": "$steps.crop.crops"}],
    });
    std::fs::write(&path, definition.to_string()).unwrap();
    path.to_str().unwrap().to_owned()
}

fn live(source: &str, options: &[&str]) -> (std::process::Output, Value) {
    let dir = tempfile::tempdir().unwrap();
    let summary = dir.path().join("s.json");
    let workflow = whole_picture(dir.path());
    let common = [source, "--workflow", &workflow, "--stream-output", "crop"];
    let files = ["--summary", summary.to_str().unwrap()];
    let output = run(&[&common[..], &files, options].concat());
    (output, json_file(&summary))
}

#[test]
fn test_pictures_end_complete_and_the_summary_tells_where_the_time_went() {
    let (output, summary) = live("test:640x480@30,frames=90", &[]);
    assert_eq!(output.status.code(), Some(0), "{}", last_line(&output));
    assert_eq!(summary["ended"], "complete");
    let frames = &summary["frames"];
    let dropped: u64 = frames["dropped"]
        .as_object()
        .unwrap()
        .values()
        .filter_map(Value::as_u64)
        .sum();
    let count = |name: &str| frames[name].as_u64().unwrap();
    assert_eq!(count("produced"), count("delivered") + dropped);
    assert!(count("delivered") >= 60, "{frames}");
    let paired = &summary["pairing"];
    assert_eq!(paired["nearest"], 0, "our own worker names the RTP time");
    assert!(paired["exact"].as_u64().unwrap() * 10 >= count("delivered") * 9);
    for stage in [
        "capture", "encode", "send", "network", "worker", "receive", "decode", "deliver", "total",
    ] {
        let stage = &summary["stages_ms"][stage];
        assert!(stage["n"].as_u64().unwrap() > 30, "{stage}");
        assert!(stage["p50"].as_f64().unwrap() <= stage["p99"].as_f64().unwrap());
    }
    assert!(summary["latency_ms"]["p50"].as_f64().unwrap() > 0.0);
}

#[test]
fn a_camera_is_recorded_until_enough_frames_came() {
    let dir = tempfile::tempdir().unwrap();
    let video = dir.path().join("camera.mp4");
    let camera = "webcam:lavfi:testsrc2=size=640x480:rate=30";
    let options = ["--max-frames", "45", "--out-video", video.to_str().unwrap()];
    let (output, summary) = live(camera, &options);
    assert_eq!(output.status.code(), Some(0), "{}", last_line(&output));
    assert_eq!(summary["ended"], "closed");
    assert_eq!(summary["frames"]["delivered"], 45);
    assert_eq!(count_frames(&video), 45);
}

#[test]
fn a_camera_that_ends_ends_the_run() {
    let (output, summary) = live("webcam:lavfi:testsrc2=size=640x480:rate=30:duration=2", &[]);
    assert!(summary["frames"]["delivered"].as_u64().unwrap() > 30);
    assert!(
        matches!(output.status.code(), Some(0 | 1)),
        "{}",
        last_line(&output)
    );
}

#[test]
fn a_file_comes_back_on_a_track_frame_by_frame() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("d.jsonl");
    let summary = dir.path().join("s.json");
    let output = run(&[
        &clip(),
        "--frames",
        "track",
        "--out-data",
        data.to_str().unwrap(),
        "--summary",
        summary.to_str().unwrap(),
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", last_line(&output));
    let summary = json_file(&summary);
    assert_eq!(summary["results"], CLIP_FRAMES as u64);
    assert_eq!(json_lines(&data).len(), CLIP_FRAMES);
    assert!(summary["frames"]["delivered"].as_u64().unwrap() >= CLIP_FRAMES as u64 - 5);
    assert_eq!(summary["pairing"]["unpaired"], 0);
}

#[test]
fn cameras_that_cannot_be_reached_are_named_without_their_password() {
    // Bound and not listening: nobody else can have the port, and nobody answers.
    let held = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = held.local_addr().unwrap().port();
    for options in [&["--local"][..], &[]] {
        let source = format!("rtsp://me:hunter2@127.0.0.1:{port}/camera");
        let (output, summary) = live(&source, options);
        assert!(
            matches!(output.status.code(), Some(2 | 3)),
            "{}",
            last_line(&output)
        );
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!said.contains("hunter2") && !summary.to_string().contains("hunter2"));
        assert_eq!(summary["ended"], "error");
    }
}
