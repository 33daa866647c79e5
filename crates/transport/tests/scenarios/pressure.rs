//! A consumer that does not keep up: bounded memory, nothing lost, the connection stays.

use std::time::Duration;

use framewire_testkit::Link;
use framewire_transport::{CloseReason, DataConfig, PeerConfig, PeerEvent};

use crate::net::{SECOND, assert_numbered, config, connected_with, numbered};

const MESSAGE: usize = 49_160;
const LIMIT: usize = 1024 * 1024;
const WINDOW: usize = 2 * 1024 * 1024;
const COUNT: usize = 200;

fn slow() -> PeerConfig {
    PeerConfig::default()
        .with_inbound_limit(LIMIT)
        .with_data(DataConfig::default().with_receive_window(WINDOW))
}

#[test]
fn a_consumer_that_stops_holds_the_sender_back_and_loses_nothing() {
    for seed in 1..=3 {
        let link = Link::default()
            .with_delay(Duration::from_millis(5))
            .with_loss(0.01);
        let mut net = connected_with(seed, link, config(), slow());
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
        assert!(
            (stats.event_bytes_peak as usize) < LIMIT + 2 * MESSAGE,
            "by one message at most: {stats:?}"
        );
        assert!(stats.pauses > 0 && stats.data.held > 0, "{stats:?}");
        // What fills a gap is taken a little beyond it.
        assert!(stats.data.held <= WINDOW as u64 + 64 * 1024, "{stats:?}");
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
    let link = Link::default().with_delay(Duration::from_millis(5));
    let mut net = connected_with(1, link, config(), slow());
    net.right.consume = false;
    for index in 0..COUNT {
        net.left
            .channel("video_upload")
            .send(numbered(index, MESSAGE))
            .expect("queued");
    }
    net.run_for(SECOND / 2);
    let before = net.right.core.stats();
    assert!(before.pauses > 0 && before.data.held > 0, "{before:?}");
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

#[test]
fn a_slow_consumer_does_not_hold_up_what_goes_the_other_way() {
    let link = Link::default().with_delay(Duration::from_millis(5));
    let mut net = connected_with(1, link, config(), slow());
    net.right.consume = false;
    for index in 0..COUNT {
        let (l, r) = (&net.left, &net.right);
        l.channel("video_upload")
            .send(numbered(index, MESSAGE))
            .expect("queued");
        r.channel("inference")
            .send(numbered(index, MESSAGE))
            .expect("queued");
    }
    net.run_until("all of the other direction", 10 * SECOND, |l, _| {
        l.messages().len() == COUNT
    });
    assert!(net.right.channel("inference").buffered_amount() == 0);
    assert!(net.left.channel("video_upload").buffered_amount() > 0);
}

#[test]
fn what_a_slow_consumer_has_not_taken_is_delivered_before_the_end() {
    let link = Link::default().with_delay(Duration::from_millis(5));
    let mut net = connected_with(1, link, config(), slow());
    net.right.consume = false;
    let count = (LIMIT + WINDOW / 2) / MESSAGE;
    for index in 0..count {
        net.left
            .channel("video_upload")
            .send(numbered(index, MESSAGE))
            .expect("queued");
    }
    net.left.core.close(5 * SECOND);
    net.run_until("left ends", SECOND, |l, _| l.closed().is_some());
    net.run_for(SECOND);
    net.right.take();
    assert_numbered(&net.right.messages(), count, MESSAGE);
    assert_eq!(net.right.closed(), Some(&CloseReason::Remote));
}
