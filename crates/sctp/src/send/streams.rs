//! What was written and not yet put in a packet: a queue of messages per stream, and whose turn it is.
//! Not what was sent: that is the ring's.
use std::collections::VecDeque;

use super::Reliability;
use crate::serial::Ssn;

/// Where `index` knows no stream.
const NONE: u16 = u16::MAX;

/// The sending half of one stream.
#[derive(Debug, Default)]
pub(super) struct Stream {
    pub(super) id: u16,
    pub(super) reliability: Reliability,
    /// Number of the next ordered message.
    pub(super) next_ssn: Ssn,
    /// Slots of messages, the first perhaps begun.
    pub(super) queue: VecDeque<u32>,
    /// Bytes without a TSN.
    pub(super) unsent: usize,
    /// TSNs that the peer has neither acknowledged nor skipped.
    pub(super) open: u32,
    /// User data sent for the first time.
    pub(super) bytes_sent: u64,
    /// User data sent again.
    pub(super) bytes_resent: u64,
    low_threshold: usize,
    low_told: bool,
    waiting: bool,
}

/// All streams, the turn among those with data, and the streams that ran low.
#[derive(Debug, Default)]
pub(super) struct Streams {
    /// Place in `list` by id; as long as the highest id needs.
    index: Vec<u16>,
    list: Vec<Stream>,
    free: Vec<u16>,
    /// Places of the streams with unsent data; the first is served until its message ends.
    turn: VecDeque<u16>,
    low: VecDeque<u16>,
    unsent: usize,
}

impl Streams {
    /// Bytes without a TSN in all streams.
    #[inline]
    pub(super) fn unsent(&self) -> usize {
        self.unsent
    }

    /// Where the stream is in `list`, if it is there.
    #[inline]
    fn find(&self, id: u16) -> Option<u16> {
        let place = *self.index.get(usize::from(id))?;
        (place != NONE).then_some(place)
    }

    #[inline]
    pub(super) fn get(&self, id: u16) -> Option<&Stream> {
        self.find(id).map(|place| &self.list[usize::from(place)])
    }

    #[inline]
    pub(super) fn get_mut(&mut self, id: u16) -> Option<&mut Stream> {
        self.find(id)
            .map(|place| &mut self.list[usize::from(place)])
    }

    /// The stream, made if it is not there. `None` only for the id 65535, which no channel has.
    pub(super) fn open(&mut self, id: u16) -> Option<&mut Stream> {
        self.place(id)
            .map(|place| &mut self.list[usize::from(place)])
    }

    fn place(&mut self, id: u16) -> Option<u16> {
        if id == u16::MAX {
            return None;
        }
        if self.index.len() <= usize::from(id) {
            self.index.resize(usize::from(id) + 1, NONE);
        }
        if self.index[usize::from(id)] == NONE {
            let stream = Stream {
                id,
                low_told: true,
                ..Stream::default()
            };
            self.index[usize::from(id)] = match self.free.pop() {
                Some(place) => {
                    self.list[usize::from(place)] = stream;
                    place
                }
                None => {
                    self.list.push(stream);
                    // There are at most 65535 ids.
                    (self.list.len() - 1) as u16
                }
            };
        }
        Some(self.index[usize::from(id)])
    }

    /// Forgets a stream and says which messages it still had.
    pub(super) fn remove(&mut self, id: u16) -> VecDeque<u32> {
        let Some(place) = self.find(id) else {
            return VecDeque::new();
        };
        let stream = std::mem::take(&mut self.list[usize::from(place)]);
        self.unsent -= stream.unsent;
        self.turn.retain(|other| *other != place);
        self.index[usize::from(id)] = NONE;
        self.free.push(place);
        stream.queue
    }

    /// Queues a message of `len` bytes. The stream exists.
    #[inline]
    pub(super) fn push(&mut self, id: u16, slot: u32, len: usize) {
        let Some(place) = self.place(id) else { return };
        let stream = &mut self.list[usize::from(place)];
        stream.queue.push_back(slot);
        stream.unsent += len;
        self.unsent += len;
        if stream.unsent > stream.low_threshold {
            stream.low_told = false;
        }
        if !stream.waiting {
            stream.waiting = true;
            self.turn.push_back(place);
        }
    }

    /// The stream whose turn it is and the message it is at.
    #[inline]
    pub(super) fn front(&self) -> Option<u32> {
        let place = *self.turn.front()?;
        self.list[usize::from(place)].queue.front().copied()
    }

    /// The stream whose turn it is.
    #[inline]
    pub(super) fn front_mut(&mut self) -> Option<&mut Stream> {
        let place = *self.turn.front()?;
        Some(&mut self.list[usize::from(place)])
    }

    /// `len` bytes of the front message got a TSN, or were given up; `ends` if that was the last of it: then the turn goes on.
    pub(super) fn take(&mut self, len: usize, ends: bool) {
        let Some(place) = self.turn.front().copied() else {
            return;
        };
        let stream = &mut self.list[usize::from(place)];
        stream.unsent -= len;
        self.unsent -= len;
        if ends {
            stream.queue.pop_front();
            self.turn.pop_front();
            stream.waiting = !stream.queue.is_empty();
            if stream.waiting {
                self.turn.push_back(place);
            }
        }
        self.tell_low(place);
    }

    /// Gives up the rest of a message of any stream: its first in the queue, or one of which nothing was sent.
    pub(super) fn drop_rest(&mut self, id: u16, slot: u32, len: usize) {
        let Some(place) = self.find(id) else {
            return;
        };
        let stream = &mut self.list[usize::from(place)];
        let Some(at) = stream.queue.iter().position(|queued| *queued == slot) else {
            return;
        };
        stream.queue.remove(at);
        stream.unsent -= len;
        self.unsent -= len;
        if stream.queue.is_empty() {
            stream.waiting = false;
            self.turn.retain(|other| *other != place);
        }
        self.tell_low(place);
    }

    /// Sets the amount at which the stream counts as low.
    pub(super) fn set_low_threshold(&mut self, id: u16, threshold: usize) {
        if let Some(stream) = self.open(id) {
            stream.low_threshold = threshold;
            stream.low_told = stream.unsent <= threshold;
        }
    }

    /// A stream that went from above its threshold to it or below. A stream is in the list once at most.
    pub(super) fn pop_low(&mut self) -> Option<u16> {
        self.low.pop_front()
    }

    #[inline]
    fn tell_low(&mut self, place: u16) {
        let stream = &mut self.list[usize::from(place)];
        if !stream.low_told && stream.unsent <= stream.low_threshold {
            stream.low_told = true;
            if !self.low.contains(&stream.id) {
                self.low.push_back(stream.id);
            }
        }
    }

    /// Every stream in use, for the checks of tests.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Stream> {
        self.index
            .iter()
            .filter(|place| **place != NONE)
            .map(|place| &self.list[usize::from(*place)])
    }
}
