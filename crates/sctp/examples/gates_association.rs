//! Prints what a pass of an association costs: when nothing is to do, and with full packets from one end to the other in memory.
//! Run with `cargo run --release -p sctp-proto --example gates_association`. Not a test: the figures depend on the machine.

use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sctp_proto::{
    Association, ClientConfig, DatagramEvent, Endpoint, EndpointConfig, Event, Payload,
    PayloadProtocolIdentifier as Ppi, ServerConfig, TransportConfig,
};

const ROUNDS: u32 = 2000;
const CALLS: u32 = 2000;
const MESSAGE: usize = 48 << 10;
const VOLUME: usize = 1 << 30;
/// Datagrams handed over between two passes of the receiving end.
const BATCH: usize = 16;

struct End {
    endpoint: Endpoint,
    association: Option<Association>,
    /// Time spent in the calls of this end.
    busy: Duration,
}

impl End {
    fn new() -> Self {
        let transport = Arc::new(
            TransportConfig::default()
                .with_max_receive_buffer_size(8 << 20)
                .with_max_receive_message_size(1 << 20),
        );
        let mut config = EndpointConfig::default();
        config.max_payload_size(1135);
        let server = ServerConfig { transport };
        End {
            endpoint: Endpoint::new(Arc::new(config), Some(Arc::new(server))),
            association: None,
            busy: Duration::ZERO,
        }
    }

    fn association(&mut self) -> &mut Association {
        self.association.as_mut().expect("connected")
    }

    fn receive(&mut self, now: Instant, packets: Vec<Vec<u8>>) {
        let address: SocketAddr = ([1, 1, 1, 1], 5000).into();
        for packet in packets {
            match self.endpoint.handle(now, address, None, None, packet) {
                Some((_, DatagramEvent::NewAssociation(made))) => self.association = Some(made),
                Some((_, DatagramEvent::AssociationEvent(event))) => {
                    self.association().handle_event(event);
                }
                None => {}
            }
        }
    }

    fn transmit(&mut self, now: Instant) -> Option<Vec<Vec<u8>>> {
        let association = self.association.as_mut()?;
        association.handle_timeout(now);
        let Payload::RawEncode(packets) = association.poll_transmit(now)?.payload;
        Some(packets.into_iter().map(|p| p.to_vec()).collect())
    }

    fn timed<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        let begun = Instant::now();
        let made = work(self);
        self.busy += begun.elapsed();
        made
    }
}

fn connected() -> (End, End, Instant) {
    let (mut a, mut b) = (End::new(), End::new());
    let address: SocketAddr = ([1, 1, 1, 1], 5000).into();
    let (_, made) = a
        .endpoint
        .connect(ClientConfig::new(), address)
        .expect("a fresh endpoint");
    a.association = Some(made);
    let mut now = Instant::now();
    for _ in 0..8 {
        now += Duration::from_micros(50);
        while let Some(packets) = a.transmit(now) {
            b.receive(now, packets);
        }
        while let Some(packets) = b.transmit(now) {
            a.receive(now, packets);
        }
    }
    assert_eq!(a.association().poll(), Some(Event::Connected));
    assert_eq!(b.association().poll(), Some(Event::Connected));
    (a, b, now)
}

/// The shortest of many short rounds: a machine that does other things at the same time disturbs only some of them.
fn each(mut call: impl FnMut()) -> f64 {
    let round = |call: &mut dyn FnMut()| {
        let begun = Instant::now();
        for _ in 0..CALLS {
            call();
        }
        begun.elapsed().as_nanos() as f64 / f64::from(CALLS)
    };
    (0..ROUNDS)
        .map(|_| round(&mut call))
        .fold(f64::MAX, f64::min)
}

fn idle() {
    let (mut a, _b, now) = connected();
    let association = a.association();
    let cost = each(|| {
        let nothing = black_box(&mut *association).poll_transmit(black_box(now));
        assert!(nothing.is_none());
    });
    println!("idle poll_transmit   {cost:6.2} ns (gate 5)");
    let cost = each(|| black_box(&mut *association).handle_timeout(black_box(now)));
    println!("idle handle_timeout  {cost:6.2} ns (gate 5)");
    let cost = each(|| {
        black_box(black_box(&mut *association).poll_timeout());
    });
    println!("idle poll_timeout    {cost:6.2} ns");
    let cost = each(|| assert!(black_box(&mut *association).poll().is_none()));
    println!("idle poll            {cost:6.2} ns");
}

/// Moves `volume` bytes in messages of `size` and prints the time each end spent per packet.
fn transfer(size: usize, volume: usize) {
    let (mut a, mut b, mut now) = connected();
    a.association().open_stream(1, Ppi::Binary).expect("free");
    let message = vec![7; size];
    let mut buffer = vec![0; size];
    let (mut written, mut read, mut packets) = (0, 0, 0);
    let count = volume / size;
    while read < count {
        now += Duration::from_micros(20);
        a.timed(|a| {
            let mut stream = a.association().stream(1).expect("open");
            while written < count && stream.buffered_amount().is_ok_and(|n| n < 1 << 20) {
                let sent = stream.write_with_ppi(&message, Ppi::Binary);
                assert_eq!(sent, Ok(size));
                written += 1;
            }
        });
        while let Some(mut train) = a.timed(|a| a.transmit(now)) {
            packets += train.len();
            while !train.is_empty() {
                let rest = train.split_off(train.len().min(BATCH));
                let back = b.timed(|b| {
                    b.receive(now, train);
                    b.transmit(now)
                });
                train = rest;
                if let Some(back) = back {
                    a.timed(|a| a.receive(now, back));
                }
            }
        }
        b.timed(|b| {
            while b.association().poll().is_some() {}
            let Ok(mut stream) = b.association().stream(1) else {
                return;
            };
            while let Ok(Some(chunks)) = stream.read() {
                read += 1;
                chunks.read(&mut buffer).expect("the size is known");
            }
        });
    }
    let per = |end: &End| end.busy.as_nanos() as f64 / packets as f64;
    let rate = |end: &End| volume as f64 / 1e6 / end.busy.as_secs_f64();
    println!(
        "{size:6}-byte messages: {packets} packets; sender {:5.0} ns ({:5.0} MB/s), receiver {:5.0} ns ({:5.0} MB/s), {:.0} messages a second",
        per(&a),
        rate(&a),
        per(&b),
        rate(&b),
        count as f64 / a.busy.max(b.busy).as_secs_f64(),
    );
}

fn main() {
    idle();
    transfer(MESSAGE, VOLUME);
    transfer(200, VOLUME / 16);
}
