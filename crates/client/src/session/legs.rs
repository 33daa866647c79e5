//! One session over several connections: which frames are new, and what a broken connection means.
//! Not here: connecting anew (`recover`), and the connections themselves (`driver`).

use std::hash::{BuildHasher, RandomState};
use std::sync::PoisonError;
use std::time::Instant;

use framewire_protocol::FrameId;
use framewire_protocol::recovery::{Next, Recovery, RecoveryLimits};
use framewire_protocol::session::{FrameDrop, FrameTicket};

use crate::error::SessionError;
use crate::options::ClientOptions;
use crate::recovery::Gap;
use crate::session::Ended;
use crate::session::dispatch::Item;
use crate::session::life::closed_result;
use crate::session::recover::may_mend;
use crate::session::shared::{Shared, lock};

/// What the connections of a session have in common. They follow each other; there is never more than one.
#[derive(Debug)]
pub(super) struct Legs {
    policy: Recovery,
    /// Whether any connection was up.
    was_up: bool,
    /// Since when the connection is silent, if it is.
    silent_since: Option<Instant>,
    results: Mark,
    pictures: Mark,
    /// The worker counts from 1 on each connection; what is added for the user.
    shift: u64,
    outage: Option<Outage>,
    /// Most bytes of the file that a new connection found at the worker.
    resumed: u64,
    /// Gaps on their way to the handlers so far.
    gaps: u64,
}

/// How far results, or pictures of a track, have come, in the numbers users see.
#[derive(Debug, Default)]
struct Mark {
    highest: u64,
    /// The worker processes again what it had processed before; up to here users have it.
    repeat_until: u64,
    caught_up: bool,
}

impl Mark {
    fn next_leg(&mut self, repeats: bool) {
        self.repeat_until = if repeats { self.highest } else { 0 };
        self.caught_up = self.repeat_until == 0;
    }

    /// Whether this is new. Without a number it is when something new came before.
    fn admit(&mut self, id: Option<u64>) -> bool {
        self.caught_up |= id.is_some_and(|id| id > self.repeat_until);
        let new = id.map_or(self.caught_up, |id| id > self.repeat_until);
        if new {
            self.highest = self
                .highest
                .max(id.unwrap_or(self.highest.saturating_add(1)));
        }
        new
    }
}

/// A time without a working connection.
#[derive(Debug)]
struct Outage {
    cause: SessionError,
    /// Why the latest attempt failed.
    last: Option<SessionError>,
    after: u64,
    missed: Option<u64>,
    since: Instant,
    until: Option<Instant>,
    attempts: u32,
}

impl Legs {
    pub(super) fn new(options: &ClientOptions) -> Self {
        let recovery = &options.recovery;
        let limits = RecoveryLimits::new(recovery.attempts)
            .with_backoff(recovery.backoff, recovery.backoff_cap)
            .with_total(recovery.total);
        Legs {
            // A std hasher is seeded by the system; no more is asked of pauses.
            policy: Recovery::new(limits, RandomState::new().hash_one(0)),
            was_up: false,
            silent_since: None,
            results: Mark {
                caught_up: true,
                ..Mark::default()
            },
            pictures: Mark {
                caught_up: true,
                ..Mark::default()
            },
            shift: 0,
            outage: None,
            resumed: 0,
            gaps: 0,
        }
    }
}

impl Shared {
    /// Whether the end of the connection need not be the end of the session.
    pub(super) fn is_recoverable(&self) -> bool {
        let cause = self.verdict().err();
        cause.is_some_and(|cause| may_mend(&cause)) && self.may_reconnect()
    }

    /// Whether a new connection would follow the end of this one, if its cause allows.
    pub(super) fn may_reconnect(&self) -> bool {
        self.options.recovery.attempts > 0
            && lock(&self.legs).was_up
            // What was lost cannot be sent again, and nothing else is left to send.
            && !self.live.is_exhausted()
    }

    /// How the session ended. A link that broke while its user closed was not going to be the end.
    pub(super) fn last_word(&self) -> Result<Ended, SessionError> {
        if self.is_closed() && self.is_recoverable() {
            return closed_result(None);
        }
        self.verdict()
    }

    /// The link is silent, or heard again.
    pub(super) fn silent_since(&self, since: Option<Instant>) {
        lock(&self.legs).silent_since = since;
    }

    /// The connection is over. From now on the time without one counts.
    pub(super) fn link_lost(&self, now: Instant) {
        let cause = self.verdict().err().unwrap_or(SessionError::Closed);
        let unanswered = self.plan.media.sends.then(|| self.live.outstanding());
        let mut legs = lock(&self.legs);
        legs.policy.broken(now);
        let silent = match &cause {
            SessionError::Lost { silence, .. } => now.checked_sub(*silence),
            _ => legs.silent_since,
        };
        let after = if self.live.frames_on_track() {
            legs.pictures.highest
        } else {
            legs.results.highest
        };
        match &mut legs.outage {
            Some(outage) => {
                outage.last = Some(cause);
                outage.until = None;
                if let (Some(missed), Some(more)) = (&mut outage.missed, unanswered) {
                    *missed += more;
                }
            }
            none => {
                tracing::warn!("the link broke ({cause}); connecting anew");
                *none = Some(Outage {
                    cause,
                    last: None,
                    after,
                    missed: unanswered.or(self.plan.uploads.then_some(0)),
                    since: silent.unwrap_or(now),
                    until: None,
                    attempts: 0,
                });
            }
        }
    }

    /// When to connect anew.
    pub(super) fn next_attempt(&self, now: Instant) -> Next {
        let mut legs = lock(&self.legs);
        let next = legs.policy.next_attempt(now);
        if let (Next::At(_), Some(outage)) = (next, &mut legs.outage) {
            outage.attempts += 1;
        }
        next
    }

