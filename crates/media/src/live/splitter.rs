//! Cutting a byte stream of JPEG pictures, with or without multipart headers, into pictures.
//! Not decoding them, not reading the stream: bytes are pushed in.
//!
//! Pictures are found by walking their segments, so a picture is complete with its last byte: nothing waits for the next
//! boundary, lengths that lie do no harm, and pictures inside pictures (thumbnails) are not taken for pictures.

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
    Picture(Vec<u8>),
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
    /// The picture being collected, or the text since the last one.
    buffer: Vec<u8>,
    at: At,
    boundary: Option<Vec<u8>>,
    /// Bytes left out since the last picture, and how many may be.
    skipped: usize,
    allowed: usize,
    damaged: u64,
}

impl Splitter {
    pub(super) fn new(kind: MjpegKind) -> Splitter {
        Splitter {
            kind,
            buffer: Vec::new(),
            at: At::Between(0),
            boundary: None,
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
                    let rest = self.buffer.split_off(end);
                    let picture = std::mem::replace(&mut self.buffer, rest);
                    self.at = At::Between(0);
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
        let start = memmem::find(&self.buffer[from..], &[0xff, 0xd8, 0xff]).map(|at| from + at);
        let text = &self.buffer[..start.unwrap_or(self.buffer.len())];
        if self.kind == MjpegKind::Multipart {
            if self.boundary.is_none() {
                self.boundary = boundary(text);
            }
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
        self.buffer.drain(..count);
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

/// The first line that begins with two dashes and is complete.
fn boundary(text: &[u8]) -> Option<Vec<u8>> {
    let start = if text.starts_with(b"--") {
        0
    } else {
        memmem::find(text, b"\n--")? + 1
    };
    let line = &text[start..];
    let line = &line[..memchr(b'\n', line)?];
    let line = line.trim_ascii_end();
    (line.len() > 2 && line.len() <= MAX_BOUNDARY).then(|| line.to_vec())
}

/// Whether the text holds the boundary with two dashes behind it.
fn closes(text: &[u8], boundary: &[u8]) -> bool {
    memmem::find_iter(text, boundary).any(|at| text[at + boundary.len()..].starts_with(b"--"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::Bgr;
    use crate::frame::Frame;
    use crate::image::JpegEncoder;
    use crate::pool::FramePool;

    fn jpeg(brightness: u8) -> Vec<u8> {
        let color = Bgr::new(brightness, 200, 10);
        let frame = Frame::solid_bgr(&FramePool::default(), 64, 48, color).unwrap();
        JpegEncoder::default().encode(&frame).unwrap().to_vec()
    }

    fn part(picture: &[u8]) -> Vec<u8> {
        let mut part = b"--frame\r\nContent-Type: image/jpeg\r\n\r\n".to_vec();
        part.extend_from_slice(picture);
        part.extend_from_slice(b"\r\n");
        part
    }

    /// Everything that comes out when the bytes arrive in pieces of a size.
    fn cut(
        kind: MjpegKind,
        bytes: &[u8],
        size: usize,
    ) -> (Vec<Piece>, Result<(), SplitError>, u64) {
        let (mut splitter, mut pieces) = (Splitter::new(kind), Vec::new());
        for chunk in bytes.chunks(size) {
            splitter.push(chunk);
            loop {
                assert!(
                    splitter.buffer.len() <= MAX_PICTURE + size,
                    "the buffer is bounded"
                );
                match splitter.next() {
                    Ok(Some(Piece::End)) => {
                        pieces.push(Piece::End);
                        return (pieces, Ok(()), splitter.damaged());
                    }
                    Ok(Some(piece)) => pieces.push(piece),
                    Ok(None) => break,
                    Err(error) => return (pieces, Err(error), splitter.damaged()),
                }
            }
        }
        (pieces, Ok(()), splitter.damaged())
    }

    #[test]
    fn pictures_come_out_whole_however_the_bytes_arrive() {
        let pictures = [jpeg(1), jpeg(100), jpeg(255)];
        let mut parts: Vec<u8> = pictures.iter().flat_map(|picture| part(picture)).collect();
        parts.extend_from_slice(b"--frame--\r\n");
        let plain = pictures.concat();
        let wanted = || pictures.iter().cloned().map(Piece::Picture);
        for size in [1, 2, 3, 7, 100, 1 << 20] {
            let (pieces, result, damaged) = cut(MjpegKind::Multipart, &parts, size);
            assert_eq!(pieces, wanted().chain([Piece::End]).collect::<Vec<_>>());
            assert_eq!((result, damaged), (Ok(()), 0));
            let (pieces, result, damaged) = cut(MjpegKind::Plain, &plain, size);
            assert_eq!(pieces, wanted().collect::<Vec<_>>());
            assert_eq!((result, damaged), (Ok(()), 0));
        }
    }

    #[test]
    fn a_picture_is_complete_with_its_last_byte() {
        let bytes = part(&jpeg(7));
        let end = bytes.len() - 2;
        let mut splitter = Splitter::new(MjpegKind::Multipart);
        splitter.push(&bytes[..end - 1]);
        assert_eq!(splitter.next(), Ok(None));
        assert!(splitter.is_inside());
        splitter.push(&bytes[end - 1..end]);
        assert!(matches!(splitter.next(), Ok(Some(Piece::Picture(_)))));
        assert!(!splitter.is_inside());
    }

    #[test]
    fn a_thumbnail_inside_a_picture_is_no_picture() {
        let (inner, outer) = (jpeg(3), jpeg(90));
        let mut bytes = outer[..2].to_vec();
        bytes.extend_from_slice(&[0xff, 0xe1]);
        bytes.extend_from_slice(&u16::try_from(inner.len() + 2).unwrap().to_be_bytes());
        bytes.extend_from_slice(&inner);
        bytes.extend_from_slice(&outer[2..]);
        let (pieces, ..) = cut(MjpegKind::Plain, &bytes, 64);
        assert_eq!(pieces, [Piece::Picture(bytes)]);
    }

    #[test]
    fn a_picture_that_is_cut_off_is_counted_and_the_next_one_is_found() {
        let whole = jpeg(42);
        for length in [2, 4, 30, whole.len() / 2, whole.len() - 2] {
            let mut bytes = part(&whole[..length]);
            // What is left of it may announce up to 64 KiB of segment, which swallows whole pictures.
            bytes.extend_from_slice(&part(&whole).repeat(200));
            let (pieces, result, damaged) = cut(MjpegKind::Multipart, &bytes, 50);
            assert_eq!(result, Ok(()), "{length}");
            assert_eq!(
                pieces.last(),
                Some(&Piece::Picture(whole.clone())),
                "{length}"
            );
            assert!(damaged <= 2, "{length}: {damaged}");
        }
    }

    #[test]
    fn headers_without_end_and_streams_without_pictures_are_refused_early() {
        let endless = b"X-Header: something\r\n".repeat(10_000);
        let (pieces, result, _) = cut(MjpegKind::Multipart, &endless, 1000);
        assert!(pieces.is_empty());
        assert!(
            matches!(result, Err(SplitError::NoPicture(skipped)) if skipped < MAX_HEADERS + 2000)
        );
        let garbage = vec![0xff; MAX_PICTURE + (1 << 20)];
        let (_, result, _) = cut(MjpegKind::Plain, &garbage, 1 << 16);
        assert!(matches!(result, Err(SplitError::NoPicture(_))));
    }

    #[test]
    fn a_picture_without_end_is_refused_at_the_limit() {
        let mut bytes = jpeg(9);
        bytes.truncate(bytes.len() - 2);
        bytes.resize(MAX_PICTURE + (1 << 20), 0x11);
        let (pieces, result, _) = cut(MjpegKind::Plain, &bytes, 1 << 16);
        assert_eq!((pieces.len(), result), (0, Err(SplitError::TooLong)));
    }
}
