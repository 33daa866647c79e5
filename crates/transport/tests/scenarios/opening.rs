//! Channels opened while a connection runs, and what their options do.

use std::time::Duration;

use framewire_testkit::{Link, Side};
use framewire_transport::{ChannelOptions, MAX_CHANNELS, MAX_LABEL, OpenError, PeerEvent};

use crate::net::{Net, Peer, SECOND, assert_numbered, connected, numbered};

fn loose() -> ChannelOptions {
    ChannelOptions::default()
        .with_ordered(false)
        .with_max_lifetime(Duration::from_millis(200))
}

fn opened(peer: &Peer, label: &str) -> usize {
    peer.count(|e| matches!(e, PeerEvent::ChannelOpen(c) if c.label() == label))
}

/// Opens one from the left and waits until both have it.
fn open(net: &mut Net, label: &str, options: ChannelOptions) {
    let ours = net.left.core.open_channel(label, options).expect("room");
    assert!(!ours.is_open(), "the peer does not know it yet");
    net.run_until("both have it", 10 * SECOND, |l, r| {
        opened(l, label) == 1 && opened(r, label) == 1
    });
    assert!(ours.is_open());
}

#[test]
fn a_channel_opened_later_works_both_ways_and_both_sides_know_its_options() {
    let mut net = connected(1, Link::default().with_delay(Duration::from_millis(10)));
    net.run_for(SECOND);
    let from = net.elapsed();
    open(&mut net, "later", loose());
    assert!(
        net.elapsed() - from <= Duration::from_millis(30),
        "a round trip, and the way of the request: {:?}",
        net.elapsed() - from
    );
    for peer in [&net.left, &net.right] {
        assert_eq!(peer.channel("later").options(), loose());
        assert_eq!(
            peer.channel("inference").options(),
            ChannelOptions::default()
        );
    }
    net.left
        .channel("later")
        .send(numbered(0, 5000))
        .expect("open");
    net.right
        .channel("later")
        .send(numbered(0, 6000))
        .expect("open");
    net.run_until("both", SECOND, |l, r| {
        l.messages().len() == 1 && r.messages().len() == 1
    });
    assert_numbered(&net.right.messages(), 1, 5000);
    assert_numbered(&net.left.messages(), 1, 6000);
}

#[test]
fn a_channel_can_be_opened_before_the_connection_is_up() {
    let config = crate::net::config();
    let mut net = crate::net::pair(1, Link::default(), config, Default::default());
    net.right
        .core
        .open_channel("early", loose())
        .expect("there is room");
    net.run_until("both have it", 10 * SECOND, |l, r| {
        opened(l, "early") == 1 && opened(r, "early") == 1
    });
    assert_eq!(net.left.channel("early").options(), loose());
}

#[test]
fn a_channel_closed_before_it_was_open_is_closed_at_both_ends() {
    let config = crate::net::config();
    let mut net = crate::net::pair(1, Link::default(), config, Default::default());
    let early = net.right.core.open_channel("early", loose());
    early.expect("there is room").close();
    let closed = |p: &Peer| p.count(|e| matches!(e, PeerEvent::ChannelClosed(_)));
    net.run_until("closed", 10 * SECOND, |l, r| {
        closed(l) == 1 && closed(r) == 1
    });
    assert_eq!(opened(&net.right, "early"), 0, "its user was done with it");
    net.run_until("the others", 10 * SECOND, |l, r| {
        [&*l, &*r].iter().all(|p| p.is_open("inference"))
    });
    assert!(net.left.core.channel("early").is_none());
    assert!(net.right.core.channel("early").is_none());
}

#[test]
fn a_lost_message_on_an_unordered_channel_does_not_delay_the_next() {
    let delay = Duration::from_millis(40);
    // In order the second message waits for the repetition of the first.
    for (options, waits) in [(ChannelOptions::default(), true), (loose(), false)] {
        let mut net = connected(1, Link::default().with_delay(delay));
        open(&mut net, "results", options);
        net.run_for(SECOND);
        net.set_cut_towards(Side::Right, true);
        let channel = net.left.channel("results");
        channel.send(numbered(0, 700)).expect("open");
        net.run_for(Duration::from_millis(5));
        net.set_cut_towards(Side::Right, false);
        channel.send(numbered(1, 700)).expect("open");
        let from = net.elapsed();
        net.run_until("a message", 10 * SECOND, |_, r| !r.messages().is_empty());
        let (took, first) = (net.elapsed() - from, net.right.messages()[0][0]);
        assert_eq!(took > 2 * delay, waits, "{took:?}");
        assert_eq!(first, u8::from(!waits));
    }
}

#[test]
fn what_is_too_old_is_lost_and_the_rest_comes() {
    let mut net = connected(1, Link::default().with_delay(Duration::from_millis(10)));
    open(&mut net, "results", loose());
    let channel = net.left.channel("results");
    net.set_cut_towards(Side::Right, true);
    channel.send(numbered(0, 700)).expect("open");
    net.run_for(SECOND);
    net.set_cut_towards(Side::Right, false);
    net.run_for(5 * SECOND);
    channel.send(numbered(1, 700)).expect("open");
    net.run_until("the second", 10 * SECOND, |_, r| !r.messages().is_empty());
    net.run_for(10 * SECOND);
    assert_eq!(net.right.messages(), [numbered(1, 700)]);
}

#[test]
fn what_cannot_be_opened_is_refused_with_the_reason() {
    let mut net = connected(1, Link::default());
    let long = "x".repeat(MAX_LABEL + 1);
    let plain = ChannelOptions::default();
    let refused = |net: &Net, label: &str| net.left.core.open_channel(label, plain).unwrap_err();
    assert_eq!(refused(&net, &long), OpenError::Label(MAX_LABEL + 1));
    for n in 2..MAX_CHANNELS {
        open(&mut net, &format!("c{n}"), plain);
    }
    assert_eq!(refused(&net, "more"), OpenError::Channels);
    net.left.core.close(Duration::ZERO);
    assert_eq!(refused(&net, "late"), OpenError::Closed);
    net.run_until("the end", SECOND, |l, _| l.closed().is_some());
    assert_eq!(refused(&net, "late"), OpenError::Closed);
}
