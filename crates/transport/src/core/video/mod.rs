//! The video section of one peer connection: what the engine is set up with and what negotiation left of it.
//! Frames are cut and joined in `crate::video`; here packets go between that and the engine.

mod receiving;
mod sending;

use std::sync::Arc;
use std::time::Instant;

use str0m::format::Codec;
use str0m::media::{Frequency, MediaKind, Mid, Pt};
use str0m::rtp::{Extension, Ssrc};
use str0m::{Rtc, RtcConfig};

use super::PeerCore;
use crate::config::PeerConfig;
use crate::shared::PeerShared;
use crate::video::{
    Assembler, Direction, Estimator, Packetizer, TrackShared, VideoCodec, VideoConfig, VideoTrack,
};

/// Payload types of our offers, repairs beside them. Constrained baseline first: everyone decodes it.
const VP8: (u8, u8) = (96, 97);
const H264: [(u8, u8, u32); 2] = [(108, 109, 0x42_e01f), (127, 121, 0x42_001f)];

/// See the module.
pub(super) struct Video {
    mid: Mid,
    pub(super) track: Arc<TrackShared>,
    /// Negotiated payload types, in the order of preference.
    payload_types: Vec<(Pt, VideoCodec)>,
    /// Both sides measure by transport-wide feedback; otherwise the receiver says by REMB what it can take.
    transport_cc: bool,
    sequence: u64,
    packetizer: Packetizer,
    assembler: Assembler,
    /// What the peer may send.
    estimator: Estimator,
    /// What send times are compared with.
    epoch: Instant,
    /// When the peer last said by REMB what we may send.
    remb_at: Option<Instant>,
    /// The last turn.
    turned: Option<Instant>,
    /// The source frames come from.
    source: Option<Ssrc>,
    /// The engine's pacer was set to this, bit/s.
    rate: u64,
    /// The pacer is taken away for a while.
    unpaced: bool,
    /// Share of packets lost on their way to the peer, over the last second and over the last few.
    loss: f64,
    usual_loss: f64,
    /// After heavy loss: no more than this, bit/s, and not changed before then.
    guard: Option<(f64, Instant)>,
    /// The last keyframe left the encoder then.
    keyframe_at: Option<Instant>,
    /// No keyframe is asked for before.
    next_request: Option<Instant>,
}

impl Video {
    /// What negotiation left of the video section; nothing when it is inactive or has no codec of ours.
    pub(super) fn negotiated(
        now: Instant,
        rtc: &Rtc,
        mid: Mid,
        config: &VideoConfig,
        order: &[VideoCodec],
        shared: &PeerShared,
    ) -> Option<Video> {
        let media = rtc.media(mid).filter(|m| !m.disabled())?;
        let direction = match media.direction() {
            str0m::media::Direction::SendRecv => Direction::SendRecv,
            str0m::media::Direction::SendOnly => Direction::SendOnly,
            str0m::media::Direction::RecvOnly => Direction::RecvOnly,
            str0m::media::Direction::Inactive => return None,
        };
        let params = rtc.codec_config().params();
        let mut transport_cc = false;
        let mut payload_types = Vec::new();
        for pt in media.remote_pts() {
            let Some(param) = params.iter().find(|p| p.pt() == *pt) else {
                continue;
            };
            transport_cc |= param.fb_transport_cc();
            payload_types.extend(codec(param.spec().codec).map(|codec| (*pt, codec)));
        }
        let mut codecs = order.to_vec();
        codecs.retain(|codec| payload_types.iter().any(|(_, known)| known == codec));
        if codecs.is_empty() {
            return None;
        }
        transport_cc &= media
            .remote_extmap()
            .id_of(Extension::TransportSequenceNumber)
            .is_some();
        let track = Arc::new(TrackShared::new(config, direction, codecs));
        shared.set_video(track.clone());
        let rate = u64::from(track.limits.start);
        Some(Video {
            mid,
            track,
            payload_types,
            transport_cc,
            sequence: u64::from(rand::random::<u16>() >> 1),
            packetizer: Packetizer::new(rand::random()),
            assembler: Assembler::new(),
            estimator: Estimator::new(config.bitrate.ordered()),
            epoch: now,
            remb_at: None,
            turned: None,
            source: None,
            rate,
            unpaced: false,
            loss: 0.0,
            usual_loss: 0.0,
            guard: None,
            keyframe_at: None,
            next_request: None,
        })
    }
}

