//! Results on their way from the workflow to the sending stage: written by several threads, handed on in order.
//! It does not send and does not wait for the client; how far it runs ahead is bounded.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use framewire_protocol::output::DataOutput;

use super::control::Control;
use super::message::{MessageWriter, Written};
use super::process::Processed;
use super::queue::Handoff;

/// Most threads that write. JPEG pictures of 720p take a millisecond each: beyond this the decoder is slower.
const MOST: usize = 4;

/// A result whose message was written under a mode.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) processed: Processed,
    pub(crate) written: Written,
    pub(crate) mode: DataOutput,
}

/// How many threads write the results of one session: half the processors, so that models and decoders have the others.
pub(crate) fn writer_count() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    (processors / 2).clamp(1, MOST)
}

/// One of the threads of a session that write.
pub(crate) struct Writer {
    pub(crate) results: Handoff<Processed>,
    /// Held while a result is taken and its place is reserved.
    pub(crate) taking: Arc<Mutex<()>>,
    pub(crate) line: Line<Ready>,
    pub(crate) control: Arc<Control>,
    pub(crate) writer: MessageWriter,
}

impl Writer {
    /// Runs until the results end or nobody takes them any more.
    pub(crate) fn run(mut self) {
        while let Some((processed, place)) = self.take() {
            // The mode of now: the wait for the client is used for the work, and whoever sends does it once more if
            // the mode changes before the result's turn.
            let mode = self.control.data_output();
            let written = self.writer.write(&processed, &mode);
            place.fill(Ready {
                processed,
                written,
                mode,
            });
        }
    }

    /// The next result and its place in the line. Waits for both.
    fn take(&self) -> Option<(Processed, Place<Ready>)> {
        let _one_at_a_time = lock(&self.taking);
        let place = self.line.reserve()?;
        // Without a result the place stays empty, which is the end of the line.
        Some((self.results.pop()?, place))
    }
}

/// Places in order, filled in any order. Clones share it.
#[derive(Debug)]
pub(crate) struct Line<T>(Arc<Shared<T>>);

/// A place in the line. One that is dropped without being filled is the end of the line.
#[derive(Debug)]
pub(crate) struct Place<T> {
    line: Line<T>,
    number: u64,
    filled: bool,
}

#[derive(Debug)]
struct Shared<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    capacity: usize,
}

#[derive(Debug)]
struct State<T> {
    slots: VecDeque<Slot<T>>,
    /// Number of the first slot.
    first: u64,
    closed: bool,
}

#[derive(Debug)]
enum Slot<T> {
    Reserved,
    Filled(T),
    /// Nothing comes here any more.
    Empty,
    /// The same, because its writer panicked.
    Failed,
}

/// What is next in a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next<T> {
    Item(T),
    /// A writer panicked.
    Failed,
    /// Nothing more comes.
    Over,
}

impl<T> Clone for Line<T> {
    fn clone(&self) -> Line<T> {
        Line(self.0.clone())
    }
}

impl<T> Line<T> {
    /// At most `capacity` places at once.
    pub(crate) fn new(capacity: usize) -> Line<T> {
        let state = State {
            slots: VecDeque::with_capacity(capacity),
            first: 0,
            closed: false,
        };
        Line(Arc::new(Shared {
            state: Mutex::new(state),
            changed: Condvar::new(),
            capacity,
        }))
    }

    /// The next place; waits for room. `None`: nobody takes anything any more.
    pub(crate) fn reserve(&self) -> Option<Place<T>> {
        let mut state = lock(&self.0.state);
        while state.slots.len() >= self.0.capacity && !state.closed {
            state = self.wait(state);
        }
        if state.closed {
            return None;
        }
        let number = state.first + state.slots.len() as u64;
        state.slots.push_back(Slot::Reserved);
        Some(Place {
            line: self.clone(),
            number,
            filled: false,
        })
    }

    /// What is in the first place; waits until that is known.
    pub(crate) fn pop(&self) -> Next<T> {
        let mut state = lock(&self.0.state);
        loop {
            match state.slots.front() {
                Some(Slot::Empty) => return Next::Over,
                Some(Slot::Failed) => return Next::Failed,
                Some(Slot::Filled(_)) => {
                    let slot = state.slots.pop_front();
                    state.first += 1;
                    drop(state);
                    self.0.changed.notify_all();
                    return match slot {
                        Some(Slot::Filled(item)) => Next::Item(item),
                        _ => Next::Over,
                    };
                }
                None if state.closed => return Next::Over,
                None | Some(Slot::Reserved) => {}
            }
            state = self.wait(state);
        }
    }

