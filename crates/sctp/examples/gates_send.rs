//! Prints what the sender costs, against the limits it was given. Run with `cargo run --release -p sctp-proto --example gates_send`.
//! Not a test: the figures depend on the machine and on what else it does.
//!
//! Each figure is the median of many short measurements, so that being interrupted now and then does not count.
#![allow(missing_docs)]

use std::hint::black_box;
use std::time::Instant;

use sctp_proto::__model::{Flow, FlowConfig, sack};

/// Bytes of the peer's window: never in the way here.
const WINDOW: u32 = 64 << 20;
/// Between two steps of the sender's time, ns.
const STEP: u64 = 1_000_000;

fn main() {
    let bulk = packets();
    gate(
        "packet of 1132 bytes: ring, log, pacing, building, CRC",
        180.0,
        bulk,
    );
    gate("SACK of 16 TSNs", 300.0, sacks_in_order());
    gate(
        "SACK with 250 old blocks and 2 new TSNs",
        1500.0,
        sacks_above_holes(),
    );
    let (write, send, acknowledge) = small_messages();
    gate("200-byte message: write", 200.0, write);
    gate("200-byte message: send in packets of five", 200.0, send);
    gate("200-byte message: acknowledge", 100.0, acknowledge);
    gate("whether there is something to send", 5.0, questions());
}

fn gate(what: &str, limit: f64, mut figures: Vec<f64>) {
    figures.sort_by(f64::total_cmp);
    let at = |share: usize| figures[figures.len() * share / 100];
    let median = at(50);
    let verdict = if median <= limit { "ok" } else { "OVER" };
    let n = figures.len();
    let (low, high) = (at(5), at(95));
    println!(
        "{what}: {median:.0} ns (5 % {low:.0}, 95 % {high:.0}, n = {n}), limit {limit:.0}: {verdict}"
    );
}

/// Nanoseconds of `work`, without what reading the clock costs.
fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let start = Instant::now();
    let done = work();
    let spent = start.elapsed().as_nanos() as f64;
    let empty = Instant::now();
    let clock = empty.elapsed().as_nanos() as f64;
    ((spent - clock).max(0.0), done)
}

/// A sender that only the peer's window holds back.
fn open() -> Flow {
    Flow::new(&FlowConfig {
        peer_window: WINDOW,
        unpaced: true,
        ..FlowConfig::default()
    })
}

fn send_all(flow: &mut Flow, now: u64) -> u32 {
    let mut sent = 0;
    while let Some(packet) = flow.poll(now) {
        black_box(packet);
        sent += 1;
    }
    sent
}

fn packets() -> Vec<f64> {
    let mut flow = open();
    let data = vec![1; 1132];
    let (mut now, mut tsn) = (STEP, 0);
    (0..2000)
        .map(|_| {
            for _ in 0..64 {
                flow.write(1, &data);
            }
            let (spent, sent) = timed(|| send_all(&mut flow, now));
            assert_eq!(sent, 64);
            tsn += sent;
            now += STEP;
            assert!(flow.sack(now, &sack(tsn, WINDOW, &[], &[])));
            spent / 64.0
        })
        .collect()
}

fn sacks_in_order() -> Vec<f64> {
    let mut flow = open();
    let data = vec![1; 1132 * 40];
    let (mut now, mut tsn) = (STEP, 0);
    let mut figures = Vec::new();
    for _ in 0..100 {
        for _ in 0..40 {
            flow.write(1, &data);
        }
        send_all(&mut flow, now);
        for _ in 0..100 {
            now += STEP / 100;
            tsn += 16;
            let view = sack(tsn, WINDOW, &[], &[]);
            let (spent, good) = timed(|| flow.sack(now, &view));
            assert!(good);
            figures.push(spent);
        }
    }
    figures
}

fn sacks_above_holes() -> Vec<f64> {
    const HOLES: u16 = 249;
    let mut flow = open();
    let data = vec![1; 1132];
    let (mut now, mut tsn) = (STEP, 0);
    let mut figures = Vec::new();
    for _ in 0..50 {
        let count = 2 * u32::from(HOLES) + 2000;
        for _ in 0..count {
            flow.write(1, &data);
        }
        send_all(&mut flow, now);
        // All of it within the grace of loss detection, so that a hole is no more than a hole.
        let holes = (1..=HOLES).map(|n| (2 * n, 2 * n));
        for n in 1..900u16 {
            now += 100;
            let last = (2 * HOLES + 2, 2 * HOLES + 2 * n + 1);
            let blocks: Vec<(u16, u16)> = holes.clone().chain([last]).collect();
            let view = sack(tsn, WINDOW, &blocks, &[]);
            let (spent, good) = timed(|| flow.sack(now, &view));
            assert!(good);
            if n > 1 {
                figures.push(spent);
            }
        }
        tsn += count;
        assert!(flow.sack(now, &sack(tsn, WINDOW, &[], &[])));
        now += STEP;
    }
    figures
}

fn small_messages() -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let mut flow = open();
    let data = vec![1; 200];
    let (mut now, mut tsn) = (STEP, 0);
    let (mut writes, mut sends, mut acknowledgements) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..2000 {
        let (spent, ()) = timed(|| (0..250).for_each(|_| flow.write(1, &data)));
        writes.push(spent / 250.0);
        let (spent, _) = timed(|| send_all(&mut flow, now));
        sends.push(spent / 250.0);
        tsn += 250;
        now += STEP;
        let view = sack(tsn, WINDOW, &[], &[]);
        let (spent, good) = timed(|| flow.sack(now, &view));
        assert!(good && flow.is_drained());
        acknowledgements.push(spent / 250.0);
    }
    (writes, sends, acknowledgements)
}

fn questions() -> Vec<f64> {
    let mut flow = open();
    (0..2000)
        .map(|now| {
            timed(|| (0..1000).for_each(|_| assert!(black_box(&mut flow).poll(now).is_none()))).0
                / 1000.0
        })
        .collect()
}
