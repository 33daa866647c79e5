//! Whole associations over paths that lose: goodput as promised, every message once and in order.

use super::net::{Net, Node, Path, S};
use super::real::Real;

/// MB/s after the first sixth, and the share of packets sent again.
fn run(path: Path, window: u32, seconds: u64) -> (f64, f64) {
    let mut net = Net::new(path.clone(), Real::pair(path.seed, window).into());
    net.run(seconds * S / 6, |_, _| {});
    let before = net.nodes[1].delivered();
    net.run(seconds * S, |_, _| {});
    assert!(!net.nodes[0].lost && !net.nodes[1].lost);
    let gained = net.nodes[1].delivered() - before;
    let figures = net.nodes[0].handle.snapshot();
    let resent = figures.packets_retransmitted as f64 / figures.packets_sent.max(1) as f64;
    (gained as f64 / (seconds as f64 * 5.0 / 6.0) / 1e6, resent)
}

#[test]
fn associations_fill_a_hundred_megabits_at_every_loss_rate() {
    for (loss, promised) in [
        (0.0, 11.34),
        (0.5, 11.39),
        (1.0, 11.29),
        (2.0, 11.11),
        (5.0, 10.48),
    ] {
        let path = Path::new(100.0, 50, 1.0).losing(loss);
        let (goodput, resent) = run(path, 5 << 20, 12);
        println!(
            "{loss} %: {goodput:.2} MB/s, {:.2} % sent again",
            100.0 * resent
        );
        assert!(goodput >= 0.9 * promised, "{loss} %: {goodput}");
        assert!(resent <= loss / 100.0 + 0.01, "{loss} %: {resent}");
    }
}

#[test]
fn associations_reach_what_is_promised_without_a_rate_limit() {
    for (loss, promised) in [
        (0.0, 120.0),
        (0.5, 60.0),
        (1.0, 55.0),
        (2.0, 45.0),
        (5.0, 35.0),
    ] {
        let path = Path::new(4000.0, 50, 1.0).losing(loss);
        let (goodput, resent) = run(path, 8 << 20, 3);
        println!(
            "{loss} %: {goodput:.2} MB/s, {:.2} % sent again",
            100.0 * resent
        );
        assert!(goodput >= promised, "{loss} %: {goodput}");
        assert!(resent <= loss / 100.0 + 0.01, "{loss} %: {resent}");
    }
}
