//! Sessions that are paused and go on: what stops, what still comes, and where the difference is counted.

mod support;

use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use framewire::{DropReason, EndKind, Reconfigure, Session, StreamErrorKind, VideoFileSource};
use serde_json::json;
use support::{FakeWorker, GUARD, assert_settled, clip, config, long_file, options};

#[test]
fn a_paused_batch_session_delivers_what_comes_and_acknowledges_it_when_it_goes_on() {
    let (go, paused) = channel::<()>();
    let worker = FakeWorker::connecting(move |mut worker| {
        worker.receive_file();
        worker.send_frame(1);
        worker.wait_ack(1);
        worker.send_frame(2);
        paused.recv_timeout(GUARD).unwrap();
        worker.send_frame(3);
        // Sent after frame 2 was handled: had that been acknowledged, it would be known by now.
        worker.until("the change of outputs", |worker| {
            !worker.controls.is_empty()
        });
        assert_eq!(worker.acks, [1]);
        worker.send_frame(4);
        worker.wait_ack(4);
        assert_eq!(worker.acks, [1, 3, 4], "the highest one once");
        worker.complete(4);
        worker.linger();
    });
    let session = worker.session();
    let mut frames = session.frames();
    let mut next = || frames.next().unwrap().unwrap().frame_id().unwrap().0;
    assert_eq!((next(), next()), (1, 2));
    session.pause();
    assert!(session.is_paused());
    go.send(()).unwrap();
    assert_eq!(next(), 3);
    session
        .reconfigure(Reconfigure::new().data_output(["data"]))
        .unwrap();
    assert_eq!(next(), 4);
    session.resume();
    assert!(!session.is_paused());
    assert!(frames.next().is_none());
    let frames = session.stats().frames;
    assert_eq!((frames.received, frames.delivered), (4, 4));
    assert_settled(&frames);
}

#[test]
fn an_upload_stands_still_while_pings_keep_the_worker_and_then_arrives_whole() {
    let file = long_file("paused.mp4", 1 << 20);
    let path = file.to_str().unwrap().to_owned();
    let (seen, pinged) = channel();
    let worker = FakeWorker::connecting(move |mut worker| {
        worker.until("pings", |worker| worker.pings >= 5);
        assert!(worker.chunks.is_empty(), "nothing is sent while paused");
        seen.send(()).unwrap();
        assert_eq!(worker.receive_file(), std::fs::read(&file).unwrap());
        worker.complete(0);
        worker.linger();
    });
    let mut limits = options();
    limits.upload_ping_interval = Duration::from_millis(20);
    let session = worker.session_with(VideoFileSource::new(path), config(), limits);
    session.pause();
    session.start().unwrap();
    pinged.recv_timeout(GUARD).unwrap();
    assert_eq!(session.stats().upload.bytes, 0);
    session.resume();
    assert_eq!(session.run().unwrap().kind, EndKind::Complete);
}

#[test]
fn a_paused_upload_is_closed_at_once() {
    let (opened, open) = channel();
    let worker = FakeWorker::connecting(move |mut worker| {
        worker.open();
        opened.send(()).unwrap();
        worker.linger();
    });
    let mut limits = options();
    limits.shutdown_timeout = GUARD;
    let source = VideoFileSource::new(clip().to_str().unwrap());
    let session = worker.session_with(source, config(), limits);
    session.pause();
    session.start().unwrap();
    open.recv_timeout(GUARD).unwrap();
    let began = std::time::Instant::now();
    session.close();
    assert!(began.elapsed() < GUARD / 3, "a thread was left waiting");
    // A closed session stays as it is.
    session.resume();
    session.pause();
    assert!(!session.is_paused());
}

/// Tells when everything that was sent before an unusable message has been taken in.
fn markers(session: &Session) -> Receiver<()> {
    let (seen, markers) = channel();
    session.on_stream_error(move |error| {
        if matches!(error.kind, StreamErrorKind::BadMessage(_)) {
            seen.send(()).unwrap();
        }
    });
    markers
}

#[test]
fn results_of_a_file_in_realtime_are_dropped_and_counted_while_paused() {
    let (go, turns) = channel::<()>();
    let worker = FakeWorker::connecting(move |mut worker| {
        worker.receive_file();
        for (first, last) in [(1, 3), (4, 8), (9, 9)] {
            turns.recv_timeout(GUARD).unwrap();
            (first..=last).for_each(|n| worker.send_frame(n));
            worker.send_text("no result");
        }
        worker.complete(9);
        worker.linger();
    });
    let source = VideoFileSource::new(clip().to_str().unwrap()).realtime_processing(true);
    let session = worker.session_with(source, config(), options());
    let marker = markers(&session);
    let (told, data) = channel();
    let mut heard = Vec::new();
    session.on_any_data(move |_, metadata| {
        let id = metadata.unwrap().frame_id.0;
        heard.push(id);
        assert!([1, 2, 3, 9].starts_with(&heard), "{heard:?}");
        told.send(id).unwrap();
    });
    session.start().unwrap();
    let until = |id| while data.recv_timeout(GUARD).unwrap() < id {};
    go.send(()).unwrap();
    until(3);
    marker.recv_timeout(GUARD).unwrap();
    session.pause();
    go.send(()).unwrap();
    marker.recv_timeout(GUARD).unwrap();
    session.resume();
    go.send(()).unwrap();
    until(9);
    let ids: Vec<u64> = session
        .frames()
        .map(|frame| frame.unwrap().frame_id().unwrap().0)
        .collect();
    assert_eq!(ids, [1, 2, 3, 9]);
    let frames = session.stats().frames;
    assert_eq!(frames.dropped[&DropReason::Paused], 5);
    assert_eq!(frames.received, 9);
    assert_eq!(session.stats().handler_panics, 0);
    assert_settled(&frames);
}

