//! The bounded queue of received frames, between the driver and one decoding thread.
//! When that thread is late, old frames are worth nothing: everything up to the next keyframe goes.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Instant;

use super::IncomingFrame;
use crate::error::RecvError;

/// What became of a pushed frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pushed {
    /// Frames dropped, this one perhaps among them.
    pub(crate) dropped: usize,
    /// Nothing is of use before the next keyframe.
    pub(crate) wants_keyframe: bool,
}

#[derive(Debug)]
pub(crate) struct FrameQueue {
    state: Mutex<State>,
    ready: Condvar,
    max_frames: usize,
    max_bytes: usize,
}

#[derive(Debug, Default)]
struct State {
    frames: VecDeque<IncomingFrame>,
    bytes: usize,
    /// Frames were dropped; only a keyframe helps.
    skipping: bool,
    ended: bool,
    wakers: Vec<Waker>,
}

impl State {
    fn take(&mut self) -> Option<IncomingFrame> {
        let frame = self.frames.pop_front()?;
        self.bytes -= frame.data.len();
        Some(frame)
    }
}

impl FrameQueue {
    pub(crate) fn new(max_frames: usize, max_bytes: usize) -> FrameQueue {
        FrameQueue {
            state: Mutex::default(),
            ready: Condvar::new(),
            max_frames: max_frames.max(1),
            max_bytes,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push(&self, mut frame: IncomingFrame) -> Pushed {
        let mut state = self.lock();
        let mut pushed = Pushed {
            dropped: 0,
            wants_keyframe: false,
        };
        if state.ended {
            return pushed;
        }
        let full = state.frames.len() >= self.max_frames
            || state.bytes + frame.data.len() > self.max_bytes;
        if full {
            pushed.dropped = state.frames.len();
            state.frames.clear();
            state.bytes = 0;
            state.skipping = true;
        }
        if state.skipping {
            // A frame over the byte bound alone is no use either.
            if !frame.keyframe || frame.data.len() > self.max_bytes {
                pushed.dropped += 1;
                pushed.wants_keyframe = true;
                return pushed;
            }
            frame.contiguous = false;
            state.skipping = false;
        }
        state.bytes += frame.data.len();
        state.frames.push_back(frame);
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        self.ready.notify_all();
        wakers.into_iter().for_each(Waker::wake);
        pushed
    }

    /// Nothing more will come; what is queued can still be taken.
    pub(crate) fn end(&self) {
        let mut state = self.lock();
        state.ended = true;
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        self.ready.notify_all();
        wakers.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn recv_deadline(&self, deadline: Instant) -> Result<IncomingFrame, RecvError> {
        let mut state = self.lock();
        loop {
            if let Some(frame) = state.take() {
                return Ok(frame);
            }
            if state.ended {
                return Err(RecvError::Ended);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(RecvError::Timeout);
            }
            state = self
                .ready
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    pub(crate) fn try_recv(&self) -> Result<Option<IncomingFrame>, RecvError> {
        let mut state = self.lock();
        match state.take() {
            Some(frame) => Ok(Some(frame)),
            None if state.ended => Err(RecvError::Ended),
            None => Ok(None),
        }
    }

    pub(crate) fn poll_recv(&self, waker: &Waker) -> Poll<Option<IncomingFrame>> {
        let mut state = self.lock();
        if let Some(frame) = state.take() {
            return Poll::Ready(Some(frame));
        }
        if state.ended {
            return Poll::Ready(None);
        }
        if !state.wakers.iter().any(|known| known.will_wake(waker)) {
            state.wakers.push(waker.clone());
        }
        Poll::Pending
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().frames.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::video::VideoCodec;

    fn frame(rtp_time: u32, keyframe: bool) -> IncomingFrame {
        let now = Instant::now();
        IncomingFrame {
            codec: VideoCodec::Vp8,
            data: vec![0; 1000].into(),
            rtp_time,
            keyframe,
            contiguous: true,
            first_packet: now,
            completed: now,
        }
    }

    #[test]
    fn a_late_consumer_loses_everything_up_to_the_next_keyframe() {
        let queue = FrameQueue::new(3, 10_000);
        for n in 0..3 {
            assert_eq!(queue.push(frame(n, n == 0)).dropped, 0);
        }
        let full = queue.push(frame(3, false));
        assert_eq!((full.dropped, full.wants_keyframe), (4, true));
        let more = queue.push(frame(4, false));
        assert_eq!((more.dropped, more.wants_keyframe), (1, true));
        assert_eq!(queue.push(frame(5, true)).dropped, 0);
        assert_eq!(queue.push(frame(6, false)).dropped, 0);
        let first = queue.try_recv().unwrap().unwrap();
        assert_eq!((first.rtp_time, first.contiguous), (5, false));
        let second = queue.try_recv().unwrap().unwrap();
        assert_eq!((second.rtp_time, second.contiguous), (6, true));
    }

    #[test]
    fn what_is_queued_is_taken_before_the_end() {
        let queue = FrameQueue::new(3, 10_000);
        queue.push(frame(0, true));
        queue.end();
        queue.push(frame(1, false));
        assert!(queue.recv_deadline(Instant::now()).is_ok());
        assert_eq!(
            queue.recv_deadline(Instant::now()).unwrap_err(),
            RecvError::Ended
        );
        assert_eq!(queue.try_recv().unwrap_err(), RecvError::Ended);
    }
}
