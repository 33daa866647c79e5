//! What the numbers in a luma/chroma picture mean: value range and RGB matrix.
//! Not pixel loops: those are in `convert`.

use yuv::{YuvRange, YuvStandardMatrix};

/// Which byte values stand for black and white.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ColorRange {
    /// Luma 16-235, chroma 16-240: nearly all video.
    #[default]
    Limited,
    /// 0-255: JPEG and some cameras.
    Full,
}

/// Which weights turn RGB into luma and chroma.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ColorMatrix {
    /// ITU-R BT.601, also what an untagged stream is taken for.
    #[default]
    Bt601,
    /// ITU-R BT.709.
    Bt709,
    /// ITU-R BT.2020, non-constant luminance.
    Bt2020,
}

/// Range and matrix of an I420 frame. BGR frames ignore it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ColorInfo {
    /// Value range.
    pub range: ColorRange,
    /// RGB matrix.
    pub matrix: ColorMatrix,
}

impl ColorInfo {
    /// What JPEG files hold: BT.601, full range.
    pub const JPEG: ColorInfo = ColorInfo {
        range: ColorRange::Full,
        matrix: ColorMatrix::Bt601,
    };
    /// What video is made of unless it says otherwise: BT.601, limited range.
    pub const VIDEO: ColorInfo = ColorInfo {
        range: ColorRange::Limited,
        matrix: ColorMatrix::Bt601,
    };

    pub(crate) fn yuv_range(self) -> YuvRange {
        match self.range {
            ColorRange::Limited => YuvRange::Limited,
            ColorRange::Full => YuvRange::Full,
        }
    }

    pub(crate) fn yuv_matrix(self) -> YuvStandardMatrix {
        match self.matrix {
            ColorMatrix::Bt601 => YuvStandardMatrix::Bt601,
            ColorMatrix::Bt709 => YuvStandardMatrix::Bt709,
            ColorMatrix::Bt2020 => YuvStandardMatrix::Bt2020,
        }
    }

    /// The red and blue luma weights.
    pub(crate) fn weights(self) -> (f64, f64) {
        match self.matrix {
            ColorMatrix::Bt601 => (0.299, 0.114),
            ColorMatrix::Bt709 => (0.2126, 0.0722),
            ColorMatrix::Bt2020 => (0.2627, 0.0593),
        }
    }
}
