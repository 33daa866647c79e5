//! The sending half of an association: messages in, DATA chunks out, SACKs in.
//! Not packets nor their other chunks: the association asks for DATA packet by packet.
//!
//! Everything per chunk is constant time; a SACK costs its blocks and what it newly acknowledges.
mod check;
mod congestion;
mod edge;
mod log;
mod loss;
mod messages;
mod pace;
mod partial;
mod rack;
mod ring;
mod rtt;
mod sack;
mod streams;
mod transmit;

use std::time::Duration;

use crate::serial::Tsn;
use crate::time::{Time, nanos};
use crate::tuning::Congestion;
use congestion::Control;
use log::Log;
use loss::LossQueue;
use messages::{Message, Messages, Policy};
use pace::Pacer;
use rack::Recovery;
use ring::Ring;
use rtt::Rtt;
pub(crate) use sack::BadSack;
use streams::Streams;

/// Most TSNs between the cumulative one and the newest, with a peer that can take them: gap blocks count to 65535.
const SPAN: u32 = 60_000;
/// The same with a peer of unknown capacity: one common implementation keeps a map of 4096.
const SMALL_SPAN: u32 = 4000;

/// Bytes of a DATA chunk in a packet, with header and padding.
#[inline]
fn chunk_size(len: usize) -> usize {
    crate::wire::DATA_HEADER + ((len + 3) & !3)
}

/// What a sender starts with.
#[derive(Debug, Clone)]
pub(crate) struct SenderConfig {
    /// TSN of the first chunk.
    pub(crate) initial_tsn: Tsn,
    /// The peer's receive window, as it announced it.
    pub(crate) peer_window: u32,
    /// User data per chunk, a multiple of 4.
    pub(crate) payload: usize,
    /// The peer understands FORWARD-TSN.
    pub(crate) forward_tsn: bool,
    /// The peer announced so large a window that it can keep track of as many TSNs.
    pub(crate) big_window_peer: bool,
    pub(crate) congestion: Congestion,
    /// Most bytes a second.
    pub(crate) max_rate: Option<u64>,
    /// Round trip of the handshake, in ns.
    pub(crate) initial_rtt: Option<u64>,
}

/// For how long the messages of a stream are worth sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum ReliabilityKind {
    #[default]
    Reliable,
    /// So many retransmissions.
    Rexmit(u32),
    /// So long after `write`.
    Timed(Duration),
}

/// How a stream treats its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Reliability {
    pub(crate) unordered: bool,
    pub(crate) kind: ReliabilityKind,
}

/// Figures of the whole sender; plain sums since the start.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SendCounters {
    /// Packets with DATA.
    pub(crate) packets: u64,
    /// Chunks sent.
    pub(crate) chunks: u64,
    /// Chunks sent again.
    pub(crate) retransmitted: u64,
    /// User data sent for the first time.
    pub(crate) bytes: u64,
    /// User data sent again.
    pub(crate) bytes_retransmitted: u64,
    /// Chunks marked lost.
    pub(crate) lost: u64,
    /// Chunks marked lost that had arrived.
    pub(crate) spurious: u64,
    /// Runs of the retransmission timer.
    pub(crate) rtos: u64,
    /// Tail loss probes.
    pub(crate) probes: u64,
    /// Messages given up.
    pub(crate) abandoned: u64,
    /// Bytes of those.
    pub(crate) bytes_abandoned: u64,
    /// User data acknowledged.
    pub(crate) bytes_acked: u64,
    /// SACKs that contradict what was sent, and gap blocks out of order.
    pub(crate) bad_sacks: u64,
}

/// A look at the sender.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SendSnapshot {
    /// Estimated delivery rate, bytes a second.
    pub(crate) rate: u64,
    /// Zero before the first sample; ns.
    pub(crate) srtt: u64,
    /// Zero before the first sample; ns.
    pub(crate) min_rtt: u64,
    pub(crate) in_flight: u64,
    /// User data sent and not acknowledged.
    pub(crate) outstanding: u64,
    pub(crate) unsent: u64,
    pub(crate) window: u64,
    pub(crate) peer_window: u64,
    pub(crate) mode: &'static str,
    pub(crate) counters: SendCounters,
}

