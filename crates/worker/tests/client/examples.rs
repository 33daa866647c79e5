//! The examples of the client run to their end.

use crate::common::video::FRAMES;
use crate::{async_stream, blocking, clip, live_frames, url, worker};

#[test]
fn the_blocking_example_gets_every_frame_of_a_file() {
    let (worker, file) = (worker(), clip());
    let frames = blocking::stream(&url(&worker), file.path().to_str().unwrap()).unwrap();
    assert_eq!(frames, FRAMES as u64);
}

#[test]
fn the_asynchronous_example_gets_every_frame_of_a_file() {
    let (worker, file) = (worker(), clip());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let stream = async_stream::stream;
    let url = url(&worker);
    let frames = runtime.block_on(stream(&url, file.path().to_str().unwrap()));
    assert_eq!(frames.unwrap(), FRAMES as u64);
}

#[test]
fn the_live_example_gets_frames_back() {
    let worker = worker();
    let frames = live_frames::stream(&url(&worker), 20).unwrap();
    assert!((1..=20).contains(&frames), "{frames}");
}
