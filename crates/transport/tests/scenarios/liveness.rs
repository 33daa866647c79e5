//! Stalled, resumed, gone and lost: the times of each.

use std::time::Duration;

use framewire_testkit::{Link, Side};
use framewire_transport::{CloseReason, PeerConfig, PeerEvent};

use crate::net::{
    Net, SECOND, config, connected, connected_with, left_address, pair, right_address,
};

fn stalled(e: &PeerEvent) -> bool {
    matches!(e, PeerEvent::Stalled)
}

fn resumed(e: &PeerEvent) -> bool {
    matches!(e, PeerEvent::Resumed)
}

fn link() -> Link {
    Link::default().with_delay(Duration::from_millis(10))
}

/// Cuts the path and returns how long it took until both sides were stalled.
fn cut(net: &mut Net) -> Duration {
    net.set_cut(true);
    let from = net.elapsed();
    net.run_until("both stall", 5 * SECOND, |l, r| {
        l.count(stalled) == 1 && r.count(stalled) == 1
    });
    net.elapsed() - from
}

#[test]
fn an_idle_connection_never_stalls() {
    let mut net = connected(1, link().with_loss(0.1));
    net.run_for(120 * SECOND);
    assert_eq!(net.left.count(stalled) + net.right.count(stalled), 0);
}

#[test]
fn silence_stalls_after_three_seconds_and_a_restored_path_resumes_within_one() {
    let mut net = connected(1, link());
    net.run_for(10 * SECOND);
    let took = cut(&mut net);
    assert!(took >= 2 * SECOND && took <= 4 * SECOND, "{took:?}");
    net.run_for(20 * SECOND);
    net.set_cut(false);
    let from = net.elapsed();
    net.run_until("both resume", SECOND, |l, r| {
        l.count(resumed) == 1 && r.count(resumed) == 1
    });
    assert!(net.elapsed() - from <= SECOND);
    net.left
        .channel("inference")
        .send_text("still here".into())
        .expect("open");
    net.run_until("the message", 5 * SECOND, |_, r| r.messages().len() == 1);
}

#[test]
fn a_stalled_peer_is_asked_every_half_second() {
    let mut net = connected(1, link());
    cut(&mut net);
    let before = net.stats(Side::Right).sent;
    net.run_for(10 * SECOND);
    let asked = net.stats(Side::Right).sent - before;
    assert!((18..=22).contains(&asked), "{asked} checks in ten seconds");
}

#[test]
fn a_peer_silent_for_the_limit_is_lost_and_the_reason_says_how_long() {
    let mut net = connected_with(
        1,
        link(),
        config().with_lost_after(15 * SECOND),
        PeerConfig::default(),
    );
    net.run_for(SECOND);
    net.set_cut(true);
    let from = net.elapsed();
    net.run_until("left loses", 16 * SECOND, |l, _| l.closed().is_some());
    let took = net.elapsed() - from;
    assert!(
        took >= 14 * SECOND && took <= 15 * SECOND + SECOND / 10,
        "{took:?}"
    );
    assert_eq!(
        net.left.closed(),
        Some(&CloseReason::Lost {
            silence: 15 * SECOND
        })
    );
    assert_eq!(
        net.right.closed(),
        None,
        "the other side has thirty seconds"
    );
    net.run_until("right loses", 16 * SECOND, |_, r| r.closed().is_some());
    assert!(net.elapsed() - from <= 31 * SECOND);
}

#[test]
fn the_limit_of_silence_may_change_while_the_peer_is_silent() {
    let mut net = connected(2, link());
    net.run_for(SECOND);
    net.set_cut(true);
    let from = net.elapsed();
    net.run_for(20 * SECOND);
    net.left.core.set_lost_after(60 * SECOND);
    net.right.core.set_lost_after(25 * SECOND);
    net.run_until("right loses", 6 * SECOND, |_, r| r.closed().is_some());
    let silence = 25 * SECOND;
    assert_eq!(net.right.closed(), Some(&CloseReason::Lost { silence }));
    net.run_for(25 * SECOND);
    assert_eq!(net.left.closed(), None, "fifty seconds are allowed now");
    // Shorter than the silence already is.
    net.left.core.set_lost_after(40 * SECOND);
    net.run_for(Duration::ZERO);
    match net.left.closed() {
        Some(CloseReason::Lost { silence }) => assert!(*silence >= 49 * SECOND, "{silence:?}"),
        other => panic!("{other:?} after {:?}", net.elapsed() - from),
    }
}

#[test]
fn a_limit_set_while_connecting_holds_afterwards_and_without_end_there_is_none() {
    let forever = config().with_lost_after(Duration::MAX);
    let mut net = pair(3, link(), forever, PeerConfig::default());
    net.right.core.set_lost_after(5 * SECOND);
    net.run_until("both up", 5 * SECOND, |l, r| {
        l.is_open("inference") && r.is_open("inference")
    });
    net.set_cut(true);
    net.run_for(6 * SECOND);
    let silence = 5 * SECOND;
    assert_eq!(net.right.closed(), Some(&CloseReason::Lost { silence }));
    net.run_for(600 * SECOND);
    assert_eq!(net.left.closed(), None);
}

#[test]
fn a_one_way_cut_stalls_only_the_deaf_side() {
    let mut net = connected(1, link());
    net.set_cut_towards(Side::Left, true);
    net.run_for(10 * SECOND);
    assert_eq!((net.left.count(stalled), net.right.count(stalled)), (1, 0));
}

#[test]
fn refusals_end_the_connection_only_when_the_peer_is_silent() {
    let mut net = connected(1, link());
    for _ in 0..50 {
        // Forged or stray: the peer is heard in between.
        net.left.core.refused(net.now(), right_address());
        net.run_for(SECOND / 5);
    }
    assert_eq!(net.left.closed(), None);
    net.set_cut(true);
    let from = net.elapsed();
    for _ in 0..10 {
        net.left.core.refused(net.now(), left_address());
        net.run_for(SECOND / 5);
    }
    assert_eq!(net.left.closed(), None, "another address does not count");
    while net.left.closed().is_none() {
        net.left.core.refused(net.now(), right_address());
        net.run_for(SECOND / 5);
    }
    assert_eq!(net.left.closed(), Some(&CloseReason::Gone));
    assert!(
        net.elapsed() - from <= 5 * SECOND,
        "{:?}",
        net.elapsed() - from
    );
}
