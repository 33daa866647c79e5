//! A frame of ours as a picture an encoder reads, without a copy.
//! Not decoding: pictures that come out of FFmpeg are in `picture`.

use std::ffi::{c_int, c_void};
use std::ptr;

use ff::ffi;
use ff::frame::Video;
use ffmpeg_next as ff;

use super::AvError;
use crate::frame::{Frame, PixelFormat};

/// Lends an I420 frame to FFmpeg. Its pixels stay alive, and unwritten, for as long as FFmpeg refers to them.
pub(super) fn lend(frame: &Frame) -> Result<Video, AvError> {
    if frame.format() != PixelFormat::I420 {
        return Err(ff::Error::InvalidData.into());
    }
    let mut video = Video::empty();
    for index in 0..3 {
        let plane = frame.plane(index);
        let stride = c_int::try_from(plane.stride).map_err(|_| ff::Error::InvalidData)?;
        let keeper = Box::into_raw(Box::new(frame.clone()));
        // SAFETY: the buffer covers exactly the plane's slice. The boxed clone keeps that memory alive until FFmpeg
        // drops its last reference, and while the clone exists nobody can write to it (`Frame::make_mut` copies
        // shared pixels). The buffer is marked read-only, so FFmpeg does not write either; encoders copy what they
        // keep. `release` gets the box back exactly once: from FFmpeg, or below when no buffer was made.
        unsafe {
            let raw = video.as_mut_ptr();
            let buffer = if raw.is_null() {
                ptr::null_mut()
            } else {
                ffi::av_buffer_create(
                    plane.data.as_ptr().cast_mut(),
                    plane.data.len() as _,
                    Some(release),
                    keeper.cast(),
                    ffi::AV_BUFFER_FLAG_READONLY as c_int,
                )
            };
            if buffer.is_null() {
                drop(Box::from_raw(keeper));
                let errno = ff::error::ENOMEM;
                return Err(ff::Error::Other { errno }.into());
            }
            (*raw).buf[index] = buffer;
            (*raw).data[index] = plane.data.as_ptr().cast_mut();
            (*raw).linesize[index] = stride;
        }
    }
    // SAFETY: the frame is ours and plain fields are set; sizes of frames are far below the largest integer.
    unsafe {
        let raw = video.as_mut_ptr();
        (*raw).format = ffi::AVPixelFormat::AV_PIX_FMT_YUV420P as c_int;
        (*raw).width = frame.width() as c_int;
        (*raw).height = frame.height() as c_int;
    }
    Ok(video)
}

/// Called by FFmpeg, on any thread, when it needs a lent plane no more.
unsafe extern "C" fn release(keeper: *mut c_void, _data: *mut u8) {
    // SAFETY: `lend` made this pointer from a box of a frame, which may be dropped on any thread.
    drop(unsafe { Box::from_raw(keeper.cast::<Frame>()) });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::FramePool;

    #[test]
    fn a_lent_frame_lives_as_long_as_its_picture_and_is_not_written_meanwhile() {
        let pool = FramePool::default();
        let planes: [(&[u8], usize); 3] = [(&[7; 24], 6), (&[8; 6], 3), (&[9; 6], 3)];
        let mut frame = Frame::from_i420(&pool, 6, 4, Default::default(), planes).unwrap();
        let video = lend(&frame).unwrap();
        assert!(frame.is_shared());
        assert_eq!(video.data(0).as_ptr(), frame.plane(0).data.as_ptr());
        frame.make_mut(&pool).unwrap().plane_mut(0).data.fill(1);
        assert_eq!(video.data(0)[0], 7);
        drop(frame);
        assert_eq!(video.data(0)[23], 7);
        assert_eq!(pool.stats().live_bytes, 36);
        drop(video);
        assert_eq!(pool.stats().live_bytes, 0);
    }

    #[test]
    fn an_interleaved_frame_is_not_lent() {
        let pool = FramePool::default();
        let frame = Frame::from_bgr(&pool, 2, 2, 6, &[0; 12]).unwrap();
        assert!(lend(&frame).is_err());
    }
}
