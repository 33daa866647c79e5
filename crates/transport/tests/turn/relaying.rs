//! Data through a TURN server: each way to the server, on one side and on both.

use framewire_transport::{GatheredKind, PeerConfig};

use crate::server::{Server, known};
use crate::sessions::{connect, kinds, relayed};

const FIVE_MB: usize = 5_000_000;

fn data_flows_through(url: &str) {
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
