//! The client's machine while its user has paused it, in virtual time: what stands still and what does not.

use std::time::{Duration, Instant};

use framewire_protocol::message::{ControlMessage, ResultMessage, outputs_text};
use framewire_protocol::session::{
    Dispatch, End, FrameTicket, HandlersTicket, Input, Output, PeerEnd, Session, SessionConfig,
    Step, StepLimits,
};

struct Run {
    session: Session,
    now: Instant,
    texts: Vec<String>,
}

impl Run {
    fn new(config: SessionConfig) -> Run {
        Run {
            session: Session::new(config),
            now: Instant::now(),
            texts: Vec::new(),
        }
    }

    fn feed(&mut self, inputs: impl IntoIterator<Item = Input>) {
        for input in inputs {
            self.session.handle(self.now, input);
            self.drain();
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.session.poll() {
            if let Output::SendText(text) = output {
                self.texts.push(text);
            }
        }
    }

    /// Lets time pass as a driver does: it wakes at every deadline on the way.
    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(at) = self.session.poll_timeout().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.feed([Input::Tick]);
        }
        self.now = until;
        self.feed([Input::Tick]);
    }

    fn frame(&mut self, id: u64, output: &str) -> (HandlersTicket, Option<FrameTicket>) {
        let text = format!(
            r#"{{"serialized_output_data": {{"{output}": {{"type": "base64", "value": "/9j/"}}}},
                "video_metadata": {{"frame_id": {id}, "received_at": "2026-01-02T03:04:05"}}}}"#
        );
        let message = ResultMessage::parse(text.as_bytes()).unwrap();
        let Dispatch::Deliver(delivery) = self.session.result(self.now, &message) else {
            panic!("nothing is delivered")
        };
        let frame = delivery.frame(&message).map(|(ticket, _)| ticket);
        (delivery.ticket, frame)
    }

    fn handled(&mut self, (ticket, frame): (HandlersTicket, Option<FrameTicket>)) {
        self.session.handlers_done(ticket);
        if let Some(frame) = frame {
            self.session.frame_consumed(frame);
        }
        self.drain();
    }
}

const CONNECT: [Input; 5] = [
    Input::Start,
    Input::OfferReady,
    Input::AnswerApplied,
    Input::Connected,
    Input::ResultsOpen,
];

const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

fn batch() -> Run {
    let mut run = Run::new(SessionConfig::new(false).with_frame_outputs(vec!["image".into()]));
    run.feed(CONNECT);
    run
}

