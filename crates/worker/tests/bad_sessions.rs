//! What hostile, broken and unlucky clients do to their own session, and to nobody else's.

mod common;

use std::time::{Duration, Instant};

use bytes::Bytes;
use common::peer::{Client, errors};
use common::{PATIENCE, video, worker, worker_with};
use framewire_transport::CloseReason;
use framewire_worker::Worker;
use serde_json::{Value, json};

/// The session must end with a completion message that has one error containing `text`, and the worker must hang up.
fn ends_with_error(worker: &Worker, client: &mut Client, text: &str) -> String {
    let (_, completion) = client.results();
    let found = errors(&completion);
    assert!(
        found.iter().any(|error| error.contains(text)),
        "{found:?} lacks {text:?}"
    );
    assert_eq!(completion["termination_reason"], Value::Null);
    let said = found.join("; ");
    assert_eq!(client.closed(), CloseReason::Remote);
    assert!(worker.wait_idle(PATIENCE), "the place is free again");
    assert_eq!(worker.stats().upload_bytes_held, 0, "nothing stays on disk");
    assert_eq!(worker.stats().sessions_failed, 1);
    said
}

#[test]
fn an_upload_that_is_no_video_ends_with_the_reason() {
    let worker = worker();
    let mut client = Client::start(&worker, |_| {});
    client.upload(&b"this is not a video\n".repeat(1000), 4096);
    let said = ends_with_error(&worker, &mut client, "cannot be decoded");
    assert!(!said.contains("/proc/"), "{said}");
}

#[test]
fn a_file_that_breaks_off_gives_its_frames_and_then_the_reason() {
    let worker = worker();
    let mut client = Client::start(&worker, |_| {});
    let whole = video::noisy(20);
    client.upload(&whole[..whole.len() * 2 / 3], 49152);
    let (results, completion) = client.results();
    assert!(
        !results.is_empty(),
        "the good part is delivered: {completion}"
    );
    assert!(!errors(&completion).is_empty());
}

#[test]
fn contradictory_totals_end_the_upload() {
    let worker = worker();
    let mut client = Client::start(&worker, |_| {});
    client.chunk(0, 3, &[1; 100]);
    client.chunk(1, 4, &[1; 100]);
    ends_with_error(&worker, &mut client, "chunks");
}

#[test]
fn chunks_of_unequal_size_end_the_upload() {
    let worker = worker();
    let mut client = Client::start(&worker, |_| {});
    client.chunk(0, 3, &[1; 100]);
    client.chunk(1, 3, &[1; 99]);
    ends_with_error(&worker, &mut client, "chunk");
}

#[test]
fn an_upload_over_the_limit_ends_before_it_is_stored() {
    let worker = worker_with(|config| config.max_upload_bytes = 10_000);
    let mut client = Client::start(&worker, |_| {});
    client.chunk(0, 4_000_000, &[1; 1000]);
    ends_with_error(&worker, &mut client, "10000");
    assert_eq!(worker.stats().upload_bytes, 0);
}

#[test]
fn a_full_disk_ends_the_session_and_not_the_worker() {
    let worker = worker_with(|config| config.limits.max_upload_space = 2000);
    let mut client = Client::start(&worker, |_| {});
    client.upload(video::small(), 1000);
    ends_with_error(&worker, &mut client, "cannot store the upload");
    let mut tiny = Client::start(&worker, |_| {});
    tiny.chunk(0, 2, &[0; 1500]);
    tiny.ping();
    assert_eq!(
        worker.stats().upload_bytes_held,
        1500,
        "the space is there again"
    );
}

#[test]
fn an_announced_upload_without_chunks_ends_when_it_stalls() {
    let worker = worker_with(|config| config.env.watchdog = Duration::from_millis(300));
    let mut client = Client::start(&worker, |_| {});
    ends_with_error(&worker, &mut client, "no upload message");
}

#[test]
fn an_upload_that_stops_in_the_middle_ends_when_it_stalls() {
    let worker = worker_with(|config| config.env.watchdog = Duration::from_millis(300));
    let mut client = Client::start(&worker, |_| {});
    client.chunk(0, 3, &[0; 100]);
    ends_with_error(&worker, &mut client, "no upload message");
}