impl PeerCore {
    /// The video track, when negotiation left one.
    pub fn video(&self) -> Option<VideoTrack> {
        self.shared.video_track()
    }

    pub(super) fn open_video(&mut self) {
        if let Some(video) = &self.video {
            video.track.open();
            self.configure_sending();
        }
    }

    /// Everything that is due for video.
    pub(super) fn video_turn(&mut self, now: Instant, sink: &mut super::Sink<'_>) {
        if self.video.is_none() || !self.connected || self.ending.is_some() {
            return;
        }
        if let Some(video) = &mut self.video {
            video.turned = Some(now);
        }
        self.deliver_frames(now);
        self.request_keyframe(now);
        self.tell_estimate(now);
        self.send_frames(now, sink);
        self.pace(now, sink);
        self.measure_backlog(now);
    }

    pub(super) fn video_deadline(&self) -> Option<Instant> {
        let video = self.video.as_ref()?;
        let later = |at: &Instant| video.turned.is_none_or(|turned| *at > turned);
        // Not before it may be asked; whatever comes later is noticed with a packet.
        let ask = video.assembler.doubtful_at();
        let ask = ask.filter(|at| video.next_request.is_none_or(|next| *at > next));
        [video.assembler.deadline(), ask]
            .into_iter()
            .flatten()
            .filter(later)
            .min()
    }

    pub(super) fn has_video_work(&self) -> bool {
        self.video.as_ref().is_some_and(|v| v.track.has_work())
    }
}

/// Codecs for the engine: those of `order`, or all it knows when the section only has to be answered.
pub(super) fn configure(
    options: RtcConfig,
    config: &PeerConfig,
    order: &[VideoCodec],
) -> RtcConfig {
    let Some(video) = &config.video else {
        return options.enable_vp8(true).enable_h264(true);
    };
    if video.direction() == Direction::Inactive {
        return options.enable_vp8(true).enable_h264(true);
    }
    let start = video.bitrate.ordered().start;
    let mut options = options
        .set_rtp_mode(true)
        .set_stats_interval(Some(sending::STATS_INTERVAL))
        .enable_bwe(Some(str0m::bwe::Bitrate::bps(u64::from(start))));
    let codecs = options.codec_config();
    for codec in order {
        match codec {
            VideoCodec::Vp8 => codecs.add_config(
                VP8.0.into(),
                Some(VP8.1.into()),
                Codec::Vp8,
                Frequency::NINETY_KHZ,
                None,
                Default::default(),
            ),
            VideoCodec::H264 => {
                for (pt, repair, profile) in H264 {
                    codecs.add_h264(pt.into(), Some(repair.into()), true, profile);
                }
            }
        }
    }
    options
}

/// Adds our video section to an offer.
pub(super) fn offer(api: &mut str0m::change::SdpApi<'_>, config: &VideoConfig) -> Option<Mid> {
    let direction = match config.direction() {
        Direction::SendRecv => str0m::media::Direction::SendRecv,
        Direction::SendOnly => str0m::media::Direction::SendOnly,
        Direction::RecvOnly => str0m::media::Direction::RecvOnly,
        Direction::Inactive => return None,
    };
    Some(api.add_media(MediaKind::Video, direction, None, None, None))
}

fn codec(codec: Codec) -> Option<VideoCodec> {
    match codec {
        Codec::Vp8 => Some(VideoCodec::Vp8),
        Codec::H264 => Some(VideoCodec::H264),
        _ => None,
    }
}
