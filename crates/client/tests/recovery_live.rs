//! Sessions with tracks whose link breaks: sources of this side that keep running, streams the worker reads, files.
#![cfg(feature = "ffmpeg")]

mod support;

use std::sync::mpsc::channel;
use std::time::Duration;

use framewire::{
    DropReason, EndKind, FrameId, ManualSource, RtspSource, SessionStats, VideoFileSource,
};
use framewire_transport::VideoConfig;
use support::gaps::{assert_balanced, gaps_of, recovering};
use support::{
    Echo, FakeWorker, GUARD, Habits, Pusher, Reply, Streamer, Worker, assert_consistent, clip,
    config, number,
};

fn assert_all_balanced(stats: &SessionStats) {
    assert_balanced(stats);
    let outgoing = stats.outgoing.as_ref().unwrap();
    let dropped: u64 = outgoing.dropped.values().sum();
    assert_eq!(outgoing.captured, outgoing.sent + dropped, "{outgoing:?}");
}

/// Sends ten frames back, swallows the eleventh, and closes the connection.
fn broken() -> Reply {
    Reply::echo(|mut echo| {
        echo.echo(10);
        echo.receive();
        echo.worker.hang_up();
    })
}

#[test]
fn pushed_frames_go_on_over_a_gap_and_none_of_them_is_stale() {
    let (release, held) = Reply::echo(|mut echo| echo.run()).held();
    let worker = FakeWorker::sequence([broken(), held]);
    let source = ManualSource::new();
    let mut pusher = Pusher::new(source.sender());
    let session = worker.session_with(source, config(), recovering());
    let gaps = gaps_of(&session);
    session.start().unwrap();
    let mut frames = session.frames();
    let mut last = FrameId(0);
    for n in 1..=10 {
        pusher.push(n);
        let event = frames.next().unwrap().unwrap();
        assert_eq!(number(&event), n);
        last = event.frame_id().unwrap();
    }
    assert_eq!(last, FrameId(10));
    pusher.push(11);
    // The second request: no connection is there, and none comes before the test says so.
    (0..2).for_each(|_| drop(worker.requests.recv().unwrap()));
    (12..=16).for_each(|n| pusher.push(n));
    drop(release);
    let mut next = 17;
    let gap = loop {
        pusher.push(next);
        next += 1;
        if let Ok(gap) = gaps.recv_timeout(Duration::from_millis(20)) {
            break gap;
        }
        assert!(next < 3000, "no gap was told");
    };
    assert_eq!(
        (gap.after, gap.resumed_at),
        (Some(FrameId(10)), Some(FrameId(11)))
    );
    assert_eq!((gap.missed, gap.attempts), (Some(1), 1));
    pusher.sender.end();
    let mut seen = 10;
    for event in frames.by_ref() {
        let event = event.unwrap();
        assert!(number(&event) >= 17, "{} is stale", number(&event));
        assert!(number(&event) > seen);
        seen = number(&event);
        let id = event.frame_id().expect("each frame was paired");
        assert!(id > last, "{id} after {last}");
        last = id;
    }
    assert_eq!(seen, next - 1, "the last one is waited for");
    assert_eq!(session.wait(None).unwrap().kind, EndKind::Complete);
    session.close();
    let stats = session.stats();
    assert_all_balanced(&stats);
    assert!(stats.outgoing.unwrap().dropped["no_link"] >= 5);
    assert_eq!(stats.reconnects, 1);
    assert!(stats.pairing.exact >= 11, "pairs of both connections count");
}

