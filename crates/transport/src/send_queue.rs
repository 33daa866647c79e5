//! The bounded send queue of one data channel: users push, the driver takes, waiters are told.
//! Its amount is what `buffered_amount` counts: every byte that is in no packet yet, wherever it waits.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Instant;

use bytes::Bytes;

use crate::config::MAX_QUEUED_BYTES;

/// Messages one channel may hold, so that empty ones are bounded too: 40 MiB beside their bytes.
const MAX_MESSAGES: usize = 1 << 20;

/// The life of a channel as users see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Life {
    Connecting,
    Open,
    /// Closed by us: no new messages, the queued ones still go out.
    Closing,
    Closed,
}

/// A message to send.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    pub(crate) data: Bytes,
    pub(crate) text: bool,
}

/// Why a push was refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    NotOpen,
    Full(usize),
}

/// How a wait ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum WaitEnd {
    Reached,
    Closed(usize),
    Timeout(usize),
}

#[derive(Debug)]
pub(crate) struct SendQueue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    items: VecDeque<Outgoing>,
    /// Bytes of `items`; once closed, what they were.
    bytes: usize,
    /// Bytes the driver took and did not report as sent.
    taken: usize,
    life: Life,
    threshold: Option<usize>,
    /// A low event is queued for the user and not yet taken.
    low_pending: bool,
    /// What the threads inside `wait_at_most` wait for: waking one for nothing costs two system calls.
    waiting: Vec<usize>,
    wakers: Vec<(usize, Waker)>,
}

impl State {
    fn amount(&self) -> usize {
        self.bytes + self.taken
    }
}

