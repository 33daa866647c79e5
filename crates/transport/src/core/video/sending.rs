//! Frames out: cutting, handing to the engine's pacer, and the bit rate the network allows.
//! The pacer and the estimate from transport-wide feedback are the engine's.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use str0m::bwe::{Bitrate, BweKind};
use str0m::rtp::RtpWrite;
use str0m::stats::{MediaEgressStats, MediaIngressStats, PeerStats};

use super::super::{PeerCore, Sink};
use crate::stats::add;
use crate::video::LOST_RATE;

/// How often the engine counts.
pub(super) const STATS_INTERVAL: Duration = Duration::from_millis(250);
/// Packets kept for repair, and for how long: a second is ten times what a receiver waits.
const REPAIR_PACKETS: usize = 2_000;
const REPAIR_AGE: Duration = Duration::from_secs(1);
/// Share of what is sent that may be repairs; a fifth of the packets lost costs a fifth, and their repairs get lost too.
const REPAIR_SHARE: f32 = 0.4;
/// The pacer sends this much faster than the encoder's target, so that a keyframe is not late. With transport-wide
/// feedback the engine looks for this much capacity and paces at what it found.
const PACING: f64 = 2.5;
/// What the pacer sends with, compared with what it is told.
const ENGINE_PACING: f64 = 1.1;
/// Share of the estimate that the encoder gets; the rest is for repairs and headers.
const PAYLOAD_SHARE: f64 = 0.95;
/// A wish of the engine to be called again so soon means at once: it says one microsecond.
const AT_ONCE: Duration = Duration::from_micros(10);
/// Below this many times the floor the pacer is not used: it would hold back what the floor promises.
const UNPACED_BELOW: f64 = 1.5;
/// Nor when it holds something for this many times the allowed wait: the estimate fell after it was given much.
const UNPACED_WAIT: u32 = 2;
/// How much the target grows in a quarter of a second at most.
const GROWTH: f64 = 1.3;
/// What the loss of a quarter of a second counts against what was before.
const LOSS_SMOOTHING: f64 = 0.25;
/// The loss the encoder makes room for; beyond it repairs no longer help.
const MAX_LOSS: f64 = 0.4;
/// Beyond this loss the network plainly carries less than is sent: the encoder gets what arrives, before the engine's
/// estimate has come down, and more again as slowly as this a quarter of a second.
const HEAVY_LOSS: f64 = 0.25;
const GUARD_FOR: Duration = Duration::from_secs(1);
const GUARD_GROWTH: f64 = 1.02;
/// How long a REMB limits us beside transport-wide feedback.
const REMB_VALID: Duration = Duration::from_millis(2_500);
/// A request for a keyframe this soon after one, and a round trip, was made without knowing of it.
const KEYFRAME_UNDER_WAY: Duration = Duration::from_millis(20);
/// Rounds of the pacer in one turn: it hands out one packet a round.
const MAX_ROUNDS: usize = 512;

impl PeerCore {
    pub(super) fn configure_sending(&mut self) {
        let Some(video) = &self.video else {
            return;
        };
        if !video.track.direction.can_send() {
            return;
        }
        let (mid, limits) = (video.mid, video.track.limits);
        if let Some(stream) = self.rtc.direct_api().stream_tx_by_mid(mid, None) {
            stream.set_rtx_cache(REPAIR_PACKETS, REPAIR_AGE, Some(REPAIR_SHARE));
        }
        if video.transport_cc {
            let desired = Bitrate::bps((f64::from(limits.ceiling) * PACING) as u64);
            self.rtc.bwe().set_bitrate(Bitrate::ZERO, desired);
        } else {
            self.pace_for(limits.start);
        }
    }

    /// Without transport-wide feedback the engine never changes its pace by itself.
    fn pace_for(&mut self, target: u32) {
        let rate = (f64::from(target) * PACING) as u64;
        if let Some(video) = &mut self.video {
            video.rate = (rate as f64 * ENGINE_PACING) as u64;
        }
        let mut bwe = self.rtc.bwe();
        bwe.reset(Bitrate::bps(rate));
        // The pace is worked out anew only when the wanted rate is said.
        bwe.set_bitrate(Bitrate::ZERO, Bitrate::bps(rate));
    }

