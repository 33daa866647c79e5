//! Where captured frames wait for the encoder: one place and the newest wins, or a short queue that makes its producers wait.
//! It knows nothing of sources and codecs. Producers may be any threads; there is one consumer.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use framewire_media::Frame;

/// Frames a lossless slot keeps: one being waited for and one ready.
const LOSSLESS_CAPACITY: usize = 2;

/// A frame and when it came into being.
#[derive(Debug)]
pub(crate) struct Captured {
    pub(crate) frame: Frame,
    pub(crate) at: Instant,
}

/// Outcome of a put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
    Stored,
    /// Not taken: the session has not started.
    NotStarted,
    /// Not taken: the input was ended.
    Ended,
    /// Not taken: the session is over.
    Closed,
    /// Not taken: there was no room until the deadline.
    Full,
}

/// Outcome of a take.
#[derive(Debug)]
pub(crate) enum Taken {
    Frame(Captured),
    /// The input ended and everything before its end was taken.
    Ended,
    /// The session is over, or its connection.
    Closed,
}

/// What went through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct SlotCounts {
    /// Frames stored.
    pub(crate) captured: u64,
    /// Frames a newer one took the place of.
    pub(crate) replaced: u64,
    /// Frames thrown away because the session was over.
    pub(crate) discarded: u64,
    /// Frames thrown away because there was no connection.
    pub(crate) no_link: u64,
    /// Frames thrown away because the session was paused.
    pub(crate) paused: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Waiting,
    Open,
    Ended,
    Closed,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    lossless: bool,
    /// Whether somebody takes frames. Without, a lossless slot fills up and any other throws away what comes.
    linked: bool,
    paused: bool,
    items: VecDeque<Captured>,
    counts: SlotCounts,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct FrameSlot {
    state: Mutex<State>,
    changed: Condvar,
}

impl Default for FrameSlot {
    fn default() -> Self {
        FrameSlot {
            state: Mutex::new(State {
                phase: Phase::Waiting,
                lossless: false,
                linked: true,
                paused: false,
                items: VecDeque::new(),
                counts: SlotCounts::default(),
            }),
            changed: Condvar::new(),
        }
    }
}

impl FrameSlot {
    /// Lets frames in; once. Lossless: producers wait instead of replacing frames.
    pub(crate) fn open(&self, lossless: bool) {
        let mut state = self.lock();
        if state.phase == Phase::Waiting {
            state.phase = Phase::Open;
            state.lossless = lossless;
        }
    }

    /// Offers a frame. Without a capture time it counts as captured now. Blocks in a lossless slot while that is full.
    pub(crate) fn put(&self, frame: Frame, at: Option<Instant>) -> Put {
        self.put_until(frame, at, None)
    }

    /// As [`put`](Self::put), but blocks until the deadline at most.
    pub(crate) fn put_until(
        &self,
        frame: Frame,
        at: Option<Instant>,
        deadline: Option<Instant>,
    ) -> Put {
        let mut state = self.lock();
        loop {
            match state.phase {
                Phase::Waiting => return Put::NotStarted,
                Phase::Ended => return Put::Ended,
                Phase::Closed => return Put::Closed,
                Phase::Open if state.paused => {
                    state.counts.captured += 1;
                    state.counts.paused += 1;
                    return Put::Stored;
                }
                Phase::Open if state.lossless && state.items.len() >= LOSSLESS_CAPACITY => {
                    state = match deadline {
                        None => self.wait(state),
                        Some(deadline) => {
                            let left = deadline.saturating_duration_since(Instant::now());
                            if left.is_zero() {
                                return Put::Full;
                            }
                            let waited = self.changed.wait_timeout(state, left);
                            waited.unwrap_or_else(PoisonError::into_inner).0
                        }
                    };
                }
                Phase::Open => break,
            }
        }
        if !state.linked && !state.lossless {
            state.counts.captured += 1;
            state.counts.no_link += 1;
            return Put::Stored;
        }
        let replaced = if state.lossless {
            None
        } else {
            state.items.pop_front()
        };
        state.counts.captured += 1;
        state.counts.replaced += u64::from(replaced.is_some());
        // Under the lock, so that capture times never go back from one frame to the next.
        let at = at.unwrap_or_else(Instant::now);
        state.items.push_back(Captured { frame, at });
        drop(state);
        self.changed.notify_all();
        drop(replaced);
        Put::Stored
    }