/// The sender. See the module.
#[derive(Debug)]
pub(crate) struct Sender {
    payload: usize,
    span: u32,
    forward_tsn: bool,
    ring: Ring,
    log: Log,
    lost: LossQueue,
    messages: Messages,
    streams: Streams,
    recovery: Recovery,
    rtt: Rtt,
    control: Control,
    pacer: Pacer,
    /// Bytes of chunks in flight.
    in_flight: u64,
    /// User data sent and not acknowledged.
    outstanding: u64,
    peer_window: u64,
    /// Window of congestion control, kept until the next SACK.
    window: u64,
    /// Bytes delivered in time for the rate to be measured by them.
    delivered: u64,
    delivered_at: u64,
    first_sent: u64,
    /// When something other than congestion control last held sending back.
    limited_at: Option<u64>,
    /// Everything written was sent.
    starved: bool,
    /// When the pacer wants to be asked again.
    release: Option<u64>,
    /// The peer was heard; until then one packet at a time.
    heard: bool,
    reports: sack::Reports,
    partial: partial::Partial,
    counters: SendCounters,
}

impl Sender {
    pub(crate) fn new(config: SenderConfig) -> Sender {
        let rtt = Rtt::new(config.initial_rtt);
        let packet = chunk_size(config.payload);
        let control = Control::new(config.congestion, packet, config.max_rate);
        let mut sender = Sender {
            payload: config.payload.clamp(4, usize::from(u16::MAX) - 3) & !3,
            span: if config.big_window_peer {
                SPAN
            } else {
                SMALL_SPAN
            },
            forward_tsn: config.forward_tsn,
            ring: Ring::new(config.initial_tsn),
            log: Log::default(),
            lost: LossQueue::new(config.initial_tsn),
            messages: Messages::default(),
            streams: Streams::default(),
            recovery: Recovery::new(),
            rtt,
            control,
            pacer: Pacer::default(),
            in_flight: 0,
            outstanding: 0,
            peer_window: u64::from(config.peer_window),
            window: 0,
            delivered: 0,
            delivered_at: 0,
            first_sent: 0,
            limited_at: None,
            starved: false,
            release: None,
            heard: false,
            reports: sack::Reports::default(),
            partial: partial::Partial::new(config.initial_tsn),
            counters: SendCounters::default(),
        };
        sender.refresh();
        sender
    }

    /// User data per chunk from now on; a multiple of 4.
    pub(crate) fn set_payload(&mut self, payload: usize) {
        self.payload = payload.clamp(4, usize::from(u16::MAX) - 3) & !3;
    }

    /// Timeouts in a row without a word from the peer.
    pub(crate) fn timeouts(&self) -> u32 {
        self.recovery.backoff
    }

    /// How messages written to the stream from now on are treated.
    pub(crate) fn set_reliability(&mut self, id: u16, reliability: Reliability) {
        if let Some(stream) = self.streams.open(id) {
            stream.reliability = reliability;
        }
    }

    /// Takes a message; copies it once. `dcep`: ordered and reliable whatever the stream is.
    /// The caller keeps the amount within its limits; an empty message is not one.
    pub(crate) fn write(&mut self, id: u16, data: &[u8], ppi: u32, dcep: bool) {
        let Some(stream) = self.streams.open(id) else {
            return;
        };
        let Reliability { unordered, kind } = if dcep {
            Reliability::default()
        } else {
            stream.reliability
        };
        let policy = match kind {
            ReliabilityKind::Reliable => Policy::Reliable,
            ReliabilityKind::Rexmit(times) => u16::try_from(times)
                .ok()
                .filter(|times| *times < u16::MAX)
                .map_or(Policy::Reliable, Policy::Rexmit),
            ReliabilityKind::Timed(_) => Policy::Until(u64::MAX),
        };
        let slot = self.messages.insert(Message {
            data: data.into(),
            ppi,
            taken: 0,
            live: 0,
            fragments: 0,
            first: self.ring.next(),
            policy,
            ssn: Default::default(),
            stream: id,
            unordered,
        });
        if let ReliabilityKind::Timed(life) = kind {
            self.partial.stamp_later(slot, nanos(life));
        }
        self.streams.push(id, slot, data.len());
    }

