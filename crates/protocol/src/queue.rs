//! Bounded queue between a producer and a consumer, with a counted policy for a full queue and an end that is a state.
//! It holds no lock and wakes nobody: the owner wraps it in whatever it waits with.

use std::collections::VecDeque;

/// Frames a client keeps for its consumer unless told otherwise (`WEBRTC_VIDEO_QUEUE_MAX_SIZE`).
pub const DEFAULT_QUEUE_CAPACITY: usize = 8;

/// What happens to an item that finds the queue full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum QueuePolicy {
    /// The producer gets it back and waits: nothing is ever lost (batch processing).
    Lossless,
    /// The oldest item makes room and is counted (realtime processing).
    NewestWins,
}

/// What became of a pushed item. Items handed back must be dealt with: they carry the caller's bookkeeping.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "an item handed back is not in the queue"]
pub enum Push<T> {
    /// Stored.
    Stored,
    /// Stored; the oldest item, handed back here, made room and was counted as dropped.
    Replaced(T),
    /// Not stored: the queue is full and lossless. Wait for a pop, then push again.
    Full(T),
    /// Not stored: the queue has ended. Counted as discarded.
    Ended(T),
}

/// What a consumer got.
#[derive(Debug, PartialEq, Eq)]
pub enum Pop<T> {
    /// The oldest item.
    Item(T),
    /// Nothing at the moment; more may come.
    Empty,
    /// Nothing, and nothing will come. Every consumer sees this, as often as it asks.
    Ended,
}

/// What went through a queue. `pushed == delivered + dropped + discarded + len` at any time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueStats {
    /// Items offered, including those refused after the end; a `Full` refusal does not count.
    pub pushed: u64,
    /// Items popped.
    pub delivered: u64,
    /// Items that made room for newer ones.
    pub dropped: u64,
    /// Items thrown away by [`DeliveryQueue::close`] or offered after the end.
    pub discarded: u64,
}

/// Bounded queue; see [`QueuePolicy`]. All operations are O(1) except [`close`](Self::close).
#[derive(Debug)]
pub struct DeliveryQueue<T> {
    items: VecDeque<T>,
    capacity: usize,
    policy: QueuePolicy,
    ended: bool,
    stats: QueueStats,
}

impl<T> DeliveryQueue<T> {
    /// A queue for at most `capacity` items; 0 is taken as 1. Memory grows with use, not with the capacity.
    pub fn new(capacity: usize, policy: QueuePolicy) -> Self {
        DeliveryQueue {
            items: VecDeque::new(),
            capacity: capacity.max(1),
            policy,
            ended: false,
            stats: QueueStats::default(),
        }
    }

    /// Offers an item.
    pub fn push(&mut self, item: T) -> Push<T> {
        if self.ended {
            self.stats.pushed += 1;
            self.stats.discarded += 1;
            return Push::Ended(item);
        }
        if self.items.len() < self.capacity {
            self.stats.pushed += 1;
            self.items.push_back(item);
            return Push::Stored;
        }
        match (self.policy, self.items.pop_front()) {
            (QueuePolicy::NewestWins, Some(oldest)) => {
                self.stats.pushed += 1;
                self.stats.dropped += 1;
                self.items.push_back(item);
                Push::Replaced(oldest)
            }
            (_, oldest) => {
                if let Some(oldest) = oldest {
                    self.items.push_front(oldest);
                }
                Push::Full(item)
            }
        }
    }

    /// Takes the oldest item. Items queued before the end are still delivered after it.
    pub fn pop(&mut self) -> Pop<T> {
        match self.items.pop_front() {
            Some(item) => {
                self.stats.delivered += 1;
                Pop::Item(item)
            }
            None if self.ended => Pop::Ended,
            None => Pop::Empty,
        }
    }

    /// Ends the queue: what is in it is still delivered, nothing more is accepted. Calling it again changes nothing.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// Ends the queue and hands out what was in it, counted as discarded.
    pub fn close(&mut self) -> VecDeque<T> {
        self.ended = true;
        self.stats.discarded += self.items.len() as u64;
        std::mem::take(&mut self.items)
    }

    /// Whether [`end`](Self::end) or [`close`](Self::close) was called.
    pub fn is_ended(&self) -> bool {
        self.ended
    }

    /// Items waiting.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Whether the next push would find no room.
    pub fn is_full(&self) -> bool {
        self.items.len() >= self.capacity
    }

    /// What went through so far.
    pub fn stats(&self) -> QueueStats {
        self.stats
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn balanced<T>(queue: &DeliveryQueue<T>) {
        let s = queue.stats();
        assert_eq!(
            s.pushed,
            s.delivered + s.dropped + s.discarded + queue.len() as u64
        );
    }

    #[test]
    fn newest_wins_keeps_the_newest_and_counts_the_rest() {
        let mut queue = DeliveryQueue::new(2, QueuePolicy::NewestWins);
        assert_eq!(queue.push(1), Push::Stored);
        assert_eq!(queue.push(2), Push::Stored);
        assert_eq!(queue.push(3), Push::Replaced(1));
        balanced(&queue);
        assert_eq!(queue.pop(), Pop::Item(2));
        assert_eq!(queue.pop(), Pop::Item(3));
        assert_eq!(queue.pop(), Pop::Empty);
        assert_eq!(queue.stats().dropped, 1);
        balanced(&queue);
    }

    #[test]
    fn lossless_hands_the_item_back_when_full() {
        let mut queue = DeliveryQueue::new(1, QueuePolicy::Lossless);
        assert_eq!(queue.push('a'), Push::Stored);
        assert!(queue.is_full());
        assert_eq!(queue.push('b'), Push::Full('b'));
        balanced(&queue);
        assert_eq!(queue.pop(), Pop::Item('a'));
        assert_eq!(queue.push('b'), Push::Stored);
        balanced(&queue);
    }

    #[test]
    fn the_end_is_not_lost_in_a_full_queue_and_is_seen_by_everyone() {
        let mut queue = DeliveryQueue::new(1, QueuePolicy::NewestWins);
        assert_eq!(queue.push(1), Push::Stored);
        queue.end();
        assert_eq!(queue.push(2), Push::Ended(2));
        assert_eq!(queue.pop(), Pop::Item(1));
        assert_eq!(queue.pop(), Pop::Ended);
        assert_eq!(queue.pop(), Pop::Ended);
        balanced(&queue);
    }

    #[test]
    fn closing_hands_out_and_counts_what_was_waiting() {
        let mut queue = DeliveryQueue::new(0, QueuePolicy::Lossless);
        assert_eq!(queue.push(1), Push::Stored);
        assert_eq!(queue.close().len(), 1);
        assert_eq!(queue.pop(), Pop::Ended);
        assert_eq!(queue.stats().discarded, 1);
        balanced(&queue);
    }
}
