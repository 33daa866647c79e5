//! `framewire run` against workers that are elsewhere, absent, silent, refusing or dying.

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use common::*;
use rustix::process::Signal;

/// `framewire run` of the clip with the real detector on the worker at `url`.
fn detect_at(url: &str) -> Command {
    let mut command = framewire();
    command.args(["run", &clip(), "--api-url", url]);
    command.args([
        "--model",
        "ssd-mobilenetv2-oidv4",
        "--task-type",
        "object-detection",
    ]);
    command
}

fn run_against(url: &str, more: &[&str]) -> Output {
    detect_at(url)
        .args(more)
        .output()
        .expect("the binary starts")
}

#[test]
fn two_processes_do_the_whole_job() {
    let serve = Serve::start(&[]);
    let dir = tempfile::tempdir().unwrap();
    let summary = dir.path().join("s.json");
    let clip = clip();
    // Without a task type the worker is asked for it.
    let output = run(&[
        &clip,
        "--api-url",
        &serve.url,
        "--model",
        "ssd-mobilenetv2-oidv4",
        "--summary",
        summary.to_str().unwrap(),
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", last_line(&output));
    let summary = json_file(&summary);
    assert_eq!(summary["frames"]["delivered"], CLIP_FRAMES);
    assert_eq!(summary["api_url"], serve.url.as_str());
}

#[test]
fn a_dead_host_is_status_3_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let output = run_against(&url, &[]);
    assert_eq!(output.status.code(), Some(3), "{}", last_line(&output));
    assert!(
        last_line(&output).contains("no worker at"),
        "{}",
        last_line(&output)
    );
}

#[test]
fn a_silent_host_is_status_3() {
    // Accepts connections and never answers. The promise is 10 s.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let start = Instant::now();
    let output = run_against(&url, &[]);
    assert_eq!(output.status.code(), Some(3), "{}", last_line(&output));
    assert!(start.elapsed() < Duration::from_secs(30));
}

/// Answers every request with `response` until the test ends.
fn responder(response: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = vec![0; 65536];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(response.as_bytes());
        }
    });
    url
}

#[test]
fn refusals_name_status_and_message() {
    let url = responder(
        "HTTP/1.1 500 Oops\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: 30\r\n\r\n{\"message\": \"out of sprockets\"}",
    );
    let output = run_against(&url, &[]);
    assert_eq!(output.status.code(), Some(3), "{}", last_line(&output));
    assert!(last_line(&output).contains("500"), "{}", last_line(&output));
}

#[test]
fn a_workflow_the_worker_refuses_is_unusable_input() {
    let serve = Serve::start(&[]);
    let dir = tempfile::tempdir().unwrap();
    let workflow = crop_workflow(dir.path());
    let clip = clip();
    let args = [
        &clip,
        "--api-url",
        &serve.url,
        "--workflow",
        workflow.to_str().unwrap(),
        "--data-output",
        "nonsense",
    ];
    let output = run(&args);
    assert_eq!(output.status.code(), Some(2), "{}", last_line(&output));
    assert!(
        last_line(&output).contains("nonsense"),
        "{}",
        last_line(&output)
    );
}

#[test]
fn a_worker_killed_in_mid_stream_is_status_1_within_seconds() {
    let mut serve = Serve::start(&[]);
    let dir = tempfile::tempdir().unwrap();
    let (video, summary) = (dir.path().join("v.mp4"), dir.path().join("s.json"));
    let mut child = detect_at(&serve.url)
        .args(["--realtime", "--out-data", "-"])
        .arg("--out-video")
        .arg(&video)
        .arg("--summary")
        .arg(&summary)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut rest = after_lines(&mut child, 20);
    serve.child.kill().unwrap();
    let killed = Instant::now();
    std::io::copy(&mut rest, &mut std::io::sink()).unwrap();
    let output = child.wait_with_output().unwrap();
    // The promise is 5 s.
    assert!(
        killed.elapsed() < Duration::from_secs(15),
        "{:?}",
        killed.elapsed()
    );
    assert_eq!(output.status.code(), Some(1), "{}", last_line(&output));
    assert_eq!(json_file(&summary)["ended"], "error");
    assert!(count_frames(&video) >= 10);
}

