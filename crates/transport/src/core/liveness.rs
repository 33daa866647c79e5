//! Whether the peer is still there: stalled, resumed, gone or lost, from times alone.
//! It hears only of what was authenticated; what is done about its verdicts is decided elsewhere.

use std::time::{Duration, Instant};

/// Silence after which a connection counts as stalled.
pub(crate) const STALLED_AFTER: Duration = Duration::from_secs(3);
/// How long refusals must go on, without a word from the peer, before it counts as gone.
const GONE_AFTER: Duration = Duration::from_secs(1);
/// Refusals needed: one alone could be a stray or forged ICMP message.
const GONE_REFUSALS: u32 = 3;

/// What changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Stalled,
    Resumed,
    Gone,
    Lost(Duration),
}

#[derive(Debug)]
pub(crate) struct Liveness {
    lost_after: Duration,
    heard: Option<Instant>,
    stalled: bool,
    refused: Option<(Instant, u32)>,
}

impl Liveness {
    pub(crate) fn new(lost_after: Duration) -> Liveness {
        Liveness {
            lost_after,
            heard: None,
            stalled: false,
            refused: None,
        }
    }

    /// Something authenticated came. The first time starts the watch.
    pub(crate) fn heard(&mut self, now: Instant) -> Option<Verdict> {
        self.heard = Some(now);
        self.refused = None;
        std::mem::take(&mut self.stalled).then_some(Verdict::Resumed)
    }

    /// The peer's machine refused a datagram of ours.
    pub(crate) fn refused(&mut self, now: Instant) -> Option<Verdict> {
        self.heard?;
        let (since, count) = self.refused.get_or_insert((now, 0));
        *count += 1;
        (*count >= GONE_REFUSALS && now.saturating_duration_since(*since) >= GONE_AFTER)
            .then_some(Verdict::Gone)
    }

    /// Changes the limit, also in the middle of a silence.
    pub(crate) fn set_lost_after(&mut self, lost_after: Duration) {
        self.lost_after = lost_after;
    }

    /// The paths are new: what was refused on the old ones says nothing any more.
    pub(crate) fn restarted(&mut self) {
        self.refused = None;
    }

    /// Time passes.
    pub(crate) fn tick(&mut self, now: Instant) -> Option<Verdict> {
        let silence = now.saturating_duration_since(self.heard?);
        if silence >= self.lost_after {
            return Some(Verdict::Lost(silence));
        }
        if silence >= STALLED_AFTER && !self.stalled {
            self.stalled = true;
            return Some(Verdict::Stalled);
        }
        None
    }

    /// When `tick` will have something to say.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let wait = if self.stalled {
            self.lost_after
        } else {
            STALLED_AFTER.min(self.lost_after)
        };
        self.heard?.checked_add(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn silence_stalls_after_three_seconds_and_loses_after_the_limit() {
        let (start, mut live) = (Instant::now(), Liveness::new(30 * SECOND));
        assert_eq!(
            live.tick(start + 99 * SECOND),
            None,
            "nothing is watched before the first word"
        );
        assert_eq!(live.heard(start), None);
        assert_eq!(live.deadline(), Some(start + 3 * SECOND));
        assert_eq!(live.tick(start + 2 * SECOND), None);
        assert_eq!(live.tick(start + 3 * SECOND), Some(Verdict::Stalled));
        assert_eq!(live.tick(start + 4 * SECOND), None, "said once");
        assert_eq!(live.deadline(), Some(start + 30 * SECOND));
        assert_eq!(live.heard(start + 29 * SECOND), Some(Verdict::Resumed));
        assert_eq!(live.tick(start + 32 * SECOND), Some(Verdict::Stalled));
        assert_eq!(
            live.tick(start + 59 * SECOND),
            Some(Verdict::Lost(30 * SECOND))
        );
    }

    #[test]
    fn only_repeated_refusals_without_a_word_mean_gone() {
        let (start, mut live) = (Instant::now(), Liveness::new(30 * SECOND));
        live.heard(start);
        assert_eq!(live.refused(start), None);
        assert_eq!(live.refused(start + SECOND / 2), None);
        assert_eq!(live.refused(start + SECOND), Some(Verdict::Gone));
        live.heard(start + SECOND);
        assert_eq!(
            live.refused(start + SECOND),
            None,
            "a word in between starts over"
        );
        assert_eq!(live.refused(start + 3 * SECOND), None, "two are not enough");
    }
}
