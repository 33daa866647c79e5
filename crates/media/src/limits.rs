//! How large a picture may be, and the error of everything that makes a frame.
//! Not the pool's memory limits: those are `pool::PoolLimits`.

use thiserror::Error;

/// Longest side of a picture in pixels. Larger pictures are refused before memory is reserved.
pub const MAX_DIMENSION: u32 = 16_384;

/// Most pixels a picture may have (64 Mi). A hostile header cannot ask for more than 192 MiB of BGR.
pub const MAX_PIXELS: u64 = 64 << 20;

/// Why a frame could not be made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FrameError {
    /// A side is zero.
    #[error("a picture of {width}x{height} has no pixels")]
    Empty {
        /// Width asked for.
        width: u32,
        /// Height asked for.
        height: u32,
    },
    /// A side is over [`MAX_DIMENSION`] or the area over [`MAX_PIXELS`].
    #[error(
        "a picture of {width}x{height} is over the limit of {MAX_DIMENSION} a side and {MAX_PIXELS} pixels"
    )]
    TooLarge {
        /// Width asked for.
        width: u32,
        /// Height asked for.
        height: u32,
    },
    /// The pool's live limit is reached: its user holds too many frames.
    #[error(
        "the frame pool holds {live} of at most {limit} bytes and {wanted} more are wanted: \
         drop frames sooner or raise the pool's live limit"
    )]
    PoolExhausted {
        /// Bytes asked for.
        wanted: usize,
        /// Bytes in frames that are still held.
        live: usize,
        /// The limit.
        limit: usize,
    },
    /// The bytes handed in are fewer than the picture's size and stride need.
    #[error("a {plane} plane of {needed} bytes was expected, {got} were given")]
    ShortPlane {
        /// Which plane.
        plane: &'static str,
        /// Bytes the size and stride need.
        needed: usize,
        /// Bytes given.
        got: usize,
    },
    /// The colour converter refused the picture.
    #[error("colour conversion failed: {0}")]
    Convert(String),
}

/// Checks a picture's size against both limits.
pub(crate) fn check_size(width: u32, height: u32) -> Result<(), FrameError> {
    if width == 0 || height == 0 {
        return Err(FrameError::Empty { width, height });
    }
    if width > MAX_DIMENSION
        || height > MAX_DIMENSION
        || u64::from(width) * u64::from(height) > MAX_PIXELS
    {
        return Err(FrameError::TooLarge { width, height });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_at_the_limit_pass_and_one_more_does_not() {
        assert_eq!(check_size(16_384, 4096), Ok(()));
        assert_eq!(check_size(8192, 8192), Ok(()));
        assert!(matches!(
            check_size(16_385, 1),
            Err(FrameError::TooLarge { .. })
        ));
        assert!(matches!(
            check_size(8193, 8192),
            Err(FrameError::TooLarge { .. })
        ));
        assert!(matches!(
            check_size(u32::MAX, u32::MAX),
            Err(FrameError::TooLarge { .. })
        ));
        assert!(matches!(check_size(0, 5), Err(FrameError::Empty { .. })));
    }
}
