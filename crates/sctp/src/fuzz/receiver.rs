//! The receiver against a plan: what was sent is known, and what is acknowledged and read is compared with it.
//! Not hostile chunks, which the parser's body and the tests by hand make; here the peer keeps the rules, the network none.
use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;

use crate::receive::Receiver;
use crate::serial::{Ssn, Tsn};
use crate::time::Time;
use crate::wire::{Builder, Chunk, Data, Packet};

/// Streams of the plan.
const STREAMS: u16 = 4;
/// Chunks of the plan at most; more than one turn of a word, less than the span.
const CHUNKS: u32 = 600;

/// A message of the plan.
#[derive(Debug)]
struct Planned {
    stream: u16,
    ssn: Ssn,
    unordered: bool,
    first: u32,
    parts: u32,
    given_up: bool,
    read: bool,
}

/// What the peer sends, and what has become of it.
struct Plan {
    initial: Tsn,
    size: usize,
    messages: Vec<Planned>,
    /// Message of each chunk.
    of: Vec<usize>,
    /// Chunks that the receiver has taken, as distances from the first.
    taken: BTreeSet<u32>,
    /// All below were taken or given up.
    cumulative: u32,
}

/// First bytes: the initial number, the window, the size of the parts; then the parts of messages; then what happens.
pub fn receiver(input: &[u8]) {
    let [start, window, size, count, rest @ ..] = input else {
        return;
    };
    let (shapes, commands) = rest.split_at(rest.len().min(usize::from(*count)));
    let initial = match start % 4 {
        0 => Tsn(1),
        1 => Tsn(u32::MAX - 5),
        2 => Tsn(u32::from(*start) << 10),
        _ => Tsn(u32::MAX - 300),
    };
    let size = usize::from(*size) * 8 + 4;
    // A small window still holds the largest message.
    let window = match window % 2 {
        0 => 1 << 20,
        _ => size as u32 * 33 + u32::from(*window),
    };
    let mut plan = Plan::new(initial, size, shapes);
    let mut receiver = Receiver::new(initial, window, 1 << 20, Duration::from_millis(20));
    for (count, pair) in commands.chunks(2).enumerate() {
        let value = u32::from(pair.get(1).copied().unwrap_or(0));
        match pair[0] % 8 {
            // Near the lowest that is missing, where most things happen.
            0..=3 => plan.send(&mut receiver, plan.cumulative + value % 16),
            4 => plan.send(&mut receiver, plan.cumulative + value * 3),
            5 => plan.give_up(&mut receiver, value as usize),
            6 => plan.read(&mut receiver, value as u16 % STREAMS),
            _ => plan.sack(&mut receiver),
        }
        assert!(receiver.a_rwnd() <= window);
        // Looks at everything, which is slow.
        if count.is_multiple_of(32) {
            receiver.check();
        }
    }
    plan.finish(&mut receiver);
}

impl Plan {
    fn new(initial: Tsn, size: usize, shapes: &[u8]) -> Plan {
        let mut plan = Plan {
            initial,
            size,
            messages: Vec::new(),
            of: Vec::new(),
            taken: BTreeSet::new(),
            cumulative: 0,
        };
        let mut next = [Ssn(0); STREAMS as usize];
        for shape in shapes.iter().chain(&[0x50, 0x01]) {
            let stream = u16::from(shape % 4);
            let unordered = shape & 4 != 0;
            let parts = u32::from(shape >> 3) + 1;
            if plan.of.len() as u32 + parts > CHUNKS {
                break;
            }
            let ssn = next[usize::from(stream)];
            if !unordered {
                next[usize::from(stream)] = ssn.next();
            }
            plan.messages.push(Planned {
                stream,
                ssn,
                unordered,
                first: plan.of.len() as u32,
                parts,
                given_up: false,
                read: false,
            });
            plan.of
                .extend(std::iter::repeat_n(plan.messages.len() - 1, parts as usize));
        }
        plan
    }

    /// The chunk arrives, perhaps again.
    fn send(&mut self, receiver: &mut Receiver, at: u32) {
        let at = at.min(self.of.len() as u32 - 1);
        let message = &self.messages[self.of[at as usize]];
        let data = Data {
            tsn: self.initial + at,
            stream: message.stream,
            ssn: message.ssn,
            ppi: message.first,
            begin: at == message.first,
            end: at + 1 == message.first + message.parts,
            unordered: message.unordered,
            immediate: at.is_multiple_of(7),
            payload: self.payload(at),
        };
        let before = receiver.counters;
        let result = receiver.on_data(data);
        result.expect("no message of the plan is above the limits");
        receiver.on_datagram(Time(0));
        let known = at < self.cumulative || self.taken.contains(&at);
        assert_eq!(receiver.counters.duplicates > before.duplicates, known);
        if receiver.counters.no_window == before.no_window {
            self.taken.insert(at);
        }
        self.settle(receiver);
    }

