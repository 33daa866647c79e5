//! `framewire run` with the embedded worker: what it writes, how it ends, what it says about bad input.

mod common;

use std::io::Read;
use std::process::Stdio;

use common::*;
use serde_json::Value;

#[test]
fn the_demo_writes_every_frame_every_line_and_a_summary() {
    let dir = tempfile::tempdir().unwrap();
    let (video, data, summary) = (
        dir.path().join("b.mp4"),
        dir.path().join("b.jsonl"),
        dir.path().join("s.json"),
    );
    let output = run(&[
        &clip(),
        "--out-video",
        video.to_str().unwrap(),
        "--out-data",
        data.to_str().unwrap(),
        "--summary",
        summary.to_str().unwrap(),
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", last_line(&output));
    assert_eq!(count_frames(&video), CLIP_FRAMES);

    let lines = json_lines(&data);
    let ids: Vec<u64> = lines
        .iter()
        .map(|line| line["frame_id"].as_u64().unwrap())
        .collect();
    assert_eq!(ids, (1..=CLIP_FRAMES as u64).collect::<Vec<_>>());
    let keys: Vec<&String> = lines[0].as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        [
            "frame_id",
            "pts",
            "time_base",
            "received_at",
            "data",
            "errors"
        ]
    );
    let cars = lines.iter().filter(|line| {
        let predictions = line["data"]["predictions"]["predictions"]
            .as_array()
            .unwrap();
        predictions
            .iter()
            .any(|prediction| prediction["class"] == "Car")
    });
    assert!(cars.count() > 50);
    assert!(
        lines
            .iter()
            .all(|line| line["errors"] == serde_json::json!([]))
    );

    let summary = json_file(&summary);
    assert_eq!(summary["ended"], "complete");
    assert_eq!(
        summary["frames"],
        serde_json::json!({"produced": 250, "delivered": 250, "dropped": {}})
    );
    assert_eq!(
        (&summary["source"], &summary["api_url"]),
        (&"bikes.mp4".into(), &"embedded".into())
    );
    assert_eq!(
        (&summary["results"], &summary["errors"]),
        (&250.into(), &0.into())
    );
    assert_eq!(summary["latency_ms"], Value::Null);
    assert!(summary["upload"]["bytes"].as_u64().unwrap() > 500_000);
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        table.contains("frames per second") && table.contains("detections: Car"),
        "{table}"
    );
}

#[test]
fn boxes_are_drawn_and_keep_the_sources_timing() {
    let dir = tempfile::tempdir().unwrap();
    let (drawn, plain) = (dir.path().join("drawn.mp4"), dir.path().join("plain.mp4"));
    for (path, option) in [(&drawn, "--draw"), (&plain, "--no-draw")] {
        let output = run(&[&clip(), "--out-video", path.to_str().unwrap(), option]);
        assert_eq!(output.status.code(), Some(0), "{}", last_line(&output));
    }
    let mut differing = 0;
    let open =
        |path: &std::path::Path| framewire_media::Decoder::open(path, Default::default()).unwrap();
    let (mut drawn, mut plain, mut source) = (open(&drawn), open(&plain), open(clip().as_ref()));
    while let Some(left) = drawn.next_frame().unwrap() {
        let (right, original) = (
            plain.next_frame().unwrap().unwrap(),
            source.next_frame().unwrap().unwrap(),
        );
        let apart = left
            .plane(0)
            .rows()
            .zip(right.plane(0).rows())
            .any(|(a, b)| {
                a.iter()
                    .zip(b)
                    .filter(|(a, b)| a.abs_diff(**b) > 60)
                    .count()
                    > 10
            });
        differing += usize::from(apart);
        let (here, there) = (
            left.timing().seconds().unwrap(),
            original.timing().seconds().unwrap(),
        );
        assert!(
            (here - there).abs() < 0.002,
            "{here} s instead of {there} s"
        );
    }
    assert!(differing > 50, "boxes on {differing} frames");
}

