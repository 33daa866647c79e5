//! Both framings under permutation, repetition, interleaving and hostile bytes.
//! A failure prints the case; proptest shrinks it.

use bytes::Bytes;
use framewire_protocol::FrameId;
use framewire_protocol::chunk::{ChunkReassembler, ReassemblerLimits, split_result};
use framewire_protocol::incoming::Incoming;
use framewire_protocol::message::{ControlMessage, ResultMessage};
use framewire_protocol::upload::{UploadAction, UploadLimits, UploadPlan, UploadReceiver};
use proptest::collection::vec;
use proptest::prelude::*;

fn config() -> ProptestConfig {
    // Failing cases are kept as tests by hand, not in files beside the sources.
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(512)
    }
}

/// Positions of messages to send: every one at least once, in any order, some repeatedly.
fn order(count: usize, shuffle: &[u32], repeats: &[usize]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count)
        .chain(repeats.iter().map(|at| at % count))
        .collect();
    order.sort_by_key(|at| shuffle[at % shuffle.len()]);
    for (at, key) in shuffle.iter().enumerate() {
        let len = order.len();
        order.swap(at % len, *key as usize % len);
    }
    order
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_body_survives_splitting_shuffling_and_repetition(
        body in vec(any::<u8>(), 0..2000),
        chunk_size in 1_usize..300,
        shuffle in vec(any::<u32>(), 1..40),
        repeats in vec(any::<usize>(), 0..10),
    ) {
        let body = Bytes::from(body);
        let messages: Vec<_> = split_result(FrameId(9), body.clone(), chunk_size).unwrap().collect();
        prop_assert_eq!(messages.len(), body.len().div_ceil(chunk_size).max(1));
        let mut reassembler = ChunkReassembler::new();
        let mut seen = vec![false; messages.len()];
        let mut bodies = Vec::new();
        for at in order(messages.len(), &shuffle, &repeats) {
            seen[at] = true;
            if let Some((joined, frame)) = reassembler.add_chunk(messages[at].clone()).unwrap() {
                prop_assert_eq!(frame, 9);
                prop_assert!(seen.iter().all(|s| *s), "complete only when every chunk was there");
                bodies.push(joined);
                seen.fill(false);
            }
        }
        prop_assert!(!bodies.is_empty());
        prop_assert!(bodies.iter().all(|b| *b == body));
    }

    #[test]
    fn interleaved_frames_do_not_mix(
        bodies in vec(vec(any::<u8>(), 1..400), 1..8),
        shuffle in vec(any::<u32>(), 1..60),
    ) {
        let mut messages = Vec::new();
        for (frame, body) in bodies.iter().enumerate() {
            let chunks = split_result(FrameId(frame as u64), Bytes::from(body.clone()), 50).unwrap();
            messages.extend(chunks);
        }
        let mut reassembler = ChunkReassembler::new();
        let mut complete = 0;
        for at in order(messages.len(), &shuffle, &[]) {
            if let Some((joined, frame)) = reassembler.add_chunk(messages[at].clone()).unwrap() {
                prop_assert_eq!(&joined, &bodies[frame as usize]);
                complete += 1;
            }
        }
        prop_assert_eq!(complete, bodies.len());
        prop_assert_eq!((reassembler.held_bytes(), reassembler.incomplete_frames()), (0, 0));
    }

    #[test]
    fn hostile_chunks_never_exceed_the_limits(
        messages in vec(
            (0_u32..6, prop_oneof![0_u32..8, any::<u32>()], prop_oneof![0_u32..8, any::<u32>()], 0_usize..100),
            0..200,
        ),
    ) {
        let limits = ReassemblerLimits::default().with_frames(3).with_bytes(300).with_chunks(6);
        let mut reassembler = ChunkReassembler::with_limits(limits);
        for (frame, index, total, len) in messages {
            let mut message: Vec<u8> = [frame, index, total].into_iter().flat_map(u32::to_le_bytes).collect();
            message.resize(12 + len, 0);
            let valid = total > 0 && total <= 6 && index < total;
            let added = reassembler.add_chunk(message.into());
            prop_assert!(valid || added.is_err());
            prop_assert!(reassembler.held_bytes() <= 300 && reassembler.incomplete_frames() <= 3);
        }
    }

    #[test]
    fn any_bytes_are_a_body_or_a_reason(messages in vec(vec(any::<u8>(), 0..60), 0..30)) {
        let mut incoming = Incoming::new();
        for message in messages {
            let message = Bytes::from(message);
            if let Ok(Some(body)) = incoming.binary(message.clone()) {
                let _ = body.message();
            }
            let _ = incoming.text(message.clone());
            let _ = ResultMessage::parse(&message);
            let _ = ControlMessage::parse(&message);
        }
    }

    #[test]
    fn a_file_survives_an_upload_in_any_order(
        file in vec(any::<u8>(), 1..3000),
        chunk_size in 1_usize..200,
        shuffle in vec(any::<u32>(), 1..40),
        repeats in vec(any::<usize>(), 0..10),
    ) {
        let plan = UploadPlan::new(file.len() as u64, chunk_size).unwrap();
        let total = plan.total_chunks();
        let messages: Vec<_> = (0..total)
            .map(|index| {
                let (offset, len) = plan.range(index).unwrap();
                let offset = usize::try_from(offset).unwrap();
                plan.message(index, &file[offset..offset + len]).unwrap()
            })
            .collect();
        let mut receiver = UploadReceiver::new(UploadLimits::new(file.len() as u64));
        let mut stored = vec![None; file.len()];
        let mut complete = None;
        for at in order(messages.len(), &shuffle, &repeats) {
            let action = receiver.handle(messages[at].clone()).unwrap();
            if let UploadAction::Store { write, held, complete: size } = action {
                prop_assert!(complete.is_none());
                for write in std::iter::once(write).chain(held) {
                    for (at, byte) in write.data.iter().enumerate() {
                        let slot = &mut stored[usize::try_from(write.offset).unwrap() + at];
                        prop_assert!(slot.replace(*byte).is_none(), "no byte is written twice");
                    }
                }
                complete = size;
            }
        }
        prop_assert_eq!(complete, Some(file.len() as u64));
        prop_assert!(receiver.is_complete());
        let stored: Option<Vec<u8>> = stored.into_iter().collect();
        prop_assert_eq!(stored.unwrap(), file);
    }

    #[test]
    fn hostile_uploads_stay_within_the_limits(
        messages in vec(
            (prop_oneof![0_u32..12, any::<u32>()], prop_oneof![1_u32..12, any::<u32>()], 0_usize..40),
            0..100,
        ),
    ) {
        let mut receiver = UploadReceiver::new(UploadLimits::new(200).with_max_chunks(64));
        let mut end = 0;
        for (index, total, len) in messages {
            let mut message: Vec<u8> = [index, total].into_iter().flat_map(u32::to_le_bytes).collect();
            message.resize(8 + len, 0);
            if let Ok(UploadAction::Store { write, held, .. }) = receiver.handle(message.into()) {
                for write in std::iter::once(write).chain(held) {
                    end = end.max(write.offset + write.data.len() as u64);
                }
            }
            prop_assert!(end <= 200 && receiver.bitmap_bytes() <= 8);
        }
    }
}
