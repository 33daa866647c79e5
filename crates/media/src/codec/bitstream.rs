//! The little that has to be read from an encoded frame before it is decoded: whether it is a keyframe, whether it is
//! shown, how large its picture is.
//! Not decoding.

use super::VideoCodec;

/// What the first bytes of a frame say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Decodable without any frame before it.
    pub(super) keyframe: bool,
    /// A picture is to come of it.
    pub(super) shown: bool,
    /// Width and height where the frame itself states them plainly.
    pub(super) size: Option<(u32, u32)>,
}

/// Reads a frame's header; `None` if it is no frame of the codec.
pub(super) fn header(codec: VideoCodec, data: &[u8]) -> Option<Header> {
    match codec {
        VideoCodec::Vp8 => vp8(data),
        VideoCodec::H264 => h264(data),
    }
}

/// RFC 6386 section 9.1.
fn vp8(data: &[u8]) -> Option<Header> {
    let &[first, second, third, ref rest @ ..] = data else {
        return None;
    };
    let keyframe = first & 1 == 0;
    let shown = first & 0x10 != 0;
    let first_partition = u32::from_le_bytes([first, second, third, 0]) >> 5;
    let header_bytes = if keyframe { 7 } else { 0 };
    if rest.len() < header_bytes + first_partition as usize {
        return None;
    }
    let size = if keyframe {
        let fields = rest.strip_prefix(&[0x9d, 0x01, 0x2a])?.first_chunk::<4>()?;
        let side = |low: u8, high: u8| u32::from(u16::from_le_bytes([low, high]) & 0x3fff);
        Some((side(fields[0], fields[1]), side(fields[2], fields[3])))
    } else {
        None
    };
    Some(Header {
        keyframe,
        shown,
        size,
    })
}

/// Annex B: an IDR slice makes a keyframe, any slice a picture.
fn h264(data: &[u8]) -> Option<Header> {
    let mut slices = false;
    for kind in nal_types(data) {
        match kind {
            5 => {
                return Some(Header {
                    keyframe: true,
                    shown: true,
                    size: None,
                });
            }
            1..=4 => slices = true,
            _ => {}
        }
    }
    slices.then_some(Header {
        keyframe: false,
        shown: true,
        size: None,
    })
}

/// Types of the NAL units in a byte stream, in order.
fn nal_types(data: &[u8]) -> impl Iterator<Item = u8> {
    let starts = data.windows(4).filter(|bytes| bytes[..3] == [0, 0, 1]);
    starts.map(|bytes| bytes[3] & 0x1f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vp8_header_tells_kind_size_and_whether_it_is_shown() {
        // First partition of one byte, shown, 320x240 with scaling bits that do not belong to the size.
        let keyframe = [0x30, 0, 0, 0x9d, 0x01, 0x2a, 0x40, 0x41, 0xf0, 0x80, 7];
        let read = vp8(&keyframe).unwrap();
        assert_eq!(
            (read.keyframe, read.shown, read.size),
            (true, true, Some((320, 240)))
        );
        assert_eq!(vp8(&keyframe[..10]), None, "the first partition is cut");
        let inter = vp8(&[0x21, 0, 0, 7]).unwrap();
        assert_eq!(
            (inter.keyframe, inter.shown, inter.size),
            (false, false, None)
        );
        assert_eq!(vp8(&[0x21, 0, 0]), None);
        assert_eq!(
            vp8(&[0x30, 0, 0, 0x9d, 0x01, 0x2b, 0x40, 1, 0xf0, 0, 7]),
            None
        );
        assert_eq!(vp8(&[]), None);
    }

    #[test]
    fn an_h264_frame_is_a_keyframe_by_its_idr_slice_whatever_comes_before() {
        let slice = |kind: u8| [0, 0, 0, 1, 0x60 | kind, 9];
        let parameters = [slice(7), slice(8), slice(6)].concat();
        assert_eq!(h264(&parameters), None, "no picture");
        assert!(
            h264(&[&parameters[..], &slice(5)].concat())
                .unwrap()
                .keyframe
        );
        assert!(
            !h264(&[&parameters[..], &slice(1)].concat())
                .unwrap()
                .keyframe
        );
        assert!(!h264(&[0, 0, 1, 0x41]).unwrap().keyframe);
        assert_eq!(h264(&[0, 0, 1]), None);
        assert_eq!(h264(b"not a bitstream"), None);
    }
}
