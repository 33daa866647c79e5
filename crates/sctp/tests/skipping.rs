//! Messages that may be given up beside those that may not, through two associations at 5 % loss.
//! Single cases of what is skipped are in `messages`, `sender` and beside the receiver.

mod pair;

use std::time::Duration;

use pair::{CLIENT, Filter, Pair, SERVER, kind};
use sctp_proto::ReliabilityType;

const SECOND: Duration = Duration::from_secs(1);
const LOSSY: u16 = 1;
const RELIABLE: u16 = 3;

/// Loses every twentieth packet of both sides, by chance.
fn loss(seed: u64) -> Filter {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    Box::new(move |_, _| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        !(state >> 33).is_multiple_of(20)
    })
}

/// Both streams open and known to the server; one of them gives up what is lost.
fn opened(unordered: bool) -> Pair {
    let mut pair = Pair::established();
    for id in [LOSSY, RELIABLE] {
        pair.peers[CLIENT].open(id);
        pair.peers[CLIENT].write(id, b"hello");
    }
    let association = pair.peers[CLIENT].association();
    let mut stream = association.stream(LOSSY).expect("open");
    stream
        .set_reliability_params(unordered, ReliabilityType::Rexmit, 0)
        .expect("established");
    pair.wait(SECOND);
    for id in [LOSSY, RELIABLE] {
        assert!(pair.peers[SERVER].read(id).is_some());
    }
    pair
}

fn numbered(number: u32, len: usize) -> Vec<u8> {
    let mut message = vec![number as u8; len.max(4)];
    message[..4].copy_from_slice(&number.to_be_bytes());
    message
}

/// The messages that can be read: their numbers; each must be whole.
fn numbers(pair: &mut Pair, id: u16) -> Vec<u32> {
    let mut numbers = Vec::new();
    while let Some((_, message)) = pair.peers[SERVER].read(id) {
        let number = u32::from_be_bytes([message[0], message[1], message[2], message[3]]);
        assert_eq!(message, numbered(number, message.len()));
        numbers.push(number);
    }
    numbers
}

#[test]
fn a_reliable_stream_loses_nothing_beside_one_that_gives_up() {
    const MESSAGES: u32 = 100;
    let mut skipped = 0;
    for seed in 0..10 {
        let mut pair = opened(seed % 2 == 0);
        pair.filter = loss(seed);
        let (mut reliable, mut lossy) = (Vec::new(), Vec::new());
        for number in 0..MESSAGES {
            pair.peers[CLIENT].write(LOSSY, &numbered(number, 300 + number as usize * 37 % 3000));
            pair.peers[CLIENT].write(
                RELIABLE,
                &numbered(number, 500 + number as usize * 113 % 9000),
            );
            pair.wait(Duration::from_millis(7));
            lossy.extend(numbers(&mut pair, LOSSY));
            reliable.extend(numbers(&mut pair, RELIABLE));
        }
        pair.wait(60 * SECOND);
        lossy.extend(numbers(&mut pair, LOSSY));
        reliable.extend(numbers(&mut pair, RELIABLE));
        let all: Vec<u32> = (0..MESSAGES).collect();
        assert_eq!(reliable, all, "seed {seed}");
        if seed % 2 == 1 {
            assert!(lossy.is_sorted(), "seed {seed}");
        }
        lossy.sort_unstable();
        lossy.dedup();
        skipped += MESSAGES as usize - lossy.len();
        // Nothing is left behind: both ends part at once.
        pair.peers[CLIENT]
            .association()
            .shutdown()
            .expect("never fails");
        pair.run(30 * SECOND, |pair| pair.peers[CLIENT].lost());
    }
    assert!(skipped > 20, "{skipped}");
}

#[test]
fn ordered_messages_go_on_where_their_numbers_begin_again_among_skipped_ones() {
    let mut pair = opened(false);
    pair.filter = loss(5);
    // Past 65535 by a good deal, with losses before, at and after it.
    let (mut got, mut number) = (Vec::new(), 0);
    while number < 70_000 {
        for _ in 0..500 {
            pair.peers[CLIENT].write(LOSSY, &numbered(number, 40));
            number += 1;
        }
        pair.wait(Duration::from_millis(50));
        got.extend(numbers(&mut pair, LOSSY));
        pair.sent.clear();
    }
    pair.wait(10 * SECOND);
    got.extend(numbers(&mut pair, LOSSY));
    assert!(got.is_sorted());
    got.dedup();
    let share = got.len() as f64 / f64::from(number);
    assert!((0.9..0.99).contains(&share), "{share}");
    let around = |range: std::ops::Range<u32>| got.iter().filter(|n| range.contains(n)).count();
    assert!(around(65_436..65_536) > 50 && around(65_536..65_636) > 50);
    assert!(around(69_000..70_000) > 800);
}

#[test]
fn what_is_skipped_is_told_again_until_it_is_heard() {
    let mut pair = opened(false);
    let mut count = [0; 2];
    // The message is lost, and three times the word to skip it.
    pair.filter = Box::new(move |who, packet| {
        let kinds = pair::kinds(packet);
        for (at, (kind, times)) in [(kind::DATA, 1), (kind::FORWARD_TSN, 3)].iter().enumerate() {
            if who == CLIENT && kinds.contains(kind) && count[at] < *times {
                count[at] += 1;
                return false;
            }
        }
        true
    });
    pair.peers[CLIENT].write(LOSSY, b"lost");
    pair.run(30 * SECOND, |pair| {
        pair.count(CLIENT, kind::FORWARD_TSN) == 4
    });
    pair.wait(SECOND);
    pair.peers[CLIENT].write(LOSSY, b"next");
    pair.wait(SECOND);
    let (_, message) = pair.peers[SERVER].read(LOSSY).expect("it arrived");
    assert_eq!(message, b"next");
    assert_eq!(pair.count(CLIENT, kind::FORWARD_TSN), 4);
}
