//! ICE restarts: both halves of one, made from what was negotiated, and the switch of a running core.
//! Gathering and carrying the descriptions are not here.
//!
//! The engine's restart forgets the old checks and candidates and keeps everything above ICE; data goes on over the old
//! pair until a new one is nominated. It is told of a restart in one step, once both halves are known, and on either side
//! as if that side had offered: only so it forgets its own old candidates as well. It never sees the texts of the peer,
//! but the description it knows with the new credentials and candidates, which it cannot refuse half-way.

use std::net::SocketAddr;
use std::time::Instant;

use str0m::change::SdpAnswer;
use str0m::ice::default_local_preference;
use str0m::{Candidate, CandidateKind, IceCreds, Rtc};

use super::auth::Auth;
use super::local::Local;
use super::paths::Paths;
use super::setup;
use super::{PeerCore, Sink};
use crate::config::PeerConfig;
use crate::connection::CandidateReport;
use crate::error::{RestartError, SdpError};
use crate::peer::PeerState;
use crate::sdp::{MdnsCandidate, RemoteDescription, Role, outline, renew};
use crate::stats::add;

/// Longest descriptions kept for later restarts, each; ours have 2 to 4 KB.
const MAX_KEPT: usize = 32 * 1024;

/// What was agreed on, as far as restarts need it.
#[derive(Debug)]
pub(crate) struct Negotiated {
    ours: String,
    theirs: String,
    pub(crate) config: PeerConfig,
}

/// Our side of a restart.
#[derive(Debug)]
pub struct OurHalf {
    creds: IceCreds,
    candidates: Vec<Candidate>,
    reports: Vec<CandidateReport>,
}

/// The peer's side of a restart, checked.
#[derive(Debug)]
pub(crate) struct TheirHalf {
    /// For the engine.
    text: String,
    ufrag: String,
    pwd: String,
    pub(crate) candidates: Vec<SocketAddr>,
    announced: Vec<CandidateReport>,
    /// Names to resolve.
    pub(crate) names: Vec<MdnsCandidate>,
}

impl Negotiated {
    /// `None` when the descriptions are too long to be kept.
    pub(super) fn new(ours: &str, theirs: &str, config: &PeerConfig) -> Option<Negotiated> {
        (ours.len() <= MAX_KEPT && theirs.len() <= MAX_KEPT).then(|| Negotiated {
            ours: renew(ours, "-", "-", &[]),
            theirs: renew(theirs, "-", "-", &[]),
            config: config.clone(),
        })
    }

    /// New credentials with these addresses, and the description that says so.
    pub(crate) fn our_half(&self, local: &Local) -> (OurHalf, String) {
        let creds = setup::credentials();
        let candidates = setup::candidates(local);
        let sdp = renew(&self.ours, &creds.ufrag, &creds.pass, &lines(&candidates));
        let reports = local.reports.clone();
        let half = OurHalf {
            creds,
            candidates,
            reports,
        };
        (half, sdp)
    }

    /// Reads what the peer says: it must be the same peer with the same sections.
    pub(crate) fn their_half(&self, sdp: &str, role: Role) -> Result<TheirHalf, SdpError> {
        let remote = RemoteDescription::parse(sdp, role)?;
        if outline(&remote.text) != outline(&self.theirs) {
            return Err(SdpError::Refused(
                "an ICE restart must not change the sections or the certificate".into(),
            ));
        }
        let said = remote
            .text
            .lines()
            .filter_map(|line| line.strip_prefix("a=candidate:"));
        let candidates: Vec<String> = said.map(str::to_owned).collect();
        Ok(TheirHalf {
            announced: remote.announced(),
            text: renew(
                &self.theirs,
                &remote.ice_ufrag,
                &remote.ice_pwd,
                &candidates,
            ),
            ufrag: remote.ice_ufrag,
            pwd: remote.ice_pwd,
            candidates: remote.candidates,
            names: remote.names,
        })
    }
}

/// Candidates as descriptions carry them, with the priorities the engine is going to give them.
fn lines(candidates: &[Candidate]) -> Vec<String> {
    let priority = |index: usize, candidate: &Candidate| {
        let same = |other: &&Candidate| {
            let family = other.addr().is_ipv6() == candidate.addr().is_ipv6();
            other.kind() == candidate.kind() && family
        };
        let before = candidates.iter().take(index).filter(same).count();
        let kind: u32 = match candidate.kind() {
            CandidateKind::Host => 126,
            CandidateKind::PeerReflexive => 110,
            CandidateKind::ServerReflexive => 100,
            CandidateKind::Relayed => 2,
        };
        kind << 24 | default_local_preference(candidate, before) << 8 | 255
    };
    let line = |(index, candidate): (usize, &Candidate)| {
        let text = candidate.to_sdp_string();
        let text = text.strip_prefix("candidate:").unwrap_or(&text);
        let mut words: Vec<&str> = text.split(' ').collect();
        let priority = priority(index, candidate).to_string();
        if let Some(word) = words.get_mut(3) {
            *word = &priority;
        }
        words.join(" ")
    };
    candidates.iter().enumerate().map(line).collect()
}

