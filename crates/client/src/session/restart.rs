//! A new network path for the running session while its worker is silent.
//! Not here: noticing silence, which is the transport's, and new connections, which are for links that stay broken.

use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use framewire_protocol::recovery::{Next, Recovery, RecoveryLimits};
use framewire_protocol::signalling::{Agreement, Feature, SessionKey};
use framewire_transport::{IceHandle, IceRestart, Peer, RestartError};
use tokio::sync::watch;

use crate::http::{NoPath, Signalling};
use crate::session::connect::{aside, chain};
use crate::session::shared::Shared;
use crate::session::thread::sleep_until;

/// The first attempt asks STUN and TURN servers only so long: usually the path alone is dead, and they are near.
const FIRST_GATHERING: Duration = Duration::from_secs(1);
/// How long a new path may take until the worker is heard on it; then another is looked for.
const SETTLED_AFTER: Duration = Duration::from_secs(3);
/// As good as for ever: silence ends long before.
const A_DAY: Duration = Duration::from_secs(86_400);

/// What came of looking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The worker is heard again, or restarts are of no use; the transport decides how long silence is borne.
    Over,
    /// Whoever answered knows no such session (any more).
    SessionGone,
}

/// Looks for new paths of one connection, whenever told to.
pub(super) struct Restarts {
    way: Way,
    looking: Option<Looking>,
}

struct Looking {
    wanted: watch::Sender<bool>,
    work: Pin<Box<dyn Future<Output = Outcome> + Send>>,
}

impl Restarts {
    /// `None` when the worker is none of ours, or when it is not wanted. `key` is what the worker named the session by.
    pub(super) fn agreed(
        shared: &Arc<Shared>,
        peer: &Peer,
        signalling: &Signalling,
        theirs: Option<&Agreement>,
        key: Option<SessionKey>,
    ) -> Option<Restarts> {
        let both = shared.plan.agreement().intersect(theirs?);
        let wanted = shared.options.recovery.ice_restart && both.has(Feature::IceRestart);
        let way = Way {
            shared: shared.clone(),
            ice: peer.ice(),
            signalling: signalling.clone(),
            key: key.filter(|_| wanted)?,
        };
        Some(Restarts { way, looking: None })
    }

    /// The worker is silent.
    pub(super) fn begin(&mut self) {
        if let Some(looking) = &self.looking {
            // Still busy with what it began before the worker was heard for a moment.
            looking.wanted.send_replace(true);
            return;
        }
        let (wanted, told) = watch::channel(true);
        let work = Box::pin(self.way.clone().look(told));
        self.looking = Some(Looking { wanted, work });
    }

    /// The worker is heard. An exchange under way is brought to its end, as the worker may have switched already.
    pub(super) fn stop(&mut self) {
        if let Some(looking) = &self.looking {
            looking.wanted.send_replace(false);
        }
    }

    /// What came of it, once there is something. Cancel-safe.
    pub(super) async fn outcome(&mut self) -> Outcome {
        let outcome = match &mut self.looking {
            Some(looking) => looking.work.as_mut().await,
            None => std::future::pending().await,
        };
        self.looking = None;
        outcome
    }
}

/// Everything an attempt needs.
#[derive(Clone)]
struct Way {
    shared: Arc<Shared>,
    ice: IceHandle,
    signalling: Signalling,
    key: SessionKey,
}

impl Way {
    async fn look(self, mut wanted: watch::Receiver<bool>) -> Outcome {
        let recovery = &self.shared.options.recovery;
        // For as long as the worker is silent, which the transport bounds.
        let limits = RecoveryLimits::new(u32::MAX)
            .with_backoff(recovery.backoff, recovery.backoff_cap)
            .with_total(A_DAY);
        // A std hasher is seeded by the system; no more is asked of pauses.
        let mut pauses = Recovery::new(limits, RandomState::new().hash_one(0));
        pauses.broken(Instant::now());
        let mut gathering = FIRST_GATHERING.min(self.shared.options.gather_timeout);
        loop {
            let mut next = None;
            match self.attempt(gathering, &wanted).await {
                Ok(()) => next = Some(Instant::now() + SETTLED_AFTER),
                Err(NoPath::SessionGone) => {
                    tracing::warn!("the worker knows nothing of this session; no new network path");
                    return Outcome::SessionGone;
                }
                Err(NoPath::Refused(reason)) => {
                    tracing::warn!("the worker gives no new network path: {reason}");
                    return Outcome::Over;
                }
                Err(NoPath::NotNow(reason)) => {
                    tracing::info!("no new network path yet: {reason}");
                }
            }
            gathering = self.shared.options.gather_timeout;
            let pause = match pauses.next_attempt(Instant::now()) {
                Next::At(at) => Some(at),
                Next::GiveUp => None,
            };
            tokio::select! {
                biased;
                _ = wanted.wait_for(|wanted| !*wanted) => return Outcome::Over,
                () = sleep_until(next.max(pause)) => {}
            }
        }
    }

    async fn attempt(
        &self,
        gathering: Duration,
        wanted: &watch::Receiver<bool>,
    ) -> Result<(), NoPath> {
        let ice = self.ice.clone();
        let offer = blocking(move || ice.restart(gathering)).await?;
        if !*wanted.borrow() {
            return Err(NoPath::NotNow("the worker is heard again".into()));
        }
        let answer = self.signalling.restart(&self.key, offer.sdp()).await?;
        blocking(move || IceRestart::accept_answer(offer, &answer)).await?;
        self.shared.ledger(|ledger| ledger.ice_restarted());
        tracing::info!("trying a new network path");
        Ok(())
    }
}

/// Runs something that blocks for a bounded time beside the session thread.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RestartError> + Send + 'static,
) -> Result<T, NoPath> {
    let work = || work().map_err(|error| NoPath::NotNow(chain(&error)));
    aside(work, NoPath::Refused).await
}
