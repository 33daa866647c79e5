//! Which chunks of a file are there: a bitmap for who receives, a short list of ranges for the wire.
//! It knows nothing of sizes and bytes.

use thiserror::Error;

/// Most ranges a message names. What is there beyond them is sent again and ignored; an upload in order makes one range.
pub const MAX_RANGES: usize = 1024;

/// Chunks by index: one bit each, up to the highest one marked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChunkSet {
    words: Vec<u64>,
    count: u32,
}

impl ChunkSet {
    /// Empty.
    pub fn new() -> Self {
        ChunkSet::default()
    }

    /// Whether this chunk is in it.
    pub fn has(&self, index: u32) -> bool {
        self.words
            .get(index as usize / 64)
            .is_some_and(|word| word >> (index % 64) & 1 == 1)
    }

    /// Adds a chunk; `false` when it was there. Memory grows with the highest index.
    pub fn insert(&mut self, index: u32) -> bool {
        let at = index as usize / 64;
        if self.words.len() <= at {
            self.words.resize(at + 1, 0);
        }
        let bit = 1 << (index % 64);
        match self.words.get_mut(at) {
            Some(word) if *word & bit == 0 => {
                *word |= bit;
                self.count += 1;
                true
            }
            _ => false,
        }
    }

    /// Takes out every chunk from `end` on.
    pub fn truncate(&mut self, end: u32) {
        let words = (end as usize).div_ceil(64);
        self.words.truncate(words);
        if !end.is_multiple_of(64)
            && let Some(last) = self.words.get_mut(words - 1)
        {
            *last &= (1 << (end % 64)) - 1;
        }
        self.count = self.words.iter().map(|word| word.count_ones()).sum();
    }

    /// Chunks in it.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Bytes of the bitmap.
    pub fn bitmap_bytes(&self) -> usize {
        self.words.len() * size_of::<u64>()
    }

    /// The lowest [`MAX_RANGES`] ranges of it. O(highest index / 64 + ranges).
    pub fn ranges(&self) -> ChunkRanges {
        let mut ranges = Vec::new();
        let end = u32::try_from(self.words.len() * 64).unwrap_or(u32::MAX);
        let mut from = self.find(0, end, true);
        while from < end && ranges.len() < MAX_RANGES {
            let to = self.find(from, end, false);
            ranges.push((from, to));
            from = self.find(to, end, true);
        }
        ChunkRanges(ranges)
    }

    /// The first index from `from` on that is in the set (or is not); `end` when there is none below it.
    fn find(&self, from: u32, end: u32, present: bool) -> u32 {
        let mut index = from;
        while index < end {
            let word = self.words.get(index as usize / 64).copied().unwrap_or(0);
            let word = if present { word } else { !word } >> (index % 64);
            if word != 0 {
                return index.saturating_add(word.trailing_zeros()).min(end);
            }
            index = (index / 64 + 1).saturating_mul(64);
        }
        end
    }
}

/// Why a list of ranges is refused. It is refused as a whole: an end that writes such a list is not to be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RangesError {
    /// More than [`MAX_RANGES`].
    #[error("more than {MAX_RANGES} ranges")]
    TooMany,
    /// A range that is empty or runs backwards.
    #[error("the range [{from}, {to}) holds nothing")]
    Empty {
        /// First chunk.
        from: u32,
        /// One past the last.
        to: u32,
    },
    /// Ranges must rise and leave at least one chunk between them.
    #[error("the range from {from} on does not come after the one before it")]
    Order {
        /// First chunk.
        from: u32,
    },
    /// A range beyond the end of the file.
    #[error("a range ends at chunk {to} of {total}")]
    OutOfRange {
        /// One past the last.
        to: u32,
        /// Chunks in the file.
        total: u32,
    },
}

/// At most [`MAX_RANGES`] rising, separate ranges `[from, to)` of chunks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChunkRanges(Vec<(u32, u32)>);

impl ChunkRanges {
    /// Checks the ranges another end named.
    pub fn new(ranges: Vec<(u32, u32)>) -> Result<Self, RangesError> {
        if ranges.len() > MAX_RANGES {
            return Err(RangesError::TooMany);
        }
        let mut end = None;
        for &(from, to) in &ranges {
            if from >= to {
                return Err(RangesError::Empty { from, to });
            }
            if end.is_some_and(|end| from <= end) {
                return Err(RangesError::Order { from });
            }
            end = Some(to);
        }
        Ok(ChunkRanges(ranges))
    }

