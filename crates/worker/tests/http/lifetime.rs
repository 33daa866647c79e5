//! Full, draining, disabled workers; slow, silent and vanishing HTTP clients.
//! Not sessions: they have scenarios of their own.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::common::http::{connect, get, post, read_response};
use crate::common::peer::{Client, PATH, errors, offer_sdp};
use crate::common::video;
use crate::common::{PATIENCE, deadline, request, worker, worker_with};
use crate::{ask, keys};

#[test]
fn a_full_worker_answers_429_and_is_not_ready() {
    let worker = worker_with(|config| config.max_sessions = 1);
    assert_eq!(get(worker.local_addr(), "/readyz").status, 200);
    let client = Client::start(&worker, |_| {});
    let response = ask(&worker, |_| {});
    assert_eq!(response.status, 429);
    assert_eq!(keys(&response.json()), ["message", "error_type"]);
    assert_eq!(response.json()["error_type"], "WorkspaceStreamQuotaError");
    assert!(response.header("retry-after").is_some());
    assert_eq!(get(worker.local_addr(), "/readyz").status, 503);
    assert_eq!(get(worker.local_addr(), "/healthz").status, 200);
    drop(client);
    assert!(worker.wait_idle(PATIENCE), "the place is free again");
    assert_eq!(ask(&worker, |_| {}).status, 200);
}

#[test]
fn a_draining_worker_takes_nobody_lets_the_running_session_finish_and_then_ends() {
    let worker = worker();
    let address = worker.local_addr();
    let mut client = Client::start(&worker, |_| {});
    let ending = std::thread::spawn(move || worker.shutdown(Duration::from_secs(60)));
    let end = deadline();
    while get(address, "/readyz").status != 503 {
        assert!(Instant::now() < end, "the worker never drains");
    }
    let refused = post(address, PATH, &request(&offer_sdp()));
    assert_eq!(
        (refused.status, keys(&refused.json())),
        (503, vec!["message"])
    );
    assert_eq!(get(address, "/healthz").status, 200);
    client.upload(video::small(), 49152);
    assert_eq!(client.results().0.len(), video::FRAMES);
    client.peer.close(Duration::from_secs(1));
    assert!(ending.join().unwrap(), "every session finished by itself");
    assert!(
        std::net::TcpStream::connect(address).is_err(),
        "nobody listens any more"
    );
}

#[test]
fn a_session_that_outlives_the_drain_is_told_and_ended() {
    let worker = worker();
    let mut client = Client::start(&worker, |_| {});
    // The echo shows that the worker has seen the channels open, too: only then there is somebody to tell.
    client.ping();
    let ending = std::thread::spawn(move || worker.shutdown(Duration::ZERO));
    let (_, completion) = client.results();
    assert!(errors(&completion)[0].contains("shutting down"));
    client.closed();
    assert!(!ending.join().unwrap());
}

#[test]
fn unknown_routes_methods_and_a_disabled_worker() {
    let worker = worker();
    assert_eq!(
        get(worker.local_addr(), "/nothing").json(),
        json!({"detail": "Not Found"})
    );
    assert_eq!(get(worker.local_addr(), "/nothing").status, 404);
    assert_eq!(get(worker.local_addr(), PATH).status, 405);
    let disabled = worker_with(|config| config.env.worker_enabled = false);
    for path in [
        PATH,
        "/webrtc/session/heartbeat",
        "/webrtc/session/heartbeat/end",
    ] {
        let response = post(disabled.local_addr(), path, &json!({}));
        assert_eq!(
            (response.status, response.json()),
            (404, json!({"detail": "Not Found"}))
        );
    }
    assert_eq!(get(disabled.local_addr(), "/healthz").status, 200);
}

