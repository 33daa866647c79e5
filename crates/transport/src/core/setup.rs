//! How a core comes to be: as the offerer in two steps, as the answerer in one.
//! Gathering is done before; here the addresses are given.

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::RngExt;
use sctp_proto::tuning::Handle;
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::channel::ChannelConfig;
use str0m::media::Mid;
use str0m::{Candidate, IceCreds, Rtc};

use super::PeerCore;
use super::auth::Auth;
use super::channels::Slot;
use super::liveness::Liveness;
use super::local::Local;
use super::paths::Paths;
use super::reading::Reading;
use super::restart::Negotiated;
use super::video::{self, Video};
use crate::channel::ChannelShared;
use crate::config::{ChannelOptions, MAX_CHANNELS, MAX_SEND_MESSAGE, PeerConfig};
use crate::connection::{CandidateKind, CandidateReport};
use crate::data::ENGINE_BUFFER;
use crate::error::{AnswerError, ConnectStep, OfferError, SdpError};
use crate::peer::PeerId;
use crate::sdp::{RemoteDescription, Role, complete, move_candidates, narrow};
use crate::shared::PeerShared;
use crate::video::{Direction, VideoCodec};

/// While connected the engine checks the path this often; it is how silence is noticed.
const CHECK_INTERVAL: Duration = Duration::from_millis(500);
/// Unanswered checks after which the engine gives up a path. Its back-off arithmetic allows no more than 119.
const MAX_CHECKS: u32 = 100;
/// First repetition of an unanswered check. Short, because an answerer's first checks always come before the offerer
/// has its answer: with the engine's 250 ms every connection would take that much longer.
const FIRST_REPETITION: Duration = Duration::from_millis(50);
const UFRAG_LEN: usize = 8;
const PWD_LEN: usize = 24;

/// An offerer waiting for the answer.
pub(crate) struct OfferCore {
    rtc: Rtc,
    pending: SdpPendingOffer,
    shared: Arc<PeerShared>,
    slots: Vec<Slot>,
    mid: Option<Mid>,
    creds: IceCreds,
    config: PeerConfig,
    sdp: String,
    reports: Vec<CandidateReport>,
}

impl OfferCore {
    pub(crate) fn new(
        now: Instant,
        id: PeerId,
        config: &PeerConfig,
        local: &Local,
    ) -> Result<(OfferCore, String), OfferError> {
        if config.channels.is_empty() || config.channels.len() > MAX_CHANNELS {
            return Err(OfferError::Channels(config.channels.len()));
        }
        let creds = credentials();
        let order = config.video.as_ref().map(|v| v.codec_order());
        let (mut rtc, figures) = engine(now, config, &creds, local, &order.unwrap_or_default());
        let shared = Arc::new(shared(id, config, figures));
        let mut api = rtc.sdp_api();
        let mid = config.video.as_ref();
        let mid = mid.and_then(|config| video::offer(&mut api, config));
        let mut slots = Vec::new();
        for label in &config.channels {
            let engine = api.add_channel_with_config(ChannelConfig {
                label: label.clone(),
                ..Default::default()
            });
            slots.extend(added(&shared, label).map(|channel| Slot::new(engine, channel)));
        }
        let (offer, pending) = api
            .apply()
            .ok_or_else(|| OfferError::Engine("nothing to negotiate".into()))?;
        let sdp = complete(&offer.to_sdp_string());
        Ok((
            OfferCore {
                rtc,
                pending,
                shared,
                slots,
                mid,
                creds,
                config: config.clone(),
                sdp: sdp.clone(),
                reports: local.reports.clone(),
            },
            sdp,
        ))
    }

    /// `extra` are addresses of the peer that its description gave as names.
    pub(crate) fn accept(
        mut self,
        now: Instant,
        remote: RemoteDescription,
        extra: &[SocketAddr],
    ) -> Result<PeerCore, SdpError> {
        let text = narrow(&remote.text, willing(&self.config)).text;
        guarded(|| {
            let answer = SdpAnswer::from_sdp_string(&text).map_err(|e| e.to_string())?;
            self.rtc
                .sdp_api()
                .accept_answer(self.pending, answer)
                .map_err(|e| e.to_string())
        })?;
        keep(&self.shared, &self.sdp, &text, &self.config);
        let video = self.config.video.as_ref().zip(self.mid);
        let video = video.and_then(|(config, mid)| {
            Video::negotiated(
                now,
                &self.rtc,
                mid,
                config,
                &config.codec_order(),
                &self.shared,
            )
        });
        let watch = &self.shared.watch;
        watch.set_candidates(self.reports, remote.announced());
        Ok(core(
            now,
            self.rtc,
            self.shared,
            &self.creds,
            &self.config,
            self.slots,
            video,
            remote,
            extra,
        ))
    }
}

