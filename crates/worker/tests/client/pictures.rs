//! Pictures that travel behind the JSON, as users of the client see them: like base64, and free for who does not look.

use std::sync::{Arc, Mutex};

use framewire::{Client, StreamConfig, VideoFileSource, Workflow};
use framewire_media::{FramePool, decode_jpeg};
use framewire_protocol::encoding::base64_decode;
use serde_json::{Value, json};

use crate::common::video::FRAMES;
use crate::{clip, url, worker};

#[test]
fn handlers_see_pictures_as_base64_and_frames_come_decoded() {
    let worker = worker();
    let file = clip();
    let source = VideoFileSource::new(file.path().to_str().unwrap());
    let any = Workflow::inline(json!({"version": "1.0", "inputs": [], "steps": [], "outputs": []}));
    let config = StreamConfig::new()
        .stream_output(["red"])
        .data_output(["blue", "predictions"]);
    let session = Client::new(url(&worker))
        .stream(source, any, config)
        .unwrap();
    let seen: Arc<Mutex<Vec<(Value, Value)>>> = Arc::default();
    let (named, any) = (seen.clone(), Arc::new(Mutex::new(Vec::new())));
    session.on_data("blue", move |value, _| {
        assert!(value.is_object());
        let travelled = format!("{value:?}");
        assert!(travelled.contains("{\"type\":\"raw\""), "{travelled}");
        assert!(
            value
                .as_str()
                .starts_with("{\"type\":\"base64\",\"value\":\"/9j/")
        );
        let parsed: Value = value.parse().unwrap();
        named.lock().unwrap().push((value.to_value(), parsed));
    });
    let all = any.clone();
    session.on_any_data(move |outputs, _| {
        let outputs = outputs.expect("outputs were asked for");
        all.lock().unwrap().push(outputs.to_value());
    });
    let mut frames = 0;
    for event in session.frames() {
        let event = event.unwrap();
        let pixel = &event.frame.bgr_bytes().expect("frames are BGR")[..3];
        assert!(pixel[2] > 180 && pixel[0] < 40, "{pixel:?} is red");
        frames += 1;
    }
    assert_eq!(frames, FRAMES);
    assert!(session.stats().stream_errors.is_empty());
    let (seen, any) = (seen.lock().unwrap(), any.lock().unwrap());
    assert_eq!((seen.len(), any.len()), (FRAMES, FRAMES));
    for (index, ((value, parsed), all)) in seen.iter().zip(any.iter()).enumerate() {
        assert_eq!(value, parsed);
        let outputs: Vec<_> = all.as_object().unwrap().keys().collect();
        assert_eq!(
            outputs,
            ["blue", "predictions"],
            "what is a frame is no data"
        );
        assert_eq!(all["blue"], *value);
        let keys: Vec<_> = value.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["type", "value", "video_metadata"]);
        assert_eq!(value["video_metadata"]["frame_number"], index + 1);
        let jpeg = base64_decode(value["value"].as_str().unwrap().as_bytes()).unwrap();
        let picture = decode_jpeg(&jpeg, &FramePool::default()).unwrap();
        assert_eq!((picture.width(), picture.height()), (64, 48));
        let pixel = &picture.bgr_bytes().unwrap()[..3];
        assert!(pixel[0] > 180 && pixel[2] < 40, "{pixel:?} is blue");
    }
}
