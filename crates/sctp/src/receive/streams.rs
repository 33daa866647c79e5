//! Per stream: the messages that can be read, and those that wait for an earlier one.
//! Not the parts of messages.
use std::collections::{BTreeMap, VecDeque};
use std::ops::RangeInclusive;

use super::message::Message;
use crate::serial::Ssn;

/// Streams that are remembered at most; a peer that uses more loses what it sends on them.
pub(super) const MAX_STREAMS: usize = 16_384;

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Placed {
    /// It can be read or waits for its turn.
    Kept,
    /// Its number was delivered or skipped before, or is taken.
    Stale,
    /// There are too many streams.
    NoStream,
}

/// One incoming stream.
#[derive(Debug, Default)]
struct Stream {
    /// Number of the next ordered message.
    next: Ssn,
    /// Can be read, in this order.
    unread: VecDeque<Message>,
    /// Complete, but an earlier one is missing.
    waiting: BTreeMap<u16, Message>,
    /// In the list of those to announce.
    queued: bool,
}

/// All incoming streams that are not in their first state.
#[derive(Debug, Default)]
pub(super) struct Streams {
    streams: BTreeMap<u16, Stream>,
    readable: VecDeque<u16>,
    /// Messages that can be read, over all streams.
    unread: usize,
}

impl Streams {
    /// Takes a complete message; `ssn` if it is ordered.
    pub(super) fn deliver(&mut self, id: u16, ssn: Option<Ssn>, message: Message) -> Placed {
        let Some(stream) = entry(&mut self.streams, id) else {
            return Placed::NoStream;
        };
        let nothing = stream.unread.is_empty();
        match ssn {
            None => stream.unread.push_back(message),
            Some(ssn) if ssn == stream.next => {
                stream.unread.push_back(message);
                stream.next = ssn.next();
                self.unread += stream.release();
            }
            Some(ssn) if ssn.after(stream.next) && !stream.waiting.contains_key(&ssn.0) => {
                stream.waiting.insert(ssn.0, message);
                return Placed::Kept;
            }
            Some(_) => return Placed::Stale,
        }
        self.unread += 1;
        if nothing {
            announce(stream, id, &mut self.readable);
        }
        Placed::Kept
    }

    /// The peer gave up on the ordered messages up to `ssn`: those that did arrive are delivered, the next after them is expected.
    pub(super) fn skip(&mut self, id: u16, ssn: Ssn) {
        let Some(stream) = entry(&mut self.streams, id) else {
            return;
        };
        if stream.next.after(ssn) {
            return;
        }
        let nothing = stream.unread.is_empty();
        self.unread += stream.release_up_to(ssn);
        stream.next = ssn.next();
        self.unread += stream.release();
        if nothing && !stream.unread.is_empty() {
            announce(stream, id, &mut self.readable);
        }
    }

    /// The next stream that got something to read when it had nothing.
    pub(super) fn pop_readable(&mut self) -> Option<u16> {
        while let Some(id) = self.readable.pop_front() {
            let Some(stream) = self.streams.get_mut(&id) else {
                continue;
            };
            stream.queued = false;
            if !stream.unread.is_empty() {
                return Some(id);
            }
            // Read in the meantime.
            self.forget(id);
        }
        None
    }

    /// The next message of a stream.
    pub(super) fn read(&mut self, id: u16) -> Option<Message> {
        let stream = self.streams.get_mut(&id)?;
        let message = stream.unread.pop_front()?;
        self.unread -= 1;
        if stream.unread.is_empty() {
            self.forget(id);
        }
        Some(message)
    }

    /// Whether a stream has a message to read.
    pub(super) fn has_unread(&self, id: u16) -> bool {
        self.streams
            .get(&id)
            .is_some_and(|stream| !stream.unread.is_empty())
    }

    /// Whether any stream has.
    pub(super) fn any_unread(&self) -> bool {
        self.unread > 0
    }

    /// Starts the numbers of a stream anew. What can be read stays; what waited is returned.
    pub(super) fn reset(&mut self, id: u16) -> impl Iterator<Item = Message> + use<> {
        let mut waiting = BTreeMap::new();
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.next = Ssn(0);
            waiting = std::mem::take(&mut stream.waiting);
            self.forget(id);
        }
        waiting.into_values()
    }

    /// Frees a stream that looks as if it had never been used.
    fn forget(&mut self, id: u16) {
        let unused = |stream: &Stream| {
            stream.next == Ssn(0)
                && stream.unread.is_empty()
                && stream.waiting.is_empty()
                && !stream.queued
        };
        if self.streams.get(&id).is_some_and(unused) {
            self.streams.remove(&id);
        }
    }

    /// Every message kept, for checks.
    pub(super) fn all(&self) -> impl Iterator<Item = &Message> {
        let unread: usize = self
            .streams
            .values()
            .map(|stream| stream.unread.len())
            .sum();
        assert_eq!(unread, self.unread);
        self.streams
            .values()
            .flat_map(|stream| stream.unread.iter().chain(stream.waiting.values()))
    }
}

impl Stream {
    /// Moves the messages whose turn it is to those that can be read; says how many.
    fn release(&mut self) -> usize {
        let mut count = 0;
        while !self.waiting.is_empty() {
            let Some(message) = self.waiting.remove(&self.next.0) else {
                break;
            };
            self.unread.push_back(message);
            self.next = self.next.next();
            count += 1;
        }
        count
    }

    /// The same with all from the next one up to `last`, in their order. Costs what it moves.
    fn release_up_to(&mut self, last: Ssn) -> usize {
        let before = self.unread.len();
        let mut from = self.next.0;
        if from > last.0 {
            self.move_range(from..=u16::MAX);
            from = 0;
        }
        self.move_range(from..=last.0);
        self.unread.len() - before
    }

    fn move_range(&mut self, range: RangeInclusive<u16>) {
        while let Some((&key, _)) = self.waiting.range(range.clone()).next() {
            self.unread.extend(self.waiting.remove(&key));
        }
    }
}

/// The stream of that id, made if there is room for another.
fn entry(streams: &mut BTreeMap<u16, Stream>, id: u16) -> Option<&mut Stream> {
    if streams.len() >= MAX_STREAMS && !streams.contains_key(&id) {
        return None;
    }
    Some(streams.entry(id).or_default())
}

fn announce(stream: &mut Stream, id: u16, readable: &mut VecDeque<u16>) {
    if !stream.queued {
        stream.queued = true;
        readable.push_back(id);
    }
}
