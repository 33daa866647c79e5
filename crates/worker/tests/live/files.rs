//! An uploaded file whose frames come back on the track.

use std::time::Instant;

use framewire_transport::VideoConfig;
use serde_json::json;

use crate::camera::{Camera, passthrough};
use crate::common::peer::{Client, errors};
use crate::common::{PATIENCE, deadline, video, worker};

fn viewer(realtime: bool) -> (framewire_worker::Worker, Camera) {
    let worker = worker();
    let channels = ["inference", "video_upload"];
    let config = VideoConfig::default().with_send(false);
    let client = Client::with_video(&worker, &channels, config, |body| {
        passthrough(body);
        body["webrtc_realtime_processing"] = json!(realtime);
    });
    let client = client.unwrap_or_else(|refused| panic!("refused: {}", refused.body));
    (worker, Camera::of(client))
}

#[test]
fn a_batch_file_comes_back_whole_on_the_track_and_then_the_completion() {
    const FRAMES: u32 = 60;
    let (worker, mut camera) = viewer(false);
    camera.client.upload(&video::numbered(FRAMES), 49152);
    let mut got = Vec::new();
    let mut results = 0;
    let completion = loop {
        let result = camera.client.result();
        if result["processing_complete"] == true {
            break result;
        }
        results += 1;
        assert_eq!(errors(&result), [""; 0]);
        while let Some(back) = camera.back_before(Instant::now()) {
            got.push((back.rtp_time, back.counter()));
        }
    };
    assert_eq!(results, FRAMES);
    assert_eq!(errors(&completion), [""; 0]);
    while got.len() < FRAMES as usize {
        let back = camera.back();
        got.push((back.rtp_time, back.counter()));
    }
    let numbers: Vec<u32> = got.iter().map(|(_, number)| *number).collect();
    assert_eq!(
        numbers,
        (0..FRAMES).collect::<Vec<_>>(),
        "every frame, in order"
    );
    let steps = got.windows(2).map(|pair| pair[1].0.wrapping_sub(pair[0].0));
    assert!(
        steps.into_iter().all(|step| step == 3600),
        "25 fps in 90 kHz ticks"
    );
    camera.client.peer.close(std::time::Duration::from_secs(1));
    assert!(worker.wait_idle(PATIENCE));
    assert_eq!(worker.stats().sessions_completed, 1);
}

#[test]
fn a_realtime_file_plays_at_its_own_pace_on_the_track() {
    const FRAMES: u32 = 20;
    let (_worker, mut camera) = viewer(true);
    camera.client.upload(&video::numbered(FRAMES), 49152);
    let first = camera.back();
    let begin = Instant::now();
    let (start, mut last) = (first.counter(), first.counter());
    while last < FRAMES - 1 {
        let Some(back) = camera.back_before(deadline()) else {
            panic!("frame {last} is the last one that came")
        };
        assert!(back.counter() > last, "in order");
        last = back.counter();
    }
    let due = (last - start) * 40;
    let took = begin.elapsed().as_millis();
    assert!(
        took + 60 >= u128::from(due),
        "{took} ms for {due} ms of video"
    );
}
