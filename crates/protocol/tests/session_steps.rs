//! The client's machine: steps, deadlines, liveness, end and close, in virtual time.

use std::time::{Duration, Instant};

use framewire_protocol::message::ResultMessage;
use framewire_protocol::session::{
    Dispatch, End, Input, Output, PeerEnd, Session, SessionConfig, SessionState, Step, StepLimits,
};

const COMPLETION: &[u8] = br#"{"processing_complete": true, "errors": []}"#;

struct Run {
    session: Session,
    now: Instant,
    outputs: Vec<Output>,
}

impl Run {
    fn new(config: SessionConfig) -> Self {
        Run {
            session: Session::new(config),
            now: Instant::now(),
            outputs: Vec::new(),
        }
    }

    fn feed(&mut self, input: Input) -> &mut Self {
        self.session.handle(self.now, input);
        self.outputs
            .extend(std::iter::from_fn(|| self.session.poll()));
        self
    }

    /// Lets time pass as a driver does: it wakes at every deadline on the way.
    fn pass(&mut self, time: Duration) -> &mut Self {
        let until = self.now + time;
        while let Some(at) = self.session.poll_timeout().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.feed(Input::Tick);
        }
        self.now = until;
        self.feed(Input::Tick)
    }

    fn result(&mut self, json: &[u8]) -> Dispatch {
        let message = ResultMessage::parse(json).unwrap();
        let dispatch = self.session.result(self.now, &message);
        self.outputs
            .extend(std::iter::from_fn(|| self.session.poll()));
        dispatch
    }

    /// Goes to the given step by the shortest way.
    fn until(&mut self, step: Step) -> &mut Self {
        let way = [
            (Step::Gathering, Input::Start),
            (Step::Signalling, Input::OfferReady),
            (Step::Connecting, Input::AnswerApplied),
            (Step::Opening, Input::Connected),
            (Step::Uploading, Input::ResultsOpen),
            (Step::Uploading, Input::UploadOpen),
            (Step::FirstResult, Input::UploadDone),
        ];
        for (_, input) in way.into_iter().filter(|(to, _)| *to <= step) {
            self.feed(input);
        }
        if step == Step::Streaming {
            assert!(matches!(self.result(b"{}"), Dispatch::Deliver(_)));
        }
        assert_eq!(self.session.current_step(), Some(step));
        self
    }

    fn count(&self, output: &Output) -> usize {
        self.outputs.iter().filter(|o| *o == output).count()
    }
}

fn upload() -> Run {
    Run::new(SessionConfig::new(false).with_upload())
}

const STEPS: [Step; 7] = [
    Step::Gathering,
    Step::Signalling,
    Step::Connecting,
    Step::Opening,
    Step::Uploading,
    Step::FirstResult,
    Step::Streaming,
];

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[test]
fn a_step_that_does_not_finish_is_named_by_the_error() {
    for step in STEPS {
        let Some(limit) = StepLimits::default().of(step) else {
            continue;
        };
        let mut run = upload();
        run.until(step).pass(limit - Duration::from_millis(1));
        assert_eq!(run.session.end(), None, "{step} ended early");
        run.pass(Duration::from_millis(1));
        assert_eq!(run.session.end(), Some(&End::TimedOut { step, limit }));
        assert!(
            run.session
                .end()
                .unwrap()
                .to_string()
                .contains(&step.to_string())
        );
        assert_eq!(
            (run.count(&Output::Ended), run.count(&Output::Release)),
            (1, 1)
        );
        assert_eq!(run.session.state(), SessionState::Closed);
    }
}

#[test]
fn limits_can_be_set_for_each_step() {
    let limits = StepLimits::default().with(Step::Connecting, seconds(2));
    let mut run = Run::new(SessionConfig::new(true).with_limits(limits));
    run.until(Step::Connecting).pass(seconds(2));
    assert_eq!(
        run.session.end(),
        Some(&End::TimedOut {
            step: Step::Connecting,
            limit: seconds(2)
        })
    );
}

#[test]
fn a_slow_upload_lives_as_long_as_it_moves() {
    let mut run = upload();
    run.until(Step::Uploading);
    for _ in 0..100 {
        run.pass(seconds(59)).feed(Input::UploadProgress);
    }
    assert_eq!(run.session.end(), None);
    run.pass(seconds(60));
    assert_eq!(
        run.session.end(),
        Some(&End::TimedOut {
            step: Step::Uploading,
            limit: seconds(60)
        })
    );
}

