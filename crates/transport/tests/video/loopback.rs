//! Two endpoints on loopback sockets, as users see them.

use std::time::{Duration, Instant};

use framewire_transport::{
    Direction, Endpoint, EndpointConfig, OutgoingFrame, Peer, PeerConfig, PeerEvent, VideoCodec,
    VideoConfig, VideoTrack,
};

use crate::frames::{encoded, number};

const PATIENCE: Duration = Duration::from_secs(20);

fn connect(client: PeerConfig, server: PeerConfig) -> (Peer, Peer) {
    let (one, two) = (
        Endpoint::bind(EndpointConfig::default()).unwrap(),
        Endpoint::bind(EndpointConfig::default()).unwrap(),
    );
    let offer = one.offer(client).expect("offer");
    let (answerer, answer) = two.answer(offer.sdp(), server).expect("answer");
    let offerer = offer.accept_answer(&answer).expect("accept");
    for peer in [&offerer, &answerer] {
        loop {
            let event = peer.events().recv_deadline(Instant::now() + PATIENCE);
            if let PeerEvent::ChannelOpen(_) = event.expect("an event") {
                break;
            }
        }
    }
    (offerer, answerer)
}

fn config(codec: VideoCodec) -> PeerConfig {
    PeerConfig::default().with_video(VideoConfig::default().with_codecs(vec![codec]))
}

fn send(track: &VideoTrack, codec: VideoCodec, index: u32) {
    let frame = OutgoingFrame {
        codec,
        data: encoded(codec, index, index.is_multiple_of(30), 3_000),
        rtp_time: 0xffff_f000u32.wrapping_add(index * 3_000),
        captured: Instant::now(),
    };
    track.send(frame).expect("queued");
}

fn exchange(codec: VideoCodec) {
    let (one, two) = connect(config(codec).with_channel("inference"), config(codec));
    let tracks = [&one, &two].map(|p| p.video().expect("a track"));
    for (from, to) in [(0, 1), (1, 0)] {
        assert_eq!(tracks[from].direction(), Direction::SendRecv);
        assert_eq!(tracks[from].codecs(), [codec]);
        assert!(
            tracks[from].take_keyframe_request(),
            "the first must be one"
        );
        for index in 0..90 {
            send(&tracks[from], codec, index);
            let got = tracks[to].recv_deadline(Instant::now() + PATIENCE).unwrap();
            assert_eq!(number(codec, &got.data), index);
            assert_eq!(got.rtp_time, 0xffff_f000u32.wrapping_add(index * 3_000));
            assert_eq!((got.codec, got.keyframe), (codec, index.is_multiple_of(30)));
            assert_eq!(got.contiguous, index > 0);
            assert!(got.first_packet <= got.completed);
        }
        let stats = tracks[to].stats();
        assert_eq!((stats.frames_received, stats.packets_lost), (90, 0));
    }
}

#[test]
fn vp8_frames_arrive_whole_and_in_order_with_their_timestamps_both_ways() {
    exchange(VideoCodec::Vp8);
}

#[test]
fn h264_frames_arrive_whole_and_in_order_with_their_timestamps_both_ways() {
    exchange(VideoCodec::H264);
}
