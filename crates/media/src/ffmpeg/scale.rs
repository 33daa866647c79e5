//! Pictures of any pixel format to I420 or BGR of the same size, in pool memory.
//! Not resizing: model inputs go through `resize`.

use std::ffi::c_int;
use std::ptr;

use ff::ffi;
use ff::frame::Video;
use ff::software::scaling::Flags;
use ffmpeg_next as ff;

use super::AvError;
use super::picture::{Kind, Picture, PictureError};
use crate::color::{ColorInfo, ColorMatrix, ColorRange};
use crate::frame::{Frame, PixelFormat, Plane};
use crate::pool::FramePool;

/// What a conversion context was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Job {
    source: i32,
    width: u32,
    height: u32,
    target: PixelFormat,
    color: ColorInfo,
}

/// Converts pixel formats; keeps its context and one picture of scratch memory as long as the source stays the same.
#[derive(Default)]
pub(crate) struct Scaler {
    current: Option<(Job, Context)>,
}

impl Scaler {
    /// Converts a picture; `color` is its meaning, kept for I420.
    pub(super) fn convert(
        &mut self,
        picture: &Picture,
        target: PixelFormat,
        color: ColorInfo,
        pool: &FramePool,
    ) -> Result<Frame, PictureError> {
        let (width, height) = picture.size();
        let job = Job {
            source: picture.format(),
            width,
            height,
            target,
            color,
        };
        let mut frame = Frame::uninit(pool, target, width, height)?;
        if self
            .current
            .as_ref()
            .is_none_or(|(current, _)| *current != job)
        {
            self.current = Some((job, Context::new(picture, job)?));
        }
        let Some((_, context)) = &mut self.current else {
            unreachable!("set above")
        };
        context.run(picture)?;
        // FFmpeg writes rows in whole vectors, so it gets padded memory and the pool a copy.
        for plane in 0..target.planes() {
            let mut to = frame.own_plane_mut(plane);
            let from = context.plane(plane, to.row_bytes, to.rows);
            to.copy_from(from);
        }
        Ok(frame)
    }
}

/// An owned conversion context with the picture it writes to.
struct Context {
    raw: *mut ffi::SwsContext,
    output: Video,
}

// SAFETY: the context is owned, used through `&mut` only, and FFmpeg ties it to no thread.
unsafe impl Send for Context {}

impl Context {
    fn new(picture: &Picture, job: Job) -> Result<Context, AvError> {
        let target = match job.target {
            PixelFormat::I420 => ffi::AVPixelFormat::AV_PIX_FMT_YUV420P,
            PixelFormat::Bgr => ffi::AVPixelFormat::AV_PIX_FMT_BGR24,
        };
        let (width, height) = (job.width as c_int, job.height as c_int);
        let flags = (Flags::BILINEAR | Flags::ACCURATE_RND | Flags::FULL_CHR_H_INP).bits();
        // SAFETY: sizes were checked by the frame made before; the source format is the one the live picture carries,
        // read as the enum FFmpeg itself stored there. The context is freed on drop.
        let context = unsafe {
            let source = ptr::addr_of!((*picture.video().as_ptr()).format)
                .cast::<ffi::AVPixelFormat>()
                .read();
            let raw = ffi::sws_getContext(
                width,
                height,
                source,
                width,
                height,
                target,
                flags,
                ptr::null_mut(),
                ptr::null_mut(),
                ptr::null(),
            );
            if raw.is_null() {
                return Err(ff::Error::InvalidData.into());
            }
            Context {
                raw,
                output: allocate(target, width, height)?,
            }
        };
        let full = c_int::from(job.color.range == ColorRange::Full);
        let matrix = match job.color.matrix {
            ColorMatrix::Bt601 => ffi::SWS_CS_ITU601,
            ColorMatrix::Bt709 => ffi::SWS_CS_ITU709,
            ColorMatrix::Bt2020 => ffi::SWS_CS_BT2020,
        };
        if picture.kind() != Kind::Rgb {
            // SAFETY: the tables are constants of FFmpeg. Range and matrix stay what they are; a format that cannot
            // express them refuses, and then its fixed meaning is right.
            unsafe {
                let table = ffi::sws_getCoefficients(matrix as c_int);
                ffi::sws_setColorspaceDetails(
                    context.raw,
                    table,
                    full,
                    table,
                    full,
                    0,
                    1 << 16,
                    1 << 16,
                );
            }
        }
        Ok(context)
    }

    fn run(&mut self, picture: &Picture) -> Result<(), AvError> {
        // SAFETY: the picture has the size and format the context was made for (both are part of the job), the output
        // was allocated for its target, and both live through the call.
        let rows = unsafe {
            let (source, target) = (picture.video().as_ptr(), self.output.as_mut_ptr());
            ffi::sws_scale(
                self.raw,
                (*source).data.as_ptr().cast(),
                (*source).linesize.as_ptr(),
                0,
                (*source).height,
                (*target).data.as_ptr(),
                (*target).linesize.as_ptr(),
            )
        };
        if rows > 0 {
            Ok(())
        } else {
            Err(if rows < 0 {
                AvError::from_code(rows)
            } else {
                ff::Error::InvalidData.into()
            })
        }
    }

    fn plane(&self, plane: usize, row_bytes: usize, rows: usize) -> Plane<'_> {
        // SAFETY: the output was allocated with this many rows of at least `row_bytes` and is only read here.
        unsafe {
            let raw = self.output.as_ptr();
            let stride = (*raw).linesize[plane] as usize;
            let data =
                std::slice::from_raw_parts((*raw).data[plane], stride * (rows - 1) + row_bytes);
            Plane {
                data,
                stride,
                row_bytes,
                rows,
            }
        }
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: made by `sws_getContext`, freed once.
        unsafe { ffi::sws_freeContext(self.raw) };
    }
}

/// A picture with memory of its own.
pub(super) fn allocate(
    format: ffi::AVPixelFormat,
    width: c_int,
    height: c_int,
) -> Result<Video, AvError> {
    let mut frame = Video::empty();
    // SAFETY: the frame is fresh; FFmpeg sets its planes or reports why not.
    let code = unsafe {
        let raw = frame.as_mut_ptr();
        if raw.is_null() {
            return Err(ff::Error::Other {
                errno: ff::error::ENOMEM,
            }
            .into());
        }
        (*raw).format = format as c_int;
        (*raw).width = width;
        (*raw).height = height;
        ffi::av_frame_get_buffer(raw, 0)
    };
    if code < 0 {
        Err(AvError::from_code(code))
    } else {
        Ok(frame)
    }
}
