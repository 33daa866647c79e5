//! I420 of any range and matrix to the luma and chroma of a JPEG (full range, BT.601), padded to even sides.
//! Not RGB: the change is linear, so it is done on the planes, a fraction of the work of going through BGR.

use crate::color::{ColorInfo, ColorRange};
use crate::frame::Frame;

/// The linear map from one meaning of Y, U, V to JPEG's, chroma centred on 0. All arithmetic fits 16 bits, so that the
/// loops become SIMD code; the wrapping operations never wrap (a test holds the shares to that).
#[derive(Debug, Clone, Copy, PartialEq)]
struct Map {
    /// Black, taken off luma first.
    black: u8,
    /// Luma gain in 1/128.
    luma: u16,
    /// Shares of U and V in luma, in 1/512; nothing unless the matrix changes.
    mix: [i16; 2],
    /// What is added to U: shares of U and V in 1/512.
    u: [i16; 2],
    /// What is added to V: shares of U and V in 1/512.
    v: [i16; 2],
}

impl Map {
    fn new(color: ColorInfo) -> Map {
        let (black, luma_gain, chroma_gain): (u8, f64, f64) = match color.range {
            ColorRange::Limited => (16, 255.0 / 219.0, 255.0 / 224.0),
            ColorRange::Full => (0, 1.0, 1.0),
        };
        let (kr, kb) = color.weights();
        let kg = 1.0 - kr - kb;
        // Red, green and blue minus luma, per unit of U and V.
        let red = [0.0, 2.0 * (1.0 - kr)];
        let blue = [2.0 * (1.0 - kb), 0.0];
        let green = [-kb / kg * blue[0], -kr / kg * red[1]];
        let (jr, jb) = ColorInfo::JPEG.weights();
        let mix = [0, 1].map(|i| jr * red[i] + (1.0 - jr - jb) * green[i] + jb * blue[i]);
        let u = [0, 1].map(|i| (blue[i] - mix[i]) / (2.0 * (1.0 - jb)) * chroma_gain);
        let v = [0, 1].map(|i| (red[i] - mix[i]) / (2.0 * (1.0 - jr)) * chroma_gain);
        let fixed = |share: f64| (share * 512.0).round() as i16;
        Map {
            black,
            luma: (luma_gain * 128.0).round() as u16,
            mix: mix.map(|share| fixed(share * chroma_gain)),
            u: [fixed(u[0] - 1.0), fixed(u[1])],
            v: [fixed(v[0]), fixed(v[1] - 1.0)],
        }
    }

    fn luma_row(&self, from: &[u8], to: &mut [u8]) {
        for (to, &from) in to.iter_mut().zip(from) {
            *to = self.gain(from).clamp(0, 255) as u8;
        }
    }

    fn mixed_luma_row(&self, from: &[u8], mix: &[i16], to: &mut [u8]) {
        for ((to, &from), &mix) in to.iter_mut().zip(from).zip(mix) {
            *to = self.gain(from).wrapping_add(mix).clamp(0, 255) as u8;
        }
    }

    fn gain(&self, luma: u8) -> i16 {
        let above_black = u16::from(luma.saturating_sub(self.black));
        (above_black.wrapping_mul(self.luma).wrapping_add(64) >> 7) as i16
    }
}

/// A chroma byte around 0.
fn centred(byte: u8) -> i16 {
    i16::from(byte).wrapping_sub(128)
}

/// The given shares of two centred values.
fn blend(u: i16, v: i16, shares: [i16; 2]) -> i16 {
    let sum = u
        .wrapping_mul(shares[0])
        .wrapping_add(v.wrapping_mul(shares[1]));
    sum.wrapping_add(256) >> 9
}

/// Adds `shares` to the chroma of one plane, `own`.
fn chroma_row(own: &[u8], us: &[u8], vs: &[u8], shares: [i16; 2], to: &mut [u8]) {
    for (((to, &own), &u), &v) in to.iter_mut().zip(own).zip(us).zip(vs) {
        let added = blend(centred(u), centred(v), shares);
        *to = i16::from(own).wrapping_add(added).clamp(0, 255) as u8;
    }
}

/// Planes ready for a JPEG encoder; memory is reused from picture to picture.
#[derive(Debug, Default)]
pub(super) struct JpegPlanes {
    y: Vec<u8>,
    u: Vec<u8>,
    v: Vec<u8>,
    /// Share of chroma in the luma of a row, one value a pixel.
    mix: Vec<i16>,
    even_width: usize,
}

impl JpegPlanes {
    /// Y, U and V, and the stride of Y; the others have half of it.
    pub(super) fn planes(&self) -> ([&[u8]; 3], usize) {
        ([&self.y, &self.u, &self.v], self.even_width)
    }

