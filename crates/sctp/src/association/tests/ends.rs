//! RFC 9260 sections 8.4, 9.1 and 9.2: ABORT and the chunks of the shutdown, in each state.
//! Shutdowns of two real ends are in `tests/shutdown.rs`.

use std::time::Duration;

use super::*;
use crate::error::{AssociationError, Error};
use crate::wire::Cause;

fn lost(bench: &mut Bench) -> Option<AssociationError> {
    let mut events: Vec<_> = std::iter::from_fn(|| bench.a.poll()).collect();
    match events.pop()? {
        Event::AssociationLost { reason } => Some(reason),
        _ => None,
    }
}

#[test]
fn abort_ends_the_association_with_the_peers_cause_9_1() {
    for mut bench in [Bench::waiting(), Bench::echoed(), Bench::established()] {
        bench.receive(|packet| {
            packet.push_abort(false, &[Cause::UserAbort("enough")]);
        });
        assert!(bench.a.is_closed());
        let reason = lost(&mut bench).expect("reported");
        assert!(reason.to_string().ends_with("enough"), "{reason}");
        assert!(bench.sent().is_empty());
        assert_eq!(bench.a.poll(), None);
    }
}

#[test]
fn what_is_read_after_the_end_brings_no_event_after_it() {
    let mut bench = Bench::established();
    bench.data(PEER_TSN, 1, 0);
    let readable = crate::types::StreamEvent::Readable { id: 1 };
    assert_eq!(bench.a.poll(), Some(Event::Stream(readable)));
    bench.receive(|packet| {
        packet.push_reconfig(&[crate::wire::ReconfigParam::OutgoingReset {
            request: crate::serial::Rsn(PEER_TSN.0),
            response: crate::serial::Rsn(0),
            last_tsn: PEER_TSN,
            streams: [1].into_iter().collect(),
        }]);
    });
    bench.receive(|packet| {
        packet.push_abort(false, &[]);
    });
    assert!(lost(&mut bench).is_some());
    let mut stream = bench.a.stream(1).expect("not finished");
    assert!(stream.read().is_ok_and(|message| message.is_some()));
    assert_eq!(bench.a.poll(), None);
}

#[test]
fn abort_may_carry_our_own_tag_only_if_it_says_so_8_5_1() {
    let mut bench = Bench::established();
    bench.receive_with_tag(PEER_TAG, |packet| {
        packet.push_abort(false, &[]);
    });
    let local = bench.a.local.tag;
    bench.receive_with_tag(local, |packet| {
        packet.push_abort(true, &[]);
    });
    assert_eq!(bench.a.state, State::Established);
    bench.receive_with_tag(PEER_TAG, |packet| {
        packet.push_abort(true, &[]);
    });
    assert!(bench.a.is_closed());
}

#[test]
fn error_never_ends_an_association() {
    for mut bench in [Bench::waiting(), Bench::established()] {
        let state = bench.a.state;
        bench.receive(|packet| {
            packet.push_error(&[Cause::UserAbort("none"), Cause::ProtocolViolation("no")]);
        });
        assert_eq!(bench.a.state, state);
        assert!(bench.sent().is_empty());
    }
}

#[test]
fn shutdown_waits_for_our_data_and_then_is_answered_9_2() {
    let mut bench = Bench::established();
    bench.write(1);
    let before = bench.last_tsn();
    assert!(matches!(bench.chunks()[..], [Chunk::Data(_)]));
    bench.receive(|packet| {
        packet.push_shutdown(before);
    });
    assert_eq!(bench.a.state, State::ShutdownReceived);
    assert!(bench.a.is_closing());
    assert!(bench.chunks().is_empty());
    // New messages are refused from now on.
    let mut stream = bench.a.stream(1).expect("open");
    let ppi = crate::types::PayloadProtocolIdentifier::Binary;
    assert_eq!(stream.write_with_ppi(b"x", ppi), Err(Error::NotEstablished));
    // SHUTDOWN acknowledges too.
    let last = bench.last_tsn();
    bench.receive(|packet| {
        packet.push_shutdown(last);
    });
    assert!(matches!(bench.chunks()[..], [Chunk::ShutdownAck]));
    assert_eq!(bench.a.state, State::ShutdownAckSent);
    bench.receive(|packet| {
        packet.push_shutdown_complete(false);
    });
    assert_eq!(lost(&mut bench), Some(AssociationError::Closed));
}

