//! The worker's machine while the file comes: order, stalls, pings, bounds, in virtual time.

mod job_sim;

use framewire_protocol::FrameId;
use framewire_protocol::job::{Gate, JobEnd, JobInput, JobOutput, JobPhase};
use framewire_protocol::upload::UploadLimits;
use job_sim::{RESULTS, Run, UPLOAD, batch, config};

#[test]
fn a_file_is_uploaded_processed_and_completed() {
    let mut run = Run::new(batch());
    run.connect()
        .chunk(2, 3, b"z")
        .chunk(0, 3, b"ab")
        .chunk(0, 3, b"ab");
    assert_eq!((run.job.gate(), run.starts()), (Gate::Wait, 0));
    run.chunk(1, 3, b"cd");
    let mut file = vec![0; 5];
    for output in &run.outputs {
        if let JobOutput::Write(write) = output {
            let at = usize::try_from(write.offset).unwrap();
            file[at..at + write.data.len()].copy_from_slice(&write.data);
        }
    }
    assert_eq!((file.as_slice(), run.starts()), (b"abcdz".as_ref(), 1));
    assert_eq!(run.job.upload_progress(), (3, Some(3), 5));
    assert_eq!(
        [run.frame(), run.frame(), run.frame()],
        [FrameId(1), FrameId(2), FrameId(3)]
    );
    run.feed(JobInput::SourceEnded { error: None });
    let completion = run.completion().unwrap();
    assert_eq!(
        (completion.header_frame(), completion.last_frame),
        (FrameId(4), FrameId(3))
    );
    assert_eq!(
        (completion.termination_reason, completion.errors.len()),
        (None, 0)
    );
    run.feed(JobInput::Drained);
    assert_eq!(
        (run.job.phase(), run.job.gate()),
        (JobPhase::Lingering, Gate::Stop)
    );
    run.feed(JobInput::PeerEnded);
    assert_eq!(run.end(), Some(&JobEnd::Done));
}

#[test]
fn a_job_without_frames_completes_with_frame_zero() {
    let mut run = Run::processing(batch());
    run.feed(JobInput::SourceEnded { error: None });
    let completion = run.completion().unwrap();
    assert_eq!(
        (completion.header_frame(), completion.last_frame),
        (FrameId(1), FrameId(0))
    );
}

#[test]
fn chunks_that_overtake_the_results_channel_are_not_lost() {
    let mut run = Run::new(batch());
    run.open(UPLOAD, "video_upload")
        .chunk(0, 2, b"a")
        .chunk(1, 2, b"b");
    assert_eq!((run.job.phase(), run.starts()), (JobPhase::Offered, 0));
    run.open(RESULTS, "inference");
    assert_eq!((run.job.phase(), run.starts()), (JobPhase::Processing, 1));
    assert_eq!(
        run.outputs
            .iter()
            .filter(|o| matches!(o, JobOutput::Write(_)))
            .count(),
        2
    );
}

#[test]
fn a_stalled_upload_ends_with_an_error_the_client_is_told() {
    for chunks in [0, 1] {
        let mut run = Run::new(config());
        run.connect();
        for index in 0..chunks {
            run.chunk(index, 3, b"a");
        }
        run.pass(59);
        assert_eq!(run.end(), None);
        run.pass(1);
        let completion = run.completion().unwrap();
        assert!(completion.errors[0].contains("no upload message for 60s"));
        run.feed(JobInput::Drained);
        assert!(
            matches!(run.end(), Some(JobEnd::UploadStalled(_))),
            "closed at once, not lingering"
        );
    }
}

#[test]
fn pings_are_echoed_and_keep_a_waiting_upload_alive() {
    let mut run = Run::new(config());
    run.connect();
    for _ in 0..10 {
        run.pass(50).send(UPLOAD, &b"p"[..]);
    }
    assert_eq!(run.end(), None);
    let echo = |o: &&JobOutput| matches!(o, JobOutput::Echo { channel: UPLOAD, data } if data.as_ref() == b"p");
    assert_eq!(run.outputs.iter().filter(echo).count(), 10);
}

#[test]
fn an_upload_that_cannot_become_whole_is_reported() {
    let mut run = Run::new(config().with_upload_limits(UploadLimits::new(3)));
    run.connect().send(UPLOAD, &b"odd"[..]);
    assert_eq!(
        (run.warnings(), run.job.phase()),
        (1, JobPhase::AwaitingUpload)
    );
    run.chunk(0, 2, b"abcd");
    assert!(run.completion().unwrap().errors[0].contains("more than the 3 this worker accepts"));
    assert_eq!(run.job.gate(), Gate::Stop);
}

#[test]
fn chunks_after_the_file_is_whole_restart_nothing() {
    let mut run = Run::processing(batch());
    run.chunk(0, 1, b"file").chunk(0, 7, b"other");
    assert_eq!((run.starts(), run.job.phase()), (1, JobPhase::Processing));
}
