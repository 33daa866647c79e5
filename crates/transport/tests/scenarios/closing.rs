//! Ends: of channels and of connections, from either side, and what still arrives.

use std::time::Duration;

use framewire_testkit::Link;
use framewire_transport::{ChannelError, CloseReason, PeerEvent};

use crate::net::{SECOND, assert_numbered, connected, numbered};

const MESSAGE: usize = 49_160;

fn link() -> Link {
    Link::default().with_delay(Duration::from_millis(10))
}

fn channel_closed(e: &PeerEvent) -> bool {
    matches!(e, PeerEvent::ChannelClosed(id) if id.0 == 1)
}

#[test]
fn closing_flushes_and_the_peer_knows_within_a_round_trip() {
    let mut net = connected(1, link());
    for index in 0..100 {
        net.left
            .channel("video_upload")
            .send(numbered(index, MESSAGE))
            .expect("queued");
    }
    net.left.core.close(10 * SECOND);
    net.run_until("both end", 10 * SECOND, |l, r| {
        l.closed().is_some() && r.closed().is_some()
    });
    assert_eq!(net.left.closed(), Some(&CloseReason::Local));
    assert_eq!(net.right.closed(), Some(&CloseReason::Remote));
    assert_numbered(&net.right.messages(), 100, MESSAGE);
}

#[test]
fn closing_an_idle_connection_takes_one_way() {
    let mut net = connected(1, link());
    net.run_for(SECOND);
    net.left.core.close(Duration::ZERO);
    let from = net.elapsed();
    net.run_until("the peer knows", SECOND, |_, r| r.closed().is_some());
    assert_eq!(net.elapsed() - from, Duration::from_millis(10));
}

#[test]
fn a_flush_that_cannot_finish_ends_at_its_deadline() {
    let mut net = connected(1, link());
    net.left
        .channel("video_upload")
        .send(numbered(0, MESSAGE))
        .expect("queued");
    net.set_cut(true);
    net.left.core.close(2 * SECOND);
    let from = net.elapsed();
    net.run_until("left ends", 3 * SECOND, |l, _| l.closed().is_some());
    assert_eq!(net.elapsed() - from, 2 * SECOND);
    assert_eq!(net.left.closed(), Some(&CloseReason::Local));
}

#[test]
fn after_close_nothing_more_can_be_queued_and_waiters_are_released() {
    let mut net = connected(1, link());
    let channel = net.left.channel("inference");
    net.left.core.close(Duration::ZERO);
    net.run_until("left ends", SECOND, |l, _| l.closed().is_some());
    assert!(channel.send_text("late".into()).is_err());
    assert!(!channel.is_open());
    assert!(matches!(
        net.left.core.events().try_recv(),
        Err(framewire_transport::RecvError::Ended)
    ));
}

#[test]
fn the_end_is_the_last_event_and_comes_once() {
    let mut net = connected(3, link().with_loss(0.3).with_duplicates(0.3));
    net.left.core.close(SECOND);
    net.right.core.close(SECOND);
    net.run_until("both end", 40 * SECOND, |l, r| {
        l.closed().is_some() && r.closed().is_some()
    });
    net.run_for(5 * SECOND);
    for peer in [&net.left, &net.right] {
        assert_eq!(peer.count(|e| matches!(e, PeerEvent::Closed(_))), 1);
        assert!(peer.closed().is_some());
    }
}

#[test]
fn a_channel_closes_after_its_messages_and_the_others_stay() {
    for seed in 1..=3 {
        let mut net = connected(seed, link().with_loss(0.03));
        let upload = net.left.channel("video_upload");
        for index in 0..30 {
            upload.send(numbered(index, MESSAGE)).expect("queued");
        }
        upload.close();
        assert!(upload.send(numbered(30, MESSAGE)).is_err());
        net.run_until("both sides see it", 120 * SECOND, |l, r| {
            l.count(channel_closed) == 1 && r.count(channel_closed) == 1
        });
        assert_numbered(&net.right.messages(), 30, MESSAGE);
        assert!(
            matches!(net.right.log.last(), Some(e) if channel_closed(e)),
            "after the last message"
        );
        net.right
            .channel("inference")
            .send_text("still open".into())
            .expect("open");
        net.run_until("the other channel", 30 * SECOND, |l, _| {
            l.messages().len() == 1
        });
    }
}

#[test]
fn data_that_arrived_before_the_peer_closed_is_delivered_to_a_slow_consumer() {
    let mut net = connected(1, link());
    net.right.consume = false;
    for index in 0..10 {
        net.left
            .channel("video_upload")
            .send(numbered(index, MESSAGE))
            .expect("queued");
    }
    net.left.core.close(5 * SECOND);
    net.run_until("left ends", 6 * SECOND, |l, _| l.closed().is_some());
    net.run_for(SECOND);
    net.right.take();
    assert_numbered(&net.right.messages(), 10, MESSAGE);
    assert_eq!(net.right.closed(), Some(&CloseReason::Remote));
}

#[test]
fn what_never_left_does_not_count_as_sent_when_the_peer_closes() {
    for whole in [true, false] {
        let mut net = connected(1, link().with_rate(100_000, 20_000));
        net.run_for(SECOND);
        let channel = net.left.channel("video_upload");
        channel.set_buffered_amount_low_threshold(100_000);
        // All of it fits into the engine, and is three seconds of the path.
        for index in 0..6 {
            channel.send(numbered(index, MESSAGE)).expect("queued");
        }
        net.run_for(Duration::from_millis(200));
        if whole {
            net.right.core.close(Duration::ZERO);
        } else {
            net.right.channel("video_upload").close();
        }
        net.run_until("left hears of it", SECOND, |l, _| {
            l.closed().is_some() || l.count(channel_closed) == 1
        });
        let waited = channel.wait_buffered_at_most(0, std::time::Instant::now());
        let Err(ChannelError::Closed { queued, .. }) = waited else {
            panic!("{whole}: {waited:?}");
        };
        assert!(
            (150_000..6 * MESSAGE).contains(&queued),
            "{whole}: {queued}"
        );
        assert_eq!(channel.buffered_amount(), queued);
        assert_eq!(channel.stats().buffered, queued as u64);
        let low = |e: &PeerEvent| matches!(e, PeerEvent::BufferedAmountLow(_));
        assert_eq!(net.left.count(low), 0, "{whole}");
        if !whole {
            let stats = net.left.core.stats();
            assert_eq!(stats.queued_bytes, 0, "nothing waits any more");
        }
    }
}
