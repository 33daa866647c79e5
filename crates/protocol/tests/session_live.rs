//! The client's machine without an upload: frames from our own track or from a source the worker reads, processed frames on
//! a video track, the end of our own source. In virtual time.

use std::time::{Duration, Instant};

use framewire_protocol::message::ResultMessage;
use framewire_protocol::pairing::Match;
use framewire_protocol::session::{
    Delivery, Dispatch, DrainLimits, End, FrameDrop, Input, Output, Session, SessionConfig, Step,
};

struct Run {
    session: Session,
    now: Instant,
    outputs: Vec<Output>,
}

impl Run {
    /// Connected, channels open.
    fn open(config: SessionConfig) -> Self {
        let mut run = Run {
            session: Session::new(config),
            now: Instant::now(),
            outputs: Vec::new(),
        };
        run.connect();
        run
    }

    fn connect(&mut self) {
        for input in [
            Input::Start,
            Input::OfferReady,
            Input::AnswerApplied,
            Input::Connected,
            Input::ResultsOpen,
        ] {
            self.feed(input);
        }
    }

    fn feed(&mut self, input: Input) -> &mut Self {
        self.session.handle(self.now, input);
        self.drain()
    }

    fn drain(&mut self) -> &mut Self {
        self.outputs
            .extend(std::iter::from_fn(|| self.session.poll()));
        self
    }

    fn pass(&mut self, time: Duration) -> &mut Self {
        let until = self.now + time;
        while let Some(at) = self.session.poll_timeout().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.feed(Input::Tick);
        }
        self.now = until;
        self.feed(Input::Tick)
    }

    fn result(&mut self, frame: u64) -> Delivery {
        let json = format!(
            r#"{{"video_metadata": {{"frame_id": {frame}, "received_at": "2026-01-02T03:04:05"}}}}"#
        );
        let message = ResultMessage::parse(json.as_bytes()).unwrap();
        match self.session.result(self.now, &message) {
            Dispatch::Deliver(delivery) => delivery,
            other => panic!("{other:?}"),
        }
    }

    fn acks(&mut self) -> Vec<String> {
        self.drain();
        let texts = self.outputs.iter().filter_map(|output| match output {
            Output::SendText(text) => Some(text.clone()),
            _ => None,
        });
        texts.collect()
    }

    fn end(&self) -> Option<&End> {
        let ends = self.outputs.iter().filter(|o| **o == Output::Ended).count();
        assert_eq!(ends, usize::from(self.session.end().is_some()));
        self.session.end()
    }
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

const SECOND: Duration = Duration::from_secs(1);

fn source_ended(error: Option<&str>) -> Input {
    Input::SourceEnded {
        error: error.map(str::to_owned),
    }
}

fn complete() -> End {
    End::Completed {
        reason: None,
        errors: Vec::new(),
    }
}

fn live() -> SessionConfig {
    SessionConfig::new(true)
        .with_track_source()
        .with_track_frames()
}

#[test]
fn a_source_the_worker_reads_has_the_first_result_limit_from_the_connection_on() {
    let mut run = Run::open(SessionConfig::new(true).with_track_frames());
    assert_eq!(run.session.current_step(), Some(Step::FirstResult));
    run.pass(89 * SECOND);
    assert_eq!(run.end(), None);
    run.pass(SECOND);
    let expected = End::TimedOut {
        step: Step::FirstResult,
        limit: 90 * SECOND,
    };
    assert_eq!(run.end(), Some(&expected));
}

#[test]
fn a_track_of_ours_has_it_from_the_first_frame_sent_on() {
    let mut run = Run::open(live());
    run.pass(1000 * SECOND);
    assert_eq!(
        (run.session.current_step(), run.end()),
        (Some(Step::Sending), None)
    );
    run.feed(Input::FrameSent).pass(60 * SECOND);
    run.feed(Input::FrameSent).pass(29 * SECOND);
    assert_eq!(
        (run.session.current_step(), run.end()),
        (Some(Step::FirstResult), None)
    );
    run.pass(SECOND);
    assert!(matches!(
        run.end(),
        Some(End::TimedOut {
            step: Step::FirstResult,
            ..
        })
    ));
}

