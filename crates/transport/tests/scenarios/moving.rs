//! A peer whose address changes in mid-session, as when a NAT forgets it: seen from either side, over a virtual network.

use std::net::SocketAddr;

use framewire_testkit::{Link, Side};
use framewire_transport::PeerEvent;

use crate::net::{Net, SECOND, assert_numbered, connected, left_address, numbered, right_address};

const COUNT: usize = 200;
const SIZE: usize = 20_000;

fn new_address() -> SocketAddr {
    SocketAddr::from(([203, 0, 113, 5], 40_000))
}

/// Both sides send without a pause while `side` moves; everything arrives, and no gap is longer than a few seconds.
fn moves_in_mid_transfer(side: Side) {
    let link = Link::default().with_delay(SECOND / 50);
    let mut net: Net = connected(7, link);
    let (mut sent, mut longest, mut last) = ((0, 0), std::time::Duration::ZERO, net.now());
    let mut moved = false;
    while net.left.messages().len() < COUNT || net.right.messages().len() < COUNT {
        let before = net.left.messages().len() + net.right.messages().len();
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
        net.run_for(SECOND / 100);
        let after = net.left.messages().len() + net.right.messages().len();
        if after > before {
            longest = longest.max(net.now() - last);
            last = net.now();
        }
        assert!(net.now() - last < 8 * SECOND, "nothing since {before}");
        if !moved && after > COUNT / 2 {
            moved = true;
            net.set_outside(side, new_address());
        }
    }
    assert!(moved);
    for peer in [&net.left, &net.right] {
        assert_numbered(&peer.messages(), COUNT, SIZE);
        assert_eq!(
            peer.core.stats().stalls,
            0,
            "checks went through all the time"
        );
        assert_eq!(peer.count(|e| matches!(e, PeerEvent::Closed(_))), 0);
    }
    assert!(longest < 5 * SECOND, "{longest:?} without data");
    let (seen_by, old) = match side {
        Side::Left => (&net.right, left_address()),
        Side::Right => (&net.left, right_address()),
    };
    let path = seen_by.core.stats().remote;
    assert_eq!(path, Some(new_address()), "not {old} any more");
}

#[test]
fn data_goes_on_when_the_offerers_address_changes() {
    moves_in_mid_transfer(Side::Left);
}

#[test]
fn data_goes_on_when_the_answerers_address_changes() {
    moves_in_mid_transfer(Side::Right);
}

#[test]
fn a_peer_that_moves_five_times_keeps_its_session() {
    let mut net = connected(3, Link::default().with_delay(SECOND / 50));
    for round in 0..5 {
        let outside = SocketAddr::from(([203, 0, 113, 5], 40_000 + round));
        net.set_outside(Side::Left, outside);
        net.run_for(10 * SECOND);
        let channel = net.right.channel("inference");
        channel.send(numbered(round.into(), 100)).expect("open");
        let wanted = usize::from(round) + 1;
        net.run_until("a message to the moved peer", 2 * SECOND, |left, _| {
            left.messages().len() == wanted
        });
        assert_eq!(net.right.core.stats().remote, Some(outside));
    }
    assert_eq!(net.left.core.stats().stalls, 0);
    assert!(!net.left.core.is_over() && !net.right.core.is_over());
}
