//! Keys, origins, hosts: who may talk to a worker.
//! Not what they may ask for: `requests`.

use framewire_worker::{StartError, Worker, WorkerConfig};
use serde_json::{Value, json};

use crate::common::http::{post, post_with, send};
use crate::common::peer::{PATH, offer_sdp};
use crate::common::{request, worker, worker_with};
use crate::keys;

#[test]
fn keys_are_taken_from_the_header_before_the_body() {
    let worker = worker_with(|config| config.api_keys = vec!["right".into()]);
    let status = |header: Option<&str>, body: Value| {
        let mut request = request(&offer_sdp());
        request["api_key"] = body;
        let header: Vec<_> = header
            .iter()
            .map(|value| ("Authorization", *value))
            .collect();
        let response = post_with(worker.local_addr(), PATH, &header, &request);
        if response.status == 401 {
            assert_eq!(keys(&response.json()), ["message"]);
            assert!(!response.body.contains("right"));
        }
        response.status
    };
    assert_eq!(status(None, Value::Null), 401);
    assert_eq!(status(None, json!("wrong")), 401);
    assert_eq!(status(None, json!("right")), 200);
    assert_eq!(status(Some("Bearer right"), Value::Null), 200);
    assert_eq!(status(Some("bEaReR  right "), json!("wrong")), 200);
    assert_eq!(status(Some("Bearer wrong"), json!("right")), 401);
    assert_eq!(status(Some("Bearer "), json!("right")), 200);
    let query = post(
        worker.local_addr(),
        &format!("{PATH}?api_key=right"),
        &request(&offer_sdp()),
    );
    assert_eq!(query.status, 401);
    let deaf = worker_with(|config| {
        config.api_keys = vec!["right".into()];
        config.env.api_key_from_headers = false;
    });
    let header = [("Authorization", "Bearer right")];
    assert_eq!(
        post_with(deaf.local_addr(), PATH, &header, &request(&offer_sdp())).status,
        401
    );
}

#[test]
fn heartbeats_answer_as_without_a_registry() {
    let worker = worker_with(|config| config.api_keys = vec!["k".into()]);
    let beat = |path: &str, body: Value| post(worker.local_addr(), path, &body);
    let (alive, end) = ("/webrtc/session/heartbeat", "/webrtc/session/heartbeat/end");
    let known = json!({"session_id": "s", "api_key": "k"});
    let missing = beat(alive, known.clone());
    assert_eq!(missing.status, 404);
    assert_eq!(
        missing.json()["detail"],
        json!({"status": "error", "message": "session not found"})
    );
    assert_eq!(beat(end, known.clone()).json(), json!({"status": "ok"}));
    for path in [alive, end] {
        for body in [
            json!({"session_id": "s"}),
            json!({"session_id": "s", "api_key": "x"}),
            json!({"session_id": "s", "api_key": null}),
        ] {
            let response = beat(path, body);
            assert_eq!(response.status, 401);
            assert_eq!(
                response.json()["detail"],
                json!({"status": "error", "message": "unauthorized"})
            );
        }
        let response = beat(path, json!({"api_key": "k"}));
        assert_eq!(response.status, 422);
        assert_eq!(
            response.json()["detail"][0]["loc"],
            json!(["body", "session_id"])
        );
        assert_eq!(beat(path, json!([])).status, 422);
    }
    let header = [("Authorization", "Bearer k")];
    let response = post_with(
        worker.local_addr(),
        end,
        &header,
        &json!({"session_id": "s", "api_key": "x"}),
    );
    assert_eq!(response.status, 200, "the header wins");
}

#[test]
fn pages_of_other_origins_cannot_drive_a_worker_without_keys() {
    let worker = worker();
    let address = worker.local_addr();
    let status =
        |headers: &[(&str, &str)]| post_with(address, PATH, headers, &request(&offer_sdp())).status;
    let own = format!("http://{address}");
    assert_eq!(status(&[("Origin", &own)]), 200);
    assert_eq!(status(&[("Origin", "http://localhost:3000")]), 200);
    assert_eq!(status(&[("Origin", "https://evil.example")]), 403);
    assert_eq!(status(&[("Origin", "null")]), 403);
    assert_eq!(status(&[("Host", "evil.example:9001")]), 403);
    assert_eq!(
        status(&[("Host", "evil.example"), ("Origin", "http://evil.example")]),
        403
    );
    assert_eq!(status(&[("Host", "localhost:9001")]), 200);
    let refused = send(
        address,
        "GET",
        "/info",
        &[("Origin", "https://evil.example")],
        b"",
    );
    assert_eq!(
        (
            refused.status,
            refused.header("access-control-allow-origin")
        ),
        (403, None)
    );
    let named = worker_with(|config| {
        config.env.allow_origins = Some(vec!["https://app.example".into()]);
    });
    let headers = [("Origin", "https://app.example")];
    let response = post_with(named.local_addr(), PATH, &headers, &request(&offer_sdp()));
    assert_eq!(response.status, 200);
    assert_eq!(
        response.header("access-control-allow-origin"),
        Some("https://app.example")
    );
    assert_eq!(
        response.header("access-control-allow-credentials"),
        Some("true")
    );
}

#[test]
fn preflights_are_answered_for_allowed_origins() {
    let worker = worker_with(|config| config.api_keys = vec!["k".into()]);
    let headers = [
        ("Origin", "https://any.example"),
        ("Access-Control-Request-Method", "POST"),
        (
            "Access-Control-Request-Headers",
            "authorization, content-type",
        ),
    ];
    let response = send(worker.local_addr(), "OPTIONS", PATH, &headers, b"");
    assert_eq!(response.status, 200);
    assert_eq!(
        response.header("access-control-allow-origin"),
        Some("https://any.example")
    );
    assert_eq!(
        response.header("access-control-allow-headers"),
        Some("authorization, content-type")
    );
    assert!(
        response
            .header("access-control-allow-methods")
            .unwrap()
            .contains("POST")
    );
    let listed = worker_with(|config| {
        config.api_keys = vec!["k".into()];
        config.env.allow_origins = Some(vec!["https://app.example".into()]);
    });
    let response = send(listed.local_addr(), "OPTIONS", PATH, &headers, b"");
    assert_eq!(
        (
            response.status,
            response.header("access-control-allow-origin")
        ),
        (400, None)
    );
}

#[test]
fn a_public_address_needs_keys_or_the_word_insecure() {
    let public = |change: fn(&mut WorkerConfig)| {
        let mut config = WorkerConfig::embedded();
        config.listen = "0.0.0.0:0".parse().unwrap();
        change(&mut config);
        Worker::start(config)
    };
    assert!(matches!(public(|_| {}), Err(StartError::Insecure(_))));
    assert!(public(|config| config.insecure = true).is_ok());
    assert!(public(|config| config.api_keys = vec!["k".into()]).is_ok());
    let blank = public(|config| config.api_keys = vec!["  ".into()]);
    assert!(matches!(blank, Err(StartError::Insecure(_))));
}
