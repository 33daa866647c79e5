//! Sessions of the workspace's own client whose path dies for good, and which go on over another one.
//! The exchange by itself is in `http`; paths with delay and loss are in the transport's scenarios.
#![allow(unreachable_pub)] // shared between the files of this binary

#[path = "../common/mod.rs"]
mod common;
mod ends;
mod way;

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use framewire::{Client, Session, Source, StreamConfig, VideoFileSource, Workflow};
use serde_json::json;

use common::http::get;
use common::{PATIENCE, video, worker, workflow};
use way::Way;

/// Three seconds until the stall is noticed and two to go on, times three for a busy machine.
const GOES_ON: Duration = Duration::from_secs(15);

fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::with_suffix(".mp4").unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    file
}

fn session(client: &Client, source: impl Into<Source>) -> Session {
    let config = StreamConfig::new().stream_output(["picture"]);
    let config = config.turn_server(json!({"iceServers": []}));
    client
        .stream(source, Workflow::inline(workflow()), config)
        .unwrap()
}

/// Frame numbers until the end, and the longest time without one; `at` is told each.
fn watch(session: &Session, mut at: impl FnMut(u64)) -> (Vec<u64>, Duration) {
    let (mut numbers, mut longest, mut last) = (Vec::new(), Duration::ZERO, None);
    for event in session.frames() {
        let number = event.unwrap().frame_id().unwrap().0;
        let now = Instant::now();
        longest = longest.max(last.map_or(Duration::ZERO, |last| now - last));
        last = Some(now);
        numbers.push(number);
        at(number);
    }
    (numbers, longest)
}

#[test]
fn a_file_goes_on_over_a_new_path_and_no_frame_is_lost_or_twice() {
    const FRAMES: u32 = 120;
    let (worker, clip) = (worker(), file(&video::numbered(FRAMES)));
    let way = Way::to(&worker);
    let session = session(
        &Client::new(&way.url),
        VideoFileSource::new(clip.path().to_str().unwrap()),
    );
    let (numbers, longest) = watch(&session, |number| {
        if number == 40 {
            way.cut();
        }
    });
    assert_eq!(numbers, (1..=u64::from(FRAMES)).collect::<Vec<_>>());
    let stats = session.stats();
    assert!(
        stats.ice_restarts >= 1 && stats.reconnects == 0,
        "{stats:?}"
    );
    assert_eq!(
        (stats.frames.delivered, stats.repeated),
        (u64::from(FRAMES), 0)
    );
    assert!(stats.frames.dropped.is_empty(), "{stats:?}");
    assert!(longest < GOES_ON, "{longest:?} without a frame");
    eprintln!("longest time without a frame: {longest:?}");
    let metrics = get(worker.local_addr(), "/metrics").body;
    assert!(metrics.contains(&format!(
        "\nframewire_ice_restarts_total {}\n",
        way.restarts()
    )));
    assert_eq!(worker.stats().sessions_started, 1);
}

#[test]
fn an_upload_goes_on_over_a_new_path() {
    const PADDING: usize = 20 << 20;
    // A `free` box makes the file large without making it long.
    let mut bytes = video::small().to_vec();
    bytes.extend(u32::try_from(PADDING).unwrap().to_be_bytes());
    bytes.extend(b"free");
    bytes.resize(bytes.len() + PADDING - 8, 7);
    let (worker, clip) = (worker(), file(&bytes));
    let way = Way::to(&worker);
    way.rules.dies_after.store(5 << 20, Ordering::Relaxed);
    let session = session(
        &Client::new(&way.url),
        VideoFileSource::new(clip.path().to_str().unwrap()),
    );
    let begun = Instant::now();
    let (numbers, _) = watch(&session, |_| {});
    assert_eq!(numbers, (1..=video::FRAMES as u64).collect::<Vec<_>>());
    let stats = session.stats();
    assert!(
        stats.ice_restarts >= 1 && stats.reconnects == 0,
        "{stats:?}"
    );
    assert_eq!(stats.upload.total_bytes, bytes.len() as u64);
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    assert!(!way.is_cut(), "the last path is alive");
}

#[test]
fn five_paths_in_a_row_may_die() {
    const FRAMES: u32 = 120;
    let (worker, clip) = (worker(), file(&video::numbered(FRAMES)));
    let way = Way::to(&worker);
    let session = session(
        &Client::new(&way.url),
        VideoFileSource::new(clip.path().to_str().unwrap()),
    );
    let (numbers, longest) = watch(&session, |number| {
        if number % 20 == 0 && number <= 100 {
            way.cut();
        }
    });
    assert_eq!(numbers, (1..=u64::from(FRAMES)).collect::<Vec<_>>());
    assert!(session.stats().ice_restarts >= 3, "{:?}", session.stats());
    assert!(longest < GOES_ON, "{longest:?} without a frame");
}
