//! Whole sessions with a well-behaved worker: what arrives, in which order, and when it is acknowledged.

mod support;

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use framewire::{
    Client, EndKind, SessionState, StreamConfig, TaskType, VideoFileSource, WaitError, Workflow,
};
use serde_json::json;
use support::{
    FakeWorker, assert_told_in_order, clip, config, long_file, options, picture, result, shade,
};

#[test]
fn every_frame_arrives_in_order_with_its_metadata_and_the_file_arrives_unchanged() {
    let (file, received) = channel();
    let worker = FakeWorker::connecting(move |mut worker| {
        file.send(worker.receive_file()).unwrap();
        for n in 1..=50 {
            worker.send_frame(n);
        }
        worker.complete(50);
        worker.linger();
    });
    let (progress, reports) = channel();
    let source = VideoFileSource::new(clip().to_str().unwrap())
        .on_upload_progress(move |done, total| progress.send((done, total)).unwrap());
    let session = worker.session_with(source, config(), options());
    assert_eq!(session.state(), SessionState::NotStarted);
    let (frame, frames) = channel();
    session.on_frame(move |event| {
        let id = event.frame_id().unwrap().0;
        frame
            .send((id, shade(&event.frame), event.frame.pts()))
            .unwrap();
    });
    let ended = session.run().unwrap();
    assert_eq!(ended.kind, EndKind::Complete);
    assert_eq!(session.state(), SessionState::Closed);

    let frames: Vec<_> = frames.try_iter().collect();
    assert_eq!(
        frames.iter().map(|frame| frame.0).collect::<Vec<_>>(),
        (1..=50).collect::<Vec<_>>()
    );
    for (id, shade, pts) in frames {
        assert!(
            (shade - (id as i32 * 7 % 200 + 20)).abs() <= 3,
            "frame {id} has shade {shade}"
        );
        assert_eq!(pts, Some((id as i64 - 1) * 512));
    }
    assert_eq!(received.recv().unwrap(), std::fs::read(clip()).unwrap());
    assert_told_in_order(reports.try_iter().collect(), 1);

    let stats = session.stats();
    assert_eq!(
        (stats.frames.produced, stats.frames.delivered, stats.results),
        (50, 50, 50)
    );
    assert!(stats.frames.dropped.is_empty() && stats.frames.in_flight == 0);
    assert!(stats.connect.is_some() && stats.first_frame >= stats.connect);
    assert!(stats.upload.complete && stats.upload.bytes == stats.upload.total_bytes);
    assert_eq!(stats.latency, None);
}

#[test]
fn the_request_is_what_the_original_sends() {
    let worker = FakeWorker::connecting(|mut worker| {
        worker.receive_file();
        worker.complete(0);
        worker.linger();
    });
    let session = worker.session();
    session.run().unwrap();
    let body = worker.requests.recv().unwrap();
    let keys: Vec<&String> = body.as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        [
            "api_key",
            "workflow_configuration",
            "webrtc_offer",
            "webrtc_realtime_processing",
            "stream_output",
            "data_output",
            "video_file_upload",
            "framewire",
        ]
    );
    assert_eq!(body["api_key"], "test-key");
    assert_eq!(body["webrtc_offer"]["type"], "offer");
    assert_eq!(body["webrtc_realtime_processing"], false);
    assert_eq!(body["stream_output"], json!([]));
    assert_eq!(body["data_output"], json!(["data", "image"]));
}

#[test]
fn a_slow_handler_loses_nothing_and_acks_follow_it() {
    const FRAMES: u64 = 60;
    let (ids, seen) = channel();
    let handled = Arc::new(Mutex::new(0));
    let known = handled.clone();
    let worker = FakeWorker::connecting(move |mut worker| {
        worker.receive_file();
        // Like an original: unpaced until the first acknowledgement, then one frame ahead.
        worker.send_frame(1);
        worker.wait_ack(1);
        for n in 2..=FRAMES {
            worker.send_frame(n);
            worker.wait_ack(n);
            assert!(
                *known.lock().unwrap() >= n,
                "ack {n} came before its handler had returned"
            );
        }
        worker.complete(FRAMES);
        worker.linger();
    });
    let session = worker.session();
    session.on_frame(move |event| {
        let id = event.frame_id().unwrap().0;
        // Slow without a clock: wait for the other threads several times.
        for _ in 0..1000 {
            std::thread::yield_now();
        }
        ids.send(id).unwrap();
        *handled.lock().unwrap() = id;
    });
    session.run().unwrap();
    assert_eq!(
        seen.try_iter().collect::<Vec<_>>(),
        (1..=FRAMES).collect::<Vec<_>>()
    );
    assert!(session.stats().frames.dropped.is_empty());
}

