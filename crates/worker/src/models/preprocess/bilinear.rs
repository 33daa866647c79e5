//! Bilinear scaling in 11-bit fixed point, pixel centres aligned, as OpenCV's linear resize of 8-bit pictures computes it.
//! Not here: anti-aliasing. Detectors are trained on pictures resized without it, so boxes move with it.

use super::picture::Picture;

/// Two source positions and the weight of the second, in 1/2048.
#[derive(Debug, Clone, Copy)]
struct Tap {
    first: usize,
    second: usize,
    weight: i32,
}

const ONE: i32 = 1 << 11;

/// Scales a picture row by row; source rows are read once as long as they follow each other.
pub(super) struct Scaler<'p> {
    picture: Picture<'p>,
    columns: Vec<Tap>,
    rows: Vec<Tap>,
    /// First and second source column of each output pixel.
    wanted: Vec<usize>,
    /// Source rows at the wanted columns, with their index.
    upper: Line,
    lower: Line,
}

#[derive(Default)]
struct Line {
    row: Option<usize>,
    pixels: Vec<[u8; 3]>,
}

impl<'p> Scaler<'p> {
    pub(super) fn new(picture: Picture<'p>, width: usize, height: usize) -> Self {
        let (columns, rows) = (taps(width, picture.width), taps(height, picture.height));
        let wanted: Vec<_> = columns
            .iter()
            .flat_map(|tap| [tap.first, tap.second])
            .collect();
        let line = || Line {
            row: None,
            pixels: vec![[0; 3]; wanted.len()],
        };
        Self {
            picture,
            columns,
            rows,
            upper: line(),
            lower: line(),
            wanted,
        }
    }

    /// One output row, into `out` of the output's width.
    pub(super) fn row(&mut self, y: usize, out: &mut [[u8; 3]]) {
        let tap = self.rows[y];
        if self.lower.row == Some(tap.first) {
            std::mem::swap(&mut self.upper, &mut self.lower);
        }
        self.upper.fill(&self.picture, tap.first, &self.wanted);
        self.lower.fill(&self.picture, tap.second, &self.wanted);
        let (b1, b0) = (tap.weight, ONE - tap.weight);
        let pairs = self
            .upper
            .pixels
            .as_chunks::<2>()
            .0
            .iter()
            .zip(self.lower.pixels.as_chunks::<2>().0);
        for ((pixel, column), ([ul, ur], [ll, lr])) in out.iter_mut().zip(&self.columns).zip(pairs)
        {
            let (a1, a0) = (column.weight, ONE - column.weight);
            for c in 0..3 {
                let top = i32::from(ul[c]) * a0 + i32::from(ur[c]) * a1;
                let bottom = i32::from(ll[c]) * a0 + i32::from(lr[c]) * a1;
                // OpenCV drops low bits before and after the vertical step; the result is the same to the bit.
                let sum = (((b0 * (top >> 4)) >> 16) + ((b1 * (bottom >> 4)) >> 16) + 2) >> 2;
                pixel[c] = sum.clamp(0, 255) as u8;
            }
        }
    }
}

impl Line {
    fn fill(&mut self, picture: &Picture<'_>, row: usize, columns: &[usize]) {
        if self.row != Some(row) {
            picture.read(row, columns, &mut self.pixels);
            self.row = Some(row);
        }
    }
}

/// Half-pixel centres, edges repeated.
fn taps(target: usize, source: usize) -> Vec<Tap> {
    let scale = source as f64 / target as f64;
    let tap = |index: usize| {
        let position = ((index as f64 + 0.5) * scale - 0.5).clamp(0.0, (source - 1) as f64);
        let first = position.floor() as usize;
        let weight = ((position - first as f64) * f64::from(ONE)).round_ties_even() as i32;
        Tap {
            first,
            second: (first + 1).min(source - 1),
            weight,
        }
    };
    (0..target).map(tap).collect()
}
