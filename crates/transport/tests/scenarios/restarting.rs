//! ICE restarts over a virtual network: a new path for a running connection, and everything that is no such thing.

use std::net::SocketAddr;
use std::time::Duration;

use framewire_testkit::{Link, Side};
use framewire_transport::{PeerConfig, PeerEvent, RestartError, SdpError};

use crate::net::{
    Net, SECOND, assert_numbered, config, connected, connected_with, left_address, numbered, pair,
    right_address,
};

const COUNT: usize = 300;
const SIZE: usize = 20_000;

fn left_at(n: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 1, n], 1111))
}

fn right_at(n: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 2, n], 2222))
}

/// The whole exchange, the offer and the answer taking `way` each.
fn restart(net: &mut Net, left: SocketAddr, right: SocketAddr, way: Duration) {
    let (half, offer) = net.left.restart_offer(left);
    net.run_for(way);
    let now = net.now();
    let answer = net
        .right
        .restart_answer(now, right, &offer)
        .expect("answer");
    net.run_for(way);
    let now = net.now();
    net.left.restart_apply(now, half, &answer).expect("apply");
}

fn closed(net: &Net) -> usize {
    let ends = |e: &PeerEvent| matches!(e, PeerEvent::Closed(_));
    net.left.count(ends) + net.right.count(ends)
}

/// Keeps both send queues filled.
fn feed(net: &Net, sent: &mut (usize, usize)) {
    let (l, r) = (
        net.left.channel("inference"),
        net.right.channel("inference"),
    );
    for (channel, sent) in [(l, &mut sent.0), (r, &mut sent.1)] {
        while *sent < COUNT && channel.buffered_amount() < 4 * SIZE {
            channel.send(numbered(*sent, SIZE)).expect("open");
            *sent += 1;
        }
    }
}

/// Both sides stream; in the middle the left address dies for good. A restart from another one brings everything on.
fn survives(seed: u64, link: Link, within: Duration) {
    let mut net: Net = connected(seed, link);
    let mut sent = (0, 0);
    let mut died = None;
    let mut restarted = None;
    let mut went_on = None;
    while net.left.messages().len() < COUNT || net.right.messages().len() < COUNT {
        feed(&net, &mut sent);
        net.run_for(SECOND / 100);
        let arrived = net.left.messages().len() + net.right.messages().len();
        match (died, restarted, went_on) {
            (None, ..) if arrived > COUNT / 2 => {
                died = Some((net.now(), arrived));
                net.left.dead.push(left_address());
            }
            (Some(_), None, _) if net.left.core.stats().stalls == 1 => {
                restart(&mut net, left_at(1), right_address(), SECOND / 20);
                restarted = Some(net.now());
            }
            (Some((_, before)), Some(_), None) if arrived > before + 10 => {
                went_on = Some(net.now());
            }
            _ => {}
        }
        assert!(
            net.elapsed() < 120 * SECOND,
            "{arrived} messages, seed {seed}"
        );
    }
    for peer in [&net.left, &net.right] {
        assert_numbered(&peer.messages(), COUNT, SIZE);
        let stats = peer.core.stats();
        assert_eq!((stats.ice_restarts, stats.stalls), (1, 1), "seed {seed}");
        assert_eq!(stats.messages_sent, COUNT as u64);
        assert_eq!(peer.count(|e| matches!(e, PeerEvent::Resumed)), 1);
        assert_eq!(peer.count(|e| matches!(e, PeerEvent::ChannelOpen(_))), 2);
    }
    assert_eq!(net.left.core.stats().local, Some(left_at(1)));
    assert_eq!(net.right.core.stats().remote, Some(left_at(1)));
    assert_eq!(closed(&net), 0);
    let (died, went_on) = (died.expect("died").0, went_on.expect("went on"));
    assert!(went_on - died < within, "{:?}, seed {seed}", went_on - died);
}

#[test]
fn a_new_path_carries_on_where_the_dead_one_stopped() {
    for seed in 1..=3 {
        // Three seconds until the stall is noticed.
        let link = Link::default().with_delay(SECOND / 50);
        survives(seed, link, 5 * SECOND);
    }
}

#[test]
fn a_lossy_path_may_break_and_be_replaced_too() {
    let link = Link::default().with_delay(SECOND / 50).with_loss(0.02);
    survives(4, link.with_jitter(SECOND / 200), 9 * SECOND);
}

#[test]
fn both_sides_may_have_moved() {
    let mut net = connected(5, Link::default().with_delay(SECOND / 50));
    net.left.dead.push(left_address());
    net.right.dead.push(right_address());
    net.run_for(4 * SECOND);
    restart(&mut net, left_at(1), right_at(1), Duration::ZERO);
    net.run_until("both are heard again", SECOND, |l, r| {
        let resumed = |e: &PeerEvent| matches!(e, PeerEvent::Resumed);
        l.count(resumed) == 1 && r.count(resumed) == 1
    });
    let channel = net.left.channel("inference");
    channel.send(numbered(0, 100)).expect("open");
    net.run_until("a message", 5 * SECOND, |_, r| r.messages().len() == 1);
    assert_eq!(net.left.core.stats().remote, Some(right_at(1)));
}