#[test]
fn results_that_wait_while_the_next_connection_has_no_pictures_are_settled_as_they_were_counted() {
    const FRAMES: u32 = 5;
    let first = Reply::echo(|mut echo| {
        echo.echo(FRAMES.into());
        echo.receive();
        echo.worker.hang_up();
    });
    let (up, second_is_up) = channel();
    let second = move |worker: Worker| {
        let mut echo = Echo::new(worker, Habits::default());
        up.send(()).unwrap();
        echo.worker.linger();
    };
    let no_pictures = VideoConfig::default().with_send(false);
    let second = Reply::Video(no_pictures, true, Box::new(second));
    let worker = FakeWorker::sequence([first, second]);
    let source = ManualSource::new();
    let mut pusher = Pusher::new(source.sender());
    let session = worker.session_with(source, config(), recovering());
    let (told, results) = channel();
    let (release, held) = channel::<()>();
    session.on_result(move |_| {
        told.send(()).unwrap();
        let _ = held.recv();
    });
    session.start().unwrap();
    let mut frames = session.frames();
    for n in 1..=FRAMES {
        pusher.push(n);
        assert_eq!(number(&frames.next().unwrap().unwrap()), n);
    }
    pusher.push(FRAMES + 1);
    second_is_up.recv_timeout(GUARD).unwrap();
    drop(release);
    for _ in 0..FRAMES {
        results.recv_timeout(GUARD).unwrap();
    }
    let books = session.stats().frames;
    assert_consistent(&books);
    assert_eq!(books.delivered, u64::from(FRAMES));
    assert!(
        !books.dropped.contains_key(&DropReason::NoPicture),
        "{books:?}"
    );
    drop(frames);
    session.close();
}

#[test]
fn in_batch_pushed_frames_wait_for_the_new_connection() {
    let first = Reply::echo(|mut echo| {
        echo.echo(10);
        echo.worker.wait_ack(10);
        echo.worker.hang_up();
    });
    let worker = FakeWorker::sequence([first, Reply::echo(|mut echo| echo.run())]);
    let source = ManualSource::new();
    let mut pusher = Pusher::new(source.sender());
    let config = config().realtime_processing(false);
    let session = worker.session_with(source, config, recovering());
    session.start().unwrap();
    let mut frames = session.frames();
    for n in 1..=10 {
        pusher.push(n);
        assert_eq!(number(&frames.next().unwrap().unwrap()), n);
    }
    // Asking for more acknowledges the tenth, and the worker hangs up.
    let rest = std::thread::scope(|scope| {
        let rest = scope.spawn(move || {
            let numbers = frames.map(|event| number(&event.unwrap()));
            numbers.collect::<Vec<_>>()
        });
        (0..2).for_each(|_| drop(worker.requests.recv().unwrap()));
        (11..=20).for_each(|n| pusher.push(n));
        pusher.sender.end();
        rest.join().unwrap()
    });
    assert_eq!(rest, (11..=20).collect::<Vec<_>>());
    session.close();
    let stats = session.stats();
    assert_all_balanced(&stats);
    assert_eq!(stats.outgoing.unwrap().dropped.values().sum::<u64>(), 0);
}

#[test]
fn an_input_that_ends_while_there_is_no_link_completes_the_session_over_the_next() {
    let (release, held) = Reply::echo(|mut echo| echo.run()).held();
    let worker = FakeWorker::sequence([broken(), held]);
    let source = ManualSource::new();
    let mut pusher = Pusher::new(source.sender());
    let session = worker.session_with(source, config(), recovering());
    let gaps = gaps_of(&session);
    session.start().unwrap();
    let mut frames = session.frames();
    for n in 1..=10 {
        pusher.push(n);
        assert_eq!(number(&frames.next().unwrap().unwrap()), n);
    }
    pusher.push(11);
    (0..2).for_each(|_| drop(worker.requests.recv().unwrap()));
    pusher.sender.end();
    drop(release);
    assert!(frames.next().is_none());
    assert_eq!(session.wait(None).unwrap().kind, EndKind::Complete);
    let gap = gaps.recv().unwrap();
    assert_eq!((gap.after, gap.resumed_at), (Some(FrameId(10)), None));
    assert_eq!(gap.missed, Some(1));
    session.close();
    assert_all_balanced(&session.stats());
}

