//! The worker's machine while frames are taken: pacing, reconfiguration, control messages, channels.

mod job_sim;

use framewire_protocol::FrameId;
use framewire_protocol::job::{Gate, JobConfig, JobOutput, JobPhase, JobSource, JobWarning};
use framewire_protocol::output::{DataOutput, StreamOutput};
use job_sim::{RESULTS, Run, UPLOAD, batch, config};

#[test]
fn acknowledgements_pace_a_batch_job_from_the_first_one_on() {
    let mut run = Run::processing(batch().with_ack_window(2));
    assert_eq!([run.frame(), run.frame(), run.frame()].len(), 3);
    run.control("{\"ack\": 1}");
    assert_eq!(run.job.gate(), Gate::Wait, "3 are out, 1 + 2 allowed");
    let changes = run
        .outputs
        .iter()
        .filter(|o| matches!(o, JobOutput::GateChanged))
        .count();
    run.control("{\"ack\": 2}");
    assert_eq!(
        run.outputs
            .iter()
            .filter(|o| matches!(o, JobOutput::GateChanged))
            .count(),
        changes + 1
    );
    assert_eq!(run.frame(), FrameId(4));
    assert_eq!(run.job.gate(), Gate::Wait);
    run.control("{\"ack\": 1}")
        .control("{\"ack\": -5}")
        .control("{\"ack\": \"x\"}");
    assert_eq!(
        (run.job.gate(), run.warnings(), run.job.last_ack()),
        (Gate::Wait, 2, 2)
    );
}

#[test]
fn a_realtime_job_ignores_acknowledgements() {
    let mut run = Run::processing(config());
    run.control("{\"ack\": 1}");
    assert_eq!([run.frame(), run.frame(), run.frame()].len(), 3);
}

#[test]
fn outputs_are_reconfigured_from_the_next_result_on() {
    let outputs = (StreamOutput::Named("image".into()), DataOutput::None);
    let mut run = Run::processing(batch().with_outputs(outputs.0, outputs.1));
    run.control("{\"stream_output\": [], \"data_output\": [\"*\"]}");
    assert_eq!(run.job.modes().stream, StreamOutput::AutoDetect);
    assert_eq!(run.job.modes().data, DataOutput::All);
    assert_eq!(
        run.outputs
            .iter()
            .filter(|o| matches!(o, JobOutput::ModesChanged))
            .count(),
        1
    );
    run.control("{\"data_output\": [\"a\"], \"unknown\": 1}")
        .control("{\"ack\": 1}");
    assert_eq!(run.job.modes().data, DataOutput::Named(vec!["a".into()]));
    assert_eq!(run.job.modes().stream, StreamOutput::AutoDetect);
}

#[test]
fn video_is_never_added_to_a_session_without_it() {
    let mut run = Run::processing(batch());
    run.control("{\"stream_output\": [\"image\"]}");
    assert_eq!(run.job.modes().stream, StreamOutput::None);
    assert!(
        run.outputs
            .iter()
            .any(|o| matches!(o, JobOutput::Warning(JobWarning::NoVideoTrack)))
    );
}

#[test]
fn malformed_control_messages_are_warnings() {
    let mut run = Run::processing(batch());
    for json in [
        "[]",
        "5",
        "{",
        "",
        "{\"data_output\": 5}",
        "\u{fffd}",
        "null",
    ] {
        run.control(json);
    }
    assert_eq!((run.warnings(), run.job.phase()), (7, JobPhase::Processing));
}

#[test]
fn a_later_channel_never_steals_results_or_control() {
    let mut run = Run::processing(batch());
    run.open(7, "roboflow-control")
        .open(9, "inference")
        .open(11, "video_upload");
    assert_eq!(
        (
            run.warnings(),
            run.job.results_channel(),
            run.job.upload_channel()
        ),
        (3, Some(RESULTS), Some(UPLOAD))
    );
    run.send(9, &b"{\"data_output\": [\"*\"]}"[..]);
    assert_eq!(run.job.modes().data, DataOutput::None);
}

#[test]
fn a_source_that_is_ready_starts_with_the_results_channel() {
    let mut run = Run::new(JobConfig::new(JobSource::Ready));
    run.connect();
    assert_eq!((run.starts(), run.job.gate()), (1, Gate::Open));
    run.chunk(0, 1, b"file");
    assert_eq!(
        run.outputs
            .iter()
            .filter(|o| matches!(o, JobOutput::Write(_)))
            .count(),
        0
    );
}