impl SendQueue {
    pub(crate) fn new() -> SendQueue {
        let state = State {
            items: VecDeque::new(),
            bytes: 0,
            taken: 0,
            life: Life::Connecting,
            threshold: None,
            low_pending: false,
            waiting: Vec::new(),
            wakers: Vec::new(),
        };
        SendQueue {
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push(&self, message: Outgoing) -> Result<(), Refused> {
        let mut state = self.lock();
        if state.life != Life::Open {
            return Err(Refused::NotOpen);
        }
        let full = state.amount() + message.data.len() > MAX_QUEUED_BYTES;
        if full || state.items.len() >= MAX_MESSAGES {
            return Err(Refused::Full(state.amount()));
        }
        state.bytes += message.data.len();
        state.items.push_back(message);
        Ok(())
    }

    /// The driver takes all that waits. The bytes go on counting until `report` says otherwise. One lock however many
    /// messages there are; `room` must be empty and its memory is used for the next ones.
    pub(crate) fn take(&self, room: &mut VecDeque<Outgoing>) {
        debug_assert!(room.is_empty());
        let mut state = self.lock();
        if state.life != Life::Closed {
            std::mem::swap(&mut state.items, room);
            state.taken += std::mem::take(&mut state.bytes);
        }
    }

    /// Of what the driver took, so many bytes are in no packet yet. True when a low event is to be reported.
    pub(crate) fn report(&self, unsent: usize) -> bool {
        let mut state = self.lock();
        let before = state.amount();
        state.taken = unsent;
        let after = state.amount();
        let low = !state.low_pending && state.threshold.is_some_and(|t| before > t && after <= t);
        state.low_pending |= low;
        let wake_threads = state.waiting.iter().any(|limit| after <= *limit);
        let mut wakers = Vec::new();
        state.wakers.retain(|(limit, waker)| {
            let reached = after <= *limit;
            if reached {
                wakers.push(waker.clone());
            }
            !reached
        });
        drop(state);
        if wake_threads {
            self.changed.notify_all();
        }
        wakers.into_iter().for_each(Waker::wake);
        low
    }

    pub(crate) fn buffered(&self) -> usize {
        self.lock().amount()
    }

    /// Whether something waits here that can still be sent.
    pub(crate) fn has_work(&self) -> bool {
        let state = self.lock();
        !state.items.is_empty() && state.life != Life::Closed
    }

    pub(crate) fn life(&self) -> Life {
        self.lock().life
    }

    /// Moves on; never back. Closing twice is harmless. Waiters of a closed queue are released; what it held is dropped, and
    /// goes on counting.
    pub(crate) fn set_life(&self, life: Life) {
        let mut state = self.lock();
        if life <= state.life {
            return;
        }
        state.life = life;
        let wakers = std::mem::take(&mut state.wakers);
        let closed = life == Life::Closed;
        let lost = closed.then(|| std::mem::take(&mut state.items));
        drop(state);
        // Outside the lock: these may be many.
        drop(lost);
        self.changed.notify_all();
        wakers.into_iter().for_each(|(_, waker)| waker.wake());
    }

    pub(crate) fn set_threshold(&self, bytes: usize) {
        self.lock().threshold = Some(bytes);
    }

    pub(crate) fn low_event_taken(&self) {
        self.lock().low_pending = false;
    }

    /// Blocks until at most `limit` bytes wait, the channel closes or `deadline` passes.
    pub(crate) fn wait_at_most(&self, limit: usize, deadline: Instant) -> WaitEnd {
        let mut state = self.lock();
        loop {
            if state.amount() <= limit {
                return WaitEnd::Reached;
            }
            if state.life == Life::Closed {
                return WaitEnd::Closed(state.amount());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return WaitEnd::Timeout(state.amount());
            }
            state.waiting.push(limit);
            state = self
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
            let mine = state.waiting.iter().position(|known| *known == limit);
            state
                .waiting
                .swap_remove(mine.expect("pushed above, and each takes one"));
        }
    }

    /// The same for a task: `None` means that `waker` is kept and will be woken.
    pub(crate) fn poll_at_most(&self, limit: usize, waker: &Waker) -> Option<WaitEnd> {
        let mut state = self.lock();
        if state.amount() <= limit {
            return Some(WaitEnd::Reached);
        }
        if state.life == Life::Closed {
            return Some(WaitEnd::Closed(state.amount()));
        }
        state.wakers.retain(|(_, known)| !known.will_wake(waker));
        state.wakers.push((limit, waker.clone()));
        None
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn open() -> SendQueue {
        let queue = SendQueue::new();
        queue.set_life(Life::Open);
        queue
    }

    fn message(bytes: usize) -> Outgoing {
        let data = Bytes::from(vec![0; bytes]);
        Outgoing { data, text: false }
    }

    /// All of `amounts` queued and taken by the driver.
    fn taken(queue: &SendQueue, amounts: &[usize]) {
        for bytes in amounts {
            queue.push(message(*bytes)).unwrap();
        }
        queue.take(&mut VecDeque::new());
    }

    #[test]
    fn the_bound_counts_what_the_driver_took_and_sending_makes_room() {
        let queue = open();
        let half = message(MAX_QUEUED_BYTES / 2);
        queue.push(half.clone()).unwrap();
        let mut room = VecDeque::new();
        queue.take(&mut room);
        assert_eq!((room.len(), queue.has_work()), (1, false));
        queue.push(half).unwrap();
        assert_eq!(queue.push(message(1)), Err(Refused::Full(MAX_QUEUED_BYTES)));
        queue.report(0);
        queue.push(message(1)).unwrap();
        assert_eq!(queue.buffered(), MAX_QUEUED_BYTES / 2 + 1);
    }

    #[test]
    fn empty_messages_are_bounded_too() {
        let queue = open();
        let mut queued = 0;
        while queue.push(message(0)).is_ok() {
            queued += 1;
        }
        assert_eq!(queued, MAX_MESSAGES);
        assert_eq!(queue.buffered(), 0);
    }

    #[test]
    fn a_life_goes_only_forward() {
        let queue = SendQueue::new();
        assert_eq!(queue.push(message(1)), Err(Refused::NotOpen));
        queue.set_life(Life::Closing);
        queue.set_life(Life::Open);
        assert_eq!(queue.life(), Life::Closing);
        queue.set_life(Life::Closed);
        queue.set_life(Life::Closing);
        assert_eq!(queue.life(), Life::Closed);
    }

    #[test]
    fn a_low_event_is_due_only_when_the_amount_crosses_the_threshold() {
        let queue = open();
        taken(&queue, &[10, 10, 10, 10]);
        assert!(!queue.report(30), "no threshold was set");
        queue.set_threshold(10);
        assert!(!queue.report(20), "20 is above 10");
        taken(&queue, &[10]);
        assert!(!queue.report(20));
        assert!(queue.report(10), "from 20 to 10");
        taken(&queue, &[10]);
        assert!(!queue.report(5), "the last event was not taken yet");
        queue.low_event_taken();
        taken(&queue, &[10]);
        assert!(queue.report(9));
        queue.low_event_taken();
        queue.push(message(10)).unwrap();
        assert!(!queue.report(3), "what was not taken counts as well");
        queue.take(&mut VecDeque::new());
        assert!(queue.report(0));
    }

    #[test]
    fn waiters_end_with_room_with_time_and_with_the_channel() {
        let queue = open();
        taken(&queue, &[10]);
        let now = Instant::now();
        assert_eq!(queue.wait_at_most(10, now), WaitEnd::Reached);
        assert_eq!(queue.wait_at_most(9, now), WaitEnd::Timeout(10));
        let later = now + Duration::from_secs(20);
        std::thread::scope(|scope| {
            let none = scope.spawn(|| queue.wait_at_most(0, later));
            let five = scope.spawn(|| queue.wait_at_most(5, later));
            queue.report(5);
            assert_eq!(five.join().unwrap(), WaitEnd::Reached);
            queue.report(0);
            assert_eq!(none.join().unwrap(), WaitEnd::Reached);
            taken(&queue, &[7]);
            let waiter = scope.spawn(|| queue.wait_at_most(0, later));
            queue.set_life(Life::Closed);
            assert_eq!(waiter.join().unwrap(), WaitEnd::Closed(7));
        });
        assert!(queue.lock().waiting.is_empty());
    }

    #[test]
    fn a_closed_queue_holds_nothing_and_still_says_what_it_held() {
        let queue = open();
        taken(&queue, &[7]);
        queue.push(message(5)).unwrap();
        queue.set_life(Life::Closing);
        assert!(queue.has_work(), "it still goes out");
        queue.set_life(Life::Closed);
        assert!(queue.lock().items.capacity() == 0 && !queue.has_work());
        assert_eq!(queue.buffered(), 12);
        assert_eq!(queue.wait_at_most(11, Instant::now()), WaitEnd::Closed(12));
    }
}
