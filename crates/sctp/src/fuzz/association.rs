//! One association against a peer that resets and skips streams as the input says, with data in between: its parts must agree and
//! the events of each stream come in their order. Not a network, and not the handshake.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::SeedableRng as _;
use rand::rngs::StdRng;

use crate::association::{Association, AssociationEvent, Setup};
use crate::cookie::Key;
use crate::serial::{Rsn, Ssn, Tsn};
use crate::tuning::Tuning;
use crate::types::{
    Event, Payload, PayloadProtocolIdentifier as Ppi, ReliabilityType, StreamEvent,
};
use crate::wire::{Builder, Chunk, DataHeader, Init, Packet, ReconfigParam, ReconfigResult};

/// Steps of one input.
const STEPS: usize = 120;
/// Streams that anything happens on.
const STREAMS: u8 = 5;
const LOCAL_TAG: u32 = 1;
const LOCAL: Tsn = Tsn(u32::MAX - 9);
const PEER: Tsn = Tsn(u32::MAX - 19);

/// How far a stream has come, by its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Open,
    Finished,
}

struct Case {
    a: Association,
    now: Instant,
    /// The peer's next TSN and the number of its next request.
    tsn: Tsn,
    rsn: Rsn,
    /// The association's last request, and its last TSN.
    asked: Rsn,
    sent: Tsn,
    ssns: [Ssn; STREAMS as usize],
    lives: BTreeMap<u16, Life>,
    over: bool,
}

/// Three bytes a step: what the peer or the caller does, and two values for it.
pub fn association(input: &[u8]) {
    let mut case = Case::new();
    for (count, step) in input.chunks_exact(3).take(STEPS).enumerate() {
        case.step(step[0], step[1], step[2]);
        // The others come in one batch with what follows.
        if step[0] < 160 {
            case.turn();
        }
        if count % 16 == 0 {
            assert_eq!(case.a.contradiction(), None);
        }
    }
    // What the association asks again and again is bounded, whatever the peer left open.
    for _ in 0..8 {
        case.pass(Duration::from_secs(8));
        case.turn();
    }
    assert_eq!(case.a.contradiction(), None);
}

fn init(tag: u32, initial_tsn: Tsn) -> Init {
    Init {
        tag,
        a_rwnd: 64 << 10,
        outbound: 100,
        inbound: 100,
        initial_tsn,
        forward_tsn: true,
        reconfig: true,
        unrecognized: Vec::new(),
    }
}

impl Case {
    fn new() -> Case {
        let setup = Setup {
            payload: 400,
            receive_window: 16 << 10,
            max_receive_message: 4 << 10,
            max_init_retransmits: None,
            tuning: Tuning::default(),
            shared: Arc::default(),
            key: Key::new([7; 32]),
            random: StdRng::seed_from_u64(7),
        };
        let mut case = Case {
            a: Association::connect_with_tokens(setup, init(LOCAL_TAG, LOCAL), &init(2, PEER)),
            now: Instant::now(),
            tsn: PEER,
            rsn: Rsn(PEER.0),
            asked: Rsn(LOCAL.0),
            sent: LOCAL.prev(),
            ssns: [Ssn(65_534); STREAMS as usize],
            lives: BTreeMap::new(),
            over: false,
        };
        case.pass(Duration::ZERO);
        // The streams are brought to their last numbers, so that they begin again soon.
        for far in [30_000, 60_000, 65_533] {
            let (tsn, streams) = (case.tsn, 0..u16::from(STREAMS));
            case.tsn = tsn.next();
            case.receive(|packet| {
                packet.push_forward_tsn(tsn, streams.map(|id| (id, Ssn(far))));
            });
        }
        case.turn();
        case
    }

    fn step(&mut self, what: u8, x: u8, y: u8) {
        let id = u16::from(x % STREAMS);
        // Nearly always the next number, sometimes another one.
        let off = u32::from(if y < 200 { 0 } else { y % 8 }).wrapping_sub(u32::from(y > 230) * 4);
        match what % 12 {
            0..=2 => self.data(x, off, what),
            3 => {
                let until = self.tsn + off;
                let ssn = self.ssns[usize::from(id)] + u16::from(y % 3);
                self.tsn = until.next();
                self.receive(|packet| {
                    packet.push_forward_tsn(
                        until,
                        [(id, ssn), (u16::from(y) << 8, Ssn(1))].into_iter(),
                    );
                });
            }
            4 | 5 => self.request(id, off, x, y),
            6 => {
                let results = [0, 1, 1, 1, 2, 4, 5, 6].map(ReconfigResult::from);
                let request = self.asked + u32::from(y / 224);
                let result = results[usize::from(x % 8)];
                self.receive(|packet| {
                    packet.push_reconfig(&[ReconfigParam::Response { request, result }]);
                });
            }
            7 => self.write(id, y),
            8 => {
                if let Ok(mut stream) = self.a.stream(id)
                    && stream.close().is_ok()
                {
                    assert!(!stream.is_readable() && !stream.is_writable());
                }
            }
            9 => {
                if let Ok(mut stream) = self.a.stream(id) {
                    let _ = stream.read();
                }
            }
            10 => self.pass(Duration::from_millis(u64::from(y) * 10)),
            _ => {
                // Acknowledges what was sent but the last few, and now and then more than that.
                let cumulative = self.sent - u32::from(x % 4) + off;
                self.receive(|packet| {
                    packet.push_sack(cumulative, 64 << 10, [].into_iter(), &[]);
                });
            }
        }
    }

