//! What the worker answers to each kind of offer: the direction of the video section, or a refusal.

use framewire_transport::VideoConfig;
use serde_json::{Value, json};

use crate::camera::passthrough;
use crate::common::http::{Response, post};
use crate::common::peer::{PATH, offer_with};
use crate::common::{request, worker_with};
use crate::mjpeg_server::MjpegServer;
use framewire_worker::Worker;

fn worker() -> Worker {
    worker_with(|config| config.env.mjpeg_allow_non_global = true)
}

/// Posts an offer with this video section, changed by `sdp`, in a passthrough request changed by `change`.
fn ask(
    worker: &Worker,
    video: Option<VideoConfig>,
    sdp: impl FnOnce(String) -> String,
    change: impl FnOnce(&mut Value),
) -> Response {
    let (_offer, text) = offer_with(&["inference"], |config| config.video = video);
    let mut body = request(&sdp(text));
    passthrough(&mut body);
    change(&mut body);
    post(worker.local_addr(), PATH, &body)
}

/// Direction of the answer's video section and whether it names a stream; `None` without a section.
fn video_section(answer: &Response) -> Option<(String, bool)> {
    assert_eq!(answer.status, 200, "{}", answer.body);
    let body = answer.json();
    let sdp = body["sdp"].as_str().unwrap();
    let section = sdp.split("m=video").nth(1)?.split("m=application").next()?;
    let direction = ["sendrecv", "sendonly", "recvonly", "inactive"]
        .into_iter()
        .find(|name| section.contains(&format!("a={name}\r\n")))
        .expect("a direction");
    let msid = section
        .lines()
        .find_map(|line| line.strip_prefix("a=msid:"));
    let named = msid.is_some_and(|msid| !msid.starts_with('-') && msid.contains(' '));
    Some((direction.to_owned(), named))
}

#[test]
fn every_source_gets_the_direction_of_the_table() {
    let server = MjpegServer::start(Vec::new());
    let url = server.url("/stream");
    let worker = worker();
    let camera = VideoConfig::default;
    let viewer = || VideoConfig::default().with_send(false);
    let keep = |sdp: String| sdp;
    let video = |_: &mut Value| {};
    let data = |body: &mut Value| {
        body["stream_output"] = json!([]);
        body["data_output"] = json!(["*"]);
    };
    let pulled = |body: &mut Value| body["mjpeg_url"] = json!(url);
    let section = |direction: &str, named| Some((direction.to_owned(), named));
    // camera, local stream, manual
    let answer = ask(&worker, Some(camera()), keep, video);
    assert_eq!(video_section(&answer), section("sendrecv", true));
    let answer = ask(&worker, Some(camera()), keep, data);
    assert_eq!(video_section(&answer).unwrap().0, "recvonly");
    // a URL the worker pulls
    let answer = ask(&worker, Some(viewer()), keep, pulled);
    assert_eq!(video_section(&answer), section("sendonly", true));
    let answer = ask(&worker, Some(viewer()), keep, |body| {
        pulled(body);
        data(body);
    });
    assert_eq!(video_section(&answer).unwrap().0, "inactive");
    // a file, on the data channel and on the track
    assert_eq!(video_section(&ask(&worker, None, keep, data)), None);
    let answer = ask(&worker, Some(viewer()), keep, video);
    assert_eq!(video_section(&answer), section("sendonly", true));
    let answer = ask(&worker, Some(viewer()), keep, data);
    assert_eq!(video_section(&answer).unwrap().0, "inactive");
    // auto-detection is a wish for video
    let answer = ask(&worker, Some(camera()), keep, |body| {
        body["stream_output"] = Value::Null;
    });
    assert_eq!(video_section(&answer), section("sendrecv", true));
}

#[test]
fn an_offer_that_cannot_carry_our_track_gets_data_or_a_refusal_and_never_silence() {
    let worker = worker();
    let sender = || Some(VideoConfig::default().with_receive(false));
    let keep = |sdp: String| sdp;
    let with_data = |body: &mut Value| body["data_output"] = json!(["*"]);
    for offer in [None, sender()] {
        let refused = ask(&worker, offer.clone(), keep, |_| {});
        assert_eq!(refused.status, 400, "{}", refused.body);
        assert_eq!(refused.json()["error_type"], "WebRTCConfigurationError");
        assert!(refused.body.contains("stream_output"), "{}", refused.body);
        let answer = ask(&worker, offer, keep, with_data);
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
}

#[test]
fn a_video_section_without_a_common_codec_is_refused_where_it_matters() {
    let worker = worker();
    let strange = |sdp: String| {
        sdp.replace("VP8/90000", "VP9/90000")
            .replace("H264/90000", "AV1/90000")
    };
    let refused = ask(&worker, Some(VideoConfig::default()), strange, |_| {});
    assert_eq!(refused.status, 400, "{}", refused.body);
    assert!(refused.body.contains("VP8 and H264"), "{}", refused.body);
    let viewer = || Some(VideoConfig::default().with_send(false));
    let refused = ask(&worker, viewer(), strange, |_| {});
    assert_eq!(refused.status, 400, "{}", refused.body);
    assert!(refused.body.contains("VP8 and H264"), "{}", refused.body);
    let answer = ask(&worker, viewer(), strange, |body| {
        body["data_output"] = json!(["*"])
    });
    assert_eq!(answer.status, 200, "data remains: {}", answer.body);
    assert_eq!(
        worker.stats().sessions,
        1,
        "refused ones leave nothing behind"
    );
}
