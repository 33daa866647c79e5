//! What went through a session, and what did not and why.
//! Counting only; nothing here decides.

use std::collections::BTreeMap;

use crate::incoming::DropReason;
use crate::pairing::Match;

/// Why a frame that a result carried, or the video track did, never reached its consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum FrameDrop {
    /// It was no readable image.
    Undecodable,
    /// A newer one took its place (realtime only).
    Overflow,
    /// The session was closed before anyone took it.
    Closed,
    /// It did not arrive whole on the video track.
    Lost,
    /// It came too old to be of use (realtime only).
    Late,
    /// It came while the user had paused the session (realtime only).
    Paused,
    /// It came again on a new connection.
    Repeated,
}

impl FrameDrop {
    /// Name for statistics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            FrameDrop::Undecodable => "undecodable",
            FrameDrop::Overflow => "overflow",
            FrameDrop::Closed => "closed",
            FrameDrop::Lost => "lost",
            FrameDrop::Late => "late",
            FrameDrop::Paused => "paused",
            FrameDrop::Repeated => "repeated",
        }
    }
}

/// `produced == delivered + dropped + in_flight` at any time.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tally<R> {
    /// Came into being.
    pub produced: u64,
    /// Reached its handlers or its consumer.
    pub delivered: u64,
    /// Did not, by reason.
    pub dropped: BTreeMap<R, u64>,
    /// Neither yet.
    pub in_flight: u64,
}

impl<R> Default for Tally<R> {
    fn default() -> Self {
        Tally {
            produced: 0,
            delivered: 0,
            dropped: BTreeMap::new(),
            in_flight: 0,
        }
    }
}

impl<R: Ord> Tally<R> {
    /// Sum of all reasons.
    pub fn dropped_total(&self) -> u64 {
        self.dropped.values().sum()
    }

    /// Whether the sums agree.
    pub fn is_balanced(&self) -> bool {
        self.produced == self.delivered + self.dropped_total() + self.in_flight
    }

    pub(super) fn begin(&mut self) {
        self.produced += 1;
        self.in_flight += 1;
    }

    pub(super) fn deliver(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.delivered += 1;
    }

    pub(super) fn drop_begun(&mut self, reason: R) {
        self.in_flight = self.in_flight.saturating_sub(1);
        *self.dropped.entry(reason).or_default() += 1;
    }

    pub(super) fn drop_new(&mut self, reason: R, count: u64) {
        if count > 0 {
            self.produced += count;
            *self.dropped.entry(reason).or_default() += count;
        }
    }
}

/// How the frames of a video track got their results. Information only: an unpaired frame is delivered like any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct PairTally {
    /// The result names the frame.
    pub exact: u64,
    /// The nearest timestamp.
    pub nearest: u64,
    /// Without a result.
    pub unpaired: u64,
}

impl PairTally {
    pub(super) fn add(&mut self, matched: Match) {
        match matched {
            Match::Exact => self.exact += 1,
            Match::Nearest => self.nearest += 1,
            Match::Unpaired => self.unpaired += 1,
        }
    }
}

/// Totals of a session.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Counters {
    /// Result messages, without the completion message.
    pub results: Tally<DropReason>,
    /// Frames on the data channel, or on the video track.
    pub frames: Tally<FrameDrop>,
    /// How those of the track got their results.
    pub pairs: PairTally,
    /// Results whose frame on the track was not there in time (batch processing only).
    pub missing_frames: u64,
    /// Frames the worker counted but sent no result for, judged by gaps in the frame ids.
    pub missing_results: u64,
    /// Messages whose metadata was there but unreadable.
    pub unreadable_metadata: u64,
    /// Errors in result messages.
    pub frame_errors: u64,
}

impl Counters {
    /// Whether nothing got lost uncounted.
    pub fn is_balanced(&self) -> bool {
        self.results.is_balanced() && self.frames.is_balanced()
    }
}
