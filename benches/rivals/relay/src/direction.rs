//! One direction of the path: seeded loss, the bottleneck with its queue, the delay, and what was counted.
//! Times are nanoseconds since the relay began; sockets are elsewhere.

use std::collections::VecDeque;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::options::Options;

/// Bytes on the way without a rate limit, so that memory is bounded.
const MOST_HELD: usize = 512 << 20;
/// Steps of the histograms, in nanoseconds, and how many there are.
const STEP: u64 = 50_000;
const STEPS: usize = 20_000;

pub(crate) struct Packet {
    due: u64,
    pub(crate) lane: usize,
    pub(crate) bytes: Bytes,
}

pub(crate) struct Direction {
    delay: u64,
    loss: f64,
    rate: Option<f64>,
    queue: f64,
    random: u64,
    /// When the bottleneck has sent what it accepted, in nanoseconds with fractions.
    busy_until: f64,
    packets: VecDeque<Packet>,
    held: usize,
    counters: Counters,
    waited: Histogram,
    late: Histogram,
}

#[derive(Default)]
struct Counters {
    arrived: u64,
    arrived_bytes: u64,
    lost: u64,
    overflowed: u64,
    sent: u64,
    unsent: u64,
}

/// What became of a train: datagrams the kernel took, and ones it did not.
#[derive(Default)]
pub(crate) struct Sent {
    pub(crate) taken: u64,
    pub(crate) refused: u64,
}

impl Direction {
    pub(crate) fn new(options: &Options, way: u64) -> Direction {
        Direction {
            delay: (options.delay_ms * 1e6) as u64,
            loss: options.loss_percent / 100.0,
            rate: options.rate,
            queue: options.queue,
            random: options.seed.wrapping_mul(2).wrapping_add(way),
            busy_until: 0.0,
            packets: VecDeque::new(),
            held: 0,
            counters: Counters::default(),
            waited: Histogram::default(),
            late: Histogram::default(),
        }
    }

    /// Datagrams of `stride` bytes, the last maybe shorter, that arrived together.
    pub(crate) fn arrived(&mut self, now: u64, lane: usize, block: &Bytes, stride: usize) {
        let mut begin = 0;
        while begin < block.len() {
            let end = (begin + stride.max(1)).min(block.len());
            self.enqueue(now, lane, block.slice(begin..end));
            begin = end;
        }
    }

    pub(crate) fn next_due(&self) -> Option<u64> {
        self.packets.front().map(|packet| packet.due)
    }

    /// The next packet whose time has come.
    pub(crate) fn due(&mut self, now: u64) -> Option<Packet> {
        let packet = self.packets.pop_front_if(|packet| packet.due <= now)?;
        self.held -= packet.bytes.len();
        self.late.add(now - packet.due);
        Some(packet)
    }

    pub(crate) fn left(&mut self, sent: Sent) {
        self.counters.sent += sent.taken;
        self.counters.unsent += sent.refused;
    }

    pub(crate) fn report(&self) -> Value {
        let c = &self.counters;
        json!({
            "arrived": c.arrived, "arrived_bytes": c.arrived_bytes, "lost": c.lost, "overflowed": c.overflowed,
            "sent": c.sent, "unsent": c.unsent, "queue_ms": self.waited.report(), "late_ms": self.late.report(),
        })
    }

    fn enqueue(&mut self, now: u64, lane: usize, bytes: Bytes) {
        self.counters.arrived += 1;
        self.counters.arrived_bytes += bytes.len() as u64;
        // The stream of random numbers does not depend on what else happens to a packet.
        let lost = self.draw() < self.loss;
        if lost {
            self.counters.lost += 1;
            return;
        }
        let mut leaves = now;
        if let Some(rate) = self.rate {
            let waits = (self.busy_until - now as f64).max(0.0);
            if waits * rate / 1e9 + bytes.len() as f64 > self.queue {
                self.counters.overflowed += 1;
                return;
            }
            self.waited.add(waits as u64);
            self.busy_until = now as f64 + waits + bytes.len() as f64 * 1e9 / rate;
            leaves = self.busy_until as u64;
        } else if self.held + bytes.len() > MOST_HELD {
            self.counters.overflowed += 1;
            return;
        }
        self.held += bytes.len();
        self.packets.push_back(Packet { due: leaves + self.delay, lane, bytes });
    }

    /// SplitMix64, as a share of one.
    fn draw(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Times in steps of 50 us up to one second.
struct Histogram {
    steps: Vec<u64>,
    sum: u64,
    count: u64,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram { steps: vec![0; STEPS], sum: 0, count: 0 }
    }
}

impl Histogram {
    fn add(&mut self, time: u64) {
        self.steps[((time / STEP) as usize).min(STEPS - 1)] += 1;
        self.sum += time;
        self.count += 1;
    }

    fn report(&self) -> Value {
        let mean = self.sum as f64 / self.count.max(1) as f64 / 1e6;
        json!({"mean": mean, "p95": self.quantile(0.95), "p99": self.quantile(0.99)})
    }

    fn quantile(&self, q: f64) -> f64 {
        let wanted = (self.count as f64 * q) as u64;
        let mut seen = 0;
        let step = self.steps.iter().position(|n| {
            seen += n;
            seen > wanted
        });
        step.map_or(0.0, |s| (s as u64 * STEP) as f64 / 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn direction(loss_percent: f64, rate: Option<f64>, queue: f64) -> Direction {
        let options = Options { lanes: 1, delay_ms: 25.0, loss_percent, seed: 7, rate, queue };
        Direction::new(&options, 0)
    }

    fn taken(direction: &mut Direction, now: u64) -> usize {
        std::iter::from_fn(|| direction.due(now)).count()
    }

    #[test]
    fn a_packet_leaves_after_the_delay_and_not_before() {
        let mut d = direction(0.0, None, 0.0);
        d.arrived(1_000, 0, &Bytes::from_static(&[0; 2500]), 1200);
        assert_eq!(taken(&mut d, 25_000_999), 0);
        assert_eq!(taken(&mut d, 25_001_000), 3);
    }

    #[test]
    fn the_same_seed_loses_the_same_packets_at_about_the_wanted_share() {
        let run = || {
            let mut d = direction(2.0, None, 0.0);
            for now in 0..100_000 {
                d.arrived(now, 0, &Bytes::from_static(&[0; 10]), 10);
            }
            d.counters.lost
        };
        assert_eq!(run(), run());
        assert!((1_800..2_200).contains(&run()), "{}", run());
    }

    #[test]
    fn a_rate_spaces_packets_and_its_queue_drops_what_does_not_fit() {
        let mut d = direction(0.0, Some(1e6), 3_000.0);
        for _ in 0..5 {
            d.arrived(0, 0, &Bytes::from_static(&[0; 1000]), 1000);
        }
        assert_eq!((d.packets.len(), d.counters.overflowed), (3, 2));
        let dues: Vec<u64> = d.packets.iter().map(|p| p.due).collect();
        assert_eq!(dues, [26_000_000, 27_000_000, 28_000_000]);
    }
}
