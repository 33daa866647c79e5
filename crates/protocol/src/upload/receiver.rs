//! The receiver's half of an upload: decides for each message where its bytes go, and when the file is whole.
//! It holds no file and at most one chunk; the caller writes.

use crate::upload::{
    ChunkRanges, ChunkSet, ReceiveError, UPLOAD_HEADER_LEN, UploadLimits, UploadPlan,
};
use bytes::Bytes;

/// Bytes to be written at an offset. Every byte of the file is handed out exactly once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadWrite {
    /// Position in the file.
    pub offset: u64,
    /// What goes there.
    pub data: Bytes,
}

/// What to do with an upload message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum UploadAction {
    /// A keep-alive: send these bytes back on the same channel.
    Echo(Bytes),
    /// Write these.
    Store {
        /// This chunk.
        write: UploadWrite,
        /// The last chunk, when it came before its position could be known.
        held: Option<UploadWrite>,
        /// Set with the write that makes the file whole: its size in bytes.
        complete: Option<u64>,
    },
    /// The last chunk came first; it waits until another one tells the chunk size.
    Held,
    /// Already there; ignored.
    Duplicate,
    /// The file is whole; ignored.
    AfterCompletion,
}

/// Receives one file. Each message costs O(1); memory is one bit per chunk up to the highest index seen, plus at most one
/// held message.
#[derive(Debug)]
pub struct UploadReceiver {
    limits: UploadLimits,
    total: Option<u32>,
    chunk_size: Option<usize>,
    /// Size of the file, when it was announced.
    announced: Option<u64>,
    seen: ChunkSet,
    bytes: u64,
    held: Option<Bytes>,
}

impl UploadReceiver {
    /// Waits for the first chunk.
    pub fn new(limits: UploadLimits) -> Self {
        UploadReceiver {
            limits,
            total: None,
            chunk_size: None,
            announced: None,
            seen: ChunkSet::new(),
            bytes: 0,
            held: None,
        }
    }

    /// Goes on with an announced file of which these chunks are there; chunks beyond its end are not counted. Refuses a file
    /// over the limits, before a byte of it is sent.
    pub fn resume(
        limits: UploadLimits,
        plan: &UploadPlan,
        mut have: ChunkSet,
    ) -> Result<Self, ReceiveError> {
        let (bytes, total) = (plan.file_size(), plan.total_chunks());
        if bytes > limits.max_bytes {
            let limit = limits.max_bytes;
            return Err(ReceiveError::TooLarge { bytes, limit });
        }
        if total > limits.max_chunks {
            let limit = limits.max_chunks;
            return Err(ReceiveError::TooManyChunks { total, limit });
        }
        have.truncate(total);
        let whole = u64::from(have.count()) * plan.chunk_size() as u64;
        let last = plan.range(total - 1).map_or(0, |(_, len)| len);
        let short = plan.chunk_size() - last;
        let short = if have.has(total - 1) { short as u64 } else { 0 };
        Ok(UploadReceiver {
            limits,
            total: Some(total),
            chunk_size: Some(plan.chunk_size()),
            announced: Some(bytes),
            seen: have,
            bytes: whole - short,
            held: None,
        })
    }

    /// Takes one message of the channel.
    pub fn handle(&mut self, message: Bytes) -> Result<UploadAction, ReceiveError> {
        if message.len() <= 1 {
            return Ok(UploadAction::Echo(message));
        }
        let Some((header, _)) = message.split_first_chunk::<UPLOAD_HEADER_LEN>() else {
            return Err(ReceiveError::TooShort { len: message.len() });
        };
        if self.is_complete() {
            return Ok(UploadAction::AfterCompletion);
        }
        let index = u32::from_le_bytes([header[0], header[1], header[2], header[3]]);
        let total = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
        let data = message.slice(UPLOAD_HEADER_LEN..);
        self.check_numbers(index, total)?;
        if self.seen.has(index) {
            return Ok(UploadAction::Duplicate);
        }
        self.check_size(index, total, data.len())?;
        self.total = Some(total);
        self.seen.insert(index);
        if index + 1 < total {
            self.chunk_size = Some(data.len());
        }
        match self.chunk_size {
            None if total > 1 => {
                self.held = Some(data);
                Ok(UploadAction::Held)
            }
            size => Ok(self.store(index, total, size.unwrap_or(0), data)),
        }
    }

    /// Whether every byte of the file was handed out.
    pub fn is_complete(&self) -> bool {
        self.total == Some(self.seen.count())
    }

    /// Chunks the file consists of, once known.
    pub fn total_chunks(&self) -> Option<u32> {
        self.total
    }

    /// Distinct chunks received.
    pub fn received_chunks(&self) -> u32 {
        self.seen.count()
    }

    /// The chunks received, as told to a sender.
    pub fn ranges(&self) -> ChunkRanges {
        self.seen.ranges()
    }

