//! The reader's side: a body taken apart, and pieces of its JSON with the pictures in them.
//! Nothing is copied; base64 is made for who asks for it.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::scan::{Reference, references};
use super::{HEADER_LEN, MAGIC, RawBodyError};
use crate::encoding::base64_encode_into;
use crate::message::{MAX_JSON_DEPTH, depth_within};

/// A body taken apart: every picture lies inside, and no two share a byte. Cloning is cheap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawBody {
    json: Bytes,
    pictures: Arc<Pictures>,
}

#[derive(Debug, PartialEq, Eq)]
struct Pictures {
    /// In the order of the text, which is also that of the ranges `at`.
    references: Vec<Reference>,
    bytes: Bytes,
}

impl RawBody {
    /// Takes a body apart and checks every picture it refers to. One pass over the JSON; the pictures are not looked at.
    /// The JSON itself is judged by who parses it.
    pub fn parse(body: &Bytes) -> Result<RawBody, RawBodyError> {
        let Some((header, _)) = body.split_first_chunk::<HEADER_LEN>() else {
            return Err(RawBodyError::Truncated);
        };
        let [m0, m1, m2, m3, length @ ..] = *header;
        if [m0, m1, m2, m3] != MAGIC {
            return Err(RawBodyError::Version);
        }
        let end = usize::try_from(u32::from_le_bytes(length))
            .ok()
            .and_then(|length| HEADER_LEN.checked_add(length))
            .filter(|end| *end <= body.len())
            .ok_or(RawBodyError::Truncated)?;
        let json = body.slice(HEADER_LEN..end);
        let bytes = body.slice(end..);
        if !depth_within(&json, MAX_JSON_DEPTH) {
            return Err(RawBodyError::TooDeep);
        }
        let references = references(&json)?;
        check(&references, bytes.len())?;
        let pictures = Arc::new(Pictures { references, bytes });
        Ok(RawBody { json, pictures })
    }

    /// The JSON, as it came.
    pub fn json(&self) -> &Bytes {
        &self.json
    }

    /// Bytes of the JSON and of all pictures.
    pub fn weight(&self) -> usize {
        self.json.len() + self.pictures.bytes.len()
    }

    /// Number of pictures.
    pub fn picture_count(&self) -> usize {
        self.pictures.references.len()
    }

    /// A part of the JSON, which must be a slice of it, with the pictures in it.
    pub(crate) fn piece(&self, part: &[u8]) -> Piece {
        let text = self.json.slice_ref(part);
        let start = part.as_ptr() as usize - self.json.as_ptr() as usize;
        let all = &self.pictures.references;
        let first = all.partition_point(|picture| picture.at.start < start);
        let end = all.partition_point(|picture| picture.at.end <= start + part.len());
        Piece {
            text,
            pictures: (first < end).then(|| Within {
                start,
                range: first..end,
                all: Arc::clone(&self.pictures),
            }),
        }
    }
}

fn check(references: &[Reference], available: usize) -> Result<(), RawBodyError> {
    let mut ranges: Vec<_> = references.iter().map(|picture| &picture.bytes).collect();
    ranges.sort_unstable_by_key(|range| (range.start, range.end));
    if ranges.iter().any(|range| range.end > available) {
        return Err(RawBodyError::Outside);
    }
    let apart = ranges
        .windows(2)
        .all(|pair| matches!(pair, [a, b] if a.end <= b.start));
    if apart {
        Ok(())
    } else {
        Err(RawBodyError::Overlap)
    }
}

/// One value of a body, as JSON text, and the pictures that travelled beside it. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Piece {
    text: Bytes,
    pictures: Option<Within>,
}

/// The pictures of a piece.
#[derive(Debug, Clone)]
struct Within {
    /// Where the piece begins in the body's JSON.
    start: usize,
    range: Range<usize>,
    all: Arc<Pictures>,
}

impl Within {
    fn references(&self) -> &[Reference] {
        self.all
            .references
            .get(self.range.clone())
            .unwrap_or_default()
    }

    fn bytes(&self, of: &Reference) -> &[u8] {
        // Checked when the body was taken apart.
        self.all.bytes.get(of.bytes.clone()).unwrap_or_default()
    }
}

impl Piece {
    /// Text without pictures beside it.
    pub fn plain(text: Bytes) -> Piece {
        Piece {
            text,
            pictures: None,
        }
    }

    /// The text as it came. With pictures beside it, their descriptions stand in it.
    pub fn text(&self) -> &Bytes {
        &self.text
    }

    /// Whether pictures travelled beside it; else the text is all there is.
    pub fn has_pictures(&self) -> bool {
        self.pictures.is_some()
    }

    /// The value itself is a picture that travelled beside the JSON: its bytes, without a copy.
    pub fn picture(&self) -> Option<Bytes> {
        let within = self.pictures.as_ref()?;
        match within.references() {
            [one] if one.at.len() == self.text.len() => {
                Some(within.all.bytes.slice_ref(within.bytes(one)))
            }
            _ => None,
        }
    }

    /// The text with every picture in it, byte for byte as a worker writes it that knows base64 only. Costs a copy of the
    /// text and the base64 of the pictures.
    pub fn with_base64(&self) -> Bytes {
        let Some(within) = &self.pictures else {
            return self.text.clone();
        };
        let extra = |picture: &Reference| picture.bytes.len().div_ceil(3) * 4;
        let size: usize = within.references().iter().map(extra).sum();
        let mut out = Vec::with_capacity(self.text.len() + size);
        let mut done = 0;
        let mut copy = |out: &mut Vec<u8>, to: usize, next: usize| {
            out.extend_from_slice(self.text.get(done..to).unwrap_or_default());
            done = next;
        };
        for picture in within.references() {
            let place = |at: usize| at - within.start;
            copy(&mut out, place(picture.at.start), place(picture.at.end));
            out.extend_from_slice(b"{\"type\":\"base64\",\"value\":\"");
            base64_encode_into(within.bytes(picture), &mut out);
            out.push(b'"');
            if let Some(metadata) = &picture.metadata {
                out.extend_from_slice(b",\"video_metadata\":");
                let metadata = place(metadata.start)..place(metadata.end);
                out.extend_from_slice(self.text.get(metadata).unwrap_or_default());
            }
            out.push(b'}');
        }
        copy(&mut out, self.text.len(), self.text.len());
        out.into()
    }
}
