//! Sessions whose link breaks and that go on with a new connection: files, where every frame comes exactly once.

mod support;

use std::sync::mpsc::channel;
use std::time::{Duration, SystemTime};

use framewire::{EndKind, FrameId, Session, SessionError, SourceError, Step, VideoFileSource};
use support::gaps::{assert_balanced, gaps_of, recovering};
use support::{FakeWorker, Reply, Worker, clip, config, long_file, shade};

fn session_of(worker: &FakeWorker) -> Session {
    let source = VideoFileSource::new(clip().to_str().unwrap());
    worker.session_with(source, config(), recovering())
}

/// Receives the file and sends results of frames from the first one on; the last ones of `frames` say nothing more.
fn results(worker: &mut Worker, frames: u64) {
    worker.receive_file();
    for n in 1..=frames {
        worker.send_frame(n);
    }
}

/// The whole job.
fn whole(frames: u64) -> Reply {
    Reply::script(move |mut worker| {
        results(&mut worker, frames);
        worker.complete(frames);
        worker.wait_ack(frames);
        worker.linger();
    })
}

#[test]
fn a_file_cut_in_mid_results_is_delivered_whole_each_frame_once_and_in_order() {
    const FRAMES: u64 = 300;
    let worker = FakeWorker::sequence([
        Reply::script(|mut worker| {
            results(&mut worker, 120);
            worker.hang_up();
        }),
        whole(FRAMES),
    ]);
    let session = session_of(&worker);
    let gaps = gaps_of(&session);
    let (told, data) = channel();
    session.on_data("data", move |value, metadata| {
        told.send((value.as_str().to_owned(), metadata.unwrap().frame_id.0))
            .unwrap();
    });
    let mut seen = Vec::new();
    for event in session.frames() {
        let event = event.unwrap();
        let id = event.frame_id().unwrap().0;
        assert!((shade(&event.frame) - (id * 7 % 200) as i32 - 20).abs() < 3);
        seen.push(id);
    }
    assert_eq!(seen, (1..=FRAMES).collect::<Vec<_>>());
    assert_eq!(session.wait(None).unwrap().kind, EndKind::Complete);
    session.close();
    let data: Vec<_> = data.try_iter().collect();
    assert_eq!(
        data.len() as u64,
        FRAMES,
        "data handlers see each result once"
    );
    assert!(
        data.iter()
            .all(|(value, id)| *value == format!("{{\"n\":{id}}}"))
    );
    let gap = gaps.try_recv().unwrap();
    assert_eq!(gap.after, Some(FrameId(120)));
    assert_eq!(gap.resumed_at, Some(FrameId(121)));
    assert_eq!((gap.missed, gap.attempts), (Some(0), 1));
    assert!(matches!(
        gap.cause,
        SessionError::PeerClosed {
            step: Step::Streaming,
            ..
        }
    ));
    assert!(gaps.try_recv().is_err());
    let stats = session.stats();
    assert_balanced(&stats);
    assert_eq!(stats.frames.delivered, FRAMES);
    assert!(stats.frames.dropped.is_empty(), "{:?}", stats.frames);
    assert_eq!((stats.reconnects, stats.repeated), (1, 120));
    assert!(stats.upload.complete);
}

/// Small steps and no luck: a cut may come at any point of a connection's life, also before it has done anything.
#[test]
fn a_hundred_random_cuts_lose_nothing_and_repeat_nothing() {
    const FRAMES: u64 = 300;
    const SEED: u64 = 0x5eed;
    let mut random = SEED;
    let mut next = |below: u64| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    let mut reached = 0;
    let mut replies = Vec::new();
    for _ in 0..100 {
        let (kind, forward) = (next(8), next(5));
        replies.push(match kind {
            0 => Reply::Answer(503, "busy".into()),
            1 => Reply::script(|mut worker| {
                worker.open();
                worker.hang_up();
            }),
            2 => Reply::script(|mut worker| {
                worker.receive_file();
                worker.hang_up();
            }),
            _ => {
                reached = (reached + forward).min(FRAMES - 1);
                let frames = reached;
                Reply::script(move |mut worker| {
                    results(&mut worker, frames);
                    worker.hang_up();
                })
            }
        });
    }
    replies.push(whole(FRAMES));
    let worker = FakeWorker::sequence(replies);
    let mut options = recovering();
    options.recovery = options
        .recovery
        .with_attempts(1000)
        .with_total(support::GUARD * 20);
    let source = VideoFileSource::new(clip().to_str().unwrap());
    let session = worker.session_with(source, config(), options);
    let gaps = gaps_of(&session);
    let seen: Vec<_> = session
        .frames()
        .map(|event| event.unwrap().frame_id().unwrap().0)
        .collect();
    assert_eq!(seen, (1..=FRAMES).collect::<Vec<_>>(), "seed {SEED:#x}");
    session.close();
    let stats = session.stats();
    assert_balanced(&stats);
    assert!(stats.frames.dropped.is_empty());
    let gaps: Vec<_> = gaps.try_iter().collect();
    assert_eq!(gaps.len() as u64, stats.reconnects);
    for gap in &gaps {
        let after = gap.after.map_or(0, |after| after.0);
        assert_eq!(gap.resumed_at, Some(FrameId(after + 1)), "seed {SEED:#x}");
    }
    assert_eq!(gaps.iter().map(|gap| gap.attempts).sum::<u32>(), 100);
}

