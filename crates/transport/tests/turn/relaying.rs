//! Data through a TURN server: each way to the server, on one side and on both.

use std::time::Instant;

use framewire_transport::{
    GatheredKind, OutgoingFrame, PeerConfig, ServerFailure, VideoCodec, VideoConfig,
};

use crate::frames::{encoded, number};
use crate::server::{Server, known};
use crate::sessions::{SECOND, connect, endpoint, kinds, relayed, soon};
use crate::trust::with_trust;

const FIVE_MB: usize = 5_000_000;

pub(crate) fn data_flows_through(url: &str) {
    for both in [false, true] {
        let servers = known(vec![url.to_owned()]);
        let theirs = if both {
            relayed(servers.clone())
        } else {
            PeerConfig::default()
        };
        let session = connect(relayed(servers), theirs);
        assert_eq!(kinds(&session.offer), ["relay"], "{}", session.offer);
        let ours = session.ours.gathering().addresses(GatheredKind::Relayed);
        let ours: Vec<_> = ours.collect();
        session.round_trip("hello");
        let took = session.transfer(FIVE_MB);
        eprintln!("{url}, both sides relayed: {both}: 5 MB in {took:?}");
        let stats = session.ours.stats();
        assert_eq!(stats.local, ours.first().copied(), "{stats:?}");
        assert_eq!(session.theirs.stats().remote, stats.local, "{stats:?}");
        if both {
            assert_eq!(kinds(&session.answer), ["relay"], "{}", session.answer);
            assert_eq!(session.theirs.stats().local, stats.remote);
        }
        session.end();
    }
}

#[test]
fn five_megabytes_arrive_whole_through_turn_over_udp() {
    let server = Server::start();
    data_flows_through(&server.udp());
}

#[test]
fn five_megabytes_arrive_whole_through_turn_over_tcp() {
    let server = Server::start();
    data_flows_through(&server.tcp());
}

#[test]
fn five_megabytes_arrive_whole_through_turn_over_tls() {
    with_trust(
        "relaying::five_megabytes_arrive_whole_through_turn_over_tls",
        |server| server.tls(),
        data_flows_through,
    );
}

#[test]
fn five_megabytes_arrive_whole_through_turn_over_ipv6() {
    let server = Server::with("::1", "");
    data_flows_through(&server.udp());
    data_flows_through(&server.tcp());
}

#[test]
fn a_relayed_description_tells_nothing_about_the_machine() {
    let server = Server::start();
    let endpoint = endpoint();
    let config = relayed(known(vec![server.udp(), server.tcp()])).with_channel("inference");
    let offer = endpoint.offer(config).expect("offer");
    assert_eq!(kinds(offer.sdp()), ["relay", "relay"], "{}", offer.sdp());
    let port = format!(" {} ", endpoint.local_port());
    let ours = endpoint.local_addresses();
    for line in offer.sdp().lines() {
        assert!(!line.contains(&port), "{line}");
        // The server is on loopback, so that one of our addresses is the server's as well.
        let named = ours.iter().find(|a| {
            !a.ip().is_loopback() && line.split(' ').any(|word| word == a.ip().to_string())
        });
        assert_eq!(named, None, "{line}");
        assert!(!line.contains("raddr 127."), "{line}");
    }
}

#[test]
fn relayed_and_direct_addresses_are_offered_together_and_the_direct_path_is_used() {
    let server = Server::start();
    let config = PeerConfig::default().with_ice_servers(known(vec![server.udp()]));
    let session = connect(config, PeerConfig::default());
    let offered = kinds(&session.offer);
    assert!(
        offered.contains(&"host") && offered.contains(&"relay"),
        "{offered:?}"
    );
    session.round_trip("direct");
    let report = session.ours.gathering();
    let relayed: Vec<_> = report.addresses(GatheredKind::Relayed).collect();
    let used = session.ours.stats().local.expect("connected");
    assert!(!relayed.contains(&used), "{used} in {report}");
    session.end();
}

#[test]
fn all_servers_are_asked_at_once_and_a_dead_one_costs_little() {
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").expect("bind");
    let dead = format!("turn:{}", silent.local_addr().expect("address"));
    let server = Server::start();
    let urls = vec![
        dead,
        "turn:127.0.0.1:1?transport=tcp".to_owned(),
        server.tcp(),
        server.udp(),
        "turn:bad host".to_owned(),
    ];
    let endpoint = endpoint();
    let started = Instant::now();
    let config = relayed(known(urls.clone())).with_channel("inference");
    let offer = endpoint.offer(config).expect("offer");
    let took = started.elapsed();
    assert!(
        took < SECOND * 3 / 2,
        "{took:?} although two servers answer at once"
    );
    let report = offer.gathering();
    assert_eq!(report.servers.len(), urls.len());
    let outcome = |index: usize| report.servers[index].outcome.clone();
    let silent = matches!(outcome(0), Err(ServerFailure::Silent { .. }));
    assert!(silent, "{report}");
    let refused = matches!(outcome(1), Err(ServerFailure::Refused { .. }));
    assert!(refused, "{report}");
    assert!(outcome(4).is_err());
    let (tcp, udp) = (outcome(2).expect("TCP"), outcome(3).expect("UDP"));
    eprintln!(
        "allocated over TCP in {:?}, over UDP in {:?}",
        tcp[0].took, udp[0].took
    );
    let first = kinds(offer.sdp()).len();
    assert_eq!(first, 2, "{}", offer.sdp());
    let udp = udp.last().expect("relayed").address;
    let wanted = format!(" {} {} typ relay", udp.ip(), udp.port());
    let line = offer.sdp().lines().find(|l| l.starts_with("a=candidate:"));
    assert!(
        line.is_some_and(|l| l.contains(&wanted)),
        "UDP is preferred: {line:?}"
    );
}

#[test]
fn video_flows_both_ways_through_turn() {
    let server = Server::start();
    for url in [server.udp(), server.tcp()] {
        let config = || relayed(known(vec![url.clone()])).with_video(VideoConfig::default());
        let session = connect(config(), config());
        session.round_trip("hello");
        let tracks = [&session.ours, &session.theirs].map(|p| p.video().expect("a track"));
        for (from, to) in [(0, 1), (1, 0)] {
            for index in 0..60 {
                let frame = OutgoingFrame {
                    codec: VideoCodec::Vp8,
                    data: encoded(VideoCodec::Vp8, index, index == 0, 3_000),
                    rtp_time: index * 3_000,
                    captured: Instant::now(),
                };
                tracks[from].send(frame).expect("queued");
                let got = tracks[to].recv_deadline(soon()).expect("a frame");
                assert_eq!(number(got.codec, &got.data), index, "{url}");
            }
        }
        session.end();
    }
}
