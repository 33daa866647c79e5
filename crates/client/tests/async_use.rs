//! Sessions consumed by tasks instead of threads, with and without a runtime.

mod support;

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Instant;

use framewire::{EndKind, FrameStream, SessionError, SessionState, VideoFileSource};
use support::{FakeWorker, GUARD, Reply, config, options};

/// The smallest executor there is: a thread that sleeps until it is woken, and counts how often that was.
struct Parked {
    thread: Thread,
    wakes: AtomicUsize,
}

impl Parked {
    fn new() -> Arc<Parked> {
        Arc::new(Parked {
            thread: std::thread::current(),
            wakes: AtomicUsize::new(0),
        })
    }

    fn wakes(&self) -> usize {
        self.wakes.load(Ordering::Acquire)
    }

    fn block_on<T>(self: &Arc<Self>, work: impl Future<Output = T>) -> T {
        let waker = Waker::from(self.clone());
        let mut work = pin!(work);
        let deadline = Instant::now() + GUARD;
        let mut seen = self.wakes();
        loop {
            if let Poll::Ready(result) = work.as_mut().poll(&mut Context::from_waker(&waker)) {
                return result;
            }
            while self.wakes() == seen {
                let left = deadline.saturating_duration_since(Instant::now());
                assert!(!left.is_zero(), "nobody woke the task");
                std::thread::park_timeout(left);
            }
            seen = self.wakes();
        }
    }
}

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        self.wakes.fetch_add(1, Ordering::Release);
        self.thread.unpark();
    }
}

fn ids(stream: &mut FrameStream) -> Vec<u64> {
    Parked::new().block_on(async {
        let mut ids = Vec::new();
        while let Some(frame) = stream.next().await {
            ids.push(frame.unwrap().frame_id().unwrap().0);
        }
        ids
    })
}

/// A worker that sends each frame when the one before was acknowledged.
fn worker_in_step(frames: u64) -> FakeWorker {
    FakeWorker::connecting(move |mut worker| {
        worker.receive_file();
        for n in 1..=frames {
            worker.send_frame(n);
            worker.wait_ack(n);
        }
        worker.complete(frames);
        worker.linger();
    })
}

#[test]
fn a_stream_delivers_every_frame_in_order_and_acknowledges_when_the_next_is_asked_for() {
    let worker = worker_in_step(30);
    let session = worker.session();
    let mut stream = session.frame_stream();
    assert_eq!(session.state(), SessionState::NotStarted);
    assert_eq!(ids(&mut stream), (1..=30).collect::<Vec<_>>());
    assert_eq!(session.state(), SessionState::Started);
    let frames = session.stats().frames;
    assert_eq!((frames.delivered, frames.in_flight), (30, 0));
    Parked::new().block_on(session.closed());
    assert_eq!(session.state(), SessionState::Closed);
}

#[test]
fn a_frame_in_hand_is_acknowledged_when_the_stream_is_dropped() {
    let (acknowledged, seen) = channel();
    let worker = FakeWorker::connecting(move |mut worker| {
        worker.receive_file();
        worker.send_frame(1);
        worker.wait_ack(1);
        worker.send_frame(2);
        worker.wait_ack(2);
        acknowledged.send(()).unwrap();
        worker.linger();
    });
    let session = worker.session();
    let parked = Parked::new();
    let mut stream = session.frame_stream();
    for n in 1..=2 {
        let frame = parked.block_on(stream.next()).unwrap().unwrap();
        assert_eq!(frame.frame_id().unwrap().0, n);
    }
    assert!(seen.try_recv().is_err());
    drop(stream);
    seen.recv_timeout(GUARD).unwrap();
}

