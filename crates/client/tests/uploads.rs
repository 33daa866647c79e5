//! Uploads between two ends of ours: announced, only what is missing sent, verified; and what ends them when the worker does
//! not keep its word.

mod support;

use std::sync::mpsc::channel;
use std::time::Duration;

use framewire::{ClientOptions, Session, SessionError, Step, UploadId, VideoFileSource};
use framewire_protocol::upload::UploadReply;
use sha2::{Digest, Sha256};
use support::gaps::recovering;
use support::{
    FakeWorker, Reply, Worker, assert_told_in_order, clip, config, long_file, options, scratch,
};

/// Small enough for many of them.
const CHUNK: usize = 40;

fn worker(script: impl FnOnce(Worker) + Send + 'static) -> FakeWorker {
    FakeWorker::start(Reply::Uploads(Box::new(script)))
}

fn limits() -> ClientOptions {
    let mut limits = options();
    limits.upload_chunk_size = CHUNK;
    limits
}

fn session(worker: &FakeWorker, limits: ClientOptions) -> Session {
    worker.session_with(
        VideoFileSource::new(clip().to_str().unwrap()),
        config(),
        limits,
    )
}

fn verdict(id: UploadId, verified: bool) -> String {
    UploadReply::Verified { id, verified }.text()
}

fn indices(worker: &Worker) -> Vec<u32> {
    let index = |chunk: &bytes::Bytes| u32::from_le_bytes(chunk[..4].try_into().unwrap());
    worker.chunks.iter().map(index).collect()
}

#[test]
fn only_missing_chunks_are_sent_and_the_hash_is_the_whole_files() {
    let file = std::fs::read(clip()).unwrap();
    let total = file.len().div_ceil(CHUNK) as u32;
    assert!(total > 20, "the clip has chunks enough for holes");
    let whole: [u8; 32] = Sha256::digest(&file).into();
    for have in [
        vec![],
        vec![(0, 1)],
        vec![(0, total / 2)],
        vec![(3, 5), (7, total - 1)],
        vec![(1, total)],
        vec![(0, total)],
    ] {
        let there = have.clone();
        let (tell, told) = channel();
        let fake = worker(move |mut worker| {
            let id = worker.announced(&there);
            let hash = worker.named_hash();
            worker.until("every chunk", |worker| {
                let there: u32 = there.iter().map(|(from, to)| to - from).sum();
                worker.chunks.len() as u32 == total - there
            });
            tell.send((indices(&worker), hash)).unwrap();
            worker.send_text(&verdict(id, true));
            worker.send_frame(1);
            worker.complete(1);
            worker.linger();
        });
        let (report, reports) = channel();
        let source = VideoFileSource::new(clip().to_str().unwrap())
            .on_upload_progress(move |done, total| report.send((done, total)).unwrap());
        let session = fake.session_with(source, config(), limits());
        session.run().unwrap();
        let (sent, hash) = told.recv().unwrap();
        let missing: Vec<u32> = (0..total)
            .filter(|index| !have.iter().any(|(from, to)| (from..to).contains(&index)))
            .collect();
        assert_eq!(sent, missing, "{have:?}");
        assert_eq!(hash, whole, "{have:?}");
        let upload = session.stats().upload;
        assert_eq!(upload.bytes + upload.resumed_bytes, upload.total_bytes);
        assert!(upload.complete && upload.verified);
        let first = (total - sent.len() as u32 + 1).min(total);
        assert_told_in_order(reports.try_iter().collect(), first.into());
    }
}

#[test]
fn a_damaged_copy_is_a_typed_error_and_no_result() {
    let fake = worker(|mut worker| {
        let id = worker.announced(&[]);
        worker.named_hash();
        worker.send_text(&verdict(id, false));
        worker.complete_with(0, &["the upload is damaged"], None);
        worker.linger();
    });
    let session = session(&fake, limits());
    let error = session.run().unwrap_err();
    assert!(matches!(&error, SessionError::UploadMismatch { path } if path == clip()));
    assert_eq!(error.step(), Some(Step::Verifying));
    assert!(!session.stats().upload.verified);
}

