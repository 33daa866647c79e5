//! The number of a frame taken from the source: starts at 1, grows by 1.
//! It is not a timestamp and not a position in the file.

use std::fmt;

/// Counter of frames the worker took from its source, starting at 1.
///
/// The JSON carries it whole; the binary chunk header carries its low 32 bits ([`FrameId::header`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FrameId(pub u64);

impl FrameId {
    /// The 32 bits that go into a chunk header.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the header has 32 bits and wraps"
    )]
    pub fn header(self) -> u32 {
        self.0 as u32
    }

    /// The next id; stays at the maximum instead of wrapping.
    pub fn next(self) -> FrameId {
        FrameId(self.0.saturating_add(1))
    }
}

impl fmt::Display for FrameId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_is_the_low_half_and_next_never_wraps() {
        assert_eq!(FrameId(0x1_0000_0007).header(), 7);
        assert_eq!(FrameId(1).next(), FrameId(2));
        assert_eq!(FrameId(u64::MAX).next(), FrameId(u64::MAX));
    }
}
