//! Frames that are valid to the transport and tell their number, codec and size; no decoder would take them.

use bytes::Bytes;
use framewire_transport::VideoCodec;

/// A frame of about `size` bytes that carries `number`.
pub(crate) fn encoded(codec: VideoCodec, number: u32, keyframe: bool, size: usize) -> Bytes {
    let body = |len: usize| (0..len).map(move |n| ((n * 31 + number as usize) % 200) as u8 + 17);
    // Never zero, so that H.264 needs no escaping.
    let digits = number.to_be_bytes().map(|b| [b >> 4 | 0x50, b & 15 | 0x50]);
    let digits = digits.concat();
    match codec {
        VideoCodec::Vp8 => {
            let mut frame = vec![u8::from(!keyframe)];
            frame.extend(digits);
            frame.extend(body(size.saturating_sub(9)));
            frame.into()
        }
        VideoCodec::H264 => {
            let mut frame = Vec::new();
            if keyframe {
                frame.extend([0, 0, 0, 1, 0x67, 0x42, 0xe0, 0x1f, 0x95]);
                frame.extend([0, 0, 0, 1, 0x68, 0xce, 0x3c, 0x80 | 1]);
            }
            frame.extend([0, 0, 0, 1, if keyframe { 0x65 } else { 0x41 }, 0x88]);
            frame.extend(digits);
            frame.extend(body(size.saturating_sub(14)));
            frame.into()
        }
    }
}

/// The number a frame carries; panics when its bytes are not those of `encoded`.
pub(crate) fn number(codec: VideoCodec, data: &[u8]) -> u32 {
    let key = match codec {
        VideoCodec::Vp8 => data[0] == 0,
        VideoCodec::H264 => data[4] == 0x67,
    };
    let at = match (codec, key) {
        (VideoCodec::Vp8, _) => 1,
        (VideoCodec::H264, true) => 17 + 6,
        (VideoCodec::H264, false) => 6,
    };
    let number = data[at..at + 8]
        .iter()
        .fold(0, |n, b| n << 4 | u32::from(b & 15));
    let payload = data.len() - at - 8;
    let size = match codec {
        VideoCodec::Vp8 => payload + 9,
        VideoCodec::H264 => payload + 14,
    };
    assert!(data == encoded(codec, number, key, size), "damaged");
    number
}
