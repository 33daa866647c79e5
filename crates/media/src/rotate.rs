//! Quarter and half turns of whole frames, and which turn a container's rotation asks for.
//! Not drawing, not arbitrary angles.

use crate::frame::{Frame, PixelFormat, Plane, PlaneMut};
use crate::limits::FrameError;
use crate::pool::FramePool;

/// A turn of the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Rotation {
    /// As it is.
    #[default]
    None,
    /// A quarter turn clockwise.
    Clockwise,
    /// Upside down.
    Half,
    /// A quarter turn counter-clockwise.
    CounterClockwise,
}

impl Rotation {
    /// The turn that shows a video upright whose container says `degrees`: -90 or 270 is a quarter turn clockwise, 90
    /// or -270 one counter-clockwise, 180 and -180 a half turn, anything else none.
    pub fn from_container_degrees(degrees: i32) -> Rotation {
        match degrees {
            -90 | 270 => Rotation::Clockwise,
            90 | -270 => Rotation::CounterClockwise,
            180 | -180 => Rotation::Half,
            _ => Rotation::None,
        }
    }

    /// Whether width and height change places.
    pub fn swaps_sides(self) -> bool {
        matches!(self, Rotation::Clockwise | Rotation::CounterClockwise)
    }
}

impl Frame {
    /// This picture turned. A clone for [`Rotation::None`], else one pass into pooled memory. An I420 frame stays I420
    /// unless a mirrored side is odd: its chroma grid would not fit any more, so the result is BGR then.
    pub fn rotated(&self, pool: &FramePool, rotation: Rotation) -> Result<Frame, FrameError> {
        if rotation == Rotation::None {
            return Ok(self.clone());
        }
        let mirrored_odd = match rotation {
            Rotation::Clockwise => self.height() % 2,
            Rotation::CounterClockwise => self.width() % 2,
            _ => self.width() % 2 + self.height() % 2,
        } > 0;
        if self.format() == PixelFormat::I420 && mirrored_odd {
            return self.to_bgr(pool)?.rotated(pool, rotation);
        }
        let (mut width, mut height) = (self.width(), self.height());
        if rotation.swaps_sides() {
            std::mem::swap(&mut width, &mut height);
        }
        let mut out = Frame::uninit(pool, self.format(), width, height)?;
        for index in 0..self.format().planes() {
            let source = self.plane(index);
            let target = out.own_plane_mut(index);
            match self.format() {
                PixelFormat::I420 => turn::<1>(source, target, rotation),
                PixelFormat::Bgr => turn::<3>(source, target, rotation),
            }
        }
        out.set_color(self.color());
        out.set_timing(self.timing());
        Ok(out)
    }
}

/// Pixels per side of the tiles a quarter turn works in, so that both sides stay in the cache.
const TILE: usize = 32;

/// Turns a plane of `N`-byte pixels into `target`, which has the turned size.
fn turn<const N: usize>(source: Plane<'_>, mut target: PlaneMut<'_>, rotation: Rotation) {
    if rotation == Rotation::Half {
        let mut rows = target.rows_mut();
        for from in source.data.chunks(source.stride).rev() {
            let Some(to) = rows.next() else { return };
            let from = from[..source.row_bytes].as_chunks::<N>().0;
            for (pixel, &value) in to.as_chunks_mut::<N>().0.iter_mut().zip(from.iter().rev()) {
                *pixel = value;
            }
        }
        return;
    }
    let columns = target.row_bytes / N;
    for top in (0..target.rows).step_by(TILE) {
        for left in (0..columns).step_by(TILE) {
            let size = (TILE.min(columns - left), TILE.min(target.rows - top));
            turn_tile::<N>(source, &mut target, (left, top), size, rotation);
        }
    }
}

