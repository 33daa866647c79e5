//! The calls on one stream: its settings, writing, reading, closing.
//! What becomes of a stream that ends is in `streams`.

use std::time::Duration;

use super::streams::{Entry, MAX_ID, Outgoing, discard_unread};
use super::{Association, State};
use crate::error::Error;
use crate::send::{Reliability, ReliabilityKind};
use crate::types::{Chunks, PayloadProtocolIdentifier, ReliabilityType};

/// One stream of an association.
#[derive(Debug)]
pub struct Stream<'a> {
    association: &'a mut Association,
    id: u16,
}

impl<'a> Stream<'a> {
    pub(super) fn find(association: &'a mut Association, id: u16) -> Result<Self, Error> {
        match association.streams.entries.get(&id) {
            Some(entry) if !entry.gone => Ok(Stream { association, id }),
            _ => Err(Error::NoSuchStream),
        }
    }

    pub(super) fn open(association: &'a mut Association, id: u16) -> Result<Self, Error> {
        if association.state != State::Established {
            return Err(Error::NotEstablished);
        }
        if id > MAX_ID {
            return Err(Error::Other("65535 is not a stream id".into()));
        }
        if association.peer.is_some_and(|peer| id >= peer.inbound) {
            return Err(Error::Other("the peer accepts no stream of this id".into()));
        }
        match association.streams.entries.get(&id) {
            Some(entry) if entry.gone => Err(Error::ErrStreamResetPending),
            Some(_) => Err(Error::ErrStreamAlreadyExist),
            None => {
                association.streams.entries.insert(id, Entry::new(false));
                Ok(Stream { association, id })
            }
        }
    }

    fn entry(&self) -> Result<&Entry, Error> {
        let entry = self.association.streams.entries.get(&self.id);
        entry.ok_or(Error::NoSuchStream)
    }

    /// Sets how messages written from now on are delivered: in any order or not, and how hard it is tried. `value` is the
    /// number of retransmissions or milliseconds. Opening messages of data channels stay ordered and reliable.
    /// Without effect on reliability if the peer cannot skip messages. Fails before the association is established.
    pub fn set_reliability_params(
        &mut self,
        unordered: bool,
        kind: ReliabilityType,
        value: u32,
    ) -> Result<(), Error> {
        let kind = match kind {
            ReliabilityType::Reliable => ReliabilityKind::Reliable,
            ReliabilityType::Rexmit => ReliabilityKind::Rexmit(value),
            ReliabilityType::Timed => ReliabilityKind::Timed(Duration::from_millis(value.into())),
        };
        let transfer = self.association.transfer.as_mut();
        let sender = &mut transfer.ok_or(Error::NotEstablished)?.sender;
        sender.set_reliability(self.id, Reliability { unordered, kind });
        Ok(())
    }

    /// Bytes written and not yet in a packet. Costs a look-up.
    pub fn buffered_amount(&self) -> Result<usize, Error> {
        let transfer = self.association.transfer.as_ref();
        Ok(transfer.map_or(0, |t| t.sender.unsent(self.id)))
    }

    /// [`BufferedAmountLow`](crate::StreamEvent::BufferedAmountLow) is reported when the amount falls from above `bytes` to it or below. Default 0.
    /// Fails before the association is established.
    pub fn set_buffered_amount_low_threshold(&mut self, bytes: usize) -> Result<(), Error> {
        let transfer = self.association.transfer.as_mut();
        let sender = &mut transfer.ok_or(Error::NotEstablished)?.sender;
        sender.set_low_threshold(self.id, bytes);
        Ok(())
    }

    /// Queues a message and returns its length. Costs one copy of it; it leaves with the next
    /// [`poll_transmit`](Association::poll_transmit) that allows it. An empty message travels as one byte.
    ///
    /// Fails if the stream is closed, the association not established, or the message larger than the peer accepts.
    pub fn write_with_ppi(
        &mut self,
        data: &[u8],
        ppi: PayloadProtocolIdentifier,
    ) -> Result<usize, Error> {
        let entry = self.entry()?;
        if entry.closed || entry.outgoing != Outgoing::Open {
            return Err(Error::StreamClosed);
        }
        let association = &mut *self.association;
        let (State::Established, Some(transfer)) = (association.state, &mut association.transfer)
        else {
            return Err(Error::NotEstablished);
        };
        let limit = association.max_send_message;
        if data.len() > limit {
            let size = data.len();
            return Err(Error::MessageTooLarge { size, limit });
        }
        let (bytes, ppi): (&[u8], _) = match data {
            [] => (&[0], ppi.empty_form().ok_or(Error::EmptyMessage)?),
            data => (data, ppi),
        };
        let control = ppi == PayloadProtocolIdentifier::Dcep;
        transfer
            .sender
            .write(self.id, bytes, ppi.to_wire(), control);
        association.deadline_stale = true;
        association.figures.stale = true;
        Ok(data.len())
    }

    /// The next complete message; `None` if there is none, and always after [`close`](Self::close). Copies nothing.
    pub fn read(&mut self) -> Result<Option<Chunks>, Error> {
        let association = &mut *self.association;
        let entry = association.streams.entries.get_mut(&self.id);
        let entry = entry.ok_or(Error::NoSuchStream)?;
        // What comes after the end belongs to the next stream of this id.
        if entry.closed || entry.finished || !association.setup.shared.is_reading() {
            return Ok(None);
        }
        let Some(transfer) = &mut association.transfer else {
            return Ok(None);
        };
        let Some(message) = transfer.receiver.read(self.id) else {
            return Ok(None);
        };
        entry.bytes_received += message.len as u64;
        association.figures.bytes_received += message.len as u64;
        association.figures.stale = true;
        if entry.incoming_ended {
            association.finish_if_read(self.id);
        }
        Ok(Some(Chunks {
            ppi: PayloadProtocolIdentifier::from_wire(message.ppi),
            parts: message.parts,
            len: message.len,
        }))
    }

    /// Whether messages can still come out of it.
    pub fn is_readable(&self) -> bool {
        self.entry().is_ok_and(|e| !e.closed && !e.finished)
    }

    /// Whether messages can be written.
    pub fn is_writable(&self) -> bool {
        self.entry()
            .is_ok_and(|e| !e.closed && e.outgoing == Outgoing::Open)
    }

    /// Ends both directions: what was written is still delivered, what was not read is dropped. The peer's half ends with
    /// [`Finished`](crate::StreamEvent::Finished), and [`ResetComplete`](crate::StreamEvent::ResetComplete) says that the id is free again. Closing twice does no harm.
    ///
    /// Fails if the association is not established or the peer cannot reset streams: then neither event comes.
    pub fn close(&mut self) -> Result<(), Error> {
        let id = self.id;
        let association = &mut *self.association;
        if association.state != State::Established {
            return Err(Error::NotEstablished);
        }
        let (Some(entry), Some(transfer)) = (
            association.streams.entries.get_mut(&id),
            association.transfer.as_mut(),
        ) else {
            return Err(Error::NoSuchStream);
        };
        if std::mem::replace(&mut entry.closed, true) {
            return Ok(());
        }
        association.figures.stale = true;
        if !entry.finished {
            discard_unread(transfer, id);
        }
        if !association.peer.is_some_and(|p| p.reconfig) {
            return Err(Error::Other("the peer cannot reset streams".into()));
        }
        association.finish_if_read(id);
        association.end_outgoing(id);
        Ok(())
    }
}
