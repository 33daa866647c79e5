//! The worker's machine: uploads, timers, pacing, reconfiguration and every way to end, in virtual time.

use std::time::{Duration, Instant};

use bytes::Bytes;
use framewire_protocol::FrameId;
use framewire_protocol::job::{
    Completion, Gate, Job, JobConfig, JobEnd, JobInput, JobOutput, JobPhase, JobSource, JobWarning,
};
use framewire_protocol::output::{DataOutput, StreamOutput};
use framewire_protocol::upload::{UploadLimits, create_video_upload_chunk};

const RESULTS: u64 = 1;
const UPLOAD: u64 = 3;

struct Run {
    job: Job,
    now: Instant,
    outputs: Vec<JobOutput>,
}

impl Run {
    fn new(config: JobConfig) -> Self {
        let now = Instant::now();
        Run {
            job: Job::new(now, config),
            now,
            outputs: Vec::new(),
        }
    }

    fn feed(&mut self, input: JobInput) -> &mut Self {
        self.job.handle(self.now, input);
        self.drain()
    }

    fn drain(&mut self) -> &mut Self {
        self.outputs.extend(std::iter::from_fn(|| self.job.poll()));
        self
    }

    fn open(&mut self, channel: u64, label: &str) -> &mut Self {
        self.feed(JobInput::ChannelOpen {
            channel,
            label: label.into(),
        })
    }

    fn connect(&mut self) -> &mut Self {
        self.feed(JobInput::Connected)
            .open(RESULTS, "inference")
            .open(UPLOAD, "video_upload")
    }

    fn send(&mut self, channel: u64, data: impl Into<Bytes>) -> &mut Self {
        self.feed(JobInput::Message {
            channel,
            data: data.into(),
        })
    }

    fn control(&mut self, json: &'static str) -> &mut Self {
        self.send(RESULTS, json)
    }

    fn chunk(&mut self, index: u32, total: u32, data: &[u8]) -> &mut Self {
        self.send(
            UPLOAD,
            create_video_upload_chunk(index, total, data).unwrap(),
        )
    }

    /// Connected, file whole, processing.
    fn processing(config: JobConfig) -> Self {
        let mut run = Run::new(config);
        run.connect().chunk(0, 1, b"file");
        assert_eq!(run.job.phase(), JobPhase::Processing);
        run
    }

    /// Lets time pass as a driver does: it wakes at every deadline on the way.
    fn pass(&mut self, seconds: u64) -> &mut Self {
        let until = self.now + Duration::from_secs(seconds);
        while let Some(at) = self.job.poll_timeout().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.feed(JobInput::Tick);
        }
        self.now = until;
        self.feed(JobInput::Tick)
    }

    fn frame(&mut self) -> FrameId {
        assert_eq!(self.job.gate(), Gate::Open);
        let frame = self.job.begin_frame(self.now).expect("the gate is open");
        self.job.end_frame(self.now, frame);
        self.drain();
        frame
    }

    fn completion(&self) -> Option<&Completion> {
        let mut all = self.outputs.iter().filter_map(|o| {
            if let JobOutput::Complete(c) = o {
                Some(c)
            } else {
                None
            }
        });
        let first = all.next();
        assert!(all.next().is_none(), "at most one completion message");
        first
    }

    fn end(&self) -> Option<&JobEnd> {
        let at = self
            .outputs
            .iter()
            .position(|o| matches!(o, JobOutput::Ended(_)))?;
        assert_eq!(at, self.outputs.len() - 1, "nothing comes after the end");
        assert!(self.outputs.iter().any(|o| matches!(o, JobOutput::Close)));
        if let JobOutput::Ended(end) = &self.outputs[at] {
            Some(end)
        } else {
            None
        }
    }

    fn starts(&self) -> usize {
        self.outputs
            .iter()
            .filter(|o| matches!(o, JobOutput::Start))
            .count()
    }

    fn warnings(&self) -> usize {
        self.outputs
            .iter()
            .filter(|o| matches!(o, JobOutput::Warning(_)))
            .count()
    }
}

fn config() -> JobConfig {
    JobConfig::new(JobSource::Upload)
}

fn batch() -> JobConfig {
    config().with_batch(true)
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

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
fn a_job_nobody_connects_to_ends_after_its_limit() {
    let mut run = Run::new(config());
    run.pass(59);
    assert_eq!(run.end(), None);
    run.pass(1);
    assert_eq!(run.end(), Some(&JobEnd::NeverConnected(seconds(60))));
    assert!(run.completion().is_none());
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
            matches!(run.end(), Some(JobEnd::SourceFailed(_))),
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
fn a_shutdown_is_told_to_the_client() {
    let mut run = Run::new(config());
    run.connect().feed(JobInput::Shutdown);
    assert_eq!(
        run.completion().unwrap().errors,
        ["the worker is shutting down"]
    );
    run.feed(JobInput::Drained);
    assert_eq!(run.end(), Some(&JobEnd::Shutdown));
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
