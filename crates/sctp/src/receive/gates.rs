//! Work for the measuring example: the hot paths of codec and receiver, many times over.
//! Not a measurement; whoever calls these reads the clock.
use std::time::Duration;

use bytes::Bytes;

use super::Receiver;
use crate::serial::{Ssn, Tsn};
use crate::time::Time;
use crate::wire::{Builder, Chunk, Data, DataHeader, Packet};

/// User data of a packet of 1200 bytes on the network.
const PAYLOAD: usize = 1132;
/// That many bytes of data.
static DATA: [u8; PAYLOAD] = [0x5a; PAYLOAD];
/// Parts of a message of 48 KiB.
const PARTS: u32 = 44;
/// Every so many-th chunk is missing at first.
const SPACING: u32 = 8;

/// The part with that number of an endless ordered transfer.
fn part(tsn: u32, payload: Bytes) -> Data {
    Data {
        tsn: Tsn(tsn),
        stream: 1,
        ssn: Ssn((tsn / PARTS) as u16),
        ppi: 53,
        begin: tsn.is_multiple_of(PARTS),
        end: tsn % PARTS == PARTS - 1,
        unordered: false,
        immediate: false,
        payload,
    }
}

fn receiver() -> Receiver {
    Receiver::new(Tsn(0), 64 << 20, 1 << 20, Duration::from_millis(20))
}

/// Reads what is complete.
fn drain(receiver: &mut Receiver) -> usize {
    std::iter::from_fn(|| receiver.read(1))
        .map(|message| message.len)
        .sum()
}

/// A packet with one full DATA chunk.
#[must_use]
pub fn packet(tsn: u32) -> Vec<u8> {
    let data = part(tsn, Bytes::new());
    let header = DataHeader {
        tsn: data.tsn,
        stream: data.stream,
        ssn: data.ssn,
        ppi: data.ppi,
        begin: data.begin,
        end: data.end,
        unordered: false,
        immediate: false,
    };
    let mut builder = Builder::new(7, 1200);
    builder.push_data(&header, &DATA);
    builder.finish()
}

/// Parses, accepts and reads `packets`, which follow each other from number 0; a SACK for every 16. Returns the bytes read.
#[must_use]
pub fn whole_path(packets: Vec<Vec<u8>>) -> usize {
    let mut receiver = receiver();
    let mut bytes = 0;
    for (count, packet) in packets.into_iter().enumerate() {
        for chunk in Packet::parse(packet).into_iter().flat_map(Packet::chunks) {
            if let Ok(Chunk::Data(data)) = chunk {
                let _ = receiver.on_data(data);
            }
        }
        receiver.on_datagram(Time(0));
        if count % 16 == 15 {
            receiver.write_sack(&mut Builder::new(1, 1200), usize::MAX);
            bytes += drain(&mut receiver);
        }
    }
    bytes
}

/// A transfer, and the place it has come to.
#[derive(Debug)]
pub struct Transfer {
    receiver: Receiver,
    payload: Bytes,
    next: u32,
    lag: u32,
}

impl Transfer {
    /// A transfer with so many gaps open.
    #[must_use]
    pub fn with_gaps(gaps: u32) -> Transfer {
        let mut transfer = Transfer {
            receiver: receiver(),
            payload: Bytes::from(vec![0x5a; PAYLOAD]),
            next: 0,
            lag: gaps * SPACING,
        };
        while transfer.next < transfer.lag {
            if !transfer.next.is_multiple_of(SPACING) {
                transfer.take(transfer.next);
            }
            transfer.next += 1;
        }
        transfer
    }

    /// Accepts `chunks` more: in order if there are no gaps, else one in eight fills the oldest gap and leaves a new one. Returns the bytes read.
    pub fn accept(&mut self, chunks: u32) -> usize {
        let mut bytes = 0;
        for _ in 0..chunks {
            let hole = self.lag > 0 && self.next.is_multiple_of(SPACING);
            self.take(if hole {
                self.next - self.lag
            } else {
                self.next
            });
            self.next += 1;
            if self.next.is_multiple_of(64) {
                bytes += drain(&mut self.receiver);
            }
        }
        bytes
    }

    /// Writes one SACK; how many bytes its packet has.
    pub fn sack(&mut self) -> usize {
        let mut builder = Builder::new(1, 1200);
        self.receiver.write_sack(&mut builder, usize::MAX);
        builder.finish().len()
    }

    fn take(&mut self, tsn: u32) {
        let data = part(tsn, self.payload.clone());
        let _ = self.receiver.on_data(data);
    }
}
