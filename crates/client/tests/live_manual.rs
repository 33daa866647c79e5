//! Frames pushed from code: sent on a track, back on a track, with their results.
#![cfg(feature = "ffmpeg")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::channel;
use std::time::Duration;

use framewire::{
    DropReason, EndKind, ManualSource, Match, SendFrameError, SessionState, SessionStats, Stage,
    StreamConfig,
};
use support::{FakeWorker, GUARD, Habits, Pusher, config, number, options};

/// Everything announced or sent is accounted for.
fn assert_balanced(stats: &SessionStats) {
    let frames = &stats.frames;
    let dropped: u64 = frames.dropped.values().sum();
    assert_eq!(frames.produced, frames.delivered + dropped, "{frames:?}");
    assert_eq!(frames.in_flight, 0);
    let outgoing = stats.outgoing.as_ref().unwrap();
    let dropped: u64 = outgoing.dropped.values().sum();
    assert_eq!(outgoing.captured, outgoing.sent + dropped, "{outgoing:?}");
}

#[test]
fn pushed_frames_come_back_and_end_completes_the_session_after_the_last_one() {
    const FRAMES: u32 = 60;
    let worker = FakeWorker::echoing(Habits::default(), |mut echo| echo.run());
    let source = ManualSource::new();
    let mut pusher = Pusher::new(source.sender());
    let session = worker.session_with(source, config(), options());
    session.start().unwrap();
    let producer = std::thread::spawn(move || {
        (1..=FRAMES).for_each(|n| pusher.push(n));
        pusher.sender.end();
        pusher.sender.end();
        pusher
    });
    let mut seen = Vec::new();
    for event in session.frames() {
        let event = event.unwrap();
        assert_eq!(event.pairing, Match::Exact);
        assert!(event.captured.unwrap().elapsed() < GUARD);
        assert!(event.metadata.as_ref().unwrap().fw.is_some());
        seen.push((number(&event), event.frame_id().unwrap().0));
    }
    let mut pusher = producer.join().unwrap();
    assert!(seen.is_sorted());
    assert_eq!(seen.last().unwrap().0, FRAMES, "the last one is waited for");
    assert_eq!(session.wait(None).unwrap().kind, EndKind::Complete);
    let picture = pusher.picture(1);
    let refused = pusher.sender.send(picture.clone()).unwrap_err();
    assert!(matches!(
        refused,
        SendFrameError::Ended | SendFrameError::Closed
    ));
    session.close();
    assert_eq!(pusher.sender.send(picture), Err(SendFrameError::Closed));
    let stats = session.stats();
    assert_eq!(stats.frames.delivered, seen.len() as u64);
    assert_eq!(stats.outgoing.as_ref().unwrap().captured, u64::from(FRAMES));
    assert_balanced(&stats);
}

#[test]
fn the_ledger_has_every_stage_and_its_parts_do_not_exceed_the_whole() {
    let worker = FakeWorker::echoing(Habits::default(), |mut echo| echo.run());
    let source = ManualSource::new();
    let mut pusher = Pusher::new(source.sender());
    let session = worker.session_with(source, config(), options());
    let observer = session.observer();
    session.start().unwrap();
    let mut frames = session.frames();
    for n in 1..=20 {
        pusher.push(n);
        assert_eq!(number(&frames.next().unwrap().unwrap()), n);
    }
    pusher.sender.end();
    assert!(frames.next().is_none());
    let stats = observer.stats();
    let stages: BTreeMap<Stage, _> = stats.stages.iter().copied().collect();
    let of = |stage: Stage| {
        stages
            .get(&stage)
            .unwrap_or_else(|| panic!("{}", stage.as_str()))
    };
    let parts = [
        Stage::Capture,
        Stage::Encode,
        Stage::Network,
        Stage::Worker,
        Stage::Receive,
        Stage::Decode,
        Stage::Deliver,
    ];
    for stage in parts.into_iter().chain([Stage::Send, Stage::Total]) {
        assert_eq!(of(stage).n, 20, "{}", stage.as_str());
    }
    // What the worker said of each frame.
    let said = |stage, micros: f64| {
        let off = of(stage).p50.as_secs_f64() * 1e6 / micros - 1.0;
        assert!(off.abs() < 0.02, "{stage:?}");
    };
    said(Stage::WorkerQueue, 100.0);
    said(Stage::WorkerDecode, 200.0);
    said(Stage::WorkerInfer, 300.0);
    said(Stage::Worker, 600.0);
    assert!(!stages.contains_key(&Stage::WorkerEncode));
    let sum: Duration = parts.into_iter().map(|stage| of(stage).p50).sum();
    // Medians of parts need not add up, but nearly do.
    assert!(
        sum < of(Stage::Total).p99 * 2,
        "{sum:?} of {:?}",
        of(Stage::Total)
    );
    assert!(
        sum > of(Stage::Total).p50 / 3,
        "{sum:?} of {:?}",
        of(Stage::Total)
    );
    assert_eq!(stats.latency.unwrap().p50, of(Stage::Total).p50);
    assert_eq!(stats.pairing.exact, 20);
    assert!(stats.video.unwrap().frames_received >= 20);
    drop(frames);
    drop(session);
    assert_eq!(
        observer.stats().pairing.exact,
        20,
        "what was seen last is kept"
    );
}

