//! Video over an ICE restart, in virtual time: the same tracks on a new path.

use std::net::SocketAddr;

use framewire_testkit::Link;

use crate::net::{Net, SECOND, restart, usual, watched};

fn both_send(seed: u64, link: Link) -> Net {
    let mut net = usual(seed, link);
    for peer in [&mut net.left, &mut net.right] {
        peer.camera.on = true;
    }
    net.run_for(10 * SECOND);
    net
}

fn address(n: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, n], 1111))
}

#[test]
fn a_restart_of_a_working_path_costs_no_frame_and_no_rate() {
    let mut net = both_send(1, Link::default().with_delay(SECOND / 50));
    let before = (net.left.track().stats(), net.right.track().stats());
    let start = net.now();
    for n in 0..5 {
        restart(&mut net, address(10 + n));
        net.run_for(2 * SECOND);
    }
    for (viewer, camera) in [
        (&net.right, &net.left.camera),
        (&net.left, &net.right.camera),
    ] {
        let seen = watched(viewer, camera, start + SECOND, net.now());
        assert!(seen.share > 0.99 && seen.freeze < SECOND / 10, "{seen:?}");
        assert!(viewer.seen.iter().skip(1).all(|s| s.contiguous));
    }
    for (peer, before) in [(&net.left, before.0), (&net.right, before.1)] {
        let now = peer.track().stats();
        assert_eq!(now.packets_lost, before.packets_lost);
        assert!(now.target_bitrate >= before.target_bitrate, "{now:?}");
        assert!(
            now.frames_received > before.frames_received,
            "counters go on"
        );
        assert_eq!(peer.core.stats().ice_restarts, 5);
    }
}

#[test]
fn frames_go_on_soon_after_a_restart_when_the_old_path_is_dead() {
    for seed in 1..=3 {
        let mut net = both_send(seed, Link::default().with_delay(SECOND / 50));
        let cut = net.now();
        net.left.dead.push(address(1));
        net.run_for(5 * SECOND);
        restart(&mut net, address(10));
        let restarted = net.now();
        net.run_for(20 * SECOND);
        for (viewer, camera) in [
            (&net.right, &net.left.camera),
            (&net.left, &net.right.camera),
        ] {
            let first = viewer.seen.iter().find(|s| s.shown && s.at > cut + SECOND);
            let first = first.expect("frames go on").at - restarted;
            assert!(
                first < SECOND,
                "{first:?} until the first frame, seed {seed}"
            );
            let seen = watched(viewer, camera, net.now() - 10 * SECOND, net.now());
            assert!(seen.share > 0.99, "{seen:?}, seed {seed}");
            assert!(seen.p95 < SECOND / 5, "{seen:?}, seed {seed}");
            assert!(seen.rate > 500_000, "{seen:?}, seed {seed}");
        }
    }
}
