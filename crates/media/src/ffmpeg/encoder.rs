//! One encoder without delay: frames in, packets out.
//! Not choice of settings, not when to change them: `codec` decides those.

use std::ffi::c_int;

use ff::codec::{Context, encoder};
use ff::ffi;
use ff::{Dictionary, Packet, Rational};
use ffmpeg_next as ff;

use super::lend::lend;
use super::output::set_color;
use super::{AvError, init, is_again};
use crate::color::ColorInfo;
use crate::frame::Frame;

/// How a stream is encoded.
#[derive(Debug, Clone)]
pub(crate) struct LiveSettings {
    /// FFmpeg's name of the encoder.
    pub(crate) name: &'static str,
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// Unit of the times given to [`LiveEncoder::encode`].
    pub(crate) ticks_per_second: i32,
    pub(crate) fps: i32,
    pub(crate) color: ColorInfo,
    pub(crate) threads: i32,
    /// Frames between keyframes nobody asked for.
    pub(crate) keyframe_interval: i32,
    pub(crate) rate: Rate,
    /// Options of the encoder itself.
    pub(crate) options: Vec<(&'static str, &'static str)>,
}

/// How many bits there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    pub(crate) bits_per_second: i64,
    /// How far the stream may run ahead of its rate, in bits.
    pub(crate) buffer_bits: c_int,
    /// Bits of the buffer the first frame may count on.
    pub(crate) initial_bits: c_int,
}

/// An open encoder.
pub(crate) struct LiveEncoder {
    encoder: encoder::video::Encoder,
    packet: Packet,
}

/// What an encoder made of one frame.
pub(crate) struct Encoded {
    pub(crate) data: Vec<u8>,
    pub(crate) keyframe: bool,
}

impl LiveEncoder {
    /// Whether this FFmpeg has the encoder.
    pub(crate) fn is_available(name: &str) -> bool {
        init();
        encoder::find_by_name(name).is_some()
    }

    /// Opens an encoder; `None` if this FFmpeg does not have it.
    pub(crate) fn open(settings: &LiveSettings) -> Result<Option<LiveEncoder>, AvError> {
        init();
        let Some(codec) = encoder::find_by_name(settings.name) else {
            return Ok(None);
        };
        let mut video = Context::new_with_codec(codec).encoder().video()?;
        video.set_width(settings.width);
        video.set_height(settings.height);
        video.set_format(ff::format::Pixel::YUV420P);
        video.set_time_base(Rational::new(1, settings.ticks_per_second));
        video.set_frame_rate(Some(Rational::new(settings.fps, 1)));
        video.set_max_b_frames(0);
        set_color(&mut video, settings.color);
        // SAFETY: the context is not open yet, when these plain fields may be set. An interval equal to its minimum
        // tells libvpx to make no keyframes of its own accord.
        unsafe {
            let raw = video.as_mut_ptr();
            (*raw).thread_count = settings.threads;
            (*raw).gop_size = settings.keyframe_interval;
            (*raw).keyint_min = settings.keyframe_interval;
            set_rate(raw, settings.rate);
        }
        let mut options = Dictionary::new();
        for (name, value) in &settings.options {
            options.set(name, value);
        }
        Ok(Some(LiveEncoder {
            encoder: video.open_with(options)?,
            packet: Packet::empty(),
        }))
    }

    /// Changes the rate from the next frame on. Only encoders that look at it again for each frame obey (libx264).
    pub(crate) fn set_rate(&mut self, rate: Rate) {
        // SAFETY: the context is open and ours; libx264 reads these fields when it is given a frame.
        unsafe { set_rate(self.encoder.as_mut_ptr(), rate) }
    }

    /// Encodes an I420 frame of the size the encoder was opened for. `None` if it gave nothing for it.
    pub(crate) fn encode(
        &mut self,
        frame: &Frame,
        ticks: i64,
        keyframe: bool,
    ) -> Result<Option<Encoded>, AvError> {
        let mut picture = lend(frame)?;
        picture.set_pts(Some(ticks));
        if keyframe {
            picture.set_kind(ff::picture::Type::I);
        }
        self.encoder.send_frame(&picture)?;
        match self.encoder.receive_packet(&mut self.packet) {
            Ok(()) => {}
            Err(error) if is_again(error) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        let encoded = Encoded {
            data: self.packet.data().unwrap_or_default().to_vec(),
            keyframe: self.packet.is_key(),
        };
        // The encoder's memory goes back now, not with the next frame.
        self.packet = Packet::empty();
        Ok(Some(encoded))
    }
}

/// # Safety
/// `context` must be an allocated codec context.
unsafe fn set_rate(context: *mut ffi::AVCodecContext, rate: Rate) {
    // SAFETY: plain fields of a context that is alive.
    unsafe {
        (*context).bit_rate = rate.bits_per_second;
        (*context).rc_max_rate = rate.bits_per_second;
        (*context).rc_min_rate = rate.bits_per_second;
        (*context).rc_buffer_size = rate.buffer_bits;
        (*context).rc_initial_buffer_occupancy = rate.initial_bits;
    }
}
