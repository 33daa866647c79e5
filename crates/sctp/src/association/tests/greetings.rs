//! RFC 9260 sections 5.1 and 5.2: INIT, INIT ACK, COOKIE ECHO, COOKIE ACK and stale cookies in each state.
//! Section 8.5 for the tags they carry.

use std::time::Duration;

use super::*;
use crate::error::AssociationError;
use crate::wire::Cause;

/// The INIT ACK that answers `init`, with the tag of its packet.
fn answer_to(bench: &mut Bench, init: &Init) -> (Init, bytes::Bytes) {
    bench.receive_with_tag(0, |packet| {
        packet.push_init(init);
    });
    let sent = bench.sent();
    match &sent[..] {
        [(tag, chunks)] => {
            assert_eq!(*tag, init.tag);
            match &chunks[..] {
                [Chunk::InitAck(answer, cookie)] => (answer.clone(), cookie.clone()),
                other => panic!("{other:?}"),
            }
        }
        other => panic!("{other:?}"),
    }
}

fn listening() -> Bench {
    Bench::new(Association::listen(setup()))
}

#[test]
fn init_says_what_this_side_can_do() {
    let mut bench = Bench::new(Association::connect(setup()));
    let sent = bench.sent();
    let [(0, chunks)] = &sent[..] else {
        panic!("{sent:?}");
    };
    let [Chunk::Init(init)] = &chunks[..] else {
        panic!("{chunks:?}");
    };
    assert!(init.tag != 0 && init.initial_tsn != Tsn(0));
    assert_eq!(init.a_rwnd, 1 << 20);
    assert_eq!((init.outbound, init.inbound), (65_535, 65_535));
    assert!(init.forward_tsn && init.reconfig);
}

#[test]
fn a_cookie_that_comes_back_establishes_the_answering_side() {
    let mut bench = listening();
    let (answer, cookie) = answer_to(&mut bench, &peer_init());
    assert_eq!(bench.a.state, State::Listen);
    bench.receive_with_tag(answer.tag, |packet| {
        packet.push_cookie_echo(&cookie);
        packet.push_data(&header(PEER_TSN, 3, 0), b"with the cookie");
    });
    assert_eq!(bench.a.poll(), Some(Event::Connected));
    let chunks = bench.chunks();
    assert!(
        matches!(chunks[..], [Chunk::CookieAck, Chunk::Sack(_)]),
        "{chunks:?}"
    );
    assert_eq!(bench.a.received_up_to(), PEER_TSN);
}

#[test]
fn a_repeated_init_is_answered_with_the_same_greeting() {
    let mut bench = listening();
    let (first, _) = answer_to(&mut bench, &peer_init());
    let (second, _) = answer_to(&mut bench, &peer_init());
    assert_eq!(
        (first.tag, first.initial_tsn),
        (second.tag, second.initial_tsn)
    );
}

#[test]
fn unknown_parameters_of_init_are_reported_or_not_as_their_type_says() {
    let mut bench = listening();
    // 0xC001 report and go on; 0x8001 would be zero checksum; 0x8009 skip; 0x4001 stop and report.
    let mut bytes = Vec::new();
    for kind in [0xC001_u16, 0x8009, 0x4001, 0xC002] {
        bytes.extend_from_slice(&kind.to_be_bytes());
        bytes.extend_from_slice(&[0, 6, 1, 2, 0, 0]);
    }
    let mut packet = Builder::new(0, 1400);
    packet.push_init(&peer_init());
    let mut datagram = packet.finish();
    datagram.extend_from_slice(&bytes);
    let len = u16::try_from(datagram.len() - 12).expect("short");
    datagram[14..16].copy_from_slice(&len.to_be_bytes());
    datagram[8..12].fill(0);
    let sum = crc_fast::crc32_iscsi(&datagram);
    datagram[8..12].copy_from_slice(&sum.to_le_bytes());
    bench.receive_bytes(datagram);
    let mut raw = Vec::new();
    while let Some(transmit) = bench.a.poll_transmit(bench.now) {
        let Payload::RawEncode(packets) = transmit.payload;
        raw.extend(packets.into_iter().map(crate::types::Packet::to_vec));
    }
    assert_eq!(raw.len(), 1);
    let reported = |kind: [u8; 2]| {
        // "Unrecognized parameter", with the parameter inside.
        let wanted = [0, 8, 0, 10, kind[0], kind[1], 0, 6];
        raw[0].windows(8).any(|w| w == wanted)
    };
    assert!(reported([0xC0, 0x01]) && reported([0x40, 0x01]));
    assert!(!reported([0x80, 0x09]) && !reported([0xC0, 0x02]));
}