#[test]
fn the_upload_starts_once_when_both_channels_are_open_in_any_order() {
    for order in [
        [Input::ResultsOpen, Input::UploadOpen],
        [Input::UploadOpen, Input::ResultsOpen],
    ] {
        let mut run = upload();
        run.until(Step::Connecting);
        for input in order {
            assert_eq!(run.count(&Output::StartUpload), 0);
            run.feed(input);
        }
        run.feed(Input::Connected).feed(Input::UploadOpen);
        assert_eq!(run.count(&Output::StartUpload), 1);
        assert_eq!(run.session.current_step(), Some(Step::Uploading));
    }
}

#[test]
fn no_results_for_an_hour_are_not_the_end_once_results_came() {
    let mut run = upload();
    run.until(Step::Streaming).pass(seconds(3600));
    assert_eq!(run.session.end(), None);
    assert_eq!(run.session.poll_timeout(), None);
}

#[test]
fn a_silent_peer_is_probed_every_second_and_forgotten_when_it_is_back() {
    let mut run = upload();
    run.until(Step::Streaming).feed(Input::Stalled(seconds(3)));
    assert!(run.session.is_stalled());
    assert_eq!(run.count(&Output::Stalled(seconds(3))), 1);
    run.pass(seconds(5)).feed(Input::Stalled(seconds(8)));
    assert_eq!(run.count(&Output::ProbeWorker), 6);
    run.feed(Input::Resumed).pass(seconds(3600));
    assert_eq!(
        (run.count(&Output::Resumed), run.count(&Output::ProbeWorker)),
        (1, 6)
    );
    assert_eq!(run.session.end(), None);
}

#[test]
fn a_worker_whose_port_refuses_is_gone_within_five_seconds_of_the_cause() {
    let mut run = upload();
    run.until(Step::Streaming).feed(Input::WorkerRefused);
    assert_eq!(
        run.session.end(),
        None,
        "a refusal counts only while nothing is heard"
    );
    run.feed(Input::Stalled(seconds(3)));
    assert_eq!(
        run.count(&Output::ProbeWorker),
        1,
        "probed at once, 3 s after the cause"
    );
    run.feed(Input::WorkerRefused);
    assert_eq!(
        run.session.end(),
        Some(&End::Gone {
            step: Step::Streaming
        })
    );
}

#[test]
fn a_silent_peer_is_lost_after_thirty_seconds_or_what_was_agreed() {
    for (limit, agreed) in [(30, None), (20, None), (15, Some(seconds(15)))] {
        let config = SessionConfig::new(false).with_upload();
        let mut run = Run::new(match agreed {
            Some(_) => config,
            None => config.with_lost_after(seconds(limit)),
        });
        if let Some(agreed) = agreed {
            run.session.set_lost_after(agreed);
        }
        run.until(Step::Streaming)
            .feed(Input::Stalled(seconds(3)))
            .pass(seconds(limit - 4));
        assert_eq!(run.session.end(), None);
        run.pass(seconds(1));
        assert_eq!(
            run.session.end(),
            Some(&End::Lost {
                silence: seconds(limit)
            })
        );
    }
}

#[test]
fn the_transport_says_how_the_connection_ended() {
    let step = Step::Streaming;
    let table = [
        (PeerEnd::Remote, End::PeerClosed { step }),
        (PeerEnd::Gone, End::Gone { step }),
        (
            PeerEnd::Lost(seconds(30)),
            End::Lost {
                silence: seconds(30),
            },
        ),
        (
            PeerEnd::Failed("dtls".into()),
            End::Failed {
                step,
                message: "dtls".into(),
            },
        ),
    ];
    for (how, end) in table {
        let mut run = upload();
        run.until(step).feed(Input::PeerEnded(how));
        assert_eq!(run.session.end(), Some(&end));
        assert_eq!(run.session.state(), SessionState::Closed);
    }
}

#[test]
fn completion_ends_the_stream_but_closing_is_left_to_the_user() {
    let mut run = upload();
    run.until(Step::Streaming);
    assert!(matches!(run.result(COMPLETION), Dispatch::End));
    assert_eq!(
        (run.count(&Output::Ended), run.count(&Output::Release)),
        (1, 0)
    );
    assert_eq!(run.session.state(), SessionState::Started);
    run.feed(Input::PeerEnded(PeerEnd::Remote))
        .pass(seconds(3600));
    assert!(
        run.session.end().unwrap().is_regular(),
        "the first reason stays"
    );
    run.feed(Input::Close);
    assert_eq!(
        (run.count(&Output::Ended), run.count(&Output::Release)),
        (1, 1)
    );
    assert_eq!(run.session.state(), SessionState::Closed);
}

