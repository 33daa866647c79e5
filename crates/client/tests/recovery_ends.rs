//! How the attempts to survive a broken link end when they do not help, and what interrupts them.

mod support;

use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use framewire::{
    EndKind, ErrorKind, Recovery, Session, SessionError, SessionState, Step, VideoFileSource,
    WaitError,
};
use support::gaps::{assert_balanced, gaps_of, recovering};
use support::{FakeWorker, GUARD, Reply, clip, config};

/// What closing may take, with room for a busy machine.
const AT_ONCE: Duration = Duration::from_secs(6);

fn session_of(worker: &FakeWorker) -> Session {
    session_with(worker, recovering().recovery)
}

fn session_with(worker: &FakeWorker, recovery: Recovery) -> Session {
    let mut options = recovering();
    options.recovery = recovery;
    let source = VideoFileSource::new(clip().to_str().unwrap());
    worker.session_with(source, config(), options)
}

/// Sends five frames and closes the connection.
fn broken() -> Reply {
    Reply::script(|mut worker| {
        worker.receive_file();
        (1..=5).for_each(|n| worker.send_frame(n));
        worker.hang_up();
    })
}

/// Sends ten frames and says that this was all.
fn whole() -> Reply {
    Reply::script(|mut worker| {
        worker.receive_file();
        (1..=10).for_each(|n| worker.send_frame(n));
        worker.complete(10);
        worker.linger();
    })
}

fn closed_by_peer(error: &SessionError) -> bool {
    let step = Step::Streaming;
    matches!(error, SessionError::PeerClosed { step: at, .. } if *at == step)
}

