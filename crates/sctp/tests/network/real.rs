//! Both ends as they are in use: endpoint and association through the public interface, with messages whose every byte is checked.
//! Not the sender alone: handshake, receiver and packets are the crate's too.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sctp_proto::tuning::{self, Handle, Tuning};
use sctp_proto::{
    Association, ClientConfig, DatagramEvent, Endpoint, EndpointConfig, Event, Payload,
    PayloadProtocolIdentifier, ReliabilityType, ServerConfig, StreamEvent, TransportConfig,
};

use super::net::Node;
use super::run::{MESSAGE, READY};

/// The stream of the data.
const STREAM: u16 = 1;

pub(crate) struct Real {
    endpoint: Endpoint,
    association: Option<Association>,
    start: Instant,
    out: VecDeque<Vec<u8>>,
    message: Vec<u8>,
    connected: bool,
    /// Whether it writes without end; otherwise it reads.
    writes: bool,
    messages: u64,
    /// Messages may be given up: unordered, how, how much.
    partial: Option<(bool, ReliabilityType, u32)>,
    /// Numbers of the messages that were read, if some may be missing.
    seen: HashSet<u64>,
    pub lost: bool,
    pub handle: Handle,
}

impl Real {
    fn new(tuning: Tuning, writes: bool) -> Real {
        let transport = Arc::new(TransportConfig::default());
        let server = ServerConfig {
            transport: transport.clone(),
        };
        let mut config = EndpointConfig::default();
        config.max_payload_size(1135);
        let (mut endpoint, handle) = tuning::scope(tuning, || {
            Endpoint::new(Arc::new(config), Some(Arc::new(server)))
        });
        let association = writes.then(|| {
            let mut client = ClientConfig::new();
            client.transport = transport;
            let address = "1.1.1.1:5000".parse().expect("an address");
            endpoint
                .connect(client, address)
                .expect("the endpoint is free")
                .1
        });
        Real {
            endpoint,
            association,
            start: Instant::now(),
            out: VecDeque::new(),
            message: vec![0; MESSAGE],
            connected: false,
            writes,
            messages: 0,
            partial: None,
            seen: HashSet::new(),
            lost: false,
            handle,
        }
    }

    /// A sender and a receiver; the seed makes tags and TSNs repeatable.
    pub(crate) fn pair(seed: u64, window: u32) -> [Real; 2] {
        [true, false].map(|writes| {
            let mut tuning = Tuning::default();
            tuning.seed = Some(2 * seed + u64::from(writes));
            tuning.receive_window = window;
            Real::new(tuning, writes)
        })
    }

    /// The same, with packets of so many bytes until the path has carried full ones.
    pub(crate) fn careful_pair(seed: u64, first: u32) -> [Real; 2] {
        [true, false].map(|writes| {
            let mut tuning = Tuning::default();
            tuning.seed = Some(2 * seed + u64::from(writes));
            tuning.first_packet = Some(first);
            Real::new(tuning, writes)
        })
    }

    /// The same, with messages that may be given up.
    pub(crate) fn partial_pair(seed: u64, partial: (bool, ReliabilityType, u32)) -> [Real; 2] {
        Real::pair(seed, 8 << 20).map(|mut real| {
            real.partial = Some(partial);
            real
        })
    }

    /// Messages written or read.
    pub(crate) fn messages(&self) -> u64 {
        self.messages
    }

    fn at(&self, now: u64) -> Instant {
        self.start + Duration::from_nanos(now)
    }

    /// The message of that number.
    fn fill(message: &mut [u8], number: u64) {
        message[..8].copy_from_slice(&number.to_be_bytes());
        let last = message.len() - 1;
        message[last] = number as u8;
    }

    fn events(&mut self) {
        let Some(association) = &mut self.association else {
            return;
        };
        while let Some(event) = association.poll() {
            match event {
                Event::Connected => {
                    self.connected = true;
                    if self.writes {
                        let opened =
                            association.open_stream(STREAM, PayloadProtocolIdentifier::Binary);
                        let mut stream = opened.expect("the stream opens");
                        if let Some((unordered, kind, value)) = self.partial {
                            let set = stream.set_reliability_params(unordered, kind, value);
                            set.expect("it is open");
                        }
                    }
                }
                Event::AssociationLost { .. } => self.lost = true,
                Event::Stream(StreamEvent::Readable { id }) => assert_eq!(id, STREAM),
                _ => {}
            }
        }
        while association.poll_endpoint_event().is_some() {}
    }

    fn refill(&mut self) {
        let Some(association) = &mut self.association else {
            return;
        };
        let mut stream = association.stream(STREAM).expect("the stream exists");
        while stream.buffered_amount().expect("it is open") < READY {
            Real::fill(&mut self.message, self.messages);
            let written = stream.write_with_ppi(&self.message, PayloadProtocolIdentifier::Binary);
            assert_eq!(written, Ok(MESSAGE));
            self.messages += 1;
        }
    }

    fn read(&mut self) {
        let Some(association) = &mut self.association else {
            return;
        };
        let Ok(mut stream) = association.stream(STREAM) else {
            return;
        };
        let mut got = vec![0; MESSAGE];
        while let Some(chunks) = stream.read().expect("it is open") {
            assert_eq!(chunks.read(&mut got), Ok(MESSAGE));
            let mut number = self.messages;
            if let Some((unordered, ..)) = self.partial {
                number = u64::from_be_bytes(got[..8].try_into().expect("eight bytes"));
                let new = self.seen.insert(number);
                assert!(new, "message {number} came twice");
                let later = self.seen.iter().all(|seen| *seen <= number);
                assert!(unordered || later, "message {number} came late");
            }
            Real::fill(&mut self.message, number);
            assert!(got == self.message, "message {number} is another");
            self.messages += 1;
        }
    }
}

impl Node for Real {
    fn receive(&mut self, now: u64, packet: Vec<u8>) {
        let at = self.at(now);
        let address = "1.1.1.1:5000".parse().expect("an address");
        match self.endpoint.handle(at, address, None, None, packet) {
            Some((_, DatagramEvent::NewAssociation(association))) => {
                self.association = Some(association);
            }
            Some((_, DatagramEvent::AssociationEvent(event))) => {
                let association = self.association.as_mut().expect("there is one");
                association.handle_event(event);
            }
            None => {}
        }
        self.timeout(now);
    }

    fn poll(&mut self, now: u64) -> Option<Vec<u8>> {
        if self.connected && self.writes {
            self.refill();
        }
        if self.out.is_empty() {
            let at = self.at(now);
            let mut transmits: Vec<_> = self.endpoint.poll_transmit().into_iter().collect();
            if let Some(association) = &mut self.association {
                transmits.extend(association.poll_transmit(at));
            }
            for transmit in transmits {
                let Payload::RawEncode(packets) = transmit.payload;
                self.out
                    .extend(packets.into_iter().map(|packet| packet.to_vec()));
            }
        }
        self.out.pop_front()
    }

    fn timeout(&mut self, now: u64) {
        let at = self.at(now);
        if let Some(association) = &mut self.association {
            association.handle_timeout(at);
        }
        self.events();
        if !self.writes {
            self.read();
        }
    }

    fn deadline(&mut self) -> Option<u64> {
        let at = self.association.as_mut()?.poll_timeout()?;
        let since = at.saturating_duration_since(self.start);
        u64::try_from(since.as_nanos()).ok()
    }

    fn delivered(&self) -> u64 {
        if self.writes {
            0
        } else {
            self.messages * MESSAGE as u64
        }
    }
}
