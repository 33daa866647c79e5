//! The bounded queue of frames to send, between one encoding thread and the driver, and how full everything is.
//! What waits is measured in time: bytes still to leave at the rate they leave with.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{OutgoingFrame, VideoSendError};

/// Frames the driver has not taken yet. It takes them within a turn, so more means that it is stuck.
const MAX_FRAMES: usize = 8;
/// Bytes of one frame and of all that waits.
const MAX_BYTES: usize = 8 * 1024 * 1024;
/// `send` refuses when this many times the allowed wait is queued; `has_room` says no long before.
const REFUSED_AT: u32 = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    Connecting,
    Open,
    Closed,
}

#[derive(Debug)]
pub(crate) struct FrameSender {
    state: Mutex<State>,
    /// There may be room, or never again.
    changed: Condvar,
    max_wait: Duration,
}

#[derive(Debug)]
struct State {
    frames: VecDeque<OutgoingFrame>,
    bytes: usize,
    life: Life,
    /// In the engine, not on the wire yet.
    engine_bytes: usize,
    /// What the engine sends with, bit/s.
    rate: u64,
}

impl State {
    fn has_room(&self, max_wait: Duration) -> bool {
        self.life == Life::Open && self.frames.len() < 2 && self.wait() <= max_wait
    }

    fn wait(&self) -> Duration {
        let bits = (self.bytes + self.engine_bytes) as u64 * 8;
        Duration::from_micros(bits.saturating_mul(1_000_000) / self.rate.max(1))
    }
}

impl FrameSender {
    pub(crate) fn new(max_wait: Duration, rate: u64) -> FrameSender {
        let state = State {
            frames: VecDeque::new(),
            bytes: 0,
            life: Life::Connecting,
            engine_bytes: 0,
            rate,
        };
        FrameSender {
            state: Mutex::new(state),
            changed: Condvar::new(),
            max_wait,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push(&self, frame: OutgoingFrame) -> Result<(), VideoSendError> {
        let mut state = self.lock();
        match state.life {
            Life::Connecting => return Err(VideoSendError::NotConnected),
            Life::Closed => return Err(VideoSendError::Closed),
            Life::Open => {}
        }
        if state.frames.len() >= MAX_FRAMES
            || state.bytes + state.engine_bytes + frame.data.len() > MAX_BYTES
            || state.wait() > self.max_wait * REFUSED_AT
        {
            return Err(VideoSendError::Congested);
        }
        state.bytes += frame.data.len();
        state.frames.push_back(frame);
        Ok(())
    }

    pub(crate) fn has_room(&self) -> bool {
        self.lock().has_room(self.max_wait)
    }

    /// Blocks until there is room; false when `deadline` or the end came first.
    pub(crate) fn wait_room(&self, deadline: Instant) -> bool {
        let mut state = self.lock();
        loop {
            if state.has_room(self.max_wait) {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || state.life == Life::Closed {
                return false;
            }
            state = self
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    pub(crate) fn max_wait(&self) -> Duration {
        self.max_wait
    }

    /// How long what waits takes to leave.
    pub(crate) fn wait(&self) -> Duration {
        self.lock().wait()
    }

    pub(crate) fn has_frames(&self) -> bool {
        !self.lock().frames.is_empty()
    }

    pub(crate) fn pop(&self) -> Option<OutgoingFrame> {
        let mut state = self.lock();
        let frame = state.frames.pop_front()?;
        state.bytes -= frame.data.len();
        // Until the engine says how much of it is left, all of it is.
        state.engine_bytes += frame.data.len();
        Some(frame)
    }

    /// What the engine holds and how fast it sends.
    pub(crate) fn set_engine(&self, bytes: usize, rate: u64) {
        let mut state = self.lock();
        state.engine_bytes = bytes;
        state.rate = rate;
        if state.has_room(self.max_wait) {
            drop(state);
            self.changed.notify_all();
        }
    }

    pub(crate) fn set_life(&self, life: Life) {
        let mut state = self.lock();
        if state.life == Life::Closed {
            return;
        }
        state.life = life;
        if life == Life::Closed {
            state.frames.clear();
            state.bytes = 0;
        }
        drop(state);
        self.changed.notify_all();
    }

    pub(crate) fn unsent_bytes(&self) -> usize {
        let state = self.lock();
        state.bytes + state.engine_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::video::VideoCodec;

    fn frame(bytes: usize) -> OutgoingFrame {
        OutgoingFrame {
            codec: VideoCodec::Vp8,
            data: vec![0; bytes].into(),
            rtp_time: 0,
            captured: Instant::now(),
        }
    }

    #[test]
    fn room_is_time_and_sending_is_refused_at_three_times_it() {
        let queue = FrameSender::new(Duration::from_millis(100), 800_000);
        assert_eq!(queue.push(frame(1)), Err(VideoSendError::NotConnected));
        queue.set_life(Life::Open);
        assert!(queue.has_room());
        queue.push(frame(5_000)).unwrap();
        assert!(queue.has_room(), "50 ms wait");
        assert!(queue.pop().is_some());
        queue.set_engine(10_001, 800_000);
        assert!(!queue.has_room(), "over 100 ms");
        queue.push(frame(1)).unwrap();
        queue.set_engine(30_001, 800_000);
        assert_eq!(queue.push(frame(1)), Err(VideoSendError::Congested));
        queue.set_life(Life::Closed);
        assert_eq!(queue.push(frame(1)), Err(VideoSendError::Closed));
        assert!(!queue.has_room() && queue.pop().is_none());
    }

    #[test]
    fn waiting_for_room_ends_with_room_the_deadline_or_the_end() {
        let queue = FrameSender::new(Duration::from_millis(100), 800_000);
        assert!(!queue.wait_room(Instant::now()), "not open");
        queue.set_life(Life::Open);
        assert!(queue.wait_room(Instant::now()));
        queue.set_engine(10_001, 800_000);
        assert!(!queue.wait_room(Instant::now()));
        let late = Instant::now() + Duration::from_secs(20);
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| queue.wait_room(late));
            queue.set_engine(0, 800_000);
            assert!(waiter.join().expect("no panic"));
            queue.set_engine(10_001, 800_000);
            let waiter = scope.spawn(|| queue.wait_room(late));
            queue.set_life(Life::Closed);
            assert!(!waiter.join().expect("no panic"));
        });
    }

    #[test]
    fn frames_nobody_takes_are_bounded() {
        let queue = FrameSender::new(Duration::from_secs(1), 1_000_000_000);
        queue.set_life(Life::Open);
        for _ in 0..MAX_FRAMES {
            queue.push(frame(10)).unwrap();
        }
        assert_eq!(queue.push(frame(10)), Err(VideoSendError::Congested));
        let queue = FrameSender::new(Duration::from_secs(1), 1_000_000_000);
        queue.set_life(Life::Open);
        assert_eq!(
            queue.push(frame(MAX_BYTES + 1)),
            Err(VideoSendError::Congested)
        );
    }
}
