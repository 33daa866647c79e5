//! How much may be in flight and how fast it may leave: one interface, two laws.
//! Not loss detection: these are told what was delivered and what was lost.
mod rate;
mod reno;

use super::rtt::Rtt;
use crate::serial::Tsn;
use crate::tuning::Congestion;
pub(super) use rate::Rate;
pub(super) use reno::Reno;

/// Packets that may be in flight before anything is known.
const INITIAL_PACKETS: f64 = 10.0;

/// A measurement of the delivery rate.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    /// Bytes a second.
    pub(super) rate: f64,
    /// Time it was taken over, in ns.
    pub(super) interval: u64,
    /// Bytes delivered when the packet it was taken from left.
    pub(super) delivered_before: u64,
    /// That packet left while something else held the sender back.
    pub(super) limited: bool,
}

/// What one SACK, or one run of the loss timer, brought.
#[derive(Debug)]
pub(super) struct Progress {
    pub(super) now: u64,
    /// Bytes newly acknowledged.
    pub(super) acked: u64,
    /// Chunks newly acknowledged.
    pub(super) acked_chunks: u32,
    /// Chunks newly marked lost.
    pub(super) lost_chunks: u32,
    /// Chunks that had been marked lost, before or now, and had arrived.
    pub(super) spurious_chunks: u32,
    /// Bytes delivered since the start.
    pub(super) delivered: u64,
    /// Bytes in flight now.
    pub(super) in_flight: u64,
    /// Bytes in flight before.
    pub(super) in_flight_before: u64,
    pub(super) sample: Option<Sample>,
    /// Round trip of the latest sent chunk among the newly acknowledged.
    pub(super) rtt: Option<u64>,
    /// Something else holds the sender back now.
    pub(super) limited: bool,
    /// The peer cannot say everything it has.
    pub(super) truncated: bool,
    /// Oldest TSN not acknowledged, and the next to be assigned.
    pub(super) first: Tsn,
    pub(super) next: Tsn,
}

/// The law in use.
#[derive(Debug)]
pub(super) enum Control {
    Rate(Box<Rate>),
    Reno(Reno),
    /// None: for measuring what the rest costs.
    Open,
}

impl Control {
    pub(super) fn new(kind: Congestion, packet: usize, max_rate: Option<u64>) -> Control {
        match kind {
            Congestion::Rate => Control::Rate(Box::new(Rate::new(packet as f64, max_rate))),
            Congestion::NewReno => Control::Reno(Reno::new(packet as f64, max_rate)),
        }
    }

    /// Takes in progress. Constant time.
    pub(super) fn on_progress(&mut self, progress: &Progress, rtt: &mut Rtt) {
        match self {
            Control::Rate(rate) => rate.on_progress(progress, rtt),
            Control::Reno(reno) => reno.on_progress(progress),
            Control::Open => {}
        }
    }

    /// The retransmission timer ran out.
    pub(super) fn on_timeout(&mut self) {
        if let Control::Reno(reno) = self {
            reno.on_timeout();
        }
    }

    /// Sending starts again after nothing was in flight for `idle` ns.
    pub(super) fn on_restart(&mut self, now: u64, idle: u64) {
        if let Control::Rate(rate) = self {
            rate.on_restart(now, idle);
        }
    }

    /// Bytes that may be in flight.
    pub(super) fn window(&self, rtt: &Rtt) -> u64 {
        match self {
            Control::Rate(rate) => rate.window(rtt) as u64,
            Control::Reno(reno) => reno.window() as u64,
            Control::Open => u64::MAX,
        }
    }

    /// Bytes a second at which packets leave; `None`: as fast as the window allows.
    pub(super) fn pacing(&self, rtt: &Rtt) -> Option<f64> {
        match self {
            Control::Rate(rate) => Some(rate.pacing(rtt)),
            Control::Reno(reno) => reno.pacing(),
            Control::Open => None,
        }
    }

    /// The estimated delivery rate in bytes a second.
    pub(super) fn rate(&self, rtt: &Rtt) -> f64 {
        match self {
            Control::Rate(rate) => rate.estimate(),
            Control::Reno(reno) => reno.window() * 1e9 / rtt.smoothed.max(1_000_000) as f64,
            Control::Open => 0.0,
        }
    }

    /// The state by name, for figures and tests.
    pub(super) fn mode(&self) -> &'static str {
        match self {
            Control::Rate(rate) => rate.mode(),
            Control::Reno(reno) => reno.mode(),
            Control::Open => "open",
        }
    }
}