    /// Checks that all of them lie in a file of `total` chunks.
    pub fn within(&self, total: u32) -> Result<(), RangesError> {
        match self.0.last() {
            Some(&(_, to)) if to > total => Err(RangesError::OutOfRange { to, total }),
            _ => Ok(()),
        }
    }

    /// The first chunk from `index` on that is in none of them. O(log ranges).
    pub fn next_missing(&self, index: u32) -> u32 {
        let at = self.0.partition_point(|&(_, to)| to <= index);
        match self.0.get(at) {
            Some(&(from, to)) if from <= index => to,
            _ => index,
        }
    }

    /// The ranges.
    pub fn as_slice(&self) -> &[(u32, u32)] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(indices: impl IntoIterator<Item = u32>) -> ChunkSet {
        let mut set = ChunkSet::new();
        indices.into_iter().for_each(|index| {
            set.insert(index);
        });
        set
    }

    #[test]
    fn a_set_counts_each_chunk_once() {
        let mut set = ChunkSet::new();
        assert!(set.insert(70) && !set.insert(70) && set.insert(0));
        assert_eq!((set.count(), set.bitmap_bytes()), (2, 16));
        assert!(set.has(70) && !set.has(69) && !set.has(u32::MAX));
    }

    #[test]
    fn what_lies_beyond_the_end_is_cut_off() {
        for (end, count) in [(0, 0), (63, 63), (64, 64), (65, 65), (130, 130), (500, 130)] {
            let mut set = set(0..130);
            set.truncate(end);
            assert_eq!(set.count(), count);
            assert!(!set.has(end));
        }
    }

    #[test]
    fn ranges_follow_the_bits_over_word_borders() {
        assert_eq!(set([]).ranges().as_slice(), []);
        assert_eq!(set(0..64).ranges().as_slice(), [(0, 64)]);
        assert_eq!(set(0..65).ranges().as_slice(), [(0, 65)]);
        assert_eq!(
            set((1..3).chain(62..130).chain([200])).ranges().as_slice(),
            [(1, 3), (62, 130), (200, 201)]
        );
    }

    #[test]
    fn a_set_full_of_holes_names_no_more_than_the_bound() {
        let ranges = set((0..10_000).map(|n| n * 2)).ranges();
        assert_eq!(ranges.as_slice().len(), MAX_RANGES);
        assert_eq!(ranges.as_slice().last(), Some(&(2046, 2047)));
        assert_eq!(ChunkRanges::new(ranges.as_slice().to_vec()), Ok(ranges));
    }

    #[test]
    fn hostile_ranges_are_refused() {
        let new = |ranges: &[(u32, u32)]| ChunkRanges::new(ranges.to_vec()).map(drop);
        assert_eq!(new(&[(0, 1), (2, u32::MAX)]), Ok(()));
        assert_eq!(new(&[(3, 3)]), Err(RangesError::Empty { from: 3, to: 3 }));
        assert_eq!(new(&[(3, 1)]), Err(RangesError::Empty { from: 3, to: 1 }));
        for overlapping in [[(0, 5), (4, 6)], [(0, 5), (5, 6)], [(4, 5), (0, 1)]] {
            assert!(matches!(new(&overlapping), Err(RangesError::Order { .. })));
        }
        let many: Vec<_> = (0..=MAX_RANGES as u32)
            .map(|n| (n * 2, n * 2 + 1))
            .collect();
        assert_eq!(new(&many), Err(RangesError::TooMany));
        assert_eq!(new(&many[1..]), Ok(()));
        let ranges = ChunkRanges::new(vec![(0, 11)]).unwrap();
        assert_eq!(ranges.within(11), Ok(()));
        assert_eq!(
            ranges.within(10),
            Err(RangesError::OutOfRange { to: 11, total: 10 })
        );
    }

    #[test]
    fn the_next_missing_chunk_is_found() {
        let ranges = ChunkRanges::new(vec![(0, 3), (5, 6)]).unwrap();
        let missing = [0, 2, 3, 4, 5, 6, 7].map(|index| ranges.next_missing(index));
        assert_eq!(missing, [3, 3, 3, 4, 6, 6, 7]);
        assert_eq!(ChunkRanges::default().next_missing(0), 0);
    }
}