    /// Fills the planes from an I420 frame.
    pub(super) fn fill(&mut self, frame: &Frame) {
        let map = Map::new(frame.color());
        let [y, u, v] = [0, 1, 2].map(|index| frame.plane(index));
        let (half_width, half_height) = (u.row_bytes, u.rows);
        self.even_width = half_width * 2;
        self.y.resize(half_width * half_height * 4, 0);
        self.u.resize(half_width * half_height, 0);
        self.v.resize(half_width * half_height, 0);
        self.mix.resize(self.even_width, 0);
        let mixed = map.mix != [0, 0];
        let mut luma = y.rows();
        let targets = self
            .u
            .chunks_exact_mut(half_width)
            .zip(self.v.chunks_exact_mut(half_width));
        let targets = targets.zip(self.y.chunks_exact_mut(self.even_width * 2));
        for ((us, vs), ((to_u, to_v), to_y)) in u.rows().zip(v.rows()).zip(targets) {
            chroma_row(us, us, vs, map.u, to_u);
            chroma_row(vs, us, vs, map.v, to_v);
            if mixed {
                for ((pair, &u), &v) in self.mix.as_chunks_mut::<2>().0.iter_mut().zip(us).zip(vs) {
                    *pair = [blend(centred(u), centred(v), map.mix); 2];
                }
            }
            let (first, second) = to_y.split_at_mut(self.even_width);
            let luma_row = |from: &[u8], to: &mut [u8]| {
                if mixed {
                    map.mixed_luma_row(from, &self.mix, to)
                } else {
                    map.luma_row(from, to)
                }
                if from.len() < to.len() {
                    to[from.len()] = to[from.len() - 1];
                }
            };
            if let Some(from) = luma.next() {
                luma_row(from, first);
            }
            match luma.next() {
                Some(from) => luma_row(from, second),
                None => second.copy_from_slice(first),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::color::ColorMatrix;
    use crate::pool::FramePool;

    /// The same change through floating-point RGB without clamping.
    fn exact(color: ColorInfo, y: u8, u: u8, v: u8) -> [f64; 3] {
        let (black, luma, chroma) = match color.range {
            ColorRange::Limited => (16.0, 255.0 / 219.0, 255.0 / 224.0),
            ColorRange::Full => (0.0, 1.0, 1.0),
        };
        let (kr, kb) = color.weights();
        let y = (f64::from(y) - black).max(0.0) * luma;
        let (u, v) = (
            (f64::from(u) - 128.0) * chroma,
            (f64::from(v) - 128.0) * chroma,
        );
        let (r, b) = (y + 2.0 * (1.0 - kr) * v, y + 2.0 * (1.0 - kb) * u);
        let g = (y - kr * r - kb * b) / (1.0 - kr - kb);
        let luma = 0.299 * r + 0.587 * g + 0.114 * b;
        [luma, 128.0 + (b - luma) / 1.772, 128.0 + (r - luma) / 1.402]
    }

    #[test]
    fn sixteen_bits_are_enough_for_every_range_and_matrix() {
        for range in [ColorRange::Limited, ColorRange::Full] {
            for matrix in [ColorMatrix::Bt601, ColorMatrix::Bt709, ColorMatrix::Bt2020] {
                let map = Map::new(ColorInfo { range, matrix });
                assert!(
                    u32::from(255 - map.black) * u32::from(map.luma) + 64 <= u32::from(u16::MAX)
                );
                for shares in [map.mix, map.u, map.v] {
                    let most = shares
                        .iter()
                        .map(|share| i32::from(share.abs()))
                        .sum::<i32>()
                        * 128;
                    assert!(
                        most + 256 <= i32::from(i16::MAX),
                        "{range:?} {matrix:?} {shares:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn every_range_and_matrix_lands_within_one_step_of_the_exact_value() {
        let pool = FramePool::default();
        for range in [ColorRange::Limited, ColorRange::Full] {
            for matrix in [ColorMatrix::Bt601, ColorMatrix::Bt709, ColorMatrix::Bt2020] {
                let color = ColorInfo { range, matrix };
                for step in 0..=255u8 {
                    let (y, u, v) = (
                        step,
                        step.wrapping_mul(7).wrapping_add(3),
                        step.wrapping_mul(13),
                    );
                    let planes: [(&[u8], usize); 3] = [(&[y; 9], 3), (&[u; 4], 2), (&[v; 4], 2)];
                    let frame = Frame::from_i420(&pool, 3, 3, color, planes).unwrap();
                    let mut out = JpegPlanes::default();
                    out.fill(&frame);
                    let ([to_y, to_u, to_v], stride) = out.planes();
                    assert_eq!((stride, to_y.len(), to_u.len(), to_v.len()), (4, 16, 4, 4));
                    let wanted = exact(color, y, u, v).map(|value| value.clamp(0.0, 255.0));
                    for (got, wanted) in [(to_y, wanted[0]), (to_u, wanted[1]), (to_v, wanted[2])] {
                        let off = got
                            .iter()
                            .map(|&byte| (f64::from(byte) - wanted).abs())
                            .fold(0.0, f64::max);
                        assert!(
                            off <= 1.5,
                            "{color:?} {y} {u} {v}: {got:?} instead of {wanted}"
                        );
                    }
                }
            }
        }
    }
}