    /// An attempt failed in a way another one may not.
    pub(super) fn attempt_failed(&self, error: SessionError) {
        let mut legs = lock(&self.legs);
        if let Some(outage) = &mut legs.outage {
            let attempts = outage.attempts;
            tracing::warn!("attempt {attempts} to connect anew failed: {error}");
            outage.last = Some(error);
        }
    }

    /// When the time without a link is used up; none while there is one.
    pub(super) fn recovery_deadline(&self) -> Option<Instant> {
        lock(&self.legs).policy.deadline()
    }

    /// How the session ends when no further attempt is made.
    pub(super) fn unrecovered(&self) -> SessionError {
        match lock(&self.legs).outage.take() {
            Some(outage) => SessionError::Unrecovered {
                cause: Box::new(outage.cause),
                attempts: outage.attempts,
                last: outage.last.map(Box::new),
            },
            None => SessionError::Closed,
        }
    }

    /// Makes everything that belongs to one connection ready for the next. False: the session is over.
    pub(super) fn begin_leg(&self) -> bool {
        self.renew_control();
        self.live.renew();
        self.upload.renew();
        let mut legs = lock(&self.legs);
        legs.silent_since = None;
        // A file is processed from its start again; every other source goes on with what comes now.
        let repeats = self.plan.uploads;
        if !repeats {
            legs.shift = legs.results.highest.max(legs.pictures.highest);
        }
        legs.results.next_leg(repeats);
        legs.pictures.next_leg(repeats);
        drop(legs);
        // Asked last: whoever closes after this finds the new machine.
        !self.is_over()
    }

    /// The channels are open.
    pub(super) fn leg_up(&self, now: Instant) {
        let mut legs = lock(&self.legs);
        legs.was_up = true;
        legs.policy.connected(now);
        if let Some(outage) = &mut legs.outage {
            outage.until = Some(now);
            tracing::info!("the link to the worker is up again");
        }
    }

    /// What the worker has of the file. More than before is work done: a long upload may take many connections.
    pub(super) fn upload_resumed(&self, bytes: u64) {
        let mut legs = lock(&self.legs);
        if bytes > legs.resumed {
            legs.resumed = bytes;
            legs.policy.progressed();
        }
    }

    /// The number users see for one of the worker's.
    pub(super) fn shown(&self, id: FrameId) -> FrameId {
        FrameId(id.0.saturating_add(lock(&self.legs).shift))
    }

    /// Whether a result is new. The first new one tells the gap before it.
    pub(super) fn admit_result(&self, id: Option<FrameId>) -> bool {
        let mut legs = lock(&self.legs);
        let new = legs.results.admit(id.map(|id| id.0));
        if new {
            self.pass_gap(&mut legs, id);
        }
        new
    }

    /// Whether a picture of the track is new. The first new one waits until the gap before it was told.
    #[cfg(feature = "ffmpeg")]
    pub(super) fn admit_picture(&self, id: Option<FrameId>) -> bool {
        let mut legs = lock(&self.legs);
        let new = legs.pictures.admit(id.map(|id| id.0));
        if !new {
            return false;
        }
        self.pass_gap(&mut legs, id);
        let gaps = legs.gaps;
        drop(legs);
        let mut state = lock(&self.state);
        while state.gaps_told < gaps && !state.closed {
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        true
    }

    /// The stream ends here, with or without something new since the last gap.
    pub(super) fn last_gap(&self) {
        let mut legs = lock(&self.legs);
        if legs
            .outage
            .as_ref()
            .is_some_and(|outage| outage.until.is_some())
        {
            self.pass_gap(&mut legs, None);
        }
    }

    /// The handlers of a gap have returned.
    pub(super) fn gap_told(&self) {
        lock(&self.state).gaps_told += 1;
        self.changed.notify_all();
    }

    /// A frame came that users have already.
    pub(super) fn skip_repeated(&self, ticket: FrameTicket) {
        self.ledger(|ledger| ledger.repeated());
        self.control(|machine| machine.frame_dropped(ticket, FrameDrop::Repeated));
    }

    /// Under the lock, so that nothing new overtakes the gap.
    fn pass_gap(&self, legs: &mut Legs, resumed_at: Option<FrameId>) {
        let Some(outage) = legs.outage.take() else {
            return;
        };
        // A picture may overtake the news that the channels are open.
        let until = outage.until.unwrap_or_else(Instant::now);
        let gap = Gap {
            after: (outage.after > 0).then_some(FrameId(outage.after)),
            resumed_at,
            missed: outage.missed,
            outage: until.saturating_duration_since(outage.since),
            cause: outage.cause,
            attempts: outage.attempts,
        };
        legs.policy.progressed();
        self.ledger(|ledger| ledger.reconnected());
        // A gap nobody will be told must not be waited for.
        legs.gaps += u64::from(self.pipeline.insert(Item::Gap(Box::new(gap))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_is_not_new_and_what_has_no_number_follows_what_has() {
        let mut mark = Mark::default();
        mark.next_leg(true);
        assert!(mark.admit(Some(1)) && mark.admit(None) && mark.admit(Some(3)));
        assert_eq!(mark.highest, 3);
        mark.next_leg(true);
        assert!(!mark.admit(None) && !mark.admit(Some(1)) && !mark.admit(Some(3)));
        assert!(mark.admit(Some(4)) && mark.admit(None));
        assert_eq!(mark.highest, 5);
        mark.next_leg(false);
        assert!(mark.admit(None) && mark.admit(Some(1)));
    }
}