#[cfg(feature = "ffmpeg")]
mod live {
    use super::*;
    use framewire::{ManualSource, RtspSource};
    use support::{Habits, Pusher, Streamer, number};

    #[test]
    fn frames_pushed_during_a_pause_are_dropped_counted_and_not_encoded() {
        let worker = FakeWorker::echoing(Habits::default(), |mut echo| echo.run());
        let source = ManualSource::new();
        let mut pusher = Pusher::new(source.sender());
        let session = worker.session_with(source, config(), options());
        session.start().unwrap();
        let mut frames = session.frames();
        let mut next = || number(&frames.next().unwrap().unwrap());
        pusher.push(1);
        assert_eq!(next(), 1);
        session.pause();
        (2..=21).for_each(|n| pusher.push(n));
        session.resume();
        pusher.push(22);
        assert_eq!(next(), 22);
        session.close();
        let stats = session.stats();
        let outgoing = stats.outgoing.unwrap();
        assert_eq!((outgoing.captured, outgoing.sent), (22, 2));
        assert_eq!(outgoing.dropped["paused"], 20);
        assert_settled(&stats.frames);
    }

    #[test]
    fn a_paused_lossless_source_neither_blocks_its_sender_nor_loses_what_it_took_before() {
        let worker = FakeWorker::echoing(Habits::default(), |mut echo| echo.run());
        let source = ManualSource::new();
        let mut pusher = Pusher::new(source.sender());
        let batch = config().realtime_processing(false);
        let session = worker.session_with(source, batch, options());
        session.start().unwrap();
        pusher.push(1);
        let mut frames = session.frames();
        assert_eq!(number(&frames.next().unwrap().unwrap()), 1);
        session.pause();
        (2..=50).for_each(|n| pusher.push(n));
        session.resume();
        (51..=52).for_each(|n| pusher.push(n));
        pusher.sender.end();
        let rest: Vec<u32> = frames.map(|frame| number(&frame.unwrap())).collect();
        assert_eq!(rest, [51, 52]);
        assert_eq!(session.stats().outgoing.unwrap().dropped["paused"], 49);
        assert_settled(&session.stats().frames);
    }

    #[test]
    fn frames_of_a_stream_the_worker_reads_are_dropped_and_counted_while_paused() {
        const FRAMES: u32 = 12;
        let (go, turns) = channel::<()>();
        let worker = FakeWorker::streaming(move |worker| {
            let mut streamer = Streamer::new(worker);
            streamer.send(1);
            turns.recv_timeout(GUARD).unwrap();
            (2..=FRAMES).for_each(|n| streamer.send(n));
            streamer.worker.complete(FRAMES.into());
            streamer.worker.linger();
        });
        let source = RtspSource::new("rtsp://192.0.2.1/x").unwrap();
        let session = worker.session_with(source, config(), options());
        let mut frames = session.frames();
        assert_eq!(number(&frames.next().unwrap().unwrap()), 1);
        session.pause();
        go.send(()).unwrap();
        assert!(frames.next().is_none());
        let frames = session.stats().frames;
        assert_eq!(frames.dropped[&DropReason::Paused], u64::from(FRAMES) - 1);
        assert_settled(&frames);
    }
}

#[test]
fn a_pause_leaves_the_end_and_the_errors_of_a_session_as_they_are() {
    let worker = FakeWorker::connecting(|mut worker| {
        worker.receive_file();
        let mut result = support::result(1, &support::picture(1));
        result["errors"] = json!(["odd"]);
        worker.send_body(1, result.to_string());
        worker.complete_with(1, &["broken file"], None);
        worker.linger();
    });
    let session = worker.session();
    let (told, errors) = channel();
    session.on_error(move |errors, _| told.send(errors.to_vec()).unwrap());
    session.start().unwrap();
    let mut frames = session.frames();
    session.pause();
    // The upload may have gone before or waits now.
    session.resume();
    assert!(frames.next().unwrap().is_ok());
    session.pause();
    assert!(frames.next().unwrap().is_err());
    assert_eq!(errors.recv().unwrap(), ["odd"]);
}
