//! A decoded picture in FFmpeg's memory, and handing it over as a frame without a copy.
//! Not pixel conversion: that is `scale`.

use std::ptr::addr_of;

use ff::ffi;
use ff::frame::Video;
use ffmpeg_next as ff;

use super::{AvError, Scaler};
use crate::color::{ColorInfo, ColorMatrix, ColorRange};
use crate::frame::{ForeignPlanes, Frame, PixelFormat, PlaneMut};
use crate::limits::{FrameError, check_size};
use crate::pool::FramePool;

/// A decoded picture. Nobody writes to it any more: FFmpeg only reads it as a reference.
pub(crate) struct Picture {
    frame: Video,
}

/// What a pixel format number means for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Exactly I420.
    I420,
    /// Luma and chroma in another arrangement or depth.
    Luma,
    /// Luma only.
    Gray,
    /// Red, green, blue, or a palette of them.
    Rgb,
    /// In a graphics card's memory or unknown.
    Unusable,
}

impl Picture {
    pub(super) fn new(frame: Video) -> Picture {
        Picture { frame }
    }

    pub(super) fn video(&self) -> &Video {
        &self.frame
    }

    /// Timestamp in the stream's unit: as stored, else as FFmpeg worked it out.
    pub(crate) fn pts(&self) -> Option<i64> {
        self.frame.pts().or(self.frame.timestamp())
    }

    /// Whether the decoder had to invent parts of it.
    pub(crate) fn is_damaged(&self) -> bool {
        // SAFETY: the frame is alive; plain integers are read.
        let errors = unsafe { (*self.frame.as_ptr()).decode_error_flags };
        self.frame.is_corrupt() || errors != 0
    }

    pub(crate) fn size(&self) -> (u32, u32) {
        (self.frame.width(), self.frame.height())
    }

    /// The pixel format as a number, whatever the headers of this build know of it.
    pub(super) fn format(&self) -> i32 {
        // SAFETY: the frame is alive; a plain integer is read.
        unsafe { (*self.frame.as_ptr()).format }
    }

    pub(super) fn kind(&self) -> Kind {
        kind(self.format())
    }

    /// Range and matrix of the picture, with the usual meaning of what is not stated.
    pub(super) fn color(&self) -> ColorInfo {
        // SAFETY: the frame is alive. The two enums are read as the integers they are, so that a value this build
        // does not know is no undefined behaviour.
        let (space, range) = unsafe {
            let raw = self.frame.as_ptr();
            (
                addr_of!((*raw).colorspace).cast::<i32>().read(),
                addr_of!((*raw).color_range).cast::<i32>().read(),
            )
        };
        let full = range == ffi::AVColorRange::AVCOL_RANGE_JPEG as i32;
        let limited = range == ffi::AVColorRange::AVCOL_RANGE_MPEG as i32;
        let by_default = self.kind() == Kind::Gray || is_full_by_name(self.format());
        let matrix = if space == ffi::AVColorSpace::AVCOL_SPC_BT709 as i32 {
            ColorMatrix::Bt709
        } else if space == ffi::AVColorSpace::AVCOL_SPC_BT2020_NCL as i32 {
            ColorMatrix::Bt2020
        } else {
            ColorMatrix::Bt601
        };
        let range = if full || (by_default && !limited) {
            ColorRange::Full
        } else {
            ColorRange::Limited
        };
        ColorInfo { range, matrix }
    }

    /// The picture as a frame: FFmpeg's own memory for I420, else converted into pool memory.
    pub(crate) fn into_frame(
        self,
        scaler: &mut Scaler,
        pool: &FramePool,
    ) -> Result<Frame, PictureError> {
        let (width, height) = self.size();
        check_size(width, height)?;
        let color = self.color();
        let mut frame = match self.kind() {
            Kind::I420 => match self.strides() {
                Some(strides) => Frame::foreign(
                    Box::new(Shared { frame: self.frame }),
                    PixelFormat::I420,
                    width,
                    height,
                    strides,
                )?,
                // Stored upside down: let the scaler turn it.
                None => scaler.convert(&self, PixelFormat::I420, color, pool)?,
            },
            Kind::Luma | Kind::Gray => scaler.convert(&self, PixelFormat::I420, color, pool)?,
            Kind::Rgb => scaler.convert(&self, PixelFormat::Bgr, color, pool)?,
            Kind::Unusable => return Err(PictureError::Format(self.format())),
        };
        frame.set_color(color);
        Ok(frame)
    }

