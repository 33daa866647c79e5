//! Frames of any size and layout into the one size and meaning of an encoder's pictures.
//! Not encoding.

use crate::color::{ColorInfo, ColorRange};
use crate::frame::{Frame, PixelFormat, Plane, PlaneMut};
use crate::pool::FramePool;
use crate::resize::{ResizeError, Resizer};

/// The size and colour of a file's pictures, taken from its first frame.
pub(super) struct Shape {
    width: u32,
    height: u32,
    color: ColorInfo,
    resizer: Resizer,
    rescaled: u64,
}

impl Shape {
    pub(super) fn new(first: &Frame) -> Shape {
        // Players expect limited range.
        let color = match first.format() {
            PixelFormat::I420 => ColorInfo {
                range: ColorRange::Limited,
                ..first.color()
            },
            PixelFormat::Bgr => ColorInfo::VIDEO,
        };
        Shape {
            width: first.width(),
            height: first.height(),
            color,
            resizer: Resizer::default(),
            rescaled: 0,
        }
    }

    /// Both sides rounded up to even, as 4:2:0 video needs.
    pub(super) fn coded_size(&self) -> (u32, u32) {
        (
            self.width.next_multiple_of(2),
            self.height.next_multiple_of(2),
        )
    }

    pub(super) fn color(&self) -> ColorInfo {
        self.color
    }

    /// Frames that were scaled.
    pub(super) fn rescaled(&self) -> u64 {
        self.rescaled
    }

    /// Writes a frame into an encoder's planes of the coded size.
    pub(super) fn fill(
        &mut self,
        frame: &Frame,
        mut planes: [PlaneMut<'_>; 3],
        pool: &FramePool,
    ) -> Result<(), ResizeError> {
        let scaled;
        let mut frame = frame;
        if (frame.width(), frame.height()) != (self.width, self.height) {
            self.rescaled += 1;
            scaled = self
                .resizer
                .fit_frame(frame, pool, self.width, self.height)?;
            frame = &scaled;
        }
        let is_final = frame.format() == PixelFormat::I420 && frame.color() == self.color;
        let odd = self.coded_size() != (self.width, self.height);
        if !is_final && !odd {
            return Ok(frame.to_bgr(pool)?.write_i420(planes, self.color)?);
        }
        let converted;
        if !is_final {
            converted = frame.to_bgr(pool)?.bgr_to_i420(pool, self.color)?;
            frame = &converted;
        }
        for (index, plane) in planes.iter_mut().enumerate() {
            pad_copy(frame.plane(index), plane);
        }
        Ok(())
    }
}

/// Copies a plane into one that may be a row or column larger, repeating the last.
fn pad_copy(from: Plane<'_>, to: &mut PlaneMut<'_>) {
    let last = from.rows - 1;
    let row_bytes = from.row_bytes;
    for (index, row) in to.rows_mut().enumerate() {
        let start = index.min(last) * from.stride;
        row[..row_bytes].copy_from_slice(&from.data[start..start + row_bytes]);
        let edge = row[row_bytes - 1];
        row[row_bytes..].fill(edge);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_repeats_the_last_row_and_column() {
        let from = Plane {
            data: &[1, 2, 3, 0, 4, 5, 6],
            stride: 4,
            row_bytes: 3,
            rows: 2,
        };
        let mut data = [9; 12];
        let mut to = PlaneMut {
            data: &mut data,
            stride: 4,
            row_bytes: 4,
            rows: 3,
        };
        pad_copy(from, &mut to);
        assert_eq!(data, [1, 2, 3, 3, 4, 5, 6, 6, 4, 5, 6, 6]);
    }
}
