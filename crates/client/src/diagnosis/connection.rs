//! Diagnosis of a connection that did not come about: how far it got, and what stopped it there.
//! Not here: collecting the evidence, and the rules of finding a network path (`ice`).

use std::net::IpAddr;
use std::time::Duration;

use framewire_transport::{CloseReason, ConnectionReport, GatherReport, Progress};

use crate::diagnosis::{Cause, CheckStep, Diagnosis, ice, seconds};

/// What is known about a connection that ended before it was up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Evidence<'a> {
    /// How it came up, as far as it did.
    pub(crate) report: &'a ConnectionReport,
    /// What STUN and TURN servers gave.
    pub(crate) gathering: &'a GatherReport,
    /// How it ended.
    pub(crate) ended: &'a CloseReason,
    /// What is known from the worker's HTTP side.
    pub(crate) worker: WorkerSeen,
}

/// What the worker's HTTP side told about it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct WorkerSeen {
    /// Where HTTP reached it; none through a proxy.
    pub(crate) reached: Option<IpAddr>,
    /// Names instead of addresses in its answer, which only its own network resolves.
    pub(crate) names: usize,
    /// Whether it still answered while the connection was waited for.
    pub(crate) http: HttpNow,
}

/// Whether the worker's HTTP side still answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum HttpNow {
    /// Nobody asked, or something in between got in the way.
    #[default]
    Unknown,
    /// It does.
    Answers,
    /// It takes the connection, or not even that, and says nothing.
    Silent,
    /// Nothing listens there any more.
    Gone,
}

/// Why the connection ended before it was up.
pub(crate) fn of_connection(evidence: &Evidence<'_>) -> Diagnosis {
    let (report, ended) = (evidence.report, evidence.ended);
    if let CloseReason::Fingerprint(text) = ended {
        return Diagnosis::new(
            CheckStep::Dtls,
            Cause::Fingerprint,
            format!("the worker's certificate is not the one its answer announced ({text})"),
            "something answers in the worker's place: check the address and what is in between",
        );
    }
    if !report.ice.is_done() {
        return ice::of_paths(evidence);
    }
    let step = match (report.dtls.is_done(), report.channels.is_done()) {
        (false, _) => CheckStep::Dtls,
        (true, false) => CheckStep::DataChannel,
        (true, true) => CheckStep::Video,
    };
    of_worker(step, evidence).unwrap_or_else(|| match step {
        CheckStep::Dtls => of_handshake(evidence),
        CheckStep::DataChannel => of_channels(evidence),
        _ => Diagnosis::new(
            step,
            Cause::Stalled,
            format!("the connection was up and ended: {ended}"),
            "check the network in between, and the worker's log",
        ),
    })
}

/// What is wrong with the worker itself explains whatever else is found.
pub(super) fn of_worker(step: CheckStep, evidence: &Evidence<'_>) -> Option<Diagnosis> {
    let found =
        |cause, problem: &str, advice: &str| Some(Diagnosis::new(step, cause, problem, advice));
    match (evidence.ended, evidence.worker.http) {
        (CloseReason::Remote, _) => found(
            Cause::WorkerError,
            "the worker closed the connection while it was being made",
            "look at the worker's log",
        ),
        (_, HttpNow::Gone) => found(
            Cause::WorkerError,
            "the worker answered the offer, and now nothing listens at its HTTP port any more",
            "look at the end of the worker's log: its process has ended",
        ),
        (_, HttpNow::Silent) => found(
            Cause::WorkerStalled,
            "the worker answered the offer and has been silent since: neither its media port nor HTTP answers",
            "look at the worker's process: it is stopped, stuck or overloaded",
        ),
        _ => None,
    }
}

fn of_handshake(evidence: &Evidence<'_>) -> Diagnosis {
    Diagnosis::new(
        CheckStep::Dtls,
        Cause::DtlsBlocked,
        format!(
            "a network path was found{}, and the encrypted handshake (DTLS) did not end{}",
            path(evidence.report),
            progress(evidence.report.dtls, evidence.ended),
        ),
        "look for a firewall that lets STUN through and drops other UDP; a TURN server over TLS may get past it",
    )
}

fn of_channels(evidence: &Evidence<'_>) -> Diagnosis {
    Diagnosis::new(
        CheckStep::DataChannel,
        Cause::DataChannelBlocked,
        format!(
            "the connection is encrypted{}, and the data channels did not open{}",
            path(evidence.report),
            progress(evidence.report.channels, evidence.ended),
        ),
        "look for a firewall that inspects UDP, and at the worker's log; a TURN server over TLS may get past the former",
    )
}