#[test]
fn completion_before_the_upload_ended_is_an_end_with_its_errors() {
    let mut run = upload();
    run.until(Step::Uploading);
    let refused =
        br#"{"processing_complete": true, "errors": ["too large"], "termination_reason": null}"#;
    assert!(matches!(run.result(refused), Dispatch::End));
    let end = run.session.end().unwrap();
    assert_eq!(
        *end,
        End::Completed {
            reason: None,
            errors: vec!["too large".into()]
        }
    );
    assert!(!end.is_regular());
}

#[test]
fn close_works_from_every_state_and_only_once() {
    for step in STEPS {
        let mut run = upload();
        run.until(step).feed(Input::Close).feed(Input::Close);
        assert_eq!(
            (run.count(&Output::Ended), run.count(&Output::Release)),
            (1, 1),
            "{step}"
        );
        assert_eq!(run.session.end(), Some(&End::Closed));
        run.feed(Input::Start)
            .feed(Input::Connected)
            .feed(Input::ResultsOpen);
        assert_eq!(
            run.session.state(),
            SessionState::Closed,
            "there is no restart"
        );
        assert_eq!(run.session.poll_timeout(), None);
    }
    let mut run = upload();
    assert_eq!(run.session.state(), SessionState::NotStarted);
    run.feed(Input::Close);
    assert_eq!(run.session.state(), SessionState::Closed);
    assert_eq!(run.count(&Output::Release), 1);
}

#[test]
fn a_failed_step_is_named_and_releases_everything() {
    let mut run = upload();
    run.until(Step::Signalling)
        .feed(Input::Failed("status 400".into()));
    let end = End::Failed {
        step: Step::Signalling,
        message: "status 400".into(),
    };
    assert_eq!(run.session.end(), Some(&end));
    assert_eq!(
        end.to_string(),
        "waiting for the worker's answer failed: status 400"
    );
    assert_eq!(run.count(&Output::Release), 1);
}

#[test]
fn events_that_come_late_or_early_change_nothing() {
    let mut run = upload();
    run.feed(Input::Connected)
        .feed(Input::UploadDone)
        .feed(Input::Resumed)
        .feed(Input::UploadProgress);
    assert_eq!((run.session.current_step(), run.outputs.len()), (None, 0));
    run.until(Step::FirstResult)
        .feed(Input::OfferReady)
        .feed(Input::Start)
        .feed(Input::UploadDone);
    assert_eq!(run.session.current_step(), Some(Step::FirstResult));
}

#[test]
fn waits_for_the_worker_s_word_on_an_upload_end_and_are_named() {
    let secs = Duration::from_secs;
    let mut mute = upload();
    mute.until(Step::Uploading).feed(Input::UploadAnnounced);
    mute.pass(secs(14));
    assert_eq!(mute.session.end(), None);
    mute.pass(secs(1));
    let (step, limit) = (Step::Announcing, secs(15));
    assert_eq!(mute.session.end(), Some(&End::TimedOut { step, limit }));

    let mut unsure = upload();
    unsure.until(Step::Uploading).feed(Input::UploadAnnounced);
    unsure.pass(secs(14)).feed(Input::UploadProgress);
    assert_eq!(unsure.session.current_step(), Some(Step::Uploading));
    unsure.pass(secs(59)).feed(Input::UploadSent);
    unsure.pass(secs(59));
    assert_eq!(unsure.session.end(), None);
    unsure.pass(secs(1));
    let (step, limit) = (Step::Verifying, secs(60));
    assert_eq!(unsure.session.end(), Some(&End::TimedOut { step, limit }));

    let mut sure = upload();
    sure.until(Step::Uploading).feed(Input::UploadAnnounced);
    sure.feed(Input::UploadProgress).feed(Input::UploadSent);
    sure.pass(secs(59)).feed(Input::UploadDone).pass(secs(89));
    assert_eq!(sure.session.current_step(), Some(Step::FirstResult));
    assert_eq!(sure.session.end(), None);
}
