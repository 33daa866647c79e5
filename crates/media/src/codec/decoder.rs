//! Encoded frames in, pictures out, one for one; nothing shown that was not sent.
//! Not FFmpeg calls (`ffmpeg`), not loss recovery.

use super::{MAX_ENCODED_BYTES, MAX_LIVE_PIXELS, VideoCodec, VideoDecodeError, bitstream};
use crate::ffmpeg::{Picture, PictureError, Received, Scaler, VideoCodec as Codec};
use crate::frame::{Frame, PixelFormat};
use crate::limits::FrameError;
use crate::pool::FramePool;
use crate::timing::Timing;

/// Decodes live video without delay.
///
/// After damage or [`reset`](VideoDecoder::reset) every frame up to the next keyframe is refused with
/// [`NeedsKeyframe`](VideoDecodeError::NeedsKeyframe) instead of giving pictures made of guesses. Frames have to be
/// whole and in order: that one is missing only their sender's numbers tell, so whoever reads those calls `reset`.
/// Changed bytes inside a frame show in H.264 mostly, in VP8 hardly, and neither does a cut in its last part, whose
/// length is written nowhere; the transport's numbers and authentication guard against both. Pictures are I420 in the decoder's own memory, without a
/// copy. Calls block while decoding, 0.3 to 1.5 ms a frame at 480p to 720p. `Send`; one thread at a time.
pub struct VideoDecoder {
    codec: VideoCodec,
    decoder: Codec,
    scaler: Scaler,
    pool: FramePool,
    needs_keyframe: bool,
    /// The decoder has seen data that is of no use any more.
    stale: bool,
}

impl VideoDecoder {
    /// A decoder; `pool` is memory for pictures that need converting (no stream of ours does).
    pub fn new(codec: VideoCodec, pool: FramePool) -> Result<VideoDecoder, VideoDecodeError> {
        Ok(VideoDecoder {
            codec,
            decoder: open(codec)?,
            scaler: Scaler::default(),
            pool,
            needs_keyframe: true,
            stale: false,
        })
    }

    /// The codec.
    pub fn codec(&self) -> VideoCodec {
        self.codec
    }

    /// Whether only a keyframe can be decoded now.
    pub fn needs_keyframe(&self) -> bool {
        self.needs_keyframe
    }

    /// Forgets what came before: for gaps. Frames are refused until a keyframe comes.
    pub fn reset(&mut self) {
        self.needs_keyframe = true;
        self.stale = true;
    }

    /// Decodes one frame, H.264 in Annex B form. The picture carries `timing`. `None` for a frame that is not to be
    /// shown. At most [`MAX_ENCODED_BYTES`] and [`MAX_LIVE_PIXELS`].
    pub fn decode(
        &mut self,
        data: &[u8],
        timing: Timing,
    ) -> Result<Option<Frame>, VideoDecodeError> {
        let decoded = self.try_decode(data, timing);
        if decoded.is_err() && !self.needs_keyframe {
            self.reset();
        }
        decoded
    }

    fn try_decode(
        &mut self,
        data: &[u8],
        timing: Timing,
    ) -> Result<Option<Frame>, VideoDecodeError> {
        let codec = self.codec;
        if data.len() > MAX_ENCODED_BYTES {
            return Err(VideoDecodeError::TooManyBytes { bytes: data.len() });
        }
        let header = bitstream::header(codec, data);
        let header = header.ok_or_else(|| self.damaged("it has no valid header"))?;
        if let Some((width, height)) = header.size {
            check_size(width, height)?;
        }
        if self.needs_keyframe && !header.keyframe {
            return Err(VideoDecodeError::NeedsKeyframe { codec });
        }
        if self.stale {
            // A new one instead of flushing: what damaged parameter sets left behind survives that.
            self.decoder = open(codec)?;
            self.stale = false;
        }
        // From here on the decoder has seen something; an error makes `decode` reset it.
        self.needs_keyframe = false;
        let sent = self.decoder.send_bytes(data, timing.pts);
        sent.map_err(|error| self.damaged(error.to_string()))?;
        match self.decoder.receive() {
            Ok(Received::Picture(picture)) if picture.is_damaged() => {
                Err(self.damaged("parts of it are missing"))
            }
            Ok(Received::Picture(picture)) => self.frame_of(picture, timing).map(Some),
            Ok(_) if !header.shown || self.decoder.reorders() => Ok(None),
            Ok(_) => Err(self.damaged("no picture came of it")),
            Err(error) => Err(self.damaged(error.to_string())),
        }
    }

    fn frame_of(&mut self, picture: Picture, timing: Timing) -> Result<Frame, VideoDecodeError> {
        let (width, height) = picture.size();
        check_size(width, height)?;
        // Another picture's timestamp where the stream changes the order.
        let timing = Timing {
            pts: picture.pts(),
            ..timing
        };
        let frame =
            picture
                .into_frame(&mut self.scaler, &self.pool)
                .map_err(|error| match error {
                    PictureError::Frame(error) => VideoDecodeError::Frame(error),
                    PictureError::Format(format) => {
                        self.damaged(format!("its pixel format {format} is not supported"))
                    }
                    PictureError::Scale(error) => self.damaged(error.to_string()),
                })?;
        let mut frame = match frame.format() {
            PixelFormat::I420 => frame,
            PixelFormat::Bgr => frame.to_i420(&self.pool)?,
        };
        frame.set_timing(timing);
        Ok(frame)
    }

    fn damaged(&self, reason: impl Into<String>) -> VideoDecodeError {
        VideoDecodeError::Damaged {
            codec: self.codec,
            reason: reason.into(),
        }
    }
}

fn open(codec: VideoCodec) -> Result<Codec, VideoDecodeError> {
    let name = match codec {
        VideoCodec::Vp8 => "vp8",
        VideoCodec::H264 => "h264",
    };
    let opened = Codec::for_packets(name, MAX_LIVE_PIXELS);
    let opened = opened.map_err(|error| VideoDecodeError::Open {
        codec,
        reason: error.to_string(),
    })?;
    opened.ok_or(VideoDecodeError::NoDecoder { codec })
}

fn check_size(width: u32, height: u32) -> Result<(), VideoDecodeError> {
    if width == 0 || height == 0 {
        return Err(FrameError::Empty { width, height }.into());
    }
    if u64::from(width) * u64::from(height) > MAX_LIVE_PIXELS {
        return Err(VideoDecodeError::TooLarge { width, height });
    }
    Ok(())
}
