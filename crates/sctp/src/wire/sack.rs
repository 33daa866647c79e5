//! SACK, read in place: ranges and duplicates come straight from the bytes.
//! Not the sender's reaction to it; nothing is sorted or merged here.
use bytes::{Buf as _, Bytes};

use super::{Malformed, u16_at, u32_at};
use crate::serial::Tsn;

/// Bytes of the fixed fields.
const FIXED: usize = 12;

/// A SACK chunk whose counts fit its length and whose blocks are ranges above the cumulative number.
#[derive(Debug, Clone)]
pub(crate) struct SackView {
    /// Everything up to here was received.
    pub(crate) cumulative: Tsn,
    /// Free bytes in the peer's receive window.
    pub(crate) a_rwnd: u32,
    /// Blocks first, then duplicates.
    lists: Bytes,
    blocks: u16,
}

impl SackView {
    /// Reads the value of a SACK chunk. Linear in the number of blocks.
    pub(super) fn parse(mut value: Bytes) -> Result<SackView, Malformed> {
        if value.len() < FIXED {
            return Err(Malformed::Length);
        }
        let (blocks, duplicates) = (u16_at(&value, 8), u16_at(&value, 10));
        if value.len() != FIXED + 4 * (usize::from(blocks) + usize::from(duplicates)) {
            return Err(Malformed::Length);
        }
        let (cumulative, a_rwnd) = (Tsn(u32_at(&value, 0)), u32_at(&value, 4));
        value.advance(FIXED);
        let sack = SackView {
            cumulative,
            a_rwnd,
            lists: value,
            blocks,
        };
        let bad = |(first, last): (u16, u16)| first == 0 || last < first;
        if sack.offsets().any(bad) {
            return Err(Malformed::GapBlock);
        }
        Ok(sack)
    }

    /// Ranges of numbers received above the cumulative one, both ends included, in the peer's order: usually rising, but nothing promises it.
    pub(crate) fn blocks(&self) -> impl ExactSizeIterator<Item = (Tsn, Tsn)> + '_ {
        self.offsets().map(|(first, last)| {
            (
                self.cumulative + u32::from(first),
                self.cumulative + u32::from(last),
            )
        })
    }

    /// The same ranges as distances from the cumulative number.
    pub(crate) fn offsets(&self) -> impl ExactSizeIterator<Item = (u16, u16)> + '_ {
        let (blocks, _) = self.lists.split_at(4 * usize::from(self.blocks));
        blocks
            .chunks_exact(4)
            .map(|block| (u16_at(block, 0), u16_at(block, 2)))
    }

    /// Numbers that arrived more than once.
    pub(crate) fn duplicates(&self) -> impl ExactSizeIterator<Item = Tsn> + '_ {
        let (_, duplicates) = self.lists.split_at(4 * usize::from(self.blocks));
        duplicates.chunks_exact(4).map(|tsn| Tsn(u32_at(tsn, 0)))
    }

    /// Number of blocks.
    pub(crate) fn block_count(&self) -> usize {
        usize::from(self.blocks)
    }

    /// Number of duplicates.
    pub(crate) fn duplicate_count(&self) -> usize {
        self.lists.len() / 4 - self.block_count()
    }
}
