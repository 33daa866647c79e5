//! Memory for messages that is used again: it comes back when the network has let go of the last message made of it.
//! It knows nothing of files.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// Buffers of one size.
#[derive(Debug)]
pub(super) struct Buffers {
    free: Mutex<Vec<Vec<u8>>>,
    size: usize,
    /// Free ones kept; what comes back beyond that is given to the system.
    keep: usize,
}

impl Buffers {
    pub(super) fn new(size: usize, keep: usize) -> Arc<Buffers> {
        Arc::new(Buffers {
            free: Mutex::default(),
            size,
            keep,
        })
    }

    /// A buffer of the whole size with anything in it.
    pub(super) fn take(self: &Arc<Self>) -> Lent {
        let free = self.lock().pop();
        let data = free.unwrap_or_else(|| vec![0; self.size]);
        Lent {
            len: data.len(),
            data,
            home: self.clone(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        // Whatever panicked, the buffers in it are whole.
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One buffer, until it or the message made of it is dropped.
#[derive(Debug)]
pub(super) struct Lent {
    data: Vec<u8>,
    len: usize,
    home: Arc<Buffers>,
}

impl Lent {
    /// The whole buffer, to be filled.
    pub(super) fn space(&mut self) -> &mut [u8] {
        &mut self.data
    }

    /// Its first `len` bytes as a message; copies nothing.
    pub(super) fn into_message(mut self, len: usize) -> Bytes {
        self.len = len.min(self.data.len());
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        self.data.get(..self.len).unwrap_or_default()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut free = self.home.lock();
        if free.len() < self.home.keep {
            free.push(std::mem::take(&mut self.data));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_with_the_last_of_its_message() {
        let buffers = Buffers::new(4, 1);
        let mut lent = buffers.take();
        lent.space().copy_from_slice(b"abcd");
        let message = lent.into_message(3);
        let part = message.slice(1..);
        drop(message);
        assert_eq!(&part[..], b"bc");
        assert_eq!(buffers.lock().len(), 0);
        drop(part);
        assert_eq!(buffers.lock().len(), 1);
        assert_eq!(buffers.take().space(), b"abcd", "it is the same memory");
    }

    #[test]
    fn no_more_are_kept_than_were_asked_for() {
        let buffers = Buffers::new(4, 2);
        let many: Vec<_> = (0..5).map(|_| buffers.take().into_message(9)).collect();
        assert!(many.iter().all(|message| message.len() == 4));
        drop(many);
        assert_eq!(buffers.lock().len(), 2);
    }
}