impl PeerCore {
    pub(crate) fn answer(
        now: Instant,
        id: PeerId,
        config: &PeerConfig,
        local: &Local,
        remote: RemoteDescription,
        extra: &[SocketAddr],
    ) -> Result<(PeerCore, String), AnswerError> {
        if config.channels.len() > MAX_CHANNELS {
            return Err(AnswerError::Channels(config.channels.len()));
        }
        let creds = credentials();
        let narrowed = narrow(&remote.text, willing(config));
        let order = codecs(config, &narrowed.codecs);
        let (mut rtc, figures) = engine(now, config, &creds, local, &order);
        let shared = Arc::new(shared(id, config, figures));
        let sdp = guarded(|| {
            let offer = SdpOffer::from_sdp_string(&narrowed.text).map_err(|e| e.to_string())?;
            let answer = rtc
                .sdp_api()
                .accept_offer(offer)
                .map_err(|e| e.to_string())?;
            Ok(complete(&move_candidates(&answer.to_sdp_string())))
        })?;
        keep(&shared, &sdp, &narrowed.text, config);
        let mid = narrowed.mid.map(|mid| Mid::from(mid.as_str()));
        let video =
            config.video.as_ref().zip(mid).and_then(|(config, mid)| {
                Video::negotiated(now, &rtc, mid, config, &order, &shared)
            });
        let mut slots = Vec::new();
        for label in &config.channels {
            let wanted = ChannelConfig {
                label: label.clone(),
                ..Default::default()
            };
            let engine = rtc.direct_api().create_data_channel(wanted);
            slots.extend(added(&shared, label).map(|channel| Slot::new(engine, channel)));
        }
        let watch = &shared.watch;
        watch.set_candidates(local.reports.clone(), remote.announced());
        Ok((
            core(
                now, rtc, shared, &creds, config, slots, video, remote, extra,
            ),
            sdp,
        ))
    }

    /// For tests without sockets: an offerer and an answerer that know each other.
    pub fn pair(
        now: Instant,
        offerer: (&PeerConfig, &Local),
        answerer: (&PeerConfig, &Local),
        tamper: impl FnOnce(&str) -> String,
    ) -> Result<(PeerCore, PeerCore), AnswerError> {
        PeerCore::pair_through(now, offerer, answerer, str::to_owned, tamper)
    }

    /// The same, with offer and answer changed on their way.
    pub fn pair_through(
        now: Instant,
        offerer: (&PeerConfig, &Local),
        answerer: (&PeerConfig, &Local),
        offered: impl FnOnce(&str) -> String,
        answered: impl FnOnce(&str) -> String,
    ) -> Result<(PeerCore, PeerCore), AnswerError> {
        let (offer, sdp) = OfferCore::new(now, PeerId(0), offerer.0, offerer.1)
            .map_err(|e| SdpError::Refused(e.to_string()))?;
        let remote = RemoteDescription::parse(&offered(&sdp), Role::Offer)?;
        let (answerer, sdp) =
            PeerCore::answer(now, PeerId(1), answerer.0, answerer.1, remote, &[])?;
        let remote = RemoteDescription::parse(&answered(&sdp), Role::Answer)?;
        Ok((offer.accept(now, remote, &[])?, answerer))
    }
}

#[allow(clippy::too_many_arguments)]
fn core(
    now: Instant,
    rtc: Rtc,
    shared: Arc<PeerShared>,
    creds: &IceCreds,
    config: &PeerConfig,
    channels: Vec<Slot>,
    video: Option<Video>,
    remote: RemoteDescription,
    extra: &[SocketAddr],
) -> PeerCore {
    let figures = shared.figures.clone();
    shared.watch.begin(now, ConnectStep::Ice);
    let mut core = PeerCore {
        rtc,
        shared,
        auth: Auth::new(&creds.pass, &remote.ice_pwd),
        ufrag: creds.ufrag.clone(),
        remote_ufrag: remote.ice_ufrag,
        candidates: remote.candidates,
        channels,
        max_message: remote.max_message,
        liveness: Liveness::new(config.lost_after),
        reading: Reading::new(config.inbound_limit),
        figures,
        packets_received: 0,
        video,
        step: ConnectStep::Ice,
        connected: false,
        connect_timeout: config.connect_timeout,
        connect_deadline: now.checked_add(config.connect_timeout),
        detail: None,
        closing: None,
        ending: None,
        over: false,
        hurry: false,
        engine_now: now,
        // Due at once: the first turn starts the checks.
        engine_deadline: now,
        undrained: 0,
        fed_from: None,
        next_channel: 0,
        outbox: Vec::new(),
        path: None,
        paths: Paths::default(),
        restarting: false,
    };
    core.add_named(extra);
    core
}

