//! A borrowed picture that gives BGR pixels of chosen columns of a row, from BGR or straight from I420.
//! Not here: a full conversion; a model looks at few of the pixels of a large picture.
//!
//! The I420 arithmetic is that of FFmpeg's usual x86 converter, rounding down at each step and taking the nearest chroma:
//! detectors see to the bit what they see in Python through PyAV or OpenCV. A better rounded conversion is about one grey
//! level brighter, and that alone moves boxes by two pixels.

use framewire_media::{ColorInfo, ColorMatrix, ColorRange, Frame, PixelFormat, Plane};

/// The pixels of a frame, borrowed.
#[derive(Clone, Copy)]
pub(crate) struct Picture<'a> {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pixels: Pixels<'a>,
}

#[derive(Clone, Copy)]
enum Pixels<'a> {
    Bgr {
        data: &'a [u8],
        stride: usize,
    },
    I420 {
        y: Plane<'a>,
        u: Plane<'a>,
        v: Plane<'a>,
        weights: Weights,
    },
}

impl<'a> Picture<'a> {
    /// `data` holds `height` rows of `width` BGR pixels, `stride` bytes apart.
    pub(crate) fn bgr(data: &'a [u8], width: usize, height: usize, stride: usize) -> Self {
        Self {
            width,
            height,
            pixels: Pixels::Bgr { data, stride },
        }
    }

    /// `None` for a pixel format of the future.
    pub(crate) fn of(frame: &'a Frame) -> Option<Self> {
        let (width, height) = (frame.width() as usize, frame.height() as usize);
        let plane = |index| frame.plane(index);
        match frame.format() {
            PixelFormat::Bgr => Some(Self::bgr(plane(0).data, width, height, plane(0).stride)),
            PixelFormat::I420 => {
                let weights = Weights::of(frame.color());
                let pixels = Pixels::I420 {
                    y: plane(0),
                    u: plane(1),
                    v: plane(2),
                    weights,
                };
                Some(Self {
                    width,
                    height,
                    pixels,
                })
            }
            _ => None,
        }
    }

    /// The pixels of a row at `columns`, into `out` of the same length. Row and columns must be inside.
    pub(crate) fn read(&self, row: usize, columns: &[usize], out: &mut [[u8; 3]]) {
        match self.pixels {
            Pixels::Bgr { data, stride } => {
                let line = &data[row * stride..][..self.width * 3];
                for (pixel, &x) in out.iter_mut().zip(columns) {
                    *pixel = [line[x * 3], line[x * 3 + 1], line[x * 3 + 2]];
                }
            }
            Pixels::I420 { y, u, v, weights } => {
                let chroma = self.width.div_ceil(2);
                let luma = &y.data[row * y.stride..][..self.width];
                let u = &u.data[row / 2 * u.stride..][..chroma];
                let v = &v.data[row / 2 * v.stride..][..chroma];
                for (pixel, &x) in out.iter_mut().zip(columns) {
                    *pixel = weights.bgr(luma[x], u[x / 2], v[x / 2]);
                }
            }
        }
    }
}

/// Fixed-point factors, 13 bits after the point, and the luma of black.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Weights {
    black: i32,
    luma: i32,
    blue_u: i32,
    green_u: i32,
    green_v: i32,
    red_v: i32,
}

impl Weights {
    fn of(color: ColorInfo) -> Self {
        // Factors of limited-range video with 16 bits after the point.
        let [red_v, blue_u, green_u, green_v] = match color.matrix {
            ColorMatrix::Bt709 => [117_504, 138_453, 13_954, 34_903],
            ColorMatrix::Bt2020 => [110_013, 140_363, 12_277, 42_626],
            _ => [104_597, 132_201, 25_675, 53_279],
        };
        let (black, luma, chroma) = match color.range {
            ColorRange::Full => (0, 1 << 16, 224),
            _ => (16, (1 << 16) * 255 / 219, 255),
        };
        let chroma = |factor: i32| factor * chroma / 255;
        let short = |factor: i32| (factor + 4) >> 3;
        Self {
            black: black << 3,
            luma: short(luma),
            blue_u: short(chroma(blue_u)),
            green_u: short(-chroma(green_u)),
            green_v: short(-chroma(green_v)),
            red_v: short(chroma(red_v)),
        }
    }

    fn bgr(&self, y: u8, u: u8, v: u8) -> [u8; 3] {
        let y = (((i32::from(y) << 3) - self.black) * self.luma) >> 16;
        let (u, v) = ((i32::from(u) - 128) << 3, (i32::from(v) - 128) << 3);
        let byte = |value: i32| value.clamp(0, 255) as u8;
        let green = ((u * self.green_u) >> 16) + ((v * self.green_v) >> 16);
        [
            byte(y + ((u * self.blue_u) >> 16)),
            byte(y + green),
            byte(y + ((v * self.red_v) >> 16)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limited_range_colours_are_those_of_the_usual_converter() {
        let weights = Weights::of(ColorInfo::VIDEO);
        assert_eq!(
            weights,
            Weights {
                black: 128,
                luma: 9539,
                blue_u: 16525,
                green_u: -3209,
                green_v: -6660,
                red_v: 13075
            }
        );
        assert_eq!(weights.bgr(16, 128, 128), [0, 0, 0]);
        assert_eq!(weights.bgr(235, 128, 128), [255, 255, 255]);
        assert_eq!(weights.bgr(126, 128, 128), [128, 128, 128]);
        assert_eq!(weights.bgr(81, 90, 240), [0, 0, 253]);
        assert_eq!(weights.bgr(0, 255, 0), [237, 35, 0]);
    }

    #[test]
    fn full_range_keeps_black_and_white() {
        let weights = Weights::of(ColorInfo::JPEG);
        assert_eq!(weights.bgr(0, 128, 128), [0, 0, 0]);
        assert_eq!(weights.bgr(255, 128, 128), [255, 255, 255]);
    }

    #[test]
    fn columns_are_read_from_rows_with_gaps() {
        let data = [1, 2, 3, 4, 5, 6, 0, 7, 8, 9, 10, 11, 12];
        let picture = Picture::bgr(&data, 2, 2, 7);
        let mut out = [[0; 3]; 3];
        picture.read(1, &[1, 0, 1], &mut out);
        assert_eq!(out, [[10, 11, 12], [7, 8, 9], [10, 11, 12]]);
    }
}
