//! Files that cannot be used, and files that change while they are sent.

mod support;

use std::fs::OpenOptions;

use framewire::{EndKind, ErrorKind, SessionError, SourceError, Step, VideoFileSource};
use support::{FakeWorker, Reply, config, long_file, options, scratch};

/// Runs a session on a file that must be refused before anything is connected.
fn refused(path: &str) -> SourceError {
    let worker = FakeWorker::start(Reply::Answer(500, String::new()));
    let session = worker.session_with(VideoFileSource::new(path), config(), options());
    let error = session.run().unwrap_err();
    assert_eq!(
        (error.kind(), error.step()),
        (ErrorKind::Input, Some(Step::Source))
    );
    assert!(worker.heads.try_recv().is_err(), "something was connected");
    match error {
        SessionError::Source(error) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_missing_file_is_refused_before_connecting() {
    let path = scratch().join("missing.mp4");
    let error = refused(path.to_str().unwrap());
    assert!(matches!(&error, SourceError::Missing { path: named } if *named == path));
    assert!(error.to_string().contains("missing.mp4"));
}

#[test]
fn an_empty_file_is_refused_before_connecting() {
    let path = scratch().join("empty.mp4");
    std::fs::write(&path, b"").unwrap();
    assert!(matches!(
        refused(path.to_str().unwrap()),
        SourceError::Empty { .. }
    ));
}

#[test]
fn a_folder_is_refused_before_connecting() {
    assert!(matches!(
        refused(scratch().to_str().unwrap()),
        SourceError::Unreadable { .. }
    ));
}

#[cfg(feature = "ffmpeg")]
#[test]
fn files_without_video_are_refused_before_connecting() {
    let whole = std::fs::read(support::clip()).unwrap();
    for (name, content) in [
        ("notes.mp4", "no video\n".repeat(1000).into_bytes()),
        ("zeros.mp4", vec![0; 100_000]),
        ("cut-in-its-header.mp4", whole[..40].to_vec()),
    ] {
        let path = scratch().join(name);
        std::fs::write(&path, content).unwrap();
        assert!(
            matches!(
                refused(path.to_str().unwrap()),
                SourceError::NotVideo { .. }
            ),
            "{name}"
        );
    }
}

#[test]
fn a_file_that_shrinks_during_the_upload_ends_the_session_with_both_sizes() {
    let path = long_file("shrinks.mp4", 30 << 20);
    let worker = FakeWorker::connecting(|mut worker| worker.linger());
    let shrink = path.clone();
    let source = VideoFileSource::new(path.to_str().unwrap()).on_upload_progress(move |done, _| {
        if done == 1 {
            OpenOptions::new()
                .write(true)
                .open(&shrink)
                .unwrap()
                .set_len(10 << 20)
                .unwrap();
        }
    });
    let session = worker.session_with(source, config(), options());
    let error = session.run().unwrap_err();
    assert_eq!(
        error,
        SessionError::Source(SourceError::Changed {
            path,
            expected: 30 << 20,
            found: 10 << 20
        })
    );
    assert_eq!(error.step(), Some(Step::Uploading));
}

#[test]
fn a_file_that_grows_during_the_upload_ends_the_session() {
    let path = long_file("grows.mp4", 5 << 20);
    let worker = FakeWorker::connecting(|mut worker| worker.linger());
    let grow = path.clone();
    let source = VideoFileSource::new(path.to_str().unwrap()).on_upload_progress(move |done, _| {
        if done == 1 {
            OpenOptions::new()
                .write(true)
                .open(&grow)
                .unwrap()
                .set_len(6 << 20)
                .unwrap();
        }
    });
    let session = worker.session_with(source, config(), options());
    assert!(
        matches!(session.run(), Err(SessionError::Source(SourceError::Changed { found, .. })) if found == 6 << 20)
    );
}

#[test]
fn a_file_deleted_during_the_upload_still_arrives_whole() {
    let path = long_file("vanishes.mp4", 5 << 20);
    let expected = std::fs::read(&path).unwrap();
    let worker = FakeWorker::connecting(move |mut worker| {
        assert!(worker.receive_file() == expected);
        worker.complete(0);
        worker.linger();
    });
    let gone = path.clone();
    let source = VideoFileSource::new(path.to_str().unwrap()).on_upload_progress(move |done, _| {
        if done == 1 {
            std::fs::remove_file(&gone).unwrap();
        }
    });
    let session = worker.session_with(source, config(), options());
    assert_eq!(session.run().unwrap().kind, EndKind::Complete);
    assert!(!path.exists());
}

#[test]
fn a_worker_that_cannot_decode_the_file_ends_the_session_with_its_words() {
    let worker = FakeWorker::connecting(|mut worker| {
        worker.receive_file();
        worker.send_frame(1);
        worker.complete_with(1, &["the file ends in the middle of a picture"], None);
        worker.linger();
    });
    let session = worker.session();
    let mut frames = session.frames();
    assert!(
        frames.next().unwrap().is_ok(),
        "what was received comes first"
    );
    let error = frames.next().unwrap().unwrap_err();
    assert!(error.to_string().contains("in the middle of a picture"));
    assert!(matches!(error, SessionError::Worker { .. }));
    assert!(frames.next().is_none());
}
