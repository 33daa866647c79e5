//! Cutting a byte stream of JPEG pictures, with or without multipart headers, into pictures.
//! Not decoding them, not reading the stream: bytes are pushed in.
//!
//! Pictures are found by walking their segments, so a picture is complete with its last byte: nothing waits for the next
//! boundary, lengths that lie do no harm, and pictures inside pictures (thumbnails) are not taken for pictures.

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr;
use memchr::memmem;

/// Longest picture. A 4K picture at the best quality has about 10 MB.
pub(super) const MAX_PICTURE: usize = 16 << 20;

/// Most bytes of multipart headers between two pictures.
pub(super) const MAX_HEADERS: usize = 16 << 10;

/// Longest boundary, dashes included; the standard allows 70 characters.
const MAX_BOUNDARY: usize = 128;

/// What is between the pictures of an MJPEG stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MjpegKind {
    /// Boundaries and headers, as in `multipart/x-mixed-replace`. A closing boundary ends the stream.
    Multipart,
    /// Nothing.
    Plain,
}

/// What the splitter found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Picture(Bytes),
    /// The closing boundary.
    End,
}

/// Why the stream cannot be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SplitError {
    /// So many bytes without a picture.
    NoPicture(usize),
    /// A picture is longer than [`MAX_PICTURE`].
    TooLong,
}

/// Where the walk through the buffer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Looking for the start of a picture from here.
    Between(usize),
    /// A marker is due here.
    Marker(usize),
    /// In compressed data.
    Data(usize),
}

/// Cuts pictures out of what is pushed.
#[derive(Debug)]
pub(super) struct Splitter {
    kind: MjpegKind,
    /// The picture being collected, or the text since the last one. What is done is cut off its front without moving the
    /// rest: a read may hold thousands of tiny pictures.
    buffer: BytesMut,
    at: At,
    boundary: Option<Vec<u8>>,
    /// Whether the buffer begins where a line may.
    line: bool,
    /// Bytes left out since the last picture, and how many may be.
    skipped: usize,
    allowed: usize,
    damaged: u64,
}

