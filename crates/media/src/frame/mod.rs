//! The picture type: reference-counted planes, cheap clones and views, copy on write.
//! Not conversion (`convert`), not memory management (`pool`).

mod build;
mod plane;

use std::fmt;
use std::sync::Arc;

use self::plane::needed_bytes;
use crate::color::ColorInfo;
use crate::limits::FrameError;
use crate::pool::{FramePool, PoolBuffer};
use crate::timing::{TimeBase, Timing};

pub(crate) use plane::ForeignPlanes;
pub use plane::{PixelFormat, Plane, PlaneMut};

enum Storage {
    /// All planes in one buffer; offsets count from its start.
    Pooled(PoolBuffer),
    /// Offsets count from the start of each plane.
    #[cfg_attr(not(feature = "ffmpeg"), allow(dead_code))]
    Foreign(Box<dyn ForeignPlanes>),
}

#[derive(Debug, Clone, Copy, Default)]
struct PlaneAt {
    offset: usize,
    stride: usize,
}

/// A picture. Cloning and cropping share the pixels; they are copied only by [`make_mut`](Frame::make_mut) and only
/// when somebody else still sees them. `Send` and `Sync`.
#[derive(Clone)]
pub struct Frame {
    storage: Arc<Storage>,
    format: PixelFormat,
    width: u32,
    height: u32,
    planes: [PlaneAt; 3],
    color: ColorInfo,
    timing: Timing,
}

impl Frame {
    /// Pixel layout.
    pub fn format(&self) -> PixelFormat {
        self.format
    }

    /// Width in pixels, never 0.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels, never 0.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Range and matrix of an I420 frame.
    pub fn color(&self) -> ColorInfo {
        self.color
    }

    /// Timestamp and its unit.
    pub fn timing(&self) -> Timing {
        self.timing
    }

    /// Raw timestamp.
    pub fn pts(&self) -> Option<i64> {
        self.timing.pts
    }

    /// Unit of the timestamp.
    pub fn time_base(&self) -> TimeBase {
        self.timing.time_base
    }

    /// Sets the timestamp of this handle; clones keep theirs.
    pub fn set_timing(&mut self, timing: Timing) {
        self.timing = timing;
    }

    pub(crate) fn set_color(&mut self, color: ColorInfo) {
        self.color = color;
    }