#[test]
fn the_first_frame_on_the_track_counts_as_a_result() {
    let mut run = Run::open(live());
    run.feed(Input::FrameSent);
    let ticket = run.session.track_frame(run.now, Match::Unpaired, None);
    run.session.frame_consumed(ticket);
    run.pass(1000 * SECOND);
    assert_eq!(
        (run.session.current_step(), run.end()),
        (Some(Step::Streaming), None)
    );
}

#[test]
fn silence_of_the_worker_is_not_an_end() {
    let mut run = Run::open(live());
    let delivery = run.result(1);
    run.session.handlers_done(delivery.ticket);
    run.pass(10_000 * SECOND);
    assert_eq!(run.end(), None);
}

#[test]
fn after_our_source_ended_the_session_ends_complete_once_nothing_came_for_half_a_second() {
    let mut run = Run::open(live());
    run.feed(Input::FrameSent);
    let _ = run.result(1);
    run.feed(source_ended(None)).pass(ms(400));
    let ticket = run.session.track_frame(run.now, Match::Exact, None);
    run.session.frame_consumed(ticket);
    run.pass(ms(499));
    assert_eq!(run.end(), None);
    run.pass(ms(1));
    assert_eq!(run.end(), Some(&complete()));
    assert!(
        !run.outputs.contains(&Output::Release),
        "closed by its user, as any completed session"
    );
}

#[test]
fn results_that_never_stop_do_not_hold_a_session_longer_than_two_seconds() {
    let mut run = Run::open(live());
    run.feed(Input::FrameSent).feed(source_ended(None));
    let mut frames = 0;
    while run.end().is_none() {
        frames += 1;
        let delivery = run.result(frames);
        run.session.handlers_done(delivery.ticket);
        run.pass(ms(100));
    }
    assert_eq!(frames, 20);
    assert_eq!(run.end(), Some(&complete()));
}

#[test]
fn frames_that_went_out_without_any_result_are_not_complete_when_the_source_ends() {
    let mut run = Run::open(live());
    run.feed(Input::FrameSent)
        .feed(source_ended(None))
        .pass(ms(499));
    assert_eq!(run.end(), None);
    run.pass(ms(1));
    let (step, limit) = (Step::FirstResult, ms(500));
    assert_eq!(run.end(), Some(&End::TimedOut { step, limit }));
    let mut unused = Run::open(live());
    unused.feed(source_ended(None)).pass(ms(500));
    assert_eq!(unused.end(), Some(&complete()), "nothing was sent");
    let mut anew = Run::open(live());
    let _ = anew.feed(Input::FrameSent).result(1);
    anew.session.reconnect();
    anew.connect();
    anew.feed(Input::FrameSent).feed(source_ended(None));
    anew.pass(ms(500));
    assert_eq!(anew.end(), Some(&complete()), "results came before");
}

#[test]
fn a_drain_ends_at_once_when_everything_sent_has_come_back() {
    let mut run = Run::open(live());
    run.feed(Input::FrameSent).feed(Input::Drained).pass(SECOND);
    assert_eq!(run.end(), None, "the source goes on");
    run.feed(source_ended(None)).feed(Input::Drained);
    assert_eq!(run.end(), Some(&complete()));
    let mut failed = Run::open(live());
    failed
        .feed(source_ended(Some("the camera is gone")))
        .feed(Input::Drained);
    assert!(matches!(failed.end(), Some(End::SourceFailed { .. })));
}

#[test]
fn a_source_that_failed_ends_the_session_with_its_error_after_the_drain() {
    let mut run = Run::open(live());
    let _ = run.result(1);
    run.feed(source_ended(Some("the camera is gone")))
        .feed(source_ended(None));
    run.pass(ms(499));
    assert_eq!(run.end(), None);
    run.pass(ms(1));
    let end = run.end().unwrap();
    let expected = "the source failed while receiving results: the camera is gone";
    assert_eq!(
        (end.to_string().as_str(), end.is_regular()),
        (expected, false)
    );
    assert!(run.outputs.contains(&Output::Release));
}

#[test]
fn a_source_that_ends_before_the_connection_is_up_ends_the_session_too() {
    for error in [None, Some("no such device")] {
        let mut session = Session::new(live());
        let now = Instant::now();
        session.handle(now, Input::Start);
        session.handle(now, source_ended(error));
        session.handle(now + SECOND, Input::Tick);
        assert_eq!(session.end().map(End::is_regular), Some(error.is_none()));
        assert_eq!(session.poll_timeout(), None);
    }
}

