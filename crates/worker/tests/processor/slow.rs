//! Functions that take long, or do not come back: who waits, who is kept alive, what ends when.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use framewire_transport::{CloseReason, VideoConfig};
use framewire_worker::Worker;
use serde_json::{Value, json};

use crate::camera::Camera;
use crate::common::peer::{Client, Heard};
use crate::common::{PATIENCE, deadline, video, worker_with};
use crate::{image, json};

/// A function that says when it is called and waits until it may go on.
struct Held {
    worker: Worker,
    called: Receiver<u64>,
    go: Sender<()>,
}

fn held(change: impl FnOnce(&mut framewire_worker::WorkerConfig)) -> Held {
    let (say, called) = channel();
    let (go, wait) = channel::<()>();
    let wait = Arc::new(Mutex::new(wait));
    let worker = worker_with(|config| {
        change(config);
        *config = config.clone().with_processor(move || {
            let (say, wait) = (say.clone(), wait.clone());
            Box::new(
                move |frame: &framewire_media::Frame,
                      metadata: &framewire_worker::workflow::FrameMetadata| {
                    let _ = say.send(metadata.frame_number);
                    let _ = wait.lock().expect("no panic in here").recv();
                    let count = json("count", metadata.frame_number);
                    Ok(vec![image("picture", frame), count])
                },
            )
        });
    });
    Held { worker, called, go }
}

fn counting(body: &mut Value) {
    body["data_output"] = json!(["count"]);
}

#[test]
fn a_connection_outlives_a_call_that_takes_longer_than_a_silent_peer_may() {
    const LOST: Duration = Duration::from_secs(2);
    let held = held(|config| config.limits.lost_after = Some(LOST));
    let mut client = Client::start(&held.worker, counting);
    client.upload(video::small(), 49152);
    held.called.recv_timeout(PATIENCE).unwrap();
    // Nothing but keep-alives passes now; a client that hears nothing for so long would be gone, and so would a worker.
    match client.try_next(Instant::now() + 3 * LOST) {
        None => {}
        Some(heard) => panic!("{heard:?} while the function is busy"),
    }
    client.ping(); // and the session itself answers
    drop(held.go);
    assert_eq!(
        client.results().0.len(),
        video::FRAMES,
        "batch: no frame is lost"
    );
}

#[test]
fn in_realtime_the_newest_frame_is_next_after_a_slow_call() {
    let held = held(|_| {});
    let mut camera = Camera::start(&held.worker, VideoConfig::default(), counting);
    camera.send(0);
    held.called.recv_timeout(PATIENCE).unwrap();
    let dropped = || -> u64 {
        let dropped = held.worker.stats().dropped;
        dropped.iter().map(|(_, count)| count).sum()
    };
    let end = deadline();
    let mut index = 0;
    while dropped() < 5 {
        assert!(
            Instant::now() < end,
            "frames give way while the function is busy"
        );
        index += 1;
        camera.send(index);
        let none = camera.back_before(Instant::now() + Duration::from_millis(10));
        assert!(none.is_none());
    }
    drop(held.go);
    assert_eq!(camera.back().index(), 0);
    let second = camera.back();
    assert!(second.index() > 3, "{}", second.index());
    assert_eq!(
        held.called.recv_timeout(PATIENCE).unwrap(),
        2,
        "ids have no gap"
    );
}

#[test]
fn the_processing_time_ends_a_session_inside_a_call() {
    let held = held(|config| config.env.shutdown_reserve = Duration::from_millis(500));
    let mut client = Client::start(&held.worker, |body| {
        counting(body);
        body["processing_timeout"] = json!(1);
    });
    client.upload(video::small(), 49152);
    held.called.recv_timeout(PATIENCE).unwrap();
    let completion = client.result();
    assert_eq!(completion["processing_complete"], true);
    assert_eq!(completion["termination_reason"], "timeout_reached");
    assert!(matches!(client.next(), Heard::Closed(CloseReason::Remote)));
    assert!(
        !held.worker.wait_idle(Duration::ZERO),
        "a call that does not return keeps its place"
    );
    drop(held.go);
    assert!(held.worker.wait_idle(PATIENCE), "and frees it when it does");
}

#[test]
fn shutdown_during_a_call_is_bounded_and_the_client_hears_of_it() {
    let held = held(|config| config.limits.teardown_timeout = Duration::from_millis(300));
    let mut client = Client::start(&held.worker, counting);
    client.upload(video::small(), 49152);
    held.called.recv_timeout(PATIENCE).unwrap();
    let begun = Instant::now();
    assert!(!held.worker.shutdown(Duration::ZERO));
    assert!(
        begun.elapsed() < Duration::from_secs(6),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(client.closed(), CloseReason::Remote);
    drop(held.go);
}

#[test]
fn a_client_that_leaves_during_a_call_ends_its_session_after_that_call() {
    let held = held(|_| {});
    let mut client = Client::start(&held.worker, counting);
    client.control("{\"ack\": 1}"); // and no other: few frames may be under way
    client.acks = false;
    client.upload(video::small(), 49152);
    held.called.recv_timeout(PATIENCE).unwrap();
    client.peer.close(Duration::from_secs(1));
    assert_eq!(client.closed(), CloseReason::Local);
    drop(held.go);
    assert!(held.worker.wait_idle(PATIENCE));
    let calls = held.called.try_iter().count();
    assert!(calls < 8, "{calls} calls for nobody");
}
