//! Ten minutes of virtual time at 2 % loss: the rate holds in every minute, nothing is lost, and the process does not grow.
//! A binary of its own, so that the memory measured is that of the two associations and the path between them.

#[allow(
    dead_code,
    reason = "shared with the network tests, which use all of it"
)]
#[path = "network/net.rs"]
mod net;
#[allow(
    dead_code,
    reason = "shared with the network tests, which use all of it"
)]
#[path = "network/peer.rs"]
mod peer;
#[allow(
    dead_code,
    reason = "shared with the network tests, which use all of it"
)]
#[path = "network/real.rs"]
mod real;
#[allow(
    dead_code,
    reason = "shared with the network tests, which use all of it"
)]
#[path = "network/run.rs"]
mod run;

use net::{Net, Node, Path, S};
use real::Real;

/// Growth allowed between the first minute and the last: the allocator's own waste, not anything kept per message.
const GROWTH: u64 = 4 << 20;

/// Resident bytes of this process.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    1024 * kib.and_then(|kib| kib.parse::<u64>().ok()).expect("VmRSS")
}

#[test]
fn ten_minutes_at_two_percent_loss_keep_rate_and_memory() {
    let path = Path::new(20.0, 50, 1.0).losing(2.0);
    let mut net = Net::new(path.clone(), Real::pair(path.seed, 8 << 20).into());
    net.run(60 * S, |_, _| {});
    let settled = resident();
    let mut delivered = net.nodes[1].delivered();
    for minute in 2..=10 {
        net.run(minute * 60 * S, |_, _| {});
        let now = net.nodes[1].delivered();
        let rate = (now - delivered) as f64 / 60.0 / 1e6;
        assert!(
            rate >= 2.0,
            "seed {}, minute {minute}: {rate} MB/s",
            path.seed
        );
        delivered = now;
    }
    assert!(!net.nodes[0].lost && !net.nodes[1].lost);
    let grown = resident().saturating_sub(settled);
    println!(
        "{} MB delivered, {grown} bytes grown",
        delivered / 1_000_000
    );
    assert!(grown <= GROWTH, "grown by {grown} bytes from {settled}");
}