    /// Bytes between rows of the three planes if all are there and stored top down.
    fn strides(&self) -> Option<[usize; 3]> {
        // SAFETY: the frame is alive; plain fields are read.
        let (lines, data) =
            unsafe { ((*self.frame.as_ptr()).linesize, (*self.frame.as_ptr()).data) };
        let complete = lines[..3].iter().all(|&line| line > 0)
            && data[..3].iter().all(|plane| !plane.is_null());
        complete.then(|| [lines[0] as usize, lines[1] as usize, lines[2] as usize])
    }
}

/// Why a picture cannot become a frame.
#[derive(Debug)]
pub(crate) enum PictureError {
    Frame(FrameError),
    /// FFmpeg's number of a pixel format that cannot be converted.
    Format(i32),
    Scale(AvError),
}

impl From<FrameError> for PictureError {
    fn from(error: FrameError) -> Self {
        PictureError::Frame(error)
    }
}

impl From<AvError> for PictureError {
    fn from(error: AvError) -> Self {
        PictureError::Scale(error)
    }
}

/// A decoded I420 picture as the memory of a [`Frame`].
struct Shared {
    frame: Video,
}

impl ForeignPlanes for Shared {
    fn plane(&self, plane: usize) -> &[u8] {
        let (width, height) = (self.frame.width() as usize, self.frame.height() as usize);
        let (row_bytes, rows) = if plane == 0 {
            (width, height)
        } else {
            (width.div_ceil(2), height.div_ceil(2))
        };
        // SAFETY: the frame holds a reference to its buffers for as long as it lives. `strides` found the planes present
        // with positive line sizes, and for an 8-bit 4:2:0 picture FFmpeg allocates at least `linesize` bytes for
        // each row but the last and `row_bytes` for that one. Nobody writes to a picture a decoder has given out.
        unsafe {
            let raw = self.frame.as_ptr();
            let stride = (*raw).linesize[plane] as usize;
            std::slice::from_raw_parts((*raw).data[plane], stride * (rows - 1) + row_bytes)
        }
    }
}

/// The planes of an I420 picture of ours for writing.
pub(super) fn i420_planes_mut(frame: &mut Video) -> [PlaneMut<'_>; 3] {
    let (width, height) = (frame.width() as usize, frame.height() as usize);
    [0, 1, 2].map(|plane| {
        let (row_bytes, rows) = if plane == 0 {
            (width, height)
        } else {
            (width.div_ceil(2), height.div_ceil(2))
        };
        // SAFETY: callers pass frames they allocated as YUV420P and made writable, so each plane is a buffer region
        // of its own with `linesize` bytes a row; the borrow of `frame` keeps it and excludes others.
        unsafe {
            let raw = frame.as_mut_ptr();
            let stride = (*raw).linesize[plane] as usize;
            let data =
                std::slice::from_raw_parts_mut((*raw).data[plane], stride * (rows - 1) + row_bytes);
            PlaneMut {
                data,
                stride,
                row_bytes,
                rows,
            }
        }
    })
}

fn kind(format: i32) -> Kind {
    use ffi::AVPixelFormat as P;
    let same_layout = [
        P::AV_PIX_FMT_YUV420P,
        P::AV_PIX_FMT_YUVJ420P,
        P::AV_PIX_FMT_YUVA420P,
    ];
    if same_layout.iter().any(|&known| known as i32 == format) {
        return Kind::I420;
    }
    let Some(descriptor) = descriptor(format) else {
        return Kind::Unusable;
    };
    let has = |flag: u32| descriptor.flags & u64::from(flag) != 0;
    if has(ffi::AV_PIX_FMT_FLAG_HWACCEL as u32) {
        Kind::Unusable
    } else if has(ffi::AV_PIX_FMT_FLAG_RGB as u32) || has(ffi::AV_PIX_FMT_FLAG_PAL as u32) {
        Kind::Rgb
    } else if descriptor.nb_components <= 2 {
        Kind::Gray
    } else {
        Kind::Luma
    }
}

/// Whether the format's name says full range (`yuvj…`).
fn is_full_by_name(format: i32) -> bool {
    descriptor(format).is_some_and(|descriptor| {
        // SAFETY: names of descriptors are constant zero-terminated strings.
        let name = unsafe { std::ffi::CStr::from_ptr(descriptor.name) };
        name.to_bytes().starts_with(b"yuvj")
    })
}

fn descriptor(format: i32) -> Option<&'static ffi::AVPixFmtDescriptor> {
    // SAFETY: descriptors are constants; iterating with the public functions finds the entry without turning an
    // unknown number into an enum value.
    unsafe {
        let mut entry = ffi::av_pix_fmt_desc_next(std::ptr::null());
        while !entry.is_null() {
            if ffi::av_pix_fmt_desc_get_id(entry) as i32 == format {
                return Some(&*entry);
            }
            entry = ffi::av_pix_fmt_desc_next(entry);
        }
        None
    }
}