#[test]
fn a_peer_allowed_to_be_silent_beyond_the_configured_limit_comes_back_by_a_restart() {
    let mut net = connected(11, Link::default().with_delay(SECOND / 50));
    net.left.core.set_lost_after(180 * SECOND);
    net.right.core.set_lost_after(180 * SECOND);
    net.set_cut(true);
    net.run_for(150 * SECOND);
    net.set_cut(false);
    restart(&mut net, left_address(), right_address(), SECOND / 20);
    let channel = net.left.channel("inference");
    channel.send(numbered(0, 100)).expect("open");
    net.run_until("a message", 2 * SECOND, |_, r| r.messages().len() == 1);
    assert_eq!(closed(&net), 0);
}

/// The path towards one end is dead for so long that SCTP at the other end, which hears everything, hardly tries any more.
fn one_way(deaf: Side) {
    let mut net = connected(12, Link::default().with_delay(SECOND / 50));
    let sender = match deaf {
        Side::Left => {
            net.left.deaf.push(left_address());
            net.right.channel("inference")
        }
        Side::Right => {
            net.right.deaf.push(right_address());
            net.left.channel("inference")
        }
    };
    sender.send(numbered(0, SIZE)).expect("open");
    net.run_for(25 * SECOND);
    let stalls = (net.left.core.stats().stalls, net.right.core.stats().stalls);
    let silent = match deaf {
        Side::Left => (1, 0),
        Side::Right => (0, 1),
    };
    assert_eq!(stalls, silent);
    restart(&mut net, left_at(1), right_at(1), SECOND / 20);
    net.run_until("the message", 2 * SECOND, |l, r| {
        l.messages().len() + r.messages().len() == 1
    });
    assert_eq!(closed(&net), 0);
}

#[test]
fn the_end_that_heard_everything_sends_at_once_over_the_new_path_too() {
    one_way(Side::Left);
    one_way(Side::Right);
}

#[test]
fn the_old_path_carries_data_until_the_new_one_is_there() {
    let mut net = connected(6, Link::default().with_delay(SECOND / 50));
    // Nothing from the new address arrives, so that the restart finds no path at all.
    net.left.dead.push(left_at(1));
    restart(&mut net, left_at(1), right_address(), SECOND / 10);
    for n in 0..10 {
        let channels = (
            net.left.channel("inference"),
            net.right.channel("inference"),
        );
        channels.0.send(numbered(n, 5_000)).expect("open");
        channels.1.send(numbered(n, 5_000)).expect("open");
        net.run_until("both messages", SECOND, |l, r| {
            l.messages().len() == n + 1 && r.messages().len() == n + 1
        });
        net.run_for(SECOND / 2);
    }
    assert_eq!(net.left.core.stats().local, Some(left_address()));
    // Messages prove that the peer is there, although no check is answered.
    assert_eq!(
        net.left.core.stats().stalls + net.right.core.stats().stalls,
        0
    );
    net.left.dead.clear();
    net.run_for(2 * SECOND);
    net.left
        .channel("inference")
        .send(numbered(10, 100))
        .expect("open");
    net.run_until("a message", SECOND, |_, r| r.messages().len() == 11);
    assert_eq!(net.left.core.stats().local, Some(left_at(1)));
}

/// Datagrams of ten quiet seconds.
fn quiet(net: &mut Net) -> u64 {
    let sent = |net: &Net| net.stats(Side::Left).sent + net.stats(Side::Right).sent;
    let before = sent(net);
    net.run_for(10 * SECOND);
    sent(net) - before
}

#[test]
fn fifty_restarts_in_a_row_leave_one_path_and_nothing_else() {
    let mut net = connected(7, Link::default().with_delay(SECOND / 50));
    restart(&mut net, left_at(200), right_address(), Duration::ZERO);
    net.run_for(5 * SECOND);
    let before = quiet(&mut net);
    let mut last = left_at(200);
    for n in 1..=50 {
        let left = left_at(n);
        net.left.dead = vec![std::mem::replace(&mut last, left), left_address()];
        let right = if n % 2 == 0 {
            right_address()
        } else {
            right_at(n)
        };
        restart(&mut net, left, right, SECOND / 100);
        net.right
            .channel("inference")
            .send(numbered(n.into(), 2_000))
            .expect("open");
        let wanted = usize::from(n);
        net.run_until("a message over the new path", 10 * SECOND, |l, _| {
            l.messages().len() == wanted
        });
        assert_eq!(net.right.core.stats().remote, Some(left));
    }
    net.run_for(5 * SECOND);
    let after = quiet(&mut net);
    assert!(
        after <= before + before / 10,
        "checks of old paths go on: {before} datagrams before, {after} after"
    );
    assert_eq!(net.left.core.stats().ice_restarts, 51);
    assert_eq!(closed(&net), 0);
}

