//! Every frame is accounted for at every moment, whatever happens; and what went wrong can be read and heard.

mod support;

use std::sync::mpsc::channel;
use std::time::Duration;

use framewire::{Delivery, DropReason, ManualSource, Reconfigure, Session, VideoFileSource};
use serde_json::json;
use support::{
    FakeWorker, GUARD, Worker, assert_consistent, assert_settled, clip, config, options,
};

/// Numbers that look random and follow from their seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// Sends frames, gaps, repetitions, rubbish; completes, hangs up or dies.
fn misbehave(worker: &mut Worker, mut dice: Dice) {
    worker.receive_file();
    let mut frame = 0;
    for _ in 0..30 {
        match dice.roll(12) {
            0 => frame += 1 + dice.roll(3),
            1 => worker.send_text("rubbish"),
            2 => worker.send_body(
                frame,
                support::result(frame.max(1), &json!("no picture")).to_string(),
            ),
            3 => {
                frame += 1;
                let mut result = support::result(frame, &json!(null));
                result["serialized_output_data"] = json!({"data": 1});
                worker.send_body(frame, result.to_string());
            }
            4 => worker.send_frame(frame.max(1)),
            _ => {
                frame += 1;
                worker.send_frame(frame);
            }
        }
        worker.drain();
    }
    match dice.roll(4) {
        0 => worker.die(),
        1 => worker.hang_up(),
        _ => {
            worker.complete(frame);
            worker.linger();
        }
    }
}

/// Does something that any user may do at any time; false once there is nothing more to do.
fn act(session: &Session, dice: &mut Dice) -> bool {
    match dice.roll(10) {
        0 => session.pause(),
        1 | 2 => session.resume(),
        3 => {
            let names = ["image", "data", ""]
                .into_iter()
                .take(dice.roll(4) as usize);
            let _ = session.reconfigure(Reconfigure::new().stream_output(names));
        }
        4 => {
            let _ = session.wait(Some(Duration::from_millis(dice.roll(3))));
        }
        5 if dice.roll(6) == 0 => {
            session.close();
            return false;
        }
        _ => {
            // One that is withheld could be the one that is waited for.
            session.resume();
            match session.frames().next() {
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return false,
            }
        }
    }
    true
}

#[test]
fn the_sums_hold_in_every_snapshot_of_random_sessions() {
    for seed in 0..60 {
        let mut dice = Dice(seed);
        let script = Dice(seed + 1000);
        let worker = FakeWorker::connecting(move |mut worker| misbehave(&mut worker, script));
        let source =
            VideoFileSource::new(clip().to_str().unwrap()).realtime_processing(seed % 2 == 0);
        let mut limits = options();
        limits.frame_queue = 1 + dice.roll(8) as usize;
        let session = worker.session_with(source, config(), limits);
        let observer = session.observer();
        let run = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            while act(&session, &mut dice) {
                assert_consistent(&observer.stats().frames);
            }
            assert_consistent(&observer.stats().frames);
            session.close();
            assert_settled(&observer.stats().frames);
            let stats = session.stats();
            let told: u64 = stats.stream_errors.values().sum();
            assert_eq!(told.min(256), session.errors().len() as u64);
        }));
        assert!(run.is_ok(), "seed {seed}");
    }
}

#[test]
fn pictures_that_are_held_end_a_lossless_job_with_an_error_and_cost_a_realtime_one_frames() {
    // Whether the worker's completion or the missing memory is noticed first is up to the scheduler: many rounds.
    for realtime in (0..24).map(|round| round % 4 == 0) {
        let worker = FakeWorker::connecting(move |mut worker| {
            worker.receive_file();
            for n in 1..=30 {
                worker.send_frame(n);
            }
            worker.complete(30);
            worker.linger();
        });
        let mut limits = options();
        limits.frame_pool_bytes = 10 * 32 * 16 * 3;
        // Room for all: what is missing at the end is missing for want of memory.
        limits.frame_queue = 32;
        let session = worker.session_with(
            VideoFileSource::new(clip().to_str().unwrap()).realtime_processing(realtime),
            config(),
            limits,
        );
        let taken: Vec<_> = session.frames().collect();
        let frames = session.stats().frames;
        assert!(frames.delivered > 0 && frames.delivered <= 10, "{frames:?}");
        if realtime {
            assert!(taken.iter().all(Result::is_ok), "{:?}", taken.last());
            assert!(frames.dropped[&DropReason::NoMemory] > 0, "{frames:?}");
        } else {
            let text = taken.last().unwrap().as_ref().unwrap_err().to_string();
            assert!(
                text.contains("15360 bytes") && text.contains(".copy()"),
                "{text}"
            );
        }
        session.close();
        assert_settled(&session.stats().frames);
    }
}

