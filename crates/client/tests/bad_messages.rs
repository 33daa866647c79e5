//! What a hostile or broken worker may send: each message costs itself, never the session.

mod support;

use framewire::{DropReason, EndKind, SessionStats, VideoFileSource};
use framewire_protocol::encoding::gzip;
use serde_json::json;
use support::{FakeWorker, Worker, clip, config, options, picture, result};

/// Frame 1, then what `send` sends, then frames 2 and 3, then the completion of 3 frames.
fn survives(send: impl FnOnce(&Worker) + Send + 'static) -> SessionStats {
    let worker = FakeWorker::connecting(move |mut worker| {
        worker.receive_file();
        worker.send_frame(1);
        send(&worker);
        worker.send_frame(2);
        worker.send_frame(3);
        worker.complete(3);
        worker.linger();
    });
    let session = worker.session();
    let ids: Vec<u64> = session
        .frames()
        .map(|frame| frame.unwrap().frame_id().unwrap().0)
        .collect();
    assert_eq!(ids, [1, 2, 3]);
    assert_eq!(session.wait(None).unwrap().kind, EndKind::Complete);
    let stats = session.stats();
    let frames = &stats.frames;
    assert_eq!(
        frames.produced,
        frames.delivered + frames.dropped.values().sum::<u64>()
    );
    assert_eq!(frames.in_flight, 0);
    stats
}

fn header(frame: u32, index: u32, total: u32, payload: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    for number in [frame, index, total] {
        message.extend_from_slice(&number.to_le_bytes());
    }
    message.extend_from_slice(payload);
    message
}

#[test]
fn corrupt_and_truncated_gzip_is_dropped() {
    let stats = survives(|worker| {
        let stream = gzip(&b"{\"a\": 1}".repeat(500));
        let mut flipped = stream.clone();
        flipped[20] ^= 0xff;
        worker.send_body(9, flipped);
        worker.send_body(9, stream[..stream.len() / 2].to_vec());
        worker.send_body(9, b"\x1f\x8b".to_vec());
    });
    assert_eq!(stats.bad_messages["bad_gzip"], 3);
}

#[test]
fn a_gzip_bomb_is_dropped_unopened() {
    let stats = survives(|worker| {
        // Small enough to be true, larger than a body may be.
        let mut bomb = gzip(b"x");
        bomb.resize(300_000, 0);
        bomb.extend_from_slice(&(257_u32 << 20).to_le_bytes());
        worker.send_body(9, bomb);
        let mut liar = gzip(b"x");
        let at = liar.len() - 4;
        liar[at..].copy_from_slice(&(200_u32 << 20).to_le_bytes());
        worker.send_body(9, liar);
    });
    assert_eq!(stats.bad_messages["too_large"], 1);
    assert_eq!(stats.bad_messages["bad_gzip"], 1);
}

#[test]
fn text_that_is_no_json_object_is_dropped() {
    let stats = survives(|worker| {
        worker.send_body(9, b"{\"a\": \"\xff\xfe\"}".to_vec());
        for text in [
            "[1, 2]",
            "7",
            "\"text\"",
            "null",
            "{\"a\": NaN}",
            "{\"a\": 1",
            "",
        ] {
            worker.send_text(text);
        }
        worker.send_raw(b"short".to_vec());
        worker.send_body(
            9,
            format!("{{\"a\": {}{}}}", "[".repeat(500), "]".repeat(500)),
        );
    });
    assert_eq!(stats.bad_messages["not_utf8"], 1);
    assert_eq!(stats.bad_messages["too_deep"], 1);
    let rest: u64 = stats.bad_messages.values().sum();
    assert!((9..=10).contains(&rest), "{:?}", stats.bad_messages);
}

#[test]
fn hostile_chunk_headers_are_dropped_and_hold_no_memory() {
    let stats = survives(|worker| {
        worker.send_raw(header(9, 0, 0, b"x"));
        worker.send_raw(header(9, 5, 5, b"x"));
        worker.send_raw(header(9, u32::MAX, u32::MAX, b"x"));
        worker.send_raw(header(9, 0, u32::MAX, b"x"));
        worker.send_raw(header(10, 0, 2, b"x"));
        worker.send_raw(header(10, 0, 3, b"x"));
        // Messages that never become complete make room for newer ones.
        for frame in 100..120 {
            worker.send_raw(header(frame, 0, 2, &[7; 1000]));
        }
    });
    assert_eq!(stats.bad_messages["bad_chunk"], 5);
    assert!(stats.bad_messages["evicted"] >= 12);
}

#[test]
fn unusual_but_harmless_messages_are_taken() {
    let stats = survives(|worker| {
        worker.send_text(r#"{"unknown": {"a": [1]}}"#);
        worker.send_raw(result(2, &json!(null)).to_string());
    });
    assert!(stats.bad_messages.is_empty(), "{:?}", stats.bad_messages);
    assert_eq!(stats.results, 5);
}

#[test]
fn pictures_that_cannot_be_decoded_are_counted_and_do_not_hold_up_the_acks() {
    let worker = FakeWorker::connecting(|mut worker| {
        worker.receive_file();
        let bad = [
            json!({"type": "base64", "value": "!!"}),
            json!({"type": "base64", "value": "/9j/4AAQSkZJRg=="}),
            json!({"type": "base64", "value": ""}),
            json!({"type": "url", "value": "http://x"}),
            json!(5),
        ];
        for (n, image) in (1..).zip(&bad) {
            worker.send_body(n, result(n, image).to_string());
            worker.wait_ack(n);
        }
        let mut without = result(6, &picture(6));
        without["serialized_output_data"]
            .as_object_mut()
            .unwrap()
            .remove("image");
        worker.send_body(6, without.to_string());
        worker.wait_ack(6);
        worker.send_frame(7);
        worker.wait_ack(7);
        worker.complete(7);
        worker.linger();
    });
    let session = worker.session();
    session.wait(None).unwrap();
    let frames = session.stats().frames;
    assert_eq!((frames.produced, frames.delivered), (7, 1));
    assert_eq!(frames.dropped[&DropReason::Undecodable], 5);
    assert_eq!(frames.dropped[&DropReason::NoPicture], 1);
}

#[test]
fn frames_that_never_arrive_are_counted_with_a_reason() {
    let worker = FakeWorker::connecting(|mut worker| {
        worker.receive_file();
        worker.send_frame(1);
        worker.send_body(2, gzip(b"{}")[..15].to_vec());
        // Frame 3 is never sent.
        worker.send_frame(4);
        worker.complete(5);
        worker.linger();
    });
    let session = worker.session();
    session.wait(None).unwrap();
    let frames = session.stats().frames;
    assert_eq!((frames.produced, frames.delivered), (5, 2));
    assert_eq!(frames.dropped[&DropReason::Undecodable], 1);
    assert_eq!(frames.dropped[&DropReason::Network], 2);
}

#[test]
fn a_hostile_frame_number_breaks_no_sum() {
    let worker = FakeWorker::connecting(|mut worker| {
        worker.receive_file();
        let mut message = result(1, &picture(1));
        message["video_metadata"]["frame_id"] = json!(u64::MAX);
        worker.send_body(1, message.to_string());
        worker.send_frame(2);
        worker.complete(2);
        worker.linger();
    });
    let source = VideoFileSource::new(clip().to_str().unwrap());
    let session = worker.session_with(source, config(), options());
    assert_eq!(session.frames().filter(Result::is_ok).count(), 2);
    let frames = session.stats().frames;
    assert_eq!(
        frames.produced,
        frames.delivered + frames.dropped.values().sum::<u64>()
    );
}
