//! What pairing is asked for and what it says: modes, pairs, totals, the warning.
//! It pairs nothing.

use std::fmt;

/// Frames after which the rate of pairs is judged.
const JUDGED: u64 = 150;

/// How results name their frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PairMode {
    /// By the RTP timestamp of the frame: both ends are ours and agreed on the ledger.
    Exact,
    /// By the timestamp of the source frame, with an origin to be found: the worker is an original.
    Nearest,
}

/// How a frame got its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Match {
    /// The result names this very frame.
    Exact,
    /// Their timestamps are at most 1 ms apart.
    Nearest,
    /// It has none.
    Unpaired,
}

impl Match {
    /// Name for statistics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Match::Exact => "exact",
            Match::Nearest => "nearest",
            Match::Unpaired => "unpaired",
        }
    }
}

/// A frame on its way out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Paired<F, R> {
    /// The frame.
    pub frame: F,
    /// Its result.
    pub result: Option<R>,
    /// How it was found.
    pub matched: Match,
}

/// What went through. `frames == exact + nearest + unpaired + waiting` and `results == exact + nearest +
/// results_without_frame + waiting` at any time; handed out and not yet polled counts as gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct PairCounters {
    /// Frames that came in.
    pub frames: u64,
    /// Results that came in.
    pub results: u64,
    /// Frames that got the result that names them.
    pub exact: u64,
    /// Frames that got the result with the nearest timestamp.
    pub nearest: u64,
    /// Frames that went without.
    pub unpaired: u64,
    /// Those of the unpaired that went because more than [`MAX_PENDING`](crate::pairing::MAX_PENDING) waited.
    pub evicted: u64,
    /// Results no frame came for: their frames were lost or had gone already, or they name none.
    pub results_without_frame: u64,
}

impl PairCounters {
    /// Frames that got a result.
    pub fn paired(&self) -> u64 {
        self.exact + self.nearest
    }
}

/// Frames and results come, but less than half of them correspond. Worth one warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mismatch {
    /// Frames looked at.
    pub frames: u64,
    /// Those that got a result.
    pub paired: u64,
    /// Results that came meanwhile.
    pub results: u64,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "only {} of the last {} video frames found their predictions although {} results came: timestamps do not correspond",
            self.paired, self.frames, self.results
        )
    }
}

/// Every [`JUDGED`] frames: if at least half as many results came and fewer than half of the frames got one, a warning. By
/// rate, so that one accidental pair does not hide it.
#[derive(Debug, Default)]
pub(super) struct Judge {
    before: PairCounters,
    mismatch: Option<Mismatch>,
    warned: bool,
}

impl Judge {
    pub(super) fn look(&mut self, now: &PairCounters) {
        let paired = now.paired() - self.before.paired();
        let frames = paired + now.unpaired - self.before.unpaired;
        if frames < JUDGED {
            return;
        }
        let results = now.results - self.before.results;
        self.before = *now;
        if !self.warned && results * 2 >= frames && paired * 2 < frames {
            self.warned = true;
            self.mismatch = Some(Mismatch {
                frames,
                paired,
                results,
            });
        }
    }

    pub(super) fn take(&mut self) -> Option<Mismatch> {
        self.mismatch.take()
    }
}