#[test]
fn any_thread_may_send() {
    let (told, echoed) = channel();
    let worker = FakeWorker::echoing(Habits::default(), move |mut echo| echo.run_telling(&told));
    let source = ManualSource::new();
    let senders: Vec<_> = (0..4).map(|_| source.sender()).collect();
    let ender = source.sender();
    let session = worker.session_with(source, config(), options());
    session.start().unwrap();
    let producers: Vec<_> = senders
        .into_iter()
        .enumerate()
        .map(|(thread, sender)| {
            let mut pusher = Pusher::new(sender);
            std::thread::spawn(move || (0..25).for_each(|n| pusher.push(thread as u32 * 100 + n)))
        })
        .collect();
    let first = session.frames().next().unwrap().unwrap();
    assert!(number(&first) < 400);
    producers
        .into_iter()
        .for_each(|producer| producer.join().unwrap());
    ender.end();
    let ids: Vec<u64> = session
        .frames()
        .map(|event| event.unwrap().frame_id().unwrap().0)
        .collect();
    assert!(ids.is_sorted());
    session.close();
    let stats = session.stats();
    assert_eq!(stats.outgoing.as_ref().unwrap().captured, 100);
    assert_eq!(
        stats.outgoing.as_ref().unwrap().sent,
        echoed.try_iter().count() as u64
    );
    assert_balanced(&stats);
}

#[test]
fn frames_are_refused_before_the_start_after_the_close_and_in_wrong_shapes() {
    let worker = FakeWorker::echoing(Habits::default(), |mut echo| echo.run());
    let source = ManualSource::new();
    let sender = source.sender();
    let pixels = vec![90; 64 * 48 * 3];
    let send = || sender.send_bgr(64, 48, &pixels);
    assert_eq!(send(), Err(SendFrameError::NotStarted));
    let session = worker.session_with(source, config(), options());
    assert_eq!(send(), Err(SendFrameError::NotStarted));
    session.start().unwrap();
    let refused = sender.send_bgr(64, 47, &pixels);
    assert!(matches!(refused, Err(SendFrameError::WrongShape { .. })));
    assert_eq!(send(), Ok(()));
    let event = session.frames().next().unwrap().unwrap();
    assert_eq!((event.frame.width(), event.frame.height()), (64, 48));
    session.close();
    assert_eq!(send(), Err(SendFrameError::Closed));
    assert_eq!(session.state(), SessionState::Closed);
}

#[test]
fn a_slow_handler_gets_the_newest_frame_and_the_rest_is_counted() {
    const FRAMES: u32 = 30;
    let (told, echoed) = channel();
    let worker = FakeWorker::echoing(Habits::default(), move |mut echo| echo.run_telling(&told));
    let mut limits = options();
    limits.max_frame_age = Duration::ZERO;
    let source = ManualSource::new();
    let mut pusher = Pusher::new(source.sender());
    let session = worker.session_with(source, config(), limits);
    let (entered, in_handler) = channel();
    let (release, released) = channel();
    let (delivered, numbers) = channel();
    session.on_frame(move |event| {
        delivered.send(number(event)).unwrap();
        if number(event) == 1 {
            entered.send(()).unwrap();
            let () = released.recv().unwrap();
        }
    });
    session.start().unwrap();
    let observer = session.observer();
    std::thread::scope(|scope| {
        let running = scope.spawn(|| session.run());
        pusher.push(1);
        in_handler.recv_timeout(GUARD).unwrap();
        echoed.recv_timeout(GUARD).unwrap();
        for n in 2..=FRAMES {
            pusher.push(n);
            echoed.recv_timeout(GUARD).unwrap();
        }
        // Everything is back before the handler returns.
        while observer.stats().pairing.exact < u64::from(FRAMES) {
            std::thread::yield_now();
        }
        pusher.sender.end();
        release.send(()).unwrap();
        assert_eq!(running.join().unwrap().unwrap().kind, EndKind::Complete);
    });
    assert_eq!(numbers.try_iter().collect::<Vec<_>>(), [1, FRAMES]);
    let stats = session.stats();
    assert_eq!(
        stats.frames.dropped[&DropReason::HandlerTooSlow],
        u64::from(FRAMES) - 2
    );
    assert_balanced(&stats);
}

