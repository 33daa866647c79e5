//! What an error says about an address where no session comes about: step, cause, and what to try.

mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use framewire::{Cause, CheckStep, ErrorKind, Session, SessionError, VideoFileSource, Workflow};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::json;
use support::{FakeWorker, GUARD, Reply, SESSION, clip, config, options, read_request, respond};

fn session_at(url: &str, key: Option<&str>) -> Session {
    let mut options = options();
    options.reach_timeout = Duration::from_secs(3);
    options.signalling_timeout = Duration::from_secs(3);
    let mut client = framewire::Client::new(url).with_options(options);
    if let Some(key) = key {
        client = client.with_api_key(key);
    }
    let source = VideoFileSource::new(clip().to_str().unwrap());
    client
        .stream(source, Workflow::inline(json!({})), config())
        .unwrap()
}

/// The diagnosis of a session at this address; its words are in the error, and the key is not.
fn diagnosed(url: &str, key: Option<&str>) -> (CheckStep, Cause, String) {
    let error = session_at(url, key).run().unwrap_err();
    diagnosis_of(&error)
}

fn diagnosis_of(error: &SessionError) -> (CheckStep, Cause, String) {
    let text = error.to_string();
    let found = error.diagnosis().unwrap_or_else(|| panic!("{error:?}"));
    for part in [&found.problem, &found.advice] {
        assert!(!part.is_empty() && text.contains(part), "{text:?} {part:?}");
    }
    assert!(
        !format!("{error:?} {text}").contains("top-secret"),
        "{text}"
    );
    (found.step, found.cause, text)
}

/// A server that does this with each connection.
fn server(mut answer: impl FnMut(TcpStream) + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || listener.incoming().flatten().for_each(&mut answer));
    port
}