#[test]
fn a_consumer_that_stops_holds_the_worker_back_and_still_gets_everything() {
    const FRAMES: u64 = 300;
    let worker = FakeWorker::connecting(move |mut worker| {
        worker.receive_file();
        // Never waits for acknowledgements: only full queues hold it back.
        for n in 1..=FRAMES {
            worker.send_frame(n);
        }
        worker.complete(FRAMES);
        worker.linger();
    });
    let mut limits = options();
    limits.frame_queue = 2;
    limits.frame_queue_bytes = 1;
    limits.result_queue = 4;
    let source = VideoFileSource::new(clip().to_str().unwrap());
    let session = worker.session_with(source, config(), limits);
    let mut frames = session.frames();
    let first = frames.next().unwrap().unwrap();
    assert_eq!(first.frame_id().unwrap().0, 1);
    // While the first frame is in hand, at most the two queues and the decoders hold others.
    let rest: Vec<u64> = frames
        .map(|frame| frame.unwrap().frame_id().unwrap().0)
        .collect();
    assert_eq!(rest, (2..=FRAMES).collect::<Vec<_>>());
    assert!(session.stats().frames.dropped.is_empty());
}

#[test]
fn the_first_frame_is_acknowledged_on_arrival_to_switch_pacing_on() {
    let (acked, was_acked) = channel();
    let worker = FakeWorker::connecting(move |mut worker| {
        worker.receive_file();
        worker.send_frame(1);
        worker.wait_ack(1);
        acked.send(()).unwrap();
        worker.complete(1);
        worker.linger();
        assert_eq!(worker.acks, [1]);
    });
    let session = worker.session();
    // The handler returns only after the acknowledgement was seen.
    session.on_frame(move |_| was_acked.recv().unwrap());
    session.run().unwrap();
}

#[test]
fn handlers_run_in_the_documented_order() {
    let worker = FakeWorker::connecting(|mut worker| {
        worker.receive_file();
        let mut message = result(1, &picture(1));
        message["errors"] = json!(["odd"]);
        worker.send_body(1, message.to_string());
        worker.send_body(
            2,
            r#"{"serialized_output_data": null, "video_metadata": {"frame_id": 2}}"#,
        );
        worker.complete(2);
        worker.linger();
    });
    let session = worker.session();
    let log = Arc::new(Mutex::new(Vec::new()));
    let note = |name: &'static str| {
        let log = log.clone();
        move |text: String| log.lock().unwrap().push(format!("{name} {text}"))
    };
    let (image, data, any, error) = (note("image"), note("data"), note("any"), note("error"));
    session.on_data("image", move |value, _| {
        image(value.is_object().to_string())
    });
    session.on_data("data", move |value, _| data(value.as_str().to_owned()));
    session.on_any_data(move |outputs, metadata| {
        let names = outputs.map(|outputs| {
            outputs
                .iter()
                .map(|(name, _)| name.to_owned())
                .collect::<Vec<_>>()
        });
        any(format!(
            "{names:?} {}",
            metadata.map_or(0, |metadata| metadata.frame_id.0)
        ));
    });
    session.on_error(move |errors, metadata| {
        error(format!("{errors:?} {:?}", metadata.unwrap().errors))
    });
    session.wait(None).unwrap();
    assert_eq!(
        *log.lock().unwrap(),
        [
            r#"error ["odd"] ["odd"]"#,
            r#"any Some(["data"]) 1"#,
            "image true",
            r#"data {"n":1}"#,
            // Metadata without a date cannot be read: the message still arrives.
            "any None 0",
        ]
    );
    assert_eq!(session.state(), SessionState::Started);
    assert_eq!(session.stats().errors, 1);
}

