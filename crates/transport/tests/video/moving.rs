//! Video while the address of one side changes, as when a NAT forgets it, in virtual time.

use std::net::SocketAddr;
use std::time::Duration;

use framewire_testkit::{Link, Side};

use crate::net::{Net, Peer, SECOND, usual};

/// The longest time between two frames that could be shown, and how many came in the last second.
fn watched(peer: &Peer, net: &Net) -> (Duration, usize) {
    let shown: Vec<_> = peer.seen.iter().filter(|s| s.shown).collect();
    let gaps = shown.windows(2).map(|pair| pair[1].at - pair[0].at);
    let recent = shown.iter().filter(|s| s.at + SECOND > net.now());
    (gaps.max().unwrap_or_default(), recent.count())
}

fn goes_on(side: Side) {
    let mut net = usual(11, Link::default().with_delay(SECOND / 50));
    for peer in [&mut net.left, &mut net.right] {
        peer.camera.on = true;
    }
    net.run_for(3 * SECOND);
    net.set_outside(side, SocketAddr::from(([203, 0, 113, 5], 40_000)));
    net.run_for(10 * SECOND);
    for peer in [&net.left, &net.right] {
        let (gap, recent) = watched(peer, &net);
        assert!(gap < 4 * SECOND, "{side:?} moved: {gap:?} without a frame");
        assert!(
            recent >= 25,
            "{side:?} moved: {recent} frames in the last second"
        );
    }
}

#[test]
fn video_goes_on_both_ways_when_the_offerers_address_changes() {
    goes_on(Side::Left);
}

#[test]
fn video_goes_on_both_ways_when_the_answerers_address_changes() {
    goes_on(Side::Right);
}
