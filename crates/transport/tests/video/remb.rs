//! Peers without transport-wide feedback, as aiortc is: the receiver says by REMB what it can take.

use std::time::Duration;

use framewire_testkit::{Link, Side};
use framewire_transport::VideoConfig;

use crate::net::{Net, SECOND, config, tampered, watched};

fn without_transport_cc(answer: &str) -> String {
    let kept = answer
        .lines()
        .filter(|l| !l.contains("transport-cc") && !l.contains("transport-wide-cc"));
    kept.map(|l| format!("{l}\r\n")).collect()
}

fn net(seed: u64, link: Link) -> Net {
    let video = || config(VideoConfig::default());
    tampered(seed, link, video(), video(), without_transport_cc)
}

fn path() -> Link {
    Link::default().with_delay(Duration::from_millis(20))
}

#[test]
fn on_a_clean_path_the_receivers_estimate_takes_the_sender_to_the_ceiling_within_four_seconds() {
    let mut net = net(1, path());
    net.left.camera.on = true;
    net.run_for(4 * SECOND);
    let (sender, receiver) = (net.left.track().stats(), net.right.track().stats());
    assert_eq!(sender.target_bitrate, 4_000_000, "{sender:?}");
    assert_eq!(receiver.remb_sent, Some(4_000_000), "{receiver:?}");
    assert_eq!(sender.twcc_estimate, None);
    let from = net.now();
    net.run_for(10 * SECOND);
    let seen = watched(&net.right, &net.left.camera, from, net.now());
    assert!(
        seen.p95 <= Duration::from_millis(25),
        "not throttled: {seen:?}"
    );
}

#[test]
fn on_half_a_megabit_the_sender_stays_below_it_and_frames_stay_young() {
    for seed in 1..=3 {
        let link = path().with_rate(500_000 / 8, 64_000);
        let mut net = net(seed, path());
        net.set_link_towards(Side::Right, link);
        net.left.camera.on = true;
        net.run_for(8 * SECOND);
        let from = net.now();
        for _ in 0..20 {
            net.run_for(SECOND);
            let target = net.left.track().target_bitrate();
            assert!(target <= 560_000, "seed {seed}: {target}");
        }
        let seen = watched(&net.right, &net.left.camera, from, net.now());
        println!("seed {seed}: {seen:?} skipped {}", net.left.camera.skipped);
        assert!(
            seen.p95 <= Duration::from_millis(350),
            "seed {seed}: {seen:?}"
        );
        assert!(
            seen.rate > 250_000 && seen.share > 0.95,
            "seed {seed}: {seen:?}"
        );
    }
}

#[test]
fn both_directions_estimate_for_themselves() {
    let mut net = net(1, path());
    net.set_link_towards(Side::Right, path().with_rate(500_000 / 8, 64_000));
    (net.left.camera.on, net.right.camera.on) = (true, true);
    net.run_for(10 * SECOND);
    assert!(net.left.track().target_bitrate() <= 560_000);
    assert_eq!(net.right.track().target_bitrate(), 4_000_000);
}
