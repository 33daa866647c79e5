//! Puts received packets back into frames: in order, each as soon as it is complete, waiting a bounded time for repairs.
//! It is told packets and the time; which packets are asked for again is the engine's business.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::packet::{self, Place};
use super::{IncomingFrame, VideoCodec};

/// Packets kept while one before them is missing: more than 4 MB, or any single frame.
const MAX_PACKETS: usize = 4_096;
/// With more packets waiting than this, no real frame is under way, and looking through them is put off: until so many more
/// have come that each pays for a few steps, or so much time has passed.
const MANY: usize = 512;
const STEPS: usize = 32;
const LOOK: Duration = Duration::from_millis(5);
/// Shortest and longest wait for a missing packet.
const MIN_WAIT: Duration = Duration::from_millis(100);
const MAX_WAIT: Duration = Duration::from_millis(400);
/// What a repair costs beside round trips: the engine asks at most every 33 ms, and three times are waited for.
const ASKING: Duration = Duration::from_millis(110);

/// A received packet, repaired ones included.
#[derive(Debug)]
pub(crate) struct Packet {
    /// Does not wrap.
    pub(crate) seq: u64,
    pub(crate) rtp_time: u32,
    pub(crate) marker: bool,
    pub(crate) codec: VideoCodec,
    /// Empty for padding.
    pub(crate) payload: Arc<[u8]>,
    pub(crate) received: Instant,
}

/// What was lost, since the last call of [`Assembler::take_losses`].
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Losses {
    pub(crate) lost: u64,
    pub(crate) late: u64,
    pub(crate) malformed: u64,
    pub(crate) gaps: u64,
    pub(crate) frames: u64,
    pub(crate) overflowed: u64,
}

#[derive(Debug)]
pub(crate) struct Assembler {
    packets: BTreeMap<u64, Packet>,
    /// The first packet not handed over yet; none before the first begin of a frame.
    next: Option<u64>,
    /// Something since the last keyframe is missing.
    broken: bool,
    /// What is at `next` may be the middle of a frame.
    resync: bool,
    /// Parameter sets were seen, without which H.264 cannot start.
    parameters: bool,
    wait: Duration,
    deadline: Option<Instant>,
    /// When a missing packet becomes unlikely to come.
    doubtful: Option<Instant>,
    losses: Losses,
    /// Packets that came since the last look that found nothing, and when that was.
    fresh: usize,
    looked: Option<Instant>,
}

/// What lies at `next`.
enum Front {
    Nothing,
    Padding,
    /// Complete up to this packet.
    Frame(u64),
    /// This packet is missing and later ones are there.
    Hole(u64),
}

impl Assembler {
    pub(crate) fn new() -> Assembler {
        Assembler {
            packets: BTreeMap::new(),
            next: None,
            broken: true,
            resync: false,
            parameters: false,
            wait: MIN_WAIT,
            deadline: None,
            doubtful: None,
            losses: Losses::default(),
            fresh: 0,
            looked: None,
        }
    }

    /// The wait follows the round trip time: three tries of a repair should fit.
    pub(crate) fn set_rtt(&mut self, rtt: Duration) {
        self.wait = (ASKING + rtt * 3).clamp(MIN_WAIT, MAX_WAIT);
    }

    /// Whether the peer should be asked for a keyframe: nothing else helps and none is arriving, or the missing
    /// packet has been asked for so often that it will probably not come.
    pub(crate) fn wants_keyframe(&self, now: Instant) -> bool {
        let arriving = |p: &Packet| packet::is_key(p.codec, &p.payload);
        self.doubtful.is_some_and(|at| now >= at)
            || (self.broken && !self.packets.values().any(arriving))
    }

    /// When `poll` must be called even if no packet comes.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// When a keyframe may have to be asked for.
    pub(crate) fn doubtful_at(&self) -> Option<Instant> {
        self.doubtful
    }

    pub(crate) fn take_losses(&mut self) -> Losses {
        std::mem::take(&mut self.losses)
    }

    /// The peer started over with another source: nothing of the old one matters.
    pub(crate) fn restart(&mut self) {
        self.packets.clear();
        self.next = None;
        self.broken = true;
        self.resync = false;
        self.parameters = false;
        self.deadline = None;
        self.doubtful = None;
    }

    /// Packets held.
    pub(crate) fn held(&self) -> usize {
        self.packets.len()
    }

    pub(crate) fn packet(&mut self, packet: Packet) {
        if self.next.is_some_and(|next| packet.seq < next) {
            self.losses.late += 1;
            return;
        }
        let padding = packet.payload.is_empty();
        if !padding && packet::place(packet.codec, &packet.payload) == Place::Malformed {
            // It stays missing: what it was part of cannot be decoded.
            self.losses.malformed += 1;
            return;
        }
        if self.packets.len() >= MAX_PACKETS {
            self.losses.overflowed += self.packets.len() as u64;
            self.packets.clear();
            self.next = Some(packet.seq);
            self.broken = true;
            self.resync = true;
        }
        // The first of several stays: a copy must not prolong the wait for what is missing before it.
        self.packets.entry(packet.seq).or_insert(packet);
        self.fresh += 1;
    }

