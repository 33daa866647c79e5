//! Paths that carry no full packets: data flows all the same, in smaller ones; and full ones are used where they pass.

use super::net::{MS, Net, Node, Path, S};
use super::real::Real;

/// Bytes of a packet until a full one was answered.
const FIRST: u32 = 960;
/// A full one.
const FULL: u64 = 1160;

fn net(path: Path) -> Net<Real> {
    Net::new(path.clone(), Real::careful_pair(path.seed, FIRST).into())
}

#[test]
fn full_packets_are_sent_two_round_trips_after_the_handshake_and_nothing_is_slower() {
    let mut net = net(Path::new(100.0, 50, 1.0));
    net.run(210 * MS, |_, _| {});
    let figures = net.nodes[0].handle.snapshot();
    assert_eq!((figures.packet_size, figures.size_probes_lost), (FULL, 0));
    net.run(6 * S, |_, _| {});
    let goodput = net.nodes[1].delivered() as f64 / 6.0 / 1e6;
    assert!(goodput > 10.5, "{goodput} MB/s");
}

#[test]
fn data_flows_at_once_where_full_packets_vanish_and_the_figures_say_so() {
    for most in [FULL as usize - 1, FIRST as usize] {
        let mut path = Path::new(20.0, 50, 1.0);
        path.narrow = Some((most, 0, u64::MAX));
        let mut net = net(path);
        net.run(S, |_, _| {});
        assert!(
            net.nodes[1].delivered() > 500_000,
            "{}",
            net.nodes[1].delivered()
        );
        net.run(3 * S, |_, _| {});
        let figures = net.nodes[0].handle.snapshot();
        assert_eq!(figures.packet_size, u64::from(FIRST));
        assert_eq!(figures.size_probes_lost, 3, "then it asks rarely");
        assert_eq!(figures.rtos, 0);
        net.run(65 * S, |_, _| {});
        assert_eq!(net.nodes[0].handle.snapshot().size_probes_lost, 5);
        assert!(!net.nodes[0].lost && !net.nodes[1].lost);
    }
}

#[test]
fn a_path_that_becomes_narrow_gets_smaller_packets_and_full_ones_again_when_it_recovers() {
    let mut path = Path::new(20.0, 50, 1.0);
    path.narrow = Some((FIRST as usize, 2 * S, 6 * S));
    let mut net = net(path);
    net.run(2 * S, |_, _| {});
    assert_eq!(net.nodes[0].handle.snapshot().packet_size, FULL);
    net.run(5 * S, |_, _| {});
    let figures = net.nodes[0].handle.snapshot();
    assert_eq!(figures.packet_size, u64::from(FIRST));
    // What was cut before cannot be cut again: it is repeated as it is, and passes when it can.
    let before = net.nodes[1].delivered();
    net.run(12 * S, |_, _| {});
    assert!(net.nodes[1].delivered() - before > 5_000_000);
    net.run(45 * S, |_, _| {});
    assert_eq!(net.nodes[0].handle.snapshot().packet_size, FULL);
}

#[test]
fn heavy_loss_does_not_pass_for_a_narrow_path_for_long() {
    const STEP: u64 = 250 * MS;
    let mut fooled = 0;
    for seed in 1..=40 {
        let mut net = net(Path::new(4.0, 50, 1.0).losing(20.0).seeded(seed));
        let (mut small, mut longest) = (0, 0);
        for step in 1..=80 {
            net.run(step * STEP, |_, _| {});
            let full = net.nodes[0].handle.snapshot().packet_size == FULL;
            small = if full { 0 } else { small + STEP };
            longest = longest.max(small);
        }
        assert!(longest <= 10 * S, "seed {seed}: small for {longest} ns");
        // Three probes in a row were lost: what counts as narrow on a path that loses nothing else.
        fooled += u32::from(longest > 2 * S);
    }
    assert!(fooled > 0, "chance had no probes");
}

#[test]
fn single_losses_do_not_keep_packets_small() {
    for seed in 1..=20 {
        let mut net = net(Path::new(20.0, 50, 1.0).losing(10.0).seeded(seed));
        net.run(40 * S, |_, _| {});
        assert_eq!(
            net.nodes[0].handle.snapshot().packet_size,
            FULL,
            "seed {seed}"
        );
    }
}