#[test]
fn a_worker_that_does_not_keep_its_word_is_not_waited_for_for_ever() {
    let mut short = limits();
    short.upload_stall_timeout = Duration::from_millis(300);
    let mute = worker(|mut worker| worker.linger());
    let never_sure = worker(|mut worker| {
        worker.announced(&[]);
        worker.linger();
    });
    for (fake, step) in [(mute, Step::Announcing), (never_sure, Step::Verifying)] {
        match session(&fake, short.clone()).run() {
            Err(SessionError::Timeout { step: named, .. }) => assert_eq!(named, step),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn impossible_ranges_end_the_session() {
    for have in ["[[5, 2]]", "[[0, 4000000000]]", "[[0, 2], [1, 3]]", "7"] {
        let fake = worker(move |mut worker| {
            worker.until("the announcement", |worker| !worker.words.is_empty());
            worker.open();
            let framewire_protocol::upload::UploadRequest::Announce { id, .. } = worker.words[0]
            else {
                panic!("{:?}", worker.words);
            };
            let text =
                format!(r#"{{"framewire": {{"upload": {{"id": "{id}", "have": {have}}}}}}}"#);
            worker.send_text(&text);
            worker.linger();
        });
        match session(&fake, limits()).run() {
            Err(SessionError::Transport {
                step: Step::Uploading,
                reason,
                ..
            }) => {
                assert!(reason.contains("agreement"), "{reason}");
            }
            other => panic!("{have}: {other:?}"),
        }
    }
}

#[test]
fn a_file_that_changed_since_the_worker_got_its_part_is_told_by_its_hash() {
    let path = scratch().join("changed.mp4");
    let mut content = std::fs::read(clip()).unwrap();
    content.extend_from_slice(&[0, 0, 0, 16, b'f', b'r', b'e', b'e', 1, 2, 3, 4, 5, 6, 7, 8]);
    std::fs::write(&path, &content).unwrap();
    let (tell, told) = channel();
    let fake = worker(move |mut worker| {
        let id = worker.announced(&[(0, 10)]);
        tell.send(worker.named_hash()).unwrap();
        worker.send_text(&verdict(id, false));
        worker.linger();
    });
    let named: UploadId = "123e4567-e89b-42d3-a456-426614174000".parse().unwrap();
    let source = VideoFileSource::new(path.to_str().unwrap()).upload_id(named);
    let error = fake
        .session_with(source, config(), limits())
        .run()
        .unwrap_err();
    assert!(
        matches!(error, SessionError::UploadMismatch { .. }),
        "{error:?}"
    );
    let whole: [u8; 32] = Sha256::digest(&content).into();
    assert_eq!(told.recv().unwrap(), whole, "of what is there now");
}

#[test]
fn closing_while_the_worker_verifies_ends_at_once() {
    let (tell, told) = channel();
    let fake = worker(move |mut worker| {
        worker.announced(&[]);
        worker.named_hash();
        tell.send(()).unwrap();
        worker.linger();
    });
    let session = session(&fake, limits());
    session.start().unwrap();
    told.recv().unwrap();
    session.close();
}

#[test]
fn a_session_whose_link_breaks_in_mid_upload_goes_on_where_it_stopped() {
    let path = long_file("cut.mp4", 30 << 20);
    let content = std::fs::read(&path).unwrap();
    let whole: [u8; 32] = Sha256::digest(&content).into();
    let (tell, told) = channel();
    let fake = FakeWorker::sequence([
        Reply::Uploads(Box::new(move |mut worker: Worker| {
            let id = worker.announced(&[]);
            worker.until("some of the file", |worker| worker.chunks.len() > 100);
            tell.send((id, worker.chunks.len() as u32)).unwrap();
            worker.hang_up();
        })),
        Reply::Uploads(Box::new(move |mut worker: Worker| {
            let (id, there) = told.recv().unwrap();
            assert_eq!(worker.announced(&[(0, there)]), id, "the same upload");
            assert_eq!(worker.named_hash(), whole);
            let total = content.len().div_ceil(49_152) as u32;
            worker.until("the rest", |worker| {
                worker.chunks.len() as u32 == total - there
            });
            assert_eq!(indices(&worker), (there..total).collect::<Vec<_>>());
            worker.send_text(&verdict(id, true));
            worker.send_frame(1);
            worker.complete(1);
            worker.linger();
        })),
    ]);
    let source = VideoFileSource::new(path.to_str().unwrap());
    let session = fake.session_with(source, config(), recovering());
    session.run().unwrap();
    let upload = session.stats().upload;
    assert!(upload.verified && upload.resumed_bytes > 100 * 49_152);
    assert_eq!(upload.bytes + upload.resumed_bytes, upload.total_bytes);
}
