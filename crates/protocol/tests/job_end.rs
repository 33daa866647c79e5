//! The worker's machine at its end: every timer and every way out, in virtual time.

mod job_sim;

use framewire_protocol::FrameId;
use framewire_protocol::job::{Gate, JobEnd, JobInput, JobPhase};
use job_sim::{RESULTS, Run, batch, config, seconds};

#[test]
fn a_job_nobody_connects_to_ends_after_its_limit() {
    let mut run = Run::new(config());
    run.pass(59);
    assert_eq!(run.end(), None);
    run.pass(1);
    assert_eq!(run.end(), Some(&JobEnd::NeverConnected(seconds(60))));
    assert!(run.completion().is_none());
}

#[test]
fn the_processing_timeout_fires_while_no_frame_arrives() {
    let mut run = Run::processing(batch().with_processing_timeout(Some(10)));
    run.frame();
    run.pass(8);
    assert!(run.completion().is_none());
    run.pass(1);
    assert_eq!(
        run.completion().unwrap().termination_reason,
        Some("timeout_reached")
    );
    assert_eq!(
        (run.job.gate(), run.job.begin_frame(run.now)),
        (Gate::Stop, None)
    );
    run.feed(JobInput::Drained);
    assert_eq!(run.end(), Some(&JobEnd::TimedOut));
}

#[test]
fn the_processing_timeout_fires_while_an_acknowledgement_is_missing() {
    let mut run = Run::processing(batch().with_processing_timeout(Some(10)));
    run.control("{\"ack\": 1}").frame();
    run.frame();
    assert_eq!(run.job.gate(), Gate::Wait);
    run.pass(9);
    assert_eq!(run.job.gate(), Gate::Stop);
    assert_eq!(run.completion().unwrap().last_frame, FrameId(2));
}

#[test]
fn a_frame_in_progress_is_finished_before_the_completion_message() {
    let mut run = Run::processing(batch().with_processing_timeout(Some(10)));
    let frame = run.job.begin_frame(run.now).unwrap();
    run.pass(15);
    assert!(run.completion().is_none());
    assert_eq!(
        (run.job.phase(), run.job.gate()),
        (JobPhase::Stopping, Gate::Stop)
    );
    run.job.end_frame(run.now, frame);
    run.drain();
    assert_eq!(run.completion().unwrap().last_frame, frame);
}

#[test]
fn a_frame_that_never_ends_does_not_hold_the_job_for_ever() {
    let mut run = Run::processing(batch());
    let frame = run.job.begin_frame(run.now).unwrap();
    run.feed(JobInput::Shutdown).pass(30);
    assert!(run.completion().is_some());
    run.job.end_frame(run.now, frame);
    run.pass(2);
    assert_eq!(run.end(), Some(&JobEnd::Shutdown));
}

#[test]
fn timeouts_of_zero_less_than_zero_and_for_ever() {
    for timeout in [0, -5, 1] {
        let mut run = Run::new(config().with_processing_timeout(Some(timeout)));
        run.connect();
        assert_eq!(run.job.gate(), Gate::Stop, "{timeout}");
        assert!(!matches!(run.job.phase(), JobPhase::Processing));
    }
    for timeout in [None, Some(i64::MAX)] {
        let mut run = Run::processing(config().with_processing_timeout(timeout));
        run.pass(1_000_000);
        assert_eq!((run.job.phase(), run.end()), (JobPhase::Processing, None));
    }
}

#[test]
fn a_vanished_peer_ends_the_job_after_thirty_seconds_and_not_earlier() {
    let mut run = Run::processing(batch());
    run.feed(JobInput::Stalled(seconds(3))).pass(26);
    assert_eq!(run.end(), None);
    run.feed(JobInput::Resumed)
        .pass(100)
        .feed(JobInput::Stalled(seconds(3)));
    assert_eq!(run.end(), None, "the peer was back");
    run.pass(27);
    assert_eq!(run.end(), Some(&JobEnd::PeerVanished(seconds(30))));
    assert!(run.completion().is_none());
}

#[test]
fn a_peer_that_leaves_is_not_written_to_and_the_frame_in_progress_is_waited_for() {
    let mut run = Run::processing(batch());
    let frame = run.job.begin_frame(run.now).unwrap();
    run.feed(JobInput::ChannelClosed { channel: RESULTS });
    assert_eq!((run.job.gate(), run.end()), (Gate::Stop, None));
    run.job.end_frame(run.now, frame);
    run.drain();
    assert_eq!(run.end(), Some(&JobEnd::PeerLeft));
    assert!(run.completion().is_none());
}

#[test]
fn peers_may_leave_in_any_phase() {
    let offered = || Run::new(config());
    let waiting = || {
        let mut run = Run::new(config());
        run.connect();
        run
    };
    let processing = || Run::processing(config());
    let completing = || {
        let mut run = Run::processing(config());
        run.feed(JobInput::SourceEnded { error: None });
        run
    };
    for (phase, mut run) in [offered(), waiting(), processing(), completing()]
        .into_iter()
        .enumerate()
    {
        run.feed(JobInput::PeerEnded);
        assert!(run.end().is_some(), "phase {phase}");
        assert_eq!((run.job.poll_timeout(), run.job.gate()), (None, Gate::Stop));
    }
}

#[test]
fn a_failed_source_is_reported_in_the_completion_message() {
    let mut run = Run::processing(batch());
    run.frame();
    run.feed(JobInput::SourceEnded {
        error: Some("the file is truncated".into()),
    });
    let completion = run.completion().unwrap();
    assert_eq!(completion.errors, ["the file is truncated"]);
    assert_eq!(
        (completion.last_frame, completion.termination_reason),
        (FrameId(1), None)
    );
    run.feed(JobInput::SourceEnded { error: None }).pass(2);
    assert_eq!(
        run.end(),
        Some(&JobEnd::SourceFailed("the file is truncated".into()))
    );
}

#[test]
fn a_client_that_never_hangs_up_is_left_after_the_linger_limit() {
    let mut run = Run::processing(batch());
    run.feed(JobInput::SourceEnded { error: None }).pass(2);
    assert_eq!(
        run.job.phase(),
        JobPhase::Lingering,
        "the queue did not empty within 2 s"
    );
    run.pass(119);
    assert_eq!(run.end(), None);
    run.pass(1);
    assert_eq!(run.end(), Some(&JobEnd::Done));
}

#[test]
fn a_shutdown_is_told_to_the_client() {
    let mut run = Run::new(config());
    run.connect().feed(JobInput::Shutdown);
    let completion = run.completion().unwrap();
    assert_eq!(completion.errors, ["the worker is shutting down"]);
    assert_eq!(completion.termination_reason, None, "as an original");
    run.feed(JobInput::Drained);
    assert_eq!(run.end(), Some(&JobEnd::Shutdown));
}

#[test]
fn an_end_with_our_agreement_is_told_a_shutdown_by_its_reason() {
    let mut run = Run::processing(batch().with_agreement(true));
    run.feed(JobInput::Shutdown);
    let completion = run.completion().unwrap();
    assert_eq!(completion.termination_reason, Some("worker_shutdown"));
    assert_eq!(completion.errors, ["the worker is shutting down"]);
    let mut done = Run::processing(batch().with_agreement(true));
    done.feed(JobInput::SourceEnded { error: None });
    assert_eq!(done.completion().unwrap().termination_reason, None);
}
