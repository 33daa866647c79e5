//! The figures of the association, and their way to whoever holds the handle.
//! They are written once per pass, not per packet.

use std::time::Duration;

use super::Association;
use crate::tuning::counters::{Snapshot, StreamSnapshot};

/// What the association itself counts. The rest is counted where it happens, in sender and receiver.
#[derive(Debug, Default)]
pub(super) struct Figures {
    pub(super) packets_sent: u64,
    pub(super) packets_received: u64,
    pub(super) bytes_received: u64,
    pub(super) dropped: u64,
    /// Something happened since they were last written, which is at the end of each pass: while this is not set, nothing is to be sent.
    pub(super) stale: bool,
}

impl Association {
    /// Writes the figures if anything happened since the last time.
    #[inline]
    pub(super) fn publish(&mut self) {
        if std::mem::take(&mut self.figures.stale) {
            self.write_figures();
        }
    }

    fn write_figures(&mut self) {
        let shared = &self.setup.shared;
        let mut snapshot = Snapshot {
            packets_sent: self.figures.packets_sent,
            packets_received: self.figures.packets_received,
            bytes_received: self.figures.bytes_received,
            dropped: self.figures.dropped,
            packet_size: self.packet_size() as u64,
            size_probes_lost: self.path_size.lost,
            ..Snapshot::default()
        };
        if let Some(transfer) = &self.transfer {
            let send = transfer.sender.snapshot();
            let counters = send.counters;
            snapshot = Snapshot {
                rate: send.rate,
                srtt: Duration::from_nanos(send.srtt),
                min_rtt: Duration::from_nanos(send.min_rtt),
                in_flight: send.in_flight,
                outstanding: send.outstanding,
                unsent: send.unsent,
                window: send.window,
                peer_window: send.peer_window,
                packets_retransmitted: counters.retransmitted,
                packets_lost: counters.lost,
                spurious: counters.spurious,
                bytes_sent: counters.bytes,
                rtos: counters.rtos,
                probes: counters.probes,
                abandoned: counters.abandoned,
                held: transfer.receiver.held() as u64,
                dropped: snapshot.dropped
                    + transfer.receiver.counters.dropped()
                    + counters.bad_sacks,
                ..snapshot
            };
            let sender = &transfer.sender;
            self.streams.write_figures(shared, |id, bytes_received| {
                let (bytes_sent, bytes_retransmitted) = sender.stream_bytes(id).unwrap_or_default();
                StreamSnapshot {
                    bytes_sent,
                    bytes_retransmitted,
                    unsent: sender.unsent(id) as u64,
                    outstanding: sender.stream_outstanding(id),
                    bytes_received,
                }
            });
        }
        shared.write(&snapshot);
    }
}