    /// Hands queued frames to the engine.
    pub(super) fn send_frames(&mut self, now: Instant, sink: &mut Sink<'_>) {
        let mut wrote = false;
        while let Some(video) = &mut self.video {
            let Some(frame) = video.track.outgoing.pop() else {
                break;
            };
            let known = video.payload_types.iter().find(|(_, c)| *c == frame.codec);
            let Some(pt) = known.map(|(pt, _)| *pt) else {
                continue;
            };
            let payloads = video.packetizer.cut(frame.codec, &frame.data);
            let mut api = self.rtc.direct_api();
            let Some(stream) = api.stream_tx_by_mid(video.mid, None) else {
                break;
            };
            let count = payloads.len();
            let first = payloads.first();
            if first.is_some_and(|p| crate::video::is_key(frame.codec, p)) {
                video.keyframe_at = Some(now);
            }
            for (index, payload) in payloads.into_iter().enumerate() {
                let packet = RtpWrite::new(
                    pt,
                    video.sequence.into(),
                    frame.rtp_time,
                    frame.captured.min(now),
                    payload,
                );
                stream.write_rtp(packet.marker(index + 1 == count).nackable(true));
                video.sequence += 1;
            }
            let counters = &video.track.counters;
            add(&counters.frames_sent, 1);
            add(&counters.bytes_sent, frame.data.len());
            add(&counters.packets_sent, count);
            wrote = true;
        }
        if wrote {
            self.tell_time(now, sink);
            self.drain(sink);
        }
    }

    /// Lets the pacer hand out what it has for this moment. It asks to be called again after each packet; the driver
    /// does that once a millisecond, which would spread a large frame over many of them.
    pub(super) fn pace(&mut self, now: Instant, sink: &mut Sink<'_>) {
        let mut idle = 0;
        for _ in 0..MAX_ROUNDS {
            if self.engine_deadline > now + AT_ONCE || self.ending.is_some() {
                break;
            }
            self.tell_time(now, sink);
            idle = if self.drain(sink) == 0 { idle + 1 } else { 0 };
            if idle > 2 {
                break;
            }
        }
    }

    /// Notes what the engine still holds, and takes its pacer away when that would make frames late.
    pub(super) fn measure_backlog(&mut self, now: Instant) {
        let Some(video) = &mut self.video else {
            return;
        };
        if !video.track.direction.can_send() {
            return;
        }
        let mut api = self.rtc.direct_api();
        let Some(stream) = api.stream_tx_by_mid(video.mid, None) else {
            return;
        };
        let info = stream.queue_info();
        let queued = info.map_or(0, |info| info.byte_size());
        let oldest = info.and_then(|info| info.first_unsent());
        let age = oldest.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        let outgoing = &video.track.outgoing;
        outgoing.set_engine(queued, video.rate);
        let slow = f64::from(video.track.limits.floor) * UNPACED_BELOW;
        let unpaced = (video.rate as f64) < slow
            || age > outgoing.max_wait() * UNPACED_WAIT
            || (video.unpaced && queued > 0);
        if video.unpaced != unpaced {
            video.unpaced = unpaced;
            stream.set_unpaced(unpaced);
        }
    }

    pub(in crate::core) fn bitrate_event(&mut self, kind: BweKind) {
        let Some(video) = &mut self.video else {
            return;
        };
        let track = &video.track;
        match kind {
            BweKind::Twcc { estimate, .. } if video.transport_cc => {
                let estimate = estimate.as_f64();
                let known = estimate.min(f64::from(u32::MAX)) as u32;
                track.twcc_estimate.store(known, Ordering::Relaxed);
                video.rate = (estimate * ENGINE_PACING) as u64;
                self.set_target(self.engine_now, 1.0);
            }
            BweKind::Remb { estimate, .. } => {
                let estimate = estimate.as_f64().min(f64::from(u32::MAX)) as u32;
                track
                    .remb_received
                    .store(estimate.max(1), Ordering::Relaxed);
                video.remb_at = Some(self.engine_now);
                if video.transport_cc {
                    self.set_target(self.engine_now, 1.0);
                } else {
                    let target = track.limits.clamp(u64::from(estimate));
                    let before = track.target.swap(target, Ordering::Relaxed);
                    if before != target {
                        self.pace_for(target);
                    }
                }
            }
            _ => {}
        }
    }