impl PeerCore {
    /// Switches to new credentials and candidates. DTLS, SCTP, SRTP, channels and counters go on untouched. `extra` are
    /// addresses of the peer that its description gave as names.
    pub(crate) fn restart(
        &mut self,
        now: Instant,
        ours: OurHalf,
        theirs: TheirHalf,
        extra: &[SocketAddr],
        sink: &mut Sink<'_>,
    ) -> Result<(), RestartError> {
        if self.over || self.ending.is_some() || self.closing.is_some() {
            return Err(RestartError::Closed);
        }
        if !self.connected {
            return Err(RestartError::NotConnected);
        }
        if theirs.ufrag == self.remote_ufrag {
            return Err(RestartError::SameCredentials);
        }
        self.drain(sink);
        setup::guarded(|| switch(&mut self.rtc, &theirs.text))?;
        self.rtc
            .direct_api()
            .set_local_ice_credentials(ours.creds.clone());
        for candidate in ours.candidates {
            self.rtc.add_local_candidate(candidate);
        }
        self.auth = Auth::new(&ours.creds.pass, &theirs.pwd);
        self.ufrag = ours.creds.ufrag;
        self.remote_ufrag = theirs.ufrag;
        self.candidates = theirs.candidates;
        let watch = &self.shared.watch;
        watch.set_candidates(ours.reports, theirs.announced);
        self.add_named(extra);
        self.paths = Paths::default();
        self.liveness.restarted();
        self.hurry = true;
        self.restarting = true;
        add(&self.shared.counters.ice_restarts, 1);
        // Due at once: the next turn starts the checks.
        self.engine_deadline = now;
        self.drain(sink);
        self.engine_deadline = self.engine_deadline.min(now);
        Ok(())
    }

    /// Whether a restart has not found its path yet: what belongs to the old one is still in use.
    pub(crate) fn is_restarting(&self) -> bool {
        self.restarting
    }

    /// For tests without sockets: our half of a restart and its offer.
    pub fn restart_offer(&self, local: &Local) -> Result<(OurHalf, String), RestartError> {
        Ok(self.shared.negotiated()?.our_half(local))
    }

    /// For tests without sockets: accepts a restart and returns the answer.
    pub fn restart_answer(
        &mut self,
        now: Instant,
        local: &Local,
        offer: &str,
        sink: &mut Sink<'_>,
    ) -> Result<String, RestartError> {
        let negotiated = self.shared.negotiated()?;
        let theirs = negotiated.their_half(offer, Role::Offer)?;
        let (ours, sdp) = negotiated.our_half(local);
        self.restart(now, ours, theirs, &[], sink)?;
        Ok(sdp)
    }

    /// For tests without sockets: applies the answer.
    pub fn restart_apply(
        &mut self,
        now: Instant,
        ours: OurHalf,
        answer: &str,
        sink: &mut Sink<'_>,
    ) -> Result<(), RestartError> {
        let theirs = self.shared.negotiated()?.their_half(answer, Role::Answer)?;
        self.restart(now, ours, theirs, &[], sink)
    }
}

impl crate::shared::PeerShared {
    /// What a restart needs, while there is something to restart.
    pub(crate) fn negotiated(&self) -> Result<std::sync::Arc<Negotiated>, RestartError> {
        match self.state() {
            PeerState::Closing | PeerState::Closed => Err(RestartError::Closed),
            PeerState::Connecting => Err(RestartError::NotConnected),
            PeerState::Connected | PeerState::Stalled => {
                let known = self.negotiated.get().cloned().flatten();
                known.ok_or(RestartError::NotKept)
            }
        }
    }
}

/// The engine's part. Nothing has changed when the text cannot be read; after that nothing can fail, as it has accepted
/// everything but credentials and candidates before.
fn switch(rtc: &mut Rtc, text: &str) -> Result<(), String> {
    let answer = SdpAnswer::from_sdp_string(text).map_err(|error| error.to_string())?;
    let mut api = rtc.sdp_api();
    api.ice_restart(false);
    let (_, pending) = api.apply().ok_or("nothing to negotiate")?;
    let accepted = rtc.sdp_api().accept_answer(pending, answer);
    accepted.map_err(|error| error.to_string())
}
