//! Bounded conveyor between network and handlers: work is done by several threads, results come out in order.
//! It knows neither messages nor handlers; the producer waits without blocking, workers and consumer block.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Bounds of a conveyor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Items inside, whatever their state.
    pub(crate) items: usize,
    /// Weight (bytes) of unfinished items; one item is always accepted.
    pub(crate) bytes: usize,
    /// Finished items kept ahead of the consumer: each may hold a decoded picture.
    pub(crate) ahead: usize,
}

/// Outcome of an offer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Offered<I> {
    Taken,
    /// No room now: wait for [`Pipeline::room`] and offer again.
    Full(I),
    /// The conveyor was shut; the item is of no use any more.
    Shut(I),
}

/// What the consumer is woken for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Turn<O> {
    /// The next result in order; `None`: the work on that item panicked.
    Item(Option<O>),
    /// Somebody wants it to look elsewhere.
    Nudge,
    /// Shut, or ended and empty.
    Over,
}

#[derive(Debug)]
enum Slot<I, O> {
    Waiting(I, usize),
    Working,
    /// `None`: the work panicked.
    Done(Option<O>),
}

#[derive(Debug)]
struct State<I, O> {
    slots: VecDeque<Slot<I, O>>,
    /// Number of the first slot, so that workers find theirs again.
    first: u64,
    bytes: usize,
    ended: bool,
    shut: bool,
    nudged: bool,
}

/// See the module. `I` goes in, `O` comes out.
#[derive(Debug)]
pub(crate) struct Pipeline<I, O> {
    state: Mutex<State<I, O>>,
    /// Wakes workers and the consumer.
    changed: Condvar,
    room: Notify,
    limits: Limits,
}

impl<I, O> Pipeline<I, O> {
    pub(crate) fn new(limits: Limits) -> Self {
        Pipeline {
            state: Mutex::new(State {
                slots: VecDeque::new(),
                first: 0,
                bytes: 0,
                ended: false,
                shut: false,
                nudged: false,
            }),
            changed: Condvar::new(),
            room: Notify::new(),
            limits,
        }
    }

    /// Puts an item on the conveyor if there is room.
    pub(crate) fn offer(&self, item: I, weight: usize) -> Offered<I> {
        let mut state = self.lock();
        if state.shut || state.ended {
            return Offered::Shut(item);
        }
        let fits = state.bytes.saturating_add(weight) <= self.limits.bytes || state.bytes == 0;
        if state.slots.len() >= self.limits.items || !fits {
            return Offered::Full(item);
        }
        state.bytes += weight;
        state.slots.push_back(Slot::Waiting(item, weight));
        drop(state);
        self.changed.notify_all();
        Offered::Taken
    }

    /// Puts something on the conveyor that needs no work, behind everything offered so far and whatever the bounds. False
    /// after the end: nobody will take it.
    pub(crate) fn insert(&self, output: O) -> bool {
        let mut state = self.lock();
        if state.shut || state.ended {
            return false;
        }
        state.slots.push_back(Slot::Done(Some(output)));
        drop(state);
        self.changed.notify_all();
        true
    }

    /// Takes the oldest item nobody has begun with, to make room for a newer one.
    pub(crate) fn evict(&self) -> Option<I> {
        let mut state = self.lock();
        // Workers take the oldest first, so waiting slots are the tail and no worker refers to one of them by number.
        let at = state
            .slots
            .iter()
            .position(|slot| matches!(slot, Slot::Waiting(..)))?;
        match state.slots.remove(at) {
            Some(Slot::Waiting(item, weight)) => {
                state.bytes -= weight;
                Some(item)
            }
            _ => None,
        }
    }

    /// Waits until an offer may succeed. Cancel-safe; a wake-up may be early.
    pub(crate) async fn room(&self) {
        self.room.notified().await;
    }

