//! A worker that has served many sessions holds no more memory than one that has served a few.
//! One test in a process of its own: the numbers are the process's.

mod common;

use common::peer::Client;
use common::{PATIENCE, video, worker};
use serde_json::json;

/// Growth allowed over all sessions; one leaked upload a session would be five times as much.
const ALLOWED_KB: u64 = 10 * 1024;
const SESSIONS: u64 = 10;

fn resident_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status
        .lines()
        .find(|line| line.starts_with("RssAnon:"))
        .expect("the kernel says how much memory is in use");
    let number = line.split_whitespace().nth(1);
    number
        .and_then(|text| text.parse().ok())
        .expect("a number of kB")
}

#[test]
fn uploads_and_frames_of_ended_sessions_are_given_back() {
    let worker = worker();
    let clip = video::noisy(60);
    assert!(
        SESSIONS * clip.len() as u64 > 5 * ALLOWED_KB * 1024,
        "{}",
        clip.len()
    );
    let session = || {
        let mut client = Client::start(&worker, |body| body["data_output"] = json!([]));
        client.upload(&clip, 49152);
        assert_eq!(client.results().0.len(), 60);
        drop(client);
        assert!(worker.wait_idle(PATIENCE));
    };
    (0..3).for_each(|_| session()); // pools and the allocator's own reserves fill
    let before = resident_kb();
    (0..SESSIONS).for_each(|_| session());
    let after = resident_kb();
    assert!(
        after < before + ALLOWED_KB,
        "{before} kB before, {after} kB after"
    );
    assert_eq!(worker.stats().upload_bytes_held, 0);
}
