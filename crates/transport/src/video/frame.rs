//! Encoded frames on their way in and out.
//! Their bytes are one access unit: a VP8 frame, or H.264 NAL units with Annex B start codes.

use std::time::Instant;

use bytes::Bytes;

use super::VideoCodec;

/// A frame to send.
#[derive(Debug, Clone)]
pub struct OutgoingFrame {
    /// What it is encoded with; must be one of the track's codecs.
    pub codec: VideoCodec,
    /// The encoded frame. H.264: Annex B.
    pub data: Bytes,
    /// The RTP timestamp, 90 kHz. Goes on the wire as it is.
    pub rtp_time: u32,
    /// When the picture was captured; goes into sender reports.
    pub captured: Instant,
}

/// A frame received.
#[derive(Debug, Clone)]
pub struct IncomingFrame {
    /// What it is encoded with.
    pub codec: VideoCodec,
    /// The encoded frame. H.264: Annex B with four-byte start codes.
    pub data: Bytes,
    /// The RTP timestamp as it was on the wire, 90 kHz.
    pub rtp_time: u32,
    /// Whether it can be decoded without any frame before it.
    pub keyframe: bool,
    /// False when a frame since the last keyframe was lost, the first frame of all included: such a frame is worth
    /// decoding only if it is a keyframe itself.
    pub contiguous: bool,
    /// When its first packet came.
    pub first_packet: Instant,
    /// When its last missing packet came.
    pub completed: Instant,
}
