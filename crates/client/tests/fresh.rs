//! Realtime results on a channel of their own: what comes out of order, what is lost, and how such a session ends.

mod support;

use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use framewire::{
    ClientOptions, ConfigError, DropReason, EndKind, FRESH_RESULTS, Session, StreamConfig,
    VideoFileSource, Workflow,
};
use serde_json::json;
use support::{FakeWorker, GUARD, Reply, Worker, assert_settled, clip, config, options, result};

fn fresh_worker(script: impl FnOnce(Worker) + Send + 'static) -> FakeWorker {
    FakeWorker::start(Reply::Fresh(Box::new(move |mut worker: Worker| {
        worker.receive_file();
        worker.until("the channel", |worker| worker.fresh.is_some());
        script(worker);
    })))
}

fn source() -> VideoFileSource {
    VideoFileSource::new(clip().to_str().unwrap()).realtime_processing(true)
}

/// Room for everything: what is missing at the end was not dropped by a slow consumer.
fn roomy() -> ClientOptions {
    let mut options = options();
    options.frame_queue = 100;
    options
}

fn session(worker: &FakeWorker) -> Session {
    worker.session_with(source(), config().fresh_results(FRESH_RESULTS), roomy())
}

/// Runs it; frames and results by number, as they were delivered.
fn run(session: &Session) -> (Vec<u64>, Vec<u64>) {
    let ((frame, frames), (data, results)) = (channel(), channel());
    session.on_frame(move |event| frame.send(event.frame_id().unwrap().0).unwrap());
    session.on_any_data(move |_, metadata| data.send(metadata.unwrap().frame_id.0).unwrap());
    assert_eq!(session.run().unwrap().kind, EndKind::Complete);
    (frames.try_iter().collect(), results.try_iter().collect())
}

#[test]
fn results_come_on_a_channel_of_their_own_and_what_a_newer_one_overtook_is_dropped_and_counted() {
    let worker = fresh_worker(|mut worker| {
        let channel = worker.fresh.as_ref().unwrap();
        assert_eq!(channel.label(), "framewire-results");
        let options = channel.options();
        assert_eq!(
            (options.ordered, options.max_lifetime),
            (false, Some(FRESH_RESULTS))
        );
        for frame in [1, 2, 4, 3, 6, 5, 7] {
            worker.send_fresh(frame);
        }
        worker.complete(7);
        worker.linger();
    });
    let session = session(&worker);
    let (frames, results) = run(&session);
    assert_eq!(
        (&frames, &results),
        (&vec![1, 2, 4, 6, 7], &vec![1, 2, 4, 6, 7])
    );
    let offered = worker.requests.try_recv().unwrap();
    let features = offered["framewire"]["features"].as_array().unwrap().clone();
    assert!(features.contains(&json!("freshness")));
    let stats = session.stats();
    assert_settled(&stats.frames);
    assert_eq!(stats.frames.dropped, [(DropReason::Overtaken, 2)].into());
    assert_eq!(
        (
            stats.fresh_results.overtaken,
            stats.fresh_results.incomplete
        ),
        (2, 0)
    );
    assert!(stats.bad_messages.is_empty() && stats.stream_errors.is_empty());
}

#[test]
fn errors_are_told_however_late_they_are() {
    let worker = fresh_worker(|mut worker| {
        worker.send_fresh(2);
        let mut failed = result(1, &json!(null));
        failed["errors"] = json!(["the model failed"]);
        worker.send_body(1, failed.to_string());
        worker.send_fresh(3);
        worker.complete(3);
        worker.linger();
    });
    let session = session(&worker);
    let (told, errors) = channel();
    session.on_error(move |errors, _| told.send(errors.to_vec()).unwrap());
    let (_, mut results) = run(&session);
    results.sort_unstable();
    assert_eq!(results, [1, 2, 3]);
    let errors: Vec<_> = errors.try_iter().collect();
    assert_eq!(errors, [["the model failed"]]);
    assert_eq!(session.stats().fresh_results.overtaken, 0);
}

#[test]
fn a_result_that_the_completion_overtook_is_still_delivered() {
    let worker = fresh_worker(|mut worker| {
        worker.send_fresh(1);
        worker.complete(3);
        worker.send_fresh(2);
        worker.send_fresh(3);
        worker.linger();
    });
    let session = session(&worker);
    let begun = Instant::now();
    assert_eq!(run(&session).0, [1, 2, 3]);
    assert!(begun.elapsed() < GUARD);
    assert_settled(&session.stats().frames);
}

#[test]
fn lost_results_are_counted_and_hold_the_end_up_for_a_bounded_time() {
    let worker = fresh_worker(|mut worker| {
        worker.send_fresh(1);
        worker.send_fresh(4);
        worker.complete(6);
        worker.linger();
    });
    let session = session(&worker);
    let begun = Instant::now();
    assert_eq!(run(&session).0, [1, 4]);
    assert!(begun.elapsed() < GUARD);
    let stats = session.stats();
    assert_settled(&stats.frames);
    assert_eq!(stats.frames.dropped, [(DropReason::Network, 4)].into());
}

#[test]
fn results_that_arrive_in_part_make_room_and_are_no_fault_of_the_worker() {
    let worker = fresh_worker(|mut worker| {
        let channel = worker.fresh.clone().unwrap();
        for frame in 1..=20_u32 {
            // The first of two chunks, and never the second.
            let head: Vec<u8> = [frame, 0, 2].iter().flat_map(|n| n.to_le_bytes()).collect();
            channel.send([&head[..], b"{"].concat().into()).unwrap();
        }
        worker.send_fresh(21);
        worker.complete(21);
        worker.linger();
    });
    let session = session(&worker);
    assert_eq!(run(&session).0, [21]);
    let stats = session.stats();
    assert_eq!(
        stats.fresh_results.incomplete, 12,
        "8 may be incomplete at a time"
    );
    assert_eq!(stats.frames.dropped, [(DropReason::Network, 20)].into());
    assert!(stats.bad_messages.is_empty() && stats.stream_errors.is_empty());
    assert_settled(&stats.frames);
}

#[test]
fn an_original_never_sees_a_second_channel() {
    for fresh in [true, false] {
        let script = |mut worker: Worker| {
            worker.receive_file();
            worker.send_frame(2);
            worker.send_frame(1);
            worker.complete(2);
            worker.linger();
            assert!(worker.fresh.is_none());
        };
        // An original, or one of ours that was not asked.
        let reply = match fresh {
            true => Reply::script(script),
            false => Reply::Fresh(Box::new(script)),
        };
        let worker = FakeWorker::start(reply);
        let config = if fresh {
            config().fresh_results(FRESH_RESULTS)
        } else {
            config()
        };
        let session = worker.session_with(source(), config, roomy());
        assert_eq!(run(&session).0, [2, 1], "in the order of the worker");
    }
}

#[test]
fn only_a_session_that_may_lose_results_can_have_them_fresh() {
    let client = framewire::Client::new("http://127.0.0.1:1");
    let refused = |source: VideoFileSource, config: StreamConfig| {
        let workflow = Workflow::inline(json!({"outputs": []}));
        match client.stream(source, workflow, config).map(drop) {
            Err(ConfigError::Option { option, .. }) => assert_eq!(option, "fresh_results"),
            other => panic!("{other:?}"),
        }
    };
    let batch = VideoFileSource::new(clip().to_str().unwrap());
    refused(batch, config().fresh_results(FRESH_RESULTS));
    for lifetime in [
        Duration::ZERO,
        Duration::from_micros(999),
        Duration::from_secs(66),
    ] {
        refused(source(), config().fresh_results(lifetime));
    }
}