#[test]
fn a_lost_answer_costs_one_more_restart_and_no_connection() {
    let mut net = connected(8, Link::default().with_delay(SECOND / 50));
    net.left.dead.push(left_address());
    net.run_for(4 * SECOND);
    let (_, offer) = net.left.restart_offer(left_at(1));
    let now = net.now();
    net.right
        .restart_answer(now, right_address(), &offer)
        .expect("answer");
    net.run_for(2 * SECOND);
    let channel = net.left.channel("inference");
    channel.send(numbered(0, 100)).expect("open");
    restart(&mut net, left_at(2), right_address(), SECOND / 20);
    net.run_until("a message", 8 * SECOND, |_, r| r.messages().len() == 1);
    assert_eq!(net.right.core.stats().ice_restarts, 2);
    assert_eq!(closed(&net), 0);
}

#[test]
fn an_offer_that_is_no_restart_is_refused_and_changes_nothing() {
    let mut net = connected(9, Link::default());
    let (half, offer) = net.left.restart_offer(left_address());
    let answer = net
        .right
        .restart_answer(net.now(), right_address(), &offer)
        .expect("answer");
    net.left
        .restart_apply(net.now(), half, &answer)
        .expect("apply");
    net.run_for(SECOND);
    let refuse = |net: &mut Net, offer: &str| {
        let now = net.now();
        net.right
            .restart_answer(now, right_address(), offer)
            .expect_err("refused")
    };
    assert!(matches!(
        refuse(&mut net, &offer),
        RestartError::SameCredentials
    ));
    let (_, fresh) = net.left.restart_offer(left_address());
    let other = |from: &str, to: &str| {
        assert!(fresh.contains(from), "{from} in {fresh}");
        fresh.replacen(from, to, 1)
    };
    let print = fresh
        .lines()
        .find(|l| l.starts_with("a=fingerprint:"))
        .expect("one");
    let tampered = print.replace(|c: char| c.is_ascii_digit(), "0");
    for changed in [
        String::new(),
        "v=0".to_owned(),
        other(print, &tampered),
        other("a=mid:", "a=mid:x"),
        other("m=application 9", "m=application 0"),
        format!("{fresh}m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:9\r\n"),
        other("a=ice-pwd:", "a=ice-pw:"),
    ] {
        let error = refuse(&mut net, &changed);
        assert!(
            matches!(error, RestartError::Sdp(_)),
            "{error:?} for {changed}"
        );
    }
    assert_eq!(net.right.core.stats().ice_restarts, 1);
    net.left
        .channel("inference")
        .send(numbered(0, 100))
        .expect("open");
    net.run_until("a message", SECOND, |_, r| r.messages().len() == 1);
    assert_eq!(net.right.core.stats().stalls, 0);
}

#[test]
fn damaged_restart_offers_are_refused_or_harmless() {
    let mut net = connected(10, Link::default());
    let (_, offer) = net.left.restart_offer(left_address());
    let lines: Vec<&str> = offer.lines().collect();
    let junk = [
        "",
        "0",
        "-1",
        "99999999999999999999",
        "\u{1F600}",
        "a b c d e f g h",
        ":::",
    ];
    for (index, line) in lines.iter().enumerate() {
        let head = line.split([':', ' ']).next().unwrap_or_default();
        for value in junk {
            let changed = format!("{head}:{value}");
            let mut damaged = lines.clone();
            damaged[index] = &changed;
            let now = net.now();
            let _ = net
                .right
                .restart_answer(now, right_address(), &damaged.join("\r\n"));
        }
    }
    net.run_for(SECOND);
    // Whatever was accepted of it, a sound restart repairs.
    restart(&mut net, left_address(), right_address(), Duration::ZERO);
    net.left
        .channel("inference")
        .send(numbered(0, 100))
        .expect("open");
    net.run_until("a message", 5 * SECOND, |_, r| r.messages().len() == 1);
    assert_eq!(closed(&net), 0);
}

#[test]
fn what_is_not_up_or_is_over_is_not_restarted() {
    let net = pair(11, Link::default(), config(), PeerConfig::default());
    let local = framewire_transport::__sans_io::Local::new(vec![left_address()]);
    let early = net.left.core.restart_offer(&local).expect_err("not up");
    assert!(matches!(early, RestartError::NotConnected), "{early:?}");
    let mut net = connected_with(12, Link::default(), config(), PeerConfig::default());
    let (_, offer) = net.left.restart_offer(left_address());
    net.right.core.close(Duration::ZERO);
    net.run_for(SECOND);
    let late = net.right.restart_answer(net.now(), right_address(), &offer);
    assert!(matches!(late, Err(RestartError::Closed)), "{late:?}");
    let unusable = SdpError::NoSections;
    assert!(
        RestartError::from(unusable)
            .to_string()
            .contains("description")
    );
}
