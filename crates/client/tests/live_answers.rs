//! Workers that answer live sessions in their own ways: originals, lossy, silent, gone, without video.
#![cfg(feature = "ffmpeg")]

mod support;

use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use framewire::{
    DropReason, ErrorKind, ManualSource, Match, SendFrameError, SessionError, Stage, StreamConfig,
};
use framewire_transport::VideoConfig;
use support::{Echo, FakeWorker, GUARD, Habits, Pusher, Reply, config, number, options};

#[test]
fn an_original_is_paired_by_timestamps_also_when_its_first_results_are_lost() {
    const FRAMES: u32 = 60;
    for lost in [0, 1, 5, 20] {
        let habits = Habits {
            ledger: false,
            silent_results: lost,
            ..Habits::default()
        };
        let worker = FakeWorker::echoing(habits, |mut echo| echo.run());
        let source = ManualSource::new();
        let mut pusher = Pusher::new(source.sender());
        let mut limits = options();
        limits.max_frame_age = GUARD;
        limits.frame_queue = 8;
        let session = worker.session_with(source, config(), limits);
        session.start().unwrap();
        let mut frames = session.frames();
        let mut right = 0;
        for n in 1..=FRAMES {
            pusher.push(n);
            let event = frames.next().unwrap().unwrap();
            assert_eq!(number(&event), n);
            match event.pairing {
                Match::Unpaired => assert!(event.metadata.is_none()),
                found => {
                    assert_eq!(found, Match::Nearest, "an original is never exact");
                    assert_eq!(event.frame_id().unwrap().0, u64::from(n), "{lost} lost");
                    right += 1;
                }
            }
        }
        drop(frames);
        session.close();
        let stats = session.stats();
        assert!(
            right + lost + 15 >= u64::from(FRAMES),
            "{right} right with {lost} lost"
        );
        assert_eq!(stats.pairing.exact, 0);
        assert_eq!(
            stats.pairing.nearest + stats.pairing.unpaired,
            u64::from(FRAMES)
        );
        let stages: Vec<_> = stats.stages.iter().map(|(stage, _)| *stage).collect();
        assert!(
            stages.contains(&Stage::Worker),
            "an original's stages are one"
        );
        assert!(!stages.contains(&Stage::Network) && !stages.contains(&Stage::WorkerInfer));
    }
}

#[test]
fn frames_lost_on_the_way_back_count_as_network() {
    let habits = Habits {
        lost_frames: 5,
        ..Habits::default()
    };
    let worker = FakeWorker::echoing(habits, |mut echo| {
        echo.echo(5);
        // Somebody who joins now needs a keyframe, and gets it because the sender is asked for one.
        echo.track.request_keyframe();
        echo.run();
    });
    let source = ManualSource::new();
    let mut pusher = Pusher::new(source.sender());
    let session = worker.session_with(source, config(), options());
    let (seen, results) = channel();
    session.on_any_data(move |_, metadata| seen.send(metadata.unwrap().frame_id.0).unwrap());
    session.start().unwrap();
    for n in 1..=5 {
        pusher.push(n);
        assert_eq!(results.recv_timeout(GUARD).unwrap(), u64::from(n));
    }
    let mut frames = session.frames();
    let mut first = None;
    let mut pushed = 5;
    while first.is_none() {
        pushed += 1;
        pusher.push(pushed);
        results.recv_timeout(GUARD).unwrap();
        if session.stats().pairing.exact > 0 {
            first = frames.next();
        }
    }
    assert!(number(&first.unwrap().unwrap()) > 5);
    pusher.sender.end();
    frames.for_each(|event| assert_eq!(event.unwrap().pairing, Match::Exact));
    let stats = session.stats().frames;
    assert_eq!(stats.produced, u64::from(pushed));
    assert!(stats.dropped[&DropReason::Network] >= 5, "{stats:?}");
}

#[test]
fn a_worker_that_pauses_is_waited_for_and_the_newest_frames_go_on() {
    let (pause, paused) = channel::<()>();
    let (told, echoed) = channel();
    let worker = FakeWorker::echoing(Habits::default(), move |mut echo| {
        echo.echo(3);
        paused.recv().unwrap();
        echo.run_telling(&told);
    });
    let source = ManualSource::new();
    let mut pusher = Pusher::new(source.sender());
    let session = worker.session_with(source, config(), options());
    session.start().unwrap();
    let mut frames = session.frames();
    for n in 1..=3 {
        pusher.push(n);
        assert_eq!(number(&frames.next().unwrap().unwrap()), n);
    }
    // Five seconds of video that nobody takes.
    let sent = |session: &framewire::Session| session.stats().outgoing.unwrap();
    for n in 4..=153 {
        pusher.push(n);
        let handled = |session: &framewire::Session| {
            let outgoing = sent(session);
            outgoing.sent + outgoing.dropped.values().sum::<u64>()
        };
        while handled(&session) < u64::from(n) {
            std::thread::yield_now();
        }
    }
    pause.send(()).unwrap();
    // What the worker could not keep is gone: it needs a keyframe, asks for it and gets it with one of the next frames.
    let back = |session: &framewire::Session| session.stats().pairing.exact;
    let (before, mut last) = (back(&session), 153);
    let deadline = Instant::now() + GUARD;
    while back(&session) < before + 30 {
        assert!(
            Instant::now() < deadline,
            "nothing came back after the pause"
        );
        last += 1;
        pusher.push(last);
        let _ = echoed.recv_timeout(Duration::from_millis(100));
    }
    pusher.sender.end();
    let newest = frames.map(|event| number(&event.unwrap())).last();
    assert_eq!(newest, Some(last));
}

