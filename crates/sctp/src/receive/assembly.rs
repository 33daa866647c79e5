//! Puts messages together: what follows in order, and what is complete above a gap.
//! Not what is accepted in the first place.
use super::message::Open;
use super::streams::Placed;
use super::{Receiver, TooBig};
use crate::serial::Tsn;
use crate::wire::Data;

impl Receiver {
    /// Takes a chunk above a gap, and its whole message if it is the last part that was missing.
    pub(super) fn ahead(&mut self, data: Data) -> Result<(), TooBig> {
        let tsn = data.tsn;
        if tsn.after(self.highest) {
            self.highest = tsn;
        }
        self.held.insert(data);
        let Some((first, last)) = self.held.message_around(tsn) else {
            return Ok(());
        };
        let mut whole: Option<Open> = None;
        let mut at = first;
        loop {
            // `message_around` found every one of them.
            if let Some(data) = self.held.take(at) {
                match &mut whole {
                    None if data.begin => whole = Some(Open::new(data)),
                    Some(open) if open.takes(&data) => open.push(data.payload),
                    _ => {
                        self.free(data.payload.len(), 1);
                        self.counters.broken += 1;
                    }
                }
            }
            if at == last {
                break;
            }
            at = at.next();
        }
        match whole {
            Some(open) if open.message.len > self.max_message => Err(self.too_big()),
            Some(open) => {
                self.deliver(open);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Goes up over what arrived before the gap was filled.
    pub(super) fn advance(&mut self) -> Result<(), TooBig> {
        while self.has_gap() && self.held.contains(self.cumulative.next()) {
            self.cumulative = self.cumulative.next();
            match self.held.remove(self.cumulative) {
                Some(data) => self.append(data)?,
                // Part of a message that is delivered: the one begun before it has no end.
                None => self.break_off(),
            }
        }
        Ok(())
    }

    /// Takes the chunk that follows all before it.
    #[inline]
    pub(super) fn append(&mut self, data: Data) -> Result<(), TooBig> {
        let end = data.end;
        if data.begin {
            self.break_off();
            self.open = Some(Open::new(data));
        } else {
            match &mut self.open {
                Some(open) if open.takes(&data) => open.push(data.payload),
                _ => {
                    self.break_off();
                    self.free(data.payload.len(), 1);
                    self.counters.broken += 1;
                    return Ok(());
                }
            }
        }
        if self
            .open
            .as_ref()
            .is_some_and(|open| open.message.len > self.max_message)
        {
            return Err(self.too_big());
        }
        if end && let Some(open) = self.open.take() {
            self.deliver(open);
        }
        Ok(())
    }

    pub(super) fn too_big(&self) -> TooBig {
        TooBig {
            limit: self.max_message,
        }
    }

    /// Hands a complete message to its stream.
    pub(super) fn deliver(&mut self, open: Open) {
        let (stream, ssn, message) = open.finish();
        let (len, parts) = (message.len, message.parts.as_slice().len());
        match self.streams.deliver(stream, ssn, message) {
            Placed::Kept => return,
            Placed::Stale => self.counters.stale += 1,
            Placed::NoStream => self.counters.no_stream += 1,
        }
        self.free(len, parts);
    }

    /// Drops the message that has begun, if there is one.
    #[inline]
    pub(super) fn break_off(&mut self) {
        if let Some(open) = self.open.take() {
            let parts = open.message.parts.as_slice().len();
            self.free(open.message.len, parts);
            self.counters.broken += parts as u64;
        }
    }

    /// Drops what is held up to a number, which is not above the highest.
    pub(super) fn give_up(&mut self, until: Tsn) {
        let (chunks, bytes) = self.held.clear(self.cumulative, until);
        self.free(bytes, chunks);
        self.counters.given_up += chunks as u64;
    }

    pub(super) fn free(&mut self, bytes: usize, parts: usize) {
        self.bytes -= bytes;
        self.parts -= parts;
    }
}
