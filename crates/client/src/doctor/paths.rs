//! Addresses and pairs of them as findings: what a connection's report says of candidates and checks.
//! Not the connecting.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use framewire_transport::{
    CandidateKind, CandidateReport, ConnectionReport, PairOutcome, Progress,
};
use serde_json::{Value, json};

use super::report::ms;
use super::walk::Found;

/// What became of a pair, as the figures have it.
const ANSWERED: &str = "answered";
const REFUSED: &str = "refused";
const UNANSWERED: &str = "unanswered";
/// Pairs told about in the figures.
const MAX_PAIRS: usize = 40;

/// How long a step took; nothing of one that is not done.
pub(super) fn took(progress: Progress) -> Duration {
    match progress {
        Progress::Done { took } => took,
        _ => Duration::ZERO,
    }
}

/// The step `ice`.
pub(super) fn ice(report: &ConnectionReport) -> Found {
    let pairs: Vec<Value> = report
        .pairs
        .iter()
        // Those of this machine with others were never meant.
        .filter(|pair| pair.local.ip().is_loopback() == pair.remote.ip().is_loopback())
        .filter(|pair| pair.outcome != PairOutcome::Untried)
        .take(MAX_PAIRS)
        .map(|pair| {
            let (outcome, rtt, checks, reason) = match &pair.outcome {
                PairOutcome::Answered { rtt } => (ANSWERED, Some(ms(*rtt)), None, None),
                PairOutcome::Refused { reason } => (REFUSED, None, None, Some(reason)),
                PairOutcome::Unanswered { checks } => (UNANSWERED, None, Some(*checks), None),
                _ => ("untried", None, None, None),
            };
            json!({
                "local": pair.local.to_string(), "local_type": pair.local_kind.as_str(),
                "remote": pair.remote.to_string(), "remote_type": pair.remote_kind.as_str(),
                "outcome": outcome, "rtt_ms": rtt, "checks": checks, "reason": reason,
            })
        })
        .collect();
    let count = |outcome: &str| {
        pairs
            .iter()
            .filter(|pair| pair["outcome"] == outcome)
            .count()
    };
    let tried = format!(
        "{} pairs tried: {} answered, {} refused, {} unanswered",
        pairs.len(),
        count(ANSWERED),
        count(REFUSED),
        count(UNANSWERED),
    );
    let chosen = report.chosen.as_ref().map(|pair| {
        let rtt = pair
            .rtt
            .map_or_else(String::new, |rtt| format!(", {:.1} ms", ms(rtt)));
        format!(
            "{} ({}) to {} ({}){rtt}",
            pair.local,
            pair.local_kind.as_str(),
            pair.remote,
            pair.remote_kind.as_str(),
        )
    });
    let facts = json!({
        "chosen": report.chosen.as_ref().map(|pair| json!({
            "local": pair.local.to_string(), "local_type": pair.local_kind.as_str(),
            "remote": pair.remote.to_string(), "remote_type": pair.remote_kind.as_str(),
            "rtt_ms": pair.rtt.map(ms),
        })),
        "pairs": pairs,
    });
    let detail = match chosen.filter(|_| report.ice.is_done()) {
        Some(chosen) => format!("{chosen}; {tried}"),
        None => tried,
    };
    Found::new(took(report.ice), detail, facts)
}

/// Our addresses as the offer has them: of a connection that was never begun there is no report.
pub(super) fn offered(sdp: &str) -> Vec<CandidateReport> {
    let one = |line: &str| {
        let words: Vec<&str> = line.strip_prefix("a=candidate:")?.split(' ').collect();
        let [_, _, _, _, ip, port, _, kind, ..] = words[..] else {
            return None;
        };
        Some(CandidateReport {
            kind: match kind {
                "host" => CandidateKind::Host,
                "srflx" => CandidateKind::ServerReflexive,
                "relay" => CandidateKind::Relayed,
                _ => return None,
            },
            address: SocketAddr::new(ip.parse().ok()?, port.parse().ok()?),
            interface: None,
            server: None,
        })
    };
    let mut found: Vec<CandidateReport> = Vec::new();
    for candidate in sdp.lines().filter_map(one) {
        if !found.contains(&candidate) {
            found.push(candidate);
        }
    }
    found
}

/// The step `candidates`.
pub(super) fn candidates(
    took: Duration,
    local: &[CandidateReport],
    remote: &[CandidateReport],
) -> Found {
    let list = |side: &[CandidateReport]| -> Value {
        let one = |candidate: &CandidateReport| {
            json!({
                "type": candidate.kind.as_str(), "address": candidate.address.to_string(),
                "interface": candidate.interface, "server": candidate.server,
            })
        };
        side.iter().map(one).collect()
    };
    let counted = |side: &[CandidateReport]| {
        let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
        for candidate in side {
            *kinds.entry(candidate.kind.as_str()).or_default() += 1;
        }
        let kinds: Vec<_> = kinds
            .iter()
            .map(|(kind, n)| format!("{n} {kind}"))
            .collect();
        match kinds.is_empty() {
            true => "none known".to_owned(),
            false => kinds.join(", "),
        }
    };
    let detail = format!(
        "ours: {}; the worker's: {}",
        counted(local),
        counted(remote)
    );
    let facts = json!({"local": list(local), "remote": list(remote)});
    Found::new(took, detail, facts)
}
