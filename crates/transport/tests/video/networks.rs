//! Video over bad networks, in virtual time.

use std::time::Duration;

use framewire_testkit::{Link, Side};

use crate::net::{SECOND, usual, watched};

#[test]
fn probe_networks() {
    let d = || Link::default().with_delay(Duration::from_millis(20));
    for (name, link) in [
        ("clean 20ms", d()),
        ("1%", d().with_loss(0.01)),
        ("5%", d().with_loss(0.05)),
        ("20%", d().with_loss(0.20)),
        ("jit100", d().with_jitter(Duration::from_millis(100))),
    ] {
        for seed in 1..=6 {
            let mut net = usual(seed, link.clone());
            net.left.camera.on = true;
            let from = net.now();
            let mut series = vec![];
            for _ in 0..20 {
                net.run_for(SECOND);
                let s = net.left.track().stats();
                series.push((s.twcc_estimate.unwrap_or(0) / 1000, s.target_bitrate / 1000));
            }
            let to = net.now();
            let w = watched(&net.right, &net.left.camera, from, to);
            let c = &net.left.camera;
            println!(
                "{name} seed {seed}: {w:?} sent {} skipped {} refused {} keyframes {}",
                c.sent, c.skipped, c.refused, c.keyframes
            );
            let s = net.right.track().stats();
            println!(
                "   lost {} late {} gaps {} incomplete {} plis {} nacks {} {:?}",
                s.packets_lost,
                s.packets_late,
                s.gaps,
                s.dropped_incomplete,
                s.keyframe_requests_sent,
                s.nacks_sent,
                &series[15..]
            );
        }
    }
}

#[test]
fn probe_drop() {
    let d = |rate: u64| {
        Link::default()
            .with_delay(Duration::from_millis(20))
            .with_rate(rate / 8, 64_000)
    };
    for seed in 1..=1 {
        let mut net = usual(seed, d(10_000_000));
        net.left.camera.on = true;
        for phase in [10_000_000, 500_000, 10_000_000] {
            net.set_link_towards(Side::Right, d(phase));
            for _ in 0..12 {
                let from = net.now();
                net.run_for(SECOND);
                let to = net.now();
                let w = watched(&net.right, &net.left.camera, from, to);
                let s = net.left.track().stats();
                println!(
                    "{phase} est {} target {} {w:?} skipped {} overflow {}",
                    s.twcc_estimate.unwrap_or(0) / 1000,
                    s.target_bitrate / 1000,
                    net.left.camera.skipped,
                    net.stats(Side::Right).overflowed
                );
            }
        }
    }
}
