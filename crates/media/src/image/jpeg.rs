//! JPEG to BGR or I420 with libjpeg-turbo.
//! Not encoding: that is `encode`.

use std::cell::RefCell;

use turbojpeg::{Decompressor, Image, Subsamp, YuvImage};

use super::{ImageError, ImageKind, check_length};
use crate::color::ColorInfo;
use crate::frame::{Frame, PixelFormat};
use crate::limits::{FrameError, check_size};
use crate::pool::FramePool;

/// Most scans of a progressive JPEG. Real ones have about ten; each costs a pass over the picture.
const MAX_SCANS: u32 = 100;

thread_local! {
    /// One decompressor a thread: making one costs more than decoding a thumbnail.
    static DECOMPRESSOR: RefCell<Option<Decompressor>> = const { RefCell::new(None) };
}

/// Decodes a JPEG to BGR. A damaged or cut-off picture is an error, never a half-grey frame.
pub fn decode_jpeg(bytes: &[u8], pool: &FramePool) -> Result<Frame, ImageError> {
    check_length(bytes)?;
    with_decompressor(|decompressor| decode_with(decompressor, bytes, pool))
}

/// Decodes a JPEG to I420 in JPEG's own value range: without leaving luma and chroma if it is stored that way with even
/// sides, else through BGR. Damage is an error.
#[cfg_attr(not(feature = "ffmpeg"), allow(dead_code))]
pub(crate) fn decode_jpeg_i420(
    bytes: &[u8],
    max_pixels: u64,
    pool: &FramePool,
) -> Result<Frame, ImageError> {
    check_length(bytes)?;
    with_decompressor(|decompressor| {
        let header = decompressor.read_header(bytes).map_err(corrupt)?;
        let (width, height) = (side(header.width), side(header.height));
        check_size(width, height)?;
        if u64::from(width) * u64::from(height) > max_pixels {
            return Err(FrameError::TooLarge { width, height }.into());
        }
        let even = width % 2 == 0 && height % 2 == 0;
        if header.subsamp != Subsamp::Sub2x2 || !even {
            return Ok(decode_with(decompressor, bytes, pool)?.to_i420(pool)?);
        }
        let mut frame = Frame::uninit(pool, PixelFormat::I420, width, height)?;
        let target = YuvImage {
            pixels: frame.own_bytes_mut(),
            width: header.width,
            align: 1,
            height: header.height,
            subsamp: header.subsamp,
        };
        decompressor
            .decompress_to_yuv(bytes, target)
            .map_err(corrupt)?;
        frame.set_color(ColorInfo::JPEG);
        Ok(frame)
    })
}

fn with_decompressor(
    decode: impl FnOnce(&mut Decompressor) -> Result<Frame, ImageError>,
) -> Result<Frame, ImageError> {
    DECOMPRESSOR.with_borrow_mut(|slot| {
        let mut decompressor = match slot.take() {
            Some(decompressor) => decompressor,
            None => fresh()?,
        };
        let frame = decode(&mut decompressor);
        // After an error the next picture gets a fresh one.
        if frame.is_ok() {
            *slot = Some(decompressor);
        }
        frame
    })
}

fn fresh() -> Result<Decompressor, ImageError> {
    let mut decompressor = Decompressor::new().map_err(corrupt)?;
    decompressor.set_scan_limit(MAX_SCANS).map_err(corrupt)?;
    Ok(decompressor)
}

fn decode_with(
    decompressor: &mut Decompressor,
    bytes: &[u8],
    pool: &FramePool,
) -> Result<Frame, ImageError> {
    let header = decompressor.read_header(bytes).map_err(corrupt)?;
    let (width, height) = (side(header.width), side(header.height));
    check_size(width, height)?;
    let mut frame = Frame::uninit(pool, PixelFormat::Bgr, width, height)?;
    let plane = frame.own_plane_mut(0);
    let target = Image {
        pixels: plane.data,
        width: header.width,
        pitch: plane.stride,
        height: header.height,
        format: turbojpeg::PixelFormat::BGR,
    };
    decompressor.decompress(bytes, target).map_err(corrupt)?;
    Ok(frame)
}

fn side(pixels: usize) -> u32 {
    u32::try_from(pixels).unwrap_or(u32::MAX)
}

fn corrupt(error: turbojpeg::Error) -> ImageError {
    ImageError::Corrupt {
        kind: ImageKind::Jpeg,
        reason: error.to_string(),
    }
}
