//! The rules row by row: the evidence each needs, and what the others must not make of it.

use super::*;
use crate::diagnosis::{HttpNow, WorkerSeen};
use framewire_transport::{CandidateReport, ConnectStep, ConnectionReport, GatherReport, Progress};
use std::time::Duration;

const CLIENT: &str = "10.0.1.2:40000";
const WORKER: &str = "10.0.2.2:9002";
const LOOPBACK: &str = "127.0.0.1:9002";

fn candidate(address: &str) -> CandidateReport {
    CandidateReport {
        kind: CandidateKind::Host,
        address: address.parse().unwrap(),
        interface: None,
        server: None,
    }
}

fn silent() -> PairOutcome {
    PairOutcome::Unanswered { checks: 7 }
}

fn refused(reason: &str) -> PairOutcome {
    let reason = reason.to_owned();
    PairOutcome::Refused { reason }
}

/// What was tried from the client to each of these addresses of the worker.
fn tried(to: &[(&str, PairOutcome)]) -> ConnectionReport {
    let mut report = ConnectionReport::default();
    report.local = vec![candidate(CLIENT), candidate("127.0.0.1:40000")];
    report.ice = Progress::UnderWay {
        sent: 9,
        received: 0,
    };
    for (remote, outcome) in to {
        report.remote.push(candidate(remote));
        report.pairs.push(PairReport {
            local: CLIENT.parse().unwrap(),
            remote: remote.parse().unwrap(),
            local_kind: CandidateKind::Host,
            remote_kind: CandidateKind::Host,
            outcome: outcome.clone(),
        });
    }
    report
}

fn reached(ip: &str) -> WorkerSeen {
    WorkerSeen {
        reached: Some(ip.parse().unwrap()),
        ..WorkerSeen::default()
    }
}

fn judged(report: &ConnectionReport, worker: WorkerSeen) -> Diagnosis {
    judged_with(Vec::new(), report, worker)
}

fn judged_with(
    servers: Vec<ServerReport>,
    report: &ConnectionReport,
    worker: WorkerSeen,
) -> Diagnosis {
    let mut gathering = GatherReport::default();
    gathering.servers = servers;
    let found = of_paths(&Evidence {
        report,
        gathering: &gathering,
        ended: &CloseReason::ConnectTimeout {
            step: ConnectStep::Ice,
            after: Duration::from_secs(15),
            detail: None,
        },
        worker,
    });
    assert_eq!(found.step, CheckStep::Ice);
    assert!(!found.advice.is_empty());
    found
}

#[test]
fn silence_of_a_worker_that_is_where_http_found_it_is_no_answer_with_the_counts() {
    // The worker's loopback address is this machine's own, and its refusal says nothing about the worker.
    let report = tried(&[
        (LOOPBACK, refused("connection refused")),
        (WORKER, silent()),
    ]);
    let found = judged(&report, reached("10.0.2.2"));
    assert_eq!(found.cause, Cause::IceNoAnswer);
    for part in ["7 checks", WORKER, "15 s"] {
        assert!(found.problem.contains(part), "{found}");
    }
    assert!(found.advice.contains("--public-ip"), "{found}");
}

#[test]
fn what_our_loopback_address_cannot_reach_is_no_refusal_of_the_worker() {
    let mut report = tried(&[(WORKER, silent())]);
    let mut pair = report.pairs[0].clone();
    pair.local = "127.0.0.1:40000".parse().unwrap();
    pair.outcome = refused("loopback reaches this machine only");
    report.pairs.insert(0, pair);
    let found = judged(&report, reached("10.0.2.2"));
    assert_eq!(found.cause, Cause::IceNoAnswer, "{found}");
}

#[test]
fn a_refusal_names_the_address_and_the_words() {
    let report = tried(&[
        (LOOPBACK, refused("connection refused")),
        (WORKER, refused("host unreachable")),
    ]);
    let found = judged(&report, reached("10.0.2.2"));
    assert_eq!(found.cause, Cause::IceRefused);
    assert!(
        found.problem.contains(WORKER) && found.problem.contains("host unreachable"),
        "{found}"
    );
    // On one machine loopback is the way.
    let report = tried(&[
        (LOOPBACK, refused("connection refused")),
        (WORKER, silent()),
    ]);
    assert_eq!(
        judged(&report, WorkerSeen::default()).cause,
        Cause::IceNoAnswer
    );
}

