//! What a user can say about video: codecs, direction, bitrates.
//! How it is written into a session description is in `sdp`.

use std::fmt;
use std::time::Duration;

/// A video codec this transport can carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VideoCodec {
    /// VP8 (RFC 7741).
    Vp8,
    /// H.264 (RFC 6184, packetization mode 1), as Annex B.
    H264,
}

impl fmt::Display for VideoCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            VideoCodec::Vp8 => "VP8",
            VideoCodec::H264 => "H264",
        })
    }
}

/// Which way video flows, as seen from our side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Both ways.
    SendRecv,
    /// From us to the peer.
    SendOnly,
    /// From the peer to us.
    RecvOnly,
    /// Not at all.
    Inactive,
}

impl Direction {
    pub(crate) fn new(send: bool, receive: bool) -> Direction {
        match (send, receive) {
            (true, true) => Direction::SendRecv,
            (true, false) => Direction::SendOnly,
            (false, true) => Direction::RecvOnly,
            (false, false) => Direction::Inactive,
        }
    }

    /// Whether we may send.
    pub fn can_send(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::SendOnly)
    }

    /// Whether the peer may send.
    pub fn can_receive(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::RecvOnly)
    }

    /// The same seen from the other side.
    pub fn reversed(self) -> Direction {
        Direction::new(self.can_receive(), self.can_send())
    }

    /// What both allow.
    pub(crate) fn and(self, other: Direction) -> Direction {
        Direction::new(
            self.can_send() && other.can_send(),
            self.can_receive() && other.can_receive(),
        )
    }
}

/// Bit rates an encoder is steered between, in bit/s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BitrateLimits {
    /// Used until the network has been measured.
    pub start: u32,
    /// Never less, however bad the network.
    pub floor: u32,
    /// Never more, however good the network.
    pub ceiling: u32,
}

impl Default for BitrateLimits {
    fn default() -> BitrateLimits {
        BitrateLimits {
            start: 1_500_000,
            floor: 100_000,
            ceiling: 4_000_000,
        }
    }
}

/// The bit rates are not in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "bit rates must satisfy {min} <= floor {floor} <= start {start} <= ceiling {ceiling} <= {max}",
    min = BitrateLimits::MIN, max = BitrateLimits::MAX
)]
pub struct InvalidBitrates {
    /// The start given.
    pub start: u32,
    /// The floor given.
    pub floor: u32,
    /// The ceiling given.
    pub ceiling: u32,
}

impl BitrateLimits {
    /// The lowest floor: below it no picture is worth its packets.
    pub const MIN: u32 = 30_000;
    /// The highest ceiling.
    pub const MAX: u32 = 100_000_000;

    /// Limits in order: floor, then start, then ceiling, between [`BitrateLimits::MIN`] and [`BitrateLimits::MAX`].
    pub fn new(start: u32, floor: u32, ceiling: u32) -> Result<BitrateLimits, InvalidBitrates> {
        if (BitrateLimits::MIN..=start).contains(&floor)
            && (start..=BitrateLimits::MAX).contains(&ceiling)
        {
            Ok(BitrateLimits {
                start,
                floor,
                ceiling,
            })
        } else {
            Err(InvalidBitrates {
                start,
                floor,
                ceiling,
            })
        }
    }

    /// The fields are public: whatever they are, what is used is in order.
    pub(crate) fn ordered(self) -> BitrateLimits {
        let floor = self.floor.clamp(BitrateLimits::MIN, BitrateLimits::MAX);
        let ceiling = self.ceiling.clamp(floor, BitrateLimits::MAX);
        BitrateLimits {
            start: self.start.clamp(floor, ceiling),
            floor,
            ceiling,
        }
    }

    pub(crate) fn clamp(self, bitrate: u64) -> u32 {
        u32::try_from(bitrate)
            .unwrap_or(u32::MAX)
            .clamp(self.floor, self.ceiling)
    }
}