#[test]
fn the_completion_message_comes_first_if_it_comes() {
    let mut run = Run::open(live());
    run.feed(source_ended(Some("late")));
    let body = br#"{"processing_complete": true, "errors": ["from the worker"]}"#;
    let message = ResultMessage::parse(body).unwrap();
    assert!(matches!(
        run.session.result(run.now, &message),
        Dispatch::End
    ));
    run.pass(10 * SECOND);
    assert!(
        matches!(run.end(), Some(End::Completed { errors, .. }) if errors == &["from the worker"])
    );
}

#[test]
fn batch_processing_waits_longer_for_what_was_sent() {
    let batch = SessionConfig::new(false);
    assert_eq!(batch.drain, DrainLimits::new(5 * SECOND, 60 * SECOND));
    let mut run = Run::open(batch.with_track_source());
    run.feed(source_ended(None)).pass(ms(4_999));
    assert_eq!(run.end(), None);
    run.pass(ms(1));
    assert_eq!(run.end(), Some(&complete()));
}

fn batch_on_track() -> Run {
    Run::open(
        SessionConfig::new(false)
            .with_track_source()
            .with_track_frames(),
    )
}

#[test]
fn a_batch_result_is_acknowledged_when_its_frame_on_the_track_was_consumed() {
    let mut run = batch_on_track();
    let delivery = run.result(1);
    let ticket = delivery.track_ticket();
    assert!(ticket.is_some());
    run.session.handlers_done(delivery.ticket);
    assert!(run.acks().is_empty());
    let frame = run.session.track_frame(run.now, Match::Nearest, ticket);
    run.pass(100 * SECOND); // a slow consumer is waited for
    assert!(run.acks().is_empty());
    run.session.frame_consumed(frame);
    assert_eq!(run.acks(), ["{\"ack\": 1}"]);
    assert!(run.session.counters().is_balanced());
}

#[test]
fn a_frame_that_is_lost_on_the_track_delays_its_acknowledgement_by_half_a_second_only() {
    let mut run = batch_on_track();
    let delivery = run.result(1);
    let ticket = delivery.track_ticket();
    run.session.handlers_done(delivery.ticket);
    run.pass(ms(499));
    assert!(run.acks().is_empty());
    run.pass(ms(1));
    assert_eq!(run.acks(), ["{\"ack\": 1}"]);
    let late = run.session.track_frame(run.now, Match::Nearest, ticket);
    run.session.frame_consumed(late);
    assert_eq!(run.acks().len(), 1);
    assert_eq!(run.session.counters().missing_frames, 1);
}

#[test]
fn a_worker_that_sends_no_frames_is_not_waited_for_again_and_again() {
    let mut run = batch_on_track();
    for frame in 1..=3 {
        let delivery = run.result(frame);
        run.session.handlers_done(delivery.ticket);
        run.pass(ms(500));
    }
    let delivery = run.result(4);
    assert_eq!(delivery.track_ticket(), None);
    run.session.handlers_done(delivery.ticket);
    assert_eq!(run.acks().last().unwrap(), "{\"ack\": 4}");
    let frame = run.session.track_frame(run.now, Match::Unpaired, None);
    run.session.frame_consumed(frame);
    assert!(
        run.result(5).track_ticket().is_some(),
        "frames come after all"
    );
}

#[test]
fn realtime_sessions_acknowledge_nothing_and_count_everything() {
    let mut run = Run::open(live());
    let delivery = run.result(1);
    assert_eq!(delivery.track_ticket(), None);
    let frame = run.session.track_frame(run.now, Match::Exact, None);
    let dropped = run.session.track_frame(run.now, Match::Unpaired, None);
    run.session.track_frames_dropped(FrameDrop::Lost, 2);
    run.session.frame_consumed(frame);
    run.session.frame_dropped(dropped, FrameDrop::Overflow);
    run.session.handlers_done(delivery.ticket);
    assert!(run.acks().is_empty());
    let counters = run.session.counters();
    assert_eq!((counters.pairs.exact, counters.pairs.unpaired), (1, 1));
    assert_eq!(
        (counters.frames.produced, counters.frames.delivered),
        (4, 1)
    );
    assert_eq!(counters.frames.dropped[&FrameDrop::Lost], 2);
    assert!(counters.is_balanced());
}