    /// A plane: `I420` has 0 to 2 (Y, U, V), `Bgr` has 0.
    ///
    /// # Panics
    /// If `index` is not below [`PixelFormat::planes`].
    pub fn plane(&self, index: usize) -> Plane<'_> {
        assert!(
            index < self.format.planes(),
            "{:?} has no plane {index}",
            self.format
        );
        let (row_bytes, rows) = self.format.plane_size(index, self.width, self.height);
        let PlaneAt { offset, stride } = self.planes[index];
        let bytes = match &*self.storage {
            Storage::Pooled(buffer) => buffer.bytes(),
            Storage::Foreign(source) => source.plane(index),
        };
        Plane {
            data: &bytes[offset..offset + needed_bytes((row_bytes, rows), stride)],
            stride,
            row_bytes,
            rows,
        }
    }

    /// The pixels of a BGR frame as one slice without gaps; `None` for I420 and for cropped views
    /// (use [`to_packed_bgr`](Frame::to_packed_bgr) then).
    pub fn bgr_bytes(&self) -> Option<&[u8]> {
        match self.format {
            PixelFormat::Bgr => self.plane(0).packed(),
            PixelFormat::I420 => None,
        }
    }

    /// A BGR frame whose [`bgr_bytes`](Frame::bgr_bytes) is `Some`: a clone if it already is, else one conversion or
    /// copy.
    pub fn to_packed_bgr(&self, pool: &FramePool) -> Result<Frame, FrameError> {
        let bgr = self.to_bgr(pool)?;
        if bgr.plane(0).packed().is_some() {
            Ok(bgr)
        } else {
            bgr.copied(pool)
        }
    }

    /// Whether a write would have to copy first.
    pub fn is_shared(&self) -> bool {
        Arc::strong_count(&self.storage) > 1 || matches!(*self.storage, Storage::Foreign(_))
    }

    /// The planes for writing. Copies the picture into pooled memory first if anyone else holds it or it is not pool
    /// memory; otherwise costs nothing.
    pub fn make_mut(&mut self, pool: &FramePool) -> Result<FrameMut<'_>, FrameError> {
        let writable = matches!(Arc::get_mut(&mut self.storage), Some(Storage::Pooled(_)));
        if !writable {
            *self = self.copied(pool)?;
        }
        Ok(FrameMut { frame: self })
    }

    /// The part of the picture inside the given rectangle, or `None` if it is empty or reaches outside. Shares the
    /// pixels where the layout allows it (BGR always; I420 when `x` and `y` are even), else converts that part to BGR.
    pub fn crop(
        &self,
        pool: &FramePool,
        x: u32,
        y: u32,
        width: u32,
        height: u32,
    ) -> Result<Option<Frame>, FrameError> {
        let inside = |start: u32, len: u32, end: u32| {
            len > 0 && start.checked_add(len).is_some_and(|sum| sum <= end)
        };
        if !inside(x, width, self.width) || !inside(y, height, self.height) {
            return Ok(None);
        }
        let (odd_x, odd_y) = (x % 2, y % 2);
        if self.format == PixelFormat::I420 && (odd_x, odd_y) != (0, 0) {
            // Chroma is shared by 2x2 pixels: take the even rectangle around it, then cut exactly.
            let around = self.view(x - odd_x, y - odd_y, width + odd_x, height + odd_y);
            return Ok(Some(around.to_bgr(pool)?.view(odd_x, odd_y, width, height)));
        }
        Ok(Some(self.view(x, y, width, height)))
    }

    /// A sub-rectangle sharing the pixels; `x` and `y` even for I420, all inside the picture.
    fn view(&self, x: u32, y: u32, width: u32, height: u32) -> Frame {
        let (x, y) = (x as usize, y as usize);
        let mut frame = self.clone();
        for (index, plane) in frame
            .planes
            .iter_mut()
            .enumerate()
            .take(self.format.planes())
        {
            let (left, top) = match (self.format, index) {
                (PixelFormat::Bgr, _) => (x * 3, y),
                (PixelFormat::I420, 0) => (x, y),
                (PixelFormat::I420, _) => (x / 2, y / 2),
            };
            plane.offset += top * plane.stride + left;
        }
        frame.width = width;
        frame.height = height;
        frame
    }

    /// A plane of a frame that was just made by `uninit` and not shared yet.
    pub(crate) fn own_plane_mut(&mut self, index: usize) -> PlaneMut<'_> {
        let (row_bytes, rows) = self.format.plane_size(index, self.width, self.height);
        let PlaneAt { offset, stride } = self.planes[index];
        match Arc::get_mut(&mut self.storage) {
            Some(Storage::Pooled(buffer)) => {
                let data = &mut buffer.bytes_mut()
                    [offset..offset + needed_bytes((row_bytes, rows), stride)];
                PlaneMut {
                    data,
                    stride,
                    row_bytes,
                    rows,
                }
            }
            _ => unreachable!("only called on unshared pool frames"),
        }
    }

    /// All three planes of an I420 frame that was just made by `uninit`.
    pub(crate) fn own_i420_mut(&mut self) -> [PlaneMut<'_>; 3] {
        let sizes = [0, 1, 2].map(|index| self.format.plane_size(index, self.width, self.height));
        let at = self.planes;
        let Some(Storage::Pooled(buffer)) = Arc::get_mut(&mut self.storage) else {
            unreachable!("only called on unshared pool frames");
        };
        // Planes of one buffer come in order; views of a frame keep that order.
        let (front, v) = buffer.bytes_mut().split_at_mut(at[2].offset);
        let (y, u) = front.split_at_mut(at[1].offset);
        let cut = |bytes, index: usize| {
            let data: &mut [u8] = bytes;
            let (row_bytes, rows) = sizes[index];
            let data = &mut data[..needed_bytes(sizes[index], at[index].stride)];
            PlaneMut {
                data,
                stride: at[index].stride,
                row_bytes,
                rows,
            }
        };
        [cut(&mut y[at[0].offset..], 0), cut(u, 1), cut(v, 2)]
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame")
            .field("format", &self.format)
            .field("width", &self.width)
            .field("height", &self.height)
            .field("timing", &self.timing)
            .finish_non_exhaustive()
    }
}

/// The planes of a frame nobody else holds, from [`Frame::make_mut`].
pub struct FrameMut<'a> {
    frame: &'a mut Frame,
}