#[test]
fn a_worker_killed_and_started_again_costs_no_frame_when_asked_to_recover() {
    let mut serve = Serve::start(&[]);
    let address = serve.url.strip_prefix("http://").unwrap().to_owned();
    let dir = tempfile::tempdir().unwrap();
    let (video, summary) = (dir.path().join("v.mp4"), dir.path().join("s.json"));
    let mut child = detect_at(&serve.url)
        .args(["--recover=20", "--out-data", "-"])
        .arg("--out-video")
        .arg(&video)
        .arg("--summary")
        .arg(&summary)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let id = |line: String| {
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        line["frame_id"].as_u64().unwrap()
    };
    let mut ids: Vec<u64> = lines
        .by_ref()
        .take(20)
        .map(|line| id(line.unwrap()))
        .collect();
    serve.child.kill().unwrap();
    serve.child.wait().unwrap();
    let _again = Serve::start_at(&address, &[]);
    ids.extend(lines.map(|line| id(line.unwrap())));
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", last_line(&output));
    assert_eq!(ids, (1..=CLIP_FRAMES as u64).collect::<Vec<_>>());
    assert_eq!(count_frames(&video), CLIP_FRAMES);
    let summary = json_file(&summary);
    assert_eq!(summary["reconnects"], 1);
    assert_eq!(summary["frames"]["produced"], CLIP_FRAMES);
    assert_eq!(summary["frames"]["delivered"], CLIP_FRAMES);
}

#[test]
fn a_worker_told_to_end_finishes_its_sessions_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let uploads = dir.path().join("uploads");
    std::fs::create_dir(&uploads).unwrap();
    let mut serve = Serve::start(&["--upload-dir", uploads.to_str().unwrap()]);
    let summary = dir.path().join("s.json");
    let mut child = detect_at(&serve.url)
        .args(["--out-data", "-"])
        .arg("--summary")
        .arg(&summary)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut rest = after_lines(&mut child, 5);
    signal(&serve.child, Signal::TERM);
    std::io::copy(&mut rest, &mut std::io::sink()).unwrap();
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(0));
    assert_eq!(json_file(&summary)["frames"]["delivered"], CLIP_FRAMES);
    assert_eq!(serve.child.wait().unwrap().code(), Some(0));
    assert_eq!(std::fs::read_dir(&uploads).unwrap().count(), 0);
}

#[test]
fn a_killed_worker_leaves_no_upload_behind() {
    let dir = tempfile::tempdir().unwrap();
    let mut serve = Serve::start(&["--upload-dir", dir.path().to_str().unwrap()]);
    let mut child = detect_at(&serve.url)
        .args(["--realtime", "--out-data", "-"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let rest = after_lines(&mut child, 5);
    serve.child.kill().unwrap();
    serve.child.wait().unwrap();
    let files: u64 = walk(dir.path());
    assert_eq!(files, 0);
    drop(rest);
    child.wait().unwrap();
}

/// Bytes of all files below a folder.
fn walk(folder: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().flatten();
    entries
        .map(|entry| {
            if entry.path().is_dir() {
                walk(&entry.path())
            } else {
                entry.metadata().map_or(0, |m| m.len())
            }
        })
        .sum()
}

#[test]
fn keys_are_checked_and_never_shown() {
    let dir = tempfile::tempdir().unwrap();
    let keys = dir.path().join("keys");
    std::fs::write(&keys, "right-key\n").unwrap();
    let serve = Serve::start(&["--api-key-file", keys.to_str().unwrap()]);
    let output = run_against(&serve.url, &["--api-key", "wrong-key", "-vv"]);
    assert_eq!(output.status.code(), Some(3), "{}", last_line(&output));
    assert!(!String::from_utf8_lossy(&output.stderr).contains("wrong-key"));
    let output = run_against(
        &serve.url,
        &["--api-key", "right-key", "--max-frames", "2", "-vv"],
    );
    assert_eq!(output.status.code(), Some(0), "{}", last_line(&output));
    assert!(!String::from_utf8_lossy(&output.stderr).contains("right-key"));
}

#[test]
fn ice_passwords_are_not_logged_at_any_level() {
    let output = framewire()
        .args(["run", &clip(), "--max-frames", "2"])
        .env("RUST_LOG", "debug")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", last_line(&output));
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(log.contains("DEBUG"), "the level was not applied");
    assert!(!log.contains("IceCreds") && !log.contains("ice-pwd"));
}

#[test]
fn a_public_address_needs_keys_or_courage() {
    let output = framewire()
        .args(["serve", "--listen", "0.0.0.0:0"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        last_line(&output).contains("--insecure"),
        "{}",
        last_line(&output)
    );
}

#[test]
fn a_proxy_that_refuses_is_named_without_its_password() {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = proxy.local_addr().unwrap();
    thread::spawn(move || {
        for stream in proxy.incoming().flatten() {
            let mut line = String::new();
            let _ = BufReader::new(&stream).read_line(&mut line);
            let refusal = "HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n";
            let _ = (&stream).write_all(refusal.as_bytes());
        }
    });
    let output = detect_at("https://192.0.2.1:9001")
        .env("HTTPS_PROXY", format!("http://user:hunter2@{address}"))
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .output()
        .expect("the binary starts");
    let line = last_line(&output);
    assert_eq!(output.status.code(), Some(3), "{line}");
    for part in [&format!("the proxy http://{address}"), "NO_PROXY"] {
        assert!(line.contains(part), "{line}");
    }
    assert!(!String::from_utf8_lossy(&output.stderr).contains("hunter2"));
}
