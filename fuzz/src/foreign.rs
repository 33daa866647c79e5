//! Fuzz bodies of parsers in crates too heavy to depend on here: their files, which need nothing else, are compiled in.
//! Not the parsers themselves.

#[path = "../../crates/worker/src/sources/gate/inspect.rs"]
mod inspect;
#[allow(dead_code, unreachable_pub)]
#[path = "../../crates/media/src/live/splitter.rs"]
mod splitter;

use inspect::{Inspector, Refusal};
use splitter::{MjpegKind, Piece, SplitError, Splitter};

/// What an RTSP server sends, behind a byte that says into what pieces it is cut. The pieces make no difference, what
/// passes is what came but for short frames, and who reads what passed along finds nothing to refuse.
pub(crate) fn rtsp_inspector(data: &[u8]) {
    let Some((&size, stream)) = data.split_first() else {
        return;
    };
    let whole = inspected(stream, stream.len().max(1));
    let (out, _, goodbye) = &whole;
    assert_eq!(inspected(stream, usize::from(size).max(1)), whole);
    assert!(out.len() <= stream.len());
    let mut came = stream.iter();
    assert!(
        out.iter().all(|byte| came.any(|b| b == byte)),
        "something passed that did not come, or in another order"
    );
    let (again, refused, said_again) = inspected(out, out.len().max(1));
    assert!(refused.is_ok() && again == *out, "what passed is refused");
    assert!(*goodbye || !said_again);
}

type Inspected = (Vec<u8>, Result<(), Refusal>, bool);

fn inspected(stream: &[u8], size: usize) -> Inspected {
    let (mut inspector, mut out) = (Inspector::new(), Vec::new());
    for piece in stream.chunks(size) {
        if let Err(refusal) = inspector.pass(piece, &mut out) {
            return (out, Err(refusal), inspector.saw_goodbye());
        }
    }
    (out, Ok(()), inspector.saw_goodbye())
}

/// A stream of JPEG pictures, behind a byte for its kind and one for the size of the pieces it comes in. Pictures are
/// parts of it, in order and apart from each other, and the pieces make no difference.
pub(crate) fn mjpeg_splitter(data: &[u8]) {
    let [kind, size, stream @ ..] = data else {
        return;
    };
    let kind = if kind & 1 == 0 {
        MjpegKind::Multipart
    } else {
        MjpegKind::Plain
    };
    let whole = pictures(kind, stream, stream.len().max(1));
    let in_pieces = pictures(kind, stream, usize::from(*size).max(1));
    if kind == MjpegKind::Plain {
        assert!(whole.1.is_ok(), "so little is never too much");
    }
    assert_eq!(whole, in_pieces);
    let mut rest = stream;
    for picture in &whole.0 {
        assert!(picture.starts_with(&[0xff, 0xd8, 0xff]) && picture.ends_with(&[0xff, 0xd9]));
        let at = rest
            .windows(picture.len())
            .position(|part| part == picture)
            .expect("a picture is part of the stream, behind the one before");
        rest = &rest[at + picture.len()..];
    }
}

/// Pictures, whether the stream was closed, and how many were damaged.
type Pictures = (Vec<bytes::Bytes>, Result<bool, SplitError>, u64);

fn pictures(kind: MjpegKind, stream: &[u8], size: usize) -> Pictures {
    let (mut splitter, mut pictures) = (Splitter::new(kind), Vec::new());
    for piece in stream.chunks(size) {
        splitter.push(piece);
        loop {
            match splitter.next() {
                Ok(Some(Piece::Picture(picture))) => pictures.push(picture),
                Ok(Some(Piece::End)) => return (pictures, Ok(true), splitter.damaged()),
                Ok(None) => break,
                Err(error) => return (pictures, Err(error), splitter.damaged()),
            }
        }
    }
    (pictures, Ok(false), splitter.damaged())
}