    /// The next frame, if one is complete and in order, or what was missing before it was waited for long enough.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<IncomingFrame> {
        let again = self.looked.map(|at| at + LOOK);
        let few = self.packets.len() <= MANY || self.fresh > self.packets.len() / STEPS;
        if let Some(again) = again.filter(|again| now < *again && !few) {
            self.deadline = Some(self.deadline.map_or(again, |at| at.min(again)));
            return None;
        }
        let frame = self.look(now);
        // A frame may be followed by another one.
        self.looked = frame.is_none().then_some(now);
        self.fresh = 0;
        frame
    }

    fn look(&mut self, now: Instant) -> Option<IncomingFrame> {
        self.deadline = None;
        self.doubtful = None;
        loop {
            let next = self.start()?;
            match self.front(next) {
                Front::Nothing => return None,
                Front::Padding => {
                    self.packets.remove(&next);
                    self.next = Some(next + 1);
                }
                Front::Frame(last) => {
                    if let Some(frame) = self.take(next, last) {
                        return Some(frame);
                    }
                }
                Front::Hole(hole) => {
                    let keyframe = self.complete_keyframe(hole);
                    if keyframe.is_none() {
                        let since = self.packets.range(hole..).map(|(_, p)| p.received).min()?;
                        if now < since + self.wait {
                            self.deadline = Some(since + self.wait);
                            self.doubtful = Some(since + self.wait * 3 / 5);
                            return None;
                        }
                    }
                    self.skip(next, hole, keyframe);
                }
            }
        }
    }

    /// Where reading goes on; before the first frame, where a frame begins.
    fn start(&mut self) -> Option<u64> {
        if self.next.is_none() {
            let begin = self.packets.values().find(|p| is_head(p))?.seq;
            self.packets = self.packets.split_off(&begin);
            self.next = Some(begin);
        }
        self.next
    }

    fn front(&self, next: u64) -> Front {
        let mut time = None;
        for (expected, (&seq, packet)) in (next..).zip(self.packets.range(next..)) {
            if seq != expected {
                return Front::Hole(expected);
            }
            match time {
                None if packet.payload.is_empty() => return Front::Padding,
                None => time = Some(packet.rtp_time),
                // A new time ends a frame whose marker was forgotten; padding has any time.
                Some(time) if time != packet.rtp_time && !packet.payload.is_empty() => {
                    return Front::Frame(expected - 1);
                }
                Some(_) => {}
            }
            if packet.marker {
                return Front::Frame(seq);
            }
        }
        Front::Nothing
    }

    fn take(&mut self, first: u64, last: u64) -> Option<IncomingFrame> {
        let rest = self.packets.split_off(&(last + 1));
        let packets = std::mem::replace(&mut self.packets, rest);
        self.next = Some(last + 1);
        let head = packets.get(&first)?;
        if std::mem::take(&mut self.resync) && !is_head(head) {
            // The end of a frame whose begin was lost.
            self.resync = !packets.get(&last).is_some_and(|p| p.marker);
            self.losses.frames += 1;
            return None;
        }
        let payloads = packets
            .values()
            .map(|p| &*p.payload)
            .filter(|p| !p.is_empty());
        let Some(joined) = packet::join(head.codec, payloads) else {
            self.losses.frames += 1;
            self.broken = true;
            return None;
        };
        self.parameters |= joined.parameters;
        let keyframe = joined.keyframe && (head.codec == VideoCodec::Vp8 || self.parameters);
        let contiguous = !self.broken;
        self.broken &= !keyframe;
        let received = packets.values().map(|p| p.received);
        Some(IncomingFrame {
            codec: head.codec,
            data: joined.data.into(),
            rtp_time: head.rtp_time,
            keyframe,
            contiguous,
            first_packet: received.clone().min().unwrap_or(head.received),
            completed: received.max().unwrap_or(head.received),
        })
    }

    /// A keyframe behind the hole that is complete: it makes waiting pointless.
    fn complete_keyframe(&self, hole: u64) -> Option<u64> {
        let mut begin = None;
        let mut expected = 0;
        for (&seq, packet) in self.packets.range(hole..) {
            if seq != expected {
                begin = None;
            }
            if is_head(packet) && begin.is_none() && packet::is_key(packet.codec, &packet.payload) {
                begin = Some(seq);
            }
            if packet.marker {
                if begin.is_some() {
                    return begin;
                }
                begin = None;
            }
            expected = seq + 1;
        }
        None
    }

    /// Gives up what is missing at `hole`: reading goes on where a frame begins.
    fn skip(&mut self, next: u64, hole: u64, keyframe: Option<u64>) {
        let begin = keyframe.or_else(|| {
            let after = self.packets.range(hole..);
            after.map(|(_, p)| p).find(|p| is_head(p)).map(|p| p.seq)
        });
        let end = self
            .packets
            .last_key_value()
            .map_or(hole, |(seq, _)| seq + 1);
        let to = begin.unwrap_or(end);
        let rest = self.packets.split_off(&to);
        let dropped = std::mem::replace(&mut self.packets, rest);
        self.losses.gaps += 1;
        self.losses.lost += (to - next) - dropped.len() as u64;
        let mut times: Vec<u32> = dropped.values().map(|p| p.rtp_time).collect();
        times.dedup();
        self.losses.frames += times.len() as u64;
        self.next = Some(to);
        self.broken = true;
        self.resync = true;
    }
}

fn is_head(packet: &Packet) -> bool {
    packet::place(packet.codec, &packet.payload) == Place::Head
}

#[cfg(test)]
mod tests;