#[test]
fn init_with_another_chunk_or_with_a_tag_is_dropped() {
    let mut bench = listening();
    bench.receive_with_tag(0, |packet| {
        packet.push_init(&peer_init());
        packet.push_cookie_ack();
    });
    bench.receive_with_tag(9, |packet| {
        packet.push_init(&peer_init());
    });
    let tiny = Init {
        a_rwnd: 1499,
        ..peer_init()
    };
    bench.receive_with_tag(0, |packet| {
        packet.push_init(&tiny);
    });
    assert!(bench.sent().is_empty());
    assert_eq!(bench.dropped(), 3);
}

#[test]
fn in_cookie_wait_and_cookie_echoed_init_is_answered_with_our_own_init_5_2_1() {
    for mut bench in [Bench::waiting(), Bench::echoed()] {
        let (tag, tsn) = (bench.a.local.tag, bench.a.local.initial_tsn);
        let state = bench.a.state;
        let (answer, cookie) = answer_to(&mut bench, &peer_init());
        assert_eq!((answer.tag, answer.initial_tsn), (tag, tsn));
        assert_eq!(bench.a.state, state);
        // The cookie that comes back ends the handshake, with or without an answer to ours.
        bench.receive(|packet| {
            packet.push_cookie_echo(&cookie);
        });
        assert_eq!(bench.a.poll(), Some(Event::Connected));
        assert!(matches!(bench.chunks()[..], [Chunk::CookieAck]));
        // The answer to our own part of it changes nothing any more.
        bench.receive(|packet| {
            packet.push_init_ack(&peer_init(), COOKIE);
        });
        bench.receive(|packet| {
            packet.push_cookie_ack();
        });
        assert!(bench.sent().is_empty());
        assert_eq!(bench.a.poll(), None);
    }
}

#[test]
fn when_established_init_is_answered_with_a_fresh_tag_and_nothing_else_happens_5_2_2() {
    let mut bench = Bench::established();
    let rival = Init {
        tag: 77,
        ..peer_init()
    };
    let (answer, cookie) = answer_to(&mut bench, &rival);
    assert_ne!(answer.tag, bench.a.local.tag);
    assert_eq!(bench.a.state, State::Established);
    bench.data(PEER_TSN, 1, 0);
    assert_eq!(bench.a.received_up_to(), PEER_TSN);
    // 5.2.4 action A: the cookie of a peer that has forgotten us comes back.
    bench.receive_with_tag(answer.tag, |packet| {
        packet.push_cookie_echo(&cookie);
    });
    let events: Vec<_> = std::iter::from_fn(|| bench.a.poll()).collect();
    let reason = AssociationError::Restarted;
    assert_eq!(events.last(), Some(&Event::AssociationLost { reason }));
    assert!(bench.a.is_closed());
}

#[test]
fn init_ack_is_dropped_outside_cookie_wait_5_2_3() {
    for mut bench in [Bench::echoed(), Bench::established()] {
        let state = bench.a.state;
        let other = Init {
            tag: 55,
            ..peer_init()
        };
        bench.receive(|packet| {
            packet.push_init_ack(&other, b"another cookie");
        });
        assert_eq!(bench.a.state, state);
        assert_eq!(bench.a.peer.map(|p| p.tag), Some(PEER_TAG));
        assert!(bench.sent().is_empty());
        assert_eq!(bench.dropped(), 1);
    }
}

#[test]
fn a_cookie_that_came_twice_is_confirmed_again_5_2_4_action_d() {
    let mut bench = listening();
    let (answer, cookie) = answer_to(&mut bench, &peer_init());
    for _ in 0..3 {
        bench.receive_with_tag(answer.tag, |packet| {
            packet.push_cookie_echo(&cookie);
        });
        assert!(matches!(bench.chunks()[..], [Chunk::CookieAck]));
        // Also long after its life: both tags are those of the association.
        bench.pass_time(Duration::from_secs(29));
    }
    let connected = std::iter::from_fn(|| bench.a.poll());
    assert_eq!(connected.filter(|e| *e == Event::Connected).count(), 1);
}