#[test]
fn a_waiting_stream_is_woken_for_changes_and_sleeps_otherwise() {
    const FRAMES: u64 = 20;
    let (go, began) = channel();
    let worker = FakeWorker::connecting(move |mut worker| {
        worker.receive_file();
        for n in 1..=FRAMES {
            began.recv_timeout(GUARD).unwrap();
            worker.send_frame(n);
            worker.wait_ack(n);
        }
        worker.complete(FRAMES);
        worker.linger();
    });
    let session = worker.session();
    let parked = Parked::new();
    parked.block_on(session.ready()).unwrap();
    let mut stream = session.frame_stream();
    let waker = Waker::from(parked.clone());
    let before = parked.wakes();
    for n in 1..=FRAMES {
        // Asking again and again registers one waker, and wakes nobody.
        for _ in 0..50 {
            assert!(
                stream
                    .poll_frame(&mut Context::from_waker(&waker))
                    .is_pending()
            );
        }
        go.send(()).unwrap();
        let frame = parked.block_on(stream.next()).unwrap().unwrap();
        assert_eq!(frame.frame_id().unwrap().0, n);
    }
    assert!(parked.block_on(stream.next()).is_none());
    // One for each frame, one for the end, and those of threads that ended meanwhile.
    let wakes = parked.wakes() - before;
    assert!(
        wakes <= FRAMES as usize + 10,
        "{wakes} wake-ups for {FRAMES} frames"
    );
}

#[test]
fn two_streams_share_the_frames_and_both_see_the_end() {
    let worker = FakeWorker::connecting(|mut worker| {
        worker.receive_file();
        for n in 1..=40 {
            worker.send_frame(n);
        }
        worker.complete(40);
        worker.linger();
    });
    let session = worker.session();
    let halves: Vec<_> = (0..2)
        .map(|_| {
            let mut stream = session.frame_stream();
            std::thread::spawn(move || ids(&mut stream))
        })
        .collect();
    let mut all: Vec<u64> = halves
        .into_iter()
        .flat_map(|half| half.join().unwrap())
        .collect();
    all.sort_unstable();
    assert_eq!(all, (1..=40).collect::<Vec<_>>());
}

#[test]
fn a_frame_in_an_idle_hand_does_not_keep_other_consumers_waiting() {
    let worker = worker_in_step(10);
    let session = worker.session();
    let mut idle = session.frame_stream();
    let first = Parked::new().block_on(idle.next()).unwrap().unwrap();
    assert_eq!(first.frame_id().unwrap().0, 1);
    let mut iterator = session.frames();
    let second = iterator.next().unwrap().unwrap();
    assert_eq!(second.frame_id().unwrap().0, 2);
    assert_eq!(
        ids(&mut session.frame_stream()),
        (3..=10).collect::<Vec<_>>()
    );
    drop((idle, iterator));
    assert_eq!(session.stats().frames.delivered, 10);
}

#[test]
fn a_consumer_that_waits_already_goes_on_when_another_takes_a_frame_and_stops() {
    let worker = worker_in_step(10);
    let session = worker.session();
    let mut stream = session.frame_stream();
    let waiting = std::thread::spawn(move || ids(&mut stream));
    // Either may win any frame; the end comes all the same.
    let mut idle = session.frame_stream();
    let taken = Parked::new().block_on(idle.next());
    let mut all = waiting.join().unwrap();
    all.extend(taken.map(|frame| frame.unwrap().frame_id().unwrap().0));
    all.sort_unstable();
    assert_eq!(all, (1..=10).collect::<Vec<_>>());
}

#[test]
fn under_tokio_the_same_session_streams_and_finishes() {
    let worker = FakeWorker::connecting(|mut worker| {
        worker.receive_file();
        for n in 1..=10 {
            worker.send_frame(n);
        }
        worker.complete(10);
        worker.linger();
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let session = worker.session();
        session.ready().await.unwrap();
        let mut stream = session.frame_stream();
        let first = tokio::spawn(async move {
            // Through the trait, as combinators do.
            use futures_core::Stream;
            let stream = std::pin::Pin::new(&mut stream);
            let mut stream = stream;
            poll_fn(|cx| stream.as_mut().poll_next(cx)).await
        });
        let first = first.await.unwrap().unwrap().unwrap();
        assert_eq!(first.frame_id().unwrap().0, 1);
        let ended = session.finished().await.unwrap();
        assert_eq!(ended.kind, EndKind::Complete);
        assert_eq!(session.stats().frames.delivered, 10);
        session.closed().await;
        session.closed().await;
        assert_eq!(session.state(), SessionState::Closed);
    });
}