#[test]
fn acknowledgements_wait_for_the_end_of_the_pause_and_then_the_highest_is_sent_once() {
    let mut run = batch();
    let first = run.frame(1, "image");
    run.handled(first);
    assert_eq!(run.texts, [r#"{"ack": 1}"#]);
    let under_way = run.frame(2, "image");
    run.feed([Input::Pause, Input::Pause]);
    assert!(run.session.is_paused());
    run.handled(under_way);
    for id in 3..=5 {
        let arrived = run.frame(id, "image");
        assert!(arrived.1.is_some(), "what arrives is delivered");
        run.handled(arrived);
    }
    run.pass(WEEK);
    assert_eq!(run.texts.len(), 1);
    run.feed([Input::Unpause, Input::Unpause]);
    assert_eq!(run.texts, [r#"{"ack": 1}"#, r#"{"ack": 5}"#]);
    let next = run.frame(6, "image");
    run.handled(next);
    assert_eq!(run.texts.len(), 3);
    assert!(run.session.counters().is_balanced());
}

#[test]
fn no_limit_of_ours_runs_out_while_paused_and_each_begins_anew_afterwards() {
    let limits = StepLimits::default();
    let upload: &[Input] = &[Input::UploadOpen];
    let announced: &[Input] = &[Input::UploadOpen, Input::UploadAnnounced];
    let sent: &[Input] = &[Input::UploadOpen, Input::UploadSent];
    let done: &[Input] = &[Input::UploadOpen, Input::UploadDone];
    for (step, way) in [
        (Step::Uploading, upload),
        (Step::Announcing, announced),
        (Step::Verifying, sent),
        (Step::FirstResult, done),
    ] {
        for early in [true, false] {
            let mut run = Run::new(SessionConfig::new(false).with_upload());
            let pause = |run: &mut Run, now: bool| {
                if now {
                    run.feed([Input::Pause]);
                }
            };
            pause(&mut run, early);
            run.feed(CONNECT);
            run.feed(way.iter().cloned());
            assert_eq!(run.session.current_step(), Some(step));
            let limit = limits.of(step).unwrap();
            if !early {
                run.pass(limit - Duration::from_millis(1));
            }
            pause(&mut run, !early);
            assert_eq!(
                run.session.poll_timeout(),
                None,
                "{step} would wake for nothing"
            );
            run.pass(WEEK);
            assert_eq!(run.session.end(), None, "{step} ended while paused");
            run.feed([Input::Unpause]);
            run.pass(limit - Duration::from_millis(1));
            assert_eq!(run.session.end(), None);
            run.pass(Duration::from_millis(1));
            assert_eq!(run.session.end(), Some(&End::TimedOut { step, limit }));
        }
    }
}

#[test]
fn connecting_and_silence_are_not_paused() {
    for (way, step) in [
        (1, Step::Gathering),
        (2, Step::Signalling),
        (4, Step::Opening),
    ] {
        let mut run = Run::new(SessionConfig::new(true));
        run.feed([Input::Pause]);
        run.feed(CONNECT.into_iter().take(way));
        run.pass(WEEK);
        assert!(matches!(run.session.end(), Some(End::TimedOut { step: at, .. }) if *at == step));
    }
    let mut run = batch();
    run.feed([Input::Pause, Input::Stalled(Duration::from_secs(3))]);
    run.pass(WEEK);
    assert!(matches!(run.session.end(), Some(End::Lost { .. })));
    let mut run = batch();
    run.feed([Input::Pause, Input::PeerEnded(PeerEnd::Gone)]);
    assert!(matches!(run.session.end(), Some(End::Gone { .. })));
}

#[test]
fn a_drain_stands_still_unless_everything_has_come_back() {
    let source = || {
        let mut run = Run::new(SessionConfig::new(true).with_track_source());
        run.feed(CONNECT);
        run.feed([
            Input::FrameSent,
            Input::Pause,
            Input::SourceEnded { error: None },
        ]);
        run.pass(WEEK);
        assert_eq!(run.session.end(), None);
        run
    };
    let mut run = source();
    run.feed([Input::Unpause]);
    run.pass(Duration::from_millis(499));
    assert_eq!(run.session.end(), None);
    run.pass(Duration::from_millis(1));
    assert!(matches!(run.session.end(), Some(End::TimedOut { .. })));

    let mut run = source();
    run.feed([Input::Drained]);
    assert!(matches!(run.session.end(), Some(End::Completed { .. })));
}

#[test]
fn a_pause_outlives_a_connection_and_what_it_withheld_does_not() {
    let mut run = batch();
    let first = run.frame(1, "image");
    run.feed([Input::Pause]);
    run.handled(first);
    run.session.reconnect();
    run.feed(CONNECT);
    assert!(run.session.is_paused());
    run.feed([Input::Unpause]);
    assert!(run.texts.is_empty(), "{:?}", run.texts);
}

#[test]
fn frames_come_from_the_outputs_asked_for_last() {
    let mut run = batch();
    assert!(run.frame(1, "other").1.is_none());
    run.session
        .set_frame_outputs(vec!["other".into(), String::new()]);
    assert!(run.frame(2, "other").1.is_some());
    assert!(run.frame(3, "image").1.is_none());
    assert!(run.session.hides("other") && !run.session.hides("image"));
}

#[test]
fn the_text_that_asks_for_outputs_says_only_what_changes() {
    let names = |names: &[&str]| -> Vec<String> { names.iter().map(ToString::to_string).collect() };
    let text = outputs_text(None, Some(&names(&["a", "\"b\""])));
    let read = ControlMessage::parse(text.as_bytes()).unwrap();
    assert_eq!(read.stream_output, None);
    assert_eq!(read.data_output, Some(names(&["a", "\"b\""])));
    let read = ControlMessage::parse(outputs_text(Some(&[]), None).as_bytes()).unwrap();
    assert_eq!((read.stream_output, read.data_output), (Some(vec![]), None));
}
