//! Two endpoints joined by a line with a delay, a clock that jumps, and a filter that may drop or change packets.
//! It is not the network of the throughput tests: no rate, no queue, no chance.
#![allow(dead_code)]

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sctp_proto::tuning::{self, Tuning};
use sctp_proto::{
    Association, AssociationHandle, ClientConfig, DatagramEvent, Endpoint, EndpointConfig, Event,
    Payload, PayloadProtocolIdentifier, ServerConfig, StreamEvent, TransportConfig,
};

pub(crate) const CLIENT: usize = 0;
pub(crate) const SERVER: usize = 1;

/// Types of chunks, for filters.
pub(crate) mod kind {
    pub(crate) const DATA: u8 = 0;
    pub(crate) const INIT: u8 = 1;
    pub(crate) const INIT_ACK: u8 = 2;
    pub(crate) const SACK: u8 = 3;
    pub(crate) const HEARTBEAT: u8 = 4;
    pub(crate) const ABORT: u8 = 6;
    pub(crate) const SHUTDOWN: u8 = 7;
    pub(crate) const SHUTDOWN_ACK: u8 = 8;
    pub(crate) const COOKIE_ECHO: u8 = 10;
    pub(crate) const COOKIE_ACK: u8 = 11;
    pub(crate) const SHUTDOWN_COMPLETE: u8 = 14;
    pub(crate) const RECONFIG: u8 = 130;
    pub(crate) const FORWARD_TSN: u8 = 192;
}

/// The types of the chunks in a packet.
pub(crate) fn kinds(packet: &[u8]) -> Vec<u8> {
    let mut kinds = Vec::new();
    let mut at = 12;
    while at + 4 <= packet.len() {
        kinds.push(packet[at]);
        let len = usize::from(u16::from_be_bytes([packet[at + 2], packet[at + 3]]));
        at += len.max(4).next_multiple_of(4);
    }
    kinds
}

pub(crate) struct Peer {
    pub(crate) endpoint: Endpoint,
    pub(crate) association: Option<Association>,
    /// Everything that was polled, oldest first.
    pub(crate) events: Vec<Event>,
}

impl Peer {
    pub(crate) fn association(&mut self) -> &mut Association {
        self.association.as_mut().expect("an association")
    }

    pub(crate) fn connected(&self) -> bool {
        self.events.contains(&Event::Connected)
    }

    pub(crate) fn lost(&self) -> bool {
        let lost = |e: &Event| matches!(e, Event::AssociationLost { .. });
        self.events.iter().any(lost)
    }

    pub(crate) fn saw(&self, event: StreamEvent) -> bool {
        self.events.contains(&Event::Stream(event))
    }

    pub(crate) fn open(&mut self, id: u16) {
        let opened = self
            .association()
            .open_stream(id, PayloadProtocolIdentifier::Unknown);
        opened.expect("the stream opens");
    }

    pub(crate) fn write(&mut self, id: u16, data: &[u8]) {
        let mut stream = self.association().stream(id).expect("the stream exists");
        let written = stream.write_with_ppi(data, PayloadProtocolIdentifier::Binary);
        assert_eq!(written, Ok(data.len()));
    }

    /// The next message of a stream, if there is one.
    pub(crate) fn read(&mut self, id: u16) -> Option<(PayloadProtocolIdentifier, Vec<u8>)> {
        let mut stream = self.association().stream(id).ok()?;
        let chunks = stream.read().expect("the stream can be read")?;
        let mut message = vec![0; chunks.len()];
        chunks
            .read(&mut message)
            .expect("the buffer is large enough");
        Some((chunks.ppi, message))
    }

    pub(crate) fn close(&mut self, id: u16) {
        let mut stream = self.association().stream(id).expect("the stream exists");
        stream.close().expect("the stream closes");
    }
}

/// Decides about a packet: `true` lets it pass. It gets the sender's number and may change the packet.
pub(crate) type Filter = Box<dyn FnMut(usize, &mut Vec<u8>) -> bool>;

pub(crate) struct Pair {
    pub(crate) now: Instant,
    pub(crate) start: Instant,
    pub(crate) peers: [Peer; 2],
    pub(crate) delay: Duration,
    pub(crate) filter: Filter,
    /// Every packet that was sent, with its sender, before the filter.
    pub(crate) sent: Vec<(usize, Vec<u8>)>,
    line: VecDeque<(Instant, usize, Vec<u8>)>,
}

pub(crate) fn transport() -> Arc<TransportConfig> {
    Arc::new(TransportConfig::default().with_max_receive_buffer_size(1 << 20))
}

pub(crate) fn endpoint(seed: u64) -> Endpoint {
    let mut tuning = Tuning::default();
    tuning.seed = Some(seed);
    tuning::scope(tuning, endpoint_in_scope).0
}

