//! Closing streams and using their ids again: the order of the events, lost packets, both sides at once, many times.
//! The single cases of RFC 6525 are beside the code.

mod pair;

use std::time::Duration;

use pair::{CLIENT, Pair, Peer, SERVER, drop_first, kind};
use sctp_proto::{Error, Event, PayloadProtocolIdentifier as Ppi, ReliabilityType, StreamEvent};

const SECOND: Duration = Duration::from_secs(1);

/// The events about one stream, in order.
fn events_of(peer: &Peer, wanted: u16) -> Vec<StreamEvent> {
    let about = |event: &Event| match event {
        Event::Stream(event) => match event {
            StreamEvent::Readable { id }
            | StreamEvent::Finished { id }
            | StreamEvent::ResetComplete { id }
                if *id == wanted =>
            {
                Some(*event)
            }
            _ => None,
        },
        _ => None,
    };
    peer.events.iter().filter_map(about).collect()
}

fn completed(pair: &Pair, id: u16) -> bool {
    let complete = |peer: &Peer| peer.saw(StreamEvent::ResetComplete { id });
    pair.peers.iter().all(complete)
}

/// A stream that both sides know, with one message read on each.
fn opened(id: u16) -> Pair {
    let mut pair = Pair::established();
    pair.peers[CLIENT].open(id);
    pair.peers[CLIENT].write(id, b"to the server");
    pair.run(SECOND, |pair| pair.peers[SERVER].read(id).is_some());
    pair.peers[SERVER].write(id, b"to the client");
    pair.run(SECOND, |pair| pair.peers[CLIENT].read(id).is_some());
    pair
}

/// The server reads what the client wrote on id 3 after it had used it before.
fn assert_second_life(pair: &mut Pair, within: Duration) {
    let mut got = None;
    pair.run(within, |pair| {
        got = got.take().or_else(|| pair.peers[SERVER].read(3));
        got.is_some()
    });
    assert_eq!(
        got.map(|(_, message)| message).as_deref(),
        Some(&b"second life"[..])
    );
}

#[test]
fn closing_a_stream_finishes_it_and_then_frees_its_id_on_both_sides() {
    let mut pair = opened(3);
    pair.peers[CLIENT].close(3);
    let association = pair.peers[CLIENT].association();
    let stream = association.stream(3).expect("still there");
    assert!(!stream.is_readable() && !stream.is_writable());
    let again = association.open_stream(3, Ppi::Unknown).map(|_| ());
    assert_eq!(again, Err(Error::ErrStreamAlreadyExist));
    pair.run(SECOND, |pair| completed(pair, 3));
    let (id, finished) = (3, StreamEvent::Finished { id: 3 });
    let complete = StreamEvent::ResetComplete { id };
    assert_eq!(events_of(&pair.peers[CLIENT], 3), [finished, complete]);
    let readable = StreamEvent::Readable { id };
    assert_eq!(
        events_of(&pair.peers[SERVER], 3),
        [readable, finished, complete]
    );
    for peer in &mut pair.peers {
        assert!(peer.association().stream(3).is_err());
        peer.open(3);
    }
}

#[test]
fn what_was_written_before_the_close_is_read_before_the_end_is_reported() {
    let mut pair = opened(3);
    for part in 0..20 {
        pair.peers[CLIENT].write(3, &[part; 5000]);
    }
    pair.peers[CLIENT].close(3);
    pair.wait(SECOND);
    assert!(!pair.peers[SERVER].saw(StreamEvent::Finished { id: 3 }));
    for part in 0..20 {
        let (_, message) = pair.peers[SERVER].read(3).expect("it arrived");
        assert_eq!(message, [part; 5000]);
    }
    pair.run(SECOND, |pair| completed(pair, 3));
}

#[test]
fn what_was_not_read_at_the_close_is_dropped_and_its_window_given_back() {
    let mut pair = opened(3);
    pair.peers[CLIENT].write(3, &[0; 100_000]);
    pair.wait(SECOND);
    pair.peers[SERVER].close(3);
    assert!(pair.peers[SERVER].read(3).is_none());
    pair.run(SECOND, |pair| completed(pair, 3));
    // Eight times the window would not fit if it were held.
    pair.peers[CLIENT].open(5);
    for _ in 0..80 {
        pair.peers[CLIENT].write(5, &[1; 200_000]);
        let mut got = None;
        pair.run(5 * SECOND, |pair| {
            got = got.take().or_else(|| pair.peers[SERVER].read(5));
            got.is_some()
        });
    }
}

#[test]
fn both_sides_may_close_at_once() {
    let mut pair = opened(3);
    pair.peers[CLIENT].close(3);
    pair.peers[SERVER].close(3);
    pair.run(SECOND, |pair| completed(pair, 3));
    for peer in &pair.peers {
        let ends = events_of(peer, 3);
        let tail = &ends[ends.len() - 2..];
        let (finished, complete) = (
            StreamEvent::Finished { id: 3 },
            StreamEvent::ResetComplete { id: 3 },
        );
        assert_eq!(tail, [finished, complete]);
    }
}