#[test]
fn a_cut_in_mid_upload_sends_the_file_again() {
    let path = long_file("again.mp4", 4 << 20);
    let expected = std::fs::read(&path).unwrap();
    let worker = FakeWorker::sequence([
        Reply::script(|mut worker| {
            worker.until("some chunks", |worker| worker.chunks.len() >= 10);
            worker.hang_up();
        }),
        Reply::script(move |mut worker| {
            assert!(worker.receive_file() == expected, "the file arrived whole");
            worker.send_frame(1);
            worker.complete(1);
            worker.linger();
        }),
    ]);
    let (told, progress) = channel();
    let source = VideoFileSource::new(path.to_str().unwrap())
        .on_upload_progress(move |done, total| told.send((done, total)).unwrap());
    let session = worker.session_with(source, config(), recovering());
    let gaps = gaps_of(&session);
    assert_eq!(session.run().unwrap().kind, EndKind::Complete);
    let gap = gaps.try_recv().unwrap();
    assert_eq!((gap.after, gap.resumed_at), (None, Some(FrameId(1))));
    assert_eq!(gap.cause.step(), Some(Step::Uploading));
    let (done, total) = progress.try_iter().last().unwrap();
    assert_eq!(done, total);
    let stats = session.stats();
    assert!(stats.upload.complete && stats.upload.bytes == stats.upload.total_bytes);
    assert_eq!(stats.repeated, 0);
}

#[test]
fn a_file_that_changed_meanwhile_is_not_sent_again() {
    let path = long_file("changed.mp4", 4 << 20);
    let changing = path.clone();
    let worker = FakeWorker::sequence([
        Reply::script(move |mut worker| {
            worker.until("some chunks", |worker| worker.chunks.len() >= 10);
            let file = std::fs::File::options()
                .append(true)
                .open(changing)
                .unwrap();
            let later = SystemTime::now() + Duration::from_secs(60);
            file.set_modified(later).unwrap();
            worker.hang_up();
        }),
        whole(1),
    ]);
    let source = VideoFileSource::new(path.to_str().unwrap());
    let session = worker.session_with(source, config(), recovering());
    let error = session.run().unwrap_err();
    assert!(
        matches!(error, SessionError::Source(SourceError::Changed { .. })),
        "{error:?}"
    );
    assert_eq!(worker.requests.try_iter().count(), 1);
}

/// A consumer may be further behind than the whole outage.
#[test]
fn a_slow_consumer_gets_what_was_queued_before_the_cut_and_then_the_rest() {
    const FRAMES: u64 = 60;
    let (release, held) = whole(FRAMES).held();
    let first = Reply::script(|mut worker| {
        results(&mut worker, 20);
        worker.hang_up();
    });
    let worker = FakeWorker::sequence([first, held]);
    let session = session_of(&worker);
    let mut frames = session.frames();
    assert_eq!(frames.next().unwrap().unwrap().frame_id(), Some(FrameId(1)));
    worker.requests.recv().unwrap();
    let rest: Vec<_> = std::thread::scope(|scope| {
        let rest = scope.spawn(move || {
            let ids = frames.map(|event| event.unwrap().frame_id().unwrap().0);
            ids.collect::<Vec<_>>()
        });
        worker.requests.recv().unwrap();
        drop(release);
        rest.join().unwrap()
    });
    assert_eq!(rest, (2..=FRAMES).collect::<Vec<_>>());
    session.close();
    assert_eq!(session.stats().repeated, 20);
}
