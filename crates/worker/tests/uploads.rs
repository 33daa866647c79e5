//! Announced uploads over real sockets: cut anywhere and gone on with, verified, kept, taken over, bound to their key.

mod common;

use common::peer::{Client, Heard, errors};
use common::{PATIENCE, video, worker, worker_with};
use framewire_protocol::upload::UploadId;
use framewire_transport::CloseReason;
use framewire_worker::Worker;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::time::Duration;

fn agree(body: &mut Value) {
    body["framewire"] = json!({"v": 1, "features": ["upload"]});
}

fn id(n: u128) -> UploadId {
    UploadId::from_random(n)
}

fn hash(file: &[u8]) -> [u8; 32] {
    Sha256::digest(file).into()
}

/// A size that cuts the file into this many chunks.
fn chunk_for(file: &[u8], chunks: usize) -> usize {
    file.len().div_ceil(chunks)
}

fn send(client: &Client, file: &[u8], chunk: usize, indices: impl IntoIterator<Item = usize>) {
    let total = u32::try_from(file.len().div_ceil(chunk)).unwrap();
    for index in indices {
        let data = file.chunks(chunk).nth(index).unwrap();
        client.chunk(u32::try_from(index).unwrap(), total, data);
    }
}

/// A session that announces the file, sends its first chunks and is gone.
fn broken(worker: &Worker, upload: UploadId, file: &[u8], chunk: usize, chunks: usize) {
    let mut client = Client::start(worker, agree);
    client.announce(upload, file.len(), chunk);
    send(&client, file, chunk, 0..chunks);
    client.ping();
    client.peer.close(Duration::from_secs(1));
    assert!(worker.wait_idle(PATIENCE));
}

fn finishes(worker: &Worker, client: &mut Client) {
    let (results, completion) = client.results();
    assert_eq!(
        (results.len(), errors(&completion)),
        (video::FRAMES, vec![])
    );
    client.peer.close(Duration::from_secs(1));
    assert!(worker.wait_idle(PATIENCE));
}

#[test]
fn an_upload_cut_after_any_chunk_goes_on_there() {
    let worker = worker();
    let file = video::small();
    let chunk = chunk_for(file, 5);
    for cut in 0..=5 {
        let upload = id(cut as u128);
        broken(&worker, upload, file, chunk, cut);
        assert_eq!(worker.stats().uploads_kept, usize::from(cut > 0));
        let before = worker.stats().upload_bytes;
        let mut client = Client::start(&worker, agree);
        let have = client.announce(upload, file.len(), chunk);
        let there = (cut > 0).then_some((0, cut as u32));
        assert_eq!(have, Vec::from_iter(there));
        send(&client, file, chunk, cut..5);
        assert!(client.verify(upload, hash(file)));
        finishes(&worker, &mut client);
        let sent = file.len() - (chunk * cut).min(file.len());
        assert_eq!(worker.stats().upload_bytes - before, sent as u64);
        let left = (
            worker.stats().uploads_kept,
            worker.stats().upload_bytes_held,
        );
        assert_eq!(left, (0, 0), "nothing is kept of what is done");
    }
    assert_eq!(worker.stats().uploads_resumed, 5);
}

#[test]
fn chunks_out_of_order_are_verified_all_the_same() {
    let worker = worker();
    let file = video::small();
    let chunk = chunk_for(file, 5);
    let mut client = Client::start(&worker, agree);
    assert!(client.announce(id(1), file.len(), chunk).is_empty());
    send(&client, file, chunk, [4, 2, 3, 0, 0, 1]);
    assert!(client.verify(id(1), hash(file)));
    finishes(&worker, &mut client);
}