impl Splitter {
    pub(super) fn new(kind: MjpegKind) -> Splitter {
        Splitter {
            kind,
            buffer: BytesMut::new(),
            at: At::Between(0),
            boundary: None,
            line: true,
            skipped: 0,
            allowed: between(kind),
            damaged: 0,
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Pictures left out because their structure was broken.
    pub(super) fn damaged(&self) -> u64 {
        self.damaged
    }

    /// Whether the stream stands inside a picture.
    pub(super) fn is_inside(&self) -> bool {
        !matches!(self.at, At::Between(_))
    }

    /// The next piece that is complete, or `None` if more bytes are needed.
    pub(super) fn next(&mut self) -> Result<Option<Piece>, SplitError> {
        loop {
            let step = match self.at {
                At::Between(from) => match self.find_picture(from)? {
                    Found::Picture => continue,
                    Found::End => return Ok(Some(Piece::End)),
                    Found::Nothing => return Ok(None),
                },
                At::Marker(from) => self.marker(from),
                At::Data(from) => self.data(from),
            };
            match step {
                Step::Go(at) => self.at = at,
                Step::End(end) => {
                    let picture = self.buffer.split_to(end).freeze();
                    self.at = At::Between(0);
                    self.line = true;
                    self.skipped = 0;
                    self.allowed = between(self.kind);
                    return Ok(Some(Piece::Picture(picture)));
                }
                Step::More(at) => {
                    self.at = at;
                    if self.buffer.len() > MAX_PICTURE {
                        return Err(SplitError::TooLong);
                    }
                    return Ok(None);
                }
                Step::Damaged(end) => {
                    self.damaged += 1;
                    self.drop_front(end);
                    // What is left of it is skipped.
                    self.allowed = MAX_PICTURE;
                    self.at = At::Between(0);
                }
            }
        }
    }

    fn find_picture(&mut self, from: usize) -> Result<Found, SplitError> {
        let mut start = memmem::find(&self.buffer[from..], &[0xff, 0xd8, 0xff]).map(|at| from + at);
        let text = &self.buffer[..start.unwrap_or(self.buffer.len())];
        if self.kind == MjpegKind::Multipart {
            if self.boundary.is_none()
                && let Some((at, boundary)) = boundary(text, self.line)
            {
                self.boundary = Some(boundary);
                // What came before it is read no more, however much of it is still here.
                self.drop_front(at);
                start = start.map(|start| start - at);
            }
            let text = &self.buffer[..start.unwrap_or(self.buffer.len())];
            if let Some(boundary) = &self.boundary
                && closes(text, boundary)
            {
                return Ok(Found::End);
            }
        }
        if let Some(start) = start {
            self.drop_front(start);
            if self.skipped > self.allowed {
                return Err(SplitError::NoPicture(self.skipped));
            }
            self.at = At::Marker(2);
            return Ok(Found::Picture);
        }
        // A start or a boundary may be half there: enough is kept to find it whole.
        let keep = match self.kind {
            MjpegKind::Multipart => 2 * MAX_BOUNDARY,
            MjpegKind::Plain => 2,
        };
        let surplus = self.buffer.len().saturating_sub(keep);
        if surplus > keep {
            self.drop_front(surplus);
        }
        if self.skipped > self.allowed {
            return Err(SplitError::NoPicture(self.skipped));
        }
        self.at = At::Between(self.buffer.len().saturating_sub(2));
        Ok(Found::Nothing)
    }

    fn marker(&self, at: usize) -> Step {
        let more = Step::More(At::Marker(at));
        let Some(&[first, code]) = self.buffer.get(at..at + 2) else {
            return more;
        };
        match (first, code) {
            (0xff, 0xff) => Step::Go(At::Marker(at + 1)),
            (0xff, 0xd9) => Step::End(at + 2),
            (0xff, 0x01 | 0xd0..=0xd7) => Step::Go(At::Marker(at + 2)),
            // A start inside a picture: the one before was cut off.
            (0xff, 0x00 | 0xd8) => Step::Damaged(at),
            (0xff, code) => {
                let Some(&[high, low]) = self.buffer.get(at + 2..at + 4) else {
                    return more;
                };
                let length = usize::from(u16::from_be_bytes([high, low]));
                let end = at + 2 + length;
                match (length, code) {
                    (0 | 1, _) => Step::Damaged(at + 2),
                    _ if end > self.buffer.len() => more,
                    (_, 0xda) => Step::Go(At::Data(end)),
                    _ => Step::Go(At::Marker(end)),
                }
            }
            _ => Step::Damaged(at),
        }
    }

    fn data(&self, at: usize) -> Step {
        let Some(found) = memchr(0xff, &self.buffer[at..]) else {
            return Step::More(At::Data(self.buffer.len()));
        };
        let found = at + found;
        match self.buffer.get(found + 1) {
            None => Step::More(At::Data(found)),
            Some(0x00 | 0xd0..=0xd7) => Step::Go(At::Data(found + 2)),
            Some(_) => Step::Go(At::Marker(found)),
        }
    }

    fn drop_front(&mut self, count: usize) {
        if let Some(last) = self.buffer[..count].last() {
            self.line = *last == b'\n';
        }
        self.buffer.advance(count);
        self.skipped = self.skipped.saturating_add(count);
    }
}

enum Found {
    Picture,
    End,
    Nothing,
}

#[derive(Debug, PartialEq, Eq)]
enum Step {
    Go(At),
    /// The picture ends here.
    End(usize),
    /// More bytes are needed to go on from here.
    More(At),
    /// What lies before this is no picture.
    Damaged(usize),
}

/// Most bytes that may lie between two pictures. A stream without headers may be joined in the middle of one.
fn between(kind: MjpegKind) -> usize {
    match kind {
        MjpegKind::Multipart => MAX_HEADERS,
        MjpegKind::Plain => MAX_PICTURE,
    }
}

/// The first line that is complete and can be a boundary, and where it begins: after a line feed, or at the front if a
/// line begins there.
fn boundary(text: &[u8], line: bool) -> Option<(usize, Vec<u8>)> {
    let front = (line && text.starts_with(b"--")).then_some(0);
    let later = memmem::find_iter(text, b"\n--").map(|at| at + 1);
    front.into_iter().chain(later).find_map(|start| {
        let line = &text[start..];
        let line = line[..memchr(b'\n', line)?].trim_ascii_end();
        (line.len() > 2 && line.len() <= MAX_BOUNDARY).then(|| (start, line.to_vec()))
    })
}

/// Whether the text holds the boundary with two dashes behind it.
fn closes(text: &[u8], boundary: &[u8]) -> bool {
    memmem::find_iter(text, boundary).any(|at| text[at + boundary.len()..].starts_with(b"--"))
}

// The path holds wherever this file is compiled in.
#[cfg(test)]
#[path = "splitter/tests.rs"]
mod tests;
