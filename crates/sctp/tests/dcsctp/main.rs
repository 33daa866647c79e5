//! Our association against the one of the dcsctp crate: opening, echo, loss, partial reliability, resets, the end.
//! dcsctp is an implementation of others; none of its code is here.

mod mixed;
#[path = "../pair/mod.rs"]
mod pair;

use std::time::Duration;

use dcsctp::api::{SendOptions, SocketEvent, SocketState, StreamId};
use mixed::{Mixed, OURS, THEIRS};
use sctp_proto::{Event, ReliabilityType, StreamEvent};

const SECOND: Duration = Duration::from_secs(1);
/// Around the user data of our packets and of theirs, and what data channels allow.
const SIZES: [usize; 12] = [
    1,
    2,
    3,
    4,
    1059,
    1060,
    1061,
    1160,
    16_384,
    65_536,
    131_072,
    256 * 1024,
];

/// The last number that [`filled`] makes unlike all before it.
const LAST: usize = 250;

fn filled(size: usize, seed: usize) -> Vec<u8> {
    (0..size).map(|i| ((i + seed) % 251) as u8).collect()
}

/// What we read next, once it is there.
fn read(mixed: &mut Mixed, id: u16) -> Option<Vec<u8>> {
    let (_, message) = mixed.ours.peers[OURS].read(id)?;
    Some(message)
}

#[test]
fn either_side_may_open_the_association_and_both_at_once() {
    for openers in [&[OURS][..], &[THEIRS], &[OURS, THEIRS]] {
        let mut mixed = Mixed::new(1);
        for who in openers {
            mixed.connect(*who);
        }
        mixed.run(SECOND, Mixed::connected);
        let connected = |event: &&Event| **event == Event::Connected;
        let events = &mixed.ours.peers[OURS].events;
        assert_eq!(events.iter().filter(connected).count(), 1, "{openers:?}");
        assert_eq!(mixed.theirs.state(), SocketState::Connected);
    }
}

#[test]
fn the_association_opens_although_a_quarter_of_the_packets_is_lost() {
    for seed in 0..40 {
        let mut mixed = Mixed::new(seed);
        mixed.loss = 250;
        mixed.connect(usize::from(seed % 2 == 1));
        mixed.run(60 * SECOND, Mixed::connected);
    }
}

#[test]
fn messages_of_every_size_go_and_come_back() {
    let mut mixed = Mixed::established(1, OURS);
    mixed.ours.peers[OURS].open(3);
    for (number, size) in SIZES.into_iter().enumerate() {
        let message = filled(size, number);
        mixed.ours.peers[OURS].write(3, &message);
        let mut got = None;
        mixed.run(5 * SECOND, |m| {
            got = m.received();
            got.is_some()
        });
        let (id, echo) = got.expect("it ran until there was one");
        assert!(id == 3 && echo == message, "{size} bytes to them");
        mixed.send(3, echo, &SendOptions::default());
        let mut back = None;
        mixed.run(5 * SECOND, |m| {
            back = read(m, 3);
            back.is_some()
        });
        assert!(back == Some(message), "{size} bytes back");
    }
}

/// Goodput in MB/s at a round trip of 50 ms, ours to theirs, everything checked.
fn goodput(loss: u64) -> f64 {
    const MESSAGES: usize = 500;
    const SIZE: usize = 49_160;
    let mut mixed = Mixed::new(7);
    mixed.delay = Duration::from_millis(25);
    mixed.loss = loss;
    mixed.connect(OURS);
    mixed.run(60 * SECOND, Mixed::connected);
    mixed.ours.peers[OURS].open(1);
    let (mut written, mut got) = (0, 0);
    let took = mixed.run(600 * SECOND, |m| {
        while written < MESSAGES && unsent(m) <= 256 * 1024 {
            m.ours.peers[OURS].write(1, &filled(SIZE, written));
            written += 1;
        }
        while let Some((_, message)) = m.received() {
            assert!(message == filled(SIZE, got), "message {got}");
            got += 1;
        }
        got == MESSAGES
    });
    assert_eq!(mixed.lost > 0, loss > 0);
    (MESSAGES * SIZE) as f64 / 1e6 / took.as_secs_f64()
}

fn unsent(mixed: &mut Mixed) -> usize {
    let association = mixed.ours.peers[OURS].association();
    let stream = association.stream(1).expect("it is open");
    stream.buffered_amount().expect("it is open")
}

#[test]
fn goodput_to_a_receiver_with_twenty_gap_blocks_holds_under_loss() {
    // What a window of 4.5 MiB, a start-up included, leaves of it; engines with a Reno window reach 0.3 and 0.1.
    for (loss, least) in [(0, 20.0), (10, 10.0), (50, 3.5)] {
        let rate = goodput(loss);
        println!("{loss} of 1000 lost: {rate:.1} MB/s");
        assert!(rate >= least, "{rate:.2} MB/s at {loss} of 1000 lost");
    }
}

#[test]
fn what_they_send_arrives_whole_and_in_order_under_loss() {
    for loss in [0, 10, 50] {
        let mut mixed = Mixed::established(3, THEIRS);
        mixed.loss = loss;
        for number in 0..60 {
            mixed.send(4, filled(49_160, number), &SendOptions::default());
        }
        let mut got = 0;
        mixed.run(600 * SECOND, |m| {
            while let Some(message) = read(m, 4) {
                assert!(message == filled(49_160, got), "message {got}");
                got += 1;
            }
            got == 60
        });
    }
}

