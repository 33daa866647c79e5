//! What never becomes a message: given up, reset, discarded or broken.
//! Not windows and acknowledgements.
use super::*;

#[test]
fn forward_tsn_skips_what_is_missing_and_delivers_what_waited() {
    let mut receiver = receiver(1);
    receiver.put(part(1, 0, 0, "be", b"zero"));
    receiver.put(part(2, 0, 1, "b", b"partial"));
    // 3 is lost: the rest of message 1.
    receiver.put(part(4, 0, 2, "be", b"two"));
    receiver.put(part(5, 0, 3, "b", b"thr"));
    // 6 is lost: message 3 goes on.
    receiver.put(part(7, 0, 4, "be", b"four"));
    receiver.put(part(8, 5, 0, "be", b"other"));
    assert_eq!(receiver.text(0).unwrap(), "zero");
    receiver.forward(3, &[(0, 1)]);
    assert_eq!(receiver.cumulative(), Tsn(5));
    assert_eq!(receiver.text(0).unwrap(), "two");
    assert_eq!(receiver.text(0), None);
    assert!(receiver.sack_due(NOW));
    assert_eq!(receiver.sack().offsets().collect::<Vec<_>>(), [(2, 3)]);
    receiver.forward(6, &[(0, 3)]);
    assert_eq!(receiver.cumulative(), Tsn(8));
    assert_eq!(receiver.text(0).unwrap(), "four");
    assert_eq!(receiver.text(5).unwrap(), "other");
    assert_eq!(receiver.counters.given_up, 2);
    assert_eq!(receiver.held(), 0);
    assert_eq!(receiver.counters.dropped(), 2);
}

#[test]
fn forward_tsn_delivers_waiting_messages_that_it_names_too() {
    let mut receiver = receiver(1);
    receiver.put(part(2, 0, 2, "be", b"two"));
    receiver.put(part(3, 0, 65_535, "be", b"stale"));
    receiver.put(part(4, 0, 1, "be", b"one"));
    receiver.put(part(5, 0, 5, "be", b"five"));
    assert_eq!(receiver.counters.stale, 1);
    receiver.forward(1, &[(0, 3)]);
    assert_eq!(receiver.text(0).unwrap(), "one");
    assert_eq!(receiver.text(0).unwrap(), "two");
    assert_eq!(receiver.text(0), None);
    receiver.put(part(6, 0, 4, "be", b"four"));
    assert_eq!(receiver.text(0).unwrap(), "four");
    assert_eq!(receiver.text(0).unwrap(), "five");
}

#[test]
fn skipping_delivers_in_order_where_the_numbers_begin_again() {
    let mut receiver = receiver(1);
    receiver.forward(1, &[(0, 30_000), (0, 60_000), (0, 65_529)]);
    for (tsn, ssn) in [
        (3, 2),
        (4, 65_535),
        (5, 0),
        (6, 65_531),
        (7, 4),
        (8, 65_534),
    ] {
        receiver.put(part(tsn, 0, ssn, "be", ssn.to_string().as_bytes()));
    }
    receiver.forward(2, &[(0, 65_532), (0, 65_533)]);
    let texts =
        |receiver: &mut Receiver| -> Vec<_> { std::iter::from_fn(|| receiver.text(0)).collect() };
    assert_eq!(texts(&mut receiver), ["65531", "65534", "65535", "0"]);
    receiver.forward(9, &[(0, 1), (0, 65_533)]);
    assert_eq!(texts(&mut receiver), ["2"]);
    receiver.forward(10, &[(0, 65_000), (0, 3)]);
    assert_eq!(texts(&mut receiver), ["4"]);
}

#[test]
fn an_old_forward_tsn_changes_nothing_but_is_answered() {
    let mut receiver = receiver(1);
    receiver.put(part(1, 0, 0, "be", b"x"));
    receiver.sack();
    receiver.forward(1, &[(0, 9)]);
    receiver.forward(0x8000_0001, &[]);
    assert!(receiver.sack_due(NOW));
    assert_eq!(receiver.cumulative(), Tsn(1));
    receiver.put(part(2, 0, 1, "be", b"y"));
    assert_eq!(receiver.text(0).unwrap(), "x");
    assert_eq!(receiver.text(0).unwrap(), "y");
}

