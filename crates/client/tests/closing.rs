//! Closing from everywhere, and connections that end by themselves.

mod support;

use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use framewire::{
    DropReason, EndKind, SessionError, SessionState, Step, VideoFileSource, WaitError,
};
use support::{FakeWorker, GUARD, Reply, Worker, clip, config, long_file, options};

/// Sends frames for as long as the client listens.
fn endless(mut worker: Worker) {
    worker.receive_file();
    for n in 1.. {
        worker.send_frame(n);
        worker.drain();
        if worker.closed.is_some() {
            return;
        }
    }
}

fn assert_balanced(session: &framewire::Session) {
    let frames = session.stats().frames;
    support::assert_settled(&frames);
}

#[test]
fn a_frame_handler_may_close() {
    let worker = FakeWorker::connecting(endless);
    let session = worker.session();
    let (seen, ids) = channel();
    let closer = session.closer();
    session.on_frame(move |event| {
        seen.send(event.frame_id().unwrap().0).unwrap();
        if event.frame_id().unwrap().0 == 3 {
            closer.close();
        }
    });
    assert_eq!(session.run().unwrap().kind, EndKind::Closed);
    assert_eq!(ids.try_iter().collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(session.state(), SessionState::Closed);
    assert_balanced(&session);
    assert!(
        session
            .stats()
            .frames
            .dropped
            .keys()
            .all(|reason| matches!(reason, DropReason::Closed | DropReason::NotReceived))
    );
}

#[test]
fn data_error_and_progress_handlers_may_close() {
    for place in 0..3 {
        let worker = FakeWorker::connecting(endless);
        let (to_progress, closer_for_progress) = channel::<framewire::Closer>();
        let source =
            VideoFileSource::new(clip().to_str().unwrap()).on_upload_progress(move |_, _| {
                if let Ok(closer) = closer_for_progress.try_recv() {
                    closer.close();
                }
            });
        let session = worker.session_with(source, config(), options());
        let closer = session.closer();
        match place {
            0 => session.on_any_data(move |_, _| closer.close()),
            1 => session.on_data("data", move |_, _| closer.close()),
            _ => to_progress.send(closer).unwrap(),
        }
        assert_eq!(
            session.wait(None).unwrap().kind,
            EndKind::Closed,
            "place {place}"
        );
        assert_balanced(&session);
    }
}

#[test]
fn another_thread_may_close_while_a_consumer_waits() {
    let worker = FakeWorker::connecting(|mut worker| {
        worker.receive_file();
        worker.send_frame(1);
        worker.linger();
    });
    let session = worker.session();
    let closer = session.closer();
    let (first, got_first) = channel();
    session.on_frame(move |_| first.send(()).unwrap());
    let other = std::thread::spawn(move || {
        got_first.recv().unwrap();
        closer.close();
    });
    assert_eq!(session.run().unwrap().kind, EndKind::Closed);
    other.join().unwrap();
}

#[test]
fn closing_interrupts_a_start_at_once() {
    let worker = FakeWorker::start(Reply::Silence);
    let mut limits = options();
    limits.reach_timeout = GUARD * 10;
    let source = VideoFileSource::new(clip().to_str().unwrap());
    let session = worker.session_with(source, config(), limits);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let consumers: Vec<_> = (0..2).map(|_| scope.spawn(|| session.wait(None))).collect();
        while session.state() == SessionState::NotStarted {
            std::thread::yield_now();
        }
        session.close();
        let results: Vec<_> = consumers
            .into_iter()
            .map(|consumer| consumer.join().unwrap())
            .collect();
        // Whoever came in before is told that it was closed; whoever came later cannot use it.
        assert!(
            results
                .iter()
                .any(|result| matches!(result, Ok(ended) if ended.kind == EndKind::Closed))
        );
        for result in results {
            assert!(
                matches!(
                    result,
                    Ok(_) | Err(WaitError::Session(SessionError::Closed))
                ),
                "{result:?}"
            );
        }
    });
    assert!(begun.elapsed() < GUARD);
    assert_eq!(session.state(), SessionState::Closed);
}

#[test]
fn a_wait_that_times_out_during_the_start_goes_on_later() {
    let worker = FakeWorker::start(Reply::Silence);
    let mut limits = options();
    limits.reach_timeout = Duration::from_millis(400);
    let session = worker.session_with(
        VideoFileSource::new(clip().to_str().unwrap()),
        config(),
        limits,
    );
    let short = Duration::from_millis(50);
    assert_eq!(session.wait(Some(short)), Err(WaitError::Timeout(short)));
    assert_eq!(session.state(), SessionState::Started);
    assert!(matches!(
        session.wait(None),
        Err(WaitError::Session(SessionError::Silent { .. }))
    ));
    assert_eq!(session.state(), SessionState::Closed);
}

#[test]
fn closing_twice_never_started_and_afterwards() {
    let worker = FakeWorker::start(Reply::Silence);
    let session = worker.session();
    session.close();
    session.stop();
    assert_eq!(session.state(), SessionState::Closed);
    assert_eq!(session.run(), Err(SessionError::Closed));
    assert_eq!(
        session.wait(None),
        Err(WaitError::Session(SessionError::Closed))
    );
    let mut frames = session.frames();
    assert!(matches!(frames.next(), Some(Err(SessionError::Closed))));
    assert!(frames.next().is_none());
    assert!(
        worker.heads.try_recv().is_err(),
        "a closed session connected"
    );
}

