//! Windows, acknowledgements and what hostile peers try: every bound is reached.
//! Not the order of messages.
use super::*;

#[test]
fn the_first_500_datagrams_are_answered_each_then_every_second() {
    let mut receiver = receiver(1);
    let mut now = Time(0);
    for tsn in 1..=500 {
        receiver.put(part(tsn, 0, 0, "ube", b"x"));
        receiver.on_datagram(now);
        assert!(receiver.sack_due(now), "datagram {tsn}");
        receiver.sack();
    }
    receiver.put(part(501, 0, 0, "ube", b"x"));
    receiver.on_datagram(now);
    assert!(!receiver.sack_due(now));
    assert_eq!(receiver.sack_deadline(), Some(now + DELAY));
    now = now + DELAY;
    assert!(receiver.sack_due(now));
    receiver.sack();
    assert_eq!(receiver.sack_deadline(), None);
    receiver.put(part(502, 0, 0, "ube", b"x"));
    receiver.on_datagram(now);
    assert!(!receiver.sack_due(now));
    receiver.put(part(503, 0, 0, "ube", b"x"));
    receiver.on_datagram(now);
    assert!(receiver.sack_due(now));
    receiver.sack();
    // The bit that asks for it, a gap and a duplicate need no second datagram.
    receiver.put(part(504, 0, 0, "ubei", b"x"));
    assert!(receiver.sack_due(now));
    receiver.sack();
    receiver.put(part(504, 0, 0, "ube", b"x"));
    assert!(receiver.sack_due(now));
    receiver.sack();
    // So does the chunk that closes the gap, and then all is as before.
    for (tsn, due) in [(506, true), (505, true), (507, false)] {
        receiver.put(part(tsn, 0, 0, "ube", b"x"));
        receiver.on_datagram(now);
        assert_eq!(receiver.sack_due(now), due, "{tsn}");
        if due {
            receiver.sack();
        }
    }
}

/// Fills the window with unread messages of full packets; says how many it took.
fn fill(receiver: &mut Receiver, first: u32) -> u32 {
    let payload = vec![7; 1132];
    let mut tsn = first;
    while receiver.counters.no_window == 0 {
        receiver.put(part(tsn, 0, 0, "ube", &payload));
        tsn += 1;
    }
    tsn - 1 - first
}

#[test]
fn the_window_shrinks_by_what_is_unread_and_drops_when_full() {
    let mut receiver = receiver(1);
    assert_eq!(receiver.a_rwnd(), WINDOW);
    receiver.put(part(1, 0, 0, "ube", &[7; 1132]));
    assert_eq!(receiver.a_rwnd(), WINDOW - 1132);
    let took = fill(&mut receiver, 2);
    // Packets of full size fill the whole window with data.
    assert_eq!(took + 1, WINDOW.div_ceil(1132));
    assert_eq!(receiver.a_rwnd(), 0);
    assert!(receiver.sack_due(NOW));
    let sack = receiver.sack();
    assert_eq!((sack.cumulative, sack.a_rwnd), (Tsn(took + 1), 0));
    // Reading a quarter of it is worth a SACK of its own, less is not.
    let quarter = WINDOW / 4 / 1132;
    for _ in 0..quarter - 1 {
        receiver.read(0).unwrap();
    }
    assert!(!receiver.sack_due(NOW));
    for _ in 0..3 {
        receiver.read(0).unwrap();
    }
    assert!(receiver.sack_due(NOW));
    assert!(receiver.sack().a_rwnd > WINDOW / 4);
}

#[test]
fn a_full_window_still_takes_what_fills_a_gap_up_to_its_reserve() {
    let mut receiver = receiver(1);
    // One hole of a hundred packets below everything.
    let took = fill(&mut receiver, 101);
    assert_eq!(receiver.cumulative(), Tsn(0));
    let payload = vec![7; 1132];
    let dropped = receiver.counters.no_window;
    receiver.put(part(101 + took, 0, 0, "ube", &payload));
    assert_eq!(receiver.counters.no_window, dropped + 1);
    for tsn in (1..=100).rev() {
        receiver.put(part(tsn, 0, 0, "ube", &payload));
    }
    let fillers = 100 - (receiver.counters.no_window - dropped - 1);
    assert_eq!(fillers, 64 * 1024 / 1132);
    assert!(receiver.held() <= WINDOW as usize + 64 * 1024);
    // Reading makes room for the others.
    for _ in 0..60 {
        receiver.read(0).unwrap();
    }
    for tsn in 1..=100 {
        receiver.put(part(tsn, 0, 0, "ube", &payload));
    }
    assert_eq!(receiver.cumulative(), Tsn(100 + took));
}