#[test]
fn a_worker_that_hangs_up_ends_the_session_with_an_error_and_senders_are_told() {
    let (seen, both_seen) = channel::<()>();
    let worker = FakeWorker::echoing(Habits::default(), move |mut echo| {
        echo.echo(2);
        // A frame on its way when the connection ends is lost.
        both_seen.recv_timeout(GUARD).unwrap();
        echo.worker.hang_up();
    });
    let source = ManualSource::new();
    let mut pusher = Pusher::new(source.sender());
    let session = worker.session_with(source, config(), options());
    session.start().unwrap();
    let mut frames = session.frames();
    for n in 1..=2 {
        pusher.push(n);
        assert_eq!(number(&frames.next().unwrap().unwrap()), n);
    }
    seen.send(()).unwrap();
    let error = frames.next().unwrap().unwrap_err();
    assert!(
        matches!(error, SessionError::PeerClosed { .. }),
        "{error:?}"
    );
    assert_eq!(error.kind(), ErrorKind::Stream);
    let picture = pusher.picture(3);
    session.close();
    assert_eq!(pusher.sender.send(picture), Err(SendFrameError::Closed));
}

#[test]
fn a_worker_that_dies_is_gone_within_seconds() {
    let (over, wait_over) = channel::<()>();
    let (kill, killed) = channel::<()>();
    let worker = FakeWorker::echoing(Habits::default(), move |mut echo| {
        echo.echo(1);
        killed.recv().unwrap();
        echo.worker.die();
        // Handles that are dropped say goodbye; a dead process drops none.
        wait_over.recv_timeout(GUARD).unwrap();
    });
    let source = ManualSource::new();
    let mut pusher = Pusher::new(source.sender());
    let session = worker.session_with(source, config(), options());
    session.start().unwrap();
    let mut frames = session.frames();
    pusher.push(1);
    assert_eq!(number(&frames.next().unwrap().unwrap()), 1);
    kill.send(()).unwrap();
    let begun = Instant::now();
    let error = frames.next().unwrap().unwrap_err();
    assert!(
        matches!(error, SessionError::WorkerGone { .. }),
        "{error:?}"
    );
    assert!(begun.elapsed() < Duration::from_secs(15));
    over.send(()).unwrap();
}

#[test]
fn an_answer_without_a_usable_video_section_is_refused() {
    let nothing = VideoConfig::default().with_send(false).with_receive(false);
    let sends_only = VideoConfig::default().with_receive(false);
    for video in [nothing, sends_only] {
        let worker = FakeWorker::start(Reply::Video(video, true, Box::new(|_| {})));
        let session = worker.session_with(ManualSource::new(), config(), options());
        let error = session.start().unwrap_err();
        assert!(matches!(error, SessionError::BadAnswer { .. }), "{error:?}");
        assert_eq!(error.kind(), ErrorKind::Connect);
    }
}

#[test]
fn whoever_comes_after_a_failed_start_learns_why_it_failed() {
    let worker = FakeWorker::start(Reply::Answer(400, r#"{"message": "no"}"#.into()));
    let session = worker.session_with(ManualSource::new(), config(), options());
    let error = session.start().unwrap_err();
    assert!(matches!(error, SessionError::Http(_)), "{error:?}");
    assert_eq!(session.run(), Err(error.clone()));
    assert_eq!(session.start(), Err(error));
}

#[test]
fn a_worker_that_never_connects_fails_the_start_of_a_source_of_this_side() {
    let worker = FakeWorker::start(Reply::Vanish);
    let mut limits = options();
    limits.connect_timeout = Duration::from_millis(700);
    let session = worker.session_with(ManualSource::new(), config(), limits);
    let error = session.start().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect, "{error:?}");
    assert!(
        !matches!(error, SessionError::BadAnswer { .. }),
        "{error:?}"
    );
}

#[test]
fn a_worker_that_sends_no_pictures_although_asked_is_data_only_and_counted() {
    let video = VideoConfig::default().with_send(false);
    let worker = FakeWorker::start(Reply::Video(
        video,
        true,
        Box::new(|worker| {
            let habits = Habits {
                pictures: false,
                ..Habits::default()
            };
            Echo::new(worker, habits).run();
        }),
    ));
    let source = ManualSource::new();
    let mut pusher = Pusher::new(source.sender());
    let session = worker.session_with(source, config(), options());
    let (seen, results) = channel();
    session.on_any_data(move |_, metadata| seen.send(metadata.unwrap().frame_id.0).unwrap());
    session.start().unwrap();
    for n in 1..=3 {
        pusher.push(n);
        results.recv_timeout(GUARD).unwrap();
    }
    pusher.sender.end();
    session.run().unwrap();
    let frames = session.stats().frames;
    assert_eq!(frames.dropped[&DropReason::NoPicture], 3);
    assert_eq!(frames.produced, 3);
}

#[test]
fn model_mode_delivers_predictions_with_frames_of_the_track() {
    let worker = FakeWorker::echoing(Habits::default(), |mut echo| echo.run());
    let source = ManualSource::new();
    let mut pusher = Pusher::new(source.sender());
    let session = framewire::Client::new(&worker.url)
        .with_options(options())
        .stream(
            source,
            framewire::Workflow::model("m/1", Some(framewire::TaskType::ObjectDetection)),
            StreamConfig::new(),
        )
        .unwrap();
    session.start().unwrap();
    let mut frames = session.frames();
    for n in 1..=3 {
        pusher.push(n);
        let event = frames.next().unwrap().unwrap();
        assert_eq!(event.data.unwrap().to_value()["n"], n);
    }
    let request = worker.requests.recv().unwrap();
    assert_eq!(request["stream_output"][0], "image");
    assert_eq!(request["data_output"][0], "predictions");
    assert_eq!(request["manual_mode"], true);
}