    /// Waits for a frame or the end.
    pub(crate) fn take(&self) -> Taken {
        let mut state = self.lock();
        loop {
            if state.phase == Phase::Closed || !state.linked {
                return Taken::Closed;
            }
            // What a lossless slot holds waits with it.
            if state.paused && !state.items.is_empty() {
                state = self.wait(state);
                continue;
            }
            if let Some(item) = state.items.pop_front() {
                drop(state);
                self.changed.notify_all();
                return Taken::Frame(item);
            }
            if state.phase == Phase::Ended {
                return Taken::Ended;
            }
            state = self.wait(state);
        }
    }

    /// No more frames; what is there is still taken. Says whether this call ended it.
    pub(crate) fn end(&self) -> bool {
        self.enter(Phase::Ended)
    }

    /// The session is over; what is there is thrown away.
    pub(crate) fn close(&self) {
        self.enter(Phase::Closed);
        let mut state = self.lock();
        let left = std::mem::take(&mut state.items);
        state.counts.discarded += left.len() as u64;
        drop(state);
        drop(left);
    }

    /// The connection is gone: whoever takes frames stops, and what is there is of no use but in a lossless slot.
    pub(crate) fn unlink(&self) {
        let mut state = self.lock();
        state.linked = false;
        let left = if state.lossless {
            VecDeque::new()
        } else {
            std::mem::take(&mut state.items)
        };
        state.counts.no_link += left.len() as u64;
        drop(state);
        self.changed.notify_all();
        drop(left);
    }

    /// A connection is there again.
    pub(crate) fn link(&self) {
        self.lock().linked = true;
        self.changed.notify_all();
    }

    /// Whether nobody takes frames any more, for good or until there is another connection.
    pub(crate) fn is_idle(&self) -> bool {
        let state = self.lock();
        state.phase == Phase::Closed || !state.linked
    }

    /// While paused, frames are taken and thrown away, and none is given out. What a lossless slot holds stays in it.
    pub(crate) fn set_paused(&self, paused: bool) {
        let mut state = self.lock();
        state.paused = paused;
        let mut left = VecDeque::new();
        if paused && !state.lossless {
            left = std::mem::take(&mut state.items);
            state.counts.paused += left.len() as u64;
        }
        drop(state);
        self.changed.notify_all();
        drop(left);
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.lock().paused
    }