impl PeerCore {
    /// Adds addresses of the peer that its description gave as names.
    pub(super) fn add_named(&mut self, addresses: &[SocketAddr]) {
        for address in addresses {
            if let Ok(candidate) = Candidate::host(*address, "udp") {
                self.rtc.add_remote_candidate(candidate);
                self.candidates.push(*address);
                self.shared.watch.add_remote(CandidateKind::Host, *address);
            }
        }
    }
}

/// Always: no more are configured than a peer may have.
fn added(shared: &PeerShared, label: &str) -> Option<Arc<ChannelShared>> {
    shared.channels().add(label, ChannelOptions::default())
}

/// Keeps what later ICE restarts need.
fn keep(shared: &PeerShared, ours: &str, theirs: &str, config: &PeerConfig) {
    let negotiated = Negotiated::new(ours, theirs, config).map(Arc::new);
    let _ = shared.negotiated.set(negotiated); // a core is set up once
}

/// What we do with video, as seen from us.
fn willing(config: &PeerConfig) -> Direction {
    let video = config.video.as_ref();
    video.map_or(Direction::Inactive, |v| v.direction())
}

/// Our codecs in the order of the offer.
fn codecs(config: &PeerConfig, offered: &[VideoCodec]) -> Vec<VideoCodec> {
    let ours = config.video.as_ref().map(|v| v.codec_order());
    let ours = ours.unwrap_or_default();
    let mut order = offered.to_vec();
    order.retain(|codec| ours.contains(codec));
    order
}

fn engine(
    now: Instant,
    config: &PeerConfig,
    creds: &IceCreds,
    local: &Local,
    order: &[VideoCodec],
) -> (Rtc, Handle) {
    let mtu = config.data.mtu();
    // Opus only so that an offered audio section can be answered at all.
    let options = Rtc::builder()
        .clear_codecs()
        .enable_opus(true, false)
        .set_local_ice_credentials(creds.clone())
        .set_sctp_max_message_size(MAX_SEND_MESSAGE as u32)
        .set_sctp_max_buffered_amount(ENGINE_BUFFER)
        .set_mtu(mtu..=mtu.max(str0m::DATAGRAM_MTU_WARN));
    let mut options = video::configure(options, config, order);
    // The engine must not give up a path before we do.
    let longest = config
        .connect_timeout
        .max(config.lost_after)
        .saturating_add(Duration::from_secs(5));
    options.set_initial_stun_rto(FIRST_REPETITION);
    options.set_max_stun_rto(CHECK_INTERVAL.max(longest / (MAX_CHECKS - 10)));
    options.set_max_stun_retransmits(MAX_CHECKS as usize);
    // SCTP is made in there, and told so what the engine has no word for.
    let (mut rtc, figures) = sctp_proto::tuning::scope(config.data.tuning(), || options.build(now));
    for candidate in candidates(local) {
        rtc.add_local_candidate(candidate);
    }
    (rtc, figures)
}

fn shared(id: PeerId, config: &PeerConfig, figures: Handle) -> PeerShared {
    PeerShared::new(id, config.inbound_limit, config.lost_after, figures)
}

/// Our addresses as the engine takes them.
pub(super) fn candidates(local: &Local) -> Vec<Candidate> {
    let hosts = local.hosts.iter().map(|host| Candidate::host(*host, "udp"));
    let reflexive = local
        .reflexive
        .iter()
        .map(|found| Candidate::server_reflexive(found.outside, found.inside, "udp"));
    let relayed = local
        .relayed
        .iter()
        .map(|(address, base)| Candidate::relayed(*address, *base, "udp"));
    let all = hosts.chain(reflexive).chain(relayed);
    all.filter_map(Result::ok).collect()
}

pub(super) fn credentials() -> IceCreds {
    let mut rng = rand::rng();
    let mut word = |len: usize| -> String {
        (0..len)
            .map(|_| char::from(rng.sample(rand::distr::Alphanumeric)))
            .collect()
    };
    IceCreds {
        ufrag: word(UFRAG_LEN),
        pass: word(PWD_LEN),
    }
}

/// The engine's parser sees text from strangers. Should it panic, that is a refusal like any other.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, SdpError> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(SdpError::Refused),
        Err(_) => Err(SdpError::Refused("the parser failed".into())),
    }
}