#[test]
fn in_batch_nothing_pushed_is_lost_however_slow_the_handler_is() {
    const FRAMES: u32 = 60;
    let worker = FakeWorker::echoing(Habits::default(), |mut echo| echo.run());
    let source = ManualSource::new();
    let mut pusher = Pusher::new(source.sender());
    let batch = config().realtime_processing(false);
    let session = worker.session_with(source, batch, options());
    session.start().unwrap();
    let producer = std::thread::spawn(move || {
        (1..=FRAMES).for_each(|n| pusher.push(n));
        pusher.sender.end();
    });
    let mut seen = Vec::new();
    for event in session.frames() {
        let event = event.unwrap();
        seen.push(number(&event));
        // The consumer's queue, what is under way, what waits for the encoder, and one in each thread's hands.
        let most = seen.len() as u64 + 8 + 4 + 2 + 3;
        let captured = session.stats().outgoing.unwrap().captured;
        assert!(
            captured <= most,
            "{captured} frames were taken, {most} expected at most"
        );
    }
    producer.join().unwrap();
    assert_eq!(seen, (1..=FRAMES).collect::<Vec<_>>());
    session.close();
    let stats = session.stats();
    assert_eq!(stats.outgoing.as_ref().unwrap().sent, u64::from(FRAMES));
    assert_balanced(&stats);
}

#[test]
fn a_change_of_size_in_mid_stream_goes_through() {
    let worker = FakeWorker::echoing(Habits::default(), |mut echo| echo.run());
    let source = ManualSource::new();
    let mut pusher = Pusher::new(source.sender());
    let session = worker.session_with(source, config(), options());
    session.start().unwrap();
    let mut frames = session.frames();
    let mut sizes = BTreeSet::new();
    for (n, (width, height)) in [(320, 240), (640, 480), (200, 150), (320, 240)]
        .into_iter()
        .enumerate()
    {
        pusher.resize(width, height);
        let n = n as u32 * 3;
        for n in n..n + 3 {
            pusher.push(n);
            let event = frames.next().unwrap().unwrap();
            assert_eq!(number(&event), n);
            assert_eq!((event.frame.width(), event.frame.height()), (width, height));
            sizes.insert((width, height));
        }
    }
    assert_eq!(sizes.len(), 3);
    drop(frames);
    session.close();
    assert_balanced(&session.stats());
}

#[test]
fn a_session_without_pictures_delivers_results_and_knows_their_age() {
    let habits = Habits {
        pictures: false,
        ..Habits::default()
    };
    let worker = FakeWorker::echoing(habits, |mut echo| echo.run());
    let source = ManualSource::new();
    let mut pusher = Pusher::new(source.sender());
    let data = StreamConfig::new().data_output(["predictions"]);
    let session = worker.session_with(source, data, options());
    let (seen, results) = channel();
    session.on_data("predictions", move |value, metadata| {
        seen.send((
            value.to_value()["n"].as_u64(),
            metadata.map(|m| m.frame_id.0),
        ))
        .unwrap();
    });
    session.start().unwrap();
    for n in 1..=10_u64 {
        pusher.push(n as u32);
        assert_eq!(results.recv_timeout(GUARD).unwrap(), (Some(n), Some(n)));
    }
    pusher.sender.end();
    assert_eq!(session.wait(Some(GUARD)).unwrap().kind, EndKind::Complete);
    session.close();
    let stats = session.stats();
    assert_eq!(stats.frames.delivered, 10);
    assert_eq!(stats.latency.unwrap().n, 10);
    assert!(stats.stages.iter().any(|(stage, _)| *stage == Stage::Total));
    assert_balanced(&stats);
}

#[test]
fn handlers_may_close_a_live_session() {
    for in_frame_handler in [true, false] {
        let worker = FakeWorker::echoing(Habits::default(), |mut echo| echo.run());
        let source = ManualSource::new();
        let mut pusher = Pusher::new(source.sender());
        let session = worker.session_with(source, config().data_output(["predictions"]), options());
        let closer = session.closer();
        if in_frame_handler {
            session.on_frame(move |_| closer.close());
        } else {
            session.on_any_data(move |_, _| closer.close());
        }
        session.start().unwrap();
        pusher.push(1);
        assert_eq!(session.run().unwrap().kind, EndKind::Closed);
        let picture = pusher.picture(2);
        assert_eq!(pusher.sender.send(picture), Err(SendFrameError::Closed));
        assert_balanced(&session.stats());
    }
}

#[test]
fn ending_the_input_before_any_frame_ends_the_session() {
    let worker = FakeWorker::echoing(Habits::default(), |mut echo| echo.run());
    let source = ManualSource::new();
    let sender = source.sender();
    let session = worker.session_with(source, config(), options());
    session.start().unwrap();
    sender.end();
    assert_eq!(session.run().unwrap().kind, EndKind::Complete);
    assert_eq!(session.stats().frames.produced, 0);
}
