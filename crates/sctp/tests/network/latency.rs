//! How long a message takes when there is room to spare: nothing but the path and its losses.

use sctp_proto::__model::FlowConfig;

use super::net::{MS, Net, Node, Path, S};
use super::peer::Habits;
use super::run::{End, MESSAGE, Source, pair};

/// Half and nineteen twentieths of the messages of three runs arrived within so many ms; one is written per interval.
fn latencies(interval: u64, loss: f64) -> (f64, f64) {
    let mut waits: Vec<f64> = (1..=3)
        .flat_map(|seed| waits(interval, loss, seed))
        .collect();
    waits.sort_by(f64::total_cmp);
    (waits[waits.len() / 2], waits[waits.len() * 19 / 20])
}

fn waits(interval: u64, loss: f64, seed: u64) -> Vec<f64> {
    let path = Path::new(100.0, 50, 1.0).losing(loss).seeded(seed);
    let source = Source::Every(interval);
    let ends = pair(&FlowConfig::default(), &Habits::own(5 << 20), source);
    let mut net: Net<End> = Net::new(path, ends);
    let mut waits = Vec::new();
    let mut read = 0;
    net.run(20 * S, |net, _| {
        let messages = net.nodes[1].delivered() / MESSAGE as u64;
        while read < messages {
            waits.push((net.now - read * interval) as f64 / 1e6);
            read += 1;
        }
    });
    assert!(waits.len() as u64 > 19 * S / interval);
    waits
}

#[test]
fn messages_wait_for_lost_packets_but_not_for_a_rate() {
    for (interval, loss, half, most) in [
        (33, 0.0, 31.0, 31.0),
        (33, 1.0, 55.0, 100.0),
        (33, 5.0, 95.0, 143.0),
        (10, 0.0, 33.0, 34.0),
        (10, 1.0, 70.0, 86.0),
        (10, 5.0, 86.0, 138.0),
    ] {
        let (p50, p95) = latencies(interval * MS, loss);
        println!("every {interval} ms, {loss} %: {p50:.0} and {p95:.0} ms");
        assert!(
            p50 <= 1.1 * half + 2.0 && p95 <= 1.1 * most + 2.0,
            "{interval}, {loss}: {p50}, {p95}"
        );
    }
}
