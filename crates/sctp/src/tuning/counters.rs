//! The figures of one association, written by it and read from any thread.
//! They are not exact to the packet: the association writes them once per pass at most.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// The streams that are followed: enough for every channel a session has, and a bound on what each pass costs.
pub(crate) const FOLLOWED_STREAMS: usize = 64;

macro_rules! figures {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// The figures of an association at one moment. Bytes are user data unless said otherwise.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Snapshot {
            $($(#[$doc])* pub $name: u64,)*
            /// Smoothed round trip.
            pub srtt: Duration,
            /// Shortest round trip of the last 10 seconds.
            pub min_rtt: Duration,
        }

        #[derive(Debug, Default)]
        struct Figures {
            $($name: AtomicU64,)*
            srtt: AtomicU64,
            min_rtt: AtomicU64,
        }

        impl Figures {
            fn write(&self, s: &Snapshot) {
                $(self.$name.store(s.$name, Relaxed);)*
                self.srtt.store(crate::time::nanos(s.srtt), Relaxed);
                self.min_rtt.store(crate::time::nanos(s.min_rtt), Relaxed);
            }

            fn read(&self) -> Snapshot {
                Snapshot {
                    $($name: self.$name.load(Relaxed),)*
                    srtt: Duration::from_nanos(self.srtt.load(Relaxed)),
                    min_rtt: Duration::from_nanos(self.min_rtt.load(Relaxed)),
                }
            }
        }
    };
}

figures! {
    /// Bytes a second the sender paces by.
    rate,
    /// Bytes on their way: sent, not acknowledged and not taken for lost.
    in_flight,
    /// Bytes sent and not acknowledged.
    outstanding,
    /// Bytes accepted and not yet in a packet.
    unsent,
    /// Packets sent.
    packets_sent,
    /// DATA chunks sent again.
    packets_retransmitted,
    /// DATA chunks taken for lost.
    packets_lost,
    /// Chunks taken for lost whose first copy had arrived.
    spurious,
    /// Packets received, whatever they held.
    packets_received,
    /// Bytes of messages sent, retransmissions not counted.
    bytes_sent,
    /// Bytes of messages received, duplicates not counted.
    bytes_received,
    /// Retransmission timeouts.
    rtos,
    /// Messages given up because their stream allowed it.
    abandoned,
    /// Probes sent because acknowledgements stayed away.
    probes,
    /// Bytes the sender lets be in flight.
    window,
    /// The peer's last announced receive window.
    peer_window,
    /// Bytes received and not read.
    held,
    /// Bytes of the largest packets sent now.
    packet_size,
    /// Packets sent to learn whether the path carries full ones that were not answered in time.
    size_probes_lost,
    /// Packets and chunks dropped: malformed, of another association, or beyond a limit.
    dropped,
}

/// The figures of one stream at one moment, in bytes of user data.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamSnapshot {
    /// Sent, retransmissions not counted.
    pub bytes_sent: u64,
    /// Sent again.
    pub bytes_retransmitted: u64,
    /// Accepted and not yet in a packet.
    pub unsent: u64,
    /// DATA chunks in packets and not acknowledged.
    pub outstanding: u64,
    /// Received in complete messages and read.
    pub bytes_received: u64,
}

#[derive(Debug, Default)]
struct Slot {
    /// The stream's id plus one; 0 for a free slot.
    id: AtomicU32,
    sent: AtomicU64,
    retransmitted: AtomicU64,
    unsent: AtomicU64,
    outstanding: AtomicU64,
    received: AtomicU64,
}

/// What the association and its [`Handle`](super::Handle) share.
#[derive(Debug)]
pub(crate) struct Shared {
    figures: Figures,
    streams: [Slot; FOLLOWED_STREAMS],
    /// Set while reading is paused.
    paused: AtomicBool,
    /// Set until the association has repeated what may be lost.
    hurry: AtomicBool,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            figures: Figures::default(),
            streams: std::array::from_fn(|_| Slot::default()),
            paused: AtomicBool::new(false),
            hurry: AtomicBool::new(false),
        }
    }
}

impl Shared {
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.figures.read()
    }

    pub(crate) fn stream(&self, id: u16) -> Option<StreamSnapshot> {
        let slot = self.slot(id)?;
        Some(StreamSnapshot {
            bytes_sent: slot.sent.load(Relaxed),
            bytes_retransmitted: slot.retransmitted.load(Relaxed),
            unsent: slot.unsent.load(Relaxed),
            outstanding: slot.outstanding.load(Relaxed),
            bytes_received: slot.received.load(Relaxed),
        })
    }

    pub(crate) fn set_reading(&self, reading: bool) {
        self.paused.store(!reading, Relaxed);
    }

    #[inline]
    pub(crate) fn is_reading(&self) -> bool {
        !self.paused.load(Relaxed)
    }

    pub(crate) fn set_hurry(&self) {
        self.hurry.store(true, Relaxed);
    }

    #[inline]
    pub(crate) fn take_hurry(&self) -> bool {
        self.hurry.load(Relaxed) && self.hurry.swap(false, Relaxed)
    }

    pub(crate) fn write(&self, snapshot: &Snapshot) {
        self.figures.write(snapshot);
    }

    /// A place for a stream's figures; `None` when all are taken.
    pub(crate) fn claim(&self, id: u16) -> Option<usize> {
        let free = self.streams.iter().position(|s| s.id.load(Relaxed) == 0)?;
        self.streams[free].id.store(u32::from(id) + 1, Relaxed);
        Some(free)
    }

    /// Writes the figures of the stream that has claimed the place.
    pub(crate) fn write_stream(&self, place: usize, snapshot: &StreamSnapshot) {
        let Some(slot) = self.streams.get(place) else {
            return;
        };
        slot.sent.store(snapshot.bytes_sent, Relaxed);
        slot.retransmitted
            .store(snapshot.bytes_retransmitted, Relaxed);
        slot.unsent.store(snapshot.unsent, Relaxed);
        slot.outstanding.store(snapshot.outstanding, Relaxed);
        slot.received.store(snapshot.bytes_received, Relaxed);
    }

    /// Frees the slot of a stream that is gone.
    pub(crate) fn forget_stream(&self, id: u16) {
        if let Some(slot) = self.slot(id) {
            slot.id.store(0, Relaxed);
        }
    }

    fn slot(&self, id: u16) -> Option<&Slot> {
        let key = u32::from(id) + 1;
        self.streams.iter().find(|s| s.id.load(Relaxed) == key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_as_written_and_only_64_streams_are_followed() {
        let shared = Shared::default();
        shared.write(&Snapshot {
            rate: 7,
            dropped: 3,
            srtt: Duration::from_millis(50),
            ..Snapshot::default()
        });
        let read = shared.snapshot();
        assert_eq!((read.rate, read.dropped), (7, 3));
        assert_eq!(read.srtt, Duration::from_millis(50));
        for id in 0..100 {
            let figures = StreamSnapshot {
                bytes_sent: u64::from(id),
                ..StreamSnapshot::default()
            };
            let place = shared.claim(id);
            assert_eq!(place.is_some(), id < 64);
            shared.write_stream(place.unwrap_or(FOLLOWED_STREAMS), &figures);
        }
        assert_eq!(shared.stream(63).map(|s| s.bytes_sent), Some(63));
        assert_eq!(shared.stream(64), None);
        shared.forget_stream(5);
        assert_eq!(shared.claim(64), Some(5));
        assert!(shared.stream(64).is_some());
        assert_eq!(shared.stream(5), None);
    }
}