/// Fills one tile of a quarter turn: reads rows of the source, writes rows of the target.
fn turn_tile<const N: usize>(
    source: Plane<'_>,
    target: &mut PlaneMut<'_>,
    (left, top): (usize, usize),
    (width, height): (usize, usize),
    rotation: Rotation,
) {
    let clockwise = rotation == Rotation::Clockwise;
    let columns = target.row_bytes / N;
    let mut tile = [[[0u8; N]; TILE]; TILE];
    for (step, column) in tile.iter_mut().enumerate().take(width) {
        // A column of the target is a row of the source, read backwards for one of the two turns.
        let (y, x) = if clockwise {
            (columns - 1 - left - step, top)
        } else {
            (left + step, target.rows - top - height)
        };
        let pixels = source.data[y * source.stride + x * N..][..height * N]
            .as_chunks::<N>()
            .0;
        if clockwise {
            column
                .iter_mut()
                .zip(pixels)
                .for_each(|(to, from)| *to = *from);
        } else {
            column
                .iter_mut()
                .zip(pixels.iter().rev())
                .for_each(|(to, from)| *to = *from);
        }
    }
    for y in 0..height.min(TILE) {
        let row = &mut target.data[(top + y) * target.stride + left * N..][..width * N];
        for (pixel, column) in row.as_chunks_mut::<N>().0.iter_mut().zip(&tile) {
            *pixel = column[y];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::color::ColorInfo;

    fn bgr(pool: &FramePool, width: u32, height: u32) -> Frame {
        let data: Vec<u8> = (0..width * height)
            .flat_map(|i| [i as u8, (i >> 8) as u8, 7])
            .collect();
        Frame::from_bgr(pool, width, height, width as usize * 3, &data).unwrap()
    }

    fn pixel(frame: &Frame, x: u32, y: u32) -> u32 {
        let plane = frame.plane(0);
        let at = y as usize * plane.stride + x as usize * 3;
        u32::from(plane.data[at]) + (u32::from(plane.data[at + 1]) << 8)
    }

    #[test]
    fn each_turn_puts_every_pixel_where_it_belongs() {
        let pool = FramePool::default();
        let (w, h) = (71, 38);
        let frame = bgr(&pool, w, h);
        let clockwise = frame.rotated(&pool, Rotation::Clockwise).unwrap();
        let counter = frame.rotated(&pool, Rotation::CounterClockwise).unwrap();
        let half = frame.rotated(&pool, Rotation::Half).unwrap();
        assert_eq!((clockwise.width(), clockwise.height()), (h, w));
        for y in 0..h {
            for x in 0..w {
                let value = y * w + x;
                assert_eq!(pixel(&clockwise, h - 1 - y, x), value);
                assert_eq!(pixel(&counter, y, w - 1 - x), value);
                assert_eq!(pixel(&half, w - 1 - x, h - 1 - y), value);
            }
        }
    }

    #[test]
    fn an_even_i420_frame_stays_i420_and_four_quarter_turns_give_it_back() {
        let pool = FramePool::default();
        let planes: Vec<Vec<u8>> = [64 * 48, 32 * 24, 32 * 24]
            .iter()
            .map(|&len: &usize| (0..len).map(|i| (i * 7) as u8).collect())
            .collect();
        let slices = [
            (&planes[0][..], 64),
            (&planes[1][..], 32),
            (&planes[2][..], 32),
        ];
        let frame = Frame::from_i420(&pool, 64, 48, ColorInfo::JPEG, slices).unwrap();
        let mut turned = frame.clone();
        for _ in 0..4 {
            turned = turned.rotated(&pool, Rotation::Clockwise).unwrap();
            assert_eq!(
                (turned.format(), turned.color()),
                (PixelFormat::I420, ColorInfo::JPEG)
            );
        }
        for index in 0..3 {
            assert_eq!(turned.plane(index).data, frame.plane(index).data);
        }
    }

    #[test]
    fn degrees_follow_the_display_rules() {
        for (degrees, expected) in [
            (-90, Rotation::Clockwise),
            (270, Rotation::Clockwise),
            (90, Rotation::CounterClockwise),
            (-270, Rotation::CounterClockwise),
            (180, Rotation::Half),
            (-180, Rotation::Half),
            (0, Rotation::None),
            (45, Rotation::None),
            (360, Rotation::None),
        ] {
            assert_eq!(
                Rotation::from_container_degrees(degrees),
                expected,
                "{degrees}"
            );
        }
    }
}
