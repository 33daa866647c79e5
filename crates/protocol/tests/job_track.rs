//! The worker's machine with a video track of the client, or a source it reads itself, in virtual time.

mod job_sim;

use framewire_protocol::FrameId;
use framewire_protocol::job::{Gate, JobConfig, JobEnd, JobInput, JobLimits, JobPhase, JobSource};
use framewire_protocol::output::{DataOutput, StreamOutput};
use job_sim::{RESULTS, Run, seconds};

fn track() -> JobConfig {
    JobConfig::new(JobSource::Track)
}

/// Connected, the first frame there.
fn processing(config: JobConfig) -> Run {
    let mut run = Run::new(config);
    run.connect().feed(JobInput::TrackFrame);
    assert_eq!((run.job.phase(), run.starts()), (JobPhase::Processing, 1));
    run
}

#[test]
fn processing_starts_with_the_first_frame_of_the_track_and_once() {
    let mut run = Run::new(track());
    run.connect();
    assert_eq!(
        (run.job.phase(), run.job.gate(), run.starts()),
        (JobPhase::AwaitingFrame, Gate::Wait, 0)
    );
    assert!(!run.job.phase().is_ending());
    run.feed(JobInput::TrackFrame).feed(JobInput::TrackFrame);
    assert_eq!((run.starts(), run.job.gate()), (1, Gate::Open));
    assert_eq!([run.frame(), run.frame()], [FrameId(1), FrameId(2)]);
}

#[test]
fn a_frame_that_overtakes_the_results_channel_counts() {
    let mut run = Run::new(track());
    run.feed(JobInput::Connected).feed(JobInput::TrackFrame);
    assert_eq!((run.job.phase(), run.starts()), (JobPhase::Offered, 0));
    run.open(RESULTS, "inference");
    assert_eq!((run.job.phase(), run.starts()), (JobPhase::Processing, 1));
}

#[test]
fn a_track_without_frames_ends_with_an_error_that_says_so() {
    let mut run = Run::new(track());
    run.connect().pass(59);
    assert_eq!(run.completion(), None);
    run.pass(1);
    let completion = run.completion().unwrap();
    assert_eq!(completion.errors, ["no video frame arrived within 60s"]);
    assert_eq!(completion.last_frame, FrameId(0));
    run.feed(JobInput::Drained);
    assert!(matches!(run.end(), Some(JobEnd::SourceFailed(_))));
    let mut limits = JobLimits::default();
    limits.first_frame = seconds(5);
    let mut short = Run::new(track().with_limits(limits));
    short.connect().pass(5);
    assert!(short.completion().is_some());
}

#[test]
fn silence_after_the_first_frame_is_no_end() {
    let mut run = processing(track());
    run.frame();
    run.pass(5).pass(100_000);
    assert_eq!((run.completion(), run.job.gate()), (None, Gate::Open));
    assert_eq!(run.frame(), FrameId(2));
}

#[test]
fn the_processing_timeout_fires_while_no_frame_arrives_at_all() {
    let mut run = Run::new(track().with_processing_timeout(Some(10)));
    run.connect().pass(9);
    assert_eq!(
        run.completion().unwrap().termination_reason,
        Some("timeout_reached")
    );
    let mut silent = processing(track().with_processing_timeout(Some(10)));
    silent.frame();
    silent.pass(9);
    let completion = silent.completion().unwrap();
    assert_eq!(
        (completion.last_frame, completion.termination_reason),
        (FrameId(1), Some("timeout_reached"))
    );
}

#[test]
fn the_end_of_the_track_completes_the_job() {
    for batch in [false, true] {
        let mut run = processing(track().with_batch(batch));
        run.frame();
        run.feed(JobInput::SourceEnded { error: None });
        let completion = run.completion().unwrap();
        assert_eq!(
            (completion.last_frame, completion.errors.len()),
            (FrameId(1), 0)
        );
        run.feed(JobInput::TrackFrame);
        assert_eq!((run.job.gate(), run.starts()), (Gate::Stop, 1));
        run.feed(JobInput::Drained).feed(JobInput::PeerEnded);
        assert_eq!(run.end(), Some(&JobEnd::Done));
    }
}

#[test]
fn a_track_that_ends_before_its_first_frame_completes_with_frame_zero() {
    let mut run = Run::new(track());
    run.connect().feed(JobInput::SourceEnded { error: None });
    assert_eq!(run.completion().unwrap().last_frame, FrameId(0));
    assert_eq!(run.starts(), 0);
}

#[test]
fn acknowledgements_pace_a_batch_job_on_a_track() {
    let mut run = processing(track().with_batch(true).with_ack_window(1));
    run.frame();
    run.control("{\"ack\": 1}");
    assert_eq!(run.frame(), FrameId(2));
    assert_eq!(run.job.gate(), Gate::Wait, "2 is not acknowledged");
    run.pass(1000);
    assert_eq!((run.job.gate(), run.completion()), (Gate::Wait, None));
    run.control("{\"ack\": 2}");
    assert_eq!(run.frame(), FrameId(3));
}

#[test]
fn video_and_data_are_reconfigured_side_by_side() {
    let outputs = (
        StreamOutput::AutoDetect,
        DataOutput::Named(vec!["count".into()]),
    );
    let mut run = processing(track().with_outputs(outputs.0, outputs.1));
    assert!(run.job.modes().stream.has_video());
    run.control("{\"stream_output\": [\"picture\"], \"data_output\": [\"*\"]}");
    assert_eq!(
        run.job.modes().stream,
        StreamOutput::Named("picture".into())
    );
    assert_eq!(run.job.modes().data, DataOutput::All);
    run.control("{\"stream_output\": []}");
    assert_eq!(run.job.modes().stream, StreamOutput::AutoDetect);
}

#[test]
fn a_client_that_vanishes_before_its_first_frame_is_noticed() {
    let mut run = Run::new(track());
    run.connect().feed(JobInput::Stalled(seconds(3))).pass(27);
    assert_eq!(run.end(), Some(&JobEnd::PeerVanished(seconds(30))));
}

#[test]
fn an_upload_on_a_track_job_stores_nothing_and_starts_nothing() {
    let mut run = Run::new(track());
    run.connect().chunk(0, 1, b"file");
    assert_eq!(
        (run.job.phase(), run.starts()),
        (JobPhase::AwaitingFrame, 0)
    );
    run.pass(60);
    assert_eq!(
        run.completion().unwrap().errors,
        ["no video frame arrived within 60s"],
        "upload messages are no frames"
    );
}

#[test]
fn a_source_the_worker_reads_that_fails_is_reported() {
    let mut run = Run::new(JobConfig::new(JobSource::Ready));
    run.connect().feed(JobInput::SourceEnded {
        error: Some("rtsp://cam/1: no answer within 5s".into()),
    });
    assert_eq!(
        run.completion().unwrap().errors,
        ["rtsp://cam/1: no answer within 5s"]
    );
}
