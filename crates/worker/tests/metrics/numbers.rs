//! What the numbers say after sessions of several kinds, and while one runs.

use framewire_transport::VideoConfig;
use serde_json::json;

use crate::camera::Camera;
use crate::common::http::{get, post};
use crate::common::peer::{Client, PATH};
use crate::common::{PATIENCE, video};
use crate::{page, worker};

/// Labels there may be; each has a fixed list of values, or one for each loaded model.
const LABELS: [&str; 14] = [
    "channel",
    "engine",
    "ffmpeg",
    "kind",
    "le",
    "model",
    "onnxruntime",
    "outcome",
    "reason",
    "route",
    "source",
    "stage",
    "state",
    "status",
];

#[test]
fn a_worker_that_did_nothing_yet_has_every_series_that_labels_of_its_own_make() {
    let worker = worker();
    let fresh = page(&worker);
    for (name, labels) in fresh.names() {
        for label in labels {
            let known = LABELS.contains(&label.as_str()) || ["version", "task"].contains(&&*label);
            assert!(known, "{name} has the label {label}");
        }
    }
    assert_eq!(fresh.sum("framewire_build_info"), 1.0);
    assert!(fresh.sum("process_resident_memory_bytes") > 1e6);
    assert!(fresh.sum("process_start_time_seconds") > 1.6e9);
    assert!(fresh.sum("process_open_fds") > 3.0);
    let before: Vec<_> = fresh.names().into_keys().collect();
    let mut client = Client::start(&worker, |body| body["data_output"] = json!([]));
    client.upload(video::small(), 49_152);
    client.results();
    drop(client);
    assert!(worker.wait_idle(PATIENCE));
    let after = page(&worker);
    assert_eq!(before, after.names().into_keys().collect::<Vec<_>>());
    let series = |page: &crate::exposition::Page| -> usize {
        page.0.values().map(|family| family.samples.len()).sum()
    };
    assert_eq!(series(&fresh), series(&after), "a session leaves no series");
}

#[test]
fn a_file_job_is_counted_from_its_request_to_its_end() {
    let worker = worker();
    let mut client = Client::start(&worker, |_| {});
    client.upload(video::small(), 49_152);
    let (results, _) = client.results();
    let frames = results.len() as f64;
    drop(client);
    assert!(worker.wait_idle(PATIENCE));
    let page = page(&worker);
    let source = [("source", "video_file")];
    assert_eq!(page.value("framewire_sessions_started_total", &source), 1.0);
    assert_eq!(page.sum("framewire_sessions"), 0.0);
    let done = [("outcome", "completed"), ("reason", "done")];
    assert_eq!(page.value("framewire_sessions_ended_total", &done), 1.0);
    assert_eq!(page.sum("framewire_sessions_ended_total"), 1.0);
    assert_eq!(page.sum("framewire_session_duration_seconds_count"), 1.0);
    assert_eq!(page.sum("framewire_session_connect_seconds_count"), 1.0);
    assert_eq!(page.sum("framewire_frames_total"), frames);
    for stage in ["queue", "workflow", "send", "total"] {
        let name = "framewire_stage_duration_seconds_count";
        assert_eq!(page.value(name, &[("stage", stage)]), frames, "{stage}");
    }
    let bytes = video::small().len() as f64;
    assert_eq!(page.sum("framewire_upload_bytes_total"), bytes);
    let upload = [("channel", "video_upload")];
    let received = page.value("framewire_channel_received_bytes_total", &upload);
    assert!(received >= bytes, "{received} of an ended session");
    assert!(page.sum("framewire_data_rtt_seconds_count") >= 1.0);
    assert_eq!(page.sum("framewire_data_in_flight_bytes"), 0.0);
    assert_eq!(page.sum("framewire_errors_total"), 0.0);
    let requests = [("route", PATH), ("status", "2xx")];
    assert_eq!(page.value("framewire_http_requests_total", &requests), 1.0);
    let took = "framewire_http_request_duration_seconds_count";
    assert_eq!(page.value(took, &[("route", PATH)]), 1.0);
}

#[test]
fn sums_over_sessions_never_fall_when_one_ends() {
    let worker = worker();
    let mut camera = Camera::start(&worker, VideoConfig::default(), |_| {});
    for index in 0..5 {
        camera.round_trip(index);
    }
    let during = page(&worker);
    let running = [("source", "track"), ("state", "running")];
    assert_eq!(during.value("framewire_sessions", &running), 1.0);
    assert_eq!(during.sum("framewire_sessions"), 1.0);
    assert!(during.sum("framewire_track_target_bytes_per_second") > 0.0);
    assert!(during.sum("framewire_data_window_bytes") > 0.0);
    drop(camera);
    assert!(worker.wait_idle(PATIENCE));
    let after = page(&worker);
    for (name, family) in &during.0 {
        for (key, before) in &family.samples {
            if family.kind != "gauge" {
                assert!(after.0[name].samples[key] >= *before, "{key:?}");
            }
        }
    }
    assert!(after.sum("framewire_track_received_bytes_total") > 0.0);
    for gone in [
        "framewire_track_target_bytes_per_second",
        "framewire_data_window_bytes",
        "framewire_data_rate_bytes_per_second",
        "framewire_sessions",
    ] {
        assert_eq!(after.sum(gone), 0.0, "{gone}");
    }
    let left = [("outcome", "cut_short"), ("reason", "client_left")];
    assert_eq!(after.value("framewire_sessions_ended_total", &left), 1.0);
}

#[test]
fn refusals_and_unknown_paths_are_counted_under_names_of_ours() {
    let worker = worker();
    let address = worker.local_addr();
    assert_eq!(post(address, PATH, &json!({"no": "request"})).status, 422);
    for path in ["/a", "/b?c=d", "/%7B%22"] {
        assert_eq!(get(address, path).status, 404);
    }
    let page = page(&worker);
    let invalid = [("reason", "invalid")];
    assert_eq!(
        page.value("framewire_sessions_refused_total", &invalid),
        1.0
    );
    let other = [("route", "other"), ("status", "4xx")];
    assert_eq!(page.value("framewire_http_requests_total", &other), 3.0);
    let refused = [("route", PATH), ("status", "4xx")];
    assert_eq!(page.value("framewire_http_requests_total", &refused), 1.0);
}
