//! The client's machine: what one result message causes, acknowledgements, and sums that agree.

use std::time::Instant;

use framewire_protocol::FrameId;
use framewire_protocol::incoming::DropReason;
use framewire_protocol::message::ResultMessage;
use framewire_protocol::session::{
    Delivery, Dispatch, FrameDrop, FrameTicket, Input, Output, PeerEnd, Session, SessionConfig,
    SessionState,
};

fn started(config: SessionConfig) -> Session {
    let mut session = Session::new(config);
    start(&mut session);
    session
}

fn start(session: &mut Session) {
    let now = Instant::now();
    let way = [
        Input::Start,
        Input::OfferReady,
        Input::AnswerApplied,
        Input::Connected,
        Input::ResultsOpen,
    ];
    way.into_iter().for_each(|input| session.handle(now, input));
}

fn batch() -> Session {
    started(SessionConfig::new(false).with_frame_outputs(vec!["image".into(), "other".into()]))
}

fn frame_json(id: u64, outputs: &str) -> String {
    format!(
        r#"{{"serialized_output_data": {outputs},
            "video_metadata": {{"frame_id": {id}, "received_at": "2026-01-02T03:04:05"}}}}"#
    )
}

const IMAGE: &str = r#"{"p": 1, "image": {"type": "base64", "value": "/9j/"}}"#;

fn deliver(session: &mut Session, json: &str) -> (Delivery, Option<FrameTicket>) {
    let message = ResultMessage::parse(json.as_bytes()).unwrap();
    match session.result(Instant::now(), &message) {
        Dispatch::Deliver(delivery) => {
            let frame = delivery.frame(&message).map(|(ticket, _)| ticket);
            (delivery, frame)
        }
        other => panic!("{other:?} instead of a delivery"),
    }
}

fn acks(session: &mut Session) -> Vec<String> {
    let texts = std::iter::from_fn(|| session.poll());
    texts
        .filter_map(|output| {
            if let Output::SendText(text) = output {
                Some(text)
            } else {
                None
            }
        })
        .collect()
}

#[test]
fn a_batch_frame_is_acknowledged_after_its_handlers_and_its_consumer() {
    for handlers_first in [true, false] {
        let mut session = batch();
        let (delivery, frame) = deliver(&mut session, &frame_json(1, IMAGE));
        let frame = frame.expect("the message carries a frame");
        assert!(acks(&mut session).is_empty());
        if handlers_first {
            session.handlers_done(delivery.ticket);
            assert!(
                acks(&mut session).is_empty(),
                "the frame is not consumed yet"
            );
            session.frame_consumed(frame);
        } else {
            session.frame_consumed(frame);
            assert!(acks(&mut session).is_empty(), "handlers are still running");
            session.handlers_done(delivery.ticket);
        }
        assert_eq!(
            acks(&mut session),
            ["{\"ack\": 1}"],
            "from the very first message"
        );
    }
}

#[test]
fn without_frames_on_the_channel_the_handlers_alone_decide() {
    let mut session = started(SessionConfig::new(false));
    for id in 1..=3 {
        let (delivery, frame) = deliver(&mut session, &frame_json(id, IMAGE));
        assert!(frame.is_none());
        session.handlers_done(delivery.ticket);
        assert_eq!(acks(&mut session), [format!("{{\"ack\": {id}}}")]);
    }
    assert_eq!(session.last_ack(), Some(FrameId(3)));
}

#[test]
fn a_realtime_session_never_acknowledges() {
    let mut session = started(SessionConfig::new(true).with_frame_outputs(vec!["image".into()]));
    let (delivery, frame) = deliver(&mut session, &frame_json(1, IMAGE));
    session.handlers_done(delivery.ticket);
    session.frame_consumed(frame.unwrap());
    assert!(acks(&mut session).is_empty() && !session.is_batch());
}

