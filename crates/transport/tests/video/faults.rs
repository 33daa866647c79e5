//! Cuts, silence, late consumers, keyframe requests, and media beside data.

use std::time::Duration;

use bytes::Bytes;
use framewire_testkit::Link;
use framewire_transport::{
    OutgoingFrame, PeerConfig, PeerEvent, RecvError, VideoCodec, VideoConfig, VideoSendError,
};

use crate::frames::encoded;
use crate::net::{FRAME, Net, SECOND, config, connected, usual, watched};

const MS: Duration = Duration::from_millis(1);

fn path() -> Link {
    Link::default().with_delay(20 * MS)
}

/// Both cameras, for a while.
fn filming(seed: u64) -> Net {
    let mut net = usual(seed, path());
    (net.left.camera.on, net.right.camera.on) = (true, true);
    net.run_for(3 * SECOND);
    net
}

#[test]
fn after_a_dead_link_of_4_or_10_seconds_the_same_session_shows_pictures_again_within_a_second() {
    for dead in [4, 10] {
        let mut net = filming(dead.into());
        net.set_cut(true);
        net.run_for(dead * SECOND);
        net.set_cut(false);
        let back = net.now();
        net.run_for(8 * SECOND);
        for (viewer, camera) in [
            (&net.right, &net.left.camera),
            (&net.left, &net.right.camera),
        ] {
            let first = viewer
                .seen
                .iter()
                .find(|s| s.at > back + 50 * MS && s.shown);
            let wait = first.expect("a picture").at - back;
            assert!(wait <= 1_500 * MS, "{dead} s: {wait:?}");
            let seen = watched(viewer, camera, back + 3 * SECOND, net.now());
            println!("{dead}: {wait:?} {seen:?}");
            assert!(
                seen.share > 0.95 && seen.p95 <= 100 * MS,
                "{dead} s: {seen:?}"
            );
        }
        for peer in [&net.left, &net.right] {
            let stalled = peer.log.iter().any(|e| matches!(e, PeerEvent::Stalled));
            let resumed = peer.log.iter().any(|e| matches!(e, PeerEvent::Resumed));
            let closed = peer.log.iter().any(|e| matches!(e, PeerEvent::Closed(_)));
            assert!(stalled && resumed && !closed, "{dead} s");
        }
    }
}

#[test]
fn five_seconds_without_a_frame_cost_nothing() {
    let mut net = filming(1);
    net.left.camera.on = false;
    net.run_for(5 * SECOND);
    let (from, keyframes) = (net.now(), net.left.camera.keyframes);
    net.left.camera.on = true;
    net.run_for(3 * SECOND);
    let seen = watched(&net.right, &net.left.camera, from, net.now());
    assert!(seen.share > 0.97 && seen.freeze <= 60 * MS, "{seen:?}");
    assert_eq!(net.left.camera.keyframes, keyframes);
    assert_eq!(net.right.track().stats().gaps, 0);
}

#[test]
fn a_request_brings_a_keyframe_after_one_round_trip_and_a_frame() {
    let mut net = filming(1);
    let before = net.left.camera.keyframes;
    net.right.track().request_keyframe();
    let asked = net.now();
    net.run_for(150 * MS);
    let keyframe = net.right.seen.iter().find(|s| s.at > asked && s.keyframe);
    let wait = keyframe.expect("a keyframe").at - asked;
    assert!(wait <= 40 * MS + FRAME + 30 * MS, "{wait:?}");
    assert_eq!(net.left.camera.keyframes, before + 1);
    let (asked, asking) = (net.left.track().stats(), net.right.track().stats());
    assert!(asked.keyframe_requests_received >= 1 && asking.keyframe_requests_sent >= 1);
}

#[test]
fn requests_are_limited_however_often_the_user_asks() {
    let mut net = filming(1);
    let before = net.right.track().stats().keyframe_requests_sent;
    for _ in 0..1_000 {
        net.right.track().request_keyframe();
        net.run_for(MS);
    }
    let sent = net.right.track().stats().keyframe_requests_sent - before;
    assert!((2..=10).contains(&sent), "{sent}");
}

