//! Frames from packets: order, waits, gaps, bounds.
//! Only the assembler; packets here are made up.

use super::*;

const MS: Duration = Duration::from_millis(1);

/// A VP8 packet of the frame with this time; frames here are of `count` packets.
fn packet(at: Instant, seq: u64, index: u64, count: u64, key: bool) -> Packet {
    let begin = index == 0;
    let payload = [if begin { 0x10 } else { 0 }, u8::from(!key), 1];
    Packet {
        seq,
        rtp_time: ((seq - index) * 1_000) as u32,
        marker: index + 1 == count,
        codec: VideoCodec::Vp8,
        payload: payload[..].into(),
        received: at,
    }
}

/// Pairs of packets make frames; the first frame is a keyframe.
fn pair(at: Instant, seq: u64) -> Packet {
    packet(at, seq, seq % 2, 2, seq < 2)
}

#[test]
fn a_frame_comes_with_its_last_packet_whatever_their_order() {
    let (start, mut assembler) = (Instant::now(), Assembler::new());
    assembler.packet(pair(start, 0));
    assert!(assembler.poll(start).is_none());
    assembler.packet(pair(start + 2 * MS, 1));
    let first = assembler.poll(start + 2 * MS).expect("complete");
    assert!(first.keyframe && !first.contiguous);
    assert_eq!(
        (first.first_packet, first.completed),
        (start, start + 2 * MS)
    );
    for (ms, seq) in [(3, 5), (4, 4), (5, 3), (6, 2)] {
        assert!(assembler.poll(start + ms * MS).is_none());
        assembler.packet(pair(start + ms * MS, seq));
    }
    let times: Vec<_> = std::iter::from_fn(|| assembler.poll(start + 6 * MS))
        .map(|f| (f.rtp_time, f.contiguous))
        .collect();
    assert_eq!(times, [(2_000, true), (4_000, true)]);
}

#[test]
fn a_missing_packet_is_waited_for_and_then_given_up_with_its_frame() {
    let (start, mut assembler) = (Instant::now(), Assembler::new());
    assembler.set_rtt(20 * MS);
    for seq in [0, 1, 2, 4, 5, 6, 7] {
        assembler.packet(pair(start, seq));
    }
    assert!(assembler.poll(start).is_some());
    assert!(assembler.poll(start).is_none());
    assert!(!assembler.wants_keyframe(start));
    assert_eq!(assembler.deadline(), Some(start + 170 * MS));
    assert!(
        assembler.wants_keyframe(start + 102 * MS),
        "it becomes doubtful"
    );
    assert!(assembler.poll(start + 169 * MS).is_none());
    let after: Vec<_> = std::iter::from_fn(|| assembler.poll(start + 170 * MS))
        .map(|f| (f.rtp_time, f.contiguous))
        .collect();
    assert_eq!(after, [(4_000, false), (6_000, false)]);
    assert!(assembler.wants_keyframe(start + 171 * MS));
    assembler.packet(pair(start + 171 * MS, 3));
    let losses = assembler.take_losses();
    assert_eq!(
        (losses.lost, losses.frames, losses.gaps, losses.late),
        (1, 1, 1, 1)
    );
}

#[test]
fn a_packet_that_comes_again_does_not_prolong_the_wait() {
    let (start, mut assembler) = (Instant::now(), Assembler::new());
    for seq in [0, 1, 3] {
        assembler.packet(pair(start, seq));
    }
    assert!(assembler.poll(start).is_some());
    assert!(assembler.poll(start).is_none());
    let deadline = assembler.deadline();
    assert_eq!(deadline, Some(start + 100 * MS));
    assembler.packet(pair(start + 90 * MS, 3));
    assert!(assembler.poll(start + 90 * MS).is_none());
    assert_eq!(assembler.deadline(), deadline);
}

#[test]
fn a_complete_keyframe_ends_the_wait_at_once() {
    let (start, mut assembler) = (Instant::now(), Assembler::new());
    for seq in [0, 1, 3] {
        assembler.packet(pair(start, seq));
    }
    assert!(assembler.poll(start).is_some());
    assembler.packet(packet(start + MS, 4, 0, 2, true));
    assert!(assembler.poll(start + MS).is_none());
    assembler.packet(packet(start + 2 * MS, 5, 1, 2, true));
    let frame = assembler.poll(start + 2 * MS).expect("the keyframe");
    assert!(frame.keyframe && !frame.contiguous);
    assembler.packet(pair(start + 3 * MS, 6));
    assembler.packet(pair(start + 3 * MS, 7));
    assert!(assembler.poll(start + 3 * MS).is_some_and(|f| f.contiguous));
}

