//! A client killed in the middle of its upload, and the next one with the same name.

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::*;
use rustix::process::Signal;

const SIZE: u64 = 150 << 20;
/// A multiple of what the scenario takes on a busy machine.
const GUARD: Duration = Duration::from_secs(90);

/// The clip with so much behind it that its upload takes a while.
fn long_clip(folder: &std::path::Path) -> String {
    let mut content = std::fs::read(clip()).unwrap();
    content.extend_from_slice(&[0, 0, 0, 0]);
    content.extend_from_slice(b"free");
    content.resize(SIZE as usize, 0);
    let path = folder.join("long.mp4");
    std::fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

fn metric(url: &str, name: &str) -> u64 {
    let address = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.expect("the metric is there").trim().parse().unwrap()
}

#[test]
fn a_run_after_a_killed_one_sends_only_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let long = long_clip(dir.path());
    let workflow = crop_workflow(dir.path());
    let summary = dir.path().join("s.json");
    let serve = Serve::start(&[]);
    let start = || -> Command {
        let mut command = framewire();
        command.args(["run", &long, "--api-url", &serve.url, "--data-output", "*"]);
        command.args(["--workflow", workflow.to_str().unwrap()]);
        command.args(["--upload-id", "123e4567-e89b-42d3-a456-426614174000"]);
        command.args(["--summary", summary.to_str().unwrap()]);
        command
    };
    let mut first = start().stderr(Stdio::null()).spawn().unwrap();
    let limit = Instant::now() + GUARD;
    while metric(&serve.url, "framewire_upload_bytes_total ") < SIZE / 10 {
        assert!(Instant::now() < limit, "the upload does not get going");
    }
    signal(&first, Signal::KILL);
    first.wait().unwrap();
    let stored = metric(&serve.url, "framewire_upload_bytes_total ");
    assert!(stored < SIZE, "killed in the middle");

    let output = start().output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", last_line(&output));
    let summary = json_file(&summary);
    let upload = &summary["upload"];
    let (sent, there) = (
        upload["bytes"].as_u64().unwrap(),
        upload["resumed_bytes"].as_u64().unwrap(),
    );
    assert_eq!(sent + there, SIZE);
    assert!(there >= SIZE / 10, "{there} bytes were there");
    assert_eq!(
        metric(&serve.url, "framewire_upload_bytes_total "),
        SIZE,
        "no byte twice"
    );
    assert_eq!(metric(&serve.url, "framewire_uploads_resumed_total "), 1);
    assert_eq!(summary["frames"]["produced"], CLIP_FRAMES);
}

#[test]
fn a_name_that_is_none_is_refused_before_anything_is_sent() {
    let clip = clip();
    for (source, id, text) in [
        (clip.as_str(), "mine", "UUID"),
        (
            "test:64x64@30",
            "123e4567-e89b-42d3-a456-426614174000",
            "files",
        ),
    ] {
        let output = run(&[source, "--upload-id", id, "--api-url", "http://127.0.0.1:9"]);
        assert_eq!(output.status.code(), Some(2));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(text), "{said}");
    }
}
