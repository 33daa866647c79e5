//! From a broken connection to the next: waits, connects anew, gives up.
//! Not here: what it means for the frames (`legs`). Closing interrupts every step.

use std::sync::Arc;
use std::time::{Duration, Instant};

use framewire_protocol::job::WORKER_SHUTDOWN;
use framewire_protocol::recovery::Next;

use crate::error::{About, SessionError, Step};
use crate::session::connect::{Connected, Ready, connect};
use crate::session::shared::{Shared, State, lock};
use crate::session::thread::{guarded, sleep_until};

/// The next connection; none when the session is over, with the reason settled.
pub(super) async fn recover(shared: &Arc<Shared>, ready: &Ready) -> Option<Connected> {
    if !shared.is_recoverable() || shared.is_closed() {
        return None;
    }
    // A frame of the old connection that waits for its consumer is nobody's outage.
    shared
        .until_or_over(None, |state| state.producers <= 1)
        .await;
    shared.link_lost(Instant::now());
    let deadline = shared.recovery_deadline();
    shared
        .until_or_over(deadline, |state| state.leg_threads == 0)
        .await;
    loop {
        let at = match shared.next_attempt(Instant::now()) {
            Next::At(at) => at,
            Next::GiveUp => {
                shared.settle(shared.unrecovered());
                return None;
            }
        };
        shared.until_or_over(Some(at), |_| false).await;
        if !shared.begin_leg() {
            shared.settle(SessionError::Closed);
            return None;
        }
        match attempt(shared, ready).await {
            Ok(connected) => return Some(connected),
            Err(error) if may_mend(&error) && !shared.is_closed() => shared.attempt_failed(error),
            Err(error) => {
                shared.settle(error);
                return None;
            }
        }
    }
}

async fn attempt(shared: &Arc<Shared>, ready: &Ready) -> Result<Connected, SessionError> {
    let deadline = shared.recovery_deadline();
    tokio::select! {
        biased;
        result = guarded(shared, connect(shared, ready)) => result,
        () = sleep_until(deadline) => Err(out_of_time(shared.options.recovery.total)),
    }
}

impl Shared {
    /// Waits until `reached`, the deadline or the end of the session.
    async fn until_or_over(&self, deadline: Option<Instant>, reached: impl Fn(&State) -> bool) {
        loop {
            if self.is_over() || reached(&lock(&self.state)) {
                return;
            }
            tokio::select! {
                biased;
                () = self.attention.notified() => {}
                () = sleep_until(deadline) => return,
            }
        }
    }
}

/// Whether another attempt may do what this one did not.
pub(super) fn may_mend(error: &SessionError) -> bool {
    match error {
        SessionError::Lost { .. }
        | SessionError::Transport { .. }
        | SessionError::PeerClosed { .. }
        | SessionError::WorkerGone { .. }
        | SessionError::Gathering { .. }
        | SessionError::Unreachable { .. }
        | SessionError::Silent { .. }
        | SessionError::Signalling { .. }
        | SessionError::Connect { .. } => true,
        SessionError::Timeout { step, .. } | SessionError::Local { step, .. } => matches!(
            step,
            Step::Gathering | Step::Reaching | Step::Signalling | Step::Connecting
        ),
        // It goes down in an orderly way, and another one may take over.
        SessionError::Worker {
            termination_reason: Some(reason),
            ..
        } => reason == WORKER_SHUTDOWN,
        // Too early, too many, or its own trouble; whatever else it refuses it will refuse again.
        SessionError::Http(failure) => {
            failure.status >= 500 || matches!(failure.status, 408 | 409 | 425 | 429)
        }
        _ => false,
    }
}

/// How long a new connection was looked for in vain.
pub(super) fn out_of_time(total: Duration) -> SessionError {
    SessionError::Timeout {
        step: Step::Connecting,
        after: total,
        hint: "no new connection came about in the time of one outage (recovery.total)",
        about: About::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_being_restarted_is_waited_for_and_a_refusal_is_final() {
        let http = |status| {
            let refused = crate::http::failure(String::new(), status, "", None, false);
            SessionError::Http(Box::new(refused))
        };
        for status in [400, 401, 402, 403, 404, 422] {
            assert!(!may_mend(&http(status)), "{status}");
        }
        for status in [408, 409, 429, 500, 502, 503, 504] {
            assert!(may_mend(&http(status)), "{status}");
        }
        let at = |step| SessionError::Timeout {
            step,
            after: Duration::ZERO,
            hint: "",
            about: About::default(),
        };
        assert!(may_mend(&at(Step::Connecting)));
        assert!(!may_mend(&at(Step::FirstResult)) && !may_mend(&at(Step::Uploading)));
        assert!(may_mend(&SessionError::WorkerGone {
            step: Step::Streaming,
            about: About::default(),
        }));
        let worker = SessionError::Worker {
            errors: vec!["no".into()],
            termination_reason: None,
            about: About::default(),
        };
        assert!(!may_mend(&worker) && !may_mend(&SessionError::Closed));
    }
}
