//! The bounded send queue of one data channel: users push, the driver pops, waiters are told.
//! It is what `buffered_amount` counts; what the engine has taken is no longer in it.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Instant;

use bytes::Bytes;

use crate::config::MAX_QUEUED_BYTES;

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
    bytes: usize,
    life: Life,
    threshold: Option<usize>,
    /// A low event is queued for the user and not yet taken.
    low_pending: bool,
    /// Threads inside `wait_at_most`, so that popping stays free of system calls without them.
    waiting: usize,
    wakers: Vec<(usize, Waker)>,
}

impl SendQueue {
    pub(crate) fn new() -> SendQueue {
        let state = State {
            items: VecDeque::new(),
            bytes: 0,
            life: Life::Connecting,
            threshold: None,
            low_pending: false,
            waiting: 0,
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
        if state.bytes + message.data.len() > MAX_QUEUED_BYTES {
            return Err(Refused::Full(state.bytes));
        }
        state.bytes += message.data.len();
        state.items.push_back(message);
        Ok(())
    }

    /// The next message, without removing it. Cheap: the bytes are shared.
    pub(crate) fn front(&self) -> Option<Outgoing> {
        self.lock().items.front().cloned()
    }

    /// Removes the message `front` returned. True when a low event is to be reported.
    pub(crate) fn pop(&self) -> bool {
        let mut state = self.lock();
        let Some(message) = state.items.pop_front() else {
            return false;
        };
        let before = state.bytes;
        state.bytes -= message.data.len();
        let after = state.bytes;
        let low = !state.low_pending && state.threshold.is_some_and(|t| before > t && after <= t);
        state.low_pending |= low;
        let wake_threads = state.waiting > 0;
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
        self.lock().bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().items.is_empty()
    }

    /// Whether something waits that can still be sent.
    pub(crate) fn has_work(&self) -> bool {
        let state = self.lock();
        !state.items.is_empty() && state.life != Life::Closed
    }

    pub(crate) fn life(&self) -> Life {
        self.lock().life
    }

    /// Moves on; never back. Closing twice is harmless. Waiters of a closed queue are released.
    pub(crate) fn set_life(&self, life: Life) {
        let mut state = self.lock();
        if life <= state.life {
            return;
        }
        state.life = life;
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
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
        state.waiting += 1;
        let end = loop {
            if state.bytes <= limit {
                break WaitEnd::Reached;
            }
            if state.life == Life::Closed {
                break WaitEnd::Closed(state.bytes);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break WaitEnd::Timeout(state.bytes);
            }
            state = self
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        };
        state.waiting -= 1;
        end
    }

    /// The same for a task: `None` means that `waker` is kept and will be woken.
    pub(crate) fn poll_at_most(&self, limit: usize, waker: &Waker) -> Option<WaitEnd> {
        let mut state = self.lock();
        if state.bytes <= limit {
            return Some(WaitEnd::Reached);
        }
        if state.life == Life::Closed {
            return Some(WaitEnd::Closed(state.bytes));
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

    #[test]
    fn the_bound_is_reached_and_a_pop_makes_room() {
        let queue = open();
        let half = message(MAX_QUEUED_BYTES / 2);
        queue.push(half.clone()).unwrap();
        queue.push(half).unwrap();
        assert_eq!(queue.push(message(1)), Err(Refused::Full(MAX_QUEUED_BYTES)));
        queue.pop();
        queue.push(message(1)).unwrap();
        assert_eq!(queue.buffered(), MAX_QUEUED_BYTES / 2 + 1);
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
        for _ in 0..4 {
            queue.push(message(10)).unwrap();
        }
        assert!(!queue.pop(), "no threshold was set");
        queue.set_threshold(10);
        assert!(!queue.pop(), "20 is above 10");
        queue.push(message(10)).unwrap();
        assert!(!queue.pop());
        assert!(queue.pop(), "from 20 to 10");
        queue.push(message(10)).unwrap();
        assert!(!queue.pop(), "the last event was not taken yet");
        queue.low_event_taken();
        queue.push(message(10)).unwrap();
        assert!(queue.pop());
    }

    #[test]
    fn waiters_end_with_room_with_time_and_with_the_channel() {
        let queue = open();
        queue.push(message(10)).unwrap();
        let now = Instant::now();
        assert_eq!(queue.wait_at_most(10, now), WaitEnd::Reached);
        assert_eq!(queue.wait_at_most(9, now), WaitEnd::Timeout(10));
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| queue.wait_at_most(0, now + Duration::from_secs(20)));
            queue.pop();
            assert_eq!(waiter.join().unwrap(), WaitEnd::Reached);
            queue.push(message(7)).unwrap();
            let waiter = scope.spawn(|| queue.wait_at_most(0, now + Duration::from_secs(20)));
            queue.set_life(Life::Closed);
            assert_eq!(waiter.join().unwrap(), WaitEnd::Closed(7));
        });
    }
}