#[test]
fn dropping_a_session_closes_the_connection() {
    let (closed, was_closed) = channel();
    let worker = FakeWorker::connecting(move |mut worker| {
        worker.receive_file();
        worker.send_frame(1);
        worker.linger();
        closed.send(worker.closed.take()).unwrap();
    });
    let session = worker.session();
    assert!(session.frames().next().unwrap().is_ok());
    drop(session);
    assert!(was_closed.recv_timeout(GUARD).unwrap().is_some());
}

#[test]
fn leaving_a_started_session_unconsumed_and_closing_it_ends_its_threads() {
    let worker = FakeWorker::connecting(endless);
    let session = worker.session();
    let mut frames = session.frames();
    assert!(frames.next().unwrap().is_ok());
    // The queues are full now or soon; nobody consumes. Closing must not wait for anybody.
    let begun = Instant::now();
    session.close();
    assert!(begun.elapsed() < options().shutdown_timeout);
    assert!(frames.next().is_none());
    drop(frames);
    assert_balanced(&session);
}

#[test]
fn panicking_handlers_are_contained() {
    let worker = FakeWorker::connecting(|mut worker| {
        worker.receive_file();
        for n in 1..=3 {
            worker.send_frame(n);
        }
        worker.complete(3);
        worker.linger();
    });
    let session = worker.session();
    let (seen, ids) = channel();
    session.on_frame(|_| panic!("frame handler"));
    session.on_frame(move |event| seen.send(event.frame_id().unwrap().0).unwrap());
    session.on_any_data(|_, _| panic!("data handler"));
    session.on_data("data", |_, _| panic!("field handler"));
    assert_eq!(session.run().unwrap().kind, EndKind::Complete);
    assert_eq!(ids.try_iter().collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(session.stats().handler_panics, 9);
}

#[test]
fn a_worker_that_hangs_up_in_mid_stream_is_an_error_after_what_was_received() {
    let worker = FakeWorker::connecting(|mut worker| {
        worker.receive_file();
        for n in 1..=5 {
            worker.send_frame(n);
        }
        worker.hang_up();
    });
    let session = worker.session();
    let mut frames: Vec<_> = session.frames().collect();
    let last = frames.pop().unwrap();
    assert!(matches!(
        last.unwrap_err(),
        SessionError::PeerClosed {
            step: Step::Streaming,
            ..
        }
    ));
    assert_eq!(frames.len(), 5);
    assert!(frames.into_iter().all(|frame| frame.is_ok()));
    // Everybody else learns the same.
    assert!(matches!(
        session.wait(None),
        Err(WaitError::Session(SessionError::PeerClosed { .. }))
            | Err(WaitError::Session(SessionError::Closed))
    ));
    assert_balanced(&session);
}

#[test]
fn a_worker_that_hangs_up_during_the_upload_is_an_error() {
    let worker = FakeWorker::connecting(|mut worker| {
        worker.until("some of the file", |worker| worker.chunks.len() > 10);
        worker.hang_up();
    });
    let path = long_file("hang-up.mp4", 60 << 20);
    let session = worker.session_with(
        VideoFileSource::new(path.to_str().unwrap()),
        config(),
        options(),
    );
    assert_eq!(session.run().unwrap_err().step(), Some(Step::Uploading));
}

#[test]
fn a_worker_that_refuses_the_upload_is_believed_in_its_own_words() {
    let worker = FakeWorker::connecting(|mut worker| {
        worker.until("some of the file", |worker| worker.chunks.len() > 10);
        worker.open();
        worker.complete_with(0, &["the upload is larger than 1 byte"], None);
        worker.linger();
    });
    let path = long_file("refused.mp4", 60 << 20);
    let session = worker.session_with(
        VideoFileSource::new(path.to_str().unwrap()),
        config(),
        options(),
    );
    let error = session.run().unwrap_err();
    assert!(
        matches!(&error, SessionError::Worker { errors, .. } if errors[0].contains("larger")),
        "{error:?}"
    );
}

#[test]
fn a_worker_that_closes_the_upload_channel_without_a_reason_ends_the_session() {
    let worker = FakeWorker::connecting(|mut worker| {
        worker.until("some of the file", |worker| worker.chunks.len() > 10);
        worker.open();
        worker.close_upload();
        worker.linger();
    });
    let path = long_file("channel.mp4", 60 << 20);
    let session = worker.session_with(
        VideoFileSource::new(path.to_str().unwrap()),
        config(),
        options(),
    );
    let error = session.run().unwrap_err();
    assert!(
        matches!(
            error,
            SessionError::Transport {
                step: Step::Uploading,
                ..
            }
        ),
        "{error:?}"
    );
}

#[test]
fn a_worker_that_never_sends_a_result_times_out_counted_from_the_end_of_the_upload() {
    let worker = FakeWorker::connecting(|mut worker| worker.linger());
    let mut limits = options();
    limits.initial_frame_timeout = Duration::from_millis(300);
    let session = worker.session_with(
        VideoFileSource::new(clip().to_str().unwrap()),
        config(),
        limits,
    );
    let error = session.run().unwrap_err();
    assert!(
        matches!(
            error,
            SessionError::Timeout {
                step: Step::FirstResult,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(session.stats().upload.complete);
}
