//! Frames in, encoded frames out, one for one.
//! Not FFmpeg calls (`ffmpeg`), not pacing or packets.

use super::clock::Clock;
use super::options::clamp_bitrate;
use super::rate::{Change, RatePolicy};
use super::{EncodeError, EncoderOptions, MAX_LIVE_PIXELS, MIN_LIVE_SIDE, VideoCodec, tuning};
use crate::color::ColorInfo;
use crate::ffmpeg::{AvError, LiveEncoder};
use crate::frame::{Frame, PixelFormat};
use crate::limits::FrameError;
use crate::pool::{FramePool, PoolLimits};

/// Frame rates closer than this to what the encoder believes are left alone.
const PACE_TOLERANCE: f64 = 0.05;

/// An encoded frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedFrame {
    /// The bitstream; H.264 in Annex B form with SPS and PPS before each IDR picture.
    pub data: Vec<u8>,
    /// Whether it can be decoded without any before it.
    pub keyframe: bool,
}

/// Encodes live video without delay: what goes in comes out of the same call.
///
/// Takes frames of any format; BGR costs a conversion (0.15 ms at 720p), I420 goes in without a copy. A change of the
/// picture's size or colours opens the encoder again and gives a keyframe. H.264 needs even sides: the last column or
/// row of an odd picture is left out; VP8 keeps it. The first frame is a keyframe; later ones on request only, and
/// about every 3000 frames. Calls block while encoding, 1 to 4 ms a frame at 480p to 720p. `Send`; one thread at a time.
///
/// ```
/// use framewire_media::{Bgr, EncoderOptions, Frame, FramePool, Timing, VideoCodec, VideoDecoder, VideoEncoder};
///
/// let pool = FramePool::default();
/// let frame = Frame::solid_bgr(&pool, 320, 240, Bgr::GREEN)?;
/// let mut encoder = VideoEncoder::new(EncoderOptions::new(VideoCodec::H264))?;
/// let mut decoder = VideoDecoder::new(VideoCodec::H264, pool)?;
/// let encoded = encoder.encode(&frame, false)?.ok_or("one in, one out")?;
/// assert!(encoded.keyframe);
/// let decoded = decoder.decode(&encoded.data, Timing::default())?.ok_or("one in, one out")?;
/// assert_eq!((decoded.width(), decoded.height()), (320, 240));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct VideoEncoder {
    options: EncoderOptions,
    rate: RatePolicy,
    /// Memory for conversions; at most two pictures stay in it.
    pool: FramePool,
    open: Option<Open>,
}

struct Open {
    encoder: LiveEncoder,
    size: (u32, u32),
    color: ColorInfo,
    clock: Clock,
    /// The pace its rate was made for, where it does not look at times itself.
    pace: f64,
}

impl VideoEncoder {
    /// An encoder. Fails if this FFmpeg does not have it; sizes are seen with the first frame.
    pub fn new(options: EncoderOptions) -> Result<VideoEncoder, EncodeError> {
        let options = options.checked();
        let encoder = tuning::encoder_name(options.codec);
        if !LiveEncoder::is_available(encoder) {
            return Err(EncodeError::NoEncoder {
                codec: options.codec,
                encoder,
            });
        }
        Ok(VideoEncoder {
            rate: RatePolicy::new(options.codec, options.fps, options.bitrate),
            pool: FramePool::new(PoolLimits::default().with_max_idle_buffers(2)),
            open: None,
            options,
        })
    }

    /// The codec.
    pub fn codec(&self) -> VideoCodec {
        self.options.codec
    }

    /// Sets the bit rate, kept within 30 000 and 50 000 000. Meant to be called before each frame; costs nothing.
    /// H.264 follows from the next frame on. VP8 has to be opened again for it, so it follows when that is worth a
    /// keyframe: below 80 % of the rate in force at most once a second, below half at once, above 140 % after two
    /// seconds, and whenever the next frame is to be a keyframe anyway.
    pub fn set_bitrate(&mut self, bits_per_second: u32) {
        self.rate.set(clamp_bitrate(bits_per_second));
    }

