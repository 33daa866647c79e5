//! A consumer that does not keep up: bounded memory, nothing lost, the connection stays.

use std::time::Duration;

use framewire_testkit::Link;
use framewire_transport::{PeerConfig, PeerEvent};

use crate::net::{SECOND, assert_numbered, config, connected_with, numbered};

const MESSAGE: usize = 49_160;
const LIMIT: usize = 1024 * 1024;
const COUNT: usize = 200;

#[test]
fn a_consumer_that_stops_holds_the_sender_back_and_loses_nothing() {
    for seed in 1..=3 {
        let link = Link::default()
            .with_delay(Duration::from_millis(5))
            .with_loss(0.01);
        let right = PeerConfig::default().with_inbound_limit(LIMIT);
        let mut net = connected_with(seed, link, config(), right);
        net.right.consume = false;
        let channel = net.left.channel("video_upload");
        for index in 0..COUNT {
            channel.send(numbered(index, MESSAGE)).expect("queued");
        }
        net.run_for(20 * SECOND);
        let stats = net.right.core.stats();
        assert!(
            stats.event_bytes as usize >= LIMIT,
            "the limit is reached: {stats:?}"
        );
        // What was held when the limit was reached is one batch at most.
        assert!(
            (stats.event_bytes_peak as usize) < LIMIT + 2 * MESSAGE,
            "{stats:?}"
        );
        assert!(stats.held_datagrams > 0, "{stats:?}");
        assert!(channel.buffered_amount() > 0, "the sender feels it");
        assert_eq!(stats.stalls, 0, "the connection stays");
        net.right.take();
        assert_eq!(
            net.right
                .count(|e| matches!(e, PeerEvent::Stalled | PeerEvent::Closed(_))),
            0
        );
        net.right.consume = true;
        net.run_until("everything arrives", 120 * SECOND, |_, r| {
            r.messages().len() == COUNT
        });
        assert_numbered(&net.right.messages(), COUNT, MESSAGE);
    }
}

#[test]
fn a_short_pause_of_the_consumer_costs_no_retransmission() {
    let right = PeerConfig::default().with_inbound_limit(LIMIT);
    let mut net = connected_with(
        1,
        Link::default().with_delay(Duration::from_millis(5)),
        config(),
        right,
    );
    net.right.consume = false;
    for index in 0..COUNT {
        net.left
            .channel("video_upload")
            .send(numbered(index, MESSAGE))
            .expect("queued");
    }
    net.run_for(SECOND / 2);
    let before = net.right.core.stats();
    assert!(
        before.held_datagrams > 0 && before.dropped_inbound_full == 0,
        "{before:?}"
    );
    net.right.consume = true;
    net.run_until("everything arrives", 20 * SECOND, |_, r| {
        r.messages().len() == COUNT
    });
    assert_numbered(&net.right.messages(), COUNT, MESSAGE);
    let all = COUNT * MESSAGE / 1000;
    assert!(
        net.left.core.stats().datagrams_sent < (all + all / 2) as u64,
        "{:?}",
        net.left.core.stats()
    );
}

#[test]
fn empty_handed_floods_are_bounded_too() {
    // Each event counts beside its bytes, so one-byte messages cannot fill the memory.
    let right = PeerConfig::default().with_inbound_limit(64 * 1024);
    let mut net = connected_with(1, Link::default(), config(), right);
    net.right.consume = false;
    for _ in 0..4_000 {
        net.left
            .channel("inference")
            .send_text("x".into())
            .expect("queued");
    }
    net.run_for(3 * SECOND);
    let stats = net.right.core.stats();
    assert!(stats.messages_received < 2_500, "{stats:?}");
    assert!(stats.event_bytes_peak < 160 * 1024, "{stats:?}");
}
