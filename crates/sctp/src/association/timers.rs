//! The association's own timers, and the one deadline of everything in it.
//! Not the sender's and receiver's timers, which are only asked for their next deadline.

use std::time::Duration;

use crate::time::Time;

/// First wait for the answer to INIT or COOKIE ECHO.
const T1_FIRST: Duration = Duration::from_secs(1);
/// Longest wait for it: the path may come back at any moment.
const T1_LONGEST: Duration = Duration::from_secs(8);
/// Silence after which a heartbeat keeps the path alive.
pub(crate) const IDLE: Duration = Duration::from_secs(30);

/// A timer that doubles its wait each time it is armed again.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Backoff {
    pub(crate) at: Option<Time>,
    /// How often it was armed since it was stopped.
    pub(crate) rounds: u32,
}

impl Backoff {
    /// Arms it for `first` doubled once for each earlier round, at most `longest`.
    pub(crate) fn arm(&mut self, now: Time, first: Duration, longest: Duration) {
        let wait = first.saturating_mul(1 << self.rounds.min(16)).min(longest);
        self.at = Some(now + wait);
        self.rounds = self.rounds.saturating_add(1);
    }

    /// As [`arm`](Self::arm) with the waits of the handshake.
    pub(crate) fn arm_handshake(&mut self, now: Time) {
        self.arm(now, T1_FIRST, T1_LONGEST);
    }

    /// Stops it and forgets the rounds.
    pub(crate) fn stop(&mut self) {
        *self = Self::default();
    }

    /// Whether it is due; if so it is disarmed, and its rounds stay.
    pub(crate) fn fire(&mut self, now: Time) -> bool {
        let due = self.at.is_some_and(|at| at <= now);
        if due {
            self.at = None;
        }
        due
    }
}

/// The association's own timers.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    /// Answer to INIT or COOKIE ECHO.
    pub(crate) handshake: Backoff,
    /// Answer to SHUTDOWN or SHUTDOWN ACK.
    pub(crate) shutdown: Backoff,
    /// Answer to a reset request.
    pub(crate) reset: Backoff,
    /// Looks whether there was silence. It is not moved for each packet, only when it fires.
    pub(crate) heartbeat: Option<Time>,
}

impl Timers {
    /// Those that run are due now.
    pub(crate) fn hurry(&mut self, now: Time) {
        for timer in [&mut self.handshake, &mut self.shutdown, &mut self.reset] {
            if timer.at.is_some() {
                (timer.at, timer.rounds) = (Some(now), 0);
            }
        }
    }

    pub(crate) fn earliest(&self) -> Option<Time> {
        [
            self.handshake.at,
            self.shutdown.at,
            self.reset.at,
            self.heartbeat,
        ]
        .into_iter()
        .flatten()
        .min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_handshake_is_repeated_after_1_2_4_8_8_seconds() {
        let mut timer = Backoff::default();
        let mut now = Time(0);
        for seconds in [1, 2, 4, 8, 8] {
            timer.arm_handshake(now);
            let at = now + Duration::from_secs(seconds);
            assert_eq!(timer.at, Some(at));
            assert!(!timer.fire(Time(at.0 - 1)));
            assert!(timer.fire(at));
            assert!(!timer.fire(at));
            now = at;
        }
        timer.stop();
        assert_eq!(timer.rounds, 0);
    }
}
