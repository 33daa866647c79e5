//! Result bodies whose pictures travel as they are behind the JSON, instead of as base64 inside it.
//! Sent only after both ends named [`Feature::RawImage`](crate::signalling::Feature::RawImage); never compressed.
//!
//! | Bytes | What |
//! |---|---|
//! | 0-3 | [`MAGIC`]: `FW`, version 1, flags 0 |
//! | 4-7 | length of the JSON, u32 little endian |
//! | then | the JSON: a result message |
//! | then | the bytes of the pictures |
//!
//! In the JSON a picture is `{"type": "raw", "format": "jpeg", "offset": n, "length": n, "video_metadata": {…}}`, wherever it
//! stands; the offset counts from the first byte behind the JSON. In such a body every object whose `type` is `raw` is a
//! picture: one that says nothing usable, reaches outside, or overlaps another makes the whole body unusable.

mod read;
mod scan;
mod write;

use thiserror::Error;

pub use read::{Piece, RawBody};
pub use write::RawPictures;

/// First bytes of such a body. JSON never begins with them, nor does gzip.
pub const MAGIC: [u8; 4] = [0x46, 0x57, 1, 0];

/// Bytes before the JSON.
pub const HEADER_LEN: usize = 8;

/// Most pictures in one body. A frame cut into hundreds of crops fits; what a reader notes about pictures stays small.
pub const MAX_PICTURES: usize = 4096;

/// Why a body with pictures behind the JSON is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RawBodyError {
    /// Another version, or flags.
    #[error("the body has another version, or flags, that are not known here")]
    Version,
    /// The header is cut off, or the JSON is longer than the body.
    #[error("the body ends before its JSON does")]
    Truncated,
    /// The JSON nests deeper than [`MAX_JSON_DEPTH`](crate::message::MAX_JSON_DEPTH).
    #[error("the message nests too deep")]
    TooDeep,
    /// An object of type `raw` lacks a field, has one of a wrong type, or holds another such object.
    #[error("a picture is described in a way that cannot be read")]
    BadReference,
    /// A picture reaches beyond the end of the body.
    #[error("a picture lies outside of the body")]
    Outside,
    /// Two pictures share bytes.
    #[error("two pictures overlap")]
    Overlap,
    /// More than [`MAX_PICTURES`].
    #[error("the body has more than {MAX_PICTURES} pictures")]
    TooMany,
    /// When writing: the JSON has an object that is no picture and would be read as one, or it is too large. Such a
    /// message is sent with base64.
    #[error("the message cannot be told from one with other pictures")]
    Ambiguous,
}

/// Whether a body is of this kind, whatever its version.
pub fn is_raw(body: &[u8]) -> bool {
    body.starts_with(&MAGIC[..2])
}
