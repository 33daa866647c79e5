//! The plain types of the interface: what goes out, what comes in, what happened.
//! They hold no state of the protocol.

use crate::error::{AssociationError, Error};
use crate::receive::Parts;

/// Names an association of an endpoint. There is only one, so the number is always 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AssociationHandle(pub usize);

/// Something an association tells its endpoint. There is nothing to tell: no value of it is ever made.
#[derive(Debug)]
pub struct EndpointEvent(pub(crate) Never);

/// Has no values.
#[derive(Debug)]
pub(crate) enum Never {}

/// The congestion bits of an IP header. Taken for the sake of the interface and not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EcnCodepoint {}

/// Something that happened to an association.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The association is established. Reported once.
    Connected,
    /// The association is over. Reported once, and nothing after it.
    AssociationLost {
        /// Why.
        reason: AssociationError,
    },
    /// Something happened to one stream.
    Stream(StreamEvent),
}

/// Something that happened to one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamEvent {
    /// The peer opened this stream: its first message can be read.
    Readable {
        /// The stream.
        id: u16,
    },
    /// The stream can be written again. Never reported here: a write is refused only for good.
    Writable {
        /// The stream.
        id: u16,
    },
    /// The peer ended its half and every earlier message was read.
    Finished {
        /// The stream.
        id: u16,
    },
    /// The peer asked this side to stop sending. Never reported here: data channels end both halves at once.
    Stopped {
        /// The stream.
        id: u16,
    },
    /// Both halves are reset: the id can be used for a new stream.
    ResetComplete {
        /// The stream.
        id: u16,
    },
    /// The bytes waiting to be sent fell to the threshold set for the stream.
    BufferedAmountLow {
        /// The stream.
        id: u16,
    },
}

/// What a message holds, as the WebRTC data channel protocol numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PayloadProtocolIdentifier {
    /// The channel's own opening messages.
    Dcep = 50,
    /// UTF-8 text.
    String = 51,
    /// Bytes.
    Binary = 53,
    /// Text of length 0, sent as one byte that does not count.
    StringEmpty = 56,
    /// Bytes of length 0, sent as one byte that does not count.
    BinaryEmpty = 57,
    /// Any other number.
    Unknown,
}

impl PayloadProtocolIdentifier {
    pub(crate) fn from_wire(number: u32) -> Self {
        match number {
            50 => Self::Dcep,
            51 => Self::String,
            53 => Self::Binary,
            56 => Self::StringEmpty,
            57 => Self::BinaryEmpty,
            _ => Self::Unknown,
        }
    }

    pub(crate) fn to_wire(self) -> u32 {
        match self {
            Self::Dcep => 50,
            Self::String => 51,
            Self::Binary => 53,
            Self::StringEmpty => 56,
            Self::BinaryEmpty => 57,
            Self::Unknown => 0,
        }
    }

    /// The identifier to send an empty message with, if it has one.
    pub(crate) fn empty_form(self) -> Option<Self> {
        match self {
            Self::String | Self::StringEmpty => Some(Self::StringEmpty),
            Self::Binary | Self::BinaryEmpty => Some(Self::BinaryEmpty),
            Self::Dcep | Self::Unknown => None,
        }
    }
}

/// How hard a stream tries to deliver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReliabilityType {
    /// Until it arrives.
    #[default]
    Reliable = 0,
    /// At most a number of retransmissions.
    Rexmit = 1,
    /// For a number of milliseconds.
    Timed = 2,
}

impl From<u8> for ReliabilityType {
    fn from(number: u8) -> Self {
        match number {
            1 => Self::Rexmit,
            2 => Self::Timed,
            _ => Self::Reliable,
        }
    }
}

/// One complete message, read from a stream.
#[derive(Debug, Clone)]
pub struct Chunks {
    /// What the message holds.
    pub ppi: PayloadProtocolIdentifier,
    pub(crate) parts: Parts,
    pub(crate) len: usize,
}

impl Chunks {
    /// Bytes of the message. An empty message counts the one byte it travelled with.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it holds no byte at all, which no message on the wire does.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Copies the whole message to the start of `buf` and returns its length; [`Error::ShortBuffer`] if it does not fit.
    pub fn read(&self, buf: &mut [u8]) -> Result<usize, Error> {
        let mut rest = buf.get_mut(..self.len).ok_or(Error::ShortBuffer)?;
        for part in self.parts.as_slice() {
            let (here, after) = rest.split_at_mut(part.len());
            here.copy_from_slice(part);
            rest = after;
        }
        Ok(self.len)
    }
}

/// Packets to send, at most 32, all of the same size but the last.
#[derive(Debug)]
pub struct Transmit {
    /// The packets.
    pub payload: Payload,
}

/// The content of a [`Transmit`].
#[derive(Debug)]
pub enum Payload {
    /// Packets as they go into DTLS records, one each.
    RawEncode(Packets),
}

/// The packets of one [`Transmit`], in order.
#[derive(Debug, Default)]
pub struct Packets(pub(crate) Vec<Packet>);

impl IntoIterator for Packets {
    type Item = Packet;
    type IntoIter = std::vec::IntoIter<Packet>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// One SCTP packet.
#[derive(Debug)]
pub struct Packet(pub(crate) Vec<u8>);

impl Packet {
    /// The bytes of the packet, moved out: despite its name it copies nothing.
    // The caller that matters spells the call this way; taking `self` is what saves the copy.
    #[allow(clippy::wrong_self_convention)]
    pub fn to_vec(self) -> Vec<u8> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn payload_identifiers_keep_their_numbers() {
        use PayloadProtocolIdentifier as P;
        for p in [
            P::Dcep,
            P::String,
            P::Binary,
            P::StringEmpty,
            P::BinaryEmpty,
        ] {
            assert_eq!(P::from_wire(p.to_wire()), p);
            assert_eq!(p as u32, p.to_wire());
        }
        assert_eq!(P::from_wire(52), P::Unknown);
        assert_eq!(P::String.empty_form(), Some(P::StringEmpty));
        assert_eq!(P::Dcep.empty_form(), None);
    }

    #[test]
    fn a_message_is_read_whole_or_not_at_all() {
        let chunks = Chunks {
            ppi: PayloadProtocolIdentifier::Binary,
            parts: Parts::Many(vec![Bytes::from_static(b"ab"), Bytes::from_static(b"c")]),
            len: 3,
        };
        let mut small = [0; 2];
        assert_eq!(chunks.read(&mut small), Err(Error::ShortBuffer));
        let mut large = [9; 5];
        assert_eq!(chunks.read(&mut large), Ok(3));
        assert_eq!(&large, b"abc\x09\x09");
    }

    #[test]
    fn an_unknown_reliability_is_reliable() {
        assert_eq!(ReliabilityType::from(1), ReliabilityType::Rexmit);
        assert_eq!(ReliabilityType::from(2), ReliabilityType::Timed);
        assert_eq!(ReliabilityType::from(0x7f), ReliabilityType::Reliable);
    }
}