    /// The bit rate the encoder works with now.
    pub fn bitrate(&self) -> u32 {
        self.rate.applied()
    }

    /// Encodes a frame, as a keyframe if asked to. `None` if the encoder left the frame out, which with the settings in
    /// force it does not.
    pub fn encode(
        &mut self,
        frame: &Frame,
        keyframe: bool,
    ) -> Result<Option<EncodedFrame>, EncodeError> {
        let picture = self.prepare(frame)?;
        let open = self.open_for(&picture, keyframe)?;
        let ticks = open.clock.next(frame.timing());
        let encoded = open.encoder.encode(&picture, ticks, keyframe);
        if encoded.is_err() {
            // Whatever state it is in, the next frame starts afresh.
            self.open = None;
        }
        let codec = self.options.codec;
        let encoded = encoded.map_err(|error| EncodeError::Failed {
            codec,
            reason: error.to_string(),
        })?;
        Ok(encoded.map(|encoded| EncodedFrame {
            data: encoded.data,
            keyframe: encoded.keyframe,
        }))
    }

    /// The frame as the encoder takes it: I420 with sides the codec can have.
    fn prepare(&self, frame: &Frame) -> Result<Frame, EncodeError> {
        let (width, height) = (frame.width(), frame.height());
        let pixels = u64::from(width) * u64::from(height);
        if width.min(height) < MIN_LIVE_SIDE || pixels > MAX_LIVE_PIXELS {
            return Err(EncodeError::Size { width, height });
        }
        let codec = self.options.codec;
        let frame = if codec == VideoCodec::H264 && (width | height) % 2 == 1 {
            let even = frame.crop(&self.pool, 0, 0, width & !1, height & !1)?;
            even.ok_or(FrameError::Empty { width, height })?
        } else {
            frame.clone()
        };
        // VP8 has no way to say that colours mean something else.
        let plain = codec == VideoCodec::H264 || frame.color() == ColorInfo::VIDEO;
        let frame = if frame.format() == PixelFormat::I420 && !plain {
            frame.to_bgr(&self.pool)?
        } else {
            frame
        };
        Ok(frame.to_i420(&self.pool)?)
    }

    /// The open encoder for this picture, with the bit rate that is due.
    fn open_for(&mut self, picture: &Frame, keyframe: bool) -> Result<&mut Open, EncodeError> {
        let (size, color) = ((picture.width(), picture.height()), picture.color());
        let fits = |open: &Open| open.size == size && open.color == color;
        let change = if self.open.as_ref().is_some_and(fits) {
            self.rate.before_frame(keyframe)
        } else {
            Change::Reopen(self.rate.opened())
        };
        match (change, &mut self.open) {
            (Change::Reopen(bitrate), open) => {
                // First close, then open: two encoders at once would be twice the memory.
                *open = None;
                let settings = tuning::settings(&self.options, size, color, bitrate);
                let (width, height) = size;
                let codec = self.options.codec;
                let failed = |error: AvError| EncodeError::Open {
                    codec,
                    width,
                    height,
                    reason: error.to_string(),
                };
                let encoder = LiveEncoder::open(&settings).map_err(failed)?;
                let encoder = encoder.ok_or(EncodeError::NoEncoder {
                    codec,
                    encoder: settings.name,
                })?;
                Ok(open.insert(Open {
                    encoder,
                    size,
                    color,
                    clock: Clock::new(self.options.fps, settings.ticks_per_second),
                    pace: 1.0,
                }))
            }
            (change, Some(open)) => {
                let pace = open.clock.pace();
                let drifted = self.options.codec == VideoCodec::H264
                    && (pace - open.pace).abs() > open.pace * PACE_TOLERANCE;
                if drifted || change == Change::Adjust {
                    open.pace = if drifted { pace } else { open.pace };
                    let rate = tuning::rate(self.rate.applied(), open.pace);
                    open.encoder.set_rate(rate);
                }
                Ok(open)
            }
            (_, None) => unreachable!("without an open encoder the change is to reopen"),
        }
    }
}
