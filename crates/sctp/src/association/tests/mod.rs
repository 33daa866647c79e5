//! The tables of the RFCs, case by case: one association, and the test in the place of its peer.
//! Two real ends against each other are in `tests/`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::{Association, AssociationEvent, Setup, State};
use crate::cookie::Key;
use crate::serial::Tsn;
use crate::tuning::Tuning;
use crate::types::{Event, Payload};
use crate::wire::{Builder, Chunk, DataHeader, Init, Packet};

mod chunks;
mod ends;
mod greetings;
mod reset_answers;
mod resets;

/// The tag and first TSN of the peer that the test plays.
const PEER_TAG: u32 = 0x0bad_cafe;
const PEER_TSN: Tsn = Tsn(u32::MAX - 4);
const COOKIE: &[u8] = b"the peer's own cookie, of no known form";

/// One association and the clock it is told.
struct Bench {
    a: Association,
    now: Instant,
}

fn setup() -> Setup {
    Setup {
        payload: 1060,
        receive_window: 1 << 20,
        max_receive_message: 256 << 10,
        max_init_retransmits: None,
        tuning: Tuning::default(),
        shared: Arc::default(),
        key: Key::new([5; 32]),
        random: StdRng::seed_from_u64(7),
    }
}

fn peer_init() -> Init {
    Init {
        tag: PEER_TAG,
        a_rwnd: 1 << 20,
        outbound: 1024,
        inbound: 2048,
        initial_tsn: PEER_TSN,
        forward_tsn: true,
        reconfig: true,
        unrecognized: Vec::new(),
    }
}

impl Bench {
    fn new(a: Association) -> Self {
        let now = Instant::now();
        let mut bench = Bench { a, now };
        bench.a.handle_timeout(now);
        bench
    }

    /// In COOKIE-WAIT, its INIT taken.
    fn waiting() -> Self {
        let mut bench = Bench::new(Association::connect(setup()));
        let sent = bench.sent();
        assert!(matches!(&sent[..], [(0, chunks)] if matches!(chunks[..], [Chunk::Init(_)])));
        bench
    }

    /// In COOKIE-ECHOED, its COOKIE ECHO taken.
    fn echoed() -> Self {
        let mut bench = Bench::waiting();
        bench.receive(|packet| {
            packet.push_init_ack(&peer_init(), COOKIE);
        });
        let sent = bench.sent();
        let [(PEER_TAG, chunks)] = &sent[..] else {
            panic!("{sent:?}");
        };
        assert!(matches!(&chunks[..], [Chunk::CookieEcho(c)] if c == COOKIE));
        bench
    }

    fn established() -> Self {
        let mut bench = Bench::echoed();
        bench.receive(|packet| {
            packet.push_cookie_ack();
        });
        assert_eq!(bench.a.poll(), Some(Event::Connected));
        assert_eq!(bench.a.state, State::Established);
        assert!(bench.sent().is_empty());
        bench
    }

    /// A packet of the peer with the right tag.
    fn receive(&mut self, fill: impl FnOnce(&mut Builder)) {
        let tag = self.a.local.tag;
        self.receive_with_tag(tag, fill);
    }

    fn receive_with_tag(&mut self, tag: u32, fill: impl FnOnce(&mut Builder)) {
        let mut packet = Builder::new(tag, 1400);
        fill(&mut packet);
        self.receive_bytes(packet.finish());
    }

    fn receive_bytes(&mut self, datagram: Vec<u8>) {
        let now = self.now;
        self.a.handle_event(AssociationEvent { now, datagram });
    }

    /// The packets it sends now: tag and chunks of each.
    fn sent(&mut self) -> Vec<(u32, Vec<Chunk>)> {
        let mut sent = Vec::new();
        while let Some(transmit) = self.a.poll_transmit(self.now) {
            let Payload::RawEncode(packets) = transmit.payload;
            for packet in packets {
                let packet = Packet::parse(packet.to_vec()).expect("our packets are well formed");
                let tag = packet.tag;
                let chunks = packet.chunks().collect::<Result<_, _>>();
                sent.push((tag, chunks.expect("our chunks can be read")));
            }
        }
        sent
    }

    /// The chunks it sends now; all packets must carry the peer's tag.
    fn chunks(&mut self) -> Vec<Chunk> {
        let sent = self.sent();
        assert!(sent.iter().all(|(tag, _)| *tag == PEER_TAG), "{sent:?}");
        sent.into_iter().flat_map(|(_, chunks)| chunks).collect()
    }

    fn pass_time(&mut self, time: Duration) {
        self.now += time;
        self.a.handle_timeout(self.now);
    }

    fn dropped(&self) -> u64 {
        self.a.figures.dropped
    }

    /// The last TSN the association has assigned.
    fn last_tsn(&self) -> Tsn {
        let transfer = self.a.transfer.as_ref().expect("established");
        transfer.sender.last_assigned()
    }

    /// Opens a stream and writes one short message to it, taken from the line.
    fn write(&mut self, id: u16) {
        use crate::types::PayloadProtocolIdentifier as Ppi;
        if self.a.stream(id).is_err() {
            self.a.open_stream(id, Ppi::Binary).expect("free");
        }
        let mut stream = self.a.stream(id).expect("open");
        stream
            .write_with_ppi(b"data", Ppi::Binary)
            .expect("written");
    }

    /// Acknowledges everything sent so far, after a round trip.
    fn acknowledge(&mut self) {
        self.pass_time(Duration::from_millis(10));
        let last = self.last_tsn();
        self.receive(|packet| {
            packet.push_sack(last, 1 << 20, [].into_iter(), &[]);
        });
    }

    /// A one-packet message of the peer.
    fn data(&mut self, tsn: Tsn, stream: u16, ssn: u16) {
        self.receive(|packet| {
            packet.push_data(&header(tsn, stream, ssn), b"data");
        });
    }
}

fn header(tsn: Tsn, stream: u16, ssn: u16) -> DataHeader {
    DataHeader {
        tsn,
        stream,
        ssn: crate::serial::Ssn(ssn),
        ppi: 53,
        begin: true,
        end: true,
        unordered: false,
        immediate: false,
    }
}