#[test]
fn a_cancelled_wait_loses_no_frame_and_a_close_ends_every_waiting_task() {
    let (go, began) = channel::<()>();
    let worker = FakeWorker::connecting(move |mut worker| {
        worker.receive_file();
        let _ = began.recv();
        worker.send_frame(1);
        worker.linger();
    });
    let session = worker.session();
    let parked = Parked::new();
    let waker = Waker::from(parked.clone());
    parked.block_on(session.ready()).unwrap();
    let mut stream = session.frame_stream();
    for _ in 0..3 {
        let mut given_up = Box::pin(stream.next());
        assert!(
            given_up
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
    }
    go.send(()).unwrap();
    assert!(parked.block_on(stream.next()).unwrap().is_ok());

    // Both wait before the session is closed.
    let mut cx = Context::from_waker(&waker);
    let mut other = session.frame_stream();
    assert!(other.poll_frame(&mut cx).is_pending());
    let waiting = std::thread::spawn(move || Parked::new().block_on(other.next()).is_none());
    let mut finished = Box::pin(session.finished());
    assert!(finished.as_mut().poll(&mut cx).is_pending());
    let finished = std::thread::spawn(move || Parked::new().block_on(finished));
    parked.block_on(session.closed());
    assert!(waiting.join().unwrap());
    assert_eq!(finished.join().unwrap().unwrap().kind, EndKind::Closed);
    assert!(parked.block_on(stream.next()).is_none());
}

#[test]
fn a_failed_start_is_an_error_of_each_form_and_the_last_item_of_a_stream() {
    let parked = Parked::new();
    let refused = || FakeWorker::start(Reply::Answer(400, r#"{"message": "no"}"#.into()));
    let worker = refused();
    let session = worker.session();
    let error = parked.block_on(session.ready()).unwrap_err();
    assert!(matches!(error, SessionError::Http(_)), "{error}");
    assert_eq!(parked.block_on(session.finished()).unwrap_err(), error);
    let mut stream = session.frame_stream();
    assert_eq!(parked.block_on(stream.next()).unwrap().unwrap_err(), error);
    assert!(parked.block_on(stream.next()).is_none());

    let missing = worker.session_with(VideoFileSource::new("no/such.mp4"), config(), options());
    let mut stream = missing.frame_stream();
    assert!(parked.block_on(stream.next()).unwrap().is_err());
    assert!(parked.block_on(stream.next()).is_none());
}

#[test]
fn closing_before_the_start_resolves_at_once_and_lets_go_of_the_source() {
    let worker = FakeWorker::connecting(|_| {});
    let kept = Arc::new(());
    let captured = kept.clone();
    let source = VideoFileSource::new("never.mp4").on_upload_progress(move |_, _| {
        let _ = &captured;
    });
    let session = worker.session_with(source, config(), options());
    let _stream = session.frame_stream();
    Parked::new().block_on(session.closed());
    assert_eq!(session.state(), SessionState::Closed);
    assert_eq!(Arc::strong_count(&kept), 1);
}

#[test]
fn results_are_told_once_each_between_errors_and_data() {
    let (order, seen) = channel();
    let worker = FakeWorker::connecting(|mut worker| {
        worker.receive_file();
        for n in 1..=2 {
            let mut result = support::result(n, &support::picture(n));
            result["errors"] = serde_json::json!(["odd"]);
            worker.send_body(n, result.to_string());
        }
        worker.complete(2);
        worker.linger();
    });
    let session = worker.session();
    let tell = |what: &'static str| {
        let order = order.clone();
        move || order.send(what).unwrap()
    };
    let (error, any, data) = (tell("error"), tell("any"), tell("data"));
    session.on_data("data", move |_, _| data());
    session.on_any_data(move |_, _| any());
    session.on_error(move |_, _| error());
    let (told, results) = channel();
    let result = tell("result");
    session.on_result(move |event| {
        result();
        let visible = event.visible().unwrap();
        told.send((
            event.metadata.unwrap().frame_id.0,
            event.outputs.unwrap().len(),
            visible
                .iter()
                .map(|(name, _)| name.to_owned())
                .collect::<Vec<_>>(),
            event.errors.to_vec(),
        ))
        .unwrap();
    });
    session.run().unwrap();
    drop(order);
    let one = ["error", "result", "any", "data"];
    assert_eq!(seen.try_iter().collect::<Vec<_>>(), [one, one].concat());
    let results: Vec<_> = results.try_iter().collect();
    assert_eq!(results.len(), 2);
    assert_eq!(
        results[1],
        (2, 2, vec!["data".to_owned()], vec!["odd".to_owned()])
    );
}