#[test]
fn one_wrong_byte_is_found_told_and_never_decoded() {
    let worker = worker();
    let file = video::small();
    let mut damaged = file.to_vec();
    damaged[file.len() / 2] ^= 1;
    let mut client = Client::start(&worker, agree);
    let chunk = chunk_for(file, 5);
    client.announce(id(1), file.len(), chunk);
    send(&client, &damaged, chunk, 0..5);
    assert!(!client.verify(id(1), hash(file)));
    let (results, completion) = client.results();
    assert!(results.is_empty());
    assert!(errors(&completion)[0].contains("sha256"), "{completion}");
    assert_eq!(client.closed(), CloseReason::Remote);
    assert!(worker.wait_idle(PATIENCE));
    let stats = worker.stats();
    assert_eq!((stats.uploads_damaged, stats.sessions_failed), (1, 1));
    assert_eq!((stats.uploads_kept, stats.upload_bytes_held), (0, 0));
}

#[test]
fn a_whole_file_whose_session_broke_need_not_be_sent_again() {
    let worker = worker();
    let file = video::small();
    let mut first = Client::start(&worker, agree);
    first.acks = false;
    first.announce(id(1), file.len(), 1000);
    first.upload(file, 1000);
    assert!(first.verify(id(1), hash(file)));
    first.result();
    first.peer.close(Duration::from_secs(1));
    assert!(worker.wait_idle(PATIENCE));
    let mut second = Client::start(&worker, agree);
    let chunks = file.len().div_ceil(1000) as u32;
    assert_eq!(second.announce(id(1), file.len(), 1000), [(0, chunks)]);
    assert!(second.verify(id(1), hash(file)));
    finishes(&worker, &mut second);
    assert_eq!(worker.stats().upload_bytes, file.len() as u64);
}

#[test]
fn a_session_that_is_done_without_its_client_hanging_up_is_kept_too() {
    let worker = worker_with(|config| config.limits.linger = Duration::from_millis(1));
    let file = video::small();
    let mut first = Client::start(&worker, agree);
    first.announce(id(1), file.len(), 1000);
    first.upload(file, 1000);
    assert!(first.verify(id(1), hash(file)));
    first.results();
    assert_eq!(first.closed(), CloseReason::Remote);
    assert!(worker.wait_idle(PATIENCE));
    assert_eq!(worker.stats().sessions_completed, 1);
    let mut second = Client::start(&worker, agree);
    let chunks = file.len().div_ceil(1000) as u32;
    assert_eq!(second.announce(id(1), file.len(), 1000), [(0, chunks)]);
}

#[test]
fn an_upload_that_stalled_is_kept() {
    let worker = worker_with(|config| config.env.watchdog = Duration::from_secs(1));
    let file = video::small();
    let mut first = Client::start(&worker, agree);
    first.announce(id(1), file.len(), 1000);
    send(&first, file, 1000, 0..3);
    let (_, completion) = first.results();
    assert!(
        errors(&completion)[0].contains("no upload message"),
        "{completion}"
    );
    assert_eq!(first.closed(), CloseReason::Remote);
    assert!(worker.wait_idle(PATIENCE));
    let mut second = Client::start(&worker, agree);
    assert_eq!(second.announce(id(1), file.len(), 1000), [(0, 3)]);
}

#[test]
fn a_second_session_takes_a_running_upload_over() {
    let worker = worker();
    let file = video::small();
    let chunk = chunk_for(file, 5);
    let mut first = Client::start(&worker, agree);
    first.announce(id(1), file.len(), chunk);
    send(&first, file, chunk, 0..3);
    first.ping();
    let mut second = Client::start(&worker, agree);
    assert_eq!(second.announce(id(1), file.len(), chunk), [(0, 3)]);
    let (_, completion) = first.results();
    assert!(
        errors(&completion)[0].contains("another session"),
        "{completion}"
    );
    assert_eq!(first.closed(), CloseReason::Remote);
    send(&second, file, chunk, 3..5);
    assert!(second.verify(id(1), hash(file)));
    finishes(&worker, &mut second);
}

