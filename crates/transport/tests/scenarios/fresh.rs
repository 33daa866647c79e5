//! Results of live video on a path that loses packets: what the loss of one costs the others, in order and without.

use std::time::Duration;

use bytes::Bytes;
use framewire_testkit::{Link, Side};
use framewire_transport::ChannelOptions;

use crate::net::{Net, SECOND, connected, numbered};

const RESULTS: usize = 600;
const EVERY: Duration = Duration::from_millis(20);
const DELAY: Duration = Duration::from_millis(40);
const LIFETIME: Duration = Duration::from_millis(200);
/// One packet.
const SIZE: usize = 700;

/// How late each result is, in the order of sending; none for those that never come.
fn ages(seed: u64, options: ChannelOptions) -> Vec<Option<Duration>> {
    let mut net: Net = connected(seed, Link::default().with_delay(DELAY));
    net.left
        .core
        .open_channel("results", options)
        .expect("there is room");
    net.run_until("the channel", 10 * SECOND, |l, r| {
        l.is_open("results") && r.is_open("results")
    });
    net.run_for(SECOND);
    net.set_link_towards(
        Side::Right,
        Link::default().with_delay(DELAY).with_loss(0.02),
    );
    let channel = net.left.channel("results");
    let mut sent = Vec::new();
    let mut ages = vec![None; RESULTS];
    let mut seen = 0;
    let start = net.elapsed();
    while net.elapsed() - start < EVERY * RESULTS as u32 + 5 * SECOND {
        if sent.len() < RESULTS && net.elapsed() - start >= EVERY * sent.len() as u32 {
            channel.send(numbered(sent.len(), SIZE)).expect("open");
            sent.push(net.elapsed());
        }
        net.run_for(Duration::from_millis(1));
        let messages = net.right.messages();
        for message in &messages[seen..] {
            let index = index_of(message);
            ages[index] = Some(net.elapsed() - sent[index]);
        }
        seen = messages.len();
    }
    ages
}

fn index_of(message: &Bytes) -> usize {
    u32::from_le_bytes(message[..4].try_into().expect("four bytes")) as usize
}

#[test]
fn one_lost_packet_does_not_delay_the_newer_results() {
    let fresh = ChannelOptions::default()
        .with_ordered(false)
        .with_max_lifetime(LIFETIME);
    // What a result takes whose packet was not lost, and which waits for no other.
    let on_time = DELAY + Duration::from_millis(3);
    for seed in 1..=3 {
        let late = |ages: &[Option<Duration>]| {
            let late = ages
                .iter()
                .filter(|age| age.is_none_or(|age| age > on_time));
            late.count()
        };
        let (ordered, unordered) = (ages(seed, ChannelOptions::default()), ages(seed, fresh));
        assert!(ordered.iter().all(Option::is_some), "seed {seed}");
        let (behind, hit) = (late(&ordered), late(&unordered));
        // About 12 of 600 are hit. In order each of them holds up those of the next round trip, four at least.
        assert!((1..=40).contains(&hit), "seed {seed}: {hit}");
        assert!(behind >= 3 * hit, "seed {seed}: {behind} for {hit}");
        let worst = unordered.iter().flatten().max().expect("most arrive");
        assert!(
            *worst <= DELAY + LIFETIME + on_time,
            "seed {seed}: {worst:?}"
        );
    }
}

#[test]
fn what_is_given_up_on_the_way_is_counted() {
    let mut net: Net = connected(1, Link::default().with_delay(DELAY));
    let fresh = ChannelOptions::default()
        .with_ordered(false)
        .with_max_lifetime(LIFETIME);
    let channel = net.left.core.open_channel("results", fresh);
    let channel = channel.expect("there is room");
    net.run_until("the channel", 10 * SECOND, |l, r| {
        l.is_open("results") && r.is_open("results")
    });
    let lossy = Link::default().with_delay(DELAY).with_loss(0.3);
    net.set_link_towards(Side::Right, lossy);
    for index in 0..RESULTS {
        channel.send(numbered(index, SIZE)).expect("open");
        net.run_for(EVERY);
    }
    net.run_for(2 * SECOND);
    let lost = (RESULTS - net.right.messages().len()) as u64;
    let stats = net.left.core.stats();
    assert!(lost > 0, "of {RESULTS}");
    assert_eq!(stats.expired_messages, 0, "SCTP had room for all");
    // Some of those given up had arrived, and what said so was late.
    let given_up = stats.data.abandoned;
    assert!(
        (lost..=2 * lost + 10).contains(&given_up),
        "{given_up} for {lost}"
    );
}
