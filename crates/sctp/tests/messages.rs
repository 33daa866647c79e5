//! Messages through two associations: sizes, order, empty ones, limits, amounts waiting.
//! Loss and throughput have tests of their own.

mod pair;

use std::time::Duration;

use pair::{CLIENT, Pair, SERVER, kind, kinds};
use sctp_proto::{Error, Event, PayloadProtocolIdentifier as Ppi, ReliabilityType, StreamEvent};

const SECOND: Duration = Duration::from_secs(1);

fn pattern(len: usize, seed: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 7 + seed * 13) as u8).collect()
}

#[test]
fn messages_of_any_size_arrive_whole_and_in_order() {
    let mut pair = Pair::established();
    pair.peers[CLIENT].open(5);
    let sizes = [
        1,
        2,
        3,
        4,
        5,
        1060,
        1061,
        1062,
        1063,
        1064,
        2120,
        2121,
        48 << 10,
        256 << 10,
    ];
    let mut expected = Vec::new();
    for (seed, len) in sizes.into_iter().enumerate() {
        let message = pattern(len, seed);
        pair.peers[CLIENT].write(5, &message);
        expected.push(message);
    }
    let mut got = Vec::new();
    pair.run(5 * SECOND, |pair| {
        while let Some((ppi, message)) = pair.peers[SERVER].read(5) {
            assert_eq!(ppi, Ppi::Binary);
            got.push(message);
        }
        got.len() == expected.len()
    });
    assert!(got == expected);
    let readable = Event::Stream(StreamEvent::Readable { id: 5 });
    let seen = pair.peers[SERVER].events.iter().filter(|e| **e == readable);
    assert_eq!(seen.count(), 1, "a stream of the peer is announced once");
    // Every packet but the last of a message is full, and none is larger.
    let largest = pair.sent.iter().map(|(_, p)| p.len()).max();
    assert_eq!(largest, Some(28 + 1060));
}

#[test]
fn messages_go_both_ways_on_many_streams_at_once() {
    let mut pair = Pair::established();
    for id in 0..50 {
        let opener = usize::from(id % 2);
        pair.peers[opener].open(id);
        for part in 0..10 {
            pair.peers[opener].write(id, &pattern(3000 + part, id.into()));
        }
    }
    let mut got = vec![0; 50];
    pair.run(5 * SECOND, |pair| {
        for id in 0..50_u16 {
            let reader = 1 - usize::from(id % 2);
            while let Some((_, message)) = pair.peers[reader].read(id) {
                let part = got[usize::from(id)];
                assert!(message == pattern(3000 + part, id.into()), "stream {id}");
                got[usize::from(id)] += 1;
            }
        }
        got.iter().all(|parts| *parts == 10)
    });
}

#[test]
fn an_empty_message_arrives_as_one_with_its_own_identifier() {
    let mut pair = Pair::established();
    pair.peers[CLIENT].open(1);
    let association = pair.peers[CLIENT].association();
    let mut stream = association.stream(1).expect("the stream exists");
    assert_eq!(stream.write_with_ppi(&[], Ppi::StringEmpty), Ok(0));
    assert_eq!(stream.write_with_ppi(&[], Ppi::BinaryEmpty), Ok(0));
    assert_eq!(stream.write_with_ppi(&[], Ppi::String), Ok(0));
    assert_eq!(stream.write_with_ppi(&[], Ppi::Binary), Ok(0));
    assert_eq!(
        stream.write_with_ppi(&[], Ppi::Dcep),
        Err(Error::EmptyMessage)
    );
    let mut got = Vec::new();
    pair.run(SECOND, |pair| {
        got.extend(std::iter::from_fn(|| pair.peers[SERVER].read(1)));
        got.len() == 4
    });
    let identifiers: Vec<_> = got.iter().map(|(ppi, _)| *ppi).collect();
    let (text, bytes) = (Ppi::StringEmpty, Ppi::BinaryEmpty);
    assert_eq!(identifiers, [text, bytes, text, bytes]);
    assert!(got.iter().all(|(_, message)| message.len() == 1));
}