#[test]
fn errors_of_single_messages_are_kept_counted_and_told_in_order_with_their_reasons() {
    let (go, registered) = channel::<()>();
    let worker = FakeWorker::connecting(move |mut worker| {
        worker.receive_file();
        registered.recv_timeout(GUARD).unwrap();
        worker.send_text("rubbish");
        let mut result = support::result(1, &json!({"type": "base64", "value": "AAAA"}));
        result["errors"] = json!(["first", "second"]);
        worker.send_body(1, result.to_string());
        let mut result = support::result(2, &json!(null));
        result["serialized_output_data"] = json!({"data": 1});
        worker.send_body(2, result.to_string());
        worker.send_frame(3);
        worker.complete(3);
        worker.linger();
    });
    let session = worker.session();
    session.on_data("data", |value, _| {
        assert!(value.is_object(), "a number is not what this handler wants");
    });
    let (told, heard) = channel();
    let name = std::thread::current().id();
    session.on_stream_error(move |error| {
        assert_ne!(std::thread::current().id(), name);
        told.send(error.clone()).unwrap();
    });
    session.on_stream_error(|_| panic!("mine too"));
    go.send(()).unwrap();
    session.run().unwrap();
    session.note_handler_error("a callback failed");
    let errors = session.errors();
    let all: Vec<_> = errors
        .iter()
        .map(|error| {
            let id = error.frame_id.map(|id| id.0);
            (error.kind.as_str(), error.kind.reason(), id)
        })
        .collect();
    let expected = [
        ("bad_message", Some("not_an_object"), None),
        ("worker", None, Some(1)),
        ("worker", None, Some(1)),
        ("frame_dropped", Some("undecodable"), Some(1)),
        ("frame_dropped", Some("no_picture"), Some(2)),
        ("handler", None, None),
        ("handler", None, None),
    ];
    // Noticed on two threads: the rubbish may come later, the rest keeps its order.
    let sorted = |list: &[(&'static str, Option<&'static str>, Option<u64>)]| {
        let mut list = list.to_vec();
        list.sort_by_key(|(kind, ..)| *kind == "bad_message");
        list
    };
    assert_eq!(sorted(&all), sorted(&expected));
    assert_eq!(
        errors[1..]
            .iter()
            .filter(|error| error.message == "second")
            .count(),
        1
    );
    let heard: Vec<_> = heard.try_iter().collect();
    assert_eq!(heard, errors[..6]);
    let stats = session.stats();
    assert_eq!(stats.stream_errors["handler"], 2);
    assert_eq!(stats.handler_panics, 2 + heard.len() as u64);
    assert_eq!(stats.frames.dropped[&DropReason::NoPicture], 1);
}

#[test]
fn the_promise_about_frames_follows_from_source_and_configuration() {
    let worker = FakeWorker::connecting(|_| {});
    let delivery = |source: framewire::Source, realtime| {
        let config = config().realtime_processing(realtime);
        worker.session_with(source, config, options()).delivery()
    };
    let file = || VideoFileSource::new("a.mp4");
    assert_eq!(delivery(file().into(), true), Delivery::Lossless);
    let played = file().realtime_processing(true);
    assert_eq!(
        delivery(played.into(), false),
        Delivery::Latest { max_age: None }
    );
    if cfg!(feature = "ffmpeg") {
        let max_age = Some(options().max_frame_age);
        assert_eq!(
            delivery(ManualSource::new().into(), true),
            Delivery::Latest { max_age }
        );
        assert_eq!(
            delivery(ManualSource::new().into(), false),
            Delivery::Lossless
        );
    }
}