#[test]
fn data_after_our_shutdown_is_acknowledged_together_with_shutdown_9_2() {
    let mut bench = Bench::established();
    bench.a.shutdown().expect("never fails");
    assert!(matches!(bench.chunks()[..], [Chunk::Shutdown { .. }]));
    bench.data(PEER_TSN, 1, 0);
    let chunks = bench.chunks();
    let [Chunk::Shutdown { cumulative }, Chunk::Sack(_)] = &chunks[..] else {
        panic!("{chunks:?}");
    };
    assert_eq!(*cumulative, PEER_TSN);
    // What it brought can still be read.
    let mut stream = bench.a.stream(1).expect("the peer opened it");
    assert!(stream.read().is_ok_and(|m| m.is_some()));
}

#[test]
fn shutdown_and_shutdown_ack_meet_9_2() {
    let mut bench = Bench::established();
    bench.a.shutdown().expect("never fails");
    bench.sent();
    let last = bench.last_tsn();
    bench.receive(|packet| {
        packet.push_shutdown(last);
    });
    assert_eq!(bench.a.state, State::ShutdownAckSent);
    assert!(matches!(bench.chunks()[..], [Chunk::ShutdownAck]));
    bench.receive(|packet| {
        packet.push_shutdown_ack();
    });
    assert!(matches!(
        bench.chunks()[..],
        [Chunk::ShutdownComplete { no_tag: false }]
    ));
    assert_eq!(lost(&mut bench), Some(AssociationError::Closed));
}

#[test]
fn init_in_shutdown_ack_sent_is_answered_with_shutdown_ack_9_2() {
    let mut bench = Bench::established();
    let last = bench.last_tsn();
    bench.receive(|packet| {
        packet.push_shutdown(last);
    });
    bench.sent();
    bench.receive_with_tag(0, |packet| {
        packet.push_init(&peer_init());
    });
    assert!(matches!(bench.chunks()[..], [Chunk::ShutdownAck]));
}

#[test]
fn shutdown_ack_of_an_association_we_do_not_have_is_answered_with_its_own_tag_8_4() {
    let mut over = Bench::established();
    over.a.shutdown().expect("never fails");
    over.sent();
    over.receive(|packet| {
        packet.push_shutdown_ack();
    });
    over.sent();
    // Our SHUTDOWN COMPLETE was lost and the peer asks again.
    for mut bench in [Bench::waiting(), Bench::echoed(), over] {
        let tag = bench.a.local.tag;
        let state = bench.a.state;
        bench.receive(|packet| {
            packet.push_shutdown_ack();
        });
        let sent = bench.sent();
        let [(reflected, chunks)] = &sent[..] else {
            panic!("{sent:?}");
        };
        assert_eq!(*reflected, tag);
        assert!(matches!(
            chunks[..],
            [Chunk::ShutdownComplete { no_tag: true }]
        ));
        assert_eq!(bench.a.state, state);
    }
}

#[test]
fn chunks_of_the_shutdown_change_nothing_where_they_do_not_belong() {
    let mut bench = Bench::established();
    bench.receive(|packet| {
        packet.push_shutdown_ack();
    });
    bench.receive(|packet| {
        packet.push_shutdown_complete(false);
    });
    bench.receive_with_tag(PEER_TAG, |packet| {
        packet.push_shutdown_complete(true);
    });
    assert_eq!(bench.a.state, State::Established);
    assert!(bench.sent().is_empty());
    for mut bench in [Bench::waiting(), Bench::echoed()] {
        let state = bench.a.state;
        bench.receive(|packet| {
            packet.push_shutdown(Tsn(5));
        });
        assert_eq!(bench.a.state, state);
    }
}

#[test]
fn nothing_happens_in_a_closed_association() {
    let mut bench = Bench::established();
    bench.receive(|packet| {
        packet.push_abort(false, &[]);
    });
    lost(&mut bench);
    bench.data(PEER_TSN, 1, 0);
    bench.receive_with_tag(0, |packet| {
        packet.push_init(&peer_init());
    });
    bench.receive(|packet| {
        packet.push_heartbeat(b"x");
    });
    bench.pass_time(Duration::from_secs(3600));
    assert!(bench.sent().is_empty());
    assert_eq!(bench.a.poll(), None);
    assert_eq!(bench.a.poll_timeout(), None);
}

#[test]
fn a_message_larger_than_agreed_is_refused_with_abort() {
    let mut bench = Bench::established();
    let mut tsn = PEER_TSN;
    let mut begin = true;
    while bench.a.state == State::Established {
        bench.receive(|packet| {
            let part = DataHeader {
                begin,
                end: false,
                ..header(tsn, 1, 0)
            };
            packet.push_data(&part, &[0; 1000]);
        });
        (tsn, begin) = (tsn.next(), false);
    }
    // 256 KiB, and not one part more than needed.
    assert_eq!(tsn.since(PEER_TSN), 263);
    let chunks = bench.chunks();
    assert!(matches!(chunks[..], [Chunk::Abort { .. }]), "{chunks:?}");
    assert_eq!(lost(&mut bench), Some(AssociationError::MessageTooLarge));
}