fn path(report: &ConnectionReport) -> String {
    match &report.chosen {
        Some(pair) => format!(" ({} to {})", pair.local, pair.remote),
        None => String::new(),
    }
}

fn progress(step: Progress, ended: &CloseReason) -> String {
    let waited =
        waited(ended).map_or_else(String::new, |time| format!(" within {}", seconds(time)));
    match step {
        Progress::UnderWay { sent, received } => {
            format!("{waited}: {sent} datagrams went out, {received} came back")
        }
        _ => waited,
    }
}

/// How long it was tried.
pub(super) fn waited(ended: &CloseReason) -> Option<Duration> {
    match ended {
        CloseReason::ConnectTimeout { after, .. } => Some(*after),
        CloseReason::Lost { silence } => Some(*silence),
        _ => None,
    }
}

/// Only relayed addresses are wanted and there is none; `reason` says what each server did, without credentials.
pub(crate) fn of_missing_relay(reason: &str) -> Diagnosis {
    Diagnosis::new(
        CheckStep::Candidates,
        Cause::NoRelay,
        format!("only relayed addresses are wanted, and no TURN server gave one ({reason})"),
        "check URLs and credentials of the TURN servers, or allow direct connections",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use framewire_transport::ConnectStep;

    const DONE: Progress = Progress::Done {
        took: Duration::from_millis(3),
    };
    const UNDER_WAY: Progress = Progress::UnderWay {
        sent: 6,
        received: 0,
    };

    fn timeout(step: ConnectStep) -> CloseReason {
        CloseReason::ConnectTimeout {
            step,
            after: Duration::from_secs(15),
            detail: None,
        }
    }

    fn judged(dtls: Progress, channels: Progress, ended: &CloseReason, http: HttpNow) -> Diagnosis {
        let mut report = ConnectionReport::default();
        (report.ice, report.dtls, report.channels) = (DONE, dtls, channels);
        of_connection(&Evidence {
            report: &report,
            gathering: &GatherReport::default(),
            ended,
            worker: WorkerSeen {
                http,
                ..WorkerSeen::default()
            },
        })
    }

    #[test]
    fn the_step_is_how_far_the_report_got_whatever_the_engine_says() {
        let engine = CloseReason::Failed("DTLS error: timeout: handshake".into());
        let found = judged(UNDER_WAY, Progress::Waiting, &engine, HttpNow::Answers);
        assert_eq!(
            (found.step, found.cause),
            (CheckStep::Dtls, Cause::DtlsBlocked)
        );
        assert!(
            found.problem.contains("6 datagrams went out, 0 came back"),
            "{found}"
        );

        let ended = timeout(ConnectStep::Channels);
        let found = judged(DONE, UNDER_WAY, &ended, HttpNow::Unknown);
        let data = (CheckStep::DataChannel, Cause::DataChannelBlocked);
        assert_eq!((found.step, found.cause), data);
        assert!(found.problem.contains("within 15 s"), "{found}");

        let report = ConnectionReport::default();
        let found = of_connection(&Evidence {
            report: &report,
            gathering: &GatherReport::default(),
            ended: &engine,
            worker: WorkerSeen::default(),
        });
        assert_eq!(found.step, CheckStep::Ice);
    }

    #[test]
    fn a_worker_that_hangs_up_or_is_stopped_is_named_at_every_step() {
        let remote = CloseReason::Remote;
        let found = judged(UNDER_WAY, Progress::Waiting, &remote, HttpNow::Answers);
        assert_eq!(
            (found.step, found.cause),
            (CheckStep::Dtls, Cause::WorkerError)
        );
        let ended = timeout(ConnectStep::Channels);
        let found = judged(DONE, UNDER_WAY, &ended, HttpNow::Silent);
        let stalled = (CheckStep::DataChannel, Cause::WorkerStalled);
        assert_eq!((found.step, found.cause), stalled);
    }

    #[test]
    fn another_certificate_is_no_timeout() {
        let ended = CloseReason::Fingerprint("sha-256 differs".into());
        let found = judged(UNDER_WAY, Progress::Waiting, &ended, HttpNow::Answers);
        assert_eq!(
            (found.step, found.cause),
            (CheckStep::Dtls, Cause::Fingerprint)
        );
    }

    #[test]
    fn what_was_up_and_ended_is_a_stall() {
        let ended = CloseReason::Lost {
            silence: Duration::from_secs(15),
        };
        let found = judged(DONE, DONE, &ended, HttpNow::Unknown);
        assert_eq!(found.cause, Cause::Stalled);
    }
}
