//! Gathers the pieces of a file as they come in until they are worth one system call.
//! It writes nothing and keeps no time: its owner takes what is gathered when it has to be on disk.

use bytes::Bytes;

use crate::upload::UploadWrite;

/// Bytes that are worth a system call: what one costs no longer shows, and the pieces are still in the processor's caches.
pub const GATHER_BYTES: usize = 512 << 10;

/// Most pieces of one batch, however small they are.
pub const GATHER_PARTS: usize = 64;

/// Pieces that lie behind each other in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UploadBatch {
    /// Position of the first one in the file.
    pub offset: u64,
    /// In the order of the file; at least one.
    pub parts: Vec<Bytes>,
}

impl UploadBatch {
    /// One piece.
    pub fn new(write: UploadWrite) -> Self {
        UploadBatch {
            offset: write.offset,
            parts: vec![write.data],
        }
    }

    /// Bytes of all pieces. O(pieces).
    pub fn len(&self) -> usize {
        self.parts.iter().map(Bytes::len).sum()
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.parts.iter().all(Bytes::is_empty)
    }

    /// Each piece and its position in the file.
    pub fn pieces(&self) -> impl Iterator<Item = (u64, &Bytes)> {
        self.parts.iter().scan(self.offset, |next, part| {
            let offset = *next;
            *next += part.len() as u64;
            Some((offset, part))
        })
    }
}

/// Holds at most one batch: about [`GATHER_BYTES`] in at most [`GATHER_PARTS`] pieces, each O(1).
#[derive(Debug, Default)]
pub struct UploadGather {
    batch: Option<UploadBatch>,
    bytes: usize,
}

impl UploadGather {
    /// Empty.
    pub fn new() -> Self {
        UploadGather::default()
    }

    /// Takes a piece. What it returns is to be written now: a full batch, or one this piece does not continue.
    pub fn add(&mut self, write: UploadWrite) -> Option<UploadBatch> {
        let end = self
            .batch
            .as_ref()
            .map(|batch| batch.offset + self.bytes as u64);
        let apart = if end == Some(write.offset) {
            None
        } else {
            self.take()
        };
        self.bytes += write.data.len();
        match &mut self.batch {
            Some(batch) => batch.parts.push(write.data),
            none => *none = Some(UploadBatch::new(write)),
        }
        let parts = self.batch.as_ref().map_or(0, |batch| batch.parts.len());
        // A piece that stands alone and is large enough waits for the next call: there is one batch to return.
        if apart.is_none() && (self.bytes >= GATHER_BYTES || parts >= GATHER_PARTS) {
            return self.take();
        }
        apart
    }

    /// What is gathered so far, to be written now.
    pub fn take(&mut self) -> Option<UploadBatch> {
        self.bytes = 0;
        self.batch.take()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.batch.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(offset: u64, len: usize) -> UploadWrite {
        UploadWrite {
            offset,
            data: Bytes::from(vec![7; len]),
        }
    }

    fn shape(batch: Option<UploadBatch>) -> Option<(u64, usize, usize)> {
        batch.map(|batch| (batch.offset, batch.parts.len(), batch.len()))
    }

    #[test]
    fn pieces_in_order_leave_together_once_they_are_worth_it() {
        let mut gather = UploadGather::new();
        let chunk = GATHER_BYTES / 4;
        for n in 0..3 {
            assert_eq!(gather.add(piece((n * chunk) as u64, chunk)), None);
        }
        let full = gather.add(piece(3 * chunk as u64, chunk)).unwrap();
        let places: Vec<_> = full.pieces().map(|(offset, _)| offset as usize).collect();
        assert_eq!(places, [0, chunk, 2 * chunk, 3 * chunk]);
        assert_eq!(shape(Some(full)), Some((0, 4, GATHER_BYTES)));
        assert!(gather.is_empty() && gather.take().is_none());
    }

    #[test]
    fn a_piece_from_elsewhere_sends_what_was_gathered_off() {
        let mut gather = UploadGather::new();
        gather.add(piece(0, 10));
        gather.add(piece(10, 10));
        assert_eq!(shape(gather.add(piece(40, 10))), Some((0, 2, 20)));
        assert_eq!(shape(gather.add(piece(30, 10))), Some((40, 1, 10)));
        assert_eq!(shape(gather.take()), Some((30, 1, 10)));
    }

    #[test]
    fn small_pieces_are_bounded_in_number_and_large_ones_do_not_wait_for_more_than_one() {
        let mut gather = UploadGather::new();
        let full = (0..GATHER_PARTS as u64).find_map(|n| gather.add(piece(n, 1)));
        assert_eq!(shape(full), Some((0, GATHER_PARTS, GATHER_PARTS)));
        gather.add(piece(900, 1));
        assert_eq!(shape(gather.add(piece(0, GATHER_BYTES))), Some((900, 1, 1)));
        let next = gather.add(piece(GATHER_BYTES as u64, 1));
        assert_eq!(shape(next), Some((0, 2, GATHER_BYTES + 1)));
    }
}