#[test]
fn a_stream_joined_in_the_middle_starts_at_the_keyframe_asked_for() {
    let mut net = usual(1, path());
    assert!(net.left.track().take_keyframe_request());
    let now = net.now();
    let delta = OutgoingFrame {
        codec: VideoCodec::Vp8,
        data: encoded(VideoCodec::Vp8, 0, false, 2_000),
        rtp_time: 1,
        captured: now,
    };
    net.left.track().send(delta).unwrap();
    let asked = |net: &Net| net.left.track().take_keyframe_request();
    net.run_for(100 * MS);
    let first = *net.right.seen.first().expect("handed over, with its flag");
    assert!(!first.contiguous && !first.keyframe && !first.shown);
    assert!(asked(&net));
}

#[test]
fn a_consumer_that_takes_no_frames_loses_counted_ones_and_goes_on_at_a_keyframe() {
    let mut net = filming(1);
    let before = net.right.seen.len();
    net.right.watch = false;
    net.run_for(5 * SECOND);
    let stats = net.right.track().stats();
    assert!(stats.dropped_late_consumer > 30, "{stats:?}");
    assert!(stats.queued_frames <= 60, "{stats:?}");
    net.right.watch = true;
    net.run_for(SECOND);
    let first = net.right.seen[before];
    assert!(first.keyframe && !first.contiguous);
    let last = net.right.seen.last().unwrap();
    assert!(last.shown && net.now() - last.at < 100 * MS);
}

#[test]
fn media_flows_while_data_is_not_taken_and_data_while_frames_are_not() {
    let video = || config(VideoConfig::default());
    let mut net = connected(1, path(), video(), video().with_inbound_limit(64 * 1024));
    net.left.camera.on = true;
    net.run_for(2 * SECOND);
    net.right.consume = false;
    let channel = net.left.core.channel("inference").unwrap();
    for _ in 0..400 {
        channel.send(Bytes::from(vec![7; 10_000])).unwrap();
    }
    let from = net.now();
    net.run_for(5 * SECOND);
    assert!(net.right.core.stats().pauses > 0, "the event queue is full");
    let seen = watched(&net.right, &net.left.camera, from, net.now());
    assert!(seen.share > 0.95 && seen.p95 <= 100 * MS, "{seen:?}");
    net.right.consume = true;
    net.right.watch = false;
    let got = net.right.messages.len();
    net.run_for(5 * SECOND);
    assert!(
        net.right.messages.len() > got + 100,
        "{}",
        net.right.messages.len()
    );
}

#[test]
fn sending_says_why_it_cannot() {
    let frame = || OutgoingFrame {
        codec: VideoCodec::Vp8,
        data: encoded(VideoCodec::Vp8, 0, true, 100),
        rtp_time: 0,
        captured: std::time::Instant::now(),
    };
    let receiver = config(VideoConfig::default().with_send(false));
    let mut net = connected(1, path(), receiver, config(VideoConfig::default()));
    assert_eq!(
        net.left.track().send(frame()),
        Err(VideoSendError::NotSending)
    );
    assert_eq!(net.right.track().send(frame()), Ok(()));
    let track = net.right.track();
    net.right.core.close(Duration::ZERO);
    net.run_for(SECOND);
    assert_eq!(track.send(frame()), Err(VideoSendError::Closed));
    assert!(!track.has_room());
}

#[test]
fn what_had_arrived_can_be_taken_after_the_end() {
    let mut net = filming(1);
    net.right.watch = false;
    net.run_for(SECOND);
    net.left.core.close(Duration::ZERO);
    net.run_for(SECOND);
    let track = net.right.track();
    let mut taken = 0;
    let end = loop {
        match track.try_recv() {
            Ok(Some(_)) => taken += 1,
            Ok(None) => panic!("neither a frame nor the end"),
            Err(end) => break end,
        }
    };
    assert!(taken > 20, "{taken}");
    assert_eq!(end, RecvError::Ended);
}

#[test]
fn without_a_common_codec_data_still_flows() {
    let only = |codec| config(VideoConfig::default().with_codecs(vec![codec]));
    let mut net = connected(1, path(), only(VideoCodec::Vp8), only(VideoCodec::H264));
    assert!(net.left.core.video().is_none() && net.right.core.video().is_none());
    let channel = net.left.core.channel("inference").unwrap();
    channel.send(Bytes::from_static(b"hello")).unwrap();
    net.run_until("the message arrives", SECOND, |_, right| {
        right.messages.len() == 1
    });
    let mut net = connected(1, path(), only(VideoCodec::Vp8), PeerConfig::default());
    assert!(net.left.core.video().is_none());
    net.run_for(SECOND);
}