#[test]
fn another_size_or_chunk_under_the_same_id_starts_anew() {
    let worker = worker();
    let file = video::small();
    broken(&worker, id(1), file, 1000, 3);
    let mut other = Client::start(&worker, agree);
    assert!(other.announce(id(1), file.len(), 999).is_empty());
    other.peer.close(Duration::from_secs(1));
    assert!(worker.wait_idle(PATIENCE));
    broken(&worker, id(1), file, 1000, 3);
    let mut longer = Client::start(&worker, agree);
    assert!(longer.announce(id(1), file.len() + 1, 1000).is_empty());
}

#[test]
fn nobody_goes_on_with_the_upload_of_another_key() {
    let worker = worker_with(|config| config.api_keys = vec!["mine".into(), "yours".into()]);
    let file = video::small();
    let start = |key: &str| {
        let key = format!("Bearer {key}");
        let headers = [("Authorization", key.as_str())];
        Client::try_start(&worker, &["inference", "video_upload"], &headers, agree).unwrap()
    };
    let mut first = start("mine");
    first.announce(id(1), file.len(), 1000);
    send(&first, file, 1000, 0..3);
    first.ping();
    let mut thief = start("yours");
    assert!(thief.announce(id(1), file.len(), 1000).is_empty());
    thief.peer.close(Duration::from_secs(1));
    first.ping();
    first.peer.close(Duration::from_secs(1));
    assert!(worker.wait_idle(PATIENCE));
    assert_eq!(start("mine").announce(id(1), file.len(), 1000), [(0, 3)]);
}

#[test]
fn kept_uploads_give_way_to_a_running_one() {
    let file = video::small();
    let space = file.len() as u64 + 2500;
    let worker = worker_with(|config| config.limits.max_upload_space = space);
    broken(&worker, id(1), file, 1000, 2);
    broken(&worker, id(2), file, 1000, 2);
    assert_eq!(worker.stats().uploads_kept, 2);
    let mut client = Client::start(&worker, agree);
    client.announce(id(3), file.len(), 1000);
    client.upload(file, 1000);
    assert!(client.verify(id(3), hash(file)));
    assert_eq!(worker.stats().uploads_kept, 1);
    finishes(&worker, &mut client);
    let mut oldest = Client::start(&worker, agree);
    assert!(oldest.announce(id(1), file.len(), 1000).is_empty());
    let mut newest = Client::start(&worker, agree);
    assert_eq!(newest.announce(id(2), file.len(), 1000), [(0, 2)]);
}

#[test]
fn an_announced_file_over_the_limit_ends_before_it_is_sent() {
    let worker = worker_with(|config| config.max_upload_bytes = 10_000);
    let mut client = Client::start(&worker, agree);
    client.control(r#"{"framewire": {"upload": {"id": "123e4567-e89b-42d3-a456-426614174000", "size": 10001, "chunk": 1000}}}"#);
    let (_, completion) = client.results();
    assert!(errors(&completion)[0].contains("10000"), "{completion}");
    assert_eq!(client.closed(), CloseReason::Remote);
}

#[test]
fn with_keeping_off_nothing_waits() {
    let worker = worker_with(|config| config.upload_keep = Duration::ZERO);
    broken(&worker, id(1), video::small(), 1000, 3);
    let stats = worker.stats();
    assert_eq!((stats.uploads_kept, stats.upload_bytes_held), (0, 0));
}

#[test]
fn a_client_that_did_not_agree_is_not_spoken_to() {
    let worker = worker();
    let file = video::small();
    let mut client = Client::start(&worker, |_| {});
    client.control(r#"{"framewire": {"upload": {"id": "123e4567-e89b-42d3-a456-426614174000", "size": 5, "chunk": 5}}}"#);
    client.upload(file, 1000);
    match client.next() {
        Heard::Result(value, _) => assert_eq!(value["video_metadata"]["frame_id"], 1),
        other => panic!("expected the first result, heard {other:?}"),
    }
}
