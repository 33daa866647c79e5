//! Moving pictures made by arithmetic, and how close one picture is to another.
//! Not fixtures: every frame follows from its number.
#![allow(dead_code, unreachable_pub)]

use framewire_media::{
    ColorInfo, EncodedFrame, EncoderOptions, Frame, FramePool, PixelFormat, TimeBase, Timing,
    VideoCodec, VideoDecoder, VideoEncoder,
};

pub const CODECS: [VideoCodec; 2] = [VideoCodec::Vp8, VideoCodec::H264];

/// Frame `number` of a scene with soft waves moving past, a fine still texture, and a box that wanders about.
pub fn scene(pool: &FramePool, width: u32, height: u32, number: u32) -> Frame {
    let (w, h, n) = (width as usize, height as usize, number as usize);
    let (cw, ch) = (w.div_ceil(2), h.div_ceil(2));
    let wave: Vec<u8> = (0..256)
        .map(|i| (128.0 + 70.0 * (f64::from(i) * std::f64::consts::TAU / 256.0).sin()) as u8)
        .collect();
    let (left, top) = (n * 5 % w.max(65) / 2, n * 3 % h.max(65) / 2);
    let mut y = Vec::with_capacity(w * h);
    for row in 0..h {
        for column in 0..w {
            let inside =
                (left..left + w / 5).contains(&column) && (top..top + h / 5).contains(&row);
            let texture = ((column * 7) ^ (row * 13)) as u8 & 15;
            y.push(match inside {
                true => 40 + texture * 8,
                false => wave[(column + row / 2 + n * 2) & 255] / 2 + 40 + texture,
            });
        }
    }
    let chroma = |shift: usize| -> Vec<u8> {
        (0..cw * ch)
            .map(|at| 64 + wave[(at % cw + at / cw * 2 + n + shift) & 255] / 2)
            .collect()
    };
    let (u, v) = (chroma(0), chroma(90));
    let planes = [(&y[..], w), (&u[..], cw), (&v[..], cw)];
    let mut frame = Frame::from_i420(pool, width, height, ColorInfo::VIDEO, planes).unwrap();
    frame.set_timing(Timing::new(i64::from(number) * 3000, TimeBase::RTP_VIDEO));
    frame
}

/// Peak signal to noise over all planes in dB; frames of one format, compared where both have pixels.
pub fn psnr(one: &Frame, other: &Frame) -> f64 {
    assert_eq!(one.format(), other.format());
    let (mut square, mut count) = (0.0, 0u64);
    for plane in 0..one.format().planes() {
        for (a, b) in one.plane(plane).rows().zip(other.plane(plane).rows()) {
            let off = a
                .iter()
                .zip(b)
                .map(|(&a, &b)| f64::from(a.abs_diff(b)).powi(2));
            square += off.sum::<f64>();
            count += a.len().min(b.len()) as u64;
        }
    }
    10.0 * (255.0 * 255.0 * count as f64 / square.max(1e-9)).log10()
}

pub fn encoder(codec: VideoCodec, bitrate: u32) -> VideoEncoder {
    VideoEncoder::new(EncoderOptions::new(codec).with_bitrate(bitrate)).unwrap()
}

pub fn decoder(codec: VideoCodec) -> VideoDecoder {
    VideoDecoder::new(codec, FramePool::default()).unwrap()
}

/// Encodes, insisting on one out for one in.
pub fn encode(encoder: &mut VideoEncoder, frame: &Frame, keyframe: bool) -> EncodedFrame {
    let encoded = encoder.encode(frame, keyframe).unwrap();
    encoded.expect("one frame out for each frame in")
}

/// Decodes, insisting on one out for one in.
pub fn decode(decoder: &mut VideoDecoder, encoded: &EncodedFrame, timing: Timing) -> Frame {
    let frame = decoder.decode(&encoded.data, timing).unwrap();
    let frame = frame.expect("one picture out for each frame in");
    assert_eq!(frame.format(), PixelFormat::I420);
    assert_eq!(frame.timing(), timing);
    frame
}