#[test]
fn forward_tsn_over_everything_forgets_all_that_was_held() {
    let mut receiver = receiver(1);
    for tsn in (2..5000).filter(|tsn| tsn % 3 != 0) {
        receiver.put(part(tsn, 0, 0, "b", b"x"));
    }
    receiver.forward(2500, &[]);
    // 2501 had arrived.
    assert_eq!(receiver.cumulative(), Tsn(2501));
    receiver.forward(1_000_000, &[]);
    assert_eq!(receiver.cumulative(), Tsn(1_000_000));
    assert_eq!((receiver.held(), receiver.held.pages()), (0, 0));
    assert_eq!(receiver.sack().block_count(), 0);
    receiver.put(part(1_000_002, 0, 0, "ube", b"x"));
    assert_eq!(receiver.sack().offsets().collect::<Vec<_>>(), [(2, 2)]);
}

#[test]
fn parts_without_their_message_are_dropped_and_the_next_message_is_whole() {
    // Each line is one sequence of parts: flags and stream; the last message is complete.
    for sequence in [
        &[("", 0), ("e", 0), ("be", 0)][..],
        &[("b", 0), ("be", 0)],
        &[("b", 0), ("", 1), ("be", 0)],
        &[("b", 0), ("ue", 0), ("be", 0)],
        &[("e", 0), ("be", 0)],
    ] {
        for backwards in [false, true] {
            let mut receiver = receiver(1);
            let mut order: Vec<usize> = (0..sequence.len()).collect();
            if backwards {
                order.reverse();
            }
            for at in order {
                let (flags, stream) = sequence[at];
                let tsn = u32::try_from(at).unwrap() + 1;
                receiver.put(part(tsn, stream, 0, flags, b"x"));
            }
            assert_eq!(receiver.text(0).unwrap(), "x", "{sequence:?}");
            assert_eq!(receiver.text(0), None);
            assert_eq!(receiver.counters.broken as usize, sequence.len() - 1);
            assert_eq!(receiver.held(), 0);
        }
    }
}

#[test]
fn a_message_around_another_one_is_broken() {
    let mut receiver = receiver(1);
    receiver.put(part(1, 0, 0, "b", b"x"));
    receiver.put(part(3, 1, 0, "be", b"inner"));
    receiver.put(part(4, 0, 0, "e", b"y"));
    receiver.put(part(2, 0, 0, "", b"z"));
    assert_eq!(receiver.text(1).unwrap(), "inner");
    assert_eq!(receiver.text(0), None);
    assert_eq!((receiver.counters.broken, receiver.held()), (3, 0));
}

#[test]
fn a_reset_starts_the_numbers_anew_and_keeps_what_can_be_read() {
    let mut receiver = receiver(1);
    receiver.put(part(1, 4, 0, "be", b"old"));
    receiver.put(part(2, 4, 5, "be", b"never"));
    receiver.put(part(3, 4, 6, "b", b"half"));
    receiver.reset(4);
    receiver.check();
    receiver.put(part(4, 4, 0, "be", b"new"));
    assert_eq!(receiver.text(4).unwrap(), "old");
    assert_eq!(receiver.text(4).unwrap(), "new");
    assert_eq!(receiver.text(4), None);
    assert_eq!((receiver.counters.stale, receiver.counters.broken), (1, 1));
    receiver.reset(99);
}

#[test]
fn a_discarded_chunk_is_acknowledged_and_kept_nowhere() {
    let mut receiver = receiver(1);
    receiver.discard(Tsn(1)).unwrap();
    receiver.discard(Tsn(3)).unwrap();
    receiver.discard(Tsn(3)).unwrap();
    receiver.put(part(4, 0, 0, "be", b"x"));
    let sack = receiver.sack();
    assert_eq!(sack.cumulative, Tsn(1));
    assert_eq!(sack.offsets().collect::<Vec<_>>(), [(2, 3)]);
    receiver.discard(Tsn(2)).unwrap();
    assert_eq!(receiver.cumulative(), Tsn(4));
    assert_eq!(receiver.text(0).unwrap(), "x");
}

#[test]
fn a_discarded_chunk_that_fills_a_gap_below_too_large_a_message_says_so() {
    let mut receiver = Receiver::new(Tsn(1), WINDOW, 2000, DELAY);
    // No end yet, so nothing was put together.
    for tsn in 2..=4 {
        receiver.put(part(tsn, 0, 0, if tsn == 2 { "b" } else { "" }, &[0; 1000]));
    }
    assert_eq!(receiver.discard(Tsn(1)), Err(TooBig { limit: 2000 }));
}
