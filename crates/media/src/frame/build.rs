//! Making frames: empty, from bytes, over foreign memory, as copies.
//! Not reading or writing them.

use std::sync::Arc;

use super::plane::needed_bytes;
use super::{ForeignPlanes, Frame, PixelFormat, Plane, PlaneAt, Storage};
use crate::color::ColorInfo;
use crate::draw::Bgr;
use crate::limits::{FrameError, check_size};
use crate::pool::FramePool;
use crate::timing::Timing;

impl Frame {
    /// A frame with unspecified pixels, planes packed one after the other.
    pub(crate) fn uninit(
        pool: &FramePool,
        format: PixelFormat,
        width: u32,
        height: u32,
    ) -> Result<Frame, FrameError> {
        check_size(width, height)?;
        let mut planes = [PlaneAt::default(); 3];
        let mut total = 0;
        for (index, plane) in planes.iter_mut().enumerate().take(format.planes()) {
            let (row_bytes, rows) = format.plane_size(index, width, height);
            *plane = PlaneAt {
                offset: total,
                stride: row_bytes,
            };
            total += row_bytes * rows;
        }
        let storage = Arc::new(Storage::Pooled(pool.take(total)?));
        Ok(Frame {
            storage,
            format,
            width,
            height,
            planes,
            color: ColorInfo::VIDEO,
            timing: Timing::default(),
        })
    }

    /// A frame over foreign memory. Each plane must be as long as its stride and the size need.
    #[cfg_attr(not(feature = "ffmpeg"), allow(dead_code))]
    pub(crate) fn foreign(
        source: Box<dyn ForeignPlanes>,
        format: PixelFormat,
        width: u32,
        height: u32,
        strides: [usize; 3],
    ) -> Result<Frame, FrameError> {
        check_size(width, height)?;
        for (index, name) in ["first", "second", "third"]
            .into_iter()
            .enumerate()
            .take(format.planes())
        {
            let needed = needed_bytes(format.plane_size(index, width, height), strides[index]);
            let got = source.plane(index).len();
            if got < needed || strides[index] < format.plane_size(index, width, height).0 {
                return Err(FrameError::ShortPlane {
                    plane: name,
                    needed,
                    got,
                });
            }
        }
        let planes = strides.map(|stride| PlaneAt { offset: 0, stride });
        let storage = Arc::new(Storage::Foreign(source));
        Ok(Frame {
            storage,
            format,
            width,
            height,
            planes,
            color: ColorInfo::VIDEO,
            timing: Timing::default(),
        })
    }

    /// A BGR frame copied from `data`, whose rows are `stride` bytes apart (at least `3 * width`).
    pub fn from_bgr(
        pool: &FramePool,
        width: u32,
        height: u32,
        stride: usize,
        data: &[u8],
    ) -> Result<Frame, FrameError> {
        let mut frame = Frame::uninit(pool, PixelFormat::Bgr, width, height)?;
        frame.fill_plane(0, "BGR", stride, data)?;
        Ok(frame)
    }

    /// An I420 frame copied from three planes given as bytes and stride.
    pub fn from_i420(
        pool: &FramePool,
        width: u32,
        height: u32,
        color: ColorInfo,
        planes: [(&[u8], usize); 3],
    ) -> Result<Frame, FrameError> {
        let mut frame = Frame::uninit(pool, PixelFormat::I420, width, height)?;
        for (index, name) in ["Y", "U", "V"].into_iter().enumerate() {
            let (data, stride) = planes[index];
            frame.fill_plane(index, name, stride, data)?;
        }
        frame.color = color;
        Ok(frame)
    }

    /// A BGR frame of one colour.
    pub fn solid_bgr(
        pool: &FramePool,
        width: u32,
        height: u32,
        color: Bgr,
    ) -> Result<Frame, FrameError> {
        let mut frame = Frame::uninit(pool, PixelFormat::Bgr, width, height)?;
        for pixel in frame.own_plane_mut(0).data.as_chunks_mut::<3>().0 {
            *pixel = color.bytes();
        }
        Ok(frame)
    }

    /// All planes of a frame that was just made by `uninit`, one after the other without gaps.
    #[cfg_attr(not(feature = "ffmpeg"), allow(dead_code))]
    pub(crate) fn own_bytes_mut(&mut self) -> &mut [u8] {
        let last = self.format.planes() - 1;
        let (row_bytes, rows) = self.format.plane_size(last, self.width, self.height);
        let end = self.planes[last].offset + row_bytes * rows;
        match Arc::get_mut(&mut self.storage) {
            Some(Storage::Pooled(buffer)) => &mut buffer.bytes_mut()[..end],
            _ => unreachable!("only called on unshared pool frames"),
        }
    }

    /// The same picture in fresh pool memory, packed.
    pub(super) fn copied(&self, pool: &FramePool) -> Result<Frame, FrameError> {
        let mut copy = Frame::uninit(pool, self.format, self.width, self.height)?;
        for index in 0..self.format.planes() {
            copy.own_plane_mut(index).copy_from(self.plane(index));
        }
        copy.color = self.color;
        copy.timing = self.timing;
        Ok(copy)
    }

    fn fill_plane(
        &mut self,
        index: usize,
        name: &'static str,
        stride: usize,
        data: &[u8],
    ) -> Result<(), FrameError> {
        let (row_bytes, rows) = self.format.plane_size(index, self.width, self.height);
        let needed = needed_bytes((row_bytes, rows), stride);
        let got = data.len();
        if stride < row_bytes || got < needed {
            return Err(FrameError::ShortPlane {
                plane: name,
                needed: needed.max(row_bytes * rows),
                got,
            });
        }
        self.own_plane_mut(index).copy_from(Plane {
            data: &data[..needed],
            stride,
            row_bytes,
            rows,
        });
        Ok(())
    }
}
