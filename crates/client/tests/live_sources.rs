//! Cameras and streams that this side reads.
#![cfg(feature = "ffmpeg")]

mod support;

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use framewire::{
    EndKind, ErrorKind, FrameEvent, Frames, LocalStreamSource, Match, Reconnect, Session,
    SessionError, SourceError, WebcamSource,
};
use support::{FakeWorker, Habits, config, options};

/// A GStreamer server with live test pictures.
struct Rtsp {
    process: Child,
    port: u16,
}

impl Rtsp {
    /// On this port, or a free one if it is 0.
    fn start(port: u16) -> Rtsp {
        let script =
            PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/doubles/rtsp_server.py");
        let mut process = Command::new("/usr/bin/python3")
            .arg(script)
            .arg(port.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is installed");
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = lines
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("port ")?.parse().ok());
        Rtsp {
            process,
            port: port.expect("the server starts: scripts/setup-system.sh installs it"),
        }
    }

    fn source(&self, mount: &str) -> LocalStreamSource {
        LocalStreamSource::new(format!("rtsp://127.0.0.1:{}/{mount}", self.port)).unwrap()
    }
}

impl Drop for Rtsp {
    fn drop(&mut self) {
        let _ = (self.process.kill(), self.process.wait());
    }
}

fn next(frames: &mut Frames<'_>) -> FrameEvent {
    frames.next().expect("a frame").expect("no error")
}

fn echoing() -> FakeWorker {
    FakeWorker::echoing(Habits::default(), |mut echo| echo.run())
}

#[test]
fn a_camera_is_sent_with_its_rate_and_its_end_completes_the_session() {
    let worker = echoing();
    let camera = WebcamSource::new("lavfi:testsrc2=size=320x240:rate=25:duration=2");
    let mut patient = options();
    // On a busy machine a result may come long after its frame.
    patient.pairing_wait = support::GUARD;
    let session = worker.session_with(camera, config(), patient);
    let mut last = None;
    for event in session.frames() {
        let event = event.unwrap();
        assert_eq!(event.pairing, Match::Exact);
        assert_eq!((event.frame.width(), event.frame.height()), (320, 240));
        assert!(last < event.captured, "capture times grow");
        last = event.captured;
    }
    assert!(last.is_some());
    assert_eq!(session.wait(None).unwrap().kind, EndKind::Complete);
    let request = worker.requests.recv().unwrap();
    assert_eq!(request["declared_fps"], 25.0);
    assert!(request.get("rtsp_url").is_none() && request.get("manual_mode").is_none());
}

#[test]
fn a_camera_that_is_not_there_fails_before_anything_connects() {
    let worker = echoing();
    let session = worker.session_with(WebcamSource::new("/dev/video97"), config(), options());
    let error = session.run().unwrap_err();
    let SessionError::Source(SourceError::Live { reason }) = &error else {
        panic!("{error:?}");
    };
    assert!(reason.contains("/dev/video97"), "{reason}");
    assert_eq!(error.kind(), ErrorKind::Input);
    assert!(
        worker.heads.try_recv().is_err(),
        "nothing was asked of the worker"
    );
}

#[test]
fn a_stream_nobody_serves_fails_before_anything_connects_and_hides_its_password() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    for scheme in ["rtsp", "rtmp"] {
        let worker = echoing();
        let url = format!("{scheme}://user:hunter2@127.0.0.1:{port}/live/hunter2");
        let source = LocalStreamSource::new(url).unwrap();
        let session = worker.session_with(source, config(), options());
        let error = session.run().unwrap_err();
        assert!(
            matches!(error, SessionError::Source(SourceError::Live { .. })),
            "{error:?}"
        );
        assert!(!format!("{error} {error:?}").contains("hunter2"));
        assert!(worker.heads.try_recv().is_err());
    }
}

#[test]
fn closing_interrupts_the_opening_of_a_stream_that_says_nothing() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("rtsp://{}/x", silent.local_addr().unwrap());
    let worker = echoing();
    let source = LocalStreamSource::new(url).unwrap();
    let session = worker.session_with(source, config(), options());
    std::thread::scope(|scope| {
        let running = scope.spawn(|| session.run());
        let _connection = silent.accept().unwrap();
        let begun = Instant::now();
        session.close();
        assert_eq!(running.join().unwrap().unwrap().kind, EndKind::Closed);
        assert!(begun.elapsed() < Duration::from_secs(3));
    });
}

#[test]
fn a_stream_read_here_survives_its_server_and_ends_without_it() {
    let server = Rtsp::start(0);
    let worker = echoing();
    let mut limits = options();
    limits.reconnect = Reconnect::Within(Duration::from_secs(60));
    let session = worker.session_with(server.source("test"), config(), limits);
    let mut frames = session.frames();
    for _ in 0..5 {
        next(&mut frames);
    }
    let port = server.port;
    drop(server);
    let killed = Instant::now();
    let server = Rtsp::start(port);
    // What was on its way comes first.
    while next(&mut frames).captured.unwrap() < killed {}
    let back = next(&mut frames);
    assert_eq!((back.frame.width(), back.frame.height()), (640, 480));
    drop(frames);
    session.close();
    drop(server);
    assert_balanced(&session);
}

#[test]
fn without_reconnecting_a_broken_stream_ends_the_session_with_its_error() {
    let server = Rtsp::start(0);
    let worker = echoing();
    let mut limits = options();
    limits.reconnect = Reconnect::Off;
    let session = worker.session_with(server.source("test"), config(), limits);
    let mut frames = session.frames();
    for _ in 0..5 {
        next(&mut frames);
    }
    drop(server);
    let error = frames.find_map(Result::err).expect("an error at the end");
    assert!(
        matches!(error, SessionError::Source(SourceError::Broken { .. })),
        "{error:?}"
    );
    assert_eq!(error.kind(), ErrorKind::Stream);
    assert_balanced(&session);
}

fn assert_balanced(session: &Session) {
    let stats = session.stats();
    let frames = &stats.frames;
    assert_eq!(frames.in_flight, 0);
    assert_eq!(
        frames.produced,
        frames.delivered + frames.dropped.values().sum::<u64>()
    );
    let outgoing = stats.outgoing.unwrap();
    assert!(outgoing.captured >= outgoing.sent + outgoing.dropped.values().sum::<u64>());
}