#[test]
fn pings_are_echoed_and_fragments_duplicates_and_wrong_indices_do_no_harm() {
    let worker = worker();
    let mut client = Client::start(&worker, |_| {});
    client.ping();
    for length in 2..8 {
        client.raw_chunk(Bytes::from(vec![0xff; length]));
    }
    let file = video::small();
    let total = u32::try_from(file.len().div_ceil(500)).unwrap();
    for (index, data) in file.chunks(500).enumerate().rev() {
        let index = u32::try_from(index).unwrap();
        client.chunk(index, total, data);
        client.chunk(index, total, data);
        let mut beyond = vec![0; 8 + data.len()];
        beyond[..4].copy_from_slice(&(total + index).to_le_bytes());
        beyond[4..8].copy_from_slice(&total.to_le_bytes());
        client.raw_chunk(Bytes::from(beyond));
        client.raw_chunk(Bytes::from_static(&[9; 8])); // 0x09090909 of 0x09090909
    }
    client.chunk(0, total, &file[..500]); // after completion
    client.chunk(0, 1, b"another file");
    let (results, completion) = client.results();
    assert_eq!(results.len(), video::FRAMES);
    assert_eq!(errors(&completion), [""; 0]);
    client.chunk(0, total, &file[..500]);
    client.ping();
}

#[test]
fn ten_thousand_control_messages_do_not_disturb_a_session() {
    let worker = worker();
    let mut client = Client::start(&worker, |_| {});
    for n in 0..10_000u32 {
        let _ = client
            .inference
            .wait_buffered_at_most(1 << 20, common::deadline());
        client.control(&format!("{{\"ack\": 0, \"n\": {n}}}"));
    }
    client.upload(video::small(), 49152);
    assert_eq!(client.results().0.len(), video::FRAMES);
}

#[test]
fn invalid_control_messages_are_dropped_and_counted() {
    let worker = worker();
    let mut client = Client::start(&worker, |_| {});
    let deep = "[".repeat(50_000);
    let bad = [
        "{",
        "[1]",
        "null",
        "\"x\"",
        "{\"ack\": -1}",
        "{\"ack\": 5.5}",
        "{\"ack\": {}}",
        "{\"data_output\": 1}",
        "{\"data_output\": [1]}",
        "{\"stream_output\": \"x\"}",
        deep.as_str(),
    ];
    for text in bad {
        client.control(text);
    }
    client
        .inference
        .send(Bytes::from_static(b"\xff\xfe\x00"))
        .unwrap();
    client.upload(video::small(), 49152);
    assert_eq!(client.results().0.len(), video::FRAMES);
    let metrics = common::http::get(worker.local_addr(), "/metrics").body;
    let line = format!("\nframewire_control_rejected_total {}\n", bad.len() + 1);
    assert!(metrics.contains(&line), "{metrics}");
}

#[test]
fn a_stream_output_change_in_a_session_without_video_does_nothing() {
    let worker = worker();
    let mut client = Client::start(&worker, |_| {});
    client.control("{\"stream_output\": [\"picture\"]}");
    client.upload(video::small(), 49152);
    assert_eq!(client.results().0.len(), video::FRAMES);
}

#[test]
fn the_processing_timeout_fires_while_no_frame_arrives() {
    let worker = worker_with(|config| config.env.shutdown_reserve = Duration::from_millis(500));
    let begin = Instant::now();
    let mut client = Client::start(&worker, |body| body["processing_timeout"] = json!(3));
    let (results, completion) = client.results();
    assert!(results.is_empty());
    assert_eq!(completion["termination_reason"], "timeout_reached");
    assert_eq!(completion["video_metadata"]["frame_id"], 0);
    assert_eq!(client.closed(), CloseReason::Remote);
    assert!(begin.elapsed() < Duration::from_secs(10));
}