#[test]
fn a_stream_the_worker_reads_goes_on_with_numbers_that_never_go_back() {
    const EACH: u32 = 5;
    let (seen, all_seen) = channel::<()>();
    let worker = FakeWorker::sequence([
        Reply::stream(move |worker| {
            let mut streamer = Streamer::new(worker);
            (1..=EACH).for_each(|n| streamer.send(n));
            all_seen.recv_timeout(GUARD).unwrap();
            streamer.worker.hang_up();
        }),
        Reply::stream(|worker| {
            let mut streamer = Streamer::new(worker);
            (1..=EACH).for_each(|n| streamer.send(n));
            streamer.worker.complete(EACH.into());
            streamer.worker.linger();
        }),
    ]);
    let source = RtspSource::new("rtsp://192.0.2.1/x").unwrap();
    let mut options = recovering();
    options.frame_queue = 64;
    options.max_frame_age = GUARD;
    let session = worker.session_with(source, config(), options);
    let gaps = gaps_of(&session);
    let (told, results) = channel();
    session.on_any_data(move |_, metadata| {
        let _ = told.send(metadata.unwrap().frame_id.0);
    });
    let mut last = 0;
    for event in session.frames() {
        let event = event.unwrap();
        let id = event.frame_id().unwrap().0;
        assert!(id > last, "{id} after {last}");
        assert_eq!(u64::from(number(&event) - 1) % 5, (id - 1) % 5);
        last = id;
        if id == u64::from(EACH) {
            let _ = seen.send(());
        }
    }
    assert_eq!(last, u64::from(2 * EACH));
    session.close();
    let results: Vec<_> = results.try_iter().collect();
    assert_eq!(results, (1..=u64::from(2 * EACH)).collect::<Vec<_>>());
    let gap = gaps.recv().unwrap();
    assert_eq!(
        (gap.after, gap.resumed_at),
        (Some(FrameId(5)), Some(FrameId(6)))
    );
    assert_eq!(gap.missed, None);
    let stats = session.stats();
    assert_balanced(&stats);
    assert_eq!((stats.repeated, stats.frames.produced), (0, 10));
}

#[test]
fn a_file_whose_pictures_come_on_a_track_shows_each_of_them_once() {
    const FRAMES: u64 = 30;
    let send = |streamer: &mut Streamer, from: u64, to: u64| {
        for n in from..=to {
            if n > 1 {
                streamer
                    .worker
                    .until("an ack", |worker| worker.acks.contains(&(n - 1)));
            }
            streamer.send(n as u32);
        }
    };
    let worker = FakeWorker::sequence([
        Reply::stream(move |mut worker| {
            worker.receive_file();
            let mut streamer = Streamer::new(worker);
            send(&mut streamer, 1, 12);
            // A result whose picture gets lost with the connection.
            streamer.worker.wait_ack(12);
            streamer.result(13);
            streamer.worker.hang_up();
        }),
        Reply::stream(move |mut worker| {
            worker.receive_file();
            let mut streamer = Streamer::new(worker);
            send(&mut streamer, 1, FRAMES);
            streamer.worker.wait_ack(FRAMES);
            streamer.worker.complete(FRAMES);
            streamer.worker.linger();
        }),
    ]);
    let source = VideoFileSource::new(clip().to_str().unwrap()).track_frames(true);
    let session = worker.session_with(source, config(), recovering());
    let gaps = gaps_of(&session);
    let (told, results) = channel();
    session.on_any_data(move |_, metadata| {
        let _ = told.send(metadata.unwrap().frame_id.0);
    });
    let numbers: Vec<_> = session
        .frames()
        .map(|event| u64::from(number(&event.unwrap())))
        .collect();
    assert_eq!(numbers, (1..=FRAMES).collect::<Vec<_>>());
    session.close();
    let results: Vec<_> = results.try_iter().collect();
    assert_eq!(results, (1..=FRAMES).collect::<Vec<_>>());
    assert_eq!(gaps.recv().unwrap().after, Some(FrameId(12)));
    let stats = session.stats();
    assert_balanced(&stats);
    assert_eq!((stats.frames.delivered, stats.repeated), (FRAMES, 12));
    assert!(stats.frames.dropped.is_empty(), "{:?}", stats.frames);
}