#[test]
fn unusable_input_is_status_2_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let text = file("text.mp4", b"this is not a video\n");
    let empty = file("empty.mp4", b"");
    let missing = dir.path().join("missing.mp4").to_str().unwrap().to_owned();
    let folder = dir.path().to_str().unwrap().to_owned();
    let no_json = file("w.json", b"{");
    let unwritable = dir
        .path()
        .join("no/such/folder/o.mp4")
        .to_str()
        .unwrap()
        .to_owned();
    let clip = clip();
    let cases: [(&[&str], &str); 12] = [
        (&[&missing], "missing.mp4"),
        (&[&empty], "empty"),
        (&[&text], "text.mp4"),
        (&[&folder], "regular file"),
        (&[&clip, "--workflow", &no_json], "w.json"),
        (&[&clip, "--out-video", &unwritable], "o.mp4"),
        (
            &[
                &clip,
                "--model",
                "no/such/model",
                "--task-type",
                "object-detection",
            ],
            "no/such/model",
        ),
        (&["gopher://camera"], "gopher"),
        (&["webcam:front"], "webcam:N"),
        (&["test:640@30"], "WIDTHxHEIGHT"),
        (&["webcam:/dev/no-such-camera"], "/dev/no-such-camera"),
        (
            &[&clip, "--out-data", "-", "--summary", "-"],
            "standard output",
        ),
    ];
    for (args, word) in cases {
        let output = run(args);
        assert_eq!(
            output.status.code(),
            Some(2),
            "{args:?}: {}",
            last_line(&output)
        );
        assert!(
            last_line(&output).contains(word),
            "{args:?}: {}",
            last_line(&output)
        );
    }
}

#[test]
fn a_summary_is_written_whatever_happens() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.json");
    let output = run(&["/no/such/file.mp4", "--summary", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    let summary = json_file(&path);
    assert_eq!(summary["ended"], "error");
    assert!(summary["error"].as_str().unwrap().contains("file.mp4"));
}

#[test]
fn max_frames_ends_early_and_well() {
    let dir = tempfile::tempdir().unwrap();
    let (video, summary) = (dir.path().join("v.mp4"), dir.path().join("s.json"));
    let output = run(&[
        &clip(),
        "--max-frames",
        "17",
        "--out-video",
        video.to_str().unwrap(),
        "--summary",
        summary.to_str().unwrap(),
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", last_line(&output));
    let summary = json_file(&summary);
    assert_eq!(
        (&summary["ended"], &summary["frames"]["delivered"]),
        (&"closed".into(), &17.into())
    );
    let dropped: u64 = summary["frames"]["dropped"]
        .as_object()
        .unwrap()
        .values()
        .map(|n| n.as_u64().unwrap())
        .sum();
    assert_eq!(
        summary["frames"]["produced"].as_u64().unwrap(),
        17 + dropped
    );
    assert_eq!(count_frames(&video), 17);
}

#[test]
fn a_timeout_is_a_good_end() {
    let dir = tempfile::tempdir().unwrap();
    let summary = dir.path().join("s.json");
    let output = run(&[
        &clip(),
        "--realtime",
        "--timeout",
        "2",
        "--summary",
        summary.to_str().unwrap(),
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", last_line(&output));
    assert_eq!(json_file(&summary)["ended"], "timeout");
}

#[test]
fn interrupted_runs_leave_playable_files_and_their_own_status() {
    use rustix::process::Signal;
    for (signal_sent, status) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let dir = tempfile::tempdir().unwrap();
        let (video, summary) = (dir.path().join("v.mp4"), dir.path().join("s.json"));
        let mut child = framewire()
            .args(["run", &clip(), "--realtime", "--out-data", "-"])
            .arg("--out-video")
            .arg(&video)
            .arg("--summary")
            .arg(&summary)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut rest = after_lines(&mut child, 20);
        signal(&child, signal_sent);
        std::io::copy(&mut rest, &mut std::io::sink()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(status), "{}", last_line(&output));
        assert_eq!(json_file(&summary)["ended"], "interrupted");
        assert!(count_frames(&video) >= 10);
    }
}

#[test]
fn a_closed_stdout_is_a_good_end() {
    let mut child = framewire()
        .args(["run", &clip(), "--realtime", "--out-data", "-"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(after_lines(&mut child, 3));
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", last_line(&output));
}

#[test]
fn data_lines_hold_pictures_only_when_kept() {
    let dir = tempfile::tempdir().unwrap();
    let workflow = crop_workflow(dir.path());
    for (keep, pictures) in [(false, 0), (true, 3)] {
        let mut command = framewire();
        command.args([
            "run",
            &clip(),
            "--data-output",
            "crop",
            "--max-frames",
            "3",
            "--out-data",
            "-",
            "--workflow",
        ]);
        command.arg(&workflow);
        if keep {
            command.arg("--keep-images");
        }
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", last_line(&output));
        let found = String::from_utf8(output.stdout)
            .unwrap()
            .matches("\"base64\"")
            .count();
        assert_eq!(found, pictures);
    }
}

#[test]
fn version_names_the_libraries_in_use() {
    let output = framewire().arg("--version").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("FFmpeg: ") && text.contains("ONNX Runtime: "),
        "{text}"
    );
    let mut help = String::new();
    framewire()
        .arg("--help")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
        .stdout
        .unwrap()
        .read_to_string(&mut help)
        .unwrap();
    assert!(help.contains("serve") && help.contains("bench"));
}