#[test]
fn only_words_from_the_way_to_the_worker_are_refusals() {
    let worker = || reached("10.0.2.2");
    // A bridge that both sides have, by the same address: it is our own that refuses.
    let bridge = "172.17.0.1:9002";
    let mut both = tried(&[(bridge, refused("connection refused")), (WORKER, silent())]);
    both.local.push(candidate("172.17.0.1:40000"));
    assert_eq!(judged(&both, worker()).cause, Cause::IceNoAnswer);

    // No way to one address of the worker while the one HTTP reached is silent.
    let six = "[2001:4860::1]:9002";
    let report = tried(&[(six, refused("network unreachable")), (WORKER, silent())]);
    assert_eq!(judged(&report, worker()).cause, Cause::IceNoAnswer);

    for local in [
        "send failed",
        "datagram too large",
        "the relay does not let it through",
    ] {
        let report = tried(&[(WORKER, refused(local))]);
        assert_eq!(judged(&report, worker()).cause, Cause::IceNoAnswer);
    }
    let report = tried(&[(WORKER, refused("not permitted on this machine"))]);
    let found = judged(&report, worker());
    assert_eq!(found.cause, Cause::UdpBlocked);
    assert!(found.advice.contains("own firewall"), "{found}");
}

#[test]
fn datagrams_that_came_in_are_told_and_udp_is_not_called_blocked_then() {
    let mut report = tried(&[(WORKER, silent())]);
    report.ice = Progress::UnderWay {
        sent: 9,
        received: 4,
    };
    let stun = vec![unheard("stun:192.0.2.9:3478")];
    let found = judged_with(stun, &report, reached("10.0.2.2"));
    assert_eq!(found.cause, Cause::IceNoAnswer);
    let heard = "4 datagrams of the worker came in";
    assert!(found.problem.contains(heard), "{found}");
}

#[test]
fn addresses_of_another_network_are_named_with_the_option_that_helps() {
    let container = [
        (LOOPBACK, refused("connection refused")),
        (WORKER, silent()),
    ];
    let found = judged(&tried(&container), reached("8.8.4.4"));
    assert_eq!(found.cause, Cause::CandidatesUnreachable);
    assert!(found.advice.contains("--public-ip 8.8.4.4"), "{found}");
    assert!(found.problem.contains(WORKER), "{found}");
    assert!(!found.problem.contains(LOOPBACK), "{found}");

    // In a private network something in front may have answered HTTP: without a word about the way there it is not claimed.
    let found = judged(&tried(&container), reached("10.0.9.1"));
    assert_eq!(found.cause, Cause::IceNoAnswer);
    assert!(found.advice.contains("--public-ip"), "{found}");
    let no_way = [
        (LOOPBACK, refused("connection refused")),
        (WORKER, refused("network unreachable")),
    ];
    let found = judged(&tried(&no_way), reached("10.0.9.1"));
    assert_eq!(found.cause, Cause::CandidatesUnreachable);
    // Nor is an address of one family held against one of the other.
    let found = judged(&tried(&[(WORKER, silent())]), reached("fd00::1"));
    assert_eq!(found.cause, Cause::IceNoAnswer);

    // Through a tunnel to this machine: nobody has the worker's port here.
    let found = judged(&tried(&container), reached("127.0.0.1"));
    assert_eq!(found.cause, Cause::CandidatesUnreachable);

    // A worker of this machine that is gone refuses everywhere.
    let gone = [LOOPBACK, WORKER].map(|at| (at, refused("connection refused")));
    let found = judged(&tried(&gone), reached("127.0.0.1"));
    assert_eq!(found.cause, Cause::IceRefused);
    let found = judged(&tried(&gone[..1]), reached("127.0.0.1"));
    assert_eq!(found.cause, Cause::IceRefused);

    // Only loopback, and the worker is elsewhere.
    let found = judged(&tried(&[(LOOPBACK, silent())]), reached("10.0.2.2"));
    assert_eq!(found.cause, Cause::CandidatesUnreachable);
    assert!(found.problem.contains(LOOPBACK), "{found}");

    // Through a proxy nobody knows where the worker is; that there is no way is known.
    let report = tried(&[(WORKER, refused("network unreachable"))]);
    let found = judged(&report, WorkerSeen::default());
    assert_eq!(found.cause, Cause::CandidatesUnreachable);
}

#[test]
fn a_public_address_is_not_called_unreachable_because_http_came_from_another() {
    let report = tried(&[("198.51.99.4:9002", silent())]);
    let found = judged(&report, reached("1.1.1.1"));
    assert_eq!(found.cause, Cause::IceNoAnswer);
}

