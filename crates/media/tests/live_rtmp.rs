//! RTMP from an FFmpeg that serves one reader.
//! Not RTMP servers of other makers.
#![cfg(feature = "ffmpeg")]

mod common;

use std::net::TcpListener;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use common::Clips;
use framewire_media::{FramePool, Interrupt, LiveError, LiveInput, LiveOptions, PixelFormat};

const HANG: Duration = Duration::from_secs(15);

/// Serves a clip once to one reader.
struct Server {
    process: Child,
    url: String,
}

impl Server {
    fn start(clip: &str, how: &[&str]) -> Server {
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let url = format!("rtmp://127.0.0.1:{port}/live/hunter2");
        let process = Command::new("ffmpeg")
            .args(["-v", "error", "-re", "-i", clip])
            .args(how)
            .args(["-f", "flv", "-listen", "1", &url])
            .spawn()
            .expect("ffmpeg is installed");
        Server { process, url }
    }

    /// Opens as soon as somebody listens.
    fn open(&self) -> Result<LiveInput, LiveError> {
        let start = Instant::now();
        loop {
            match open(&self.url) {
                Err(LiveError::Refused { .. }) if start.elapsed() < HANG => {
                    std::thread::yield_now();
                }
                result => return result,
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = (self.process.kill(), self.process.wait());
    }
}

fn open(url: &str) -> Result<LiveInput, LiveError> {
    LiveInput::rtmp(
        url,
        &LiveOptions::default(),
        &FramePool::default(),
        &Interrupt::new(),
    )
}

#[test]
fn a_stream_is_read_frame_by_frame_and_its_cut_is_an_error() {
    let clips = Clips::new();
    let clip = clips.h264("clip.mp4", "320x240", 60.0);
    let server = Server::start(clip.to_str().unwrap(), &["-an", "-c", "copy"]);
    let mut input = server.open().unwrap();
    assert_eq!(input.info().codec, "h264");
    let mut last = None;
    for _ in 0..30 {
        let live = input.read().unwrap().unwrap();
        assert_eq!(live.frame.format(), PixelFormat::I420);
        assert_eq!((live.frame.width(), live.frame.height()), (320, 240));
        assert!(live.frame.pts() > last);
        last = live.frame.pts();
    }
    drop(server);
    let start = Instant::now();
    let end = loop {
        match input.read() {
            Ok(Some(_)) => assert!(start.elapsed() < HANG),
            end => break end,
        }
    };
    let error = end.unwrap_err();
    assert!(matches!(error, LiveError::Broken { .. }), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}

#[test]
fn a_stream_joined_in_the_middle_begins_with_the_next_keyframe() {
    let clips = Clips::new();
    let clip = clips.make(
        "clip.mp4",
        "-f lavfi -i testsrc2=size=320x240:rate=30:duration=20 -c:v libx264 -preset ultrafast -g 30 -pix_fmt yuv420p",
    );
    let drop_start = ["-an", "-c", "copy", "-bsf:v", "noise=drop=lt(n\\,10)"];
    let server = Server::start(clip.to_str().unwrap(), &drop_start);
    let mut input = server.open().unwrap();
    let first = input.read().unwrap().unwrap();
    let stats = input.stats();
    assert_eq!((stats.before_keyframe, stats.damaged), (20, 0), "{stats:?}");
    let seconds = first.frame.timing().seconds().unwrap();
    assert!((seconds - 1.0).abs() < 0.1, "{seconds}");
}

#[test]
fn a_stream_without_pictures_has_no_video() {
    let clips = Clips::new();
    let clip = clips.make("tone.mp4", "-f lavfi -i sine=duration=30 -c:a aac");
    let server = Server::start(clip.to_str().unwrap(), &["-c", "copy"]);
    let options = LiveOptions::default().with_open_timeout(Duration::from_millis(1500));
    let start = Instant::now();
    let error = loop {
        let (pool, interrupt) = (FramePool::default(), Interrupt::new());
        match LiveInput::rtmp(&server.url, &options, &pool, &interrupt) {
            Err(LiveError::Refused { .. }) if start.elapsed() < HANG => std::thread::yield_now(),
            result => break result.err().unwrap(),
        }
    };
    assert!(matches!(error, LiveError::NoVideo { .. }), "{error:?}");
}

#[test]
fn a_closed_port_is_refused_and_a_silent_server_times_out() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("rtmp://{}/live/hunter2", listener.local_addr().unwrap());
    let options = LiveOptions::default().with_open_timeout(Duration::from_millis(300));
    let error = LiveInput::rtmp(&url, &options, &FramePool::default(), &Interrupt::new());
    let error = error.err().unwrap();
    assert!(matches!(error, LiveError::TimedOut { .. }), "{error:?}");
    drop(listener);
    let error = open(&url).err().unwrap();
    assert!(matches!(error, LiveError::Refused { .. }), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}
