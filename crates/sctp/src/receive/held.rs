//! What arrived above a gap: which chunks, and the data of those that no complete message has taken yet.
//! Not the messages themselves. Every operation on one chunk takes constant time but for the parts of its own message.
//!
//! A ring of 65536 places indexed by the lower half of the TSN, in words of 64. The caller keeps everything held within
//! 65535 above the cumulative number, whose own place is therefore always free and ends every search.
use crate::serial::Tsn;
use crate::wire::Data;

/// Words of the ring.
const WORDS: usize = 1024;
/// How far above the cumulative number a chunk may lie: what a gap block can say.
pub(super) const SPAN: u32 = 65_535;

type Page = Box<[Option<Data>; 64]>;

/// Memory of one page of 64 places.
pub(super) const PAGE: usize = size_of::<[Option<Data>; 64]>();

/// Sixty-four places.
#[derive(Debug, Default)]
struct Word {
    /// Received.
    held: u64,
    /// Received and the data still here.
    stored: u64,
    /// Of the stored: first parts of messages.
    begin: u64,
    /// Of the stored: last parts of messages.
    end: u64,
    /// Exists while anything is stored.
    page: Option<Page>,
}

/// The chunks above a gap.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// Empty until the first gap.
    words: Vec<Word>,
    /// One page kept for the next need.
    spare: Option<Page>,
    /// Pages in use.
    pages: usize,
    /// Chunks whose data are here.
    stored: usize,
}

impl Held {
    /// Pages in use.
    pub(super) fn pages(&self) -> usize {
        self.pages
    }

    /// Chunks whose data are here.
    pub(super) fn stored(&self) -> usize {
        self.stored
    }

    /// Whether the chunk arrived.
    pub(super) fn contains(&self, tsn: Tsn) -> bool {
        let (word, bit) = place(tsn);
        self.words
            .get(word)
            .is_some_and(|word| word.held & bit != 0)
    }

    /// Marks a chunk as received without data.
    pub(super) fn mark(&mut self, tsn: Tsn) {
        let (word, bit) = place(tsn);
        self.word(word).held |= bit;
    }

    /// Keeps a chunk that was not here before.
    pub(super) fn insert(&mut self, data: Data) {
        let (index, bit) = place(data.tsn);
        if self.word(index).page.is_none() {
            let page = self
                .spare
                .take()
                .unwrap_or_else(|| Box::new([const { None }; 64]));
            self.words[index].page = Some(page);
            self.pages += 1;
        }
        let word = &mut self.words[index];
        word.held |= bit;
        word.stored |= bit;
        if data.begin {
            word.begin |= bit;
        }
        if data.end {
            word.end |= bit;
        }
        self.stored += 1;
        let slot = data.tsn.0 as usize % 64;
        if let Some(page) = &mut word.page {
            page[slot] = Some(data);
        }
    }

    /// Takes the data of a chunk out; it stays received.
    pub(super) fn take(&mut self, tsn: Tsn) -> Option<Data> {
        let (index, bit) = place(tsn);
        let word = self.words.get_mut(index)?;
        let data = word.page.as_mut()?[tsn.0 as usize % 64].take()?;
        word.stored &= !bit;
        word.begin &= !bit;
        word.end &= !bit;
        self.stored -= 1;
        if word.stored == 0 {
            self.spare = word.page.take();
            self.pages -= 1;
        }
        Some(data)
    }

    /// Forgets that a chunk was received; its data, if still here, come out.
    pub(super) fn remove(&mut self, tsn: Tsn) -> Option<Data> {
        let data = self.take(tsn);
        let (index, bit) = place(tsn);
        if let Some(word) = self.words.get_mut(index) {
            word.held &= !bit;
        }
        data
    }

    /// Forgets all after `from` up to and with `to`, which are at most the span apart. Says how many chunks with data and how many bytes that were.
    pub(super) fn clear(&mut self, from: Tsn, to: Tsn) -> (usize, usize) {
        let (mut chunks, mut bytes) = (0, 0);
        if self.words.is_empty() {
            return (0, 0);
        }
        let mut at = from.next();
        while !at.after(to) {
            let (index, _) = place(at);
            // A word at a time where nothing is stored, a place at a time where something is.
            if self.words[index].stored == 0 && at.0.is_multiple_of(64) && to.since(at) >= 63 {
                self.words[index].held = 0;
                at = at + 64;
                continue;
            }
            if let Some(data) = self.remove(at) {
                chunks += 1;
                bytes += data.payload.len();
            }
            at = at.next();
        }
        (chunks, bytes)
    }