#[test]
fn families_without_a_common_one_are_named() {
    let report = tried(&[
        ("[::1]:9002", silent()),
        ("[fe80::1]:9002", silent()),
        ("[fd00:6::2]:9002", silent()),
    ]);
    let found = judged(&report, reached("10.0.2.2"));
    assert_eq!(found.cause, Cause::FamilyMismatch);
    let facts = ["only IPv4", "only IPv6", "[fd00:6::2]:9002"];
    assert!(
        facts.iter().all(|fact| found.problem.contains(fact)),
        "{found}"
    );
    // Loopback alone is no network of a family.
    let report = tried(&[("[::1]:9002", silent())]);
    assert_ne!(judged(&report, reached("::1")).cause, Cause::FamilyMismatch);
}

#[test]
fn sides_without_addresses_are_told_apart() {
    let nobody = tried(&[]);
    let found = judged(&nobody, WorkerSeen::default());
    assert_eq!(found.cause, Cause::NoCandidates);
    assert!(found.problem.contains("the worker's answer"), "{found}");
    let hidden = WorkerSeen {
        names: 2,
        ..WorkerSeen::default()
    };
    let found = judged(&nobody, hidden);
    assert!(found.problem.contains("2 names (*.local)"), "{found}");
    let found = judged(&ConnectionReport::default(), WorkerSeen::default());
    assert_eq!(found.cause, Cause::NoCandidates);
    assert!(found.problem.contains("this machine"), "{found}");
}

#[test]
fn a_worker_that_is_stuck_or_gone_comes_before_everything_else() {
    let report = tried(&[(WORKER, refused("connection refused"))]);
    let with = |http| WorkerSeen {
        http,
        ..reached("10.0.2.2")
    };
    let cause = |http| judged(&report, with(http)).cause;
    assert_eq!(cause(HttpNow::Silent), Cause::WorkerStalled);
    assert_eq!(cause(HttpNow::Gone), Cause::WorkerError);
    assert_eq!(cause(HttpNow::Answers), Cause::IceRefused);
    assert_eq!(cause(HttpNow::Unknown), Cause::IceRefused);
}

fn failed(url: &str, failure: ServerFailure) -> ServerReport {
    ServerReport {
        url: url.to_owned(),
        outcome: Err(failure),
    }
}

fn unheard(url: &str) -> ServerReport {
    let after = Duration::from_secs(2);
    failed(url, ServerFailure::Silent { after })
}

#[test]
fn udp_is_called_blocked_when_servers_are_silent_over_it_as_well() {
    let report = tried(&[
        (LOOPBACK, refused("connection refused")),
        (WORKER, silent()),
    ]);
    let worker = || reached("10.0.2.2");
    let stun = || unheard("stun:192.0.2.9:3478");
    let found = judged_with(vec![stun()], &report, worker());
    assert_eq!(found.cause, Cause::UdpBlocked);
    for part in ["stun:192.0.2.9:3478", WORKER] {
        assert!(found.problem.contains(part), "{found}");
    }
    assert!(found.advice.contains("turns:HOST"), "{found}");

    // One that was to help says why it did not.
    let tcp = failed("turn:192.0.2.9?transport=tcp", ServerFailure::Credentials);
    let found = judged_with(vec![stun(), tcp], &report, worker());
    assert_eq!(found.cause, Cause::UdpBlocked);
    assert!(found.advice.contains("(401)"), "{found}");

    // An answer over UDP proves that it passes; so does a refusal, which came back.
    let answers = ServerReport {
        url: "stun:192.0.2.8:3478".into(),
        outcome: Ok(Vec::new()),
    };
    let found = judged_with(vec![stun(), answers], &report, worker());
    assert_eq!(found.cause, Cause::IceNoAnswer);
    assert!(found.problem.contains("did not help"), "{found}");
    let denied = failed("turn:192.0.2.9", ServerFailure::Quota);
    let found = judged_with(vec![denied], &report, worker());
    assert_eq!(found.cause, Cause::IceNoAnswer);

    // With a relay there was another way than UDP.
    let mut relayed = report.clone();
    relayed.local.push(CandidateReport {
        kind: CandidateKind::Relayed,
        ..candidate("192.0.2.9:50000")
    });
    let found = judged_with(vec![stun()], &relayed, worker());
    assert_eq!(found.cause, Cause::IceNoAnswer);
}

#[test]
fn transports_of_servers_are_read_from_their_urls() {
    assert!(
        is_over_udp("turn:h") && is_over_udp("STUN:h:1") && is_over_udp("turn:h?transport=udp")
    );
    for url in [
        "turns:h",
        "turn:h?transport=TCP",
        "stuns:h",
        "turns:h?transport=tcp",
    ] {
        assert!(!is_over_udp(url), "{url}");
    }
}
