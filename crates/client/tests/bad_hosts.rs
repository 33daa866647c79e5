//! Addresses where no usable worker is: each ends quickly with an error that names the step.

mod support;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use framewire::{ClientOptions, ErrorKind, Session, SessionError, Step, VideoFileSource, Workflow};
use serde_json::json;
use support::{FakeWorker, Reply, clip, config, options};

fn session_at(url: &str, options: ClientOptions) -> Session {
    let source = VideoFileSource::new(clip().to_str().unwrap());
    let client = framewire::Client::new(url)
        .with_api_key("top-secret")
        .with_options(options);
    client
        .stream(source, Workflow::inline(json!({})), config())
        .unwrap()
}

fn quick() -> ClientOptions {
    let mut options = options();
    options.reach_timeout = Duration::from_millis(300);
    options.signalling_timeout = Duration::from_millis(300);
    options
}

/// The error of a session whose request is answered like this.
fn answered(status: u16, body: &str) -> SessionError {
    let worker = FakeWorker::start(Reply::Answer(status, body.to_owned()));
    let error = worker.session().run().unwrap_err();
    assert_eq!(error.step(), Some(Step::Signalling));
    error
}

#[test]
fn a_port_where_nothing_listens_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = session_at(&url, options()).run().unwrap_err();
    assert!(
        matches!(error, SessionError::Unreachable { .. }),
        "{error:?}"
    );
    assert_eq!(
        (error.kind(), error.step()),
        (ErrorKind::Connect, Some(Step::Reaching))
    );
    assert!(error.to_string().contains(&url), "{error}");
}

#[test]
fn a_host_that_never_answers_http_is_silent() {
    let worker = FakeWorker::start(Reply::Silence);
    let error = session_at(&worker.url, quick()).run().unwrap_err();
    assert!(matches!(error, SessionError::Silent { .. }), "{error:?}");
}

#[test]
fn a_server_that_speaks_something_else_is_no_worker() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = stream.unwrap().write_all(b"SSH-2.0-OpenSSH_9\r\n");
        }
    });
    let error = session_at(&url, options()).run().unwrap_err();
    assert!(
        matches!(error, SessionError::Unreachable { .. }),
        "{error:?}"
    );
}

#[test]
fn a_worker_that_takes_the_offer_and_never_answers_times_out() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = [0; 4];
            let _ = stream.read_exact(&mut head);
            if &head == b"GET " {
                let _ = stream
                    .write_all(b"HTTP/1.1 404 x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            }
            held.push(stream);
        }
    });
    let error = session_at(&url, quick()).run().unwrap_err();
    assert!(
        matches!(
            error,
            SessionError::Timeout {
                step: Step::Signalling,
                ..
            }
        ),
        "{error:?}"
    );
}

#[test]
fn refusals_are_typed_with_and_without_json() {
    let cases = [
        (
            400,
            r#"{"message": "bad output", "error_type": "WebRTCConfigurationError"}"#,
            ErrorKind::Input,
            "bad output",
        ),
        (
            422,
            r#"{"detail": [{"loc": ["body", "x"], "msg": "Field required"}]}"#,
            ErrorKind::Input,
            "body.x: Field",
        ),
        (
            401,
            r#"{"message": "who are you"}"#,
            ErrorKind::Connect,
            "who are you",
        ),
        (
            404,
            "<html>not here</html>",
            ErrorKind::Connect,
            "WebRTC support",
        ),
        (
            429,
            r#"{"message": "full", "error_type": "WorkspaceStreamQuotaError"}"#,
            ErrorKind::Connect,
            "full",
        ),
        (
            500,
            r#"{"message": "Internal error."}"#,
            ErrorKind::Connect,
            "Internal error",
        ),
        (502, "", ErrorKind::Connect, "502"),
        (503, "[1, 2", ErrorKind::Connect, "[1, 2"),
    ];
    for (status, body, kind, text) in cases {
        let error = answered(status, body);
        let SessionError::Http(failure) = &error else {
            panic!("{error:?}")
        };
        assert_eq!((failure.status, error.kind()), (status, kind));
        assert!(error.to_string().contains(text), "{error}");
        assert!(
            error.to_string().contains("/initialise_webrtc_worker"),
            "{error}"
        );
    }
}

#[test]
fn long_refusals_are_cut_and_never_show_the_key() {
    let body = format!("the key test-key is wrong {}", "x".repeat(1 << 20));
    let text = answered(403, &body).to_string();
    assert!(
        text.len() < 6000 && !text.contains("test-key"),
        "{} bytes",
        text.len()
    );
}

#[test]
fn unusable_answers_are_refused() {
    for body in [
        "not json",
        "[]",
        "{}",
        r#"{"type": "answer"}"#,
        r#"{"type": "offer", "sdp": "v=0\r\n"}"#,
        r#"{"type": "answer", "sdp": ""}"#,
        r#"{"type": "answer", "sdp": "garbage"}"#,
        r#"{"type": "answer", "sdp": "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"}"#,
        r#"{"type": 5, "sdp": {"a": 1}}"#,
    ] {
        let error = answered(200, body);
        assert!(
            matches!(error, SessionError::BadAnswer { .. }),
            "{body}: {error:?}"
        );
        assert_eq!(error.kind(), ErrorKind::Connect);
    }
}

#[test]
fn a_worker_behind_a_dead_media_path_fails_while_connecting() {
    let worker = FakeWorker::start(Reply::Vanish);
    let mut options = options();
    options.connect_timeout = Duration::from_millis(700);
    let error = session_at(&worker.url, options).run().unwrap_err();
    assert_eq!(
        (error.kind(), error.step()),
        (ErrorKind::Connect, Some(Step::Connecting)),
        "{error:?}"
    );
}
