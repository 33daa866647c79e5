//! What the data channels of a connection can be told, and the figures they tell: rates, round trips, losses, queues.
//! Not single messages, and not how a channel delivers; those are the channels' own.

use std::ops::AddAssign;
use std::time::Duration;

pub use sctp_proto::tuning::Congestion;
use sctp_proto::tuning::{Snapshot, Tuning};

/// Largest UDP payload of a data packet by default: what every path carries that carries QUIC.
const MAX_DATAGRAM: usize = 1200;
/// What the engine adds to the packets it is told to make: it counts 23 bytes more than leave.
const UNSENT_OVERHEAD: usize = 23;
/// What DTLS adds to a packet of SCTP.
const RECORD: usize = 37;
/// Largest UDP payload of a data packet before the path has carried a full one; every path carries more.
const FIRST_DATAGRAM: usize = 1000;
const MIN_MTU: usize = 576;
const MAX_MTU: usize = 1500;
/// Messages given to the engine ahead of its packets: twice the largest one, and more than a wake-up takes to send.
pub(crate) const ENGINE_BUFFER: usize = 1024 * 1024;

/// Options of the data channels of one connection, all together.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DataConfig {
    /// Bytes the peer may have sent that nobody has taken here: a bound on memory, and on the peer's rate, which is at most
    /// this a round trip (about 40 % of it when packets are lost). 8 MiB; 1 to 64 MiB.
    pub receive_window: usize,
    /// The most bytes a second we send; none means as much as the path carries.
    pub max_rate: Option<u64>,
    /// How the sender finds its rate.
    pub congestion: Congestion,
    /// Largest UDP payload of our data packets, 1,200 bytes; 553 to 1,477. Until the path has carried one of this size they
    /// have at most 1,000 bytes; where it carries none, that remains.
    pub max_datagram: usize,
}

impl Default for DataConfig {
    fn default() -> DataConfig {
        DataConfig {
            receive_window: 8 * 1024 * 1024,
            max_rate: None,
            congestion: Congestion::Rate,
            max_datagram: MAX_DATAGRAM,
        }
    }
}

impl DataConfig {
    /// Sets how much the peer may have sent that nobody has taken.
    pub fn with_receive_window(mut self, bytes: usize) -> Self {
        self.receive_window = bytes;
        self
    }

    /// Limits what we send, in bytes a second.
    pub fn with_max_rate(mut self, bytes_per_second: u64) -> Self {
        self.max_rate = Some(bytes_per_second);
        self
    }

    /// Chooses how the sender finds its rate.
    pub fn with_congestion(mut self, congestion: Congestion) -> Self {
        self.congestion = congestion;
        self
    }

    /// Sets the largest UDP payload of our data packets.
    pub fn with_max_datagram(mut self, bytes: usize) -> Self {
        self.max_datagram = bytes;
        self
    }

    /// The same for SCTP; values beyond the limits are the limits there.
    pub(crate) fn tuning(&self) -> Tuning {
        let mut tuning = Tuning::default();
        tuning.receive_window = u32::try_from(self.receive_window).unwrap_or(u32::MAX);
        tuning.max_rate = self.max_rate;
        tuning.congestion = self.congestion;
        tuning.first_packet = Some((FIRST_DATAGRAM - RECORD) as u32);
        tuning
    }

    /// What the engine calls MTU.
    pub(crate) fn mtu(&self) -> usize {
        let mtu = self.max_datagram.saturating_add(UNSENT_OVERHEAD);
        mtu.clamp(MIN_MTU, MAX_MTU)
    }
}

