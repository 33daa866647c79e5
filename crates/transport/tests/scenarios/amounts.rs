//! What `buffered_amount` means with real congestion and acknowledgements below it, and the figures beside it.

use std::time::Duration;

use bytes::Bytes;
use framewire_testkit::{Link, Side};
use framewire_transport::{
    ChannelId, ChannelOptions, ChannelStats, DataChannel, DataConfig, MAX_CHANNELS,
    MAX_SEND_MESSAGE, PeerConfig, PeerEvent,
};

use crate::net::{SECOND, assert_numbered, config, connected, connected_with, numbered, pair};

const MESSAGE: usize = 49_160;

fn delayed(milliseconds: u64) -> Link {
    Link::default().with_delay(Duration::from_millis(milliseconds))
}

#[test]
fn a_limit_of_256_kib_does_not_limit_what_is_on_its_way() {
    // 100 ms a round trip: counting what is on its way would allow 2.6 MB/s.
    let mut net = connected(1, delayed(50).with_rate(12_500_000, 700_000));
    let channel = net.left.channel("video_upload");
    let (mut sent, total) = (0, 600);
    let from = net.elapsed();
    net.run_until("all messages", 60 * SECOND, |_, r| {
        while sent < total && channel.buffered_amount() <= 256 * 1024 {
            channel.send(numbered(sent, MESSAGE)).expect("open");
            sent += 1;
        }
        r.messages().len() == total
    });
    let rate = (total * MESSAGE) as f64 / (net.elapsed() - from).as_secs_f64();
    assert!(rate > 6_000_000.0, "{:.1} MB/s", rate / 1e6);
    assert_numbered(&net.right.messages(), total, MESSAGE);
}

#[test]
fn the_amount_is_what_is_in_no_packet_yet_and_never_what_is_on_its_way() {
    let mut net = connected(1, delayed(50));
    net.run_for(SECOND);
    let channel = net.left.channel("inference");
    channel.send(numbered(0, 1000)).expect("open");
    assert_eq!(channel.buffered_amount(), 1000);
    net.run_for(Duration::from_millis(5));
    assert_eq!(channel.buffered_amount(), 0, "it is on its way");
    let stats = channel.stats();
    assert_eq!((stats.messages_sent, stats.bytes_sent), (1, 1000));
    assert_eq!((stats.buffered, stats.unacknowledged), (0, 1), "one piece");
    let data = net.left.core.stats().data;
    assert_eq!((data.unsent, data.unacknowledged), (0, 1000));
    net.run_for(SECOND);
    assert_eq!(channel.stats().unacknowledged, 0);
    let theirs = net.right.channel("inference").stats();
    assert_eq!((theirs.messages_received, theirs.bytes_received), (1, 1000));
    let data = net.left.core.stats().data;
    let around_100 = Duration::from_millis(99)..Duration::from_millis(130);
    assert!(around_100.contains(&data.min_rtt), "{data:?}");
    assert!(data.rtt >= data.min_rtt, "{data:?}");
}

#[test]
fn with_a_slow_path_the_amount_falls_as_packets_leave_and_each_channel_has_its_own() {
    let mut net = connected(1, delayed(20).with_rate(1_000_000, 100_000));
    let (one, two) = (
        net.left.channel("video_upload"),
        net.left.channel("inference"),
    );
    for index in 0..40 {
        one.send(numbered(index, MESSAGE)).expect("open");
    }
    two.send(numbered(0, 5000)).expect("open");
    let mut last = (one.buffered_amount(), two.buffered_amount());
    assert_eq!(last, (40 * MESSAGE, 5000));
    let mut steps = 0;
    net.run_until("both have left", 60 * SECOND, |_, _| {
        let now = (one.buffered_amount(), two.buffered_amount());
        assert!(now.0 <= last.0 && now.1 <= last.1, "{last:?} then {now:?}");
        steps += usize::from(now != last);
        last = now;
        now == (0, 0)
    });
    assert!(steps > 40, "packet by packet: {steps}");
    net.run_until("all", 10 * SECOND, |_, r| r.messages().len() == 41);
}

#[test]
fn the_rate_asked_for_is_kept() {
    let left = config().with_data(DataConfig::default().with_max_rate(1_000_000));
    let mut net = connected_with(1, delayed(10), left, PeerConfig::default());
    let channel = net.left.channel("video_upload");
    for index in 0..100 {
        channel.send(numbered(index, MESSAGE)).expect("open");
    }
    let from = net.elapsed();
    net.run_until("all", 60 * SECOND, |_, r| r.messages().len() == 100);
    let rate = (100 * MESSAGE) as f64 / (net.elapsed() - from).as_secs_f64();
    assert!((800_000.0..1_050_000.0).contains(&rate), "{rate:.0}");
    let stats = net.left.core.stats().data;
    assert!(stats.rate <= 1_100_000, "with headers: {stats:?}");
}

