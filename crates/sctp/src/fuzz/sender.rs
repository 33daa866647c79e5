//! The sender against acknowledgements of every kind, honest or not: its books are recounted after every step.
//! Not a network: the peer is whatever the input says, until it turns honest at the end.
use std::time::Duration;

use crate::send::{Reliability, ReliabilityKind, Sender, SenderConfig};
use crate::serial::Tsn;
use crate::time::Time;
use crate::tuning::Congestion;
use crate::wire::{Builder, Chunk, Packet};

/// Streams that are written to.
const STREAMS: u16 = 4;
/// Bytes that may wait to be sent.
const UNSENT: usize = 64 << 10;
/// Bytes of user data in a chunk.
const PAYLOAD: usize = 400;
const MS: u64 = 1_000_000;

struct Case {
    sender: Sender,
    now: u64,
    written: u64,
    initial: Tsn,
    /// Everything up to here was acknowledged.
    passed: Tsn,
}

/// First bytes: the initial number, law and capacity of the peer; then what happens, two bytes a step, and blocks.
pub fn sender(input: &[u8]) {
    let [start, kind, rest @ ..] = input else {
        return;
    };
    let initial = match start % 3 {
        0 => Tsn(1),
        1 => Tsn(u32::MAX - 5),
        _ => Tsn(u32::from(*start) << 12),
    };
    let mut case = Case {
        sender: Sender::new(SenderConfig {
            initial_tsn: initial,
            peer_window: 128 << 10,
            payload: PAYLOAD,
            forward_tsn: kind & 1 == 0,
            big_window_peer: kind & 2 == 0,
            congestion: if kind & 4 == 0 {
                Congestion::Rate
            } else {
                Congestion::NewReno
            },
            max_rate: (kind & 8 != 0).then_some(100_000),
            initial_rtt: (kind & 16 != 0).then_some(30 * MS),
        }),
        now: 0,
        written: 0,
        initial,
        passed: initial.prev(),
    };
    let mut bytes = rest.iter().copied();
    while let Some((step, value)) = bytes.next().zip(bytes.next()) {
        case.step(step, value, &mut bytes);
        case.check();
    }
    case.finish();
}

impl Case {
    fn step(&mut self, step: u8, value: u8, bytes: &mut impl Iterator<Item = u8>) {
        let stream = u16::from(value) % STREAMS;
        match step % 8 {
            0 if self.sender.unsent_total() < UNSENT => {
                let len = usize::from(value) * 17 + 1;
                self.sender
                    .write(stream, &vec![value; len], 53, step & 128 != 0);
                self.written += len as u64;
            }
            0 | 1 => self.send(usize::from(value % 32)),
            2 => self.pass(u64::from(value) * MS),
            3 => self.pass(u64::from(value) * MS / 20),
            4 => self.sack_up_to(u32::from(value % 16)),
            5 => {
                let kind = match value / 64 {
                    0 => ReliabilityKind::Reliable,
                    1 => ReliabilityKind::Rexmit(u32::from(value % 4)),
                    _ => ReliabilityKind::Timed(Duration::from_millis(value.into())),
                };
                let unordered = value & 32 != 0;
                self.sender
                    .set_reliability(stream, Reliability { unordered, kind });
            }
            6 => self.sack(value, bytes),
            _ => self.sender.heard_peer(),
        }
    }

    fn pass(&mut self, time: u64) {
        self.now += time;
        self.sender.on_timeout(Time(self.now));
        assert!(!self.sender.is_late(Time(self.now)), "a timer is overdue");
    }

    fn send(&mut self, most: usize) {
        let now = Time(self.now);
        for _ in 0..most {
            let before = self.sender.snapshot();
            let forced = self.sender.may_exceed_window();
            let mut out = Builder::new(1, PAYLOAD + 28);
            let wrote = self.sender.write_all(now, &mut out);
            let after = self.sender.snapshot();
            let packet = (PAYLOAD + 16) as u64;
            if after.in_flight > before.in_flight && !forced {
                assert!(after.in_flight <= after.window.max(packet));
            }
            if after.outstanding > before.outstanding && before.outstanding > 0 {
                assert!(after.outstanding <= after.peer_window.saturating_sub(2 * PAYLOAD as u64));
            }
            if out.is_empty() {
                assert!(!wrote);
                break;
            }
        }
    }

