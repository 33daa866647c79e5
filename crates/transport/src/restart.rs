//! ICE restarts of running peers, from the caller's side: gathering anew, the descriptions, and handing both halves to the driver.
//! How a core switches is in `core`; carrying the descriptions to the other side is the caller's.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::core::{Negotiated, OurHalf, TheirHalf};
use crate::endpoint::{Endpoint, Gathering};
use crate::error::RestartError;
use crate::ice::{GatherReport, Relayed, deadline_in, resolve_names};
use crate::sdp::Role;
use crate::shared::PeerShared;

/// How long the answering side asks its servers: the offering one waits for it on a connection that is down.
const ANSWER_GATHERING: Duration = Duration::from_secs(1);
/// How long `*.local` names of an answer may take.
const NAMES: Duration = Duration::from_secs(1);

/// Restarts the ICE of one peer: new credentials, addresses gathered anew, a new path for the same connection. Channels,
/// video, counters and everything queued go on; the old path is used until there is a new one. Clones are the same peer.
/// It keeps neither the endpoint nor the connection nor its addresses on TURN servers alive.
#[derive(Clone)]
pub struct IceHandle {
    shared: Arc<PeerShared>,
    endpoint: Endpoint,
}

impl fmt::Debug for IceHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceHandle")
            .field("id", &self.shared.id)
            .finish_non_exhaustive()
    }
}

impl IceHandle {
    pub(crate) fn new(shared: Arc<PeerShared>, endpoint: &Endpoint) -> IceHandle {
        let endpoint = endpoint.passing();
        IceHandle { shared, endpoint }
    }

    /// Makes the offer of a restart. Reads the machine's addresses again and asks all servers again; blocks up to
    /// `gathering` for that, a day at most. Nothing changes before the answer is accepted, and dropping the offer leaves no trace.
    pub fn restart(&self, gathering: Duration) -> Result<IceRestart, RestartError> {
        let turn = Turn::take(&self.shared)?;
        let negotiated = self.shared.negotiated()?;
        let found = self.gather(&negotiated, gathering)?;
        // It may have ended meanwhile.
        self.shared.negotiated()?;
        let (ours, sdp) = negotiated.our_half(&found.local);
        Ok(IceRestart {
            handle: self.clone(),
            negotiated,
            ours,
            sdp,
            relayed: found.relayed,
            report: found.report,
            turn,
        })
    }

    /// Accepts the offer of a restart and returns the answer for the other side, which the peer already follows. Blocks
    /// up to a second when servers are to be asked or names looked up.
    pub fn accept_restart(&self, offer_sdp: &str) -> Result<String, RestartError> {
        let turn = Turn::take(&self.shared)?;
        let negotiated = self.shared.negotiated()?;
        let theirs = negotiated.their_half(offer_sdp, Role::Offer)?;
        let budget = ANSWER_GATHERING.min(negotiated.config.gather_timeout);
        let deadline = deadline_in(budget);
        let (found, extra) = std::thread::scope(|scope| {
            let names = (!theirs.names.is_empty())
                .then(|| scope.spawn(|| resolve_names(&theirs.names, deadline)));
            let found = self.gather(&negotiated, budget);
            (found, names.and_then(|n| n.join().ok()).unwrap_or_default())
        });
        let found = found?;
        let (ours, sdp) = negotiated.our_half(&found.local);
        self.switch(ours, theirs, extra, found.relayed)?;
        drop(turn);
        Ok(sdp)
    }

    fn gather(&self, negotiated: &Negotiated, budget: Duration) -> Result<Gathering, RestartError> {
        let known = self.shared.relayed();
        self.endpoint
            .gather_again(&negotiated.config, deadline_in(budget), &known)
            .map_err(RestartError::NoRelay)
    }

    fn switch(
        &self,
        ours: OurHalf,
        theirs: TheirHalf,
        extra: Vec<SocketAddr>,
        relayed: Vec<Relayed>,
    ) -> Result<(), RestartError> {
        self.endpoint
            .restart(self.shared.id, ours, theirs, extra, relayed)
    }
}

/// The offer of a restart that waits for its answer. While it exists the peer takes part in no other restart.
pub struct IceRestart {
    handle: IceHandle,
    negotiated: Arc<Negotiated>,
    ours: OurHalf,
    sdp: String,
    relayed: Vec<Relayed>,
    report: GatherReport,
    turn: Turn,
}

impl fmt::Debug for IceRestart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceRestart").finish_non_exhaustive()
    }
}

impl IceRestart {
    /// The text for the other side.
    pub fn sdp(&self) -> &str {
        &self.sdp
    }

    /// What each STUN and TURN server gave.
    pub fn gathering(&self) -> &GatherReport {
        &self.report
    }

    /// Switches to the new path with the other side's answer. Blocks until the network thread has done so, and up to a
    /// second when the answer names `*.local` candidates. Whether the path works is told by the peer's events.
    pub fn accept_answer(self, sdp: &str) -> Result<(), RestartError> {
        let theirs = self.negotiated.their_half(sdp, Role::Answer)?;
        let extra = resolve_names(&theirs.names, deadline_in(NAMES));
        let switched = self.handle.switch(self.ours, theirs, extra, self.relayed);
        drop(self.turn);
        switched
    }
}

/// The right to restart a peer, which one restart has at a time.
struct Turn(Arc<PeerShared>);

impl Turn {
    fn take(shared: &Arc<PeerShared>) -> Result<Turn, RestartError> {
        if shared.restarting.swap(true, Ordering::AcqRel) {
            return Err(RestartError::Busy);
        }
        Ok(Turn(shared.clone()))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.restarting.store(false, Ordering::Release);
    }
}