#[test]
fn a_message_above_the_peers_limit_is_refused_and_nothing_of_it_is_sent() {
    let mut pair = Pair::established();
    pair.peers[CLIENT].open(1);
    let association = pair.peers[CLIENT].association();
    association.set_max_send_message_size(1000);
    let mut stream = association.stream(1).expect("the stream exists");
    let refused = stream.write_with_ppi(&[0; 1001], Ppi::Binary);
    let (size, limit) = (1001, 1000);
    assert_eq!(refused, Err(Error::MessageTooLarge { size, limit }));
    assert_eq!(stream.buffered_amount(), Ok(0));
    assert_eq!(stream.write_with_ppi(&[0; 1000], Ppi::Binary), Ok(1000));
    association.set_max_send_message_size(0);
    let mut stream = association.stream(1).expect("the stream exists");
    assert_eq!(stream.write_with_ppi(&[0; 5000], Ppi::Binary), Ok(5000));
}

#[test]
fn a_message_above_our_own_limit_ends_the_association() {
    let mut pair = Pair::established();
    pair.peers[CLIENT].open(1);
    // The transport's default limit is 256 KiB.
    pair.peers[CLIENT].write(1, &pattern((256 << 10) + 1, 0));
    pair.run(5 * SECOND, |pair| pair.peers.iter().all(|p| p.lost()));
    assert_eq!(pair.count(SERVER, kind::ABORT), 1);
}

#[test]
fn the_amount_waiting_counts_bytes_that_are_in_no_packet_yet() {
    let mut pair = Pair::established();
    pair.peers[CLIENT].open(1);
    let waiting = |pair: &mut Pair| {
        let association = pair.peers[CLIENT].association();
        let stream = association.stream(1).expect("the stream exists");
        stream.buffered_amount().expect("always known")
    };
    assert_eq!(waiting(&mut pair), 0);
    pair.peers[CLIENT].write(1, &pattern(3000, 0));
    assert_eq!(waiting(&mut pair), 3000);
    pair.pass();
    // In packets now, though the peer has not seen any of it.
    assert_eq!(waiting(&mut pair), 0);
}

#[test]
fn running_low_is_reported_once_for_each_fall_below_the_threshold() {
    let mut pair = Pair::established();
    pair.peers[CLIENT].open(1);
    let association = pair.peers[CLIENT].association();
    let mut stream = association.stream(1).expect("the stream exists");
    stream
        .set_buffered_amount_low_threshold(1000)
        .expect("the association is established");
    let low = Event::Stream(StreamEvent::BufferedAmountLow { id: 1 });
    for round in 1..=3 {
        pair.peers[CLIENT].write(1, &pattern(500, 0));
        pair.wait(SECOND);
        pair.peers[CLIENT].write(1, &pattern(5000, 0));
        pair.wait(SECOND);
        let seen = pair.peers[CLIENT].events.iter().filter(|e| **e == low);
        assert_eq!(seen.count(), round);
        while pair.peers[SERVER].read(1).is_some() {}
    }
}

#[test]
fn unordered_messages_are_marked_and_opening_messages_are_not() {
    let mut pair = Pair::established();
    pair.peers[CLIENT].open(1);
    let association = pair.peers[CLIENT].association();
    let mut stream = association.stream(1).expect("the stream exists");
    stream
        .set_reliability_params(true, ReliabilityType::Rexmit, 0)
        .expect("the association is established");
    pair.sent.clear();
    stream = pair.peers[CLIENT]
        .association()
        .stream(1)
        .expect("the stream exists");
    stream.write_with_ppi(&[3], Ppi::Dcep).expect("written");
    pair.pass();
    stream = pair.peers[CLIENT]
        .association()
        .stream(1)
        .expect("the stream exists");
    stream.write_with_ppi(&[4], Ppi::Binary).expect("written");
    pair.pass();
    let data: Vec<_> = pair.sent.iter().map(|(_, p)| p.clone()).collect();
    let flags: Vec<_> = data.iter().map(|p| p[13] & 4).collect();
    assert_eq!(flags, [0, 4]);
    assert!(data.iter().all(|p| kinds(p) == [kind::DATA]));
}