#[test]
fn losses_are_counted_and_repaired() {
    let mut net = connected(1, delayed(10).with_loss(0.02));
    let channel = net.left.channel("video_upload");
    for index in 0..200 {
        channel.send(numbered(index, MESSAGE)).expect("open");
    }
    net.run_until("all", 60 * SECOND, |_, r| r.messages().len() == 200);
    assert_numbered(&net.right.messages(), 200, MESSAGE);
    let (data, channel) = (net.left.core.stats().data, channel.stats());
    let pieces = (200 * MESSAGE / 1132) as u64;
    assert!(
        (pieces / 100..pieces / 25).contains(&data.retransmitted),
        "about 2 % of {pieces}: {data:?}"
    );
    assert!(channel.retransmitted > 0 && channel.retransmitted < channel.bytes_sent / 25);
}

#[test]
fn empty_messages_arrive_as_empty_messages_in_their_place() {
    let mut net = connected(1, delayed(5));
    let channel = net.left.channel("inference");
    channel.send(Bytes::new()).expect("open");
    channel.send_text("between".into()).expect("open");
    channel.send_text(String::new()).expect("open");
    channel.send(numbered(7, 3000)).expect("open");
    net.run_until("all", SECOND, |_, r| r.messages().len() == 4);
    let kinds = net.right.log.iter().filter_map(|e| match e {
        PeerEvent::Message { data, text, .. } => Some((data.len(), *text)),
        _ => None,
    });
    let kinds: Vec<_> = kinds.collect();
    assert_eq!(kinds, [(0, false), (7, true), (0, true), (3000, false)]);
    net.run_for(SECOND);
    assert_eq!(channel.stats().unacknowledged, 0);
    for _ in 0..5000 {
        channel.send(Bytes::new()).expect("open");
    }
    net.run_until("many", 10 * SECOND, |_, r| r.messages().len() == 5004);
}

#[test]
fn thirty_two_channels_share_a_connection_and_none_starves() {
    let mut left = PeerConfig::default();
    left.channels = (0..MAX_CHANNELS).map(|n| format!("c{n}")).collect();
    let mut net = pair(1, delayed(10), left, PeerConfig::default());
    net.run_until("all open", 30 * SECOND, |l, r| {
        (0..MAX_CHANNELS).all(|n| l.is_open(&format!("c{n}")) && r.is_open(&format!("c{n}")))
    });
    for n in 0..MAX_CHANNELS {
        let channel = net.left.channel(&format!("c{n}"));
        for index in 0..20 {
            channel.send(numbered(index, 20_000)).expect("open");
        }
    }
    net.run_until("a third of all", 60 * SECOND, |_, r| {
        r.messages().len() >= MAX_CHANNELS * 20 / 3
    });
    for n in 0..MAX_CHANNELS {
        let got = net
            .right
            .channel(&format!("c{n}"))
            .stats()
            .messages_received;
        assert!((3..=12).contains(&got), "channel {n} got {got}");
    }
    net.run_until("all", 60 * SECOND, |_, r| {
        r.messages().len() == MAX_CHANNELS * 20
    });
}

#[test]
fn small_messages_are_not_late_during_a_bulk_transfer() {
    let mut net = connected(1, delayed(10).with_rate(12_500_000, 250_000));
    let (bulk, small) = (
        net.left.channel("video_upload"),
        net.left.channel("inference"),
    );
    for index in 0..1000 {
        bulk.send(numbered(index, MESSAGE)).expect("open");
    }
    net.run_for(SECOND);
    let mut worst = Duration::ZERO;
    let texts =
        |r: &crate::net::Peer| r.count(|e| matches!(e, PeerEvent::Message { text: true, .. }));
    for n in 1..=50 {
        small.send_text("{\"ack\":1}".into()).expect("open");
        let from = net.elapsed();
        net.run_until("it", SECOND, |_, r| texts(r) == n);
        worst = worst.max(net.elapsed() - from);
    }
    assert!(bulk.buffered_amount() > 0, "the bulk goes on all the while");
    assert!(worst < Duration::from_millis(60), "{worst:?}");
}

