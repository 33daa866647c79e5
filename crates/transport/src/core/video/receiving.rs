//! Packets in: to the assembler, its frames to the user's queue, and the asking for keyframes.
//! Repairs of single packets are asked for by the engine.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use str0m::bwe::Bitrate;
use str0m::media::KeyframeRequestKind;
use str0m::rtp::RtpPacket;

use super::super::PeerCore;
use crate::stats::add;
use crate::video::{Arrival, Estimator, Packet};

/// Between two requests for a keyframe, at least and at most; a round trip and a half in between.
const MIN_REQUEST_INTERVAL: Duration = Duration::from_millis(100);
const MAX_REQUEST_INTERVAL: Duration = Duration::from_millis(500);

/// What a packet's RTP header with extensions costs.
const PACKET_OVERHEAD: usize = 32;

impl PeerCore {
    /// The engine checked the packet's authenticity, put a repair in the place of what it repairs, and lets each
    /// through once.
    pub(in crate::core) fn video_packet(&mut self, packet: RtpPacket) {
        self.heard(self.engine_now);
        let ssrc = packet.header.ssrc;
        let Some(video) = &mut self.video else {
            return;
        };
        if !video.track.direction.can_receive() {
            return;
        }
        if video.source != Some(ssrc) {
            let mut api = self.rtc.direct_api();
            if api.stream_rx(&ssrc).is_none_or(|s| s.mid() != video.mid) {
                return;
            }
            if video.source.replace(ssrc).is_some() {
                video.assembler.restart();
                // Numbers and times of another source tell nothing about this one.
                video.estimator = Estimator::new(video.track.limits);
            }
        }
        let counters = &video.track.counters;
        add(&counters.packets_received, 1);
        let pt = packet.header.payload_type;
        let known = video.payload_types.iter().find(|(known, _)| *known == pt);
        let Some(codec) = known.map(|(_, codec)| *codec) else {
            add(&counters.packets_malformed, 1);
            return;
        };
        let arrived = packet.timestamp;
        let sent = packet.header.ext_vals.abs_send_time;
        video.estimator.packet(Arrival {
            at: arrived,
            // Only differences of it are used.
            sent: sent.map(|at| difference(at, video.epoch)),
            rtp_time: packet.header.timestamp,
            seq: *packet.seq_no,
            bytes: packet.payload.len() + PACKET_OVERHEAD,
        });
        video.assembler.packet(Packet {
            seq: *packet.seq_no,
            rtp_time: packet.header.timestamp,
            marker: packet.header.marker,
            codec,
            payload: packet.payload,
            received: arrived,
        });
        self.deliver_frames(self.engine_now);
    }

    pub(super) fn deliver_frames(&mut self, now: Instant) {
        let Some(video) = &mut self.video else {
            return;
        };
        let (track, counters) = (&video.track, &video.track.counters);
        while let Some(frame) = video.assembler.poll(now) {
            add(&counters.frames_received, 1);
            add(&counters.bytes_received, frame.data.len());
            add(&counters.keyframes_received, usize::from(frame.keyframe));
            let pushed = track.incoming.push(frame);
            add(&counters.dropped_late_consumer, pushed.dropped);
            if pushed.wants_keyframe {
                track.ask_keyframe();
            }
        }
        let losses = video.assembler.take_losses();
        for (counter, count) in [
            (&counters.packets_lost, losses.lost),
            (&counters.packets_late, losses.late),
            (&counters.packets_malformed, losses.malformed),
            (&counters.gaps, losses.gaps),
            (&counters.dropped_incomplete, losses.frames),
            (&counters.dropped_buffer_full, losses.overflowed),
        ] {
            counter.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// Asks the peer for a keyframe when the user did or nothing else helps.
    pub(super) fn request_keyframe(&mut self, now: Instant) {
        let Some(video) = &mut self.video else {
            return;
        };
        if video.next_request.is_some_and(|at| now < at) || video.source.is_none() {
            return;
        }
        let asked = video.track.take_asked_keyframe();
        if !asked && !video.assembler.wants_keyframe(now) {
            return;
        }
        let rtt = Duration::from_micros(video.track.rtt_us.load(Ordering::Relaxed));
        let interval =
            (MIN_REQUEST_INTERVAL + rtt * 3 / 2).clamp(MIN_REQUEST_INTERVAL, MAX_REQUEST_INTERVAL);
        let mid = video.mid;
        let mut api = self.rtc.direct_api();
        if let Some(stream) = api.stream_rx_by_mid(mid, None) {
            stream.request_keyframe(KeyframeRequestKind::Pli);
            video.next_request = Some(now + interval);
            add(&video.track.counters.keyframe_requests_sent, 1);
        }
    }

    /// Tells the peer what it may send. A peer with transport-wide feedback measures by itself and is told only while
    /// a queue stands or has just gone: its estimate comes down late.
    pub(super) fn tell_estimate(&mut self, now: Instant) {
        let Some(video) = self.video.as_mut().filter(|v| v.source.is_some()) else {
            return;
        };
        let Some(estimate) = video.estimator.poll(now) else {
            return;
        };
        if video.transport_cc && !video.estimator.is_limiting() {
            video.track.remb_sent.store(0, Ordering::Relaxed);
            return;
        }
        let mid = video.mid;
        let mut api = self.rtc.direct_api();
        if let Some(stream) = api.stream_rx_by_mid(mid, None) {
            stream.request_remb(Bitrate::bps(u64::from(estimate)));
            video.track.remb_sent.store(estimate, Ordering::Relaxed);
        }
    }
}

fn difference(at: Instant, epoch: Instant) -> f64 {
    match at.checked_duration_since(epoch) {
        Some(after) => after.as_secs_f64(),
        None => -epoch.duration_since(at).as_secs_f64(),
    }
}