/// A server that answers every request so.
fn answering(status: &'static str, headers: &'static str, body: &'static str) -> String {
    let port = server(move |mut stream| {
        read_request(&stream);
        let length = body.len();
        let _ = write!(
            stream,
            "HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
    });
    format!("http://127.0.0.1:{port}")
}

#[test]
fn each_refusal_has_its_cause() {
    use Cause::*;
    use CheckStep as At;
    let json = "content-type: application/json\r\n";
    let page = "content-type: text/html\r\n";
    let cases = [
        (
            "401 x",
            json,
            r#"{"message": "no"}"#,
            At::ApiKey,
            KeyRejected,
        ),
        (
            "403 x",
            json,
            r#"{"message": "no"}"#,
            At::ApiKey,
            KeyRejected,
        ),
        (
            "403 x",
            "",
            "the Host header names nobody",
            At::Worker,
            WorkerRefused,
        ),
        (
            "404 x",
            json,
            r#"{"detail": "Not Found"}"#,
            At::Worker,
            RouteMissing,
        ),
        (
            "404 x",
            page,
            "<html>not here</html>",
            At::Worker,
            RouteMissing,
        ),
        (
            "405 x",
            json,
            r#"{"detail": "Method Not Allowed"}"#,
            At::Worker,
            RouteMissing,
        ),
        (
            "404 x",
            json,
            r#"{"message": "no such workflow"}"#,
            At::Signalling,
            WorkerRefused,
        ),
        (
            "400 x",
            json,
            r#"{"message": "bad output"}"#,
            At::Signalling,
            WorkerRefused,
        ),
        (
            "402 x",
            json,
            r#"{"message": "credits"}"#,
            At::Worker,
            WorkerRefused,
        ),
        (
            "429 x",
            json,
            r#"{"message": "full"}"#,
            At::Worker,
            WorkerBusy,
        ),
        (
            "503 x",
            json,
            r#"{"message": "this worker is shutting down"}"#,
            At::Worker,
            WorkerBusy,
        ),
        (
            "503 x",
            page,
            "<html>no server available</html>",
            At::Worker,
            BadGateway,
        ),
        (
            "502 x",
            page,
            "<html>bad gateway</html>",
            At::Worker,
            BadGateway,
        ),
        ("504 x", "", "", At::Worker, BadGateway),
        (
            "500 x",
            json,
            r#"{"message": "Internal error."}"#,
            At::Signalling,
            WorkerError,
        ),
        (
            "308 x",
            "location: https://other.example/\r\n",
            "",
            At::Http,
            Redirected,
        ),
        (
            "200 OK",
            page,
            "<html>welcome</html>",
            At::Worker,
            WrongContentType,
        ),
        ("200 OK", "", "welcome", At::Worker, WrongContentType),
        ("200 OK", json, "{", At::Signalling, BadAnswer),
        (
            "200 OK",
            json,
            r#"{"type": "answer"}"#,
            At::Signalling,
            BadAnswer,
        ),
    ];
    for (status, headers, body, step, cause) in cases {
        let (at, found, text) = diagnosed(&answering(status, headers, body), Some("top-secret"));
        assert_eq!((at, found), (step, cause), "{status} {body}: {text}");
    }
}

#[test]
fn a_missing_key_is_told_from_a_wrong_one() {
    let url = answering("401 x", "", r#"{"message": "no"}"#);
    let (step, cause, text) = diagnosed(&url, None);
    assert_eq!((step, cause), (CheckStep::ApiKey, Cause::KeyMissing));
    assert!(text.contains("--api-key"), "{text}");
}

#[test]
fn a_page_is_shown_without_its_tags() {
    let page = "<html><head><title>502</title></head>\n<body><h1>Bad  Gateway</h1></body></html>";
    let (_, _, text) = diagnosed(&answering("502 x", "", page), None);
    assert!(text.contains("HTTP 502: 502 Bad Gateway;"), "{text}");
}

#[test]
fn a_page_instead_of_an_answer_is_named_by_its_content_type() {
    let url = answering("200 OK", "content-type: text/html\r\n", "<html>hi</html>");
    let (_, _, text) = diagnosed(&url, None);
    assert!(text.contains("text/html") && text.contains(&url), "{text}");
}

#[test]
fn ports_that_serve_no_http_are_told_apart() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = closed.local_addr().unwrap().port();
    drop(closed);
    let (step, cause, text) = diagnosed(&format!("http://127.0.0.1:{port}"), None);
    assert_eq!(
        (step, cause),
        (CheckStep::Http, Cause::PortClosed),
        "{text}"
    );
    assert!(text.contains(&format!("127.0.0.1:{port}")), "{text}");

    let silent = FakeWorker::start(Reply::Silence);
    let (step, cause, text) = diagnosed(&silent.url, None);
    assert_eq!(
        (step, cause),
        (CheckStep::Http, Cause::PortSilent),
        "{text}"
    );

    let ssh = server(|mut stream| {
        let _ = stream.write_all(b"SSH-2.0-OpenSSH_9\r\n");
    });
    let (step, cause, text) = diagnosed(&format!("http://127.0.0.1:{ssh}"), None);
    assert_eq!((step, cause), (CheckStep::Http, Cause::NotHttp), "{text}");

    let url = answering("200 OK", "", "{}");
    let (step, cause, text) = diagnosed(&url.replace("http:", "https:"), None);
    assert_eq!((step, cause), (CheckStep::Http, Cause::TlsFailed), "{text}");
    assert!(text.contains("http://"), "{text}");
}

#[test]
fn a_name_that_does_not_resolve_is_named() {
    // No DNS server is asked for a label of this length.
    let name = format!("{}.example", "a".repeat(70));
    let (step, cause, text) = diagnosed(&format!("http://{name}:9001"), None);
    assert_eq!(
        (step, cause),
        (CheckStep::Address, Cause::NameNotFound),
        "{text}"
    );
    assert!(text.contains(&name), "{text}");
}

#[test]
fn a_certificate_of_nobody_known_is_named() {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let tls = rustls::ServerConfig::builder_with_provider(
        rustls::crypto::aws_lc_rs::default_provider().into(),
    )
    .with_safe_default_protocol_versions()
    .unwrap()
    .with_no_client_auth()
    .with_single_cert(vec![made.cert.der().clone()], key)
    .unwrap();
    let tls = Arc::new(tls);
    let port = server(move |mut stream| {
        stream.set_read_timeout(Some(GUARD)).unwrap();
        let mut connection = rustls::ServerConnection::new(tls.clone()).unwrap();
        while connection.is_handshaking() && connection.complete_io(&mut stream).is_ok() {}
    });
    let (step, cause, text) = diagnosed(&format!("https://127.0.0.1:{port}"), None);
    assert_eq!(
        (step, cause),
        (CheckStep::Http, Cause::TlsUnknownIssuer),
        "{text}"
    );
    assert!(text.contains("SSL_CERT_FILE"), "{text}");
}

#[test]
fn an_offer_that_is_never_answered_or_cut_off_is_the_worker_s() {
    let mut held = Vec::new();
    let port = server(move |mut stream| {
        let mut head = [0; 4];
        if stream.read_exact(&mut head).is_ok() && &head == b"GET " {
            respond(&mut stream, 404, "");
        }
        held.push(stream);
    });
    let error = session_at(&format!("http://127.0.0.1:{port}"), None)
        .run()
        .unwrap_err();
    assert!(matches!(error, SessionError::Timeout { .. }), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::Connect);
    let (step, cause, text) = diagnosis_of(&error);
    assert_eq!(
        (step, cause),
        (CheckStep::Signalling, Cause::WorkerStalled),
        "{text}"
    );
    assert!(text.contains("answers GET"), "{text}");

    let port = server(|mut stream| {
        if read_request(&stream).is_some_and(|(head, _)| head.starts_with("GET ")) {
            respond(&mut stream, 404, "");
        }
    });
    let (step, cause, text) = diagnosed(&format!("http://127.0.0.1:{port}"), None);
    assert_eq!(
        (step, cause),
        (CheckStep::Signalling, Cause::WorkerError),
        "{text}"
    );
}

#[test]
fn an_error_of_a_session_names_it_as_the_worker_s_log_does() {
    let worker = FakeWorker::start(Reply::Uploads(Box::new(|mut worker| {
        worker.open();
        worker.hang_up();
    })));
    let error = worker.session().run().unwrap_err();
    let session = error.session().unwrap_or_else(|| panic!("{error:?}"));
    assert_eq!((session.id.as_str(), &session.url), (SESSION, &worker.url));
    let text = format!("{error} {error:?}");
    let named = format!("session {SESSION} at {}", worker.url);
    assert!(text.contains(&named) && !text.contains("AAAA"), "{text}");
}

#[test]
fn a_media_port_that_is_closed_after_the_answer_is_told_from_an_address_elsewhere() {
    let worker = FakeWorker::start(Reply::Vanish);
    let mut options = options();
    options.connect_timeout = Duration::from_secs(2);
    let session = worker.session_with(
        VideoFileSource::new(clip().to_str().unwrap()),
        config(),
        options,
    );
    let error = session.run().unwrap_err();
    assert!(matches!(error, SessionError::Connect { .. }), "{error:?}");
    let (step, cause, text) = diagnosis_of(&error);
    assert_eq!((step, cause), (CheckStep::Ice, Cause::IceRefused), "{text}");
}