#[test]
fn a_queued_message_with_a_lifetime_is_given_up_when_it_is_too_old() {
    let mut net = connected(1, delayed(5).with_rate(200_000, 20_000));
    let loose = ChannelOptions::default()
        .with_ordered(false)
        .with_max_lifetime(Duration::from_millis(200));
    let channel = net.left.core.open_channel("results", loose).expect("room");
    net.run_until("open", SECOND, |l, r| {
        l.is_open("results") && r.is_open("results")
    });
    // Thirteen seconds of the path.
    for index in 0..200 {
        channel.send(numbered(index, 13_000)).expect("open");
    }
    net.run_until("none waits", 5 * SECOND, |_, _| {
        channel.buffered_amount() == 0
    });
    let stats = channel.stats();
    assert!(
        stats.expired > 0,
        "those the engine had no room for: {stats:?}"
    );
    channel.send(numbered(777, 100)).expect("open");
    net.run_until("the newest", 2 * SECOND, |_, r| {
        r.messages()
            .last()
            .is_some_and(|m| *m == numbered(777, 100))
    });
}

#[test]
fn the_largest_messages_pass_with_loss_on_several_channels() {
    let mut net = connected(1, delayed(5).with_loss(0.03));
    for index in 0..10 {
        for label in ["inference", "video_upload"] {
            let channel = net.left.channel(label);
            channel
                .send(numbered(index, MAX_SEND_MESSAGE))
                .expect("open");
        }
    }
    net.run_until("all", 60 * SECOND, |_, r| r.messages().len() == 20);
}

#[test]
fn a_datagram_size_that_was_asked_for_is_kept_and_used() {
    for (wanted, kept) in [(1200, 1185..=1200), (600, 585..=600)] {
        let data = DataConfig::default().with_max_datagram(wanted);
        let mut net = connected_with(
            1,
            delayed(5),
            config().with_data(data),
            PeerConfig::default(),
        );
        net.left.drop_larger_than = Some(*kept.end());
        for index in 0..20 {
            net.left
                .channel("inference")
                .send(numbered(index, MESSAGE))
                .expect("open");
        }
        net.run_until("all", 20 * SECOND, |_, r| r.messages().len() == 20);
        let link = net.stats(Side::Right);
        let average = link.bytes / link.sent;
        assert!(
            average > *kept.start() as u64 * 8 / 10,
            "{wanted}: {average}"
        );
    }
}

#[test]
fn messages_written_together_share_packets_and_arrive_in_order() {
    let mut net = connected(1, delayed(5));
    net.run_for(SECOND);
    let (before, count) = (net.left.core.stats().datagrams_sent, 5000);
    let channel = net.left.channel("inference");
    for index in 0..count {
        channel.send(numbered(index, 20)).expect("open");
    }
    net.run_until("all", SECOND, |_, r| r.messages().len() == count);
    assert_numbered(&net.right.messages(), count, 20);
    let sent = net.left.core.stats().datagrams_sent - before;
    assert!(sent < count as u64 / 20, "{sent} datagrams");
}

#[test]
fn a_thousand_channels_one_after_the_other_use_their_ids_anew() {
    let mut net = connected(1, delayed(5).with_loss(0.02));
    let closed = |p: &crate::net::Peer| p.count(|e| matches!(e, PeerEvent::ChannelClosed(_)));
    let mut first: Option<(DataChannel, ChannelStats)> = None;
    for round in 0..1000 {
        let label = format!("c{}", round % 50);
        let options = ChannelOptions::default();
        let channel = net.left.core.open_channel(&label, options);
        let channel = channel.expect("few are alive");
        assert_eq!(channel.id(), ChannelId(2 + round as u32));
        net.run_until("open", 20 * SECOND, |l, r| {
            l.is_open(&label) && r.is_open(&label)
        });
        for index in 0..5 {
            channel.send(numbered(index, 2_000)).expect("open");
        }
        net.run_for(Duration::from_millis(1));
        let waits = channel.stats().unacknowledged;
        assert!(waits > 0, "round {round}: its stream is followed");
        if let Some((gone, last)) = &first {
            assert_eq!(gone.stats(), *last, "round {round}: its successor's");
        }
        channel.close();
        net.run_until("closed on both sides", 20 * SECOND, |l, r| {
            closed(l) == 1 && closed(r) == 1
        });
        assert_eq!(net.right.messages().len(), 5, "after its messages");
        net.left.log.clear();
        net.right.log.clear();
        let last = channel.stats();
        assert_eq!((last.messages_sent, last.unacknowledged), (5, 0));
        first.get_or_insert((channel, last));
    }
    assert!(!net.left.core.is_over() && !net.right.core.is_over());
    let dropped = net.right.core.stats().dropped_channels;
    assert_eq!(dropped, 0);
}
