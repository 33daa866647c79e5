//! The client's machine when results travel unordered: the end waits for results the completion message overtook, and for
//! nothing else.

use std::time::{Duration, Instant};

use framewire_protocol::message::ResultMessage;
use framewire_protocol::session::{Dispatch, End, Input, PeerEnd, Session, SessionConfig};

const WAIT: Duration = Duration::from_millis(300);

/// A running session and its clock.
struct Run {
    session: Session,
    now: Instant,
}

impl Run {
    fn start() -> Run {
        let mut run = Run {
            session: Session::new(SessionConfig::new(true)),
            now: Instant::now(),
        };
        run.session.set_fresh_results(WAIT);
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
            self.session.handle(self.now, input);
        }
    }

    /// Whether the result is delivered.
    fn result(&mut self, frame: u64) -> bool {
        let json = format!(
            r#"{{"serialized_output_data": {{"n": {frame}}},
                "video_metadata": {{"frame_id": {frame}, "received_at": "2026-01-02T03:04:05"}}}}"#
        );
        let message = ResultMessage::parse(json.as_bytes()).unwrap();
        let dispatch = self.session.result(self.now, &message);
        let delivered = matches!(dispatch, Dispatch::Deliver(_));
        if let Dispatch::Deliver(delivery) = dispatch {
            self.session.handlers_done(delivery.ticket);
        }
        delivered
    }

    fn complete(&mut self, last: u64) {
        let json = format!(
            r#"{{"processing_complete": true, "errors": ["x"],
                "video_metadata": {{"frame_id": {last}, "received_at": "2026-01-02T03:04:05"}}}}"#
        );
        let message = ResultMessage::parse(json.as_bytes()).unwrap();
        let dispatch = self.session.result(self.now, &message);
        assert!(matches!(dispatch, Dispatch::End | Dispatch::Ignored));
    }

    fn after(&mut self, time: Duration) {
        self.now += time;
        self.session.handle(self.now, Input::Tick);
    }

    fn assert_completed(&self) {
        let expected = End::Completed {
            reason: None,
            errors: vec!["x".to_owned()],
        };
        assert_eq!(self.session.end(), Some(&expected));
        assert_eq!(self.session.poll_timeout(), None);
        assert!(self.session.counters().is_balanced());
    }
}

#[test]
fn nothing_is_waited_for_when_the_last_result_is_there() {
    let mut run = Run::start();
    assert!(run.result(1) && run.result(4));
    run.complete(4);
    run.assert_completed();
}

#[test]
fn the_last_result_still_comes_after_the_completion_that_overtook_it() {
    let mut run = Run::start();
    assert!(run.result(1));
    run.complete(3);
    assert_eq!(run.session.end(), None);
    run.after(WAIT - Duration::from_millis(1));
    assert!(run.result(2), "not the last, and still of use");
    assert_eq!(run.session.end(), None);
    assert!(run.result(3));
    run.assert_completed();
    assert!(!run.result(4));
}

#[test]
fn a_last_result_that_was_lost_holds_the_end_up_only_so_long() {
    let mut run = Run::start();
    assert!(run.result(1));
    run.complete(2);
    run.complete(9);
    assert_eq!(run.session.poll_timeout(), Some(run.now + WAIT));
    run.after(WAIT);
    run.assert_completed();
}

#[test]
fn a_connection_that_ends_meanwhile_takes_nothing_from_the_completion() {
    for end in [PeerEnd::Remote, PeerEnd::Failed("reset".to_owned())] {
        let mut run = Run::start();
        run.complete(2);
        run.session.handle(run.now, Input::PeerEnded(end));
        run.assert_completed();
    }
    let mut run = Run::start();
    run.complete(2);
    run.session.handle(run.now, Input::Close);
    assert_eq!(run.session.end(), Some(&End::Closed));
    assert_eq!(run.session.poll_timeout(), None);
}

#[test]
fn a_result_that_came_late_is_not_missing() {
    let mut run = Run::start();
    for frame in [1, 4, 3] {
        assert!(run.result(frame));
    }
    assert_eq!(run.session.counters().missing_results, 1, "only frame 2");
}

#[test]
fn the_next_connection_waits_only_if_its_answer_says_so() {
    let mut run = Run::start();
    assert!(run.result(5));
    run.session
        .handle(run.now, Input::PeerEnded(PeerEnd::Remote));
    run.session.reconnect();
    run.connect();
    run.complete(2);
    run.assert_completed();
}
