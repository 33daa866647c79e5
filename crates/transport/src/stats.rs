//! Counters of endpoints and peers: what moved, and what was dropped and why.
//! Snapshots for users; the live counters are atomics written by the driver.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::data::DataStats;

macro_rules! counters {
    ($(#[$doc:meta])* $live:ident => $snapshot:ident { $($(#[$field_doc:meta])* $field:ident),* $(,)? } plus { $($(#[$extra_doc:meta])* $extra:ident: $type:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct $snapshot {
            $($(#[$field_doc])* pub $field: u64,)*
            $($(#[$extra_doc])* pub $extra: $type,)*
        }

        #[derive(Debug, Default)]
        pub(crate) struct $live {
            $(pub(crate) $field: std::sync::atomic::AtomicU64,)*
        }

        impl $live {
            pub(crate) fn snapshot(&self) -> $snapshot {
                $snapshot {
                    $($field: self.$field.load(std::sync::atomic::Ordering::Relaxed),)*
                    ..$snapshot::default()
                }
            }
        }
    };
}

pub(crate) use counters;

counters! {
    /// What an endpoint did since it was bound.
    EndpointCounters => EndpointStats {
        /// Datagrams received.
        datagrams_received,
        /// Datagrams sent.
        datagrams_sent,
        /// Bytes received.
        bytes_received,
        /// Bytes sent.
        bytes_sent,
        /// System calls that received datagrams.
        receive_calls,
        /// System calls that sent datagrams.
        send_calls,
        /// Times the driver woke up.
        turns,
        /// Dropped: no session knows the sender.
        dropped_unknown,
        /// Dropped: neither STUN nor DTLS nor RTP.
        dropped_malformed,
        /// Dropped: the address belongs to another live session.
        dropped_conflict,
        /// Dropped: a loopback address cannot reach another machine, nor the other way round.
        dropped_unroutable,
        /// Datagrams the kernel refused to send.
        send_errors,
        /// Datagrams not sent because the socket's buffer was full.
        send_buffer_full,
        /// Dropped: the session takes only what comes through its TURN servers.
        dropped_not_relayed,
        /// Dropped: the TURN server does not let the peer's address through, or not yet.
        dropped_not_permitted,
        /// Dropped: the way to the TURN server had no room.
        dropped_relay_full,
        /// Relayed addresses that ended before their session did.
        relays_lost,
        /// ICMP errors received.
        icmp_errors,
        /// Sessions ended because the engine panicked; each is a bug to report.
        engine_panics,
    } plus {
        /// Sessions alive now.
        peers: u64,
        /// Receive buffer the kernel really gave, in bytes.
        receive_buffer: u64,
        /// Send buffer the kernel really gave, in bytes.
        send_buffer: u64,
        /// Datagrams one send call can carry; 1 without GSO.
        segments: u64,
    }
}

counters! {
    /// What one peer connection did.
    PeerCounters => PeerStats {
        /// Messages handed to the network.
        messages_sent,
        /// Payload bytes of them.
        bytes_sent,
        /// Complete messages received.
        messages_received,
        /// Payload bytes of them.
        bytes_received,
        /// Datagrams given to the engine.
        datagrams_received,
        /// Datagrams the engine sent.
        datagrams_sent,
        /// Times reading stopped because the event queue was full.
        pauses,
        /// Messages on channels with a lifetime that were too old before they left.
        expired_messages,
        /// Dropped: STUN whose integrity did not hold.
        dropped_unauthenticated,
        /// Dropped: the engine did not accept them.
        dropped_by_engine,
        /// Channels the peer opened beyond the limit; they were closed.
        dropped_channels,
        /// Messages for a channel already closed by us.
        dropped_messages,
        /// Times the peer fell silent for three seconds.
        stalls,
        /// ICE restarts: new credentials and addresses for the same connection.
        ice_restarts,
    } plus {
        /// Bytes queued for sending, all channels.
        queued_bytes: u64,
        /// Figures of the data channels: rate, round trip, losses, queues.
        data: DataStats,
        /// Bytes of events not taken yet.
        event_bytes: u64,
        /// The most they ever were.
        event_bytes_peak: u64,
        /// Our address of the path in use.
        local: Option<SocketAddr>,
        /// The peer's address of the path in use.
        remote: Option<SocketAddr>,
    }
}

pub(crate) fn add(counter: &AtomicU64, n: usize) {
    counter.fetch_add(n as u64, Ordering::Relaxed);
}

/// The path in use, for statistics.
#[derive(Debug, Default)]
pub(crate) struct Path(Mutex<Option<(SocketAddr, SocketAddr)>>);

impl Path {
    pub(crate) fn set(&self, local: SocketAddr, remote: SocketAddr) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((local, remote));
    }

    pub(crate) fn get(&self) -> Option<(SocketAddr, SocketAddr)> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
