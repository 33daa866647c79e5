//! The media crate's names of the transport's codecs: neither crate may know the other.
//! Not here: which codec is used.

use framewire_media::VideoCodec as MediaCodec;
use framewire_transport::VideoCodec;

pub(super) fn media_codec(codec: VideoCodec) -> MediaCodec {
    match codec {
        VideoCodec::Vp8 => MediaCodec::Vp8,
        VideoCodec::H264 => MediaCodec::H264,
    }
}
