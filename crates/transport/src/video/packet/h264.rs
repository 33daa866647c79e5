//! H.264 payloads: NAL units alone, several in one (STAP-A), or in fragments (FU-A).
//! Frames are Annex B on our side, with start codes of four bytes when we write them.

use super::{Joined, MAX_PAYLOAD, Place};

const SLICE: u8 = 1;
const IDR: u8 = 5;
const SPS: u8 = 7;
#[cfg(test)]
const PPS: u8 = 8;
const DELIMITER: u8 = 9;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;
const START: [u8; 4] = [0, 0, 0, 1];

/// The NAL units of an Annex B frame, without start codes and the zeros around them.
fn units(frame: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = after_start(frame);
    std::iter::from_fn(move || {
        while let Some(current) = rest {
            let end = find_start(current).unwrap_or(current.len());
            rest = after_start(&current[end..]);
            let unit = &current[..end];
            let kept = unit.iter().rposition(|b| *b != 0).map_or(0, |at| at + 1);
            if kept > 0 {
                return Some(&unit[..kept]);
            }
        }
        None
    })
}

/// Where the next `00 00 01` begins.
fn find_start(bytes: &[u8]) -> Option<usize> {
    let mut at = 2;
    while at < bytes.len() {
        match bytes[at] {
            0 => at += 1,
            1 if bytes[at - 1] == 0 && bytes[at - 2] == 0 => return Some(at - 2),
            _ => at += 3,
        }
    }
    None
}

fn after_start(bytes: &[u8]) -> Option<&[u8]> {
    find_start(bytes).map(|at| &bytes[at + 3..])
}

pub(super) fn cut(frame: &[u8]) -> Vec<Vec<u8>> {
    let mut payloads = Vec::with_capacity(frame.len() / MAX_PAYLOAD + 2);
    // Parameter sets and other small units travel together with what follows them.
    let mut small: Vec<&[u8]> = Vec::new();
    let mut size = 1;
    for unit in units(frame) {
        if unit[0] & 0x1f == DELIMITER {
            continue;
        }
        if size + 2 + unit.len() <= MAX_PAYLOAD {
            size += 2 + unit.len();
            small.push(unit);
            continue;
        }
        flush(&mut small, &mut size, &mut payloads);
        if 3 + unit.len() <= MAX_PAYLOAD {
            size += 2 + unit.len();
            small.push(unit);
        } else if unit.len() <= MAX_PAYLOAD {
            payloads.push(unit.to_vec());
        } else {
            fragment(unit, &mut payloads);
        }
    }
    flush(&mut small, &mut size, &mut payloads);
    payloads
}

fn flush(small: &mut Vec<&[u8]>, size: &mut usize, payloads: &mut Vec<Vec<u8>>) {
    match small.as_slice() {
        [] => {}
        [one] => payloads.push(one.to_vec()),
        several => {
            let importance = several.iter().map(|u| u[0] & 0x60).max().unwrap_or(0);
            let mut payload = Vec::with_capacity(*size);
            payload.push(importance | STAP_A);
            for unit in several {
                // Fits: a unit here is smaller than a payload.
                payload.extend_from_slice(&(unit.len() as u16).to_be_bytes());
                payload.extend_from_slice(unit);
            }
            payloads.push(payload);
        }
    }
    small.clear();
    *size = 1;
}

fn fragment(unit: &[u8], payloads: &mut Vec<Vec<u8>>) {
    let (header, body) = (unit[0], &unit[1..]);
    let pieces = body.len().div_ceil(MAX_PAYLOAD - 2);
    let size = body.len().div_ceil(pieces);
    for (index, piece) in body.chunks(size).enumerate() {
        let begin = if index == 0 { 0x80 } else { 0 };
        let end = if index + 1 == pieces { 0x40 } else { 0 };
        let mut payload = Vec::with_capacity(2 + piece.len());
        payload.extend_from_slice(&[(header & 0xe0) | FU_A, begin | end | (header & 0x1f)]);
        payload.extend_from_slice(piece);
        payloads.push(payload);
    }
}

pub(super) fn place(payload: &[u8]) -> Place {
    let Some((&header, rest)) = payload.split_first() else {
        return Place::Malformed;
    };
    match header & 0x1f {
        1..=23 => whole(payload),
        STAP_A => match aggregated(rest).next() {
            Some(first) => whole(first),
            None => Place::Malformed,
        },
        FU_A => match rest {
            [fragment, body @ ..] if !body.is_empty() => {
                if fragment & 0x80 == 0 {
                    Place::Middle
                } else {
                    begins(fragment & 0x1f, body[0])
                }
            }
            _ => Place::Malformed,
        },
        _ => Place::Malformed,
    }
}

fn whole(unit: &[u8]) -> Place {
    match unit {
        [header, body, ..] => begins(header & 0x1f, *body),
        // An end of sequence has no body.
        [_] => Place::Middle,
        [] => Place::Malformed,
    }
}

/// Whether a unit of this kind begins a picture: parameter sets do, and slices whose first macroblock is number 0,
/// which is coded as a leading 1 bit.
fn begins(kind: u8, first: u8) -> Place {
    let head = match kind {
        SLICE | 2 | IDR => first & 0x80 != 0,
        SPS | DELIMITER => true,
        _ => false,
    };
    if head { Place::Head } else { Place::Middle }
}

