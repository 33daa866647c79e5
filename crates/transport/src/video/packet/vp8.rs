//! VP8 payloads: a small descriptor in front of a piece of the frame.
//! Temporal layers of a peer are read past, not used; ours carry only a picture number.

use super::{Joined, MAX_PAYLOAD, Place};

/// X and I set, picture number of 15 bits.
const DESCRIPTOR: usize = 4;

pub(super) fn cut(frame: &[u8], picture: u16) -> Vec<Vec<u8>> {
    let pieces = frame.len().div_ceil(MAX_PAYLOAD - DESCRIPTOR).max(1);
    // Pieces of equal size: a short last packet would cost as much as a full one.
    let size = frame.len().div_ceil(pieces).max(1);
    let mut payloads = Vec::with_capacity(pieces);
    for (index, piece) in frame.chunks(size).enumerate() {
        let begin = if index == 0 { 0x10 } else { 0 };
        let mut payload = Vec::with_capacity(DESCRIPTOR + piece.len());
        payload.extend_from_slice(&[
            0x80 | begin,
            0x80,
            0x80 | (picture >> 8) as u8,
            picture as u8,
        ]);
        payload.extend_from_slice(piece);
        payloads.push(payload);
    }
    payloads
}

/// Splits the descriptor off; the flag says whether the frame begins here.
fn split(payload: &[u8]) -> Option<(bool, &[u8])> {
    let (&first, mut rest) = payload.split_first()?;
    let head = first & 0x1f == 0x10;
    if first & 0x80 != 0 {
        let (&extension, after) = rest.split_first()?;
        rest = after;
        if extension & 0x80 != 0 {
            let (&picture, after) = rest.split_first()?;
            rest = after;
            if picture & 0x80 != 0 {
                rest = rest.split_first()?.1;
            }
        }
        if extension & 0x40 != 0 {
            rest = rest.split_first()?.1;
        }
        if extension & 0x30 != 0 {
            rest = rest.split_first()?.1;
        }
    }
    (!rest.is_empty()).then_some((head, rest))
}

pub(super) fn place(payload: &[u8]) -> Place {
    match split(payload) {
        Some((true, _)) => Place::Head,
        Some((false, _)) => Place::Middle,
        None => Place::Malformed,
    }
}

pub(super) fn join<'a>(payloads: impl Iterator<Item = &'a [u8]>) -> Option<Joined> {
    let mut data = Vec::new();
    for (index, payload) in payloads.enumerate() {
        let (head, piece) = split(payload)?;
        if index == 0 && !head {
            return None;
        }
        data.extend_from_slice(piece);
    }
    // The lowest bit of the frame tag is 0 for a keyframe.
    let keyframe = data.first()? & 1 == 0;
    Some(Joined {
        data,
        keyframe,
        parameters: false,
    })
}

pub(super) fn is_key(payload: &[u8]) -> bool {
    split(payload).is_some_and(|(head, piece)| head && piece[0] & 1 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_comes_back_whole_whatever_its_size() {
        for size in [1, 2, 1_095, 1_096, 1_097, 5_000, 70_001] {
            let frame: Vec<u8> = (0..size).map(|n: usize| (n * 7) as u8 & 0xfe).collect();
            let payloads = cut(&frame, 0x1234);
            assert!(payloads.iter().all(|p| p.len() <= MAX_PAYLOAD));
            assert_eq!(place(&payloads[0]), Place::Head);
            assert!(payloads[1..].iter().all(|p| place(p) == Place::Middle));
            let joined = join(payloads.iter().map(Vec::as_slice)).unwrap();
            assert!(joined.keyframe && joined.data == frame);
        }
    }

    #[test]
    fn descriptors_of_others_are_read_past() {
        // S only; then X with I (7 bits), L, T and K.
        assert_eq!(split(&[0x10, 9, 9]), Some((true, &[9, 9][..])));
        assert_eq!(split(&[0x90, 0xf0, 0x12, 1, 2, 9]), Some((true, &[9][..])));
        assert_eq!(split(&[0x11, 9]), Some((false, &[9][..])), "partition 1");
        for bad in [
            &[][..],
            &[0x10],
            &[0x90],
            &[0x90, 0x80],
            &[0x90, 0x80, 0x81],
            &[0x90, 0x80, 0x81, 1],
        ] {
            assert_eq!(place(bad), Place::Malformed, "{bad:?}");
        }
    }
}
