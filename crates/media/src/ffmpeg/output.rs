//! One H.264 stream into one mp4 file.
//! Not timestamps, not sizes, not file names: `mp4` decides those.

use std::ffi::{CString, c_int};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;

use ff::codec::{Context, encoder};
use ff::ffi;
use ff::format::context::Output;
use ff::frame::Video;
use ff::{Dictionary, Packet, Rational};
use ffmpeg_next as ff;

use super::picture::i420_planes_mut;
use super::scale::allocate;
use super::{AvError, init, is_again};
use crate::color::{ColorInfo, ColorMatrix, ColorRange};
use crate::frame::PlaneMut;
use crate::timing::TimeBase;

/// How a stream is encoded.
#[derive(Debug, Clone)]
pub(crate) struct EncoderSettings {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) time_base: TimeBase,
    pub(crate) fps: f64,
    pub(crate) color: ColorInfo,
    pub(crate) preset: &'static str,
    pub(crate) crf: u8,
    pub(crate) threads: usize,
}

/// An open mp4 file with its encoder.
pub(crate) struct Mp4Encoder {
    encoder: encoder::video::Encoder,
    output: Output,
    picture: Video,
    packet: Packet,
    time_base: Rational,
    /// Ticks a picture is shown unless the next one says otherwise.
    shown: i64,
    last_pts: Option<i64>,
}

impl Mp4Encoder {
    /// Whether this FFmpeg has the H.264 encoder.
    pub(crate) fn is_available() -> bool {
        init();
        encoder::find_by_name("libx264").is_some()
    }

    /// Opens encoder and file, which must exist, and writes the header.
    pub(crate) fn open(path: &Path, settings: &EncoderSettings) -> Result<Mp4Encoder, AvError> {
        init();
        let mut output = open_output(path)?;
        let codec = encoder::find_by_name("libx264").ok_or(ff::Error::EncoderNotFound)?;
        let mut video = Context::new_with_codec(codec).encoder().video()?;
        let time_base = Rational::new(settings.time_base.num, settings.time_base.den);
        video.set_width(settings.width);
        video.set_height(settings.height);
        video.set_format(ff::format::Pixel::YUV420P);
        video.set_time_base(time_base);
        video.set_frame_rate(Some(Rational::new(
            (settings.fps * 1000.0).round() as i32,
            1000,
        )));
        // Pictures in the order they come: no delay, no negative timestamps, no edit list.
        video.set_max_b_frames(0);
        video.set_flags(ff::codec::Flags::GLOBAL_HEADER);
        set_color(&mut video, settings.color);
        let mut options = Dictionary::new();
        options.set("preset", settings.preset);
        options.set("crf", &settings.crf.to_string());
        options.set("threads", &settings.threads.to_string());
        let encoder = video.open_with(options)?;
        output.add_stream_with(&encoder)?.set_time_base(time_base);
        let mut muxing = Dictionary::new();
        muxing.set("movflags", "+faststart");
        if settings.time_base.num == 1 && settings.time_base.den >= 1000 {
            muxing.set("video_track_timescale", &settings.time_base.den.to_string());
        }
        output.write_header_with(muxing)?;
        let (width, height) = (settings.width as c_int, settings.height as c_int);
        let picture = allocate(ffi::AVPixelFormat::AV_PIX_FMT_YUV420P, width, height)?;
        let shown = (1.0 / settings.fps / settings.time_base.as_f64()).round() as i64;
        Ok(Mp4Encoder {
            shown: shown.max(1),
            last_pts: None,
            encoder,
            output,
            picture,
            packet: Packet::empty(),
            time_base,
        })
    }

    /// The planes of the next picture, to be filled before [`encode`](Self::encode).
    pub(crate) fn planes_mut(&mut self) -> Result<[PlaneMut<'_>; 3], AvError> {
        // SAFETY: the picture owns its buffers or shares them with the encoder, from which this call detaches it.
        let code = unsafe { ffi::av_frame_make_writable(self.picture.as_mut_ptr()) };
        if code < 0 {
            Err(AvError::from_code(code))
        } else {
            Ok(i420_planes_mut(&mut self.picture))
        }
    }

    /// Encodes the filled picture for the given time and writes what the encoder has ready.
    pub(crate) fn encode(&mut self, pts: i64) -> Result<(), AvError> {
        self.picture.set_pts(Some(pts));
        self.encoder.send_frame(&self.picture)?;
        self.write_ready()
    }

    /// Writes what the encoder still holds and the file's index.
    pub(crate) fn finish(&mut self) -> Result<(), AvError> {
        self.encoder.send_eof()?;
        self.write_ready()?;
        Ok(self.output.write_trailer()?)
    }

    fn write_ready(&mut self) -> Result<(), AvError> {
        loop {
            match self.encoder.receive_packet(&mut self.packet) {
                Ok(()) => {}
                Err(ff::Error::Eof) => return Ok(()),
                Err(error) if is_again(error) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
            let stream_base = self
                .output
                .stream(0)
                .map_or(self.time_base, |stream| stream.time_base());
            self.packet.set_stream(0);
            // Only the last picture's counts: without one it would be cut off by the file's length. It is shown as
            // long as the one before it, a second at most.
            let second = i64::from(self.time_base.denominator() / self.time_base.numerator());
            if let (Some(pts), Some(last)) = (self.packet.pts(), self.last_pts) {
                self.shown = pts.saturating_sub(last).clamp(1, second.max(1));
            }
            self.last_pts = self.packet.pts();
            self.packet.set_duration(self.shown);
            self.packet.rescale_ts(self.time_base, stream_base);
            self.packet.write_interleaved(&mut self.output)?;
        }
    }
}

fn open_output(path: &Path) -> Result<Output, AvError> {
    // The prefix keeps a colon in the path from being read as a protocol.
    let url = CString::new([b"file:", path.as_os_str().as_bytes()].concat()).map_err(|_| {
        ff::Error::Other {
            errno: ff::error::EINVAL,
        }
    })?;
    // SAFETY: the context is freed here until its file is open, and by `Output` from then on.
    unsafe {
        let mut context = ptr::null_mut();
        let code = ffi::avformat_alloc_output_context2(
            &mut context,
            ptr::null_mut(),
            c"mp4".as_ptr(),
            url.as_ptr(),
        );
        if code < 0 {
            return Err(AvError::from_code(code));
        }
        let code = ffi::avio_open(
            &mut (*context).pb,
            url.as_ptr(),
            ffi::AVIO_FLAG_WRITE as c_int,
        );
        if code < 0 {
            ffi::avformat_free_context(context);
            return Err(AvError::from_code(code));
        }
        Ok(Output::wrap(context))
    }
}

pub(super) fn set_color(video: &mut encoder::video::Video, color: ColorInfo) {
    use ff::color::{Range, Space};
    video.set_colorspace(match color.matrix {
        ColorMatrix::Bt601 => Space::SMPTE170M,
        ColorMatrix::Bt709 => Space::BT709,
        ColorMatrix::Bt2020 => Space::BT2020NCL,
    });
    video.set_color_range(match color.range {
        ColorRange::Limited => Range::MPEG,
        ColorRange::Full => Range::JPEG,
    });
}
