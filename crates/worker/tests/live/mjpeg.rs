//! `mjpeg_url`: what is pulled, what is refused, and how it ends.

use std::time::Duration;

use framewire_transport::VideoConfig;
use framewire_worker::{Reconnect, Worker, WorkerConfig};
use serde_json::json;

use crate::camera::Camera;
use crate::common::http::Response;
use crate::common::peer::errors;
use crate::common::worker_with;
use crate::mjpeg_server::{MjpegServer, Page};

fn worker(change: impl FnOnce(&mut WorkerConfig)) -> Worker {
    worker_with(|config| {
        config.env.mjpeg_allow_non_global = true;
        config.limits.source_open = Duration::from_secs(2);
        change(config);
    })
}

fn pull(worker: &Worker, url: &str, realtime: bool) -> Result<Camera, Response> {
    Camera::try_start(worker, VideoConfig::default().with_send(false), |body| {
        body["mjpeg_url"] = json!(url);
        body["webrtc_realtime_processing"] = json!(realtime);
    })
}

fn refused(worker: &Worker, url: &str) -> String {
    let response = pull(worker, url, true).err().expect("refused");
    assert_eq!(response.status, 400, "{}", response.body);
    assert_eq!(response.json()["error_type"], "WebRTCSourceError");
    assert!(!response.body.contains("secret"), "{}", response.body);
    response.body
}

#[test]
fn pictures_of_a_camera_page_come_back_on_the_track() {
    let server = MjpegServer::start(vec![("/moved", Page::Redirect("/stream".into()))]);
    let worker = worker(|_| {});
    let mut camera = pull(&worker, &server.url("/moved"), true).unwrap();
    let first = camera.back().counter();
    let mut last = first;
    while last < first + 10 {
        let next = camera.back().counter();
        assert!(next > last);
        last = next;
    }
    let metadata = &camera.client.result()["video_metadata"];
    assert_eq!(metadata["pts"], 0, "counted from the first frame taken");
    assert_eq!(
        (&metadata["width"], &metadata["height"]),
        (&json!(320), &json!(240))
    );
}

#[test]
fn a_batch_session_gets_every_picture_and_the_sources_end() {
    let server = MjpegServer::start(vec![("/ten", Page::End(10))]);
    let worker = worker(|_| {});
    let mut camera = pull(&worker, &server.url("/ten"), false).unwrap();
    let (results, completion) = camera.client.results();
    assert_eq!(results.len(), 10);
    assert_eq!(errors(&completion), [""; 0]);
    let numbers: Vec<u32> = (0..10).map(|_| camera.back().counter()).collect();
    assert_eq!(numbers, (0..10).collect::<Vec<_>>());
}

#[test]
fn what_cannot_be_pulled_is_refused_before_the_answer_with_the_reason() {
    let server = MjpegServer::start(vec![
        (
            "/metadata",
            Page::Redirect("http://169.254.169.254/latest".into()),
        ),
        ("/file", Page::Redirect("file:///etc/passwd".into())),
        ("/loop", Page::Redirect("/loop".into())),
        ("/closed", Page::Status(401)),
        ("/missing", Page::Status(404)),
        ("/page", Page::Html),
        ("/silent", Page::Silent),
    ]);
    let worker = worker(|config| config.limits.source_open = Duration::from_millis(500));
    for (path, reason) in [
        ("/metadata", "not allowed"),
        ("/file", "not to an http address"),
        ("/loop", "more than 5 times"),
        ("/closed", "credentials"),
        ("/missing", "404"),
        ("/page", "picture"),
        ("/silent", "longer than 500ms"),
    ] {
        let text = refused(&worker, &server.url(path));
        assert!(text.contains(reason), "{path}: {text}");
    }
    drop(server);
    assert!(refused(&worker, "http://user:secret@127.0.0.1:1/x").contains("cannot be reached"));
    assert!(refused(&worker, "ftp://user:secret@127.0.0.1/x").contains("must begin with http"));
    assert!(refused(&worker, "http://secret name/").contains("no URL"));
    assert_eq!(worker.stats().sessions, 0);
}

#[test]
fn private_addresses_are_refused_unless_allowed_also_behind_a_redirect() {
    let server = MjpegServer::start(Vec::new());
    let worker = worker(|config| config.env.mjpeg_allow_non_global = false);
    let text = refused(&worker, &server.url("/stream"));
    assert!(text.contains("loopback address"), "{text}");
    assert!(
        text.contains("WEBRTC_MJPEG_ALLOW_NON_GLOBAL_ADDRESSES"),
        "{text}"
    );
    let port = server.url("").rsplit(':').next().unwrap().to_owned();
    assert!(refused(&worker, &format!("http://localhost:{port}/")).contains("loopback address"));
    assert!(refused(&worker, "http://10.0.0.1/").contains("private address"));
    assert!(refused(&worker, "http://[::ffff:127.0.0.1]/").contains("loopback address"));
}

#[test]
fn a_source_that_is_cut_and_stays_away_ends_the_session_with_the_reason() {
    let server = MjpegServer::start(vec![("/cut", Page::Cut(5))]);
    for (policy, reason) in [
        (Reconnect::Off, "the source broke off"),
        (
            Reconnect::Within(Duration::from_millis(700)),
            "did not come back within 700ms",
        ),
    ] {
        let worker = worker(|config| config.reconnect = policy);
        let mut camera = pull(&worker, &server.url("/cut"), false).unwrap();
        let (results, completion) = camera.client.results();
        assert!(results.len() >= 5, "each connection gives five pictures");
        let text = errors(&completion).join(" ");
        assert!(text.contains(reason), "{text}");
        assert!(!text.contains("127.0.0.1"), "{text}");
    }
}
