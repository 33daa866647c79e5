//! RTSP from a GStreamer server, and from servers that misbehave.
//! Not redirects: whoever may not follow them puts something between.
#![cfg(feature = "ffmpeg")]

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use framewire_media::{FramePool, Interrupt, LiveError, LiveInput, LiveOptions, PixelFormat};

/// Three times what the slowest step may take.
const HANG: Duration = Duration::from_secs(15);

struct Server {
    process: Child,
    port: u16,
}

impl Server {
    fn start(options: &[&str]) -> Server {
        let script =
            PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/doubles/rtsp_server.py");
        let mut process = Command::new("/usr/bin/python3")
            .arg(script)
            .arg("0")
            .args(options)
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is installed");
        let lines = BufReader::new(process.stdout.take().expect("it is piped")).lines();
        let port = lines.map_while(Result::ok).find_map(|line| {
            line.strip_prefix("port ")
                .and_then(|port| port.parse().ok())
        });
        Server {
            process,
            port: port.expect("the server starts: scripts/setup-system.sh installs it"),
        }
    }

    fn url(&self, mount: &str) -> String {
        format!("rtsp://127.0.0.1:{}/{mount}", self.port)
    }

    fn signal(&self, signal: &str) {
        let id = self.process.id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &id])
                .status()
                .unwrap()
                .success()
        );
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = (self.process.kill(), self.process.wait());
    }
}

fn open(url: &str) -> Result<LiveInput, LiveError> {
    open_with(url, &LiveOptions::default(), &Interrupt::new())
}

fn open_with(
    url: &str,
    options: &LiveOptions,
    interrupt: &Interrupt,
) -> Result<LiveInput, LiveError> {
    LiveInput::rtsp(url, options, &FramePool::default(), interrupt)
}

/// A listener that takes connections and never says a word.
fn silent() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("rtsp://user:hunter2@{}/x", listener.local_addr().unwrap());
    (listener, url)
}

#[test]
fn every_codec_of_the_server_is_read_and_captured_in_order() {
    let server = Server::start(&[]);
    for (mount, codec) in [("test", "h264"), ("vp8", "vp8"), ("mjpeg", "mjpeg")] {
        let mut input = open(&server.url(mount)).unwrap();
        assert_eq!(input.info().codec, codec);
        let mut last = None;
        for _ in 0..10 {
            let live = input.read().unwrap().unwrap();
            assert_eq!(live.frame.format(), PixelFormat::I420);
            assert_eq!((live.frame.width(), live.frame.height()), (640, 480));
            assert!(live.captured <= Instant::now());
            let stamp = (live.frame.pts(), live.captured);
            assert!(
                last.is_none_or(|last| stamp > last),
                "{codec}: {last:?} {stamp:?}"
            );
            last = Some(stamp);
        }
        assert_eq!((input.info().width, input.info().height), (640, 480));
    }
}

#[test]
fn passwords_are_used_and_wrong_ones_reported_without_being_shown() {
    for method in ["basic", "digest"] {
        let server = Server::start(&["--auth", method]);
        let with = |user: &str| server.url("auth").replace("//", &format!("//{user}"));
        assert!(open(&with("user:pass@")).unwrap().read().unwrap().is_some());
        for user in ["user:hunter2@", ""] {
            let error = open(&with(user)).err().unwrap();
            assert!(matches!(error, LiveError::Unauthorized { .. }), "{error:?}");
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
    }
}

#[test]
fn missing_streams_streams_without_video_and_closed_ports_are_told_apart() {
    let server = Server::start(&[]);
    let error = open(&server.url("none")).err().unwrap();
    assert!(matches!(error, LiveError::Refused { .. }), "{error:?}");
    let error = open(&server.url("audio")).err().unwrap();
    assert!(matches!(error, LiveError::NoVideo { .. }), "{error:?}");
    let (listener, url) = silent();
    drop(listener);
    let error = open(&url).err().unwrap();
    assert!(matches!(error, LiveError::Refused { .. }), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}

#[test]
fn a_server_that_never_answers_times_out_and_an_interrupt_ends_the_wait_at_once() {
    let (_listener, url) = silent();
    let options = LiveOptions::default().with_open_timeout(Duration::from_millis(300));
    let error = open_with(&url, &options, &Interrupt::new()).err().unwrap();
    assert!(
        matches!(
            error,
            LiveError::TimedOut {
                step: "connecting",
                ..
            }
        ),
        "{error:?}"
    );

    let (listener, url) = silent();
    let options = LiveOptions::default().with_open_timeout(Duration::from_secs(600));
    let interrupt = Interrupt::new();
    let opening = {
        let interrupt = interrupt.clone();
        std::thread::spawn(move || open_with(&url, &options, &interrupt).err().unwrap())
    };
    // Interrupted once it waits for the answer.
    let _connection = listener.accept().unwrap();
    let start = Instant::now();
    interrupt.interrupt();
    assert_eq!(opening.join().unwrap(), LiveError::Interrupted);
    assert!(
        start.elapsed() < Duration::from_secs(3),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn a_server_that_is_killed_breaks_the_stream_and_one_that_falls_silent_times_out() {
    let server = Server::start(&[]);
    let options = LiveOptions::default().with_read_timeout(Duration::from_millis(700));
    let mut input = open_with(&server.url("test"), &options, &Interrupt::new()).unwrap();
    input.read().unwrap().unwrap();
    server.signal("-STOP");
    let error = until_end(&mut input).unwrap_err();
    assert!(matches!(error, LiveError::TimedOut { .. }), "{error:?}");
    server.signal("-CONT");

    let mut input = open(&server.url("test")).unwrap();
    input.read().unwrap().unwrap();
    drop(server);
    let error = until_end(&mut input).unwrap_err();
    assert!(matches!(error, LiveError::Broken { .. }), "{error:?}");
    assert!(input.read().unwrap().is_none());
}

#[test]
fn a_stream_that_ends_says_so() {
    let server = Server::start(&[]);
    let mut input = open(&server.url("short")).unwrap();
    let mut frames = 0;
    while input.read().unwrap().is_some() {
        frames += 1;
    }
    assert!(frames > 10, "{frames}");
}

/// Reads on until the stream ends one way or the other.
fn until_end(input: &mut LiveInput) -> Result<(), LiveError> {
    let start = Instant::now();
    while input.read()?.is_some() {
        assert!(start.elapsed() < HANG, "the stream goes on");
    }
    Ok(())
}