#[test]
fn tiny_messages_close_the_window_before_their_memory_passes_it() {
    let mut receiver = Receiver::new(Tsn(1), WINDOW, 1000, DELAY);
    let mut tsn = 1;
    while receiver.counters.no_window == 0 {
        receiver.on_data(part(tsn, 0, 0, "ube", b"x")).unwrap();
        tsn += 1;
    }
    // Each counts as 129 bytes after the share that is free.
    let bound = (WINDOW + WINDOW / 8) / 129;
    assert!((bound..bound + 10).contains(&tsn), "{tsn}");
    assert_eq!(receiver.a_rwnd(), 0);
}

#[test]
fn messages_of_two_tiny_parts_close_the_window_before_their_lists_pass_it() {
    let mut receiver = receiver(1);
    let mut tsn = 1;
    while receiver.counters.no_window == 0 {
        for flags in ["ub", "ue"] {
            receiver.on_data(part(tsn, 0, 0, flags, b"x")).unwrap();
            tsn += 1;
        }
    }
    let mut lists = 0;
    while let Some(message) = receiver.read(0) {
        let Parts::Many(parts) = message.parts else {
            panic!("two parts");
        };
        lists += parts.capacity() * size_of::<Bytes>();
    }
    // The other half is for the bytes and what is kept around them.
    assert!(lists <= (WINDOW + WINDOW / 8) as usize / 2, "{lists}");
}

#[test]
fn scattered_parts_close_the_window_before_their_pages_pass_it() {
    let mut receiver = receiver(1);
    let mut count = 0;
    for tsn in (2..60_000).step_by(64) {
        receiver.put(part(tsn, 0, 0, "b", b"x"));
        count += 1;
    }
    assert!(receiver.counters.no_window > 0);
    let kept = count - receiver.counters.no_window as usize;
    assert!(kept * PAGE <= (WINDOW + WINDOW / 8) as usize + PAGE);
    assert_eq!(receiver.held.pages(), kept);
}

#[test]
fn a_message_above_the_limit_ends_the_association_in_order_and_out_of_it() {
    let mut receiver = Receiver::new(Tsn(1), WINDOW, 2000, DELAY);
    receiver.put(part(1, 0, 0, "b", &[0; 1000]));
    receiver.put(part(2, 0, 0, "", &[0; 1000]));
    let error = receiver.on_data(part(3, 0, 0, "e", &[0; 1]));
    assert_eq!(error, Err(TooBig { limit: 2000 }));

    let mut receiver = Receiver::new(Tsn(1), WINDOW, 2000, DELAY);
    receiver.put(part(4, 0, 0, "e", &[0; 1]));
    receiver.put(part(3, 0, 0, "", &[0; 1000]));
    let error = receiver.on_data(part(2, 0, 0, "b", &[0; 1000]));
    assert_eq!(error, Err(TooBig { limit: 2000 }));
}

#[test]
fn a_message_above_the_window_ends_the_association_when_there_is_no_limit() {
    let mut receiver = Receiver::new(Tsn(1), WINDOW, u32::MAX, DELAY);
    let payload = vec![0; 1132];
    let mut result = Ok(());
    let mut tsn = 1;
    while result.is_ok() && tsn < 2000 {
        let flags = if tsn == 1 { "b" } else { "" };
        result = receiver.on_data(part(tsn, 0, 0, flags, &payload));
        tsn += 1;
    }
    assert_eq!(
        result,
        Err(TooBig {
            limit: WINDOW as usize
        })
    );
    assert!(receiver.held() < WINDOW as usize + 1132);
}

#[test]
fn a_sender_that_ignores_the_window_is_never_a_reason_to_end() {
    let mut receiver = receiver(1);
    let took = fill(&mut receiver, 1);
    for tsn in took..took + 2000 {
        receiver.put(part(tsn + 2, 0, 0, "ube", &[1; 1000]));
    }
    while receiver.read(0).is_some() {}
    for tsn in took + 1..took + 2002 {
        receiver.put(part(tsn, 0, 0, "ube", &[1; 100]));
    }
    assert_eq!(receiver.cumulative(), Tsn(took + 2001));
}

#[test]
fn messages_that_wait_for_one_never_sent_end_the_association_before_their_memory_passes_the_window()
{
    for (parts, payload) in [(1, 1000), (3, 1000), (1, 1)] {
        let mut receiver = receiver(1);
        let (mut tsn, mut ssn, mut result) = (1, 1, Ok(()));
        while result.is_ok() && ssn < 32_000 {
            for at in 0..parts {
                let flags = match (at == 0, at + 1 == parts) {
                    (true, true) => "be",
                    (true, false) => "b",
                    (false, true) => "e",
                    (false, false) => "",
                };
                result = result.and(receiver.on_data(part(tsn, 1, ssn, flags, &vec![0; payload])));
                tsn += 1;
            }
            ssn += 1;
        }
        let limit = WINDOW as usize;
        assert_eq!(result, Err(TooBig { limit }));
        assert!(receiver.held() <= limit + GAP_RESERVE + 256 * 1024);
        assert!(!receiver.has_unread(1));
    }
}