#[test]
fn before_the_peer_is_heard_one_packet_is_sent() {
    let mut pair = Pair::new();
    let transport = pair::transport();
    let token = || sctp_proto::generate_snap_token(&transport).expect("a token");
    let (a, b) = (token(), token());
    let address = "1.1.1.1:5000".parse().expect("an address");
    for (who, ours, theirs) in [(CLIENT, &a, &b), (SERVER, &b, &a)] {
        let config = sctp_proto::ClientConfig::new().with_snap(ours.clone(), theirs.clone());
        let connected = pair.peers[who].endpoint.connect(config, address);
        pair.peers[who].association = Some(connected.expect("the tokens are good").1);
    }
    pair.peers[CLIENT].open(1);
    let message = pattern(48 << 10, 0);
    pair.peers[CLIENT].write(1, &message);
    pair.pass();
    assert_eq!(pair.sent.len(), 1);
    let mut got = None;
    pair.run(SECOND, |pair| {
        got = got.take().or_else(|| pair.peers[SERVER].read(1));
        got.is_some()
    });
    assert!(got.is_some_and(|(_, bytes)| bytes == message));
}

/// A stream with these settings, opened as data channels are: with a message that is ordered and reliable.
fn open_with(pair: &mut Pair, unordered: bool, kind: ReliabilityType, value: u32) {
    pair.peers[CLIENT].open(1);
    let association = pair.peers[CLIENT].association();
    let mut stream = association.stream(1).expect("the stream exists");
    stream
        .set_reliability_params(unordered, kind, value)
        .expect("the association is established");
    let opening = stream.write_with_ppi(&[3; 20], Ppi::Dcep);
    assert_eq!(opening, Ok(20));
    pair.run(SECOND, |pair| pair.peers[SERVER].read(1).is_some());
    pair.wait(SECOND);
}

#[test]
fn messages_of_every_reliability_arrive_on_a_good_line() {
    use ReliabilityType::{Reliable, Rexmit, Timed};
    for unordered in [false, true] {
        for (kind, value) in [
            (Reliable, 0),
            (Rexmit, 0),
            (Rexmit, 3),
            (Timed, 20),
            (Timed, 200),
        ] {
            let mut pair = Pair::established();
            open_with(&mut pair, unordered, kind, value);
            for len in [5000, 700, 5000] {
                let sent = pair.now;
                pair.peers[CLIENT].write(1, &pattern(len, 1));
                let mut got = None;
                pair.run(SECOND, |pair| {
                    got = got.take().or_else(|| pair.peers[SERVER].read(1));
                    got.is_some()
                });
                assert!(got.is_some_and(|(_, m)| m == pattern(len, 1)));
                assert!(
                    pair.now - sent <= Duration::from_millis(15),
                    "{unordered} {kind:?}"
                );
                pair.wait(SECOND);
            }
        }
    }
}

#[test]
fn a_lost_message_does_not_delay_the_next_of_an_unordered_stream() {
    let mut pair = Pair::established();
    open_with(&mut pair, true, ReliabilityType::Timed, 200);
    pair.filter = Box::new(|_, _| false);
    pair.peers[CLIENT].write(1, &pattern(700, 1));
    pair.wait(Duration::from_millis(5));
    pair.filter = Box::new(|_, _| true);
    pair.peers[CLIENT].write(1, &pattern(700, 2));
    let sent = pair.now;
    let mut got = None;
    pair.run(SECOND, |pair| {
        got = got.take().or_else(|| pair.peers[SERVER].read(1));
        got.is_some()
    });
    assert!(got.is_some_and(|(_, m)| m == pattern(700, 2)));
    assert_eq!(pair.now - sent, Duration::from_millis(10));
}

