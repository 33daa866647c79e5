//! What a connection tells of how it came up, and how far it got when it did not.

use std::time::{Duration, Instant};

use framewire_testkit::Link;
use framewire_transport::{
    CandidateKind, CloseReason, ConnectStep, ConnectionReport, Endpoint, EndpointConfig,
    PairOutcome, PeerConfig, Progress,
};

use crate::net::{Net, SECOND, config, connected, left_address, pair, right_address};

const DELAY: Duration = Duration::from_millis(20);

fn link() -> Link {
    Link::default().with_delay(DELAY)
}

#[test]
fn a_connection_tells_its_addresses_its_pair_with_the_round_trip_and_the_time_of_each_step() {
    let net = connected(1, link());
    let report = net.left.core.report();
    let local: Vec<_> = report.local.iter().map(|c| (c.kind, c.address)).collect();
    assert_eq!(local, [(CandidateKind::Host, left_address())]);
    let remote: Vec<_> = report.remote.iter().map(|c| (c.kind, c.address)).collect();
    assert_eq!(remote, [(CandidateKind::Host, right_address())]);
    let chosen = report.chosen.expect("it is up");
    assert_eq!(
        (chosen.local, chosen.remote),
        (left_address(), right_address())
    );
    assert_eq!(chosen.rtt, Some(2 * DELAY));
    assert_eq!(report.pairs.len(), 1);
    assert_eq!(
        report.pairs[0].outcome,
        PairOutcome::Answered { rtt: 2 * DELAY }
    );
    for step in [report.ice, report.dtls, report.channels] {
        let Progress::Done { took } = step else {
            panic!("{step:?}");
        };
        assert!(took >= DELAY && took < SECOND, "{took:?}");
    }
}

/// The left side gives up; its reason and its report.
fn given_up(net: &mut Net) -> (ConnectStep, ConnectionReport) {
    net.run_until("the left side gives up", 10 * SECOND, |l, _| {
        l.closed().is_some()
    });
    match net.left.closed() {
        Some(CloseReason::ConnectTimeout { step, .. }) => (*step, net.left.core.report()),
        other => panic!("{other:?}"),
    }
}

fn impatient() -> PeerConfig {
    config().with_connect_timeout(8 * SECOND)
}

#[test]
fn without_an_answer_the_report_counts_the_checks_after_the_end() {
    let mut net = pair(1, link(), impatient(), PeerConfig::default());
    net.set_cut(true);
    let (step, report) = given_up(&mut net);
    assert_eq!(step, ConnectStep::Ice);
    let Progress::UnderWay { sent, received } = report.ice else {
        panic!("{report:?}");
    };
    assert!(sent > 5 && received == 0, "{report:?}");
    let checks = PairOutcome::Unanswered {
        checks: u32::try_from(sent).expect("few"),
    };
    assert_eq!(report.pairs[0].outcome, checks);
    assert_eq!((report.chosen, report.dtls), (None, Progress::Waiting));
}

#[test]
fn a_handshake_that_is_blocked_shows_the_pair_and_that_nothing_comes_back() {
    let mut net = pair(1, link(), impatient(), PeerConfig::default());
    for side in [&mut net.left, &mut net.right] {
        side.drop_where = Some(|datagram| matches!(datagram[0], 20..=63));
    }
    let (step, report) = given_up(&mut net);
    assert_eq!(step, ConnectStep::Dtls);
    assert!(
        report.ice.is_done() && report.chosen.is_some(),
        "{report:?}"
    );
    assert!(
        matches!(report.dtls, Progress::UnderWay { sent, received: 0 } if sent > 0 || is_passive(&report))
    );
    assert_eq!(report.channels, Progress::Waiting);
}

/// The side that waits for the other's first flight has nothing to send.
fn is_passive(report: &ConnectionReport) -> bool {
    report.dtls
        == Progress::UnderWay {
            sent: 0,
            received: 0,
        }
}

#[test]
fn data_channels_that_are_blocked_inside_the_encryption_are_the_last_step() {
    let mut net = pair(1, link(), impatient(), PeerConfig::default());
    // Records of application data carry SCTP; the handshake passes.
    for side in [&mut net.left, &mut net.right] {
        side.drop_where = Some(|datagram| datagram[0] == 23);
    }
    let (step, report) = given_up(&mut net);
    assert_eq!(step, ConnectStep::Channels);
    assert!(report.dtls.is_done(), "{report:?}");
    let Progress::UnderWay { sent, received } = report.channels else {
        panic!("{report:?}");
    };
    assert!(sent > 1 && received == 0, "{report:?}");
}

#[test]
fn what_the_machine_says_of_datagrams_it_does_not_deliver_is_told_of_each_pair() {
    let lo = || Endpoint::bind(EndpointConfig::default().with_interface("lo")).expect("bind");
    let (client, worker) = (lo(), lo());
    let config = config().with_connect_timeout(3 * SECOND);
    let offer = client.offer(config).expect("offer");
    // The worker learns no address of ours: it would find us otherwise.
    let candidate = |line: &&str| line.starts_with("a=candidate:");
    let lines = offer.sdp().lines().filter(|line| !candidate(line));
    let silent: String = lines.map(|line| format!("{line}\r\n")).collect();
    let (_theirs, answer) = worker
        .answer(&silent, PeerConfig::default())
        .expect("answer");
    let (head, _) = answer.split_once("a=candidate:").expect("candidates");
    let rest = answer.lines().filter(|line| !candidate(line));
    let tail: String = rest
        .skip_while(|line| !line.starts_with("a=end-of-candidates"))
        .map(|line| format!("{line}\r\n"))
        .collect();
    // Nobody listens at the first; no loopback address reaches the second.
    let answer = format!(
        "{head}a=candidate:1 1 UDP 2130706431 127.0.0.1 1 typ host\r\n\
         a=candidate:2 1 UDP 2130706430 192.0.2.1 9 typ srflx raddr 0.0.0.0 rport 0\r\n{tail}"
    );
    let ours = offer.accept_answer(&answer).expect("accept");
    assert!(ours.wait_closed(Instant::now() + 60 * SECOND));
    let report = ours.report();
    let interfaces: Vec<_> = report
        .local
        .iter()
        .map(|c| c.interface.as_deref())
        .collect();
    assert!(
        interfaces.iter().all(|name| *name == Some("lo")),
        "{report:?}"
    );
    let outcome = |remote: &str| {
        let pair = report.pairs.iter().find(|p| p.remote.to_string() == remote);
        pair.expect("tried").outcome.clone()
    };
    let refused = |reason: &str| PairOutcome::Refused {
        reason: reason.into(),
    };
    assert_eq!(outcome("127.0.0.1:1"), refused("connection refused"));
    let unroutable = refused("loopback reaches this machine only");
    assert_eq!(outcome("192.0.2.1:9"), unroutable);
    assert_eq!(report.remote[1].kind, CandidateKind::ServerReflexive);
    assert_eq!(report.chosen, None);
}
