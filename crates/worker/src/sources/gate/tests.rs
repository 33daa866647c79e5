//! The gate between real FFmpeg and servers, kind and hostile.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use framewire_media::{FramePool, Interrupt, LiveError, LiveInput, LiveOptions};

use super::*;

const LIMIT: Duration = Duration::from_secs(5);

/// The live RTSP server of the tests.
struct Camera {
    process: Child,
    address: SocketAddr,
}

impl Camera {
    fn start(authentication: &str) -> Camera {
        let script =
            PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/doubles/rtsp_server.py");
        let mut process = Command::new("/usr/bin/python3")
            .arg(script)
            .args(["0", "--auth", authentication])
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is installed");
        let lines = BufReader::new(process.stdout.take().expect("it is piped")).lines();
        let port = lines.map_while(Result::ok).find_map(|line| {
            line.strip_prefix("port ")
                .and_then(|port| port.parse().ok())
        });
        let port: u16 = port.expect("the server starts: scripts/setup-system.sh installs it");
        Camera {
            process,
            address: (Ipv4Addr::LOCALHOST, port).into(),
        }
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        let _ = (self.process.kill(), self.process.wait());
    }
}

/// A server that answers each request with the next of these texts and then sends the rest.
fn scripted(answers: Vec<String>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        for answer in answers {
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n > 0) {
                request.push(byte[0]);
            }
            let _ = stream.write_all(answer.as_bytes());
        }
        // The connection stays open until the other end closes it.
        let _ = stream.read_to_end(&mut Vec::new());
    });
    address
}

fn open(gate: &RtspGate) -> Result<LiveInput, LiveError> {
    let options = LiveOptions::default().with_open_timeout(LIMIT);
    LiveInput::rtsp(
        gate.url(),
        &options,
        &FramePool::default(),
        &Interrupt::new(),
    )
}

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

#[test]
fn frames_come_through_and_the_name_in_the_url_is_never_looked_up() {
    let camera = Camera::start("digest");
    for mount in ["test", "vp8", "mjpeg"] {
        let url = url(&format!("rtsp://camera.invalid:554/{mount}"));
        let gate = RtspGate::open(&url, camera.address, LIMIT).unwrap();
        let mut input = open(&gate).unwrap();
        for _ in 0..10 {
            let live = input.read().unwrap().unwrap();
            assert_eq!((live.frame.width(), live.frame.height()), (640, 480));
        }
        assert_eq!(gate.refusal(), None);
    }
}

