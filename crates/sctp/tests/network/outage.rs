//! A path that goes away and comes back, or becomes longer: how long it takes until data flows as before.

use sctp_proto::__model::FlowConfig;

use super::net::{MS, Net, Node, Path, S};
use super::peer::Habits;
use super::run::{End, Source, pair};

/// Longest silence on a dead path.
const SILENCE: u64 = 2 * S;

/// Cuts the path after five seconds, and says when the first data arrived after it was back, and how many bytes in the second from two round trips later on.
fn after_outage(length: u64, loss: f64) -> (u64, u64) {
    let (from, back) = (5 * S, 5 * S + length);
    let mut path = Path::new(100.0, 50, 1.0).losing(loss);
    path.outage = Some((from, back));
    let ends = pair(
        &FlowConfig::default(),
        &Habits::own(8 << 20),
        Source::Endless,
    );
    let mut net: Net<End> = Net::new(path, ends);
    net.run(back, |_, _| {});
    let before = net.nodes[1].peer().packets;
    let mut first = None;
    net.run(back + 3 * S, |net, _| {
        if first.is_none() && net.nodes[1].peer().packets > before {
            first = Some(net.now);
        }
    });
    let first = first.expect("data arrives within three seconds");
    // The answer to it takes half a round trip; two more until everything runs.
    let settled = first + 25 * MS + 100 * MS;
    net.run(settled.max(net.now), |_, _| {});
    let before = net.nodes[1].delivered();
    let from = net.now;
    net.run(from + S, |_, _| {});
    assert_eq!(net.nodes[0].upload().flow.contradiction(), None);
    (first - back, net.nodes[1].delivered() - before)
}

#[test]
fn data_flows_at_full_rate_soon_after_the_path_is_back() {
    for length in [S, 5 * S, 30 * S] {
        for loss in [0.0, 1.0] {
            let (silence, bytes) = after_outage(length, loss);
            println!(
                "{} s, {loss} %: silent for {} ms, then {bytes} bytes in a second",
                length / S,
                silence / MS
            );
            assert!(silence <= SILENCE + 100 * MS);
            assert!(bytes > 10_000_000);
        }
    }
}

#[test]
fn a_path_that_becomes_longer_is_nearly_filled_again_after_four_seconds() {
    for (before, after) in [(20, 50), (20, 100), (50, 200)] {
        let mut path = Path::new(100.0, after, 1.0);
        path.delay = before * MS / 2;
        let ends = pair(
            &FlowConfig::default(),
            &Habits::own(8 << 20),
            Source::Endless,
        );
        let mut net: Net<End> = Net::new(path, ends);
        net.run(5 * S, |_, _| {});
        net.set_delay(after * MS / 2);
        net.run(9 * S, |_, _| {});
        let settled = net.nodes[1].delivered();
        net.run(11 * S, |_, _| {});
        let rate = (net.nodes[1].delivered() - settled) / 2;
        println!("{before} to {after} ms: {rate} B/s");
        assert!(rate > 8_000_000, "{before} to {after} ms: {rate} B/s");
    }
}

#[test]
fn a_dead_path_gets_few_packets_but_never_none_for_long() {
    let mut path = Path::new(100.0, 50, 1.0);
    path.outage = Some((S, 100 * S));
    let ends = pair(
        &FlowConfig::default(),
        &Habits::own(8 << 20),
        Source::Endless,
    );
    let mut net: Net<End> = Net::new(path, ends);
    net.run(3 * S, |_, _| {});
    let before = net.nodes[0].upload().flow.figures();
    let (mut last, mut longest) = (net.now, 0);
    let mut sent = before.packets;
    net.run(63 * S, |net, _| {
        let packets = net.nodes[0].upload().flow.figures().packets;
        if packets > sent {
            (longest, last, sent) = (longest.max(net.now - last), net.now, packets);
        }
    });
    assert!(longest <= SILENCE + MS, "{longest}");
    assert!(
        sent - before.packets <= 4 * 40,
        "{} packets in a minute",
        sent - before.packets
    );
}