/// Figures of the data channels of one connection, all together. Bytes are those of messages unless said otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DataStats {
    /// Bytes a second the sender paces itself to.
    pub rate: u64,
    /// Smoothed round trip; zero before one was measured.
    pub rtt: Duration,
    /// Shortest round trip of the last ten seconds. `rtt - min_rtt` is mostly the time packets wait in queues on the path.
    pub min_rtt: Duration,
    /// Bytes on their way: sent, not acknowledged and not taken for lost.
    pub in_flight: u64,
    /// Bytes sent and not acknowledged.
    pub unacknowledged: u64,
    /// Bytes that are in no packet yet.
    pub unsent: u64,
    /// Bytes the sender lets be on their way.
    pub window: u64,
    /// What the peer said it has room for.
    pub peer_window: u64,
    /// Bytes received and not taken.
    pub held: u64,
    /// Packets sent.
    pub packets_sent: u64,
    /// Packets received, acknowledgements too.
    pub packets_received: u64,
    /// Pieces of messages sent again.
    pub retransmitted: u64,
    /// Pieces taken for lost.
    pub lost: u64,
    /// Of these, how many had arrived after all.
    pub spurious: u64,
    /// Times nothing was acknowledged for so long that everything was sent again.
    pub timeouts: u64,
    /// Packets sent to learn whether the end of what was sent arrived.
    pub probes: u64,
    /// Messages given up in part or whole after SCTP had them: too old, or repeated as often as their channel allows.
    pub abandoned: u64,
    /// Packets and pieces dropped: malformed, or beyond a limit.
    pub dropped: u64,
    /// Largest UDP payload of our data packets now: [`DataConfig::max_datagram`] or a few bytes less once the path has carried one
    /// of that size, less before and where it does not; 0 before there was any packet.
    pub max_datagram: u64,
    /// Packets of full size that were sent to learn whether the path carries them, and not answered in time. With three of
    /// them and a small `max_datagram`, larger datagrams do not arrive.
    pub size_probes_lost: u64,
}

impl DataStats {
    pub(crate) fn new(figures: &Snapshot) -> DataStats {
        DataStats {
            rate: figures.rate,
            rtt: figures.srtt,
            min_rtt: figures.min_rtt,
            in_flight: figures.in_flight,
            unacknowledged: figures.outstanding,
            unsent: figures.unsent,
            window: figures.window,
            peer_window: figures.peer_window,
            held: figures.held,
            packets_sent: figures.packets_sent,
            packets_received: figures.packets_received,
            retransmitted: figures.packets_retransmitted,
            lost: figures.packets_lost,
            spurious: figures.spurious,
            timeouts: figures.rtos,
            probes: figures.probes,
            abandoned: figures.abandoned,
            dropped: figures.dropped,
            max_datagram: match figures.packet_size {
                0 => 0,
                packet => packet + RECORD as u64,
            },
            size_probes_lost: figures.size_probes_lost,
        }
    }
}

/// Figures of one channel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChannelStats {
    /// Messages given to the engine.
    pub messages_sent: u64,
    /// Their bytes.
    pub bytes_sent: u64,
    /// Complete messages received.
    pub messages_received: u64,
    /// Their bytes.
    pub bytes_received: u64,
    /// Bytes that are in no packet yet; what `buffered_amount` says.
    pub buffered: u64,
    /// Pieces of messages sent and not acknowledged; a packet holds one, or several small ones.
    pub unacknowledged: u64,
    /// Bytes sent again.
    pub retransmitted: u64,
    /// Messages that were too old before SCTP had room for them; those it gave up later are in [`DataStats::abandoned`].
    pub expired: u64,
}

/// The two together.
impl AddAssign<&ChannelStats> for ChannelStats {
    fn add_assign(&mut self, other: &ChannelStats) {
        self.messages_sent += other.messages_sent;
        self.bytes_sent += other.bytes_sent;
        self.messages_received += other.messages_received;
        self.bytes_received += other.bytes_received;
        self.buffered += other.buffered;
        self.unacknowledged += other.unacknowledged;
        self.retransmitted += other.retransmitted;
        self.expired += other.expired;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_size_becomes_an_mtu_within_the_engines_limits() {
        assert_eq!(DataConfig::default().mtu(), 1223);
        let with = |bytes| DataConfig::default().with_max_datagram(bytes).mtu();
        assert_eq!((with(0), with(usize::MAX)), (MIN_MTU, MAX_MTU));
    }

    #[test]
    fn settings_reach_sctp() {
        let config = DataConfig::default()
            .with_receive_window(3 << 20)
            .with_max_rate(5_000_000)
            .with_congestion(Congestion::NewReno);
        let tuning = config.tuning();
        assert_eq!(tuning.receive_window, 3 << 20);
        assert_eq!(tuning.max_rate, Some(5_000_000));
        assert_eq!(tuning.congestion, Congestion::NewReno);
        let huge = DataConfig::default().with_receive_window(usize::MAX);
        assert_eq!(huge.tuning().receive_window, u32::MAX);
    }
}