#[test]
fn an_undecodable_frame_is_counted_and_does_not_stop_the_acknowledgements() {
    let mut session = batch();
    let (delivery, frame) = deliver(&mut session, &frame_json(1, r#"{"image": 5}"#));
    session.frame_dropped(frame.unwrap(), FrameDrop::Undecodable);
    session.handlers_done(delivery.ticket);
    assert_eq!(acks(&mut session), ["{\"ack\": 1}"]);
    assert_eq!(
        session.counters().frames.dropped[&FrameDrop::Undecodable],
        1
    );
}

#[test]
fn a_message_without_readable_metadata_is_delivered_and_not_acknowledged() {
    let mut session = batch();
    for json in ["{}", r#"{"video_metadata": {"frame_id": 1}}"#] {
        let (delivery, _) = deliver(&mut session, json);
        session.handlers_done(delivery.ticket);
    }
    assert!(acks(&mut session).is_empty());
    assert_eq!(
        (
            session.counters().results.delivered,
            session.counters().unreadable_metadata
        ),
        (2, 1)
    );
}

#[test]
fn the_first_of_the_users_stream_outputs_that_is_there_is_the_frame() {
    let mut session = batch();
    let both =
        ResultMessage::parse(br#"{"serialized_output_data": {"other": 1, "image": 2}}"#).unwrap();
    let Dispatch::Deliver(delivery) = session.result(Instant::now(), &both) else {
        panic!()
    };
    assert_eq!(delivery.frame(&both).unwrap().1.get(), "2");
    let second =
        ResultMessage::parse(br#"{"serialized_output_data": {"x": 0, "other": 1}}"#).unwrap();
    let Dispatch::Deliver(delivery) = session.result(Instant::now(), &second) else {
        panic!()
    };
    assert_eq!(delivery.frame(&second).unwrap().1.get(), "1");
    assert!(session.hides("image") && session.hides("other") && !session.hides("x"));
    let (_, none) = deliver(&mut session, r#"{"serialized_output_data": {"x": 0}}"#);
    assert!(none.is_none());
}

#[test]
fn frames_finished_out_of_order_are_acknowledged_in_order() {
    let mut session = batch();
    let mut tickets = Vec::new();
    for id in 1..=3 {
        let (delivery, frame) = deliver(&mut session, &frame_json(id, IMAGE));
        session.handlers_done(delivery.ticket);
        tickets.push(frame.unwrap());
    }
    session.frame_consumed(tickets.pop().unwrap());
    session.frame_consumed(tickets.pop().unwrap());
    assert!(acks(&mut session).is_empty());
    session.frame_consumed(tickets.pop().unwrap());
    assert_eq!(
        acks(&mut session),
        ["{\"ack\": 3}"],
        "one cumulative acknowledgement"
    );
}

#[test]
fn what_comes_after_the_end_is_counted_and_not_delivered() {
    let mut session = batch();
    session.handle(Instant::now(), Input::Close);
    let json = frame_json(1, IMAGE);
    let message = ResultMessage::parse(json.as_bytes()).unwrap();
    assert!(matches!(
        session.result(Instant::now(), &message),
        Dispatch::Ignored
    ));
    assert_eq!(session.counters().results.dropped[&DropReason::AfterEnd], 1);
}

#[test]
fn no_acknowledgement_follows_the_end() {
    let mut session = batch();
    let (delivery, frame) = deliver(&mut session, &frame_json(1, IMAGE));
    let complete = ResultMessage::parse(br#"{"processing_complete": true}"#).unwrap();
    assert!(matches!(
        session.result(Instant::now(), &complete),
        Dispatch::End
    ));
    session.handlers_done(delivery.ticket);
    session.frame_consumed(frame.unwrap());
    assert!(acks(&mut session).is_empty());
    assert_eq!(
        session.counters().frames.delivered,
        1,
        "a queued frame still reaches its consumer"
    );
}

#[test]
fn everything_produced_is_delivered_dropped_or_in_flight() {
    let mut session = batch();
    let mut frames = Vec::new();
    for id in [1, 2, 5, 6] {
        let (delivery, frame) = deliver(&mut session, &frame_json(id, IMAGE));
        frames.extend(frame);
        session.handlers_done(delivery.ticket);
        assert!(session.counters().is_balanced());
    }
    session.message_dropped(DropReason::BadChunk, 1);
    session.message_dropped(DropReason::Evicted, 2);
    session.frame_consumed(frames.remove(0));
    session.frame_dropped(frames.remove(0), FrameDrop::Overflow);
    let counters = session.counters();
    assert!(counters.is_balanced());
    assert_eq!(
        (counters.results.produced, counters.results.delivered),
        (7, 4)
    );
    assert_eq!(counters.results.dropped_total(), 3);
    assert_eq!(
        (
            counters.frames.produced,
            counters.frames.delivered,
            counters.frames.in_flight
        ),
        (4, 1, 2)
    );
    assert_eq!(counters.missing_results, 2, "frames 3 and 4 never came");
}

/// A worker that processes everything again counts from 1 again: its pace must not come from tickets of another connection.
#[test]
fn after_a_reconnect_tickets_of_the_old_connection_acknowledge_nothing_and_the_sums_go_on() {
    let mut session = batch();
    let (first, first_frame) = deliver(&mut session, &frame_json(1, IMAGE));
    let (second, second_frame) = deliver(&mut session, &frame_json(2, IMAGE));
    session.handle(Instant::now(), Input::PeerEnded(PeerEnd::Remote));
    session.reconnect();
    assert_eq!(session.end(), None);
    assert_eq!(session.state(), SessionState::NotStarted);
    assert_eq!(
        session.poll(),
        None,
        "nothing of the old connection is left to do"
    );
    start(&mut session);
    let (again, again_frame) = deliver(&mut session, &frame_json(1, IMAGE));
    // A consumer may keep frames of the old connection for long.
    session.handlers_done(first.ticket);
    session.handlers_done(second.ticket);
    session.frame_consumed(first_frame.unwrap());
    session.frame_consumed(second_frame.unwrap());
    assert!(acks(&mut session).is_empty());
    session.frame_dropped(again_frame.unwrap(), FrameDrop::Repeated);
    session.handlers_done(again.ticket);
    assert_eq!(acks(&mut session), [r#"{"ack": 1}"#]);
    let counters = session.counters();
    assert!(counters.is_balanced());
    assert_eq!(
        (counters.frames.delivered, counters.frames.in_flight),
        (2, 0)
    );
    assert_eq!(counters.frames.dropped[&FrameDrop::Repeated], 1);
    assert_eq!(counters.results.delivered, 3);
    assert_eq!(counters.missing_results, 0);
}
