//! `rtsp_url` against a real RTSP server: frames, credentials, a server that dies.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use framewire_transport::VideoConfig;
use framewire_worker::{Reconnect, RtspPlaceholder, Worker, WorkerConfig};
use serde_json::json;

use crate::camera::Camera;
use crate::common::http::Response;
use crate::common::peer::errors;
use crate::common::worker_with;

/// The GStreamer server of `tests/doubles`.
struct RtspServer {
    child: Child,
    port: u16,
}

impl RtspServer {
    fn start(port: u16) -> RtspServer {
        let script =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/doubles/rtsp_server.py");
        let mut child = Command::new("/usr/bin/python3")
            .arg(script)
            .arg(port.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the system's Python is there: run scripts/setup-system.sh");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "ready");
        let port = lines.next().unwrap().unwrap();
        let port = port.strip_prefix("port ").unwrap().parse().unwrap();
        RtspServer { child, port }
    }

    fn url(&self, path: &str) -> String {
        format!("rtsp://127.0.0.1:{}{path}", self.port)
    }
}

impl Drop for RtspServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn pull(worker: &Worker, url: &str) -> Result<Camera, Response> {
    Camera::try_start(worker, VideoConfig::default().with_send(false), |body| {
        body["rtsp_url"] = json!(url);
        body["mjpeg_url"] = json!("http://127.0.0.1:1/ignored");
    })
}

fn worker(change: impl FnOnce(&mut WorkerConfig)) -> Worker {
    worker_with(change)
}

#[test]
fn frames_of_a_camera_come_back_and_a_dead_server_is_waited_for() {
    let server = RtspServer::start(0);
    let port = server.port;
    let worker = worker(|config| config.reconnect = Reconnect::Within(Duration::from_secs(20)));
    let mut camera = pull(&worker, &server.url("/test")).expect("the source opens");
    let mut last = camera.back().rtp_time;
    for _ in 0..10 {
        let next = camera.back().rtp_time;
        assert!(next.wrapping_sub(last) < 90_000, "one time line");
        last = next;
    }
    let result = camera.client.result();
    let metadata = &result["video_metadata"];
    assert_eq!(metadata["pts"], 0, "counted from the first frame taken");
    assert_eq!(
        (&metadata["width"], &metadata["height"]),
        (&json!(640), &json!(480))
    );
    drop(server);
    while worker.stats().reconnects == 0 {
        if camera
            .back_before(std::time::Instant::now() + Duration::from_millis(300))
            .is_none()
        {
            break; // what was under way is through
        }
    }
    let _server = RtspServer::start(port);
    let before = last;
    loop {
        let back = camera.back();
        last = back.rtp_time;
        if worker.stats().reconnects == 1 {
            break;
        }
    }
    assert!(
        last.wrapping_sub(before) < u32::MAX / 2,
        "time goes on after the gap"
    );
    assert_eq!(worker.stats().sessions, 1, "the same session");
}

#[test]
fn a_server_that_stays_dead_ends_the_session_with_the_reason() {
    let server = RtspServer::start(0);
    let worker = worker(|config| config.reconnect = Reconnect::Within(Duration::from_secs(1)));
    let mut camera = pull(&worker, &server.url("/test")).expect("the source opens");
    camera.back();
    drop(server);
    let (_, completion) = camera.client.results();
    let text = errors(&completion).join(" ");
    assert!(text.contains("did not come back within 1s"), "{text}");
    assert!(
        !text.contains("rtsp://") && !text.contains("127.0.0.1"),
        "{text}"
    );
}

#[test]
fn credentials_are_used_and_never_shown() {
    let server = RtspServer::start(0);
    let address = server.url("/auth");
    let with = |user: &str| address.replace("rtsp://", &format!("rtsp://{user}@"));
    let worker = worker(|config| {
        config.env.rtsp_placeholder = Some(RtspPlaceholder {
            text: "the-camera".into(),
            url: with("user:pass"),
        });
    });
    let mut camera = pull(&worker, "the-camera").expect("the placeholder stands for the address");
    camera.back();
    let refused = pull(&worker, &with("user:secret")).err().expect("refused");
    assert_eq!(refused.status, 400);
    assert!(refused.body.contains("credentials"), "{}", refused.body);
    assert!(!refused.body.contains("secret"), "{}", refused.body);
    let audio = pull(&worker, &server.url("/audio")).err().expect("refused");
    assert!(audio.body.contains("no video"), "{}", audio.body);
}

#[test]
fn addresses_that_may_not_or_cannot_be_dialled_are_refused_before_the_answer() {
    let open = worker(|config| config.limits.source_open = Duration::from_millis(500));
    let closed = worker(|config| config.deny_private_sources = true);
    for (worker, url, reason) in [
        (&closed, "rtsp://u:secret@127.0.0.1:1/x", "loopback address"),
        (&closed, "rtsp://u:secret@192.168.0.7/x", "private address"),
        (&open, "rtsp://u:secret@169.254.169.254/x", "not allowed"),
        (&open, "rtsp://u:secret@[fe80::1]/x", "link-local address"),
        (&open, "rtsp://u:secret@127.0.0.1:1/x", "reached"),
        (&open, "http://u:secret@127.0.0.1/x", "must begin with rtsp"),
        (&open, "rtsp://u:secret@no-such-host.invalid/x", "resolved"),
    ] {
        let refused = pull(worker, url).err().expect("refused");
        assert_eq!(refused.status, 400, "{url}: {}", refused.body);
        assert!(refused.body.contains(reason), "{url}: {}", refused.body);
        assert!(!refused.body.contains("secret"), "{}", refused.body);
    }
    assert_eq!(open.stats().sessions + closed.stats().sessions, 0);
}

#[test]
fn a_redirect_is_not_followed_wherever_it_leads() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut lines = BufReader::new(&stream).lines();
        let mut cseq = String::new();
        while let Some(Ok(line)) = lines.next() {
            if line.to_ascii_lowercase().starts_with("cseq:") {
                cseq = line;
            } else if line.is_empty() {
                let target = "rtsp://169.254.169.254/latest";
                let text = format!("RTSP/1.0 302 Moved\r\n{cseq}\r\nLocation: {target}\r\n\r\n");
                if (&stream).write_all(text.as_bytes()).is_err() {
                    return;
                }
            }
        }
    });
    let worker = worker(|_| {});
    let refused = pull(&worker, &format!("rtsp://127.0.0.1:{port}/x"));
    let refused = refused.err().expect("refused");
    assert_eq!(refused.status, 400, "{}", refused.body);
    assert!(refused.body.contains("redirect"), "{}", refused.body);
    server.join().unwrap();
}
