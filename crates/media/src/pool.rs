//! Reusable frame memory with a bound on what is held and on what is kept idle.
//! Not a cache of pictures: a buffer's old content is never shown.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::limits::FrameError;

/// Bounds of a [`FramePool`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolLimits {
    /// Bytes in frames that somebody holds. More is refused with [`FrameError::PoolExhausted`]. Default 4 GiB: far
    /// above any queue of ours, low enough that a leak is an error instead of a swapping machine.
    pub max_live_bytes: usize,
    /// Bytes kept for reuse after frames were dropped. Default 64 MiB, some twenty 720p BGR pictures.
    pub max_idle_bytes: usize,
    /// Buffers kept for reuse. Default 32; looking for one is linear in this.
    pub max_idle_buffers: usize,
}

impl Default for PoolLimits {
    fn default() -> Self {
        PoolLimits {
            max_live_bytes: 4 << 30,
            max_idle_bytes: 64 << 20,
            max_idle_buffers: 32,
        }
    }
}

impl PoolLimits {
    /// Sets [`max_live_bytes`](Self::max_live_bytes).
    pub fn with_max_live_bytes(mut self, bytes: usize) -> Self {
        self.max_live_bytes = bytes;
        self
    }

    /// Sets [`max_idle_bytes`](Self::max_idle_bytes).
    pub fn with_max_idle_bytes(mut self, bytes: usize) -> Self {
        self.max_idle_bytes = bytes;
        self
    }

    /// Sets [`max_idle_buffers`](Self::max_idle_buffers).
    pub fn with_max_idle_buffers(mut self, buffers: usize) -> Self {
        self.max_idle_buffers = buffers;
        self
    }
}

/// What a pool holds and has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct PoolStats {
    /// Bytes in frames somebody holds.
    pub live_bytes: usize,
    /// Buffers kept for reuse.
    pub idle_buffers: usize,
    /// Bytes kept for reuse.
    pub idle_bytes: usize,
    /// Buffers taken from the system so far.
    pub allocated: u64,
    /// Times an idle buffer was used again.
    pub reused: u64,
    /// Times the live limit was reached.
    pub refused: u64,
}

/// Hands out frame memory and takes it back. Cloning is cheap and shares the pool; taking and returning a buffer
/// locks briefly and never waits for a frame to come back.
#[derive(Debug, Clone, Default)]
pub struct FramePool {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    limits: PoolLimits,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    idle: Vec<Vec<u8>>,
    stats: PoolStats,
}

impl FramePool {
    /// A pool with the given bounds. Memory is reserved only when frames are made.
    pub fn new(limits: PoolLimits) -> FramePool {
        FramePool {
            inner: Arc::new(Inner {
                limits,
                state: Mutex::default(),
            }),
        }
    }

    /// What the pool holds now.
    pub fn stats(&self) -> PoolStats {
        self.inner.lock().stats
    }

    /// A buffer of `len` bytes with unspecified content.
    pub(crate) fn take(&self, len: usize) -> Result<PoolBuffer, FrameError> {
        let mut state = self.inner.lock();
        let live = state.stats.live_bytes;
        let limit = self.inner.limits.max_live_bytes;
        let idle = state.best_fit(len);
        let size = idle.map_or(len, |index| state.idle[index].len());
        if live.checked_add(size).is_none_or(|total| total > limit) {
            state.stats.refused += 1;
            return Err(FrameError::PoolExhausted {
                wanted: len,
                live,
                limit,
            });
        }
        state.stats.live_bytes = live + size;
        let data = match idle {
            Some(index) => {
                state.stats.reused += 1;
                state.remove_idle(index)
            }
            None => {
                state.stats.allocated += 1;
                drop(state);
                vec![0; len]
            }
        };
        Ok(PoolBuffer {
            data,
            len,
            pool: Arc::clone(&self.inner),
        })
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The smallest idle buffer that holds `len` without wasting more than as much again.
    fn best_fit(&self, len: usize) -> Option<usize> {
        let candidates = self
            .idle
            .iter()
            .enumerate()
            .filter(|(_, buffer)| buffer.len() >= len);
        let (index, buffer) = candidates.min_by_key(|(_, buffer)| buffer.len())?;
        (buffer.len() / 2 <= len).then_some(index)
    }

    fn remove_idle(&mut self, index: usize) -> Vec<u8> {
        let buffer = self.idle.remove(index);
        self.stats.idle_buffers -= 1;
        self.stats.idle_bytes -= buffer.len();
        buffer
    }
}

/// Memory on loan from a pool; goes back when dropped.
#[derive(Debug)]
pub(crate) struct PoolBuffer {
    data: Vec<u8>,
    len: usize,
    pool: Arc<Inner>,
}

impl PoolBuffer {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.data[..self.len]
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.data[..self.len]
    }
}

