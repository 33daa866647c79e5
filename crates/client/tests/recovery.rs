//! Sessions whose link breaks and that go on with a new connection: files, where every frame comes exactly once.

mod support;

use std::sync::mpsc::channel;
use std::time::Duration;

use framewire::{
    ClientOptions, EndKind, FrameId, Gap, Recovery, Session, SessionError, SessionStats, Step,
    VideoFileSource,
};
use support::{FakeWorker, Reply, Worker, clip, config, options, picture, shade};

/// Ten attempts with pauses that no test notices.
fn recovering() -> ClientOptions {
    let mut options = options();
    options.recovery = Recovery::reconnect()
        .with_backoff(Duration::from_millis(10))
        .with_backoff_cap(Duration::from_millis(50));
    options
}

fn session_of(worker: &FakeWorker, options: ClientOptions) -> Session {
    worker.session_with(
        VideoFileSource::new(clip().to_str().unwrap()),
        config(),
        options,
    )
}

fn gaps_of(session: &Session) -> std::sync::mpsc::Receiver<Gap> {
    let (told, gaps) = channel();
    session.on_gap(move |gap| told.send(gap.clone()).unwrap());
    gaps
}

fn assert_balanced(stats: &SessionStats) {
    let frames = &stats.frames;
    assert_eq!(
        frames.produced,
        frames.delivered + frames.dropped.values().sum::<u64>(),
        "{frames:?}"
    );
    assert_eq!(frames.in_flight, 0);
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
    let session = session_of(&worker, recovering());
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
    assert_eq!(
        gap.cause,
        SessionError::PeerClosed {
            step: Step::Streaming
        }
    );
    assert!(gaps.try_recv().is_err());
    let stats = session.stats();
    assert_balanced(&stats);
    assert_eq!(stats.frames.delivered, FRAMES);
    assert!(stats.frames.dropped.is_empty(), "{:?}", stats.frames);
    assert_eq!((stats.reconnects, stats.repeated), (1, 120));
    assert!(stats.upload.complete);
    let _ = picture(1);
}