    /// The peer gives up on a message and, as it must, on all before it that are not acknowledged.
    fn give_up(&mut self, receiver: &mut Receiver, index: usize) {
        let index = index.min(self.messages.len() - 1);
        let until = self.messages[index].first + self.messages[index].parts;
        if until <= self.cumulative {
            return;
        }
        let mut streams = Vec::new();
        for message in &mut self.messages[..=index] {
            let end = message.first + message.parts;
            let arrived =
                (message.first..end).all(|at| at < self.cumulative || self.taken.contains(&at));
            if end > self.cumulative {
                message.given_up |= !arrived;
                if !message.unordered {
                    streams.retain(|&(stream, _)| stream != message.stream);
                    streams.push((message.stream, message.ssn));
                }
            }
        }
        let mut builder = Builder::new(7, 1200);
        let cumulative = (self.initial + until).prev();
        assert!(builder.push_forward_tsn(cumulative, streams.into_iter()));
        let packet = Packet::parse(builder.finish()).expect("as written");
        let Some(Ok(Chunk::ForwardTsn(forward))) = packet.chunks().next() else {
            panic!("FORWARD-TSN became something else");
        };
        let result = receiver.on_forward_tsn(&forward, |_| true);
        result.expect("no message of the plan is above the limits");
        self.cumulative = until;
        self.settle(receiver);
    }

    /// The next message of a stream: one of the plan, whole, not read before, in order.
    fn read(&mut self, receiver: &mut Receiver, stream: u16) {
        let unread = receiver.has_unread(stream);
        let Some(got) = receiver.read(stream) else {
            assert!(!unread);
            return;
        };
        let index = self.of[got.ppi as usize];
        let (ssn, unordered) = (self.messages[index].ssn, self.messages[index].unordered);
        if !unordered {
            let early = |m: &Planned| !m.unordered && m.stream == stream && ssn.after(m.ssn);
            let missing = |m: &Planned| early(m) && !m.read && !m.given_up;
            assert!(
                !self.messages.iter().any(missing),
                "a message was overtaken"
            );
        }
        let message = &self.messages[index];
        assert!(!message.read && !message.given_up && message.stream == stream);
        let parts: Vec<Bytes> = (message.first..message.first + message.parts)
            .map(|at| self.payload(at))
            .collect();
        assert_eq!(got.parts.as_slice(), parts);
        assert_eq!(got.len, parts.iter().map(Bytes::len).sum::<usize>());
        self.messages[index].read = true;
    }

    /// The SACK says what was taken, no more and no less.
    fn sack(&self, receiver: &mut Receiver) {
        let mut builder = Builder::new(7, 4000);
        assert!(receiver.write_sack(&mut builder, usize::MAX));
        assert!(!receiver.sack_due(Time(0)));
        let packet = Packet::parse(builder.finish()).expect("as written");
        let Some(Ok(Chunk::Sack(sack))) = packet.chunks().next() else {
            panic!("SACK became something else");
        };
        let told: Vec<u32> = sack
            .blocks()
            .flat_map(|(first, last)| {
                let first = first.since(self.initial);
                first..=last.since(self.initial)
            })
            .collect();
        let above: Vec<u32> = self.taken.range(self.cumulative..).copied().collect();
        if sack.block_count() + sack.duplicate_count() < 265 {
            assert_eq!(told, above);
        } else {
            assert!(above.starts_with(&told));
        }
    }

    /// Everything missing arrives in order and is read: then nothing may be left over.
    fn finish(mut self, receiver: &mut Receiver) {
        while self.cumulative < self.of.len() as u32 {
            let before = self.cumulative;
            self.send(receiver, self.cumulative);
            if self.cumulative == before {
                // The window was full; then there must be something to read.
                let readable = (0..STREAMS).any(|stream| receiver.has_unread(stream));
                assert!(readable, "nothing moves");
                self.read_all(receiver);
            }
        }
        self.read_all(receiver);
        for message in &self.messages {
            assert!(message.read || message.given_up, "{message:?} was lost");
        }
        assert_eq!(receiver.held(), 0);
        receiver.check();
    }

    fn read_all(&mut self, receiver: &mut Receiver) {
        while let Some(stream) = receiver.pop_readable() {
            assert!(receiver.has_unread(stream));
        }
        for stream in 0..STREAMS {
            while receiver.has_unread(stream) {
                self.read(receiver, stream);
            }
        }
    }

    /// Moves the own cumulative number and compares it.
    fn settle(&mut self, receiver: &Receiver) {
        while self.taken.contains(&self.cumulative) {
            self.cumulative += 1;
        }
        let cumulative = receiver.cumulative().next().since(self.initial);
        assert_eq!(cumulative, self.cumulative);
    }

    /// Data that no other chunk has.
    fn payload(&self, at: u32) -> Bytes {
        let mut bytes = vec![at as u8; self.size];
        bytes[..4].copy_from_slice(&at.to_be_bytes());
        Bytes::from(bytes)
    }
}