/// What one end is willing to do with video.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VideoConfig {
    /// Send video.
    pub send: bool,
    /// Receive video.
    pub receive: bool,
    /// Codecs, best first. An answer keeps the offerer's order of those named here.
    pub codecs: Vec<VideoCodec>,
    /// Between which bit rates our encoder is steered, and what an original peer is asked to send.
    pub bitrate: BitrateLimits,
    /// How late a frame may leave: with more than this waiting, [`VideoTrack::has_room`](crate::VideoTrack::has_room)
    /// is false.
    pub max_wait: Duration,
    /// Frames received and not taken yet; above it everything up to the next keyframe is dropped.
    pub max_frames: usize,
    /// Bytes of these frames, likewise: 16 MiB unless changed, two seconds at the highest rates.
    pub max_frame_bytes: usize,
}

impl Default for VideoConfig {
    fn default() -> VideoConfig {
        VideoConfig {
            send: true,
            receive: true,
            codecs: vec![VideoCodec::Vp8, VideoCodec::H264],
            bitrate: BitrateLimits::default(),
            max_wait: Duration::from_millis(100),
            max_frames: 60,
            max_frame_bytes: 16 * 1024 * 1024,
        }
    }
}

impl VideoConfig {
    /// Whether we send.
    pub fn with_send(mut self, on: bool) -> Self {
        self.send = on;
        self
    }

    /// Whether we receive.
    pub fn with_receive(mut self, on: bool) -> Self {
        self.receive = on;
        self
    }

    /// Replaces the codecs, best first. An empty list means the default.
    pub fn with_codecs(mut self, codecs: Vec<VideoCodec>) -> Self {
        self.codecs = codecs;
        self
    }

    /// Sets the bit rates.
    pub fn with_bitrate(mut self, limits: BitrateLimits) -> Self {
        self.bitrate = limits;
        self
    }

    /// Sets how late a frame may leave.
    pub fn with_max_wait(mut self, wait: Duration) -> Self {
        self.max_wait = wait;
        self
    }

    /// Sets how many received frames may wait to be taken; at least 1.
    pub fn with_max_frames(mut self, frames: usize) -> Self {
        self.max_frames = frames;
        self
    }

    /// Sets how many received frames, and bytes of them, may wait to be taken: more where none may be lost.
    pub fn with_receive_queue(mut self, frames: usize, bytes: usize) -> Self {
        self.max_frames = frames;
        self.max_frame_bytes = bytes;
        self
    }

    pub(crate) fn direction(&self) -> Direction {
        Direction::new(self.send, self.receive)
    }

    /// The codecs without repetitions; never empty.
    pub(crate) fn codec_order(&self) -> Vec<VideoCodec> {
        let mut order = Vec::with_capacity(2);
        for codec in &self.codecs {
            if !order.contains(codec) {
                order.push(*codec);
            }
        }
        if order.is_empty() {
            order = VideoConfig::default().codecs;
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_reverse_and_intersect() {
        use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
        assert_eq!(SendOnly.reversed(), RecvOnly);
        assert_eq!(SendRecv.reversed(), SendRecv);
        assert_eq!(SendRecv.and(RecvOnly), RecvOnly);
        assert_eq!(SendOnly.and(RecvOnly), Inactive);
        assert_eq!(Inactive.reversed(), Inactive);
    }

    #[test]
    fn bit_rates_out_of_order_are_refused_and_fields_are_put_in_order() {
        assert!(BitrateLimits::new(500_000, 100_000, 1_000_000).is_ok());
        assert!(BitrateLimits::new(50_000, 100_000, 1_000_000).is_err());
        assert!(BitrateLimits::new(2_000_000, 100_000, 1_000_000).is_err());
        assert!(BitrateLimits::new(100, 10, 1_000).is_err());
        let odd = BitrateLimits {
            start: 9,
            floor: 8_000_000,
            ceiling: 7,
        };
        let used = odd.ordered();
        assert!(used.floor <= used.start && used.start <= used.ceiling);
    }
}
