//! The engine's clock: the real one, put forward after each outage.
//! Nothing else lives by it; what the engine says in times is brought back here.
//!
//! SCTP repeats what is unacknowledged ever more rarely while nothing comes back: after 15 s of silence it sleeps for up
//! to 16 s more, whatever the network does meanwhile. There is no way to tell it that the path is back, or new; but when
//! its clock is put forward, its timer is due at once. ICE and RTP see a longer pause than there was.

use std::time::{Duration, Instant};

/// How far an outage puts it forward: more than SCTP ever waits (a minute), and exactly the period of the send times in
/// RTP packets, so that these do not jump.
const FORWARD: Duration = Duration::from_secs(64);

#[derive(Debug, Default)]
pub(super) struct EngineClock {
    ahead: Duration,
    /// An outage is over and the clock not yet put forward.
    behind: bool,
}

impl EngineClock {
    /// What the engine is told where it is `now`.
    pub(super) fn engine(&self, now: Instant) -> Instant {
        now + self.ahead
    }

    /// The real time of what the engine calls `at`.
    pub(super) fn real(&self, at: Instant) -> Instant {
        at.checked_sub(self.ahead).unwrap_or(at)
    }

    /// The peer is heard again after an outage, or gets a new path: it may have heard nothing while we heard everything.
    /// The clock is put forward as soon as there is a path.
    pub(super) fn outage_over(&mut self) {
        self.behind = true;
    }

    /// There is a path. Puts the clock forward, if there was an outage; whether there was.
    pub(super) fn catch_up(&mut self) -> bool {
        let behind = std::mem::take(&mut self.behind);
        if behind {
            self.ahead += FORWARD;
        }
        behind
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_puts_the_engine_forward_once_and_its_times_come_back_real() {
        let (mut clock, now) = (EngineClock::default(), Instant::now());
        assert!(!clock.catch_up());
        assert_eq!(clock.engine(now), now);
        for outage in 1..=3 {
            clock.outage_over();
            clock.outage_over();
            assert!(clock.catch_up());
            assert!(!clock.catch_up());
            assert_eq!(clock.engine(now), now + outage * FORWARD);
            assert_eq!(clock.real(clock.engine(now)), now);
        }
    }
}
