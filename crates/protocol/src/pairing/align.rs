//! Finds the constant between an original's source timestamps and the RTP timestamps of its track.
//! It matches no single frame: it says where the origin is, from what arrived in which order.
//!
//! An original queues the result of a frame, then sends the frame, then takes the next frame. So when a frame arrives, the
//! newest result that arrived before it is most likely its own: each frame votes for the origin that this would mean. The first
//! frame and the lowest frame id give the origin at once if the vote agrees; otherwise, and to leave an origin again, several
//! votes in a row are needed. Frames cannot be older than frame 1, so once its result was seen, votes for an earlier origin are
//! taken as votes for the earliest possible one: results that lag behind do not move it.

use std::collections::VecDeque;
use std::time::Instant;

use crate::FrameId;

/// How far two timestamps of one frame may be apart: 1 ms in RTP ticks, for rounding on the way.
pub(super) const TOLERANCE: i64 = 90;

/// Results remembered to find the newest one before a frame: a frame may be reported this many results late.
const RECENT: usize = 32;
/// Votes in a row for the first origin, unless first frame and lowest id agree with the vote.
const FIRST: u32 = 2;
/// Votes that make an origin trusted.
const TRUSTED: u32 = 8;
/// Votes in a row that say "results come too early" and end a young origin. Each contradicts the order of sending.
const EARLY_YOUNG: u32 = 3;
/// The same against a trusted origin.
const EARLY_TRUSTED: u32 = 8;
/// Votes in a row that say "results come too late" and end a young origin; a trusted one they never end, since a slow data
/// channel looks the same.
const LATE_YOUNG: u32 = 6;
/// Frames remembered to see whether results that come late correspond to any of them.
const SEEN: usize = 150;
/// Frames in a row that correspond to no result, early or late, after which an origin is worth as little as none.
const BARREN: u32 = 150;

#[derive(Debug, Default)]
pub(super) struct Align {
    first_frame: Option<i64>,
    lowest: Option<(FrameId, i64)>,
    recent: VecDeque<(Instant, i64)>,
    seen: VecDeque<i64>,
    origin: Option<i64>,
    trust: u32,
    rival: Option<(i64, u32)>,
    strangers: u32,
}

impl Align {
    /// RTP position minus source ticks, once known.
    pub(super) fn origin(&self) -> Option<i64> {
        self.origin
    }

    /// A result arrived.
    pub(super) fn result(&mut self, now: Instant, id: FrameId, ticks: i64) {
        if self.lowest.is_none_or(|(lowest, _)| id < lowest) {
            self.lowest = Some((id, ticks));
        }
        if self.recent.len() >= RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back((now, ticks));
        if self.origin.is_some_and(|origin| {
            let at = ticks.wrapping_add(origin);
            self.seen.iter().any(|seen| near(*seen, at))
        }) {
            self.strangers = 0;
        }
    }

    /// A frame arrived. `true`: the origin changed, everything that waits must be looked at again.
    pub(super) fn frame(&mut self, now: Instant, at: i64) -> bool {
        let first = *self.first_frame.get_or_insert(at);
        if at < first {
            self.first_frame = Some(at);
        }
        if self.seen.len() >= SEEN {
            self.seen.pop_front();
        }
        self.seen.push_back(at);
        if let Some(origin) = self.origin {
            let ticks = at.wrapping_sub(origin);
            let known = self.recent.iter().any(|(_, recent)| near(*recent, ticks));
            self.strangers = if known {
                0
            } else {
                self.strangers.saturating_add(1)
            };
        }
        let newest = self
            .recent
            .iter()
            .rev()
            .find(|(arrived, _)| *arrived <= now);
        let Some((_, ticks)) = newest else {
            return false;
        };
        let barren = self.strangers >= BARREN;
        let vote = at.wrapping_sub(*ticks);
        let vote = match self.earliest() {
            Some(earliest) if !barren => vote.min(earliest),
            _ => vote,
        };
        self.count(vote, barren)
    }

    /// The stream is over: the best guess is better than none. `true`: there is an origin now and was none before.
    pub(super) fn settle(&mut self) -> bool {
        if self.origin.is_some() {
            return false;
        }
        let vote = self.rival.map(|(vote, _)| vote);
        self.origin = vote.or_else(|| self.earliest());
        self.origin.is_some()
    }

    /// The origin if the first frame is the one with the lowest id.
    fn initial(&self) -> Option<i64> {
        Some(self.first_frame?.wrapping_sub(self.lowest?.1))
    }

    /// The largest origin possible: no frame is older than frame 1.
    fn earliest(&self) -> Option<i64> {
        self.initial()
            .filter(|_| self.lowest.is_some_and(|(id, _)| id <= FrameId(1)))
    }

    fn count(&mut self, vote: i64, barren: bool) -> bool {
        if self.origin.is_some_and(|origin| near(origin, vote)) {
            self.trust = self.trust.saturating_add(1);
            self.rival = None;
            return false;
        }
        let votes = match self.rival {
            Some((rival, votes)) if near(rival, vote) => votes + 1,
            _ => 1,
        };
        self.rival = Some((vote, votes));
        let trusted = self.trust >= TRUSTED;
        let needed = match self.origin {
            None if self.initial().is_some_and(|initial| near(initial, vote)) => 1,
            None => FIRST,
            Some(_) if barren => FIRST,
            Some(origin) if vote < origin && trusted => EARLY_TRUSTED,
            Some(origin) if vote < origin => EARLY_YOUNG,
            Some(_) if trusted => u32::MAX,
            Some(_) => LATE_YOUNG,
        };
        if votes < needed {
            return false;
        }
        if barren {
            // Ids go on when a source begins anew; what the first ones meant does not.
            (self.first_frame, self.lowest) = (None, None);
        }
        (self.origin, self.trust, self.rival, self.strangers) = (Some(vote), votes, None, 0);
        true
    }
}

fn near(a: i64, b: i64) -> bool {
    a.wrapping_sub(b).unsigned_abs() <= TOLERANCE.unsigned_abs()
}