    /// An honest SACK of all but the newest few.
    fn sack_up_to(&mut self, few: u32) {
        let newest = self.sender.last_assigned();
        let count = newest.next().since(self.initial);
        let cumulative = newest - few.min(count);
        let _ = self.take(cumulative, 128 << 10, &[], &[]);
    }

    /// A SACK of the input's making.
    fn sack(&mut self, value: u8, bytes: &mut impl Iterator<Item = u8>) {
        let newest = self.sender.last_assigned();
        let far = match value {
            // As far away as a number can be, and the neighbours of that.
            253.. => (1 << 31) - 1 + u32::from(value - 253),
            _ => 0,
        };
        let cumulative = newest + 4 - u32::from(value) + far;
        let mut blocks = Vec::new();
        let mut at = 1u16;
        let count = bytes.next().unwrap_or(0) % 40;
        for _ in 0..count {
            let (gap, len) = (bytes.next().unwrap_or(1), bytes.next().unwrap_or(0));
            // Now and then out of order.
            let first = if gap == 255 {
                1
            } else {
                at + u16::from(gap % 8)
            };
            let last = first + u16::from(len % 8);
            blocks.push((first, last));
            at = last + 1;
        }
        let window = u32::from(bytes.next().unwrap_or(255)) << 9;
        let duplicates = [cumulative, newest - u32::from(value % 7)];
        let _ = self.take(cumulative, window, &blocks, &duplicates);
    }

    fn take(
        &mut self,
        cumulative: Tsn,
        window: u32,
        blocks: &[(u16, u16)],
        duplicates: &[Tsn],
    ) -> bool {
        let mut out = Builder::new(1, 1200);
        assert!(out.push_sack(cumulative, window, blocks.iter().copied(), duplicates));
        let packet = Packet::parse(out.finish()).expect("it was just built");
        let Some(Ok(Chunk::Sack(view))) = packet.chunks().next() else {
            panic!("it holds a SACK");
        };
        // Behind what was acknowledged before, or within what was sent since.
        let newest = self.sender.last_assigned();
        let ahead = cumulative.since(self.passed);
        let possible = ahead <= newest.since(self.passed) || ahead > 1 << 31;
        let good = self.sender.on_sack(Time(self.now), &view).is_ok();
        assert_eq!(good, possible);
        if good && cumulative.after(self.passed) {
            self.passed = cumulative;
        }
        good
    }

    fn check(&self) {
        assert_eq!(self.sender.contradiction(), None);
        let look = self.sender.snapshot();
        let done = look.counters.bytes_acked + look.counters.bytes_abandoned;
        assert_eq!(self.written, look.unsent + look.outstanding + done);
    }

    /// With an honest peer everything comes to its end.
    fn finish(&mut self) {
        for _ in 0..20_000 {
            if self.sender.is_all_drained() {
                break;
            }
            self.send(32);
            let newest = self.sender.last_assigned();
            assert!(self.take(newest, 1 << 20, &[], &[]));
            let next = self.sender.deadline().map_or(self.now, |at| at.0);
            self.pass(next.saturating_sub(self.now).clamp(MS, 10_000 * MS));
        }
        self.check();
        assert!(self.sender.is_all_drained(), "it never ends");
        while let Some(id) = self.sender.pop_low() {
            assert!(id < STREAMS);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::inputs;
    use super::sender;

    #[test]
    fn the_books_are_right_whatever_the_peer_says() {
        for (case, input) in inputs(7, 600).take(400).enumerate() {
            println!("case {case}");
            sender(&input);
        }
    }
}