    /// Bytes of the stream that were written and not put in a packet.
    pub(crate) fn unsent(&self, id: u16) -> usize {
        self.streams.get(id).map_or(0, |stream| stream.unsent)
    }

    /// The same over all streams.
    #[inline]
    pub(crate) fn unsent_total(&self) -> usize {
        self.streams.unsent()
    }

    /// The stream shall be named by [`pop_low`](Self::pop_low) when its unsent bytes go from above `threshold` to it or below.
    pub(crate) fn set_low_threshold(&mut self, id: u16, threshold: usize) {
        self.streams.set_low_threshold(id, threshold);
    }

    /// A stream that ran low since it was last named.
    pub(crate) fn pop_low(&mut self) -> Option<u16> {
        self.streams.pop_low()
    }

    /// A valid packet of the peer arrived: more than one packet may be outstanding from now on.
    pub(crate) fn heard_peer(&mut self) {
        self.heard = true;
    }

    /// Nothing of the stream is unsent, unacknowledged or yet to be skipped.
    pub(crate) fn is_drained(&self, id: u16) -> bool {
        self.streams
            .get(id)
            .is_none_or(|stream| stream.unsent == 0 && stream.open == 0)
    }

    /// The same over all streams.
    pub(crate) fn is_all_drained(&self) -> bool {
        self.streams.unsent() == 0 && self.ring.is_empty()
    }

    /// The newest TSN in use; the one before the first if none is.
    pub(crate) fn last_assigned(&self) -> Tsn {
        self.ring.next().prev()
    }

    /// The stream's ordered messages count from 0 again.
    pub(crate) fn reset_stream(&mut self, id: u16) {
        if let Some(stream) = self.streams.get_mut(id) {
            stream.next_ssn = Default::default();
        }
    }

    /// Forgets a stream with what it has not sent.
    pub(crate) fn drop_stream(&mut self, id: u16) {
        for slot in self.streams.remove(id) {
            // What was sent of it lives on until it is acknowledged.
            let Some(message) = self.messages.get_mut(slot) else {
                continue;
            };
            self.counters.bytes_abandoned += message.rest() as u64;
            message.taken = message.data.len() as u32;
            if message.live == 0 {
                self.messages.remove(slot);
            }
        }
    }

    /// When [`on_timeout`](Self::on_timeout) or [`write_data`](Self::write_data) has to be called at the latest.
    pub(crate) fn deadline(&self) -> Option<Time> {
        let timers = self.recovery.deadline();
        match (timers, self.release) {
            (Some(a), Some(b)) => Some(Time(a.min(b))),
            (a, b) => a.or(b).map(Time),
        }
    }

    /// The figures. Constant time.
    pub(crate) fn snapshot(&self) -> SendSnapshot {
        SendSnapshot {
            rate: self.control.rate(&self.rtt) as u64,
            srtt: self.rtt.smoothed,
            min_rtt: self.rtt.min_or(0),
            in_flight: self.in_flight,
            outstanding: self.outstanding,
            unsent: self.streams.unsent() as u64,
            window: self.window,
            peer_window: self.peer_window,
            mode: self.control.mode(),
            counters: self.counters,
        }
    }

    /// Bytes of user data that the stream sent for the first time, and again.
    pub(crate) fn stream_bytes(&self, id: u16) -> Option<(u64, u64)> {
        let stream = self.streams.get(id)?;
        Some((stream.bytes_sent, stream.bytes_resent))
    }

    /// Lifts congestion control and pacing, to measure what the rest costs.
    pub(crate) fn unleash(&mut self) {
        self.control = Control::Open;
        self.refresh();
    }

    /// Takes window and pacing rate over from congestion control.
    fn refresh(&mut self) {
        self.window = self.control.window(&self.rtt);
        self.pacer.set_rate(self.control.pacing(&self.rtt));
    }
}
