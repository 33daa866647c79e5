//! What a session does about a broken link, as its user wants it, and what it tells about one.
//! Not here: doing it, which is the session's, and the pauses between attempts, which the protocol crate decides.

use std::time::Duration;

use framewire_protocol::FrameId;

use crate::error::{ConfigError, SessionError};

/// Longest total; keeps every sum of instants in range.
const MAX_TOTAL: Duration = Duration::from_secs(31_536_000);

/// What a session does about a broken link.
///
/// By default it looks for a new network path while the worker, if it is one of ours, is silent, and ends with the error of
/// the link when that does not help. With [`reconnect`](Recovery::reconnect) it then goes on with a new connection: same
/// handlers, frame numbers that never go back, and each gap told to [`Session::on_gap`](crate::Session::on_gap).
///
/// Only a link that had been up is recovered: a first connection that does not come about is an error at once. So is
/// whatever another attempt cannot mend: a refused request (HTTP 400 to 404), a source that is missing or changed, errors
/// the worker reported.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovery {
    /// Look for a new network path of the running session while its link is silent. Workers of ours only. Default true.
    pub ice_restart: bool,
    /// New connections tried in one outage, until one brings results. Default 0: a broken link ends the session.
    pub attempts: u32,
    /// Longest pause before the first attempt; it doubles with each, and the pause is a random part of it. Default 300 ms.
    pub backoff: Duration,
    /// Longest pause before any attempt. Default 7 s.
    pub backoff_cap: Duration,
    /// Longest time without a link in one outage, counted from when the link was given up. Default 60 s.
    pub total: Duration,
}

impl Default for Recovery {
    fn default() -> Self {
        Recovery {
            ice_restart: true,
            attempts: 0,
            backoff: Duration::from_millis(300),
            backoff_cap: Duration::from_secs(7),
            total: Duration::from_secs(60),
        }
    }
}

impl Recovery {
    /// Nothing: a link that stays silent ends the session.
    pub fn off() -> Self {
        Recovery {
            ice_restart: false,
            ..Recovery::default()
        }
    }

    /// Everything: a new network path, then up to 10 new connections within a minute.
    pub fn reconnect() -> Self {
        Recovery {
            attempts: 10,
            ..Recovery::default()
        }
    }

    /// Sets whether a new network path is looked for.
    #[must_use]
    pub fn with_ice_restart(mut self, ice_restart: bool) -> Self {
        self.ice_restart = ice_restart;
        self
    }

    /// Sets how many new connections are tried in one outage.
    #[must_use]
    pub fn with_attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// Sets the longest pause before the first attempt.
    #[must_use]
    pub fn with_backoff(mut self, backoff: Duration) -> Self {
        self.backoff = backoff;
        self
    }

    /// Sets the longest pause before any attempt.
    #[must_use]
    pub fn with_backoff_cap(mut self, cap: Duration) -> Self {
        self.backoff_cap = cap;
        self
    }

    /// Sets the longest time without a link.
    #[must_use]
    pub fn with_total(mut self, total: Duration) -> Self {
        self.total = total;
        self
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let refuse = |option, reason: &str| {
            Err(ConfigError::Option {
                option,
                reason: reason.to_owned(),
            })
        };
        if self.backoff > self.backoff_cap {
            return refuse("recovery.backoff", "expected at most recovery.backoff_cap");
        }
        if self.backoff_cap > MAX_TOTAL || self.total > MAX_TOTAL {
            return refuse(
                "recovery.total and recovery.backoff_cap",
                "expected 0 to 31536000 s",
            );
        }
        if self.attempts > 0 && self.total.is_zero() {
            return refuse("recovery.total", "expected more than 0 s for attempts");
        }
        Ok(())
    }
}

/// A stretch without a link that a session survived; see [`Session::on_gap`](crate::Session::on_gap).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Gap {
    /// The last frame received before it; none when there was none yet.
    pub after: Option<FrameId>,
    /// The first frame after it; none when the stream ends without another one, or when its number is not known.
    pub resumed_at: Option<FrameId>,
    /// Frames of this side that were sent and never answered. Files: 0, what was lost is processed again. None for streams
    /// the worker reads: nobody knows what passed meanwhile.
    pub missed: Option<u64>,
    /// From the last sign of the old link until the new one was up.
    pub outage: Duration,
    /// What broke the link.
    pub cause: SessionError,
    /// Attempts until a new link was up.
    pub attempts: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_differ_in_what_they_try() {
        assert_eq!(
            (
                Recovery::default().attempts,
                Recovery::default().ice_restart
            ),
            (0, true)
        );
        assert!(!Recovery::off().ice_restart && Recovery::off().attempts == 0);
        assert!(Recovery::reconnect().attempts == 10 && Recovery::reconnect().ice_restart);
    }

    #[test]
    fn unusable_values_are_refused_with_their_name() {
        let refused = |recovery: Recovery| recovery.check().unwrap_err().to_string();
        assert!(Recovery::reconnect().check().is_ok());
        let long = Recovery::default().with_backoff(Duration::from_secs(8));
        assert!(refused(long).contains("recovery.backoff"));
        let endless = Recovery::default().with_total(Duration::MAX);
        assert!(refused(endless).contains("recovery.total"));
        let none = Recovery::reconnect().with_total(Duration::ZERO);
        assert!(refused(none).contains("recovery.total"));
    }
}