    /// The first and last part of the message that the stored chunk belongs to, if all its parts are stored.
    pub(super) fn message_around(&self, tsn: Tsn) -> Option<(Tsn, Tsn)> {
        Some((self.first_part(tsn)?, self.last_part(tsn)?))
    }

    /// Goes down to the nearest beginning, as long as nothing is missing. An end cannot lie between: its message would have been complete, and taken.
    fn first_part(&self, tsn: Tsn) -> Option<Tsn> {
        let mut base = tsn.0 & !63;
        let mut mask = u64::MAX >> (63 - tsn.0 % 64);
        loop {
            let word = self.words.get(place(Tsn(base)).0)?;
            let begin = word.begin & mask;
            let stop = !word.stored & mask;
            if begin.leading_zeros() < stop.leading_zeros() {
                return Some(Tsn(base + 63 - begin.leading_zeros()));
            }
            if stop != 0 {
                return None;
            }
            base = base.wrapping_sub(64);
            mask = u64::MAX;
        }
    }

    /// Goes up to the nearest end, as long as nothing is missing and no other message begins on the way.
    fn last_part(&self, tsn: Tsn) -> Option<Tsn> {
        let mut base = tsn.0 & !63;
        let mut mask = u64::MAX << (tsn.0 % 64);
        let mut own = place(tsn).1;
        loop {
            let word = self.words.get(place(Tsn(base)).0)?;
            let end = word.end & mask;
            let stop = (!word.stored | (word.begin & !own)) & mask;
            if end.trailing_zeros() < stop.trailing_zeros() {
                return Some(Tsn(base + end.trailing_zeros()));
            }
            if stop != 0 {
                return None;
            }
            base = base.wrapping_add(64);
            mask = u64::MAX;
            own = 0;
        }
    }

    /// Writes the ranges received above `cumulative` up to `highest` as distances, lowest first, until `out` is full. Returns how many.
    pub(super) fn blocks(&self, cumulative: Tsn, highest: Tsn, out: &mut [(u16, u16)]) -> usize {
        if self.words.is_empty() || out.is_empty() || !highest.after(cumulative) {
            return 0;
        }
        let (mut count, mut first) = (0, None);
        let start = cumulative.next().0;
        let mut base = start & !63;
        let steps = (highest.0 & !63).wrapping_sub(base) / 64;
        let mut before = 0;
        for step in 0..=steps {
            // The first and the last word may be one and the same place of the ring.
            let mut held = self.words[place(Tsn(base)).0].held;
            if step == 0 {
                held &= u64::MAX << (start % 64);
            }
            if step == steps {
                held &= u64::MAX >> (63 - highest.0 % 64);
            }
            // Where a range begins, and where it has just ended.
            let mut edges = held ^ ((held << 1) | before);
            before = held >> 63;
            while edges != 0 {
                let at = Tsn(base + edges.trailing_zeros());
                edges &= edges - 1;
                // At most one more than the span, and then only as the end.
                let distance = at.since(cumulative);
                let Some(begun) = first.take() else {
                    first = Some(distance as u16);
                    continue;
                };
                out[count] = (begun, (distance - 1) as u16);
                count += 1;
                if count == out.len() {
                    return count;
                }
            }
            base = base.wrapping_add(64);
        }
        if let Some(begun) = first {
            out[count] = (begun, highest.since(cumulative) as u16);
            count += 1;
        }
        count
    }

    /// Bytes and number of the stored chunks, counted anew.
    pub(super) fn measure(&self) -> (usize, usize) {
        let pages = self.words.iter().filter_map(|word| word.page.as_ref());
        let chunks: Vec<&Data> = pages.flat_map(|page| page.iter().flatten()).collect();
        assert_eq!(chunks.len(), self.stored);
        assert!(chunks.iter().all(|data| self.contains(data.tsn)));
        let bytes = chunks.iter().map(|data| data.payload.len()).sum();
        (bytes, chunks.len())
    }

    /// A word, after making the ring if there is none yet.
    fn word(&mut self, index: usize) -> &mut Word {
        if self.words.is_empty() {
            self.words.resize_with(WORDS, Word::default);
        }
        &mut self.words[index]
    }
}

/// Index of the word and the bit in it.
fn place(tsn: Tsn) -> (usize, u64) {
    let place = (tsn.0 & 0xFFFF) as usize;
    (place / 64, 1 << (place % 64))
}