/// The units of a STAP-A payload, as far as they are whole.
fn aggregated(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, after) = rest.split_first_chunk::<2>()?;
        let (unit, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        rest = after;
        (!unit.is_empty()).then_some(unit)
    })
}

pub(super) fn join<'a>(payloads: impl Iterator<Item = &'a [u8]>) -> Option<Joined> {
    let mut joined = Joined {
        data: Vec::new(),
        keyframe: false,
        parameters: false,
    };
    let mut open = false;
    for payload in payloads {
        let (&header, rest) = payload.split_first()?;
        match header & 0x1f {
            1..=23 if !open => append(&mut joined, payload),
            STAP_A if !open => {
                let mut length = 0;
                for unit in aggregated(rest) {
                    length += 2 + unit.len();
                    append(&mut joined, unit);
                }
                if length == 0 || length != rest.len() {
                    return None;
                }
            }
            FU_A => {
                let (&fragment, body) = rest.split_first()?;
                let begin = fragment & 0x80 != 0;
                if begin == open || body.is_empty() {
                    return None;
                }
                if begin {
                    append(&mut joined, &[(header & 0xe0) | (fragment & 0x1f)]);
                }
                joined.data.extend_from_slice(body);
                open = fragment & 0x40 == 0;
            }
            _ => return None,
        }
    }
    (!open && !joined.data.is_empty()).then_some(joined)
}

fn append(joined: &mut Joined, unit: &[u8]) {
    joined.keyframe |= unit[0] & 0x1f == IDR;
    joined.parameters |= unit[0] & 0x1f == SPS;
    joined.data.extend_from_slice(&START);
    joined.data.extend_from_slice(unit);
}

/// Parameter sets or a whole small IDR picture.
pub(super) fn is_key(payload: &[u8]) -> bool {
    let key = |unit: &[u8]| matches!(unit[0] & 0x1f, IDR | SPS);
    match payload {
        [header, rest @ ..] if header & 0x1f == STAP_A => aggregated(rest).any(key),
        [header, fragment, ..] if header & 0x1f == FU_A => fragment & 0x1f == IDR,
        [_, ..] => key(payload),
        [] => false,
    }
}

/// Whether a frame brings parameter sets.
#[cfg(test)]
fn has_parameters(frame: &[u8]) -> bool {
    let kinds: Vec<u8> = units(frame).map(|u| u[0] & 0x1f).collect();
    kinds.contains(&SPS) && kinds.contains(&PPS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(header: u8, size: usize) -> Vec<u8> {
        let mut unit = vec![header, 0x88];
        unit.extend((0..size).map(|n| (n % 250) as u8 + 3));
        unit
    }

    fn annex_b(units: &[Vec<u8>]) -> Vec<u8> {
        units
            .iter()
            .flat_map(|u| START.iter().chain(u).copied())
            .collect()
    }

    #[test]
    fn frames_come_back_whole_with_small_units_together_and_large_ones_in_fragments() {
        let frames = [
            vec![unit(0x41, 10)],
            vec![unit(0x67, 20), unit(0x68, 4), unit(0x65, 9_000)],
            vec![unit(0x67, 20), unit(0x68, 4), unit(0x65, 300)],
            vec![
                unit(0x41, 1_097),
                unit(0x41, 1_098),
                unit(0x41, 1_099),
                unit(0x41, 3),
            ],
        ];
        for units in frames {
            let frame = annex_b(&units);
            let payloads = cut(&frame);
            assert!(payloads.iter().all(|p| p.len() <= MAX_PAYLOAD));
            assert_eq!(place(&payloads[0]), Place::Head);
            let joined = join(payloads.iter().map(Vec::as_slice)).unwrap();
            assert_eq!(joined.data, frame);
            assert_eq!(joined.keyframe, has_parameters(&frame));
            assert_eq!(joined.parameters, has_parameters(&frame));
        }
    }

    #[test]
    fn start_codes_of_three_bytes_and_trailing_zeros_are_understood() {
        let frame = [&[
            0, 0, 1, 0x67, 1, 2, 0, 0, 0, 1, 0x68, 3, 0, 0, 1, 0x65, 0x88, 4, 0, 0,
        ][..]]
        .concat();
        let units: Vec<_> = units(&frame).collect();
        assert_eq!(units, [&[0x67, 1, 2][..], &[0x68, 3], &[0x65, 0x88, 4]]);
        assert!(cut(b"no start code at all").is_empty());
        assert!(cut(&[0, 0, 0, 1, 0, 0]).is_empty());
    }

    #[test]
    fn payloads_that_do_not_fit_together_are_refused() {
        let payloads = cut(&annex_b(&[unit(0x65, 5_000)]));
        assert!(payloads.len() > 3);
        let without = |skip: usize| {
            join(
                payloads
                    .iter()
                    .enumerate()
                    .filter(move |(n, _)| *n != skip)
                    .map(|(_, p)| p.as_slice()),
            )
        };
        assert!(without(0).is_none(), "no begin");
        assert!(without(payloads.len() - 1).is_none(), "no end");
        for bad in [
            &[][..],
            &[0x78],
            &[0x78, 0, 9, 1],
            &[0x7c, 0x80],
            &[0x1f, 1],
            &[0x00],
        ] {
            assert!(join([bad].into_iter()).is_none(), "{bad:?}");
        }
        assert_eq!(place(&[0x78, 0, 9, 1]), Place::Malformed);
        assert_eq!(place(&[0x41, 0x40]), Place::Middle, "not the first slice");
    }
}
