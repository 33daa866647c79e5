//! Realtime sessions: the newest frame wins, and whatever it replaced is counted.

mod support;

use std::sync::mpsc::channel;

use framewire::{ClientOptions, DropReason, VideoFileSource};
use support::{FakeWorker, clip, config, options};

#[test]
fn realtime_keeps_the_newest_and_counts_the_rest() {
    let mut limits = options();
    limits.frame_queue = 3;
    keeps_the_newest(limits);
}

#[test]
fn realtime_keeps_as_many_bytes_as_allowed() {
    let mut limits = options();
    // Two frames of 32x16 BGR and a bit.
    limits.frame_queue_bytes = 2 * 32 * 16 * 3 + 100;
    keeps_the_newest(limits);
}

/// One frame is taken, then everything else arrives while nobody consumes.
fn keeps_the_newest(limits: ClientOptions) {
    const FRAMES: u64 = 100;
    let (sent, all_sent) = channel();
    let worker = FakeWorker::connecting(move |mut worker| {
        worker.receive_file();
        for n in 1..=FRAMES {
            worker.send_frame(n);
        }
        worker.complete(FRAMES);
        sent.send(()).unwrap();
        worker.linger();
        assert!(
            worker.acks.is_empty(),
            "realtime sessions are not acknowledged"
        );
    });
    let source = VideoFileSource::new(clip().to_str().unwrap()).realtime_processing(true);
    let session = worker.session_with(source, config(), limits);
    let (done, dispatched) = channel();
    session.on_any_data(move |_, metadata| done.send(metadata.unwrap().frame_id.0).unwrap());
    let mut frames = session.frames();
    let first = frames.next().unwrap().unwrap().frame_id().unwrap().0;
    all_sent.recv().unwrap();
    while dispatched.recv().unwrap() < FRAMES {}
    let rest: Vec<u64> = frames
        .map(|frame| frame.unwrap().frame_id().unwrap().0)
        .collect();
    assert!(rest.is_sorted() && rest[0] > first);
    assert_eq!(*rest.last().unwrap(), FRAMES);
    let frames = session.stats().frames;
    assert_eq!(frames.produced, FRAMES);
    assert_eq!(frames.delivered, 1 + rest.len() as u64);
    assert_eq!(
        frames.dropped[&DropReason::HandlerTooSlow],
        FRAMES - frames.delivered
    );
    assert!(session.stats().latency.is_some());
}