#[test]
fn messages_we_give_up_are_skipped_and_what_follows_arrives() {
    for unordered in [false, true] {
        let mut mixed = Mixed::established(5, OURS);
        mixed.ours.peers[OURS].open(1);
        let association = mixed.ours.peers[OURS].association();
        let mut stream = association.stream(1).expect("it is open");
        stream
            .set_reliability_params(unordered, ReliabilityType::Rexmit, 0)
            .expect("they know FORWARD-TSN");
        mixed.loss = 50;
        for number in 0..240 {
            mixed.ours.peers[OURS].write(1, &filled(3_000, number));
        }
        let mut numbers = Vec::new();
        mixed.run(60 * SECOND, |m| {
            take_numbers(m, &mut numbers);
            unsent(m) == 0
        });
        mixed.loss = 0;
        mixed.ours.peers[OURS].write(1, &filled(3_000, LAST));
        mixed.run(60 * SECOND, |m| {
            take_numbers(m, &mut numbers);
            numbers.contains(&LAST)
        });
        assert!((150..240).contains(&numbers.len()), "{}", numbers.len());
        assert!(unordered || numbers.is_sorted());
        numbers.sort_unstable();
        numbers.dedup();
        assert!(numbers.len() >= 150);
    }
}

fn take_numbers(mixed: &mut Mixed, numbers: &mut Vec<usize>) {
    while let Some((_, message)) = mixed.received() {
        numbers.push(number_of(&message));
    }
}

/// Which message of 3,000 bytes it is; its bytes must be right.
fn number_of(message: &[u8]) -> usize {
    let number = usize::from(message[0]);
    assert!(message == filled(3_000, number), "damaged, or never sent");
    number
}

#[test]
fn messages_they_give_up_are_skipped_and_what_follows_arrives() {
    for unordered in [false, true] {
        let mut mixed = Mixed::established(6, OURS);
        mixed.loss = 50;
        let options = SendOptions {
            unordered,
            max_retransmissions: Some(0),
            ..SendOptions::default()
        };
        for number in 0..200 {
            mixed.send(2, filled(3_000, number), &options);
        }
        mixed.send(2, filled(3_000, LAST), &SendOptions::default());
        let mut numbers = Vec::new();
        mixed.run(120 * SECOND, |m| {
            while let Some(message) = read(m, 2) {
                numbers.push(number_of(&message));
            }
            numbers.contains(&LAST)
        });
        assert!((100..200).contains(&numbers.len()), "{}", numbers.len());
        assert!(unordered || numbers.is_sorted());
    }
}

#[test]
fn ids_are_closed_by_either_side_and_used_again_a_thousand_times() {
    let mut mixed = Mixed::established(8, OURS);
    mixed.loss = 10;
    for round in 0..1_000 {
        let message = filled(1_500, round);
        mixed.ours.peers[OURS].open(5);
        mixed.ours.peers[OURS].write(5, &message);
        mixed.run(60 * SECOND, |m| {
            m.received().is_some_and(|(_, got)| got == message)
        });
        mixed.send(5, message.clone(), &SendOptions::default());
        mixed.run(60 * SECOND, |m| {
            read(m, 5).is_some_and(|got| got == message)
        });
        mixed.events.clear();
        if round % 2 == 0 {
            mixed.ours.peers[OURS].close(5);
        } else {
            let asked = mixed.theirs.reset_streams(&[StreamId(5)]);
            asked.expect("we support resets");
        }
        let mut answered = false;
        mixed.run(60 * SECOND, |m| {
            let reset = |e: &SocketEvent| matches!(e, SocketEvent::OnIncomingStreamReset(_));
            // A data channel ends in both directions: they answer our reset with theirs.
            if round % 2 == 0 && !answered && m.events.iter().any(reset) {
                answered = true;
                m.theirs.reset_streams(&[StreamId(5)]).expect("as above");
            }
            let complete = StreamEvent::ResetComplete { id: 5 };
            m.ours.peers[OURS].saw(complete) && m.events.iter().any(reset)
        });
        mixed.ours.peers[OURS].events.clear();
    }
}

#[test]
fn what_was_sent_before_a_shutdown_arrives_and_both_sides_end() {
    for who in [OURS, THEIRS] {
        let mut mixed = Mixed::established(9, OURS);
        mixed.loss = 20;
        mixed.ours.peers[OURS].open(1);
        for number in 0..20 {
            mixed.ours.peers[OURS].write(1, &filled(49_160, number));
        }
        let mut got = 0;
        if who == OURS {
            let asked = mixed.ours.peers[OURS].association().shutdown();
            asked.expect("it is established");
        } else {
            mixed.run(60 * SECOND, |m| unsent(m) == 0);
            mixed.theirs.shutdown();
        }
        mixed.run(120 * SECOND, |m| {
            while let Some((_, message)) = m.received() {
                assert!(message == filled(49_160, got));
                got += 1;
            }
            m.theirs.state() == SocketState::Closed && m.ours.peers[OURS].association().is_closed()
        });
        assert_eq!(got, 20);
    }
}
