//! Pure, bounded gzip and base64.
//! Nothing is streamed: bodies are whole, and their limits are the caller's.

use libdeflater::{CompressionLvl, Compressor, DecompressionError, Decompressor};
use thiserror::Error;

/// Largest body after decompression.
pub const MAX_BODY_BYTES: usize = 256 * 1024 * 1024;

/// First bytes of every gzip stream.
pub const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// A deflate stream cannot expand more than this; anything announced beyond it is a lie.
const MAX_DEFLATE_RATIO: usize = 1032;

/// Why a gzip stream was not decompressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum GunzipError {
    /// Truncated, corrupt, or with a wrong checksum or length.
    #[error("the gzip stream is corrupt")]
    Corrupt,
    /// Larger than allowed.
    #[error("the gzip stream holds {len} bytes, more than {limit}")]
    TooLarge {
        /// Announced size.
        len: usize,
        /// Allowed size.
        limit: usize,
    },
}

/// Text that is not base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the text is not base64")]
pub struct Base64Error;

/// Whether a body is a gzip stream; the wire has no other sign.
pub fn is_gzip(body: &[u8]) -> bool {
    body.starts_with(&GZIP_MAGIC)
}

/// Decompresses one gzip stream of at most `limit` bytes. Allocates what the stream announces, never more than `limit`
/// or than its length can hold.
pub fn gunzip_bounded(stream: &[u8], limit: usize) -> Result<Vec<u8>, GunzipError> {
    let Some(trailer) = stream.last_chunk::<4>().filter(|_| stream.len() >= 18) else {
        return Err(GunzipError::Corrupt);
    };
    let len = u32::from_le_bytes(*trailer) as usize;
    if len > stream.len().saturating_mul(MAX_DEFLATE_RATIO) {
        return Err(GunzipError::Corrupt);
    }
    if len > limit {
        return Err(GunzipError::TooLarge { len, limit });
    }
    let mut body = vec![0; len];
    match Decompressor::new().gzip_decompress(stream, &mut body) {
        Ok(written) => {
            body.truncate(written);
            Ok(body)
        }
        Err(DecompressionError::BadData | DecompressionError::InsufficientSpace) => {
            Err(GunzipError::Corrupt)
        }
    }
}

/// Compresses at level 1, the fastest: readers do not care, and higher levels cost more than the network they save.
pub fn gzip(body: &[u8]) -> Vec<u8> {
    let mut compressor = Compressor::new(CompressionLvl::new(1).unwrap_or_default());
    let mut out = vec![0; compressor.gzip_compress_bound(body.len())];
    match compressor.gzip_compress(body, &mut out) {
        Ok(written) => out.truncate(written),
        // Unreachable with a buffer of the bound's size; a stored body would be wrong, an empty one is visible.
        Err(_) => out.clear(),
    }
    out
}

/// Decodes base64; line breaks and blanks in it are tolerated.
pub fn base64_decode(text: &[u8]) -> Result<Vec<u8>, Base64Error> {
    base64_simd::STANDARD
        .decode_to_vec(text)
        .or_else(|_| base64_simd::forgiving_decode_to_vec(text))
        .map_err(|_| Base64Error)
}

/// Appends the base64 of `data` to `out`.
pub fn base64_encode_into(data: &[u8], out: &mut Vec<u8>) {
    base64_simd::STANDARD.encode_append(data, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_round_trips_and_reads_the_vector_of_the_original() {
        let body = b"{\"a\":1}".repeat(1000);
        let stream = gzip(&body);
        assert!(is_gzip(&stream) && stream.len() < body.len());
        assert_eq!(gunzip_bounded(&stream, body.len()).unwrap(), body);
        assert_eq!(gunzip_bounded(&gzip(b""), 0).unwrap(), b"");
        let vector = [
            0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xab, 0x56, 0x4a, 0x54, 0xb2, 0x32, 0xac, 5, 0,
            0xaf, 0xac, 0x1b, 0x56, 7, 0, 0, 0,
        ];
        assert_eq!(gunzip_bounded(&vector, 100).unwrap(), b"{\"a\":1}");
    }

    #[test]
    fn corrupt_truncated_and_oversized_streams_are_errors() {
        let stream = gzip(&[7; 5000]);
        assert_eq!(
            gunzip_bounded(&stream, 4999),
            Err(GunzipError::TooLarge {
                len: 5000,
                limit: 4999
            })
        );
        for len in 0..stream.len() {
            assert!(
                gunzip_bounded(&stream[..len], 5000).is_err(),
                "cut at {len}"
            );
        }
        for at in [2, 10, 12, stream.len() - 6, stream.len() - 1] {
            let mut bad = stream.clone();
            bad[at] ^= 0x55;
            assert!(gunzip_bounded(&bad, 1 << 20).is_err(), "flipped at {at}");
        }
    }

    #[test]
    fn an_announced_size_that_cannot_be_is_not_allocated() {
        let mut stream = gzip(b"x");
        let at = stream.len() - 4;
        stream[at..].copy_from_slice(&200_000_000_u32.to_le_bytes());
        assert_eq!(
            gunzip_bounded(&stream, MAX_BODY_BYTES),
            Err(GunzipError::Corrupt)
        );
    }

    #[test]
    fn base64_round_trips_and_tolerates_line_breaks() {
        let mut out = b"x".to_vec();
        base64_encode_into(&[0xff, 0xd8, 0xff, 0], &mut out);
        assert_eq!(out, b"x/9j/AA==");
        assert_eq!(base64_decode(b"/9j/\nAA==").unwrap(), [0xff, 0xd8, 0xff, 0]);
        assert_eq!(base64_decode(b"/9j/ AA").unwrap(), [0xff, 0xd8, 0xff, 0]);
        assert!(base64_decode(b"/9j*").is_err());
    }
}