#[test]
fn when_the_attempts_are_used_up_the_first_cause_is_the_error() {
    let worker = FakeWorker::sequence([broken()]);
    let recovery = recovering().recovery.with_attempts(3);
    let session = session_with(&worker, recovery);
    let gaps = gaps_of(&session);
    let (told, frames) = channel();
    session.on_frame(move |event| told.send(event.frame_id().unwrap().0).unwrap());
    let error = session.run().unwrap_err();
    assert_eq!(frames.try_iter().collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    let SessionError::Unrecovered {
        cause,
        attempts,
        last,
    } = &error
    else {
        panic!("{error:?}")
    };
    assert!(closed_by_peer(cause));
    assert_eq!(*attempts, 3);
    assert!(matches!(last.as_deref(), Some(SessionError::Http(refusal)) if refusal.status == 503));
    assert!(closed_by_peer(error.first_cause()));
    assert_eq!(error.kind(), ErrorKind::Stream);
    let text = error.to_string();
    assert!(
        text.starts_with("the worker closed the connection"),
        "{text}"
    );
    assert!(text.contains("3 attempts"), "{text}");
    assert_eq!(worker.requests.try_iter().count(), 4);
    assert!(gaps.try_recv().is_err(), "nothing was survived");
    assert_eq!(session.stats().reconnects, 0);
    assert_balanced(&session.stats());
}

#[test]
fn an_outage_that_takes_too_long_ends_the_session_in_the_midst_of_an_attempt() {
    let (_never, held) = whole().held();
    let worker = FakeWorker::sequence([broken(), held]);
    let total = Duration::from_millis(700);
    let session = session_with(&worker, recovering().recovery.with_total(total));
    let begun = Instant::now();
    let error = session.run().unwrap_err();
    assert!(begun.elapsed() >= total && begun.elapsed() < GUARD);
    assert!(closed_by_peer(error.first_cause()));
    assert!(
        error.to_string().contains("1 attempt to reconnect"),
        "{error}"
    );
}

#[test]
fn what_the_worker_refuses_is_not_asked_again() {
    let refusal = r#"{"message": "no such workflow", "error_type": "WorkflowSyntaxError"}"#;
    for status in [400, 401, 403, 404] {
        let refused = Reply::Answer(status, refusal.into());
        let worker = FakeWorker::sequence([broken(), refused, whole()]);
        let session = session_of(&worker);
        let error = session.run().unwrap_err();
        assert!(
            matches!(&error, SessionError::Http(failure) if failure.status == status),
            "{error:?}"
        );
        assert_eq!(worker.requests.try_iter().count(), 2);
        assert_balanced(&session.stats());
    }
}

#[test]
fn a_first_connection_that_does_not_come_about_is_not_tried_again() {
    let worker = FakeWorker::sequence([Reply::Answer(503, "busy".into()), whole()]);
    let session = session_of(&worker);
    let error = session.run().unwrap_err();
    assert!(matches!(error, SessionError::Http(_)), "{error:?}");
    assert_eq!(worker.requests.try_iter().count(), 1);
}

#[test]
fn errors_the_worker_reports_end_the_session() {
    let failing = Reply::script(|mut worker| {
        worker.receive_file();
        worker.send_frame(1);
        worker.complete_with(1, &["no video in it"], None);
        worker.linger();
    });
    let worker = FakeWorker::sequence([failing, whole()]);
    let error = session_of(&worker).run().unwrap_err();
    assert!(matches!(error, SessionError::Worker { .. }), "{error:?}");
    assert_eq!(worker.requests.try_iter().count(), 1);
}

#[test]
fn a_worker_that_shuts_down_is_replaced_and_without_recovery_that_is_the_error() {
    let leaving = || {
        Reply::script(|mut worker| {
            worker.receive_file();
            (1..=5).for_each(|n| worker.send_frame(n));
            worker.complete_with(5, &["shutting down"], Some("worker_shutdown"));
            worker.linger();
        })
    };
    let worker = FakeWorker::sequence([leaving(), whole()]);
    let session = session_of(&worker);
    let gaps = gaps_of(&session);
    let ids: Vec<_> = session
        .frames()
        .map(|event| event.unwrap().frame_id().unwrap().0)
        .collect();
    assert_eq!(ids, (1..=10).collect::<Vec<_>>());
    let cause = gaps.recv().unwrap().cause;
    assert!(matches!(cause, SessionError::Worker { .. }), "{cause:?}");
    session.close();
    assert_balanced(&session.stats());

    let worker = FakeWorker::sequence([leaving(), whole()]);
    let error = session_with(&worker, Recovery::default())
        .run()
        .unwrap_err();
    assert!(matches!(error, SessionError::Worker { .. }), "{error:?}");
    assert_eq!(worker.requests.try_iter().count(), 1);
}

#[test]
fn without_recovery_a_broken_link_is_the_error_at_once() {
    let worker = FakeWorker::sequence([broken(), whole()]);
    for recovery in [Recovery::default(), Recovery::off()] {
        assert_eq!(recovery.attempts, 0);
    }
    let session = session_with(&worker, Recovery::default());
    assert!(closed_by_peer(&session.run().unwrap_err()));
    assert_eq!(worker.requests.try_iter().count(), 1);
}

#[test]
fn closing_interrupts_the_pause_between_attempts() {
    let worker = FakeWorker::sequence([broken()]);
    let pause = Duration::from_secs(3600);
    let recovery = Recovery::reconnect()
        .with_backoff(pause)
        .with_backoff_cap(pause)
        .with_total(pause * 2);
    let session = session_with(&worker, recovery);
    let (told, frames) = channel();
    session.on_frame(move |event| told.send(event.frame_id().unwrap().0).unwrap());
    std::thread::scope(|scope| {
        let running = scope.spawn(|| session.run());
        while frames.recv().unwrap() < 5 {}
        let begun = Instant::now();
        session.close();
        assert_eq!(running.join().unwrap().unwrap().kind, EndKind::Closed);
        assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
    });
    assert_eq!(session.state(), SessionState::Closed);
    assert_balanced(&session.stats());
}

#[test]
fn closing_interrupts_a_second_connection_that_is_coming_up() {
    let (_never, held) = whole().held();
    let worker = FakeWorker::sequence([broken(), held]);
    let session = session_of(&worker);
    std::thread::scope(|scope| {
        let running = scope.spawn(|| session.run());
        (0..2).for_each(|_| drop(worker.requests.recv().unwrap()));
        assert_eq!(session.state(), SessionState::Started);
        let begun = Instant::now();
        session.close();
        assert_eq!(running.join().unwrap().unwrap().kind, EndKind::Closed);
        assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
    });
    assert_balanced(&session.stats());
}

#[test]
fn the_handler_of_a_gap_may_close() {
    let worker = FakeWorker::sequence([broken(), whole()]);
    let session = session_of(&worker);
    let closer = session.closer();
    let (told, gaps) = channel();
    session.on_gap(move |gap| {
        closer.close();
        told.send(gap.after.unwrap().0).unwrap();
    });
    assert_eq!(session.run().unwrap().kind, EndKind::Closed);
    assert_eq!(gaps.try_iter().collect::<Vec<_>>(), [5]);
    assert_balanced(&session.stats());
}

#[test]
fn a_gap_is_told_before_anything_that_follows_it_and_a_panic_there_is_contained() {
    let worker = FakeWorker::sequence([broken(), whole()]);
    let session = session_of(&worker);
    let (told, order) = channel();
    let gap = told.clone();
    session.on_gap(|_| panic!("mine"));
    session.on_gap(move |_| gap.send(0).unwrap());
    session.on_any_data(move |_, metadata| told.send(metadata.unwrap().frame_id.0).unwrap());
    assert_eq!(session.wait(None).unwrap().kind, EndKind::Complete);
    session.close();
    let order: Vec<_> = order.try_iter().collect();
    assert_eq!(order, [1, 2, 3, 4, 5, 0, 6, 7, 8, 9, 10]);
    assert_eq!(session.stats().handler_panics, 1);
}

#[test]
fn a_wait_is_bounded_over_an_outage_and_the_session_goes_on() {
    let (release, held) = whole().held();
    let worker = FakeWorker::sequence([broken(), held]);
    let session = session_of(&worker);
    let limit = Duration::from_millis(400);
    let begun = Instant::now();
    assert_eq!(session.wait(Some(limit)), Err(WaitError::Timeout(limit)));
    assert!(begun.elapsed() < GUARD);
    assert_eq!(session.state(), SessionState::Started);
    drop(release);
    assert_eq!(session.wait(Some(GUARD)).unwrap().kind, EndKind::Complete);
    session.close();
    assert_eq!(session.stats().reconnects, 1);
}

/// Nobody says so when a process dies: its port refuses.
#[test]
fn a_worker_that_died_and_came_back_goes_on() {
    let (over, wait_over) = channel::<()>();
    let dying = Reply::script(move |mut worker| {
        worker.receive_file();
        (1..=5).for_each(|n| worker.send_frame(n));
        worker.wait_ack(5);
        worker.die();
        // Handles that are dropped say goodbye; a dead process drops none.
        let _ = wait_over.recv_timeout(GUARD * 2);
    });
    let starting = || Reply::Answer(503, "starting".into());
    let worker = FakeWorker::sequence([dying, starting(), starting(), whole()]);
    let session = session_of(&worker);
    let gaps = gaps_of(&session);
    let ids: Vec<_> = session
        .frames()
        .map(|event| event.unwrap().frame_id().unwrap().0)
        .collect();
    assert_eq!(ids, (1..=10).collect::<Vec<_>>());
    let gap = gaps.recv().unwrap();
    assert!(matches!(
        gap.cause,
        SessionError::WorkerGone {
            step: Step::Streaming,
            ..
        }
    ));
    assert_eq!(gap.attempts, 3);
    assert!(gap.outage < GUARD);
    drop(over);
}

/// Before, at and after the cut, and while the second connection delivers.
#[test]
fn closing_after_any_number_of_frames_leaves_nothing_unaccounted() {
    for frames in 1..=10 {
        // Up to the cut no second connection comes up: a worker would wait long for a client that left before.
        let second = if frames > 5 {
            whole()
        } else {
            Reply::Answer(503, "busy".into())
        };
        let worker = FakeWorker::sequence([broken(), second]);
        let session = session_of(&worker);
        let closer = session.closer();
        let mut left = frames;
        session.on_frame(move |_| {
            left -= 1;
            if left == 0 {
                closer.close();
            }
        });
        let ended = session.run().unwrap().kind;
        assert_eq!(ended, EndKind::Closed, "after {frames} frames");
        let stats = session.stats();
        assert_balanced(&stats);
        assert_eq!(stats.frames.delivered, frames);
    }
}