#[test]
fn model_mode_delivers_the_predictions_with_their_frame() {
    let worker = FakeWorker::connecting(|mut worker| {
        worker.receive_file();
        for n in 1..=3 {
            let mut message = result(n, &picture(n));
            message["serialized_output_data"]["predictions"] = if n == 2 {
                json!(null)
            } else {
                json!({"image": {"width": n}, "predictions": []})
            };
            worker.send_body(n, message.to_string());
        }
        worker.complete(3);
        worker.linger();
    });
    let client = Client::new(&worker.url).with_options(options());
    let workflow = Workflow::model("demo/1", Some(TaskType::ObjectDetection));
    let source = VideoFileSource::new(clip().to_str().unwrap());
    let session = client
        .stream(source, workflow, StreamConfig::new())
        .unwrap();
    let data: Vec<_> = session
        .frames()
        .map(|frame| frame.unwrap().data.map(|data| data.to_value()))
        .collect();
    assert_eq!(data[0].as_ref().unwrap()["image"]["width"], 1);
    assert_eq!(data[1], None);
    assert_eq!(data[2].as_ref().unwrap()["image"]["width"], 3);
    let body = worker.requests.recv().unwrap();
    assert_eq!(body["data_output"], json!(["predictions", "image"]));
    assert_eq!(
        body["workflow_configuration"]["workflow_specification"]["steps"][0]["model_id"],
        "demo/1"
    );
}

#[test]
fn without_pictures_results_count_as_delivered() {
    let worker = FakeWorker::connecting(|mut worker| {
        worker.receive_file();
        for n in 1..=20 {
            worker.send_frame(n);
        }
        worker.complete(20);
        worker.linger();
    });
    let source = VideoFileSource::new(clip().to_str().unwrap());
    let session = worker.session_with(source, StreamConfig::new().data_output(["*"]), options());
    assert_eq!(session.frames().count(), 0);
    let stats = session.stats();
    assert_eq!(
        (stats.frames.produced, stats.frames.delivered, stats.results),
        (20, 20, 20)
    );
}

#[test]
fn the_wait_timeout_covers_the_whole_call_although_frames_keep_coming() {
    let worker = FakeWorker::connecting(|mut worker| {
        worker.receive_file();
        for n in 1.. {
            worker.send_frame(n);
            worker.wait_ack(n);
            if worker.closed.is_some() {
                return;
            }
        }
    });
    let session = worker.session();
    let timeout = Duration::from_millis(300);
    assert_eq!(
        session.wait(Some(timeout)),
        Err(WaitError::Timeout(timeout))
    );
    assert_eq!(session.state(), SessionState::Started);
    session.close();
    let stats = session.stats().frames;
    assert_eq!(
        stats.produced,
        stats.delivered + stats.dropped.values().sum::<u64>()
    );
}

#[test]
fn the_end_is_seen_by_every_consumer_once() {
    let worker = FakeWorker::connecting(|mut worker| {
        worker.receive_file();
        worker.send_frame(1);
        worker.complete_with(1, &[], Some("timeout_reached"));
        worker.linger();
    });
    let session = worker.session();
    let total: usize = std::thread::scope(|scope| {
        let consumers: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| session.frames().count()))
            .collect();
        consumers
            .into_iter()
            .map(|consumer| consumer.join().unwrap())
            .sum()
    });
    assert_eq!(total, 1);
    let ended = session.wait(None).unwrap();
    assert_eq!(ended.kind, EndKind::ProcessingTimeout);
    assert_eq!(ended.termination_reason.as_deref(), Some("timeout_reached"));
    assert!(session.frames().next().is_none());
}

#[test]
fn an_upload_that_stands_still_is_kept_alive_by_pings() {
    let (pinged, was_pinged) = channel();
    let worker = FakeWorker::connecting(move |mut worker| {
        worker.until("a ping", |worker| worker.pings > 0);
        pinged.send(()).unwrap();
        worker.receive_file();
        worker.complete(0);
        worker.linger();
    });
    let mut limits = options();
    limits.upload_ping_interval = Duration::from_millis(50);
    let path = long_file("pinged.mp4", 1 << 20);
    // The callback runs on the upload thread: nothing is sent until it returns.
    let source = VideoFileSource::new(path.to_str().unwrap()).on_upload_progress(move |done, _| {
        if done == 1 {
            was_pinged.recv().unwrap();
        }
    });
    let session = worker.session_with(source, config(), limits);
    assert_eq!(session.run().unwrap().kind, EndKind::Complete);
}
