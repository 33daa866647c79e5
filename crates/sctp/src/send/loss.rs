//! TSNs that wait to be sent again, lowest first: one bit each and a cursor at the lowest.
//! Not the judgement of what is lost (RACK).
use super::ring::LARGEST;
use crate::serial::Tsn;

const WORDS: usize = LARGEST / 64;

/// Set of TSNs out of a span of at most [`LARGEST`].
#[derive(Debug)]
pub(super) struct LossQueue {
    words: Box<[u64; WORDS]>,
    count: usize,
    /// No TSN below this one is in the set.
    cursor: Tsn,
}

impl LossQueue {
    pub(super) fn new(initial: Tsn) -> LossQueue {
        LossQueue {
            words: Box::new([0; WORDS]),
            count: 0,
            cursor: initial,
        }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.count
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds a TSN; nothing happens if it is in.
    pub(super) fn insert(&mut self, tsn: Tsn) {
        let (word, bit) = place(tsn);
        if self.words[word] & bit == 0 {
            self.words[word] |= bit;
            if self.count == 0 || self.cursor.after(tsn) {
                self.cursor = tsn;
            }
            self.count += 1;
        }
    }

    /// Takes a TSN out; nothing happens if it is not in.
    #[inline]
    pub(super) fn remove(&mut self, tsn: Tsn) {
        let (word, bit) = place(tsn);
        if self.words[word] & bit != 0 {
            self.words[word] &= !bit;
            self.count -= 1;
        }
    }

    /// The lowest TSN; none in the set is below `from`. The cursor moves with it, so that the words between are passed once.
    pub(super) fn first(&mut self, from: Tsn) -> Option<Tsn> {
        if self.count == 0 {
            return None;
        }
        if from.after(self.cursor) {
            self.cursor = from;
        }
        for _ in 0..=WORDS {
            let (word, bit) = place(self.cursor);
            // Bits from the cursor's on.
            let rest = self.words[word] & !(bit - 1);
            let skip = if rest == 0 { 64 } else { rest.trailing_zeros() } - bit.trailing_zeros();
            self.cursor = self.cursor + skip;
            if rest != 0 {
                return Some(self.cursor);
            }
        }
        None
    }
}

#[inline]
fn place(tsn: Tsn) -> (usize, u64) {
    let at = tsn.0 as usize % LARGEST;
    (at / 64, 1 << (at % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_comes_first_also_across_the_wrap() {
        let base = Tsn(u32::MAX - 1000);
        let mut queue = LossQueue::new(base);
        for n in [5000, 60_000, 64, 0, 63, 999, 1000, 1001, 1002] {
            queue.insert(base + n);
            queue.insert(base + n);
        }
        assert_eq!(queue.len(), 9);
        queue.remove(base + 999);
        queue.remove(base + 998);
        let mut seen = Vec::new();
        while let Some(tsn) = queue.first(base) {
            assert_eq!(queue.first(base), Some(tsn));
            queue.remove(tsn);
            seen.push(tsn.since(base));
        }
        assert_eq!(seen, [0, 63, 64, 1000, 1001, 1002, 5000, 60_000]);
        assert!(queue.is_empty());
        queue.insert(base + 3);
        assert_eq!(queue.first(base), Some(base + 3));
    }
}