    /// Waits for the end of the session; false when the deadline came first.
    pub(crate) fn wait_closed(&self, deadline: Instant) -> bool {
        let mut state = self.lock();
        while state.phase != Phase::Closed {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    pub(crate) fn counts(&self) -> SlotCounts {
        self.lock().counts
    }

    fn enter(&self, phase: Phase) -> bool {
        let mut state = self.lock();
        let changes = state.phase < phase;
        if changes {
            state.phase = phase;
        }
        drop(state);
        self.changed.notify_all();
        changes
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No foreign code runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use framewire_media::{Bgr, FramePool};
    use std::sync::{Arc, mpsc};

    fn frame(width: u32) -> Frame {
        Frame::solid_bgr(&FramePool::default(), width, 2, Bgr::new(0, 0, 0)).unwrap()
    }

    fn width(taken: Taken) -> Option<u32> {
        match taken {
            Taken::Frame(captured) => Some(captured.frame.width()),
            _ => None,
        }
    }

    #[test]
    fn a_producer_with_a_deadline_gives_up_while_there_is_no_room() {
        let slot = FrameSlot::default();
        slot.open(true);
        for n in 1..3 {
            assert_eq!(slot.put(frame(n), None), Put::Stored);
        }
        let now = Instant::now();
        assert_eq!(slot.put_until(frame(3), None, Some(now)), Put::Full);
        assert!(matches!(slot.take(), Taken::Frame(_)));
        assert_eq!(slot.put_until(frame(3), None, Some(now)), Put::Stored);
        assert_eq!(slot.counts().captured, 3);
    }

    #[test]
    fn the_newest_wins_and_the_rest_is_counted() {
        let slot = FrameSlot::default();
        assert_eq!(slot.put(frame(1), None), Put::NotStarted);
        slot.open(false);
        for n in 2..=5 {
            assert_eq!(slot.put(frame(n), None), Put::Stored);
        }
        assert_eq!(width(slot.take()), Some(5));
        assert_eq!((slot.counts().captured, slot.counts().replaced), (4, 3));
    }

    #[test]
    fn the_end_comes_after_the_last_frame_and_closing_throws_it_away() {
        let slot = FrameSlot::default();
        slot.open(false);
        slot.put(frame(1), None);
        assert!(slot.end());
        assert!(!slot.end());
        assert_eq!(slot.put(frame(2), None), Put::Ended);
        assert_eq!(width(slot.take()), Some(1));
        assert!(matches!(slot.take(), Taken::Ended));
        slot.close();
        assert_eq!(slot.put(frame(2), None), Put::Closed);
        assert!(matches!(slot.take(), Taken::Closed));
        slot.open(false);
        assert!(slot.wait_closed(Instant::now()));
    }

    #[test]
    fn a_lossless_slot_makes_its_producers_wait_and_closing_frees_them() {
        let slot = Arc::new(FrameSlot::default());
        slot.open(true);
        let (sent, progress) = mpsc::channel();
        let producer = {
            let slot = slot.clone();
            std::thread::spawn(move || {
                for n in 1.. {
                    let put = slot.put(frame(n), None);
                    sent.send(put).unwrap();
                    if put != Put::Stored {
                        return;
                    }
                }
            })
        };
        for _ in 0..LOSSLESS_CAPACITY {
            assert_eq!(progress.recv().unwrap(), Put::Stored);
        }
        for n in 1..=20 {
            assert_eq!(width(slot.take()), Some(n));
        }
        assert_eq!(slot.counts().replaced, 0);
        slot.close();
        producer.join().unwrap();
        assert_eq!(progress.try_iter().last(), Some(Put::Closed));
    }

    #[test]
    fn a_paused_slot_counts_what_comes_and_a_lossless_one_keeps_what_it_holds() {
        let slot = FrameSlot::default();
        slot.open(false);
        slot.put(frame(1), None);
        slot.set_paused(true);
        assert_eq!(slot.put(frame(2), None), Put::Stored);
        assert_eq!((slot.counts().captured, slot.counts().paused), (2, 2));
        slot.set_paused(false);
        slot.put(frame(3), None);
        assert_eq!(width(slot.take()), Some(3));

        let slot = Arc::new(FrameSlot::default());
        slot.open(true);
        for n in 1..=LOSSLESS_CAPACITY as u32 {
            slot.put(frame(n), None);
        }
        slot.set_paused(true);
        // Full, and yet nobody waits.
        assert_eq!(slot.put(frame(9), None), Put::Stored);
        let taker = std::thread::spawn({
            let slot = slot.clone();
            move || width(slot.take())
        });
        slot.set_paused(false);
        assert_eq!(taker.join().unwrap(), Some(1));
        assert_eq!(slot.counts().paused, 1);
    }

    #[test]
    fn capture_times_never_go_back_whatever_thread_they_come_from() {
        let slot = Arc::new(FrameSlot::default());
        slot.open(true);
        let producers: Vec<_> = (0..4)
            .map(|_| {
                let slot = slot.clone();
                std::thread::spawn(move || {
                    (0..50).for_each(|_| assert_eq!(slot.put(frame(1), None), Put::Stored))
                })
            })
            .collect();
        let mut last = None;
        for _ in 0..200 {
            let Taken::Frame(captured) = slot.take() else {
                panic!("ended early")
            };
            assert!(last.is_none_or(|last| last <= captured.at));
            last = Some(captured.at);
        }
        producers
            .into_iter()
            .for_each(|producer| producer.join().unwrap());
    }
}
