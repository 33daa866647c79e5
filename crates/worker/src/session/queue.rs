//! A bounded queue between two threads of one session: full means wait (batch) or newest wins (realtime).
//! Not the policy: `framewire_protocol::queue` decides and counts, this waits.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use framewire_protocol::queue::{DeliveryQueue, Pop, Push, QueuePolicy};

/// Both ends of the queue; clones share it.
///
/// Every wait ends when the other side calls [`Handoff::end`] or [`Handoff::close`]; the session does so on every
/// path of its ending, and a thread that panics does so by dropping its [`EndOnDrop`].
#[derive(Debug)]
pub(crate) struct Handoff<T>(Arc<Shared<T>>);

/// What became of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handed {
    /// It waits to be taken.
    Stored,
    /// It waits, and an older one was dropped for it.
    Replaced,
    /// The queue was closed; the item is gone.
    Closed,
}

impl Handed {
    pub(crate) fn is_closed(self) -> bool {
        self == Handed::Closed
    }
}

#[derive(Debug)]
struct Shared<T> {
    queue: Mutex<DeliveryQueue<T>>,
    changed: Condvar,
}

impl<T> Clone for Handoff<T> {
    fn clone(&self) -> Handoff<T> {
        Handoff(self.0.clone())
    }
}

impl<T> Handoff<T> {
    pub(crate) fn new(capacity: usize, policy: QueuePolicy) -> Handoff<T> {
        Handoff(Arc::new(Shared {
            queue: Mutex::new(DeliveryQueue::new(capacity, policy)),
            changed: Condvar::new(),
        }))
    }

    /// Hands an item over; waits for room when nothing may be lost.
    pub(crate) fn push(&self, item: T) -> Handed {
        let mut queue = self.lock();
        let mut item = item;
        let (handed, old) = loop {
            match queue.push(item) {
                Push::Stored => break (Handed::Stored, None),
                Push::Replaced(old) => break (Handed::Replaced, Some(old)),
                Push::Ended(_) => return Handed::Closed,
                Push::Full(back) => item = back,
            }
            queue = self.wait(queue);
        };
        drop(queue);
        self.0.changed.notify_all();
        drop(old); // frames go back to their pool outside the lock
        handed
    }

    /// Takes the oldest item; waits for one. `None`: the queue ended and is empty.
    pub(crate) fn pop(&self) -> Option<T> {
        let mut queue = self.lock();
        loop {
            match queue.pop() {
                Pop::Item(item) => {
                    self.0.changed.notify_all();
                    return Some(item);
                }
                Pop::Ended => return None,
                Pop::Empty => queue = self.wait(queue),
            }
        }
    }

    /// Takes the newest item and drops those before it, counting them; waits for one. `None`: the queue ended and is
    /// empty.
    pub(crate) fn pop_newest(&self) -> Option<(T, u64)> {
        let mut newest = self.pop()?;
        let mut passed = Vec::new();
        let mut queue = self.lock();
        while let Pop::Item(newer) = queue.pop() {
            passed.push(std::mem::replace(&mut newest, newer));
        }
        drop(queue);
        self.0.changed.notify_all();
        Some((newest, passed.len() as u64)) // those passed go back to their pool outside the lock
    }

    /// Nothing more comes; what is queued is still delivered.
    pub(crate) fn end(&self) {
        self.lock().end();
        self.0.changed.notify_all();
    }

    /// Ends at once: what is queued is dropped and every waiting thread wakes.
    pub(crate) fn close(&self) {
        let dropped = self.lock().close();
        self.0.changed.notify_all();
        drop(dropped); // frames go back to their pool outside the lock
    }

    fn lock(&self) -> MutexGuard<'_, DeliveryQueue<T>> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(
        &self,
        guard: MutexGuard<'a, DeliveryQueue<T>>,
    ) -> MutexGuard<'a, DeliveryQueue<T>> {
        self.0
            .changed
            .wait(guard)
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends a queue when its thread is over, however that happens.
pub(crate) struct EndOnDrop<T>(pub(crate) Handoff<T>);

impl<T> Drop for EndOnDrop<T> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Closes a queue when its reader is over, so that the writer does not wait for ever.
pub(crate) struct CloseOnDrop<T>(pub(crate) Handoff<T>);

impl<T> Drop for CloseOnDrop<T> {
    fn drop(&mut self) {
        self.0.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn a_lossless_queue_keeps_order_and_every_item() {
        let queue = Handoff::new(2, QueuePolicy::Lossless);
        let writer = queue.clone();
        let thread = thread::spawn(move || {
            let _end = EndOnDrop(writer.clone());
            (0..1000).all(|n| writer.push(n) == Handed::Stored)
        });
        let mut got = Vec::new();
        while let Some(n) = queue.pop() {
            got.push(n);
        }
        assert!(thread.join().unwrap());
        assert_eq!(got, (0..1000).collect::<Vec<_>>());
    }

    #[test]
    fn the_newest_wins_when_nobody_reads() {
        let queue = Handoff::new(1, QueuePolicy::NewestWins);
        let replaced = (0..10).filter(|n| queue.push(*n) == Handed::Replaced);
        assert_eq!(replaced.count(), 9);
        queue.end();
        assert_eq!(queue.pop(), Some(9));
        assert_eq!(queue.pop(), None);
    }

    #[test]
    fn who_is_late_takes_the_newest_and_knows_what_was_passed() {
        let queue = Handoff::new(4, QueuePolicy::NewestWins);
        for n in 0..6 {
            queue.push(n);
        }
        assert_eq!(queue.pop(), Some(2));
        assert_eq!(queue.pop_newest(), Some((5, 2)));
        queue.end();
        assert_eq!(queue.pop_newest(), None);
    }

    #[test]
    fn closing_wakes_a_waiting_writer_and_a_waiting_reader() {
        let full = Handoff::new(1, QueuePolicy::Lossless);
        assert_eq!(full.push(1), Handed::Stored);
        let empty: Handoff<u8> = Handoff::new(1, QueuePolicy::Lossless);
        let (writer, reader) = (full.clone(), empty.clone());
        let pushing = thread::spawn(move || writer.push(2));
        let popping = thread::spawn(move || reader.pop());
        full.close();
        drop(CloseOnDrop(empty));
        assert!(pushing.join().unwrap().is_closed());
        assert_eq!(popping.join().unwrap(), None);
    }

    #[test]
    fn a_panicking_writer_still_ends_the_queue() {
        let queue: Handoff<u8> = Handoff::new(1, QueuePolicy::Lossless);
        let writer = queue.clone();
        let thread = thread::spawn(move || {
            let _end = EndOnDrop(writer);
            panic!("a bad frame");
        });
        assert_eq!(queue.pop(), None);
        assert!(thread.join().is_err());
    }
}