    /// Bytes of the file handed out for writing.
    pub fn received_bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes of the bitmap of received chunks, for statistics.
    pub fn bitmap_bytes(&self) -> usize {
        self.seen.bitmap_bytes()
    }

    fn check_numbers(&self, index: u32, total: u32) -> Result<(), ReceiveError> {
        if index >= total {
            return Err(ReceiveError::IndexOutOfRange { index, total });
        }
        if total > self.limits.max_chunks {
            return Err(ReceiveError::TooManyChunks {
                total,
                limit: self.limits.max_chunks,
            });
        }
        match self.total {
            Some(first) if first != total => Err(ReceiveError::TotalChanged { first, now: total }),
            _ => Ok(()),
        }
    }

    fn check_size(&self, index: u32, total: u32, got: usize) -> Result<(), ReceiveError> {
        let last = index + 1 == total;
        let expected = self.chunk_size.unwrap_or(0);
        let held = self.held.as_ref().map_or(0, Bytes::len);
        let size_of_last = |file: u64| file - u64::from(total - 1) * expected as u64;
        let fits = match self.chunk_size {
            _ if got == 0 => false,
            Some(size) if last => match self.announced {
                Some(file) => got as u64 == size_of_last(file),
                None => got <= size,
            },
            Some(size) => got == size,
            None => last || held <= got,
        };
        if !fits {
            return Err(ReceiveError::ChunkSize {
                index,
                expected,
                got,
            });
        }
        // The smallest file this chunk allows: all others are whole, and the last has what is known of it.
        let size = if last { expected } else { got } as u64;
        let tail = if last { got } else { held.max(1) } as u64;
        let bytes = u64::from(total - 1) * size.max(1) + tail;
        if bytes > self.limits.max_bytes {
            return Err(ReceiveError::TooLarge {
                bytes,
                limit: self.limits.max_bytes,
            });
        }
        Ok(())
    }