#[test]
fn what_the_worker_tells_about_itself() {
    let worker = worker();
    let address = worker.local_addr();
    assert_eq!(get(address, "/").status, 200);
    assert_eq!(get(address, "/healthz").body, "ok\n");
    let info = get(address, "/info").json();
    assert_eq!(info["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(info["limits"]["max_sessions"], 8);
    assert_eq!(info["media_port"], worker.media_port());
    assert_eq!(get(address, "/models").json(), json!({"models": []}));
    let metrics = get(address, "/metrics");
    assert_eq!(
        metrics.header("content-type"),
        Some("text/plain; version=0.0.4")
    );
    assert!(metrics.body.contains("\nframewire_sessions_limit 8\n"));
}

#[test]
fn slow_heads_and_bodies_are_cut_and_half_open_clients_harm_nobody() {
    let worker = worker_with(|config| {
        config.limits.header_timeout = Duration::from_millis(300);
        config.limits.body_timeout = Duration::from_millis(300);
        config.limits.max_connections = 20;
    });
    let address = worker.local_addr();
    let begin = Instant::now();
    // As many as the worker takes at all: some silent, some in mid-head, some in mid-body.
    let mut half_open: Vec<_> = (0..19).map(|_| connect(address)).collect();
    for stream in &mut half_open[..6] {
        stream.write_all(b"POST / HT").unwrap();
    }
    let mut slow = half_open.pop().unwrap();
    let head =
        format!("POST {PATH} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 100\r\n\r\n{{\"a\"");
    slow.write_all(head.as_bytes()).unwrap();
    assert_eq!(
        get(address, "/healthz").status,
        200,
        "the last place is still there"
    );
    assert_eq!(read_response(slow).status, 408);
    for mut stream in half_open {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest); // returns: the worker has hung up
    }
    assert!(
        begin.elapsed() < Duration::from_secs(15),
        "{:?}",
        begin.elapsed()
    );
    assert_eq!(ask(&worker, |_| {}).status, 200);
}

#[test]
fn a_client_that_hangs_up_before_its_answer_leaves_nothing_behind() {
    let worker = worker_with(|config| {
        config.max_sessions = 1;
        config.limits.connect_timeout = Duration::from_millis(300);
    });
    let address = worker.local_addr();
    let body = request(&offer_sdp()).to_string();
    for _ in 0..5 {
        let mut stream = connect(address);
        let head = format!(
            "POST {PATH} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body.as_bytes()).unwrap();
    }
    // Each was either dropped before its session began or is a session that nobody connects to.
    let end = deadline();
    while ask(&worker, |_| {}).status != 200 {
        assert!(Instant::now() < end, "a place stays taken for ever");
    }
    assert!(worker.wait_idle(PATIENCE), "every session ended");
}

#[test]
fn one_connection_serves_many_requests() {
    let worker = worker();
    let mut stream = connect(worker.local_addr());
    for _ in 0..50 {
        let text = format!(
            "GET /healthz HTTP/1.1\r\nHost: {}\r\n\r\n",
            worker.local_addr()
        );
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = [0; 1024];
        let read = stream.read(&mut answer).unwrap();
        assert!(answer[..read].starts_with(b"HTTP/1.1 200"));
    }
}

#[test]
fn a_head_over_the_limit_gets_431() {
    let worker = worker();
    let long = "x".repeat(70_000);
    let mut stream = connect(worker.local_addr());
    let head = format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Long: {long}\r\n\r\n");
    let _ = stream.write_all(head.as_bytes());
    assert_eq!(read_response(stream).status, 431);
}

#[test]
fn a_client_that_reads_no_responses_is_cut() {
    let worker = worker_with(|config| {
        config.limits.max_connections = 1;
        config.limits.write_timeout = Duration::from_millis(300);
    });
    let mut deaf = connect(worker.local_addr());
    let request = format!(
        "GET /metrics HTTP/1.1\r\nHost: {}\r\n\r\n",
        worker.local_addr()
    );
    // Each response is some thousand bytes; the worker stops reading when it cannot write, then hangs up.
    let end = deadline();
    while deaf.write_all(request.as_bytes()).is_ok() {
        assert!(
            Instant::now() < end,
            "the worker answers into the void for ever"
        );
    }
    assert_eq!(
        get(worker.local_addr(), "/healthz").status,
        200,
        "its place is free"
    );
}