/// An endpoint with the tuning of the scope this is called in.
pub(crate) fn endpoint_in_scope() -> Endpoint {
    let server = ServerConfig {
        transport: transport(),
    };
    Endpoint::new(Arc::new(EndpointConfig::default()), Some(Arc::new(server)))
}

impl Pair {
    /// Two endpoints, nothing begun, 10 ms each way.
    pub(crate) fn new() -> Self {
        let peer = |seed| Peer {
            endpoint: endpoint(seed),
            association: None,
            events: Vec::new(),
        };
        let start = Instant::now();
        Pair {
            now: start,
            start,
            peers: [peer(1), peer(2)],
            delay: Duration::from_millis(10),
            filter: Box::new(|_, _| true),
            sent: Vec::new(),
            line: VecDeque::new(),
        }
    }

    /// Two established ends.
    pub(crate) fn established() -> Self {
        let mut pair = Pair::new();
        pair.connect(CLIENT);
        pair.run(Duration::from_secs(5), |pair| {
            pair.peers.iter().all(Peer::connected)
        });
        pair
    }

    pub(crate) fn connect(&mut self, who: usize) {
        let address = "1.1.1.1:5000".parse().expect("an address");
        let mut config = ClientConfig::new();
        config.transport = transport();
        let (handle, made) = self.peers[who]
            .endpoint
            .connect(config, address)
            .expect("the endpoint is free");
        assert_eq!(handle, AssociationHandle(0));
        self.peers[who].association = Some(made);
    }

    /// Lets time pass and packets move until `done`; panics if that takes longer than `limit` of the pair's time.
    #[track_caller]
    pub(crate) fn run(&mut self, limit: Duration, mut done: impl FnMut(&mut Pair) -> bool) {
        let end = self.now + limit;
        loop {
            self.pass();
            if done(self) {
                self.pass();
                return;
            }
            let Some(next) = self.next() else {
                panic!(
                    "nothing happens any more, {:?} after the start",
                    self.now - self.start
                );
            };
            assert!(next <= end, "not done after {limit:?}");
            self.now = self.now.max(next);
        }
    }

    /// Lets `time` pass, whatever happens in it.
    pub(crate) fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        self.pass();
        while let Some(next) = self.next().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.pass();
        }
        self.now = end;
        self.pass();
    }

    fn next(&mut self) -> Option<Instant> {
        let arrival = self.line.front().map(|(at, ..)| *at);
        let timers = self
            .peers
            .iter_mut()
            .filter_map(|peer| peer.association.as_mut()?.poll_timeout());
        timers.chain(arrival).min()
    }

    /// One pass of both ends at the present time.
    pub(crate) fn pass(&mut self) {
        while self.line.front().is_some_and(|(at, ..)| *at <= self.now) {
            let (_, to, packet) = self.line.pop_front().expect("looked at just now");
            self.deliver(to, packet);
        }
        for who in [CLIENT, SERVER] {
            let Some(association) = &mut self.peers[who].association else {
                continue;
            };
            association.handle_timeout(self.now);
            assert!(association.poll_endpoint_event().is_none());
            while let Some(transmit) = association.poll_transmit(self.now) {
                let Payload::RawEncode(packets) = transmit.payload;
                for packet in packets {
                    let mut packet = packet.to_vec();
                    self.sent.push((who, packet.clone()));
                    if (self.filter)(who, &mut packet) {
                        self.line
                            .push_back((self.now + self.delay, 1 - who, packet));
                    }
                }
            }
            while let Some(event) = association.poll() {
                self.peers[who].events.push(event);
            }
        }
    }

    /// Hands a packet to one end now.
    pub(crate) fn deliver(&mut self, to: usize, packet: Vec<u8>) {
        let address = "1.1.1.1:5000".parse().expect("an address");
        let peer = &mut self.peers[to];
        match peer.endpoint.handle(self.now, address, None, None, packet) {
            Some((_, DatagramEvent::NewAssociation(made))) => {
                assert!(peer.association.is_none(), "one association per endpoint");
                peer.association = Some(made);
            }
            Some((_, DatagramEvent::AssociationEvent(event))) => {
                peer.association().handle_event(event);
            }
            None => {}
        }
    }

    /// How many packets of `who` held a chunk of this kind.
    pub(crate) fn count(&self, who: usize, kind: u8) -> usize {
        let packets = self.sent.iter().filter(|(from, _)| *from == who);
        packets
            .filter(|(_, packet)| kinds(packet).contains(&kind))
            .count()
    }
}

/// A filter that drops the first `times` packets of `who` with a chunk of this kind.
pub(crate) fn drop_first(who: usize, kind: u8, times: usize) -> Filter {
    let mut left = times;
    Box::new(move |from, packet| {
        let hit = from == who && left > 0 && kinds(packet).contains(&kind);
        left -= usize::from(hit);
        !hit
    })
}