#[test]
fn a_lost_request_or_answer_is_made_up_for() {
    for who in [CLIENT, SERVER] {
        for times in 1..=3 {
            let mut pair = opened(3);
            pair.filter = drop_first(who, kind::RECONFIG, times);
            pair.peers[CLIENT].close(3);
            pair.run(10 * SECOND, |pair| completed(pair, 3));
            for peer in &pair.peers {
                let finished = StreamEvent::Finished { id: 3 };
                let seen = events_of(peer, 3).into_iter().filter(|e| *e == finished);
                assert_eq!(seen.count(), 1);
            }
        }
    }
}

#[test]
fn the_next_stream_of_an_id_may_begin_before_our_reset_is_confirmed() {
    let mut pair = opened(3);
    // The server's confirmation is lost: to the client everything is complete before it is to the server.
    pair.peers[CLIENT].close(3);
    pair.run(SECOND, |pair| {
        pair.peers[SERVER].saw(StreamEvent::Finished { id: 3 })
    });
    pair.filter = drop_first(CLIENT, kind::RECONFIG, 1);
    pair.run(SECOND, |pair| {
        pair.peers[CLIENT].saw(StreamEvent::ResetComplete { id: 3 })
    });
    pair.peers[CLIENT].open(3);
    pair.peers[CLIENT].write(3, b"second life");
    assert_second_life(&mut pair, 5 * SECOND);
    let id = 3;
    let expected = [
        StreamEvent::Readable { id },
        StreamEvent::Finished { id },
        StreamEvent::ResetComplete { id },
        StreamEvent::Readable { id },
    ];
    assert_eq!(events_of(&pair.peers[SERVER], 3), expected);
}

#[test]
fn an_id_used_anew_in_the_batch_that_ends_it_is_announced() {
    let mut pair = opened(3);
    pair.peers[SERVER].events.clear();
    pair.peers[CLIENT].close(3);
    // The client uses the id again in the pass that tells it that it is free: its confirmation and the message travel together.
    pair.run(SECOND, |pair| {
        let free = pair.peers[CLIENT].saw(StreamEvent::ResetComplete { id: 3 });
        if free {
            pair.peers[CLIENT].open(3);
            pair.peers[CLIENT].write(3, b"second life");
        }
        free
    });
    assert_second_life(&mut pair, SECOND);
    let id = 3;
    let expected = [
        StreamEvent::Finished { id },
        StreamEvent::ResetComplete { id },
        StreamEvent::Readable { id },
    ];
    assert_eq!(events_of(&pair.peers[SERVER], 3), expected);
}

#[test]
fn the_end_of_a_stream_waits_no_longer_for_a_message_that_ran_out_of_time_unsent() {
    let mut pair = opened(3);
    let association = pair.peers[CLIENT].association();
    let mut stream = association.stream(3).expect("open");
    stream
        .set_reliability_params(false, ReliabilityType::Timed, 0)
        .expect("established");
    pair.peers[CLIENT].write(3, b"never");
    pair.peers[CLIENT].close(3);
    pair.run(SECOND, |pair| completed(pair, 3));
    assert!(pair.peers[SERVER].read(3).is_none());
}

#[test]
fn an_id_can_be_used_a_thousand_times() {
    let mut pair = Pair::established();
    for round in 0..1000_u32 {
        let closer = (round % 3) as usize;
        pair.peers[CLIENT].open(7);
        pair.peers[CLIENT].write(7, &round.to_be_bytes());
        let mut got = None;
        pair.run(SECOND, |pair| {
            got = got.take().or_else(|| pair.peers[SERVER].read(7));
            got.is_some()
        });
        assert_eq!(got.map(|(_, m)| m), Some(round.to_be_bytes().to_vec()));
        for peer in &mut pair.peers {
            peer.events.clear();
        }
        for who in [CLIENT, SERVER] {
            if closer == 2 || closer == who {
                pair.peers[who].close(7);
            }
        }
        pair.run(SECOND, |pair| completed(pair, 7));
        pair.sent.clear();
    }
}

#[test]
fn four_hundred_streams_close_together() {
    let mut pair = Pair::established();
    for id in 0..400 {
        pair.peers[CLIENT].open(id);
        pair.peers[CLIENT].write(id, &[1; 100]);
    }
    pair.run(5 * SECOND, |pair| {
        (0..400).all(|id| pair.peers[SERVER].saw(StreamEvent::Readable { id }))
    });
    for id in 0..400 {
        assert!(pair.peers[SERVER].read(id).is_some());
        pair.peers[CLIENT].close(id);
    }
    pair.run(5 * SECOND, |pair| (0..400).all(|id| completed(pair, id)));
}

#[test]
fn a_closed_stream_takes_no_message_and_a_second_close_does_no_harm() {
    let mut pair = opened(3);
    pair.peers[CLIENT].close(3);
    pair.peers[CLIENT].close(3);
    let association = pair.peers[CLIENT].association();
    let mut stream = association.stream(3).expect("still there");
    let refused = stream.write_with_ppi(b"late", Ppi::Binary);
    assert_eq!(refused, Err(Error::StreamClosed));
    assert_eq!(stream.read().map(|read| read.is_none()), Ok(true));
    pair.run(SECOND, |pair| completed(pair, 3));
    assert_eq!(
        pair.count(CLIENT, kind::RECONFIG),
        2,
        "one request, one answer"
    );
}