#[test]
fn the_handle_of_a_scope_shows_the_figures_of_its_association() {
    use sctp_proto::tuning::{Congestion, Tuning, scope};
    let mut pair = Pair::new();
    let mut tuning = Tuning::default();
    tuning.receive_window = 2 << 20;
    tuning.congestion = Congestion::NewReno;
    let (endpoint, ours) = scope(tuning, || {
        sctp_proto::Endpoint::new(Default::default(), None)
    });
    let (server, theirs) = scope(Tuning::default(), pair::endpoint_in_scope);
    pair.peers[CLIENT].endpoint = endpoint;
    pair.peers[SERVER].endpoint = server;
    pair.connect(CLIENT);
    pair.run(SECOND, |pair| pair.peers.iter().all(|p| p.connected()));
    pair.peers[CLIENT].open(1);
    for _ in 0..10 {
        pair.peers[CLIENT].write(1, &pattern(20_000, 3));
    }
    let mut got = 0;
    pair.run(5 * SECOND, |pair| {
        got += std::iter::from_fn(|| pair.peers[SERVER].read(1)).count();
        got == 10
    });
    pair.wait(SECOND);
    let (sent, received) = (ours.snapshot(), theirs.snapshot());
    assert_eq!(
        (sent.bytes_sent, sent.unsent, sent.outstanding),
        (200_000, 0, 0)
    );
    assert_eq!((received.bytes_received, received.held), (200_000, 0));
    assert!(sent.packets_sent >= received.packets_received && received.packets_received >= 190);
    assert!(sent.peer_window > 7 << 20 && received.peer_window == 2 << 20);
    assert!(sent.srtt >= Duration::from_millis(20) && sent.srtt < Duration::from_millis(50));
    assert_eq!(sent.dropped + received.dropped + sent.packets_lost, 0);
    assert_eq!(
        ours.stream(1).map(|s| (s.bytes_sent, s.outstanding)),
        Some((200_000, 0))
    );
    assert_eq!(theirs.stream(1).map(|s| s.bytes_received), Some(200_000));
    assert_eq!(ours.stream(2), None);
    // Reading can be paused from outside.
    theirs.set_reading(false);
    pair.peers[CLIENT].write(1, &pattern(1000, 4));
    pair.wait(SECOND);
    assert!(pair.peers[SERVER].read(1).is_none());
    assert_eq!(theirs.snapshot().held, 1000);
    theirs.set_reading(true);
    assert!(pair.peers[SERVER].read(1).is_some());
}

#[test]
fn a_reliable_message_behind_one_that_was_given_up_is_not_skipped_with_it() {
    let mut pair = Pair::established();
    for id in [1, 3] {
        pair.peers[CLIENT].open(id);
        pair.peers[CLIENT].write(id, b"hello");
    }
    let mut lossy = pair.peers[CLIENT].association().stream(1).expect("open");
    lossy
        .set_reliability_params(true, ReliabilityType::Rexmit, 0)
        .expect("established");
    pair.wait(2 * SECOND);
    for id in [1, 3] {
        assert!(pair.peers[SERVER].read(id).is_some());
    }
    // Lost are the message that is sent once, and twice the second part of the reliable one: its first part is acknowledged above the gap.
    let mut count = 0;
    pair.filter = Box::new(move |who, packet| {
        let data = who == CLIENT && kinds(packet).contains(&kind::DATA);
        count += u32::from(data);
        !data || ![1, 3, 7].contains(&count)
    });
    pair.peers[CLIENT].write(1, &[7; 1000]);
    pair.pass();
    pair.peers[CLIENT].write(3, &[8; 5000]);
    pair.wait(10 * SECOND);
    pair.peers[CLIENT].write(3, b"next");
    pair.wait(10 * SECOND);
    assert!(pair.count(CLIENT, kind::FORWARD_TSN) > 0);
    let got: Vec<_> = std::iter::from_fn(|| pair.peers[SERVER].read(3)).collect();
    let lengths: Vec<_> = got.iter().map(|(_, message)| message.len()).collect();
    assert_eq!(lengths, [5000, 4]);
    assert!(pair.peers[SERVER].read(1).is_none());
}
