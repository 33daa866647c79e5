//! What the receiver counts, and the one error it knows.
//! Not anything that decides.

/// A message that is larger than may be received, or than the window will ever hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a message of more than {limit} bytes arrives")]
pub(crate) struct TooBig {
    /// The limit that it breaks.
    pub(crate) limit: usize,
}

/// What was received and what was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counters {
    /// DATA chunks, all of them.
    pub(crate) chunks: u64,
    /// Bytes of user data accepted.
    pub(crate) bytes: u64,
    /// Chunks that had arrived before.
    pub(crate) duplicates: u64,
    /// Chunks dropped because the window was full.
    pub(crate) no_window: u64,
    /// Chunks dropped because they were too far ahead.
    pub(crate) too_far: u64,
    /// Parts dropped because they fit no message, or their message broke off.
    pub(crate) broken: u64,
    /// Parts dropped because the peer gave up on their message.
    pub(crate) given_up: u64,
    /// Messages dropped because their number had been delivered, skipped or reset.
    pub(crate) stale: u64,
    /// Chunks and messages dropped because there are too many streams.
    pub(crate) no_stream: u64,
}

impl Counters {
    /// Everything dropped, duplicates not counted.
    pub(crate) fn dropped(&self) -> u64 {
        self.no_window + self.too_far + self.broken + self.given_up + self.stale + self.no_stream
    }
}