#[test]
fn padding_fills_its_place_and_rubbish_leaves_a_hole() {
    let (start, mut assembler) = (Instant::now(), Assembler::new());
    assembler.packet(pair(start, 0));
    assembler.packet(pair(start, 1));
    assembler.packet(Packet {
        payload: [][..].into(),
        marker: false,
        ..pair(start, 2)
    });
    assembler.packet(packet(start, 3, 0, 1, false));
    assert!(assembler.poll(start).is_some());
    assert!(assembler.poll(start).is_some_and(|f| f.contiguous));
    assembler.packet(Packet {
        payload: [0x90][..].into(),
        ..pair(start, 4)
    });
    assembler.packet(pair(start, 5));
    assert!(assembler.poll(start).is_none() && assembler.deadline().is_some());
    assert_eq!(assembler.take_losses().malformed, 1);
}

#[test]
fn packets_behind_a_hole_are_bounded_and_a_new_source_starts_over() {
    let (start, mut assembler) = (Instant::now(), Assembler::new());
    assembler.packet(pair(start, 0));
    for seq in 2..2 + MAX_PACKETS as u64 * 2 {
        assembler.packet(pair(start, seq));
        assert!(assembler.packets.len() <= MAX_PACKETS);
    }
    assert!(assembler.take_losses().overflowed > 0);
    assembler.restart();
    assembler.packet(packet(start, 9, 0, 1, true));
    assert!(assembler.poll(start).is_some_and(|f| f.keyframe));
}

#[test]
fn h264_without_parameter_sets_is_no_keyframe() {
    let (start, mut assembler) = (Instant::now(), Assembler::new());
    let single = |seq, payload: &[u8]| Packet {
        codec: VideoCodec::H264,
        marker: true,
        payload: payload.into(),
        rtp_time: seq as u32,
        ..pair(start, seq)
    };
    assembler.packet(single(1, &[0x65, 0x88, 1]));
    assert!(assembler.poll(start).is_some_and(|f| !f.keyframe));
    assembler.packet(single(
        2,
        &[0x78, 0, 2, 0x67, 1, 0, 2, 0x68, 1, 0, 3, 0x65, 0x88, 1],
    ));
    assert!(assembler.poll(start).is_some_and(|f| f.keyframe));
    assembler.packet(single(3, &[0x65, 0x88, 1]));
    assert!(
        assembler
            .poll(start)
            .is_some_and(|f| f.keyframe && f.contiguous)
    );
}

#[test]
fn a_frame_that_never_ends_costs_a_few_steps_a_packet_and_no_memory() {
    const PACKETS: u64 = 200_000;
    let (start, mut assembler) = (Instant::now(), Assembler::new());
    let begun = Instant::now();
    for seq in 0..PACKETS {
        let at = start + seq as u32 * MS / 1_000;
        assembler.packet(packet(at, seq, seq, PACKETS + 1, true));
        assert!(assembler.poll(at).is_none());
        assert!(assembler.held() <= MAX_PACKETS);
    }
    // Each packet looking at 2,000 others would take seconds.
    assert!(begun.elapsed() < 1500 * MS, "{:?}", begun.elapsed());
    assert!(assembler.take_losses().overflowed >= PACKETS - MAX_PACKETS as u64);
}

#[test]
fn looking_that_is_put_off_is_made_up_for_in_time() {
    let (start, mut assembler) = (Instant::now(), Assembler::new());
    let count = 600;
    for seq in (0..count).filter(|seq| *seq != 300) {
        assembler.packet(packet(start, seq, seq, count, true));
        assembler.poll(start);
    }
    let mut last = packet(start + MS, 300, 300, count, true);
    last.marker = false;
    assembler.packet(last);
    let frame = assembler.poll(start + MS).or_else(|| {
        let again = assembler.deadline().expect("it looks again");
        assert!(again <= start + LOOK);
        assembler.poll(again)
    });
    assert!(frame.is_some_and(|frame| frame.keyframe));
}
