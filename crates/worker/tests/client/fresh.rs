//! Results that may be lost rather than late: what takes which channel, and a whole session of that kind.

use std::time::Duration;

use framewire::{Client, EndKind, FRESH_RESULTS, StreamConfig, VideoFileSource, Workflow};
use framewire_protocol::job::FRESH_LABEL;
use framewire_transport::{ChannelOptions, DataChannel};
use framewire_worker::{ProcessedValue, Worker};
use serde_json::{Value, json};

use crate::common::peer::{self, Heard, errors};
use crate::common::video::{self, FRAMES};
use crate::{clip, common, url, worker};

/// A realtime session of a client that names these features, with a channel for fresh results.
fn session(worker: &Worker, features: &[&str]) -> (peer::Client, DataChannel) {
    let mut client = peer::Client::start(worker, |body| {
        body["webrtc_realtime_processing"] = json!(true);
        body["data_output"] = json!(["*"]);
        body["framewire"] = json!({"v": 1, "features": features});
    });
    client.acks = false;
    let options = ChannelOptions::default()
        .with_ordered(false)
        .with_max_lifetime(Duration::from_secs(20)); // nothing is lost here, however slow this machine
    let fresh = client.peer.open_channel(FRESH_LABEL, options).unwrap();
    client.ping(); // the worker has the channel by now
    (client, fresh)
}

/// Frames whose results came without order, frames whose results came in order, and the completion message.
fn run(client: &mut peer::Client) -> (Vec<u64>, Vec<Value>, Value) {
    client.upload(video::small(), 1000);
    let (mut fresh, mut ordered) = (Vec::new(), Vec::new());
    loop {
        match client.next() {
            // Nothing is sent on the upload channel that could be echoed.
            Heard::Echo(chunk) => {
                fresh.push(u32::from_le_bytes(chunk[..4].try_into().unwrap()).into())
            }
            Heard::Result(value, _) if value["processing_complete"] == true => {
                return (fresh, ordered, value);
            }
            Heard::Result(value, _) => ordered.push(value),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn results_take_the_channel_without_order_and_the_end_takes_the_other() {
    let worker = worker();
    let (mut client, _fresh) = session(&worker, &["freshness"]);
    let (fresh, ordered, completion) = run(&mut client);
    assert!(!fresh.is_empty() && fresh.is_sorted() && ordered.is_empty());
    assert_eq!(completion["video_metadata"]["frame_id"], FRAMES);
}

#[test]
fn results_with_errors_take_the_ordered_channel() {
    let worker = common::worker_with(|config| {
        *config = config.clone().with_processor(|| {
            Box::new(|_: &_, metadata: &_| {
                let metadata: &framewire_worker::workflow::FrameMetadata = metadata;
                match metadata.frame_number % 3 {
                    0 => Err("every third one".to_owned()),
                    _ => Ok(vec![("n".to_owned(), ProcessedValue::Json(json!(1)))]),
                }
            })
        });
    });
    let (mut client, _fresh) = session(&worker, &["freshness"]);
    let (fresh, ordered, _) = run(&mut client);
    assert!(!fresh.is_empty() && !ordered.is_empty());
    assert!(ordered.iter().all(|result| !errors(result).is_empty()));
}

#[test]
fn a_channel_of_that_name_means_nothing_without_an_agreement() {
    let worker = worker();
    let (mut client, _fresh) = session(&worker, &["ledger"]);
    let (fresh, ordered, _) = run(&mut client);
    assert!(fresh.is_empty() && !ordered.is_empty());
}

#[test]
fn without_its_channel_a_session_that_agreed_goes_on_in_order() {
    let worker = worker();
    let (mut client, fresh) = session(&worker, &["freshness"]);
    fresh.close();
    while fresh.is_open()
        || client
            .peer
            .channel(FRESH_LABEL)
            .is_some_and(|open| open.is_open())
    {
        client.ping();
    }
    client.ping();
    let (fresh, ordered, _) = run(&mut client);
    assert_eq!((fresh.len(), ordered.is_empty()), (0, false));
}

#[test]
fn a_whole_session_with_fresh_results_ends_well() {
    let worker = worker();
    let file = clip();
    let source = VideoFileSource::new(file.path().to_str().unwrap()).realtime_processing(true);
    let any = Workflow::inline(json!({"version": "1.0", "inputs": [], "steps": [], "outputs": []}));
    let config = StreamConfig::new()
        .stream_output(["red"])
        .data_output(["predictions"])
        .fresh_results(FRESH_RESULTS);
    let session = Client::new(url(&worker))
        .stream(source, any, config)
        .unwrap();
    let ids: Vec<_> = session
        .frames()
        .map(|event| event.unwrap().frame_id().unwrap().0)
        .collect();
    assert!(!ids.is_empty() && ids.is_sorted());
    assert_eq!(session.run().unwrap().kind, EndKind::Complete);
    let stats = session.stats();
    let frames = &stats.frames;
    let dropped: u64 = frames.dropped.values().sum();
    assert_eq!((frames.produced, frames.in_flight), (FRAMES as u64, 0));
    assert_eq!(frames.delivered + dropped, frames.produced);
    assert!(stats.bad_messages.is_empty() && stats.stream_errors.is_empty());
}
