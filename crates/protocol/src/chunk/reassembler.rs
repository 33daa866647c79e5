//! Collects chunks into whole message bodies, within fixed bounds.
//! It does not decode the body and knows no time: incomplete messages leave when newer ones need their place.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::chunk::framing::ChunkHeader;
use crate::chunk::{ChunkError, RESULT_HEADER_LEN, ReassemblerLimits};

/// Joins result chunks into bodies.
///
/// A single-chunk body is a slice of its message; a longer one is joined once into one buffer of its exact size. Adding a
/// chunk costs O(1). Keeps a reference to each message of an incomplete frame.
#[derive(Debug)]
pub struct ChunkReassembler {
    /// Oldest first; never more than `limits.frames`, so searching it is cheap.
    partial: VecDeque<Partial>,
    held: usize,
    evicted: u64,
    limits: ReassemblerLimits,
}

#[derive(Debug)]
struct Partial {
    frame: u32,
    total: u32,
    /// By index; as long as the highest index seen needs, never as long as announced.
    chunks: Vec<Option<Bytes>>,
    present: u32,
    bytes: usize,
}

impl Default for ChunkReassembler {
    fn default() -> Self {
        Self::new()
    }
}

impl ChunkReassembler {
    /// Empty, with the default limits.
    pub fn new() -> Self {
        Self::with_limits(ReassemblerLimits::default())
    }

    /// Empty, with these limits.
    pub fn with_limits(limits: ReassemblerLimits) -> Self {
        ChunkReassembler {
            partial: VecDeque::new(),
            held: 0,
            evicted: 0,
            limits,
        }
    }

    /// Takes one message; returns the body and the frame id of its header once all chunks are there, and forgets them.
    pub fn add_chunk(&mut self, message: Bytes) -> Result<Option<(Bytes, u32)>, ChunkError> {
        let len = message.len();
        let header = ChunkHeader::read(&message).ok_or(ChunkError::TooShort { len })?;
        let ChunkHeader {
            frame,
            index,
            total,
        } = header;
        if total == 0 {
            return Err(ChunkError::NoChunks { frame });
        }
        if total > self.limits.chunks {
            return Err(ChunkError::TooManyChunks {
                frame,
                total,
                limit: self.limits.chunks,
            });
        }
        if index >= total {
            return Err(ChunkError::IndexOutOfRange {
                frame,
                index,
                total,
            });
        }
        let payload = message.slice(RESULT_HEADER_LEN..);
        let at = self.partial.iter().position(|p| p.frame == frame);
        if let Some(first) = at
            .and_then(|at| self.partial.get(at))
            .map(|p| p.total)
            .filter(|t| *t != total)
        {
            self.forget(at);
            return Err(ChunkError::TotalChanged {
                frame,
                first,
                now: total,
            });
        }
        if total == 1 {
            return Ok(Some((payload, frame)));
        }
        self.store(at, header, payload)
    }

    /// Incomplete messages held.
    pub fn incomplete_frames(&self) -> usize {
        self.partial.len()
    }

    /// Payload bytes held in incomplete messages.
    pub fn held_bytes(&self) -> usize {
        self.held
    }

    /// Incomplete messages given up so far to make room.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    fn store(
        &mut self,
        at: Option<usize>,
        header: ChunkHeader,
        payload: Bytes,
    ) -> Result<Option<(Bytes, u32)>, ChunkError> {
        let ChunkHeader {
            frame,
            index,
            total,
        } = header;
        let mut at = match at {
            Some(at) => at,
            None => self.begin(frame, total),
        };
        let len = payload.len();
        let Some(partial) = self.partial.get_mut(at) else {
            return Ok(None);
        };
        if !partial.put(index, payload) {
            return Ok(None);
        }
        if partial.bytes > self.limits.bytes {
            self.held += len;
            self.forget(Some(at));
            return Err(ChunkError::FrameTooLarge {
                frame,
                limit: self.limits.bytes,
            });
        }
        self.held += len;
        if partial.present == total {
            let body = partial.join();
            self.forget(Some(at));
            return Ok(Some((body, frame)));
        }
        // This frame alone fits, so evicting the others, oldest first, ends before the list is empty.
        while self.held > self.limits.bytes {
            let victim = usize::from(at == 0);
            if !self.forget(Some(victim)) {
                break;
            }
            self.evicted += 1;
            at = at.saturating_sub(usize::from(victim < at));
        }
        Ok(None)
    }

    fn begin(&mut self, frame: u32, total: u32) -> usize {
        while !self.partial.is_empty() && self.partial.len() >= self.limits.frames {
            self.forget(Some(0));
            self.evicted += 1;
        }
        self.partial.push_back(Partial {
            frame,
            total,
            chunks: Vec::new(),
            present: 0,
            bytes: 0,
        });
        self.partial.len() - 1
    }

    fn forget(&mut self, at: Option<usize>) -> bool {
        let removed = at.and_then(|at| self.partial.remove(at));
        self.held -= removed.as_ref().map_or(0, |p| p.bytes);
        removed.is_some()
    }
}

