//! One sender on its own, driven by bytes: for simulations, fuzz bodies and speed gates outside the crate.
//! Not part of the interface: it may change or go at any time.
#![allow(missing_docs)]

use std::time::Duration;

use crate::send::{Reliability, ReliabilityKind, Sender, SenderConfig};
use crate::serial::Tsn;
use crate::time::Time;
use crate::tuning::Congestion;
use crate::wire::{Builder, Chunk, Packet, SackView};

/// Settings of a [`Flow`].
#[derive(Debug, Clone)]
pub struct FlowConfig {
    pub initial_tsn: u32,
    pub peer_window: u32,
    pub payload: usize,
    pub forward_tsn: bool,
    pub big_window_peer: bool,
    pub congestion: Congestion,
    pub max_rate: Option<u64>,
    pub initial_rtt: Option<Duration>,
    /// Neither congestion control nor pacing: for measuring what the rest costs.
    pub unpaced: bool,
}

impl Default for FlowConfig {
    fn default() -> Self {
        FlowConfig {
            initial_tsn: 1,
            peer_window: 8 << 20,
            payload: 1132,
            forward_tsn: true,
            big_window_peer: true,
            congestion: Congestion::Rate,
            max_rate: None,
            initial_rtt: None,
            unpaced: false,
        }
    }
}

/// What a [`Flow`] did so far.
#[derive(Debug, Clone, Copy)]
pub struct FlowFigures {
    pub rate: u64,
    pub srtt: Duration,
    pub min_rtt: Duration,
    pub in_flight: u64,
    pub outstanding: u64,
    pub unsent: u64,
    pub window: u64,
    pub peer_window: u64,
    pub mode: &'static str,
    pub packets: u64,
    pub chunks: u64,
    pub retransmitted: u64,
    pub bytes: u64,
    pub lost: u64,
    pub spurious: u64,
    pub rtos: u64,
    pub probes: u64,
    pub bytes_abandoned: u64,
    pub bytes_acked: u64,
    pub bad_sacks: u64,
}

/// A SACK, read and ready to be taken in.
#[derive(Debug)]
pub struct Sack(SackView);

/// A SACK of these parts; the blocks are distances from the cumulative TSN.
pub fn sack(cumulative: u32, window: u32, blocks: &[(u16, u16)], duplicates: &[u32]) -> Sack {
    let duplicates: Vec<Tsn> = duplicates.iter().copied().map(Tsn).collect();
    let mut out = Builder::new(7, usize::from(u16::MAX));
    out.push_sack(Tsn(cumulative), window, blocks.iter().copied(), &duplicates);
    let packet = Packet::parse(out.finish()).expect("it was just built");
    match packet.chunks().next() {
        Some(Ok(Chunk::Sack(view))) => Sack(view),
        other => panic!("not a SACK: {other:?}"),
    }
}

/// A sender that is already connected.
#[derive(Debug)]
pub struct Flow {
    sender: Sender,
    capacity: usize,
}

impl Flow {
    pub fn new(config: &FlowConfig) -> Flow {
        let mut sender = Sender::new(SenderConfig {
            initial_tsn: Tsn(config.initial_tsn),
            peer_window: config.peer_window,
            payload: config.payload,
            forward_tsn: config.forward_tsn,
            big_window_peer: config.big_window_peer,
            congestion: config.congestion,
            max_rate: config.max_rate,
            initial_rtt: config.initial_rtt.map(|rtt| rtt.as_nanos() as u64),
        });
        sender.heard_peer();
        if config.unpaced {
            sender.unleash();
        }
        Flow {
            sender,
            capacity: config.payload + 28,
        }
    }

    pub fn set_reliability(
        &mut self,
        stream: u16,
        unordered: bool,
        rexmit: Option<u32>,
        life: Option<Duration>,
    ) {
        let kind = match (rexmit, life) {
            (Some(times), _) => ReliabilityKind::Rexmit(times),
            (None, Some(life)) => ReliabilityKind::Timed(life),
            (None, None) => ReliabilityKind::Reliable,
        };
        self.sender
            .set_reliability(stream, Reliability { unordered, kind });
    }

    pub fn write(&mut self, stream: u16, data: &[u8]) {
        self.sender.write(stream, data, 53, false);
    }

    pub fn unsent(&self) -> usize {
        self.sender.unsent_total()
    }

    pub fn is_drained(&self) -> bool {
        self.sender.is_all_drained()
    }

    /// Takes in the SACKs of a packet; false if it could not be read or a SACK contradicted what was sent.
    pub fn receive(&mut self, now: u64, packet: Vec<u8>) -> bool {
        self.sender.on_timeout(Time(now));
        let Ok(packet) = Packet::parse(packet) else {
            return false;
        };
        let mut good = true;
        for chunk in packet.chunks() {
            match chunk {
                Ok(Chunk::Sack(sack)) => good &= self.sender.on_sack(Time(now), &sack).is_ok(),
                Ok(_) => {}
                Err(_) => good = false,
            }
        }
        good
    }

    /// Takes in a SACK; false if it contradicted what was sent.
    pub fn sack(&mut self, now: u64, sack: &Sack) -> bool {
        self.sender.on_sack(Time(now), &sack.0).is_ok()
    }

    pub fn on_timeout(&mut self, now: u64) {
        self.sender.on_timeout(Time(now));
    }

    /// The next packet, if one may go.
    pub fn poll(&mut self, now: u64) -> Option<Vec<u8>> {
        let now = Time(now);
        if !self.sender.wants_to_send(now) && !self.sender.pending_forward_tsn() {
            self.sender.note_release(now);
            return None;
        }
        let mut out = Builder::new(7, self.capacity);
        self.sender.write_all(now, &mut out);
        (!out.is_empty()).then(|| out.finish())
    }

    pub fn deadline(&self) -> Option<u64> {
        self.sender.deadline().map(|at| at.0)
    }

    /// The first contradiction in the sender's books. Linear in what is outstanding.
    pub fn contradiction(&self) -> Option<String> {
        self.sender.contradiction()
    }

    /// Whether a timer is overdue.
    pub fn is_late(&self, now: u64) -> bool {
        self.sender.is_late(Time(now))
    }

    pub fn figures(&self) -> FlowFigures {
        let look = self.sender.snapshot();
        let counters = look.counters;
        FlowFigures {
            rate: look.rate,
            srtt: Duration::from_nanos(look.srtt),
            min_rtt: Duration::from_nanos(look.min_rtt),
            in_flight: look.in_flight,
            outstanding: look.outstanding,
            unsent: look.unsent,
            window: look.window,
            peer_window: look.peer_window,
            mode: look.mode,
            packets: counters.packets,
            chunks: counters.chunks,
            retransmitted: counters.retransmitted,
            bytes: counters.bytes,
            lost: counters.lost,
            spurious: counters.spurious,
            rtos: counters.rtos,
            probes: counters.probes,
            bytes_abandoned: counters.bytes_abandoned,
            bytes_acked: counters.bytes_acked,
            bad_sacks: counters.bad_sacks,
        }
    }
}
