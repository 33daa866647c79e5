//! JPEG to BGR with libjpeg-turbo.
//! Not encoding: that is `encode`.

use std::cell::RefCell;

use turbojpeg::{Decompressor, Image};

use super::{ImageError, ImageKind, check_length};
use crate::frame::{Frame, PixelFormat};
use crate::limits::check_size;
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
    DECOMPRESSOR.with_borrow_mut(|slot| {
        let mut decompressor = match slot.take() {
            Some(decompressor) => decompressor,
            None => fresh()?,
        };
        let frame = decode_with(&mut decompressor, bytes, pool);
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
    let side = |pixels: usize| u32::try_from(pixels).unwrap_or(u32::MAX);
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

fn corrupt(error: turbojpeg::Error) -> ImageError {
    ImageError::Corrupt {
        kind: ImageKind::Jpeg,
        reason: error.to_string(),
    }
}
