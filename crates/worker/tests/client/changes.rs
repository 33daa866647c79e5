//! Sessions that change while they run.

use std::time::Duration;

use framewire::{
    Client, FrameEvent, Reconfigure, Session, StreamConfig, VideoFileSource, WaitError, Workflow,
};
use framewire_protocol::ack::OWN_ACK_WINDOW;
use serde_json::json;

use crate::common::video::FRAMES;
use crate::{clip, url, worker};

/// Pictures for a track that are between the stages of the worker, each a frame further.
const IN_STAGES: usize = 5;
/// Frames that may still follow the old choice.
const UNDER_WAY: usize = OWN_ACK_WINDOW as usize + IN_STAGES;

fn session(url: &str, track: bool) -> (Session, tempfile::NamedTempFile) {
    let file = clip();
    let source = VideoFileSource::new(file.path().to_str().unwrap()).track_frames(track);
    let any = Workflow::inline(json!({"version": "1.0", "inputs": [], "steps": [], "outputs": []}));
    let config = StreamConfig::new()
        .stream_output(["red"])
        .data_output(["predictions"]);
    (Client::new(url).stream(source, any, config).unwrap(), file)
}

fn is_red(event: &FrameEvent) -> bool {
    let pixel = &event.frame.bgr_bytes().expect("frames are BGR")[..3];
    assert!(pixel[0].abs_diff(pixel[2]) > 100, "{pixel:?}");
    pixel[2] > pixel[0]
}

#[test]
fn a_paused_file_stops_at_the_worker_and_loses_no_frame() {
    for track in [false, true] {
        let worker = worker();
        let (session, _file) = session(&url(&worker), track);
        let mut frames = session.frames();
        let mut seen = 0;
        while seen < 5 {
            frames.next().unwrap().unwrap();
            seen += 1;
        }
        session.pause();
        drop(frames);
        let waited = session.wait(Some(Duration::from_millis(500)));
        assert!(matches!(waited, Err(WaitError::Timeout(_))), "{waited:?}");
        let so_far = session.stats().frames.produced;
        assert!(
            so_far <= 5 + OWN_ACK_WINDOW,
            "{so_far} frames before it stopped"
        );
        session.resume();
        session.run().unwrap();
        let frames = session.stats().frames;
        assert_eq!(
            frames.delivered, FRAMES as u64,
            "track: {track}, {frames:?}"
        );
        assert!(frames.dropped.is_empty() && frames.received == frames.delivered);
    }
}

#[test]
fn another_output_is_asked_for_and_every_frame_still_comes() {
    for track in [false, true] {
        let worker = worker();
        let (session, _file) = session(&url(&worker), track);
        let mut colours = Vec::new();
        for event in session.frames() {
            colours.push(is_red(&event.unwrap()));
            if colours.len() == 10 {
                let change = Reconfigure::new().stream_output(["blue"]);
                session.reconfigure(change).unwrap();
            }
        }
        assert_eq!(colours.len(), FRAMES, "track: {track}");
        assert!(colours[..10].iter().all(|red| *red));
        let first = colours.iter().position(|red| !red).expect("it changed");
        let under_way = UNDER_WAY - if track { 0 } else { IN_STAGES };
        assert!(first <= 10 + under_way, "it took {} frames", first - 10);
        assert!(colours[first..].iter().all(|red| !*red));
        assert!(session.stats().stream_errors.is_empty());
    }
}

#[test]
fn an_empty_choice_on_a_track_leaves_it_to_the_worker() {
    let worker = worker();
    let (session, _file) = session(&url(&worker), true);
    let mut sizes = Vec::new();
    let none: [&str; 0] = [];
    for event in session.frames() {
        let frame = event.unwrap().frame;
        sizes.push(frame.bgr_bytes().expect("frames are BGR")[2]);
        if sizes.len() == 10 {
            let change = Reconfigure::new().stream_output(none);
            session.reconfigure(change).unwrap();
        }
    }
    assert_eq!(sizes.len(), FRAMES);
    // The first picture among the outputs is the frame itself, which is not all red.
    assert!(sizes[..10].iter().all(|red| *red > 150), "{sizes:?}");
    assert!(
        sizes[10 + UNDER_WAY..].iter().all(|red| *red < 150),
        "{sizes:?}"
    );
    assert!(session.stats().stream_errors.is_empty());
}