    /// From the estimate and the loss: repairs take their share of what the network carries. More than before only by
    /// this factor, so that loss is known before much is sent.
    fn set_target(&mut self, now: Instant, growth: f64) {
        let Some(video) = self.video.as_ref().filter(|v| v.transport_cc) else {
            return;
        };
        let track = &video.track;
        let estimate = f64::from(track.twcc_estimate.load(Ordering::Relaxed));
        if estimate > 0.0 {
            let loss = video.usual_loss.clamp(0.0, MAX_LOSS);
            let share = PAYLOAD_SHARE * (1.0 - loss * 1.25);
            let bearable = LOST_RATE / loss.max(f64::EPSILON);
            let guard = video.guard.map_or(f64::INFINITY, |(rate, _)| rate);
            // The receiver notices a queue before the engine does. It goes on saying so while it matters.
            let fresh = video.remb_at.is_some_and(|at| now < at + REMB_VALID);
            let told = track.remb_received.load(Ordering::Relaxed);
            let told = if fresh {
                f64::from(told)
            } else {
                f64::INFINITY
            };
            let most = f64::from(track.target.load(Ordering::Relaxed)) * growth;
            let target = (estimate * share).min(bearable).min(guard).min(told);
            let target = target.min(most);
            let target = track.limits.clamp(target as u64);
            track.target.store(target, Ordering::Relaxed);
        }
    }

    /// Follows heavy loss at once: the engine takes seconds.
    fn set_guard(&mut self, now: Instant) {
        let Some(video) = &mut self.video else {
            return;
        };
        let loss = video.loss;
        let target = f64::from(video.track.target.load(Ordering::Relaxed));
        match video.guard {
            _ if loss > HEAVY_LOSS && video.guard.is_none_or(|(_, until)| now >= until) => {
                video.guard = Some((target * (1.0 - loss), now + GUARD_FOR));
            }
            Some((rate, until)) if now >= until => {
                let estimate = video.track.twcc_estimate.load(Ordering::Relaxed);
                let rate = rate.max(f64::from(video.track.limits.floor)) * GUARD_GROWTH;
                video.guard = (rate < f64::from(estimate)).then_some((rate, until));
            }
            _ => {}
        }
    }

    pub(in crate::core) fn keyframe_wanted(&mut self) {
        let now = self.engine_now;
        if let Some(video) = &self.video {
            add(&video.track.counters.keyframe_requests_received, 1);
            let rtt = Duration::from_micros(video.track.rtt_us.load(Ordering::Relaxed));
            let waiting = video.track.outgoing.wait();
            let under_way = rtt + waiting + KEYFRAME_UNDER_WAY;
            if video.keyframe_at.is_none_or(|at| now >= at + under_way) {
                video.track.want_keyframe();
            }
        }
    }

    pub(in crate::core) fn peer_stats(&mut self, stats: &PeerStats) {
        if let Some(video) = &mut self.video {
            video.loss = f64::from(stats.egress_loss_fraction.unwrap_or(0.0));
            video.usual_loss += (video.loss - video.usual_loss) * LOSS_SMOOTHING;
        }
        let at = stats.timestamp;
        self.set_guard(at);
        self.set_target(at, GROWTH);
        if let Some(estimate) = stats.bwe_tx
            && let Some(video) = self.video.as_mut().filter(|v| v.transport_cc)
        {
            // What the pacer goes by; the events are smoothed.
            video.rate = (estimate.as_f64() * ENGINE_PACING) as u64;
        }
        let pair = stats.selected_candidate_pair.as_ref();
        if let Some(rtt) = pair.and_then(|p| p.current_round_trip_time).or(stats.rtt)
            && let Some(video) = &mut self.video
        {
            video.assembler.set_rtt(rtt);
            let us = u64::try_from(rtt.as_micros()).unwrap_or(u64::MAX).max(1);
            video.track.rtt_us.store(us, Ordering::Relaxed);
        }
    }

    pub(in crate::core) fn egress_stats(&mut self, stats: &MediaEgressStats) {
        if let Some(video) = self.video.as_ref().filter(|v| v.mid == stats.mid) {
            let counter = &video.track.counters.nacks_received;
            counter.store(stats.nacks, Ordering::Relaxed);
        }
    }

    pub(in crate::core) fn ingress_stats(&mut self, stats: &MediaIngressStats) {
        if let Some(video) = self.video.as_ref().filter(|v| v.mid == stats.mid) {
            let counter = &video.track.counters.nacks_sent;
            counter.store(stats.nacks, Ordering::Relaxed);
        }
    }
}
