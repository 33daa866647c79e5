//! Probing TURN servers: the first of the list that answers is chosen, and nobody waits longer than needed.

use std::net::{TcpListener, UdpSocket};
use std::time::Instant;

use framewire_transport::{IceServer, probe_turn};

use crate::server::{Server, known};
use crate::sessions::SECOND;
use crate::trust::with_trust;

const BUDGET: std::time::Duration = SECOND.saturating_mul(2);

fn silent() -> (UdpSocket, String) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("bind");
    let url = format!("turn:{}", socket.local_addr().expect("address"));
    (socket, url)
}

#[test]
fn the_first_that_answers_wins_in_the_order_of_the_configuration() {
    let server = Server::start();
    let dead = "turn:127.0.0.1:1?transport=tcp".to_owned();
    let mut servers = known(vec![dead.clone(), "stun:127.0.0.1:1".into()]);
    servers.extend(known(vec![server.tcp(), server.udp()]));
    let started = Instant::now();
    let probe = probe_turn(&servers, BUDGET);
    assert!(started.elapsed() < SECOND, "{:?}", started.elapsed());
    assert_eq!(probe.urls.len(), 3, "STUN is not probed: {probe:?}");
    assert_eq!(
        probe.urls[0].outcome,
        Some(Err("connection refused".to_owned()))
    );
    assert_eq!(probe.chosen().expect("answered").url, server.tcp());
    let reordered = probe.reordered(&servers).expect("another first");
    assert_eq!(reordered[0].urls, [server.tcp()]);
    assert_eq!(reordered[0].username.as_deref(), Some("user"));
    assert_eq!(reordered[1..], servers, "all servers follow as they were");
}

#[test]
fn an_answer_of_the_first_ends_it_and_changes_nothing() {
    let (server, (_silent, url)) = (Server::start(), silent());
    for first in [server.udp(), server.tcp()] {
        let servers = known(vec![first.clone(), url.clone()]);
        let started = Instant::now();
        let probe = probe_turn(&servers, BUDGET);
        assert!(started.elapsed() < SECOND, "{:?}", started.elapsed());
        assert_eq!(probe.chosen().expect("answered").url, first);
        assert_eq!(probe.urls[1].outcome, None, "not decided, not waited for");
        assert_eq!(probe.reordered(&servers), None);
    }
}

#[test]
fn a_later_answer_waits_for_the_earlier_servers_until_the_budget_ends() {
    let (server, (_silent, url)) = (Server::start(), silent());
    let mute = TcpListener::bind("127.0.0.1:0").expect("bind");
    let tcp = format!("turn:{}?transport=tcp", mute.local_addr().expect("address"));
    let servers = known(vec![url, tcp, server.udp()]);
    let (started, budget) = (Instant::now(), SECOND / 2);
    let probe = probe_turn(&servers, budget);
    let took = started.elapsed();
    assert!(took >= budget && took < 2 * budget, "{took:?}");
    assert_eq!(probe.chosen().expect("answered").url, server.udp());
    for dead in &probe.urls[..2] {
        assert_eq!(dead.outcome, Some(Err("no answer in time".to_owned())));
    }
}

#[test]
fn a_slow_first_is_preferred_to_a_quick_second() {
    let server = Server::start();
    let slow = UdpSocket::bind("127.0.0.1:0").expect("bind");
    let url = format!("turn:{}", slow.local_addr().expect("address"));
    let answering = std::thread::spawn(move || {
        let mut request = [0; 600];
        // The question is repeated when it is not answered; the second gets an answer.
        slow.recv_from(&mut request).expect("a question");
        let (len, from) = slow.recv_from(&mut request).expect("a question again");
        request[..2].copy_from_slice(&[1, 1]);
        slow.send_to(&request[..len], from).expect("sent");
    });
    let servers = known(vec![url.clone(), server.udp()]);
    let probe = probe_turn(&servers, BUDGET);
    assert_eq!(probe.chosen().expect("answered").url, url);
    assert!(matches!(probe.urls[1].outcome, Some(Ok(_))), "{probe:?}");
    answering.join().expect("served");
}

#[test]
fn foreign_answers_are_no_answers() {
    let liar = UdpSocket::bind("127.0.0.1:0").expect("bind");
    let url = format!("turn:{}", liar.local_addr().expect("address"));
    let answering = std::thread::spawn(move || {
        let mut request = [0; 600];
        let (len, from) = liar.recv_from(&mut request).expect("a question");
        request[len - 1] ^= 1;
        liar.send_to(&request[..len], from).expect("sent");
        liar.send_to(b"rubbish", from).expect("sent");
        liar
    });
    let (_silent, other) = silent();
    let probe = probe_turn(&known(vec![url, other]), SECOND / 2);
    assert_eq!(probe.chosen(), None, "{probe:?}");
    drop(answering.join().expect("served"));
}

#[test]
fn fewer_than_two_turn_urls_are_not_probed_and_none_reachable_keeps_the_order() {
    let one = known(vec!["turn:127.0.0.1:1".into(), "stun:127.0.0.1:1".into()]);
    let started = Instant::now();
    let probe = probe_turn(&one, BUDGET);
    assert!(probe.urls.is_empty() && probe.reordered(&one).is_none());
    let urls = vec![
        "turn:127.0.0.1:1?transport=tcp".into(),
        "turn:127.0.0.1:1".into(),
    ];
    let two = vec![IceServer::new(urls)];
    let probe = probe_turn(&two, BUDGET);
    assert!(probe.chosen().is_none() && probe.reordered(&two).is_none());
    assert!(started.elapsed() < SECOND, "refusals end it early");
}

#[test]
fn tls_is_probed_with_the_certificate_checked() {
    let server = Server::start();
    let urls = vec![server.tls(), server.udp()];
    let probe = probe_turn(&known(urls), BUDGET);
    assert_eq!(probe.chosen().expect("answered").url, server.udp());
    let outcome = probe.urls[0].outcome.clone().expect("decided");
    let cause = outcome.expect_err("nobody vouches for it");
    assert!(cause.starts_with("TLS: "), "{cause}");
}

#[test]
fn tls_answers_when_the_certificate_is_trusted() {
    with_trust(
        "probing::tls_answers_when_the_certificate_is_trusted",
        Server::tls,
        |url| {
            let dead = "turn:127.0.0.1:1?transport=tcp".to_owned();
            let probe = probe_turn(&known(vec![dead, url.to_owned()]), BUDGET);
            assert_eq!(
                probe.chosen().map(|c| c.url.as_str()),
                Some(url),
                "{probe:?}"
            );
        },
    );
}
