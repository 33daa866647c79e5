//! Prints what the receive side costs beside what it may cost: `cargo run --release --example gates_receive`.
//! Not a test: the figures depend on the machine and on what else it does.
use std::hint::black_box;
use std::time::Instant;

use sctp_proto::__model::receive as gates;

/// Repetitions, of which the median counts.
const ROUNDS: usize = 101;
/// Chunks or packets in each: few, so that most rounds run undisturbed on a busy machine.
const CHUNKS: u32 = 5_000;

/// Prints the median of the nanoseconds per item.
fn gate(name: &str, limit: f64, items: u32, mut work: impl FnMut() -> std::time::Duration) {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| work().as_nanos() as f64 / f64::from(items))
        .collect();
    rounds.sort_by(f64::total_cmp);
    let (median, low, high) = (rounds[ROUNDS / 2], rounds[0], rounds[ROUNDS - 1]);
    let verdict = if median <= limit { "ok" } else { "ABOVE" };
    println!("{name:<44} {median:7.1} ns  ({low:.1}..{high:.1})  limit {limit:.0}  {verdict}");
}

fn timed<T>(work: impl FnOnce() -> T) -> std::time::Duration {
    let start = Instant::now();
    black_box(work());
    start.elapsed()
}

fn main() {
    println!("median of {ROUNDS} rounds of {CHUNKS}, 1132 bytes of data per packet");
    gate("build a packet with its checksum", 120.0, CHUNKS, || {
        timed(|| {
            (0..CHUNKS)
                .map(|tsn| gates::packet(tsn).len())
                .sum::<usize>()
        })
    });
    let packets: Vec<Vec<u8>> = (0..CHUNKS).map(gates::packet).collect();
    gate("parse, accept, read, SACK of 16", 280.0, CHUNKS, || {
        let packets = packets.clone();
        timed(|| gates::whole_path(packets))
    });
    gate("accept in order", 120.0, CHUNKS, || {
        let mut transfer = gates::Transfer::with_gaps(0);
        timed(|| transfer.accept(CHUNKS))
    });
    for gaps in [1, 100, 1000, 4000] {
        let name = format!("accept out of order, {gaps} gaps");
        gate(&name, 250.0, CHUNKS, || {
            let mut transfer = gates::Transfer::with_gaps(gaps);
            timed(|| transfer.accept(CHUNKS))
        });
    }
    for gaps in [0, 16, 1000] {
        let name = format!("write a SACK, {gaps} gaps");
        gate(&name, 1500.0, 1000, || {
            let mut transfer = gates::Transfer::with_gaps(gaps);
            timed(|| (0..1000).map(|_| transfer.sack()).sum::<usize>())
        });
    }
}
