//! PNG to BGR, any bit depth and colour type.
//! Not encoding: this crate writes JPEG.

use std::io::Cursor;

use png::{ColorType, Decoder, Limits, Transformations};

use super::{ImageError, ImageKind, check_length};
use crate::frame::{Frame, PixelFormat};
use crate::limits::{MAX_PIXELS, check_size};
use crate::pool::FramePool;

/// Memory the decoder may take besides the picture: text, palettes, profiles.
const MAX_EXTRA_BYTES: usize = 8 << 20;

/// Decodes a PNG to BGR: palettes and grey are expanded, 16 bits cut to 8, transparency dropped. Of an animation the
/// first picture is taken.
pub fn decode_png(bytes: &[u8], pool: &FramePool) -> Result<Frame, ImageError> {
    check_length(bytes)?;
    let limits = Limits {
        bytes: MAX_PIXELS as usize * 4 + MAX_EXTRA_BYTES,
    };
    let mut decoder = Decoder::new_with_limits(Cursor::new(bytes), limits);
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    let mut reader = decoder.read_info().map_err(corrupt)?;
    let (width, height) = reader.info().size();
    check_size(width, height)?;
    let (color, _) = reader.output_color_type();
    let mut frame = Frame::uninit(pool, PixelFormat::Bgr, width, height)?;
    let mut plane = frame.own_plane_mut(0);
    if reader.info().interlaced {
        let size = reader
            .output_buffer_size()
            .ok_or_else(|| reason("it is too large for this machine"))?;
        let mut all = vec![0; size];
        reader.next_frame(&mut all).map_err(corrupt)?;
        for (target, row) in plane
            .rows_mut()
            .zip(all.chunks_exact(size / height as usize))
        {
            to_bgr(row, color, target)?;
        }
    } else {
        for target in plane.rows_mut() {
            let row = reader
                .next_row()
                .map_err(corrupt)?
                .ok_or_else(|| reason("rows are missing"))?;
            to_bgr(row.data(), color, target)?;
        }
    }
    Ok(frame)
}

/// Converts one row of 8-bit samples.
fn to_bgr(row: &[u8], color: ColorType, target: &mut [u8]) -> Result<(), ImageError> {
    let pixels = target.as_chunks_mut::<3>().0.iter_mut();
    match color {
        ColorType::Rgb => pixels
            .zip(row.as_chunks::<3>().0)
            .for_each(|(to, &[r, g, b])| *to = [b, g, r]),
        ColorType::Rgba => pixels
            .zip(row.as_chunks::<4>().0)
            .for_each(|(to, &[r, g, b, _])| *to = [b, g, r]),
        ColorType::Grayscale => pixels.zip(row).for_each(|(to, &y)| *to = [y; 3]),
        ColorType::GrayscaleAlpha => pixels
            .zip(row.as_chunks::<2>().0)
            .for_each(|(to, &[y, _])| *to = [y; 3]),
        ColorType::Indexed => return Err(reason("its palette is missing")),
    }
    Ok(())
}

fn corrupt(error: png::DecodingError) -> ImageError {
    reason(&error.to_string())
}

fn reason(text: &str) -> ImageError {
    ImageError::Corrupt {
        kind: ImageKind::Png,
        reason: text.to_owned(),
    }
}