    fn store(&mut self, index: u32, total: u32, chunk_size: usize, data: Bytes) -> UploadAction {
        let size = chunk_size as u64;
        let write = UploadWrite {
            offset: u64::from(index) * size,
            data,
        };
        let held = self.held.take().map(|data| UploadWrite {
            offset: u64::from(total - 1) * size,
            data,
        });
        self.bytes += (write.data.len() + held.as_ref().map_or(0, |h| h.data.len())) as u64;
        let complete = self.is_complete().then_some(self.bytes);
        UploadAction::Store {
            write,
            held,
            complete,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upload::{MAX_UPLOAD_CHUNKS, create_video_upload_chunk};

    fn chunk(index: u32, total: u32, data: &'static [u8]) -> Bytes {
        create_video_upload_chunk(index, total, data).unwrap()
    }

    fn receiver(max_bytes: u64) -> UploadReceiver {
        UploadReceiver::new(UploadLimits::new(max_bytes))
    }

    #[test]
    fn pings_are_echoed_and_fragments_refused() {
        let mut r = receiver(100);
        assert_eq!(r.handle(Bytes::new()), Ok(UploadAction::Echo(Bytes::new())));
        let ping = Bytes::from_static(b"p");
        assert_eq!(r.handle(ping.clone()), Ok(UploadAction::Echo(ping)));
        for len in 2..8 {
            assert_eq!(
                r.handle(Bytes::from(vec![0; len])),
                Err(ReceiveError::TooShort { len })
            );
        }
    }

    #[test]
    fn the_last_chunk_may_come_first() {
        let mut r = receiver(100);
        assert_eq!(r.handle(chunk(2, 3, b"z")), Ok(UploadAction::Held));
        assert_eq!(r.handle(chunk(2, 3, b"z")), Ok(UploadAction::Duplicate));
        let write = UploadWrite {
            offset: 3,
            data: Bytes::from_static(b"def"),
        };
        let held = UploadWrite {
            offset: 6,
            data: Bytes::from_static(b"z"),
        };
        let stored = UploadAction::Store {
            write,
            held: Some(held),
            complete: None,
        };
        assert_eq!(r.handle(chunk(1, 3, b"def")), Ok(stored));
        let write = UploadWrite {
            offset: 0,
            data: Bytes::from_static(b"abc"),
        };
        assert_eq!(
            r.handle(chunk(0, 3, b"abc")),
            Ok(UploadAction::Store {
                write,
                held: None,
                complete: Some(7)
            })
        );
        assert_eq!(
            r.handle(chunk(0, 3, b"abc")),
            Ok(UploadAction::AfterCompletion)
        );
        assert_eq!((r.received_chunks(), r.received_bytes()), (3, 7));
    }

    #[test]
    fn one_chunk_is_a_whole_file() {
        let write = UploadWrite {
            offset: 0,
            data: Bytes::from_static(b"abc"),
        };
        let stored = UploadAction::Store {
            write,
            held: None,
            complete: Some(3),
        };
        assert_eq!(receiver(3).handle(chunk(0, 1, b"abc")), Ok(stored));
    }

    #[test]
    fn sizes_that_do_not_agree_are_refused() {
        let mut r = receiver(100);
        assert!(r.handle(chunk(0, 4, b"ab")).is_ok());
        let odd = ReceiveError::ChunkSize {
            index: 1,
            expected: 2,
            got: 1,
        };
        assert_eq!(r.handle(chunk(1, 4, b"a")), Err(odd));
        assert!(odd.is_fatal());
        assert!(matches!(
            r.handle(chunk(3, 4, b"abc")),
            Err(ReceiveError::ChunkSize { .. })
        ));
        assert!(matches!(
            r.handle(chunk(2, 4, b"")),
            Err(ReceiveError::ChunkSize { .. })
        ));
        assert!(matches!(
            r.handle(chunk(1, 5, b"ab")),
            Err(ReceiveError::TotalChanged { .. })
        ));
        let mut held = receiver(100);
        assert_eq!(held.handle(chunk(1, 2, b"abc")), Ok(UploadAction::Held));
        assert!(matches!(
            held.handle(chunk(0, 2, b"ab")),
            Err(ReceiveError::ChunkSize { .. })
        ));
    }

    #[test]
    fn a_file_of_exactly_the_limit_is_accepted_and_one_byte_more_is_not() {
        let mut r = receiver(5);
        assert!(r.handle(chunk(0, 3, b"ab")).is_ok());
        assert!(r.handle(chunk(1, 3, b"cd")).is_ok());
        assert_eq!(
            r.handle(chunk(2, 3, b"ef")),
            Err(ReceiveError::TooLarge { bytes: 6, limit: 5 })
        );
        assert!(matches!(
            r.handle(chunk(2, 3, b"e")),
            Ok(UploadAction::Store {
                complete: Some(5),
                ..
            })
        ));
        let early = receiver(5).handle(chunk(0, 4, b"ab"));
        assert_eq!(early, Err(ReceiveError::TooLarge { bytes: 7, limit: 5 }));
    }

    #[test]
    fn announced_totals_reserve_nothing() {
        let mut r = UploadReceiver::new(UploadLimits::default());
        let huge = ReceiveError::TooManyChunks {
            total: u32::MAX,
            limit: MAX_UPLOAD_CHUNKS,
        };
        assert_eq!(r.handle(chunk(0, u32::MAX, b"a")), Err(huge));
        assert!(r.handle(chunk(0, MAX_UPLOAD_CHUNKS, b"a")).is_ok());
        assert_eq!(r.bitmap_bytes(), 8);
        assert!(
            r.handle(chunk(MAX_UPLOAD_CHUNKS - 1, MAX_UPLOAD_CHUNKS, b"a"))
                .is_ok()
        );
        assert_eq!(r.bitmap_bytes(), 512 * 1024);
    }

    #[test]
    fn an_announced_file_goes_on_where_it_stopped_and_knows_its_size() {
        let plan = UploadPlan::new(7, 3).unwrap();
        let mut have = ChunkSet::new();
        have.insert(0);
        have.insert(9);
        let resume = |have| UploadReceiver::resume(UploadLimits::new(7), &plan, have).unwrap();
        let mut r = resume(have.clone());
        assert_eq!((r.received_chunks(), r.received_bytes()), (1, 3));
        assert_eq!(r.ranges().as_slice(), [(0, 1)]);
        assert_eq!(r.handle(chunk(0, 3, b"abc")), Ok(UploadAction::Duplicate));
        let short = ReceiveError::ChunkSize {
            index: 2,
            expected: 3,
            got: 2,
        };
        assert_eq!(r.handle(chunk(2, 3, b"zz")), Err(short));
        assert!(matches!(
            r.handle(chunk(2, 3, b"z")),
            Ok(UploadAction::Store { complete: None, .. })
        ));
        assert!(matches!(
            r.handle(chunk(1, 3, b"def")),
            Ok(UploadAction::Store {
                complete: Some(7),
                ..
            })
        ));
        have.insert(1);
        have.insert(2);
        let whole = resume(have);
        assert!(whole.is_complete());
        assert_eq!(whole.received_bytes(), 7);
    }

    #[test]
    fn an_announced_file_over_the_limits_is_refused_before_its_first_byte() {
        let plan = UploadPlan::new(7, 3).unwrap();
        let resume = |limits| UploadReceiver::resume(limits, &plan, ChunkSet::new());
        assert!(matches!(
            resume(UploadLimits::new(6)),
            Err(ReceiveError::TooLarge { bytes: 7, limit: 6 })
        ));
        assert!(matches!(
            resume(UploadLimits::new(7).with_max_chunks(2)),
            Err(ReceiveError::TooManyChunks { total: 3, limit: 2 })
        ));
    }
}