impl FrameMut<'_> {
    /// A plane for writing.
    ///
    /// # Panics
    /// If `index` is not below [`PixelFormat::planes`].
    pub fn plane_mut(&mut self, index: usize) -> PlaneMut<'_> {
        assert!(
            index < self.frame.format.planes(),
            "{:?} has no plane {index}",
            self.frame.format
        );
        self.frame.own_plane_mut(index)
    }

    /// Pixel layout.
    pub fn format(&self) -> PixelFormat {
        self.frame.format
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.frame.width
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.frame.height
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(pool: &FramePool, width: u32, height: u32) -> Frame {
        let data: Vec<u8> = (0..width * height * 3).map(|i| (i % 251) as u8).collect();
        Frame::from_bgr(pool, width, height, width as usize * 3, &data).unwrap()
    }

    #[test]
    fn a_clone_is_copied_only_when_written_to() {
        let pool = FramePool::default();
        let mut frame = numbered(&pool, 4, 3);
        let before = frame.plane(0).data.as_ptr();
        assert_eq!(
            frame.make_mut(&pool).unwrap().plane_mut(0).data.as_ptr(),
            before
        );
        let other = frame.clone();
        assert!(frame.is_shared());
        frame.make_mut(&pool).unwrap().plane_mut(0).data[0] = 200;
        assert_eq!((other.plane(0).data[0], frame.plane(0).data[0]), (0, 200));
        assert!(!other.is_shared());
    }

    #[test]
    fn a_bgr_crop_shares_pixels_and_is_packed_on_request() {
        let pool = FramePool::default();
        let frame = numbered(&pool, 5, 4);
        let crop = frame.crop(&pool, 1, 2, 3, 2).unwrap().unwrap();
        assert_eq!(pool.stats().allocated, 1);
        assert!(crop.bgr_bytes().is_none());
        let expected: Vec<u8> = frame
            .plane(0)
            .rows()
            .skip(2)
            .flat_map(|row| row[3..12].to_vec())
            .collect();
        assert_eq!(
            crop.to_packed_bgr(&pool).unwrap().bgr_bytes().unwrap(),
            expected
        );
        for (x, y, w, h) in [
            (0, 0, 0, 1),
            (4, 0, 2, 1),
            (0, 4, 1, 1),
            (u32::MAX, 0, 2, 1),
        ] {
            assert!(frame.crop(&pool, x, y, w, h).unwrap().is_none());
        }
    }

    #[test]
    fn writing_to_a_view_touches_only_the_view() {
        let pool = FramePool::default();
        let mut frame = numbered(&pool, 6, 6)
            .crop(&pool, 2, 2, 2, 2)
            .unwrap()
            .unwrap();
        let mut writer = frame.make_mut(&pool).unwrap();
        let mut plane = writer.plane_mut(0);
        assert_eq!((plane.rows, plane.row_bytes), (2, 6));
        plane.rows_mut().for_each(|row| row.fill(9));
        assert!(
            frame
                .plane(0)
                .rows()
                .all(|row| row.iter().all(|&byte| byte == 9))
        );
    }

    #[test]
    fn short_planes_and_strides_are_refused() {
        let pool = FramePool::default();
        assert!(matches!(
            Frame::from_bgr(&pool, 4, 2, 12, &[0; 23]),
            Err(FrameError::ShortPlane { .. })
        ));
        assert!(matches!(
            Frame::from_bgr(&pool, 4, 2, 11, &[0; 99]),
            Err(FrameError::ShortPlane { .. })
        ));
        assert!(matches!(
            Frame::from_bgr(&pool, 4, 2, usize::MAX, &[0; 99]),
            Err(FrameError::ShortPlane { .. })
        ));
        assert!(matches!(
            Frame::from_bgr(&pool, 0, 2, 12, &[]),
            Err(FrameError::Empty { .. })
        ));
        let planes: [(&[u8], usize); 3] = [(&[0; 9], 3), (&[0; 4], 2), (&[0; 3], 2)];
        let short = Frame::from_i420(&pool, 3, 3, ColorInfo::VIDEO, planes).unwrap_err();
        assert_eq!(
            short,
            FrameError::ShortPlane {
                plane: "V",
                needed: 4,
                got: 3
            }
        );
    }
}
