//! Whole associations over paths that lose: goodput as promised, every message once and in order.

use sctp_proto::ReliabilityType;

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

#[test]
fn messages_that_may_be_given_up_come_whole_and_once_and_never_block_the_others() {
    for unordered in [false, true] {
        for (kind, value, least) in [
            (ReliabilityType::Rexmit, 0, 0.02),
            (ReliabilityType::Rexmit, 1, 0.8),
            (ReliabilityType::Rexmit, 5, 0.99),
            (ReliabilityType::Timed, 20, 0.0),
            (ReliabilityType::Timed, 400, 0.9),
        ] {
            let path = Path::new(20.0, 50, 1.0).losing(5.0);
            let partial = (unordered, kind, value);
            let mut net = Net::new(path, Real::partial_pair(1, partial).into());
            net.run(8 * S, |_, _| {});
            assert!(!net.nodes[0].lost && !net.nodes[1].lost);
            let (written, read) = (net.nodes[0].messages(), net.nodes[1].messages());
            println!("unordered {unordered}, {kind:?} {value}: {read} of {written}");
            // Some were not sent yet.
            assert!(
                read as f64 >= least * (written as f64 - 10.0),
                "{read} of {written}"
            );
            assert!(written > 100, "it stood still after {written}");
        }
    }
}
