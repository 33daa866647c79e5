//! From a message on the `inference` channel to a body of JSON: reassembly, gunzip, UTF-8, depth.
//! Whatever does not make it is a counted reason, never a panic and never the end of the connection.

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::chunk::{ChunkReassembler, RESULT_HEADER_LEN, ReassemblerLimits};
use crate::encoding::{GunzipError, MAX_BODY_BYTES, gunzip_bounded, is_gzip};
use crate::message::{MAX_JSON_DEPTH, ResultError, ResultMessage, depth_within};
use crate::raw::{Piece, RawBody, RawBodyError, is_raw};

/// Why a message or body was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum DropReason {
    /// Neither a valid chunk nor JSON.
    BadChunk,
    /// An incomplete message made room for newer ones.
    Evicted,
    /// Corrupt or truncated gzip.
    BadGzip,
    /// Larger than the body limit.
    TooLarge,
    /// Not UTF-8.
    NotUtf8,
    /// Nested deeper than [`MAX_JSON_DEPTH`].
    TooDeep,
    /// Not JSON, or not a JSON object.
    NotAnObject,
    /// Pictures behind the JSON that cannot be used: see [`RawBodyError`].
    BadPictures,
    /// Arrived after the session's end.
    AfterEnd,
    /// Arrived after a newer result, on a channel without order.
    Overtaken,
}

impl DropReason {
    /// Name for statistics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            DropReason::BadChunk => "bad_chunk",
            DropReason::Evicted => "evicted",
            DropReason::BadGzip => "bad_gzip",
            DropReason::TooLarge => "too_large",
            DropReason::NotUtf8 => "not_utf8",
            DropReason::TooDeep => "too_deep",
            DropReason::NotAnObject => "not_an_object",
            DropReason::BadPictures => "bad_pictures",
            DropReason::AfterEnd => "after_end",
            DropReason::Overtaken => "overtaken",
        }
    }
}

impl From<&ResultError> for DropReason {
    fn from(error: &ResultError) -> Self {
        match error {
            ResultError::NotUtf8(_) => DropReason::NotUtf8,
            ResultError::TooDeep => DropReason::TooDeep,
            ResultError::NotAnObject(_) => DropReason::NotAnObject,
        }
    }
}

impl From<RawBodyError> for DropReason {
    fn from(error: RawBodyError) -> Self {
        match error {
            RawBodyError::TooDeep => DropReason::TooDeep,
            _ => DropReason::BadPictures,
        }
    }
}

/// A whole message body, decompressed, at most [`MAX_BODY_BYTES`]. Cheap to clone and send to another thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    json: Bytes,
    raw: Option<RawBody>,
    header_frame: Option<u32>,
}

impl Body {
    /// Reads the message. Borrowed: nothing is copied; the body must outlive the result.
    pub fn message(&self) -> Result<ResultMessage<'_>, DropReason> {
        ResultMessage::parse(&self.json).map_err(|error| DropReason::from(&error))
    }

    /// The JSON bytes, without pictures that travelled behind them.
    pub fn json(&self) -> &Bytes {
        &self.json
    }

    /// A value of this body's message, with the pictures in it. Costs no copy. `value` must be borrowed from
    /// [`Body::json`].
    pub fn piece(&self, value: &RawValue) -> Piece {
        let part = value.get().as_bytes();
        match &self.raw {
            Some(raw) => raw.piece(part),
            None => Piece::plain(self.json.slice_ref(part)),
        }
    }

    /// Bytes it holds.
    pub fn weight(&self) -> usize {
        self.raw.as_ref().map_or(self.json.len(), RawBody::weight)
    }

    /// Frame id of the chunk header, if the message had one.
    pub fn header_frame(&self) -> Option<u32> {
        self.header_frame
    }
}

/// Classifies the messages of one `inference` channel, in order.
///
/// Blocks for as long as decompression takes (milliseconds per MiB): keep it off the network thread.
#[derive(Debug, Default)]
pub struct Incoming {
    chunks: ChunkReassembler,
    evicted: u64,
}

impl Incoming {
    /// Empty, with the default limits.
    pub fn new() -> Self {
        Self::default()
    }

    /// Empty, with these limits for incomplete messages.
    pub fn with_limits(limits: ReassemblerLimits) -> Self {
        Incoming {
            chunks: ChunkReassembler::with_limits(limits),
            evicted: 0,
        }
    }

    /// A text message: JSON as it stands.
    pub fn text(&mut self, message: Bytes) -> Result<Option<Body>, DropReason> {
        finish(message, None)
    }

    /// A binary message: a chunk, or un-chunked JSON. `Ok(None)` while a body is incomplete.
    pub fn binary(&mut self, message: Bytes) -> Result<Option<Body>, DropReason> {
        if message.len() < RESULT_HEADER_LEN {
            return finish(message, None);
        }
        match self.chunks.add_chunk(message.clone()) {
            Ok(None) => Ok(None),
            Ok(Some((body, frame))) => {
                if is_raw(&body) {
                    let raw = RawBody::parse(&body)?;
                    let body = finish(raw.json().clone(), Some(frame))?;
                    let with_pictures = |body| Body {
                        raw: Some(raw),
                        ..body
                    };
                    return Ok(body.map(with_pictures));
                }
                let body = if is_gzip(&body) {
                    gunzip_bounded(&body, MAX_BODY_BYTES)
                        .map(Bytes::from)
                        .map_err(|error| match error {
                            GunzipError::TooLarge { .. } => DropReason::TooLarge,
                            GunzipError::Corrupt => DropReason::BadGzip,
                        })?
                } else {
                    body
                };
                finish(body, Some(frame))
            }
            // JSON text read as a header has an index and a total far above any limit, so it always lands here.
            Err(_) if ResultMessage::parse(&message).is_ok() => finish(message, None),
            Err(_) => Err(DropReason::BadChunk),
        }
    }

    /// Incomplete messages given up since the last call; each counts as one [`DropReason::Evicted`].
    pub fn take_evicted(&mut self) -> u64 {
        let total = self.chunks.evicted();
        total - std::mem::replace(&mut self.evicted, total)
    }

    /// Payload bytes held in incomplete messages.
    pub fn held_bytes(&self) -> usize {
        self.chunks.held_bytes()
    }
}

fn finish(json: Bytes, header_frame: Option<u32>) -> Result<Option<Body>, DropReason> {
    if json.len() > MAX_BODY_BYTES {
        return Err(DropReason::TooLarge);
    }
    if std::str::from_utf8(&json).is_err() {
        return Err(DropReason::NotUtf8);
    }
    if json.trim_ascii_start().first() != Some(&b'{') {
        return Err(DropReason::NotAnObject);
    }
    if !depth_within(&json, MAX_JSON_DEPTH) {
        return Err(DropReason::TooDeep);
    }
    Ok(Some(Body {
        json,
        raw: None,
        header_frame,
    }))
}
