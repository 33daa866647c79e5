//! Pictures out of streams in pieces of any size: whole, damaged, and none at all.
//! Only the splitter; nothing is decoded.

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
fn cut(kind: MjpegKind, bytes: &[u8], size: usize) -> (Vec<Piece>, Result<(), SplitError>, u64) {
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
    let wanted = || {
        pictures
            .iter()
            .cloned()
            .map(Bytes::from)
            .map(Piece::Picture)
    };
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
    assert_eq!(pieces, [Piece::Picture(bytes.into())]);
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
            Some(&Piece::Picture(whole.clone().into())),
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
    assert!(matches!(result, Err(SplitError::NoPicture(skipped)) if skipped < MAX_HEADERS + 2000));
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

#[test]
fn a_boundary_is_found_behind_other_dashes_however_the_stream_is_cut() {
    let picture = jpeg(5);
    for before in [
        b"--\r\n".to_vec(),
        [&b"--"[..], &[b'x'; 200], b"\n"].concat(),
        [&[b'x'; 301][..], b"--other\r\n"].concat(),
    ] {
        let mut bytes = before;
        bytes.extend_from_slice(&b"X-Header: y\r\n".repeat(60));
        bytes.extend_from_slice(&part(&picture));
        bytes.extend_from_slice(b"--frame--\r\n");
        for size in [1, 17, 301, 1 << 16] {
            let (pieces, result, _) = cut(MjpegKind::Multipart, &bytes, size);
            assert_eq!(pieces, [Piece::Picture(picture.clone().into()), Piece::End]);
            assert_eq!(result, Ok(()));
        }
    }
}

#[test]
fn a_read_full_of_tiny_pictures_is_cut_without_moving_the_rest() {
    let mut splitter = Splitter::new(MjpegKind::Plain);
    splitter.push(&[0xff, 0xd8, 0xff, 0xd9].repeat(16 << 10));
    let first = splitter.buffer.as_ptr();
    let mut pictures = 0;
    while let Ok(Some(Piece::Picture(picture))) = splitter.next() {
        assert_eq!(
            picture.as_ptr(),
            first.wrapping_add(4 * pictures),
            "neither it nor what follows was copied"
        );
        pictures += 1;
    }
    assert_eq!(pictures, 16 << 10);
}