    /// No more items will come; what is inside still comes out.
    pub(crate) fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }

    /// Throws everything away and releases all threads.
    pub(crate) fn shut(&self) {
        let mut state = self.lock();
        state.shut = true;
        let left = std::mem::take(&mut state.slots);
        state.bytes = 0;
        drop(state);
        drop(left);
        self.changed.notify_all();
        self.room.notify_one();
    }

    /// Body of a worker thread: returns when the conveyor is shut, or ended and without waiting items.
    pub(crate) fn work(&self, mut run: impl FnMut(I) -> O) {
        while let Some((number, item, weight)) = self.take() {
            // A panic costs this item alone.
            let output = catch_unwind(AssertUnwindSafe(|| run(item))).ok();
            let mut state = self.lock();
            if state.shut {
                return;
            }
            state.bytes -= weight;
            let index = (number - state.first) as usize;
            state.slots[index] = Slot::Done(output);
            drop(state);
            self.changed.notify_all();
            self.room.notify_one();
        }
    }

    fn take(&self) -> Option<(u64, I, usize)> {
        let mut state = self.lock();
        loop {
            if state.shut {
                return None;
            }
            let next = state
                .slots
                .iter()
                .position(|slot| matches!(slot, Slot::Waiting(..)));
            match next {
                Some(index) if index < self.limits.ahead => {
                    if let Slot::Waiting(item, weight) =
                        std::mem::replace(&mut state.slots[index], Slot::Working)
                    {
                        return Some((state.first + index as u64, item, weight));
                    }
                }
                None if state.ended => return None,
                _ => {}
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Gives the consumer a turn without an item. Several before it comes are one.
    pub(crate) fn nudge(&self) {
        self.lock().nudged = true;
        self.changed.notify_all();
    }

    /// Waits for the consumer's next turn.
    pub(crate) fn turn(&self) -> Turn<O> {
        let mut state = self.lock();
        loop {
            if state.shut {
                return Turn::Over;
            }
            if std::mem::take(&mut state.nudged) {
                return Turn::Nudge;
            }
            match state.slots.front() {
                Some(Slot::Done(_)) => {
                    let slot = state.slots.pop_front();
                    state.first += 1;
                    drop(state);
                    self.changed.notify_all();
                    self.room.notify_one();
                    return match slot {
                        Some(Slot::Done(output)) => Turn::Item(output),
                        _ => Turn::Over,
                    };
                }
                None if state.ended => return Turn::Over,
                _ => {}
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<I, O>> {
        // No user code runs under the lock; a poisoned one is still consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, mpsc};

    impl<I, O> Pipeline<I, O> {
        /// The consumer's next item; none when it is over.
        fn next(&self) -> Option<Option<O>> {
            match self.turn() {
                Turn::Item(output) => Some(output),
                Turn::Nudge => self.next(),
                Turn::Over => None,
            }
        }
    }

    #[test]
    fn a_nudge_is_one_turn_between_items() {
        let line = Pipeline::<u32, u32>::new(LIMITS);
        line.nudge();
        line.nudge();
        assert_eq!(line.offer(1, 1), Offered::Taken);
        line.end();
        line.work(|n| n);
        assert_eq!(line.turn(), Turn::Nudge);
        assert_eq!(line.turn(), Turn::Item(Some(1)));
        assert_eq!(line.turn(), Turn::Over);
    }

    const LIMITS: Limits = Limits {
        items: 8,
        bytes: 1000,
        ahead: 4,
    };

    #[test]
    fn results_come_out_in_order_whatever_worker_is_faster() {
        let line = Arc::new(Pipeline::<u32, u32>::new(LIMITS));
        let (release, wait) = mpsc::channel::<()>();
        let wait = Arc::new(Mutex::new(wait));
        let workers: Vec<_> = (0..2)
            .map(|_| {
                let (line, wait, release) = (line.clone(), wait.clone(), release.clone());
                std::thread::spawn(move || {
                    line.work(|n| {
                        match n {
                            0 => wait.lock().unwrap().recv().unwrap(),
                            2 => release.send(()).unwrap(),
                            _ => {}
                        }
                        n * 10
                    });
                })
            })
            .collect();
        for n in 0..3 {
            assert_eq!(line.offer(n, 1), Offered::Taken);
        }
        line.end();
        assert_eq!(
            std::iter::from_fn(|| line.next()).collect::<Vec<_>>(),
            [Some(0), Some(10), Some(20)]
        );
        for worker in workers {
            worker.join().unwrap();
        }
    }

    #[test]
    fn items_and_bytes_are_bounded_but_one_heavy_item_passes() {
        let line = Pipeline::<u32, u32>::new(LIMITS);
        assert_eq!(line.offer(1, 5000), Offered::Taken);
        assert_eq!(line.offer(2, 1), Offered::Full(2));
        assert_eq!(line.evict(), Some(1));
        for n in 0..8 {
            assert_eq!(line.offer(n, 100), Offered::Taken);
        }
        assert_eq!(line.offer(9, 100), Offered::Full(9));
        assert_eq!(line.evict(), Some(0));
        assert_eq!(line.offer(9, 100), Offered::Taken);
        line.shut();
        assert_eq!(line.offer(10, 1), Offered::Shut(10));
        assert_eq!(line.next(), None);
    }

    #[test]
    fn workers_stop_ahead_of_a_slow_consumer() {
        let line = Arc::new(Pipeline::<u32, u32>::new(LIMITS));
        let (began, seen) = mpsc::channel();
        let worker = {
            let line = line.clone();
            std::thread::spawn(move || {
                line.work(|n| {
                    began.send(n).unwrap();
                    n
                });
            })
        };
        for n in 0..6 {
            assert_eq!(line.offer(n, 1), Offered::Taken);
        }
        for n in 0..4 {
            assert_eq!(seen.recv().unwrap(), n);
        }
        assert!(seen.try_recv().is_err());
        assert_eq!(line.next(), Some(Some(0)));
        assert_eq!(seen.recv().unwrap(), 4);
        line.shut();
        worker.join().unwrap();
    }

    #[test]
    fn a_panic_costs_one_item() {
        let line = Pipeline::<u32, u32>::new(LIMITS);
        assert_eq!(line.offer(1, 1), Offered::Taken);
        assert_eq!(line.offer(2, 1), Offered::Taken);
        line.end();
        line.work(|n| if n == 1 { panic!("one") } else { n });
        assert_eq!(line.next(), Some(None));
        assert_eq!(line.next(), Some(Some(2)));
        assert_eq!(line.next(), None);
    }

    #[test]
    fn what_was_inserted_keeps_its_place_and_is_never_evicted() {
        let line = Pipeline::<u32, u32>::new(LIMITS);
        for n in 0..8 {
            assert_eq!(line.offer(n, 1), Offered::Taken);
        }
        assert!(line.insert(80));
        assert_eq!(line.offer(8, 1), Offered::Full(8));
        assert_eq!(line.evict(), Some(0));
        assert_eq!(line.evict(), Some(1));
        assert_eq!(line.offer(8, 1), Offered::Taken);
        line.end();
        assert!(!line.insert(90));
        let worker = std::thread::spawn({
            let line = Arc::new(line);
            let out = line.clone();
            move || {
                let working = std::thread::spawn(move || line.work(|n| n));
                let seen: Vec<_> = std::iter::from_fn(|| out.next()).flatten().collect();
                working.join().unwrap();
                seen
            }
        });
        assert_eq!(worker.join().unwrap(), [2, 3, 4, 5, 6, 7, 80, 8]);
    }

    #[test]
    fn eviction_keeps_the_order_of_the_rest() {
        let line = Pipeline::<u32, u32>::new(LIMITS);
        for n in 0..4 {
            assert_eq!(line.offer(n, 1), Offered::Taken);
        }
        assert_eq!(line.evict(), Some(0));
        assert_eq!(line.evict(), Some(1));
        line.end();
        line.work(|n| n);
        assert_eq!(line.next(), Some(Some(2)));
        assert_eq!(line.next(), Some(Some(3)));
    }
}
