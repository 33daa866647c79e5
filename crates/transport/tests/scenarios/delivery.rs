//! Messages: whole, in order, once, and what the sender is told meanwhile.

use std::time::Duration;

use bytes::Bytes;
use framewire_testkit::Link;
use framewire_transport::{MAX_QUEUED_BYTES, MAX_SEND_MESSAGE, PeerEvent, SendError};

use crate::net::{SECOND, assert_numbered, connected, numbered};

const MESSAGE: usize = 49_160;

#[test]
fn messages_arrive_whole_and_in_order_despite_loss_and_reordering() {
    for seed in 1..=4 {
        let link = Link::default()
            .with_delay(Duration::from_millis(10))
            .with_jitter(Duration::from_millis(8))
            .with_loss(0.05)
            .with_duplicates(0.02);
        let mut net = connected(seed, link);
        for index in 0..40 {
            net.left
                .channel("video_upload")
                .send(numbered(index, MESSAGE))
                .expect("queued");
            net.right
                .channel("inference")
                .send(numbered(index, 700))
                .expect("queued");
        }
        net.run_until("all messages on both sides", 1000 * SECOND, |l, r| {
            l.messages().len() == 40 && r.messages().len() == 40
        });
        assert_numbered(&net.right.messages(), 40, MESSAGE);
        assert_numbered(&net.left.messages(), 40, 700);
    }
}

#[test]
fn bursts_longer_than_a_batch_reach_the_engine_complete() {
    // Without jitter a whole window arrives at one instant: far more datagrams than the engine's queue of 30.
    let mut net = connected(1, Link::default().with_delay(Duration::from_millis(25)));
    for index in 0..200 {
        net.left
            .channel("video_upload")
            .send(numbered(index, MESSAGE))
            .expect("queued");
    }
    net.run_until("all messages", 60 * SECOND, |_, r| {
        r.messages().len() == 200
    });
    assert_numbered(&net.right.messages(), 200, MESSAGE);
    let stats = net.right.core.stats();
    assert_eq!((stats.dropped_by_engine, stats.messages_received), (0, 200));
}

#[test]
fn text_and_binary_stay_what_they_were() {
    let mut net = connected(1, Link::default());
    let channel = net.left.channel("inference");
    channel.send_text("h\u{e9}llo".into()).expect("queued");
    channel.send(Bytes::from_static(&[0, 255])).expect("queued");
    net.run_until("both", SECOND, |_, r| r.messages().len() == 2);
    let kinds = net.right.log.iter().filter_map(|e| match e {
        PeerEvent::Message {
            data,
            text,
            channel,
        } => Some((data.to_vec(), *text, channel.0)),
        _ => None,
    });
    let kinds: Vec<_> = kinds.collect();
    assert_eq!(
        kinds,
        [
            ("h\u{e9}llo".as_bytes().to_vec(), true, 0),
            (vec![0, 255], false, 0)
        ]
    );
}

#[test]
fn the_buffered_amount_counts_what_the_network_has_not_taken() {
    let mut net = connected(1, Link::default().with_delay(Duration::from_millis(50)));
    let channel = net.left.channel("video_upload");
    for index in 0..100 {
        channel.send(numbered(index, MESSAGE)).expect("queued");
    }
    assert_eq!(channel.buffered_amount(), 100 * MESSAGE);
    let mut last = channel.buffered_amount();
    net.run_until("the queue empties", 60 * SECOND, |_, _| {
        let now = channel.buffered_amount();
        assert!(now <= last, "{last} then {now}");
        last = now;
        now == 0
    });
    assert!(
        net.right.messages().len() < 100,
        "in-flight messages do not count"
    );
    net.run_until("all messages", 10 * SECOND, |_, r| {
        r.messages().len() == 100
    });
}

#[test]
fn a_low_event_comes_each_time_the_amount_falls_to_the_threshold() {
    let mut net = connected(1, Link::default().with_delay(Duration::from_millis(20)));
    let channel = net.left.channel("video_upload");
    let low = |e: &PeerEvent| matches!(e, PeerEvent::BufferedAmountLow(id) if id.0 == 1);
    channel.set_buffered_amount_low_threshold(5 * MESSAGE);
    for round in 1..=3 {
        for index in 0..20 {
            channel.send(numbered(index, MESSAGE)).expect("queued");
        }
        net.run_until("the low event", 10 * SECOND, |l, _| l.count(low) == round);
        assert!(channel.buffered_amount() <= 5 * MESSAGE);
        net.run_until("the rest", 10 * SECOND, |_, _| {
            channel.buffered_amount() == 0
        });
        assert_eq!(net.left.count(low), round, "once for each fall");
    }
}

#[test]
fn low_events_that_nobody_takes_do_not_pile_up() {
    let mut net = connected(1, Link::default());
    net.left.consume = false;
    let channel = net.left.channel("inference");
    channel.set_buffered_amount_low_threshold(0);
    for index in 0..50 {
        channel.send(numbered(index, 100)).expect("queued");
        net.run_until("sent", SECOND, |_, _| channel.buffered_amount() == 0);
    }
    net.left.take();
    assert_eq!(
        net.left
            .count(|e| matches!(e, PeerEvent::BufferedAmountLow(_))),
        1
    );
}

#[test]
fn messages_that_cannot_be_sent_are_refused_with_the_reason() {
    let net = connected(1, Link::default());
    let channel = net.left.channel("inference");
    assert_eq!(channel.max_message_size(), MAX_SEND_MESSAGE);
    let large = Bytes::from(vec![0; MAX_SEND_MESSAGE + 1]);
    let refused = SendError::TooLarge {
        len: MAX_SEND_MESSAGE + 1,
        max: MAX_SEND_MESSAGE,
    };
    assert_eq!(channel.send(large), Err(refused));
    let part = Bytes::from(vec![0; MAX_SEND_MESSAGE]);
    for _ in 0..MAX_QUEUED_BYTES / MAX_SEND_MESSAGE {
        channel.send(part.clone()).expect("fits");
    }
    let full = SendError::QueueFull {
        queued: MAX_QUEUED_BYTES,
        max: MAX_QUEUED_BYTES,
    };
    assert_eq!(channel.send(Bytes::from_static(b"x")), Err(full));
}

#[test]
fn the_largest_message_allowed_is_delivered() {
    let mut net = connected(1, Link::default().with_loss(0.02));
    let channel = net.left.channel("inference");
    for index in 0..3 {
        channel
            .send(numbered(index, MAX_SEND_MESSAGE))
            .expect("queued");
    }
    net.run_until("all", 60 * SECOND, |_, r| r.messages().len() == 3);
    assert_numbered(&net.right.messages(), 3, MAX_SEND_MESSAGE);
}

#[test]
fn a_full_channel_does_not_keep_another_one_waiting() {
    let mut net = connected(1, Link::default().with_delay(Duration::from_millis(10)));
    for index in 0..500 {
        net.left
            .channel("video_upload")
            .send(numbered(index, MESSAGE))
            .expect("queued");
    }
    net.left
        .channel("inference")
        .send_text("{\"ack\":1}".into())
        .expect("queued");
    net.run_until("the small message", SECOND / 2, |_, r| {
        r.log
            .iter()
            .any(|e| matches!(e, PeerEvent::Message { text: true, .. }))
    });
    assert!(net.left.channel("video_upload").buffered_amount() > 400 * MESSAGE);
}
