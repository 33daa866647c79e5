//! Frames the worker has itself, a file or a stream it reads, come back on a track.
#![cfg(feature = "ffmpeg")]

mod support;

use framewire::{
    DropReason, EndKind, Match, MjpegSource, RtspSource, SessionError, Stage, VideoFileSource,
};
use support::{FakeWorker, GUARD, Streamer, clip, config, number, options};

#[test]
fn a_stream_the_worker_reads_is_delivered_with_its_results() {
    const FRAMES: u32 = 20;
    let worker = FakeWorker::streaming(|worker| {
        let mut streamer = Streamer::new(worker);
        for n in 1..=FRAMES {
            streamer.send(n);
        }
        streamer.worker.complete(FRAMES.into());
        streamer.worker.linger();
    });
    let source = RtspSource::new("rtsp://user:hunter2@192.0.2.1/x").unwrap();
    let mut limits = options();
    limits.frame_queue = 64;
    limits.max_frame_age = GUARD;
    let session = worker.session_with(source, config(), limits);
    let mut last = 0;
    let mut delivered = 0;
    for event in session.frames() {
        let event = event.unwrap();
        let n = number(&event);
        assert!(n > last);
        assert_eq!(event.frame_id().unwrap().0, u64::from(n));
        assert_eq!(event.pairing, Match::Exact);
        assert_eq!(event.captured, None);
        (last, delivered) = (n, delivered + 1);
    }
    assert_eq!(last, FRAMES);
    let request = worker.requests.recv().unwrap();
    assert_eq!(request["rtsp_url"], "rtsp://user:hunter2@192.0.2.1/x");
    assert_eq!(request["stream_output"][0], "image");
    let offer = request["webrtc_offer"]["sdp"].as_str().unwrap();
    assert!(offer.contains("a=recvonly") && !offer.contains("a=sendrecv"));
    let stats = session.stats();
    assert_eq!(stats.pairing.exact, u64::from(FRAMES));
    assert_eq!(stats.frames.produced, u64::from(FRAMES));
    assert_eq!(stats.frames.delivered, delivered);
    assert!(stats.outgoing.is_none());
    assert!(
        stats
            .stages
            .iter()
            .any(|(stage, _)| *stage == Stage::WorkerInfer)
    );
    assert!(!stats.stages.iter().any(|(stage, _)| *stage == Stage::Total));
}

/// Acknowledgements wait for the frame handlers, so the worker waits for them.
#[test]
fn in_batch_no_frame_of_a_track_is_lost_and_acks_follow_the_consumer() {
    const FRAMES: u64 = 30;
    let worker = FakeWorker::streaming(|mut worker| {
        worker.receive_file();
        let mut streamer = Streamer::new(worker);
        for n in 1..=FRAMES {
            // As a worker with an ack window of 1 does; the first one is acknowledged on arrival.
            if n > 1 {
                streamer
                    .worker
                    .until("an ack", |worker| worker.acks.contains(&(n - 1)));
            }
            streamer.send(n as u32);
        }
        streamer.worker.complete(FRAMES);
        streamer.worker.linger();
        assert!(streamer.worker.acks.is_sorted());
    });
    let source = VideoFileSource::new(clip().to_str().unwrap()).track_frames(true);
    let session = worker.session_with(source, config(), options());
    let mut numbers = Vec::new();
    for event in session.frames() {
        let event = event.unwrap();
        // The frame in hand is not acknowledged: the worker cannot be further than the next one.
        let produced = session.stats().frames.produced;
        let in_hand = event.frame_id().unwrap().0;
        assert!(
            in_hand == 1 || produced <= in_hand + 1,
            "{produced} at {in_hand}"
        );
        numbers.push(u64::from(number(&event)));
    }
    assert_eq!(numbers, (1..=FRAMES).collect::<Vec<_>>());
    assert_eq!(session.wait(None).unwrap().kind, EndKind::Complete);
    session.close();
    let frames = session.stats().frames;
    assert_eq!((frames.produced, frames.delivered), (FRAMES, FRAMES));
    assert!(frames.dropped.is_empty());
}

#[test]
fn in_batch_a_frame_that_never_comes_does_not_stop_the_rest() {
    const FRAMES: u64 = 8;
    let worker = FakeWorker::streaming(|mut worker| {
        worker.receive_file();
        let mut streamer = Streamer::new(worker);
        for n in 1..=FRAMES {
            if n > 1 {
                streamer
                    .worker
                    .until("an ack", |worker| worker.acks.contains(&(n - 1)));
            }
            if n == 4 {
                streamer.result(4);
            } else {
                streamer.send(n as u32);
            }
        }
        streamer.worker.complete(FRAMES);
        streamer.worker.linger();
    });
    let source = VideoFileSource::new(clip().to_str().unwrap()).track_frames(true);
    let session = worker.session_with(source, config(), options());
    let numbers: Vec<u32> = session
        .frames()
        .map(|event| number(&event.unwrap()))
        .collect();
    assert_eq!(numbers, [1, 2, 3, 5, 6, 7, 8]);
    session.close();
    let frames = session.stats().frames;
    assert_eq!(frames.produced, FRAMES);
    assert_eq!(frames.dropped[&DropReason::Network], 1);
}

#[test]
fn a_worker_that_cannot_read_the_stream_says_so() {
    let worker = FakeWorker::streaming(|worker| {
        let streamer = Streamer::new(worker);
        let mut worker = streamer.worker;
        worker.complete_with(0, &["http://192.0.2.1 cannot be reached"], None);
        worker.linger();
    });
    let source = MjpegSource::new("http://user:hunter2@192.0.2.1/x").unwrap();
    let session = worker.session_with(source, config(), options());
    let error = session.run().unwrap_err();
    assert!(matches!(error, SessionError::Worker { .. }), "{error:?}");
    assert!(!error.to_string().contains("hunter2"));
}