impl Drop for PoolBuffer {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.data);
        let limits = self.pool.limits;
        let mut freed = Vec::new();
        let mut state = self.pool.lock();
        state.stats.live_bytes -= buffer.len();
        if limits.max_idle_buffers == 0 || buffer.len() > limits.max_idle_bytes {
            drop(state);
            return;
        }
        // The oldest go first: after a change of picture size they are of no use any more.
        while state.stats.idle_buffers >= limits.max_idle_buffers
            || state.stats.idle_bytes + buffer.len() > limits.max_idle_bytes
        {
            freed.push(state.remove_idle(0));
        }
        state.stats.idle_buffers += 1;
        state.stats.idle_bytes += buffer.len();
        state.idle.push(buffer);
        drop(state);
        drop(freed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_buffer_is_used_again() {
        let pool = FramePool::default();
        let first = pool.take(1000).unwrap();
        let address = first.bytes().as_ptr();
        drop(first);
        let second = pool.take(900).unwrap();
        assert_eq!(second.bytes().as_ptr(), address);
        assert_eq!(second.bytes().len(), 900);
        assert_eq!((pool.stats().allocated, pool.stats().reused), (1, 1));
    }

    #[test]
    fn the_live_limit_is_reached_exactly_and_frees_up_again() {
        let pool = FramePool::new(PoolLimits::default().with_max_live_bytes(300));
        let held: Vec<_> = (0..3).map(|_| pool.take(100).unwrap()).collect();
        assert_eq!(
            pool.take(1).unwrap_err(),
            FrameError::PoolExhausted {
                wanted: 1,
                live: 300,
                limit: 300
            }
        );
        assert_eq!(pool.stats().refused, 1);
        drop(held);
        assert_eq!(pool.stats().live_bytes, 0);
        assert!(pool.take(100).is_ok());
    }

    #[test]
    fn idle_memory_stays_within_both_bounds_and_the_oldest_goes_first() {
        let limits = PoolLimits::default()
            .with_max_idle_buffers(2)
            .with_max_idle_bytes(250);
        let pool = FramePool::new(limits);
        let buffers: Vec<_> = [100, 101, 102]
            .iter()
            .map(|&len| pool.take(len).unwrap())
            .collect();
        drop(buffers);
        assert_eq!(
            (pool.stats().idle_buffers, pool.stats().idle_bytes),
            (2, 203)
        );
        drop(pool.take(240).unwrap());
        assert_eq!(
            (pool.stats().idle_buffers, pool.stats().idle_bytes),
            (1, 240)
        );
        drop(pool.take(251).unwrap());
        assert_eq!(pool.stats().idle_bytes, 240);
    }

    #[test]
    fn a_large_idle_buffer_is_not_wasted_on_a_small_picture() {
        let pool = FramePool::default();
        drop(pool.take(10_000).unwrap());
        let small = pool.take(100).unwrap();
        assert_eq!(pool.stats().live_bytes, 100);
        drop(small);
    }
}