impl Partial {
    /// `false` for a chunk already there.
    fn put(&mut self, index: u32, payload: Bytes) -> bool {
        let index = index as usize;
        if self.chunks.len() <= index {
            self.chunks.resize(index + 1, None);
        }
        match self.chunks.get_mut(index) {
            Some(slot @ None) => {
                self.bytes += payload.len();
                self.present += 1;
                *slot = Some(payload);
                true
            }
            _ => false,
        }
    }

    fn join(&self) -> Bytes {
        let mut body = BytesMut::with_capacity(self.bytes);
        for chunk in self.chunks.iter().flatten() {
            body.extend_from_slice(chunk);
        }
        body.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::MAX_HELD_BYTES;

    fn chunk(frame: u32, index: u32, total: u32, payload: &[u8]) -> Bytes {
        let mut message = Vec::new();
        for word in [frame, index, total] {
            message.extend_from_slice(&word.to_le_bytes());
        }
        message.extend_from_slice(payload);
        Bytes::from(message)
    }

    #[test]
    fn a_single_chunk_is_a_slice_of_its_message() {
        let message = chunk(1, 0, 1, b"{\"a\":1}");
        let payload = message.as_ptr().wrapping_add(RESULT_HEADER_LEN);
        let (body, frame) = ChunkReassembler::new().add_chunk(message).unwrap().unwrap();
        assert_eq!((body.as_ref(), frame), (b"{\"a\":1}".as_ref(), 1));
        assert_eq!(body.as_ptr(), payload);
    }

    #[test]
    fn out_of_order_interleaved_and_repeated_chunks_join() {
        let mut r = ChunkReassembler::new();
        assert_eq!(r.add_chunk(chunk(1, 2, 3, b"c")), Ok(None));
        assert_eq!(r.add_chunk(chunk(2, 0, 2, b"x")), Ok(None));
        assert_eq!(r.add_chunk(chunk(1, 0, 3, b"a")), Ok(None));
        assert_eq!(r.add_chunk(chunk(1, 0, 3, b"other")), Ok(None));
        assert_eq!(r.held_bytes(), 3);
        assert_eq!(
            r.add_chunk(chunk(2, 1, 2, b"")),
            Ok(Some((Bytes::from_static(b"x"), 2)))
        );
        assert_eq!(
            r.add_chunk(chunk(1, 1, 3, b"b")),
            Ok(Some((Bytes::from_static(b"abc"), 1)))
        );
        assert_eq!(
            (r.held_bytes(), r.incomplete_frames(), r.evicted()),
            (0, 0, 0)
        );
    }

    #[test]
    fn every_bad_header_is_refused_and_leaves_the_rest_alone() {
        let mut r = ChunkReassembler::new();
        assert_eq!(r.add_chunk(chunk(9, 0, 2, b"k")), Ok(None));
        assert_eq!(
            r.add_chunk(Bytes::from_static(&[0; 11])),
            Err(ChunkError::TooShort { len: 11 })
        );
        assert_eq!(
            r.add_chunk(chunk(1, 0, 0, b"x")),
            Err(ChunkError::NoChunks { frame: 1 })
        );
        let range = ChunkError::IndexOutOfRange {
            frame: 9,
            index: 2,
            total: 2,
        };
        assert_eq!(r.add_chunk(chunk(9, 2, 2, b"x")), Err(range));
        let many = ChunkError::TooManyChunks {
            frame: 1,
            total: 4097,
            limit: 4096,
        };
        assert_eq!(r.add_chunk(chunk(1, 0, 4097, b"x")), Err(many));
        assert_eq!(r.add_chunk(chunk(1, 4095, 4096, b"x")), Ok(None));
        assert_eq!(
            r.add_chunk(chunk(9, 1, 2, b"!")),
            Ok(Some((Bytes::from_static(b"k!"), 9)))
        );
    }

    #[test]
    fn a_changed_total_drops_only_that_frame() {
        let mut r = ChunkReassembler::new();
        assert_eq!(r.add_chunk(chunk(1, 0, 3, b"a")), Ok(None));
        assert_eq!(r.add_chunk(chunk(2, 0, 2, b"b")), Ok(None));
        let changed = ChunkError::TotalChanged {
            frame: 1,
            first: 3,
            now: 1,
        };
        assert_eq!(r.add_chunk(chunk(1, 0, 1, b"a")), Err(changed));
        assert_eq!((r.incomplete_frames(), r.held_bytes()), (1, 1));
    }

    #[test]
    fn the_ninth_incomplete_frame_evicts_the_oldest() {
        let mut r = ChunkReassembler::new();
        for frame in 0..9 {
            assert_eq!(r.add_chunk(chunk(frame, 0, 2, b"a")), Ok(None));
        }
        assert_eq!(
            (r.incomplete_frames(), r.evicted(), r.held_bytes()),
            (8, 1, 8)
        );
        assert_eq!(
            r.add_chunk(chunk(0, 1, 2, b"b")),
            Ok(None),
            "frame 0 starts anew"
        );
        assert!(r.add_chunk(chunk(2, 1, 2, b"b")).unwrap().is_some());
    }

    #[test]
    fn held_bytes_reach_their_limit_and_stay_there() {
        let mut r = ChunkReassembler::with_limits(ReassemblerLimits::default().with_bytes(10));
        assert_eq!(r.add_chunk(chunk(1, 0, 9, &[0; 4])), Ok(None));
        assert_eq!(r.add_chunk(chunk(2, 0, 9, &[0; 4])), Ok(None));
        assert_eq!(r.add_chunk(chunk(3, 0, 9, &[0; 2])), Ok(None));
        assert_eq!((r.held_bytes(), r.evicted()), (10, 0));
        assert_eq!(r.add_chunk(chunk(1, 1, 9, &[0; 1])), Ok(None));
        assert_eq!(
            (r.held_bytes(), r.evicted(), r.incomplete_frames()),
            (7, 1, 2),
            "frame 2 is the oldest other"
        );
        assert_eq!(r.add_chunk(chunk(1, 2, 9, &[0; 5])), Ok(None));
        assert_eq!((r.held_bytes(), r.incomplete_frames()), (10, 1));
        let large = ChunkError::FrameTooLarge {
            frame: 1,
            limit: 10,
        };
        assert_eq!(r.add_chunk(chunk(1, 3, 9, &[0; 1])), Err(large));
        assert_eq!((r.held_bytes(), r.incomplete_frames()), (0, 0));
    }

    #[test]
    fn the_default_byte_limit_is_reached_with_real_bytes() {
        let mut r = ChunkReassembler::new();
        let mut message = chunk(1, 0, 4096, &[]).to_vec();
        message.resize(RESULT_HEADER_LEN + 256 * 1024, 0);
        let payload = Bytes::from(message);
        for index in 0..=1024_u32 {
            // Each message shares one payload: only the header differs, and only the header is copied here.
            let mut head = BytesMut::from(payload.as_ref());
            head[4..8].copy_from_slice(&index.to_le_bytes());
            let added = r.add_chunk(head.freeze());
            if index < 1024 {
                assert_eq!(added, Ok(None));
            } else {
                assert!(matches!(added, Err(ChunkError::FrameTooLarge { .. })));
            }
            assert!(r.held_bytes() <= MAX_HELD_BYTES);
        }
        assert_eq!(r.held_bytes(), 0);
    }
}
