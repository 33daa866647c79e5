//! Whether a video file is shorter than its own headers say: FFmpeg reads a cut-off file to where it ends and calls
//! that the end. Not parsing of content: only the outermost lengths of ISO media, Matroska and AVI files are read.

use std::io::{self, Read, Seek, SeekFrom};

/// A file that ends early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Truncation {
    /// Length the headers announce, at least.
    pub(crate) announced: u64,
    /// Length of the file.
    pub(crate) actual: u64,
}

/// Top-level boxes looked at. A fragmented file has two a second; this is nine hours.
const MAX_BOXES: usize = 1 << 16;

/// Looks for a length that reaches beyond the end of the file. `None` when all fits or the format announces nothing.
pub(crate) fn find(mut file: impl Read + Seek) -> io::Result<Option<Truncation>> {
    let actual = file.seek(SeekFrom::End(0))?;
    let mut start = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.by_ref().take(64).read_to_end(&mut start)?;
    let announced = if start.starts_with(&[0x1a, 0x45, 0xdf, 0xa3]) {
        matroska_end(&start)
    } else if start.starts_with(b"RIFF") {
        riff_end(&start)
    } else if start.get(4..8).is_some_and(is_first_box) {
        boxes_end(&mut file, actual)?
    } else {
        None
    };
    Ok(announced
        .filter(|&announced| announced > actual)
        .map(|announced| Truncation { announced, actual }))
}

fn is_first_box(kind: &[u8]) -> bool {
    [
        b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"styp",
    ]
    .iter()
    .any(|known| kind == *known)
}

/// The end of the first box that reaches beyond the file, if one does.
fn boxes_end(file: &mut (impl Read + Seek), actual: u64) -> io::Result<Option<u64>> {
    let mut at = 0u64;
    for _ in 0..MAX_BOXES {
        if actual - at < 8 {
            return Ok(None);
        }
        file.seek(SeekFrom::Start(at))?;
        let mut header = [0; 16];
        let wanted = (actual - at).min(16) as usize;
        file.read_exact(&mut header[..wanted])?;
        let short = u32::from_be_bytes([header[0], header[1], header[2], header[3]]);
        let size = match short {
            0 => return Ok(None),
            1 if wanted < 16 => return Ok(Some(at + 16)),
            1 => {
                u64::from_be_bytes([8, 9, 10, 11, 12, 13, 14, 15].map(|index: usize| header[index]))
            }
            _ => u64::from(short),
        };
        let Some(end) = at.checked_add(size).filter(|_| size >= 8) else {
            return Ok(None);
        };
        if end > actual {
            return Ok(Some(end));
        }
        at = end;
    }
    Ok(None)
}

/// The end of a RIFF file's first chunk. Recorders that were interrupted leave 0 or the largest number.
fn riff_end(start: &[u8]) -> Option<u64> {
    let size = u32::from_le_bytes(*start.get(4..8)?.first_chunk()?);
    (size != 0 && size < 0xffff_fff0).then(|| u64::from(size) + 8)
}

/// The end of a Matroska segment, unless its length is unknown (live recordings).
fn matroska_end(start: &[u8]) -> Option<u64> {
    let (header, header_len) = vint(start.get(4..)?)?;
    let segment = 4 + header_len + usize::try_from(header).ok()?;
    let rest = start
        .get(segment..)?
        .strip_prefix(&[0x18, 0x53, 0x80, 0x67])?;
    let (size, size_len) = vint(rest)?;
    let unknown = (1u64 << (7 * size_len)) - 1;
    (size != unknown).then(|| (segment + 4 + size_len) as u64 + size)
}

/// A variable-length number and how many bytes it took.
fn vint(bytes: &[u8]) -> Option<(u64, usize)> {
    let first = *bytes.first()?;
    let len = first.leading_zeros() as usize + 1;
    if len > 8 {
        return None;
    }
    let mut value = u64::from(first) & ((1u64 << (8 - len)) - 1);
    for &byte in bytes.get(1..len)? {
        value = value << 8 | u64::from(byte);
    }
    Some((value, len))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn check(bytes: &[u8]) -> Option<u64> {
        find(Cursor::new(bytes))
            .unwrap()
            .map(|found| found.announced)
    }

    #[test]
    fn a_box_beyond_the_end_is_found_wherever_it_starts() {
        let mut file = b"\0\0\0\x10ftypisom\0\0\0\0\0\0\0\x08free".to_vec();
        assert_eq!(check(&file), None);
        file.extend(b"\0\0\x10\0mdat123");
        assert_eq!(check(&file), Some(24 + 4096));
        file.truncate(24);
        file.extend(b"\0\0\0\x01mdat\0\0\0\x01\0\0\0\0tail");
        assert_eq!(check(&file), Some(24 + (1 << 32)));
        file.truncate(24 + 9);
        assert_eq!(check(&file), Some(24 + 16));
    }

    #[test]
    fn open_ended_or_nonsensical_boxes_announce_nothing() {
        assert_eq!(check(b"\0\0\0\x08ftyp\0\0\0\0mdat12345"), None);
        assert_eq!(check(b"\0\0\0\x08ftyp\0\0\0\x03mdat12345"), None);
        assert_eq!(
            check(b"\0\0\0\x08ftyp\0\0\0\x01mdat\xff\xff\xff\xff\xff\xff\xff\xff"),
            None
        );
        assert_eq!(check(b""), None);
        assert_eq!(check(b"hello, world, this is text"), None);
    }

    #[test]
    fn a_matroska_segment_of_unknown_length_announces_nothing() {
        let mut file = vec![0x1a, 0x45, 0xdf, 0xa3, 0x82, 0, 0, 0x18, 0x53, 0x80, 0x67];
        let known = [&file[..], &[0x01, 0, 0, 0, 0, 0, 1, 0], &[7; 20]].concat();
        assert_eq!(check(&known), Some(11 + 8 + 256));
        file.extend([0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3]);
        assert_eq!(check(&file), None);
        assert_eq!(check(&file[..9]), None);
    }

    #[test]
    fn a_riff_chunk_is_compared_unless_its_length_was_never_filled_in() {
        assert_eq!(check(b"RIFF\x20\0\0\0AVI "), Some(40));
        assert_eq!(check(b"RIFF\x04\0\0\0AVI "), None);
        assert_eq!(check(b"RIFF\0\0\0\0AVI "), None);
        assert_eq!(check(b"RIFF\xff\xff\xff\xffAVI "), None);
    }
}