#[test]
fn chunks_too_far_ahead_are_dropped_and_the_last_that_a_block_can_name_is_kept() {
    let mut receiver = receiver(1);
    receiver.put(part(65_536, 0, 0, "ube", b"x"));
    assert_eq!(receiver.counters.too_far, 1);
    receiver.put(part(0x8000_0000, 0, 0, "ube", b"x"));
    receiver.put(part(65_535, 0, 0, "ube", b"x"));
    assert_eq!(receiver.counters.too_far + receiver.counters.duplicates, 2);
    assert_eq!(
        receiver.sack().offsets().collect::<Vec<_>>(),
        [(65_535, 65_535)]
    );
}

#[test]
fn streams_are_bounded_and_their_memory_comes_back() {
    let mut receiver = Receiver::new(Tsn(1), 64 << 20, 1000, DELAY);
    let mut tsn = 1;
    for stream in 0..=u16::MAX {
        receiver.on_data(part(tsn, stream, 0, "be", b"x")).unwrap();
        tsn += 1;
    }
    let kept = (0..=u16::MAX).filter(|&id| receiver.has_unread(id)).count();
    assert_eq!(kept, streams::MAX_STREAMS);
    assert_eq!(receiver.counters.no_stream as usize, 65_536 - kept);
    for stream in 0..=u16::MAX {
        receiver.read(stream);
        receiver.reset(stream);
    }
    while receiver.pop_readable().is_some() {}
    for stream in (0..=u16::MAX).rev().take(100) {
        receiver.put(part(tsn, stream, 0, "be", b"x"));
        tsn += 1;
        assert_eq!(receiver.text(stream).unwrap(), "x");
    }
}

#[test]
fn sack_is_cut_to_the_room_there_is() {
    let mut receiver = Receiver::new(Tsn(1), 8 << 20, 1000, DELAY);
    for offset in 1..=16_000 {
        receiver
            .on_data(part(1 + 2 * offset, 0, 0, "ube", b"x"))
            .unwrap();
    }
    for _ in 0..60_000 {
        receiver.on_data(part(3, 0, 0, "ube", b"x")).unwrap();
    }
    let sack = receiver.sack();
    assert_eq!((sack.block_count(), sack.duplicate_count()), (245, 20));
    assert_eq!(sack.offsets().next(), Some((3, 3)));
    let sack = receiver.sack();
    assert_eq!((sack.block_count(), sack.duplicate_count()), (265, 0));
    let mut builder = Builder::new(1, HEADER_AND_SACK + 4 * 7 + 3);
    assert!(receiver.write_sack(&mut builder, usize::MAX));
    assert_eq!(builder.finish().len(), HEADER_AND_SACK + 4 * 7);
    let mut builder = Builder::new(1, 1200);
    assert!(receiver.write_sack(&mut builder, 3));
    assert_eq!(builder.finish().len(), HEADER_AND_SACK + 4 * 3);
    let mut builder = Builder::new(1, HEADER_AND_SACK - 1);
    receiver.policy.at_once();
    assert!(!receiver.write_sack(&mut builder, usize::MAX));
    assert!(builder.is_empty() && receiver.sack_due(NOW));
}

const HEADER_AND_SACK: usize = crate::wire::HEADER + SACK_FIXED;

#[test]
fn a_thousand_tiny_chunks_in_one_datagram_keep_none_of_it_alive() {
    let mut builder = Builder::new(1, 65_000);
    for tsn in 1..=1000 {
        let header = crate::wire::DataHeader {
            tsn: Tsn(2 * tsn),
            stream: 0,
            ssn: Ssn(0),
            ppi: 53,
            begin: true,
            end: false,
            unordered: false,
            immediate: false,
        };
        assert!(builder.push_data(&header, b"x"));
    }
    let packet = builder.finish();
    let place = packet.as_ptr_range();
    let mut receiver = receiver(1);
    for chunk in Packet::parse(packet).unwrap().chunks() {
        let Ok(Chunk::Data(data)) = chunk else {
            panic!()
        };
        assert!(!place.contains(&data.payload.as_ptr()));
        receiver.put(data);
    }
    receiver.on_datagram(NOW);
    assert_eq!(receiver.held(), 1000);
    assert_eq!(receiver.held.pages(), 2001_usize.div_ceil(64));
    assert_eq!(receiver.sack().block_count(), 265);
}
