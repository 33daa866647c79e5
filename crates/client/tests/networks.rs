//! Servers on the way to the worker: which are used, and what is said about those that fail.

mod support;

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use framewire::{Cause, ErrorKind, SessionError, Step, StreamConfig, VideoFileSource};
use serde_json::{Value, json};
use support::{FakeWorker, clip, config, options};

fn file() -> VideoFileSource {
    VideoFileSource::new(clip().to_str().unwrap())
}

fn turn(url: &str) -> Value {
    json!({"urls": url, "username": "me", "credential": "hunter2"})
}

/// One frame over whatever way there is.
fn served() -> FakeWorker {
    FakeWorker::connecting(|mut worker| {
        worker.receive_file();
        worker.send_frame(1);
        worker.complete(1);
        worker.linger();
    })
}

fn with_servers(servers: Value) -> StreamConfig {
    config().turn_server(servers)
}

#[test]
fn relay_only_without_a_turn_server_is_refused_with_the_reason() {
    let worker = served();
    let mut limits = options();
    limits.relay_only = true;
    let session = worker.session_with(file(), config(), limits);
    let error = session.run().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert!(error.to_string().contains("turn_server"), "{error}");
    assert!(worker.requests.try_recv().is_err());
}

#[test]
fn relay_only_with_a_dead_server_names_it_and_hides_its_password() {
    // Bound and silent: nothing answers, nothing is refused.
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let worker = served();
    let mut limits = options();
    limits.relay_only = true;
    limits.gather_timeout = Duration::from_millis(500);
    let servers = with_servers(turn(&format!("turn:127.0.0.1:{port}")));
    let session = worker.session_with(file(), servers, limits);
    let error = session.run().unwrap_err();
    assert!(matches!(error, SessionError::Gathering { .. }), "{error:?}");
    assert_eq!(
        (error.kind(), error.step()),
        (ErrorKind::Connect, Some(Step::Gathering))
    );
    assert_eq!(error.diagnosis().unwrap().cause, Cause::NoRelay);
    let text = error.to_string();
    assert!(text.contains(&format!("127.0.0.1:{port}")), "{text}");
    assert!(!format!("{error:?}").contains("hunter2"));
}

#[test]
fn dead_servers_do_not_stop_a_session_that_has_another_way() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let worker = served();
    let mut limits = options();
    limits.gather_timeout = Duration::from_millis(300);
    let servers = json!({"iceServers": [
        turn(&format!("turn:127.0.0.1:{port}")),
        turn("turn:127.0.0.1:1?transport=tcp"),
        {"urls": "stun:127.0.0.1:1"},
    ]});
    let session = worker.session_with(file(), with_servers(servers.clone()), limits);
    let begun = Instant::now();
    assert_eq!(session.frames().count(), 1);
    // Looking for a server that answers takes 2 s at most, asking them the gathering timeout.
    assert!(begun.elapsed() < Duration::from_secs(10));
    // The worker is told all of them, as they were given.
    let request = worker.requests.recv().unwrap();
    let told = &request["webrtc_config"]["iceServers"];
    assert_eq!(told[0]["urls"], json!([format!("turn:127.0.0.1:{port}")]));
    assert_eq!(told[0]["credential"], "hunter2");
    assert_eq!(told.as_array().unwrap().len(), 3);
}
