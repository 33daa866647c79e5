//! RFC 9260 sections 3.2, 8.3 and 8.5: unknown chunks, heartbeats, tags, and packets that cannot be read.
//! A bad packet never ends an association.

use super::*;
use crate::error::Error;

/// Gives a finished packet its checksum again.
fn sealed(mut datagram: Vec<u8>) -> Vec<u8> {
    datagram[8..12].fill(0);
    let sum = crc_fast::crc32_iscsi(&datagram);
    datagram[8..12].copy_from_slice(&sum.to_le_bytes());
    datagram
}

/// A packet with an unknown chunk and DATA behind it.
fn with_unknown(bench: &Bench, kind: u8) -> Vec<u8> {
    let mut packet = Builder::new(bench.a.local.tag, 1400);
    packet.push_heartbeat(b"unknown!");
    packet.push_data(&header(PEER_TSN, 1, 0), b"data");
    let mut datagram = packet.finish();
    datagram[12] = kind;
    sealed(datagram)
}

#[test]
fn the_two_highest_bits_say_what_becomes_of_an_unknown_chunk() {
    for (kind, read_on, reported) in [
        (0x3f, false, false),
        (0x7f, false, true),
        (0xbf, true, false),
        (0xff, true, true),
    ] {
        let mut bench = Bench::established();
        bench.receive_bytes(with_unknown(&bench, kind));
        assert_eq!(bench.a.received_up_to() == PEER_TSN, read_on, "{kind:#x}");
        let error = |chunk: &Chunk| matches!(chunk, Chunk::Error(causes) if causes.iter().any(|(code, value)| code == 6 && value[0] == kind));
        assert_eq!(bench.chunks().iter().any(error), reported, "{kind:#x}");
        assert_eq!(bench.a.state, State::Established);
    }
}

#[test]
fn a_flood_of_unknown_chunks_and_heartbeats_gets_some_answers_only() {
    let mut bench = Bench::established();
    for _ in 0..1000 {
        bench.receive_bytes(with_unknown(&bench, 0xff));
        bench.receive(|packet| {
            packet.push_heartbeat(&[7; 500]);
        });
    }
    let chunks = bench.chunks();
    assert!(chunks.len() <= 10, "{}", chunks.len());
}

#[test]
fn a_heartbeat_is_answered_with_its_own_bytes_8_3() {
    let mut bench = Bench::established();
    bench.receive(|packet| {
        packet.push_heartbeat(b"when it was sent");
    });
    let chunks = bench.chunks();
    let [Chunk::HeartbeatAck(value)] = &chunks[..] else {
        panic!("{chunks:?}");
    };
    // The parameter's type and length, and then its value.
    assert_eq!(&value[..4], &[0, 1, 0, 20]);
    assert_eq!(&value[4..20], b"when it was sent");
}

#[test]
fn packets_with_another_tag_are_dropped_8_5() {
    let mut bench = Bench::established();
    for tag in [0, 1, PEER_TAG, bench.a.local.tag ^ 1] {
        bench.receive_with_tag(tag, |packet| {
            packet.push_data(&header(PEER_TSN, 1, 0), b"data");
        });
        bench.receive_with_tag(tag, |packet| {
            packet.push_abort(false, &[]);
        });
        bench.receive_with_tag(tag, |packet| {
            packet.push_shutdown(bench_last());
        });
    }
    assert_eq!(bench.dropped(), 12);
    assert_eq!(bench.a.received_up_to(), PEER_TSN.prev());
    assert_eq!(bench.a.state, State::Established);
    assert!(bench.sent().is_empty());
}

fn bench_last() -> Tsn {
    Tsn(1)
}

#[test]
fn bytes_that_are_no_packet_are_dropped_and_counted() {
    let mut bench = Bench::established();
    let mut good = Builder::new(bench.a.local.tag, 1400);
    good.push_data(&header(PEER_TSN, 1, 0), b"data");
    let good = good.finish();
    for len in 0..good.len() {
        bench.receive_bytes(good[..len].to_vec());
    }
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        bench.receive_bytes(bad);
    }
    assert_eq!(bench.dropped(), 2 * good.len() as u64);
    // A chunk that cannot be read ends the reading, not the association: a SACK that is cut, behind good data.
    let mut packet = Builder::new(bench.a.local.tag, 1400);
    packet.push_data(&header(PEER_TSN, 1, 0), b"data");
    packet.push_heartbeat(b"four");
    let mut datagram = packet.finish();
    let at = 12 + 20;
    datagram[at] = 3;
    bench.receive_bytes(sealed(datagram));
    assert_eq!(bench.a.received_up_to(), PEER_TSN);
    assert_eq!(bench.a.state, State::Established);
}

#[test]
fn data_on_more_streams_than_a_peer_may_open_is_acknowledged_and_dropped() {
    let mut bench = Bench::established();
    let mut tsn = PEER_TSN;
    for stream in 0..5000 {
        bench.data(tsn, stream, 0);
        tsn = tsn.next();
    }
    bench.data(tsn, 65_535, 0);
    assert_eq!(bench.a.received_up_to(), tsn);
    assert_eq!(bench.a.streams.ids().len(), 4096);
    let transfer = bench.a.transfer.as_ref().expect("established");
    assert_eq!(transfer.receiver.held(), 4096 * 4);
}

#[test]
fn streams_that_the_peer_does_not_accept_are_not_opened() {
    let mut bench = Bench::established();
    let inbound = peer_init().inbound;
    let ppi = crate::types::PayloadProtocolIdentifier::Binary;
    assert!(bench.a.open_stream(inbound - 1, ppi).is_ok());
    let refused = bench.a.open_stream(inbound, ppi).map(|_| ());
    assert!(matches!(refused, Err(Error::Other(_))), "{refused:?}");
}

#[test]
fn streams_that_are_only_named_as_skipped_count_as_opened_by_the_peer() {
    let mut bench = Bench::established();
    for first in (0..5000).step_by(250) {
        bench.receive(|packet| {
            let skipped = (first..first + 250).map(|id| (id, crate::serial::Ssn(3)));
            assert!(packet.push_forward_tsn(PEER_TSN + u32::from(first), skipped));
        });
    }
    assert_eq!(bench.a.streams.ids().len(), 4096);
    let transfer = bench.a.transfer.as_ref().expect("established");
    assert_eq!(transfer.receiver.counters.no_stream, 5000 - 4096);
    // Of those that were let in the next message is the one after the skipped.
    bench.data(PEER_TSN + 4751, 7, 4);
    let readable = crate::types::StreamEvent::Readable { id: 7 };
    assert_eq!(bench.a.poll(), Some(Event::Stream(readable)));
}

#[test]
fn nothing_is_done_for_an_idle_pass() {
    let mut bench = Bench::established();
    assert!(bench.sent().is_empty());
    assert!(!bench.a.control.wanted);
    assert_eq!(bench.a.poll(), None);
    let deadline = bench.a.poll_timeout();
    // Only the look for silence is due.
    assert_eq!(deadline, Some(bench.now + crate::association::timers::IDLE));
}
