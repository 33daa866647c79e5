//! Frames pushed from code: sent on a track, back on a track, with their results.
#![cfg(feature = "ffmpeg")]

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use framewire::{
    EndKind, Frame, FramePool, FrameSender, ManualSource, Match, SendFrameError, Stage,
};
use framewire_media::{TestPattern, read_pattern_counter};
use support::{FakeWorker, Habits, config, options};

/// Pushes numbered pictures, each when its predecessor has had time to be encoded.
fn push(sender: &FrameSender, numbers: std::ops::RangeInclusive<u32>) {
    let pool = FramePool::default();
    let mut pattern = TestPattern::new(320, 240, 30).unwrap();
    let (_never, pause) = std::sync::mpsc::channel::<()>();
    for n in numbers {
        sender.send(pattern.frame(n, &pool).unwrap()).unwrap();
        // Pacing, not synchronisation: the source of a live session has a rate.
        let _ = pause.recv_timeout(Duration::from_millis(20));
    }
}

fn number(frame: &Frame) -> u32 {
    read_pattern_counter(frame).expect("a readable picture")
}

#[test]
fn pushed_frames_come_back_with_their_results_and_end_completes_the_session() {
    const FRAMES: u32 = 40;
    let worker = FakeWorker::echoing(Habits::default(), |mut echo| echo.run());
    let source = ManualSource::new();
    let sender = source.sender();
    let session = worker.session_with(source, config(), options());
    session.start().unwrap();
    let producer = std::thread::spawn(move || {
        push(&sender, 1..=FRAMES);
        sender.end();
        sender
    });
    let mut seen = Vec::new();
    for event in session.frames() {
        let event = event.unwrap();
        assert_eq!(event.pairing, Match::Exact);
        assert!(event.frame.bgr_bytes().is_some(), "frames are BGR");
        let age = event.captured.expect("captured here").elapsed();
        assert!(age < support::GUARD);
        seen.push((number(&event.frame), event.frame_id().unwrap().0));
    }
    let sender = producer.join().unwrap();
    assert!(seen.is_sorted());
    assert_eq!(seen.last().unwrap().0, FRAMES, "the last one is waited for");
    let ended = session.wait(None).unwrap();
    assert_eq!(ended.kind, EndKind::Complete);
    let refused = sender.send_bgr(2, 2, &[0; 12]).unwrap_err();
    assert!(matches!(
        refused,
        SendFrameError::Ended | SendFrameError::Closed
    ));
    session.close();
    let stats = session.stats();
    assert_eq!(stats.frames.delivered, seen.len() as u64);
    assert_eq!(
        stats.pairing.exact,
        stats.frames.delivered + dropped(&stats.frames.dropped)
    );
    assert_eq!(stats.frames.in_flight, 0);
    let outgoing = stats.outgoing.unwrap();
    assert_eq!(outgoing.captured, u64::from(FRAMES));
    assert_eq!(
        outgoing.captured,
        outgoing.sent + outgoing.dropped.values().sum::<u64>()
    );
    let stages: BTreeMap<Stage, _> = stats.stages.into_iter().collect();
    for stage in [
        Stage::Capture,
        Stage::Encode,
        Stage::Send,
        Stage::Network,
        Stage::Worker,
        Stage::WorkerQueue,
        Stage::WorkerDecode,
        Stage::WorkerInfer,
        Stage::Receive,
        Stage::Decode,
        Stage::Deliver,
        Stage::Total,
    ] {
        assert!(stages.contains_key(&stage), "{}", stage.as_str());
    }
    assert_eq!(stats.latency.unwrap().n, stages[&Stage::Total].n);
}

fn dropped<R>(reasons: &BTreeMap<R, u64>) -> u64 {
    reasons.values().sum()
}