    /// Nobody takes anything any more: who waits for room stops waiting.
    pub(crate) fn close(&self) {
        let mut state = lock(&self.0.state);
        state.closed = true;
        let left = std::mem::take(&mut state.slots);
        state.first += left.len() as u64;
        drop(state);
        self.0.changed.notify_all();
        drop(left); // frames go back to their pool outside the lock
    }

    fn settle(&self, number: u64, slot: Slot<T>) {
        let mut state = lock(&self.0.state);
        let at = number.checked_sub(state.first);
        let place = at.and_then(|at| state.slots.get_mut(usize::try_from(at).ok()?));
        // None: the line was closed meanwhile.
        let unused = match place {
            Some(place) => std::mem::replace(place, slot),
            None => slot,
        };
        drop(state);
        self.0.changed.notify_all();
        drop(unused);
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State<T>>) -> MutexGuard<'a, State<T>> {
        let waited = self.0.changed.wait(state);
        waited.unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Place<T> {
    pub(crate) fn fill(mut self, item: T) {
        self.filled = true;
        self.line.settle(self.number, Slot::Filled(item));
    }
}

impl<T> Drop for Place<T> {
    fn drop(&mut self) {
        if !self.filled {
            let why = if std::thread::panicking() {
                Slot::Failed
            } else {
                Slot::Empty
            };
            self.line.settle(self.number, why);
        }
    }
}

/// Closes a line when its reader is over.
pub(crate) struct CloseLine<T>(pub(crate) Line<T>);

impl<T> Drop for CloseLine<T> {
    fn drop(&mut self) {
        self.0.close();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    impl<T> Line<T> {
        fn rest(&self) -> Vec<T> {
            let next = || match self.pop() {
                Next::Item(item) => Some(item),
                Next::Over => None,
                Next::Failed => panic!("a writer failed"),
            };
            std::iter::from_fn(next).collect()
        }
    }

    #[test]
    fn what_is_filled_out_of_order_comes_out_in_order() {
        let line = Line::new(4);
        let places: Vec<_> = (0..4).filter_map(|_| line.reserve()).collect();
        for (number, place) in places.into_iter().enumerate().rev() {
            if number < 3 {
                place.fill(number);
            }
        }
        assert_eq!(line.rest(), [0, 1, 2]);
        assert_eq!(line.pop(), Next::Over);
    }

    #[test]
    fn several_writers_keep_the_order_and_the_bound() {
        let line = Line::new(3);
        let source = Arc::new(Mutex::new(0..2000));
        let writers: Vec<_> = (0..4)
            .map(|_| {
                let (line, source) = (line.clone(), source.clone());
                thread::spawn(move || {
                    loop {
                        let mut source = lock(&source);
                        let Some(place) = line.reserve() else { return };
                        let Some(number) = source.next() else { return };
                        drop(source);
                        assert!(lock(&line.0.state).slots.len() <= 3);
                        if number % 3 == 0 {
                            thread::yield_now();
                        }
                        place.fill(number);
                    }
                })
            })
            .collect();
        assert_eq!(line.rest(), (0..2000).collect::<Vec<_>>());
        drop(CloseLine(line));
        for writer in writers {
            writer.join().unwrap();
        }
    }

    #[test]
    fn two_writers_work_at_the_same_time() {
        let line: Line<u32> = Line::new(3);
        let (first, second) = (line.reserve().unwrap(), line.reserve().unwrap());
        let (done, wait) = mpsc::channel();
        let later = thread::spawn(move || {
            // It can only finish because the other one does before it.
            wait.recv().unwrap();
            first.fill(1);
        });
        second.fill(2);
        done.send(()).unwrap();
        drop(line.reserve());
        assert_eq!(line.rest(), [1, 2]);
        later.join().unwrap();
    }

    #[test]
    fn a_writer_that_panics_is_told_in_its_place() {
        let line: Line<u32> = Line::new(3);
        let (first, second) = (line.reserve().unwrap(), line.reserve().unwrap());
        let panicked = thread::spawn(move || {
            let _place = second;
            panic!("a bad picture");
        });
        assert!(panicked.join().is_err());
        first.fill(1);
        assert_eq!((line.pop(), line.pop()), (Next::Item(1), Next::Failed));
    }

    #[test]
    fn closing_wakes_who_waits_for_room_and_what_comes_late_is_dropped() {
        let line: Line<u32> = Line::new(1);
        let place = line.reserve().unwrap();
        let waiting = line.clone();
        let waiter = thread::spawn(move || waiting.reserve().is_none());
        drop(CloseLine(line.clone()));
        assert!(waiter.join().unwrap());
        place.fill(1);
        assert_eq!(line.pop(), Next::Over);
        assert!(line.reserve().is_none());
    }
}