#[test]
fn passwords_work_through_the_gate_by_both_methods() {
    for method in ["basic", "digest"] {
        let camera = Camera::start(method);
        let right = url("rtsp://user:pass@camera.invalid/auth");
        let gate = RtspGate::open(&right, camera.address, LIMIT).unwrap();
        assert!(open(&gate).unwrap().read().unwrap().is_some(), "{method}");
        let wrong = url("rtsp://user:hunter2@camera.invalid/auth");
        let gate = RtspGate::open(&wrong, camera.address, LIMIT).unwrap();
        let error = open(&gate).err().unwrap();
        assert!(
            matches!(error, LiveError::Unauthorized { .. }),
            "{method}: {error:?}"
        );
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}

#[test]
fn a_redirect_ends_in_its_own_error_and_nobody_follows_it() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let target = format!("rtsp://{}/secret", elsewhere.local_addr().unwrap());
    let redirect = format!("RTSP/1.0 302 Found\r\nCSeq: 2\r\nLocation: {target}\r\n\r\n");
    let options = "RTSP/1.0 200 OK\r\nCSeq: 1\r\nPublic: DESCRIBE, SETUP, PLAY\r\n\r\n";
    for answers in [vec![redirect.clone()], vec![options.to_owned(), redirect]] {
        let address = scripted(answers);
        let gate = RtspGate::open(&url("rtsp://camera.invalid/"), address, LIMIT).unwrap();
        assert!(open(&gate).is_err());
        assert!(matches!(gate.refusal(), Some(SourceError::Redirect(_))));
    }
    let nobody = elsewhere.accept().unwrap_err();
    assert_eq!(nobody.kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn without_the_gate_ffmpeg_would_follow_the_redirect() {
    let camera = Camera::start("digest");
    let redirect = format!(
        "RTSP/1.0 302 Found\r\nCSeq: 1\r\nLocation: rtsp://{}/test\r\n\r\n",
        camera.address
    );
    let options = "RTSP/1.0 200 OK\r\nCSeq: 1\r\nPublic: DESCRIBE, SETUP, PLAY\r\n\r\n".to_owned();
    let address = scripted(vec![options, redirect.replace("CSeq: 1", "CSeq: 2")]);
    let input = LiveInput::rtsp(
        &format!("rtsp://{address}/"),
        &LiveOptions::default(),
        &FramePool::default(),
        &Interrupt::new(),
    );
    assert!(input.unwrap().read().unwrap().is_some());
}

#[test]
fn refused_and_silent_servers_are_told_apart() {
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let gate = RtspGate::open(&url("rtsp://camera.invalid/"), closed, LIMIT).unwrap();
    assert!(open(&gate).is_err());
    assert!(matches!(gate.refusal(), Some(SourceError::Unreachable(_))));

    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let gate = RtspGate::open(&url("rtsp://camera.invalid/"), address, LIMIT).unwrap();
    let options = LiveOptions::default().with_open_timeout(Duration::from_millis(300));
    let start = Instant::now();
    let error = LiveInput::rtsp(
        gate.url(),
        &options,
        &FramePool::default(),
        &Interrupt::new(),
    );
    assert!(matches!(error, Err(LiveError::TimedOut { .. })));
    assert!(start.elapsed() < Duration::from_secs(3));
}

#[test]
fn a_server_that_speaks_something_else_is_refused() {
    let address = scripted(vec!["HTTP/1.1 400 Bad Request\r\n\r\n".to_owned()]);
    let gate = RtspGate::open(&url("rtsp://camera.invalid/"), address, LIMIT).unwrap();
    assert!(open(&gate).is_err());
    assert!(matches!(gate.refusal(), Some(SourceError::Unusable(_))));
}

#[test]
fn tls_ends_in_the_gate_which_reads_inside_and_checks_the_certificate() {
    let named = rcgen::generate_simple_self_signed(vec!["camera.invalid".to_owned()]).unwrap();
    let certificate = named.cert.der().clone();
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let trusting = client_config(roots).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(named.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let server = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key.unwrap());
    let server = Arc::new(server.unwrap());

    let camera = url("rtsps://camera.invalid/x");
    let address = redirecting_over_tls(server.clone());
    let gate = RtspGate::open_with(&camera, address, LIMIT, Some(trusting.clone())).unwrap();
    assert!(open(&gate).is_err());
    assert!(matches!(gate.refusal(), Some(SourceError::Redirect(_))));

    // Another name, and a certificate nobody vouches for.
    let address = redirecting_over_tls(server.clone());
    let other = url("rtsps://other.invalid/x");
    let gate = RtspGate::open_with(&other, address, LIMIT, Some(trusting)).unwrap();
    assert!(open(&gate).is_err());
    assert!(matches!(gate.refusal(), Some(SourceError::Unreachable(_))));
    let address = redirecting_over_tls(server);
    let gate = RtspGate::open(&camera, address, LIMIT).unwrap();
    assert!(open(&gate).is_err());
    assert!(matches!(gate.refusal(), Some(SourceError::Unreachable(_))));
}

/// Answers the first request with a redirect.
fn redirecting_over_tls(config: Arc<rustls::ServerConfig>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let connection = rustls::ServerConnection::new(config).unwrap();
        let mut stream = rustls::StreamOwned::new(connection, stream);
        // A client that does not trust the certificate is gone by now.
        if stream.read(&mut [0; 1024]).is_ok_and(|count| count > 0) {
            let _ = stream.write_all(b"RTSP/1.0 302 Found\r\nCSeq: 1\r\n\r\n");
            let _ = stream.read_to_end(&mut Vec::new());
        }
    });
    address
}

#[test]
fn dropping_the_gate_cuts_the_connection_on_both_sides() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    let gate = RtspGate::open(&url("rtsp://camera.invalid/"), address, LIMIT).unwrap();
    let port = url(gate.url()).port().unwrap();
    let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    let (mut accepted, _) = server.accept().unwrap();
    accepted.set_read_timeout(Some(LIMIT)).unwrap();
    client.set_read_timeout(Some(LIMIT)).unwrap();
    drop(gate);
    assert_eq!(accepted.read(&mut [0; 8]).unwrap_or(0), 0);
    assert_eq!(client.read(&mut [0; 8]).unwrap_or(0), 0);
}

#[test]
fn the_local_address_keeps_user_path_and_query_and_nothing_else() {
    let from = url("rtsps://us%40er:p%2Fw@camera.invalid:322/a/b?c=d#e");
    assert_eq!(local(&from, 7), "rtsp://us%40er:p%2Fw@127.0.0.1:7/a/b?c=d");
    assert_eq!(
        local(&url("rtsp://camera.invalid"), 7),
        "rtsp://127.0.0.1:7"
    );
}
