//! Messages: complete ones, and the one whose parts are just arriving in order.
//! Not the parts that arrive out of order, see `held`.
use bytes::Bytes;

use crate::wire::Data;

/// A complete message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    /// Payload protocol identifier, of its first part.
    pub(crate) ppi: u32,
    /// The bytes, in order, as slices of the datagrams.
    pub(crate) parts: Parts,
    /// Sum of the lengths of the parts.
    pub(crate) len: usize,
}

/// The parts of a message; one part needs no list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Parts {
    /// The whole message in one chunk.
    One(Bytes),
    /// Several chunks.
    Many(Vec<Bytes>),
}

impl Parts {
    /// The parts as a slice.
    pub(crate) fn as_slice(&self) -> &[Bytes] {
        match self {
            Parts::One(part) => std::slice::from_ref(part),
            Parts::Many(parts) => parts,
        }
    }

    fn push(&mut self, part: Bytes) {
        match self {
            Parts::One(first) => {
                // Many have a few dozen, and the list grows to them cheaply; but a peer may send nothing but small ones.
                let mut parts = Vec::with_capacity(4);
                parts.push(std::mem::take(first));
                parts.push(part);
                *self = Parts::Many(parts);
            }
            Parts::Many(parts) => parts.push(part),
        }
    }
}

/// A message that has begun and not ended, all parts so far without a gap.
#[derive(Debug, Clone)]
pub(super) struct Open {
    pub(super) stream: u16,
    ssn: crate::serial::Ssn,
    unordered: bool,
    pub(super) message: Message,
}

impl Open {
    /// Begins with the first part.
    pub(super) fn new(data: Data) -> Open {
        Open {
            stream: data.stream,
            ssn: data.ssn,
            unordered: data.unordered,
            message: Message {
                ppi: data.ppi,
                len: data.payload.len(),
                parts: Parts::One(data.payload),
            },
        }
    }

    /// Whether a part says that it belongs to this message.
    pub(super) fn takes(&self, data: &Data) -> bool {
        self.stream == data.stream
            && self.unordered == data.unordered
            && (self.unordered || self.ssn == data.ssn)
    }

    /// Appends the next part.
    pub(super) fn push(&mut self, part: Bytes) {
        self.message.len += part.len();
        self.message.parts.push(part);
    }

    /// Stream, place in its order (`None` if it has none), and the message.
    pub(super) fn finish(self) -> (u16, Option<crate::serial::Ssn>, Message) {
        (
            self.stream,
            (!self.unordered).then_some(self.ssn),
            self.message,
        )
    }
}