    fn data(&mut self, x: u8, off: u32, what: u8) {
        let id = x % STREAMS;
        let ssn = self.ssns[usize::from(id)];
        let header = DataHeader {
            tsn: self.tsn + off,
            stream: id.into(),
            ssn: ssn + u16::from(off == 5),
            ppi: 53,
            begin: !(5..7).contains(&(x >> 5)),
            end: x >> 5 < 6,
            unordered: what % 12 == 2,
            immediate: false,
        };
        if off == 0 {
            self.tsn = self.tsn.next();
        }
        if header.end && !header.unordered {
            self.ssns[usize::from(id)] = ssn.next();
        }
        self.receive(|packet| {
            packet.push_data(&header, &[x; 300]);
        });
    }

    fn request(&mut self, id: u16, off: u32, x: u8, y: u8) {
        let streams = match y % 16 {
            0 => [].into_iter().collect(),
            1 => [id, id, 70 + id].into_iter().collect(),
            _ => [id].into_iter().collect(),
        };
        let first = ReconfigParam::OutgoingReset {
            request: self.rsn + off,
            response: Rsn(LOCAL.0),
            last_tsn: self.tsn.prev() + u32::from(x / 100),
            streams,
        };
        self.ssns[usize::from(id)] = Ssn(0);
        self.rsn = self.rsn + u32::from(off == 0);
        let mut params = vec![first];
        if x & 8 != 0 {
            let request = self.rsn;
            self.rsn = request.next();
            params.push(ReconfigParam::IncomingReset {
                request,
                streams: [id].into_iter().collect(),
            });
        }
        self.receive(|packet| {
            packet.push_reconfig(&params);
        });
    }

    fn write(&mut self, id: u16, y: u8) {
        if self.a.open_stream(id, Ppi::Binary).is_ok() {
            assert_eq!(self.lives.insert(id, Life::Open), None, "{id} was in use");
        }
        if let Ok(mut stream) = self.a.stream(id) {
            let kind = match y % 3 {
                0 => ReliabilityType::Reliable,
                1 => ReliabilityType::Rexmit,
                _ => ReliabilityType::Timed,
            };
            let _ = stream.set_reliability_params(y & 64 != 0, kind, u32::from(y / 64));
            let _ = stream.write_with_ppi(&vec![y; usize::from(y) * 5 + 1], Ppi::Binary);
        }
    }

    fn receive(&mut self, fill: impl FnOnce(&mut Builder)) {
        let mut packet = Builder::new(LOCAL_TAG, 1400);
        fill(&mut packet);
        self.a.handle_event(AssociationEvent {
            now: self.now,
            datagram: packet.finish(),
        });
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.a.handle_timeout(self.now);
    }

    /// What the driver does after a batch of datagrams: packets out, then events in.
    fn turn(&mut self) {
        for round in 0.. {
            assert!(round < 100, "packets without end");
            let Some(transmit) = self.a.poll_transmit(self.now) else {
                break;
            };
            let Payload::RawEncode(packets) = transmit.payload;
            for packet in packets.0 {
                self.look(packet.0);
            }
        }
        for count in 0.. {
            assert!(count < 1000, "events without end");
            let Some(event) = self.a.poll() else { break };
            assert!(!self.over, "{event:?} after the end");
            match event {
                Event::Stream(event) => self.note(event),
                Event::AssociationLost { .. } => self.over = true,
                _ => {}
            }
        }
        let waits = self.a.poll_timeout().is_none_or(|at| at > self.now);
        assert!(waits, "a timer is overdue");
    }

    fn look(&mut self, packet: Vec<u8>) {
        let packet = Packet::parse(packet).expect("our packets are well formed");
        for chunk in packet.chunks() {
            match chunk.expect("our chunks can be read") {
                Chunk::Data(data) if data.tsn.after(self.sent) => self.sent = data.tsn,
                Chunk::ForwardTsn(forward) if forward.cumulative.after(self.sent) => {
                    self.sent = forward.cumulative;
                }
                Chunk::Reconfig(chunk) => {
                    for param in chunk.into_params() {
                        if let ReconfigParam::OutgoingReset { request, .. } = param {
                            self.asked = request;
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn note(&mut self, event: StreamEvent) {
        let (id, before, after) = match event {
            StreamEvent::Readable { id } => (id, None, Some(Life::Open)),
            StreamEvent::Finished { id } => (id, Some(Life::Open), Some(Life::Finished)),
            StreamEvent::ResetComplete { id } => (id, Some(Life::Finished), None),
            _ => return,
        };
        assert_eq!(self.lives.get(&id).copied(), before, "{event:?}");
        match after {
            Some(life) => self.lives.insert(id, life),
            None => self.lives.remove(&id),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::inputs;
    use super::association;

    #[test]
    fn the_parts_agree_whatever_is_reset_and_skipped() {
        for (case, input) in inputs(11, 360).take(1000).enumerate() {
            println!("case {case}");
            association(&input);
        }
    }
}