#[test]
fn a_cookie_with_an_unknown_pair_of_tags_is_dropped_5_2_4_action_c() {
    let mut bench = Bench::established();
    let before = bench.dropped();
    // Signed by us, but for an association that never was.
    let stray = crate::cookie::Cookie {
        made: crate::time::Time(0),
        local_tag: 4711,
        local_tsn: Tsn(1),
        peer: (&peer_init()).into(),
        tie_tags: (1, 2),
    };
    let cookie = bench.a.setup.key.seal(&stray);
    bench.receive_with_tag(4711, |packet| {
        packet.push_cookie_echo(&cookie);
    });
    // The tag of the packet must be the cookie's.
    bench.receive_with_tag(4712, |packet| {
        packet.push_cookie_echo(&cookie);
    });
    // And it must be ours at all.
    bench.receive(|packet| {
        packet.push_cookie_echo(COOKIE);
    });
    assert_eq!(bench.dropped(), before + 3);
    assert_eq!(bench.a.state, State::Established);
    assert!(bench.sent().is_empty());
}

#[test]
fn a_cookie_older_than_its_life_is_refused_with_how_late_it_is() {
    let mut bench = listening();
    let (answer, cookie) = answer_to(&mut bench, &peer_init());
    bench.pass_time(Duration::from_secs(61));
    bench.receive_with_tag(answer.tag, |packet| {
        packet.push_cookie_echo(&cookie);
    });
    let chunks = bench.chunks();
    let [Chunk::Error(causes)] = &chunks[..] else {
        panic!("{chunks:?}");
    };
    assert!(causes.stale_cookie());
    assert_eq!(bench.a.state, State::Listen);
    assert_eq!(bench.a.poll(), None);
}

#[test]
fn a_stale_cookie_report_starts_the_handshake_again_once_5_2_6() {
    let mut bench = Bench::echoed();
    let stale = |packet: &mut Builder| {
        packet.push_error(&[Cause::StaleCookie(1000)]);
    };
    bench.receive(stale);
    assert_eq!(bench.a.state, State::CookieWait);
    let sent = bench.sent();
    assert!(matches!(&sent[..], [(0, chunks)] if matches!(chunks[..], [Chunk::Init(_)])));
    bench.receive(|packet| {
        packet.push_init_ack(&peer_init(), COOKIE);
    });
    assert_eq!(bench.sent().len(), 1);
    bench.receive(stale);
    assert_eq!(bench.a.state, State::CookieEchoed);
    assert!(bench.sent().is_empty());
}

#[test]
fn the_smaller_round_trip_of_the_handshake_is_where_the_sender_begins() {
    // The first answer is slow, because the layer below was not ready; the second is not.
    let mut bench = Bench::waiting();
    bench.pass_time(Duration::from_millis(400));
    bench.receive(|packet| {
        packet.push_init_ack(&peer_init(), COOKIE);
    });
    bench.sent();
    bench.pass_time(Duration::from_millis(50));
    bench.receive(|packet| {
        packet.push_cookie_ack();
    });
    let transfer = bench.a.transfer.as_ref().expect("established");
    assert_eq!(transfer.sender.snapshot().srtt, 50_000_000);
}

#[test]
fn data_instead_of_cookie_ack_proves_that_the_cookie_arrived() {
    let mut bench = Bench::echoed();
    bench.data(PEER_TSN, 1, 0);
    assert_eq!(bench.a.poll(), Some(Event::Connected));
    assert!(matches!(bench.chunks()[..], [Chunk::Sack(_)]));
}

#[test]
fn no_error_is_sent_before_the_association_is_established() {
    for mut bench in [listening(), Bench::waiting(), Bench::echoed()] {
        // An unknown chunk that asks to be reported.
        let mut packet = Builder::new(bench.a.local.tag, 1400);
        packet.push_heartbeat(b"x");
        let mut datagram = packet.finish();
        datagram[12] = 0xC5;
        datagram[8..12].fill(0);
        let sum = crc_fast::crc32_iscsi(&datagram);
        datagram[8..12].copy_from_slice(&sum.to_le_bytes());
        bench.receive_bytes(datagram);
        assert!(bench.sent().is_empty());
    }
}
