//! Changing what is asked for while a session runs.

mod support;

use std::sync::mpsc::channel;

use framewire::{DropReason, Reconfigure, RtspSource, Session, SessionError, StreamConfig};
use serde_json::{Value, json};
use support::{FakeWorker, GUARD, assert_settled, config, options, picture, shade};

fn result(frame: u64, outputs: Value) -> String {
    let mut result = support::result(frame, &json!(null));
    result["serialized_output_data"] = outputs;
    result.to_string()
}

fn names(session: &Session) -> std::sync::mpsc::Receiver<Vec<String>> {
    let (told, seen) = channel();
    session.on_any_data(move |outputs, _| {
        let names = outputs.unwrap().iter().map(|(name, _)| name.to_owned());
        told.send(names.collect()).unwrap();
    });
    seen
}

#[test]
fn pictures_inside_results_change_their_output_and_none_is_lost_on_the_way() {
    let (go, turns) = channel::<()>();
    let worker = FakeWorker::connecting(move |mut worker| {
        worker.receive_file();
        worker.send_frame(1);
        worker.until("new data", |worker| !worker.controls.is_empty());
        assert_eq!(
            worker.controls[0],
            json!({"data_output": ["other", "image"]})
        );
        let image = picture(2);
        worker.send_body(2, result(2, json!({"image": image, "other": 2})));
        worker.until("new pictures", |worker| worker.controls.len() == 2);
        assert_eq!(
            worker.controls[1],
            json!({"data_output": ["other", "second"]})
        );
        // Was under way when the change came, then the change shows.
        worker.send_body(3, result(3, json!({"image": picture(3), "other": 3})));
        let both = json!({"image": picture(40), "second": picture(4), "other": 4});
        worker.send_body(4, result(4, both));
        worker.until("no pictures", |worker| worker.controls.len() == 3);
        assert_eq!(worker.controls[2], json!({"data_output": ["image"]}));
        turns.recv_timeout(GUARD).unwrap();
        worker.send_body(5, result(5, json!({"image": picture(5)})));
        worker.complete(5);
        worker.linger();
    });
    let session = worker.session();
    let seen = names(&session);
    let mut frames = session.frames();
    let mut next = |id: u64| {
        let frame = frames.next().unwrap().unwrap();
        assert_eq!(frame.frame_id().unwrap().0, id);
        assert!((shade(&frame.frame) - (id as i32 * 7 + 20)).abs() <= 3);
    };
    let change = |change: Reconfigure| session.reconfigure(change).unwrap();
    next(1);
    change(Reconfigure::new().data_output(["other", ""]));
    next(2);
    change(Reconfigure::new().stream_output(["second"]));
    next(3);
    next(4);
    let none: [&str; 0] = [];
    change(
        Reconfigure::new()
            .stream_output(none)
            .data_output(["image"]),
    );
    go.send(()).unwrap();
    assert!(frames.next().is_none(), "what was a picture is data now");
    let seen: Vec<_> = seen.try_iter().collect();
    assert_eq!(
        seen,
        [
            vec!["data"],
            vec!["other"],
            vec!["other"],
            vec!["other"],
            vec!["image"]
        ]
    );
    let frames = session.stats().frames;
    assert_eq!(frames.delivered, 5);
    assert_settled(&frames);
}

#[test]
fn pictures_asked_for_later_are_missed_only_after_the_first_came() {
    let worker = FakeWorker::connecting(|mut worker| {
        worker.receive_file();
        worker.until("the change", |worker| !worker.controls.is_empty());
        assert_eq!(
            worker.controls[0],
            json!({"data_output": ["data", "image"]})
        );
        worker.send_body(1, result(1, json!({"data": 1})));
        worker.send_frame(2);
        worker.send_body(3, result(3, json!({"data": 3})));
        worker.complete(3);
        worker.linger();
    });
    let source = framewire::VideoFileSource::new(support::clip().to_str().unwrap());
    let data_only = StreamConfig::new().data_output(["data"]);
    let session = worker.session_with(source, data_only, options());
    session.start().unwrap();
    let change = Reconfigure::new().stream_output(["image"]);
    session.reconfigure(change).unwrap();
    assert_eq!(
        session
            .frames()
            .map(|frame| frame.unwrap().frame_id().unwrap().0)
            .sum::<u64>(),
        2
    );
    let frames = session.stats().frames;
    assert_eq!(
        frames.delivered, 2,
        "a result without pictures, and one with"
    );
    assert_eq!(frames.dropped[&DropReason::NoPicture], 1);
    assert_settled(&frames);
}

#[test]
fn what_cannot_be_changed_is_a_typed_error() {
    let worker = FakeWorker::connecting(|mut worker| worker.linger());
    let session = worker.session();
    let change = || Reconfigure::new().stream_output(["b"]);
    assert_eq!(session.reconfigure(change()), Err(SessionError::NotStarted));
    session.close();
    assert_eq!(session.reconfigure(change()), Err(SessionError::Closed));

    let failed = worker.session_with(
        framewire::VideoFileSource::new("no/such.mp4"),
        config(),
        options(),
    );
    let error = failed.start().unwrap_err();
    assert_eq!(failed.reconfigure(change()), Err(error));
}

#[cfg(feature = "ffmpeg")]
#[test]
fn a_track_changes_its_output_and_a_session_without_one_cannot() {
    let worker = FakeWorker::streaming(|worker| {
        let mut streamer = support::Streamer::new(worker);
        streamer.send(1);
        let worker = &mut streamer.worker;
        worker.until("both changes", |worker| worker.controls.len() == 2);
        assert_eq!(
            worker.controls[0],
            json!({"stream_output": ["b"], "data_output": ["*"]})
        );
        assert_eq!(worker.controls[1], json!({"stream_output": []}));
        streamer.send(2);
        streamer.worker.complete(2);
        streamer.worker.linger();
    });
    let source = || RtspSource::new("rtsp://192.0.2.1/x").unwrap();
    let session = worker.session_with(source(), config(), options());
    let seen = names(&session);
    let mut frames = session.frames();
    frames.next().unwrap().unwrap();
    let change = Reconfigure::new().stream_output(["b"]).data_output(["*"]);
    session.reconfigure(change).unwrap();
    let none: [&str; 0] = [];
    session
        .reconfigure(Reconfigure::new().stream_output(none))
        .unwrap();
    frames.next().unwrap().unwrap();
    assert!(frames.next().is_none());
    assert_eq!(seen.try_iter().count(), 2);

    let (told, heard) = channel();
    let worker = FakeWorker::streaming(move |mut worker| {
        worker.until("the change", |worker| !worker.controls.is_empty());
        told.send(worker.controls[0].clone()).unwrap();
        worker.linger();
    });
    let session = worker.session_with(source(), StreamConfig::new(), options());
    session.start().unwrap();
    let refused = session.reconfigure(Reconfigure::new().stream_output(["b"]));
    assert!(matches!(refused, Err(SessionError::NotPossible { .. })));
    // Whether or not the channel is open yet.
    session
        .reconfigure(Reconfigure::new().data_output(["x"]))
        .unwrap();
    assert_eq!(
        heard.recv_timeout(GUARD).unwrap(),
        json!({"data_output": ["x"]})
    );
}
