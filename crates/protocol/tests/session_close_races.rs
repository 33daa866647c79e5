//! The client's machine, closed at every moment: 10,000 seeded lives in virtual time.

use std::time::{Duration, Instant};

use framewire_protocol::message::ResultMessage;
use framewire_protocol::session::{
    Dispatch, End, FrameDrop, Input, Output, PeerEnd, Session, SessionConfig, SessionState,
};
use proptest::prelude::*;
use proptest::sample::select;

/// One thing that happens to a session.
#[derive(Debug, Clone)]
enum Event {
    Input(Input),
    Result(u64),
    /// Time passes, in milliseconds.
    Pass(u64),
}

fn config() -> impl Strategy<Value = SessionConfig> {
    (any::<bool>(), 0..4_u8).prop_map(|(realtime, source)| {
        let config = SessionConfig::new(realtime).with_frame_outputs(vec!["image".into()]);
        match source {
            0 => config.with_upload(),
            1 => config.with_track_source(),
            2 => config.with_track_source().with_track_frames(),
            _ => config,
        }
    })
}

fn inputs() -> Vec<Input> {
    vec![
        Input::Start,
        Input::OfferReady,
        Input::AnswerApplied,
        Input::Connected,
        Input::ResultsOpen,
        Input::UploadOpen,
        Input::UploadAnnounced,
        Input::UploadProgress,
        Input::UploadSent,
        Input::UploadDone,
        Input::FrameSent,
        Input::SourceEnded { error: None },
        Input::Drained,
        Input::Stalled(Duration::from_secs(3)),
        Input::Resumed,
        Input::WorkerRefused,
        Input::PeerEnded(PeerEnd::Remote),
        Input::Failed("broken".into()),
        Input::Pause,
        Input::Unpause,
        Input::Close,
    ]
}

/// The usual way first, so that closing meets every step, and then anything.
fn life() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        6 => select(inputs()).prop_map(Event::Input),
        3 => (0..9_u64).prop_map(Event::Result),
        1 => (1..40_000_u64).prop_map(Event::Pass),
    ];
    (0..=12_usize, prop::collection::vec(event, 0..24)).prop_map(|(known, anything)| {
        let way = inputs().into_iter().take(known).map(Event::Input);
        way.chain(anything).collect()
    })
}

#[derive(Default)]
struct Life {
    now: Option<Instant>,
    ended: u32,
    released: u32,
}

impl Life {
    fn step(&mut self, session: &mut Session, event: Event) {
        let now = *self.now.get_or_insert_with(Instant::now);
        match event {
            Event::Input(input) => session.handle(now, input),
            Event::Pass(millis) => {
                let now = now + Duration::from_millis(millis);
                self.now = Some(now);
                session.handle(now, Input::Tick);
            }
            Event::Result(id) => result(session, now, id),
        }
        while let Some(output) = session.poll() {
            self.ended += u32::from(output == Output::Ended);
            self.released += u32::from(output == Output::Release);
        }
    }
}

/// A result with a picture; id 0 is the completion.
fn result(session: &mut Session, now: Instant, id: u64) {
    let json = format!(
        r#"{{"serialized_output_data": {{"image": {{"type": "base64", "value": "/9j/"}}}}, "processing_complete": {},
            "video_metadata": {{"frame_id": {id}, "received_at": "2026-01-02T03:04:05"}}}}"#,
        id == 0
    );
    let message = ResultMessage::parse(json.as_bytes()).unwrap();
    if let Dispatch::Deliver(delivery) = session.result(now, &message) {
        if let Some((ticket, _)) = delivery.frame(&message) {
            if id.is_multiple_of(2) {
                session.frame_dropped(ticket, FrameDrop::Overflow);
            } else {
                session.frame_consumed(ticket);
            }
        }
        session.handlers_done(delivery.ticket);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_close_at_any_moment_ends_and_releases_once_and_nothing_follows(
        config in config(), before in life(), after in life()
    ) {
        let mut session = Session::new(config);
        let mut life = Life::default();
        before.into_iter().for_each(|event| life.step(&mut session, event));
        let ended_before = session.end().cloned();
        life.step(&mut session, Event::Input(Input::Close));
        let end = session.end().cloned();
        prop_assert_eq!(&end, &ended_before.or(Some(End::Closed)), "the first reason stays");
        for event in after {
            life.step(&mut session, event);
            prop_assert_eq!(session.state(), SessionState::Closed);
            prop_assert_eq!(session.end(), end.as_ref());
            prop_assert_eq!(session.poll_timeout(), None, "nothing is waited for");
        }
        prop_assert_eq!((life.ended, life.released), (1, 1));
        prop_assert!(session.counters().is_balanced());
    }
}
