//! Cutting encoded frames into RTP payloads and reading payloads again: VP8 (RFC 7741) and H.264 (RFC 6184).
//! Sequence numbers, time stamps and repair are not here.

mod h264;
mod vp8;

use bytes::Bytes;

use super::VideoCodec;

/// Bytes of one RTP payload. With RTP and UDP headers, header extensions, SRTP and TURN around it a packet stays
/// below the 1280 bytes that every IPv6 path takes.
pub(crate) const MAX_PAYLOAD: usize = 1_100;

/// Cuts frames of one track.
#[derive(Debug)]
pub(crate) struct Packetizer {
    /// VP8's counter of pictures, 15 bits.
    picture: u16,
}

impl Packetizer {
    pub(crate) fn new(picture: u16) -> Packetizer {
        Packetizer {
            picture: picture & 0x7fff,
        }
    }

    /// The payloads of one frame, in order. Empty when the frame holds nothing that can be sent.
    pub(crate) fn cut(&mut self, codec: VideoCodec, frame: &Bytes) -> Vec<Vec<u8>> {
        match codec {
            VideoCodec::Vp8 => {
                self.picture = (self.picture + 1) & 0x7fff;
                vp8::cut(frame, self.picture)
            }
            VideoCodec::H264 => h264::cut(frame),
        }
    }
}

/// What one payload says about its place in a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// It begins a frame.
    Head,
    /// It may lie anywhere but at the begin.
    Middle,
    /// It is no valid payload.
    Malformed,
}

/// Looks at one payload alone.
pub(crate) fn place(codec: VideoCodec, payload: &[u8]) -> Place {
    match codec {
        VideoCodec::Vp8 => vp8::place(payload),
        VideoCodec::H264 => h264::place(payload),
    }
}

/// A frame put together again.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Joined {
    pub(crate) data: Vec<u8>,
    pub(crate) keyframe: bool,
    /// H.264 parameter sets are in it.
    pub(crate) parameters: bool,
}

/// Whether a keyframe begins with this payload; only a hint for H.264, where parameter sets say it.
pub(crate) fn is_key(codec: VideoCodec, payload: &[u8]) -> bool {
    match codec {
        VideoCodec::Vp8 => vp8::is_key(payload),
        VideoCodec::H264 => h264::is_key(payload),
    }
}

/// Joins the payloads of one frame, all present and in order; none when they do not fit together.
pub(crate) fn join<'a>(
    codec: VideoCodec,
    payloads: impl Iterator<Item = &'a [u8]>,
) -> Option<Joined> {
    match codec {
        VideoCodec::Vp8 => vp8::join(payloads),
        VideoCodec::H264 => h264::join(payloads),
    }
}