#[test]
fn the_processing_timeout_fires_while_the_client_acknowledges_nothing() {
    let worker = worker_with(|config| config.env.shutdown_reserve = Duration::ZERO);
    let mut client = Client::start(&worker, |body| body["processing_timeout"] = json!(3));
    client.acks = false;
    client.control("{\"ack\": 1}");
    client.upload(video::small(), 49152);
    let (results, completion) = client.results();
    assert_eq!(results.len(), 2);
    assert_eq!(completion["termination_reason"], "timeout_reached");
    assert_eq!(completion["video_metadata"]["frame_id"], 2);
}

#[test]
fn a_client_that_leaves_frees_its_place_at_once() {
    let worker = worker_with(|config| config.max_sessions = 1);
    let mut client = Client::start(&worker, |_| {});
    client.chunk(0, 100, &[0; 1000]);
    client.ping();
    assert_eq!(worker.stats().upload_bytes_held, 1000);
    let begin = Instant::now();
    client.peer.close(Duration::ZERO);
    assert!(worker.wait_idle(PATIENCE), "the place is free again");
    assert!(
        begin.elapsed() < Duration::from_secs(5),
        "{:?}",
        begin.elapsed()
    );
    assert_eq!(worker.stats().upload_bytes_held, 0);
    assert_eq!(worker.stats().sessions_failed, 0, "leaving is no failure");
}

#[test]
fn a_client_that_leaves_in_mid_stream_frees_its_place() {
    let worker = worker();
    let mut client = Client::start(&worker, |body| body["data_output"] = json!(["picture"]));
    client.upload(video::fast(), 49152);
    client.result();
    drop(client);
    assert!(worker.wait_idle(PATIENCE), "the place is free again");
}

#[test]
fn an_offer_that_is_never_used_ends_by_itself() {
    let worker = worker_with(|config| config.limits.connect_timeout = Duration::from_millis(200));
    let body = common::request(&common::peer::offer_sdp());
    let answer = common::http::post(worker.local_addr(), common::peer::PATH, &body);
    assert_eq!(answer.status, 200);
    assert!(worker.wait_idle(PATIENCE), "the place is free again");
    assert_eq!(worker.stats().sessions_failed, 1);
}

#[test]
fn a_finished_session_is_closed_when_the_client_never_does() {
    let worker = worker_with(|config| config.limits.linger = Duration::from_millis(200));
    let mut client = Client::start(&worker, |_| {});
    client.upload(video::small(), 49152);
    client.results();
    assert_eq!(client.closed(), CloseReason::Remote);
    assert!(worker.wait_idle(PATIENCE), "the place is free again");
    assert_eq!(worker.stats().sessions_completed, 1);
}

#[test]
fn a_client_that_reads_nothing_ends_its_own_session_only() {
    let worker = worker_with(|config| {
        config.env.buffer_limit = 64 * 1024;
        config.limits.send_timeout = Duration::from_millis(500);
        config.limits.completion_drain = Duration::from_millis(200);
    });
    let mut stuck = Client::start_narrow(&worker, 16 * 1024, |body| {
        body["data_output"] = json!(["picture"]);
    });
    stuck.acks = false;
    stuck.upload(&video::noisy(100), 49152);
    // It takes no events, so its transport stops taking data; meanwhile another session runs as ever.
    let mut other = Client::start(&worker, |_| {});
    other.upload(video::small(), 49152);
    assert_eq!(other.results().0.len(), video::FRAMES);
    drop(other);
    assert!(
        worker.wait_idle(PATIENCE),
        "the stuck session ends by itself"
    );
    assert_eq!(worker.stats().sessions_failed, 1);
    let lost = |reason| worker.stats().dropped.contains(&(reason, 1));
    assert!(lost("slow_channel"), "{:?}", worker.stats());
}

#[test]
fn one_bad_session_among_good_ones_harms_none() {
    let worker = worker();
    let mut good: Vec<_> = (0..3).map(|_| Client::start(&worker, |_| {})).collect();
    let mut bad = Client::start(&worker, |_| {});
    bad.upload(&[7; 5000], 1000);
    for client in &mut good {
        client.upload(video::small(), 900);
        assert_eq!(client.results().0.len(), video::FRAMES);
    }
    let (_, completion) = bad.results();
    assert!(errors(&completion)[0].contains("cannot be decoded"));
    assert_eq!(worker.stats().sessions_failed, 1);
}
