//! Why no network path was found: the rules, in the order in which they are asked.
//! Not here: what comes after a path (`connection`).

use std::net::{IpAddr, SocketAddr};

use framewire_protocol::net::AddressClass;
use framewire_transport::{
    CandidateKind, CloseReason, PairOutcome, PairReport, Progress, ServerFailure, ServerReport,
};

use crate::diagnosis::connection::{Evidence, of_worker, waited};
use crate::diagnosis::{Cause, CheckStep, Diagnosis, seconds};

/// Addresses named in a sentence; of more the number is told.
const NAMED: usize = 3;

type Rule = fn(&Evidence<'_>) -> Option<Diagnosis>;

/// The first that applies decides.
const RULES: [Rule; 8] = [
    // A worker that is not there any more, or stuck, explains whatever else is found.
    |evidence| of_worker(CheckStep::Ice, evidence),
    // Without addresses on either side nothing was tried, so no other rule has evidence.
    no_address_here,
    no_address_there,
    // Between families nothing can be sent: every pair that was tried was one of side addresses such as loopback.
    families,
    // At addresses that mean another machine here, silence and refusals say nothing about the worker.
    unreachable_addresses,
    // A refusal is a definite word about the worker's port; the silence of other pairs is not.
    refused,
    // When STUN or TURN servers are silent over UDP as well, it is this side's network and not the worker's.
    no_udp_at_all,
    // What is left: the checks went out, and nothing says why nobody answered.
    |evidence| Some(unanswered(evidence)),
];

/// Why no pair of addresses worked.
pub(super) fn of_paths(evidence: &Evidence<'_>) -> Diagnosis {
    let found = RULES.iter().find_map(|rule| rule(evidence));
    found.unwrap_or_else(|| unanswered(evidence))
}

fn found(cause: Cause, problem: String, advice: impl Into<String>) -> Option<Diagnosis> {
    Some(Diagnosis::new(CheckStep::Ice, cause, problem, advice))
}

fn no_address_here(evidence: &Evidence<'_>) -> Option<Diagnosis> {
    if !evidence.report.local.is_empty() {
        return None;
    }
    found(
        Cause::NoCandidates,
        "this machine has no address to be reached at".into(),
        "check that a network interface is up",
    )
}

fn no_address_there(evidence: &Evidence<'_>) -> Option<Diagnosis> {
    if !evidence.report.remote.is_empty() {
        return None;
    }
    let (problem, advice) = match evidence.worker.names {
        0 => (
            "the worker's answer names no address it could be reached at".to_owned(),
            "check the worker's network interfaces and its --interface, or give it --public-ip",
        ),
        names => (
            format!(
                "the worker's answer has {names} names (*.local) instead of addresses, and they do not resolve here"
            ),
            "let the worker give addresses (no multicast DNS names), or be in the same local network",
        ),
    };
    found(Cause::NoCandidates, problem, advice)
}

fn families(evidence: &Evidence<'_>) -> Option<Diagnosis> {
    let family = |addresses: Vec<SocketAddr>| {
        let mut families = addresses.iter().map(SocketAddr::is_ipv4);
        let first = families.next()?;
        families.all(|other| other == first).then_some(first)
    };
    let local = evidence.report.local.iter().map(|c| c.address);
    let local = family(local.filter(|at| is_network(at.ip())).collect())?;
    let remote = family(
        announced(evidence)
            .filter(|at| is_network(at.ip()))
            .collect(),
    )?;
    if local == remote {
        return None;
    }
    let name = |is_ipv4: bool| if is_ipv4 { "IPv4" } else { "IPv6" };
    found(
        Cause::FamilyMismatch,
        format!(
            "this machine has only {} addresses, and the worker names only {} ({})",
            name(local),
            name(remote),
            list(announced(evidence).filter(|at| is_network(at.ip()))),
        ),
        format!(
            "give the worker an {} address (--interface, --public-ip), or use a TURN server that has both",
            name(local)
        ),
    )
}

fn unreachable_addresses(evidence: &Evidence<'_>) -> Option<Diagnosis> {
    let addresses: Vec<SocketAddr> = announced(evidence).collect();
    let refuses = |at: &SocketAddr| is_refused_here(evidence, *at);
    let mean_nothing = |at: &SocketAddr| !AddressClass::of(at.ip()).is_global();
    if !addresses.iter().all(mean_nothing) || has_relay(evidence) {
        return None;
    }
    let reached = evidence.worker.reached.map(|ip| ip.to_canonical());
    let is_elsewhere = match reached {
        // Through a proxy: only what the system says about the way there.
        None => no_route(evidence),
        Some(reached) => {
            // Addresses of the other family are no evidence against the one that HTTP used.
            let same = |at: &&SocketAddr| at.is_ipv4() == reached.is_ipv4();
            let mut comparable = addresses.iter().filter(same).peekable();
            comparable.peek()?;
            if !is_network(reached) {
                // At an address of this machine that refuses, somebody else is meant: HTTP came through a tunnel or a
                // forwarded port. A worker of this machine whose port is closed refuses at all its addresses.
                let near = comparable.any(|at| at.ip() == reached && refuses(at));
                near && silent_beyond(&addresses, refuses)
            } else if comparable.any(|at| at.ip() == reached) {
                false
            } else {
                // In a private network HTTP may have been answered by something in front of the worker.
                AddressClass::of(reached).is_global()
                    || addresses.iter().all(|at| !is_network(at.ip()))
                    || no_route(evidence)
            }
        }
    };
    if !is_elsewhere {
        return None;
    }
    let far = list(addresses.iter().copied().filter(|at| is_network(at.ip())));
    let shown = if far.is_empty() {
        list(addresses.into_iter())
    } else {
        far
    };
    let way = match reached {
        Some(ip) => format!("was reached at {ip} over HTTP"),
        None => "was reached through a proxy".to_owned(),
    };
    let ip = match reached.filter(|ip| is_network(*ip)) {
        Some(ip) => ip.to_string(),
        None => "IP".to_owned(),
    };
    found(
        Cause::CandidatesUnreachable,
        format!(
            "the worker {way}, and names only {shown} for media, which is no way to it from here"
        ),
        format!(
            "start it with --public-ip {ip} and --media-port PORT, with that UDP port open or published; or with the right --interface"
        ),
    )
}

fn silent_beyond(addresses: &[SocketAddr], refuses: impl Fn(&SocketAddr) -> bool) -> bool {
    let mut beyond = addresses.iter().filter(|at| is_network(at.ip())).peekable();
    beyond.peek().is_some() && !beyond.any(refuses)
}

/// Words about a datagram that come from the way there or from its end, not from this machine's own rules.
const REFUSALS: [&str; 3] = [
    "connection refused",
    "host unreachable",
    "network unreachable",
];
/// What a firewall of this machine says.
const NOT_PERMITTED: &str = "not permitted on this machine";

/// Pairs that say something about the way to the worker: those to this machine's own addresses do so only when it is here.
fn telling<'a>(evidence: &Evidence<'a>) -> impl Iterator<Item = &'a PairReport> + use<'a> {
    let reached = evidence.worker.reached.map(|ip| ip.to_canonical());
    let here = reached.is_some_and(|ip| !is_network(ip));
    let local = &evidence.report.local;
    evidence.report.pairs.iter().filter(move |pair| {
        let at = pair.remote.ip();
        let is_ours = !is_network(at) || local.iter().any(|c| c.address.ip() == at);
        let counts = here || reached == Some(at) || !is_ours;
        counts && pair.outcome != PairOutcome::Untried && !is_from_loopback(pair)
    })
}

fn refused(evidence: &Evidence<'_>) -> Option<Diagnosis> {
    let reached = evidence.worker.reached.map(|ip| ip.to_canonical());
    let said = |words: &'static [&'static str]| {
        telling(evidence).filter_map(move |pair| match &pair.outcome {
            PairOutcome::Refused { reason } if words.contains(&reason.as_str()) => {
                Some((pair.remote, reason.as_str()))
            }
            _ => None,
        })
    };
    // One address may have no way to it while another is merely silent: then the silence is what counts, unless the refusal
    // is of the very machine that HTTP reached.
    let silence =
        telling(evidence).any(|pair| matches!(pair.outcome, PairOutcome::Unanswered { .. }));
    let decides = |at: &SocketAddr| !silence || reached == Some(at.ip());
    if let Some((at, _)) = said(&[NOT_PERMITTED]).find(|(at, _)| decides(at)) {
        return found(
            Cause::UdpBlocked,
            format!("this machine does not let datagrams to {at} out (not permitted)"),
            "let UDP out in this machine's own firewall (nft, iptables), or configure a TURN server over TCP or TLS",
        );
    }
    let (at, reason) = match said(&REFUSALS).find(|(at, _)| decides(at)) {
        Some((at, reason)) => (at.to_string(), reason),
        None if *evidence.ended == CloseReason::Gone => (list(announced(evidence)), REFUSALS[0]),
        None => return None,
    };
    found(
        Cause::IceRefused,
        format!("the checks of the network path to {at} are refused ({reason})"),
        "check that the worker still runs and that no firewall rejects UDP to its media port (--media-port), or use a TURN server",
    )
}

fn no_udp_at_all(evidence: &Evidence<'_>) -> Option<Diagnosis> {
    let servers = &evidence.gathering.servers;
    let over_udp: Vec<&ServerReport> = servers.iter().filter(|s| is_over_udp(&s.url)).collect();
    let silent = !over_udp.is_empty() && over_udp.iter().all(|s| is_silent(s));
    if !silent || has_relay(evidence) || came_in(evidence) > 0 {
        return None;
    }
    let urls: Vec<&str> = over_udp.iter().map(|s| s.url.as_str()).collect();
    let others = servers.iter().filter(|s| !is_over_udp(&s.url));
    let others: Vec<String> = others
        .filter_map(|s| Some(format!("{} said: {}", s.url, s.outcome.as_ref().err()?)))
        .collect();
    let advice = if others.is_empty() {
        "let UDP through this network's firewall, or configure a TURN server over TCP or TLS (turn:HOST?transport=tcp, turns:HOST)".to_owned()
    } else {
        format!(
            "let UDP through this network's firewall, or mend the TURN server beside it ({})",
            others.join("; ")
        )
    };
    found(
        Cause::UdpBlocked,
        format!(
            "HTTP passes and UDP does not: no answer came from {}, nor to the checks sent to {}{}",
            urls.join(", "),
            list(tried(evidence)),
            within(evidence),
        ),
        advice,
    )
}

fn unanswered(evidence: &Evidence<'_>) -> Diagnosis {
    let checks = evidence.report.pairs.iter().map(|pair| match pair.outcome {
        PairOutcome::Unanswered { checks } => u64::from(checks),
        _ => 0,
    });
    let servers = evidence.gathering.servers.iter();
    let failed: Vec<String> = servers
        .filter_map(|s| Some(format!("{}: {}", s.url, s.outcome.as_ref().err()?)))
        .collect();
    let failed = match failed.is_empty() {
        true => String::new(),
        false => format!(" (servers that did not help: {})", failed.join("; ")),
    };
    let heard = match came_in(evidence) {
        0 => String::new(),
        n => format!(", although {n} datagrams of the worker came in"),
    };
    Diagnosis::new(
        CheckStep::Ice,
        Cause::IceNoAnswer,
        format!(
            "no network path to the worker was found: none of {} checks to {} was answered{}{heard}{failed}",
            checks.sum::<u64>(),
            list(tried(evidence)),
            within(evidence),
        ),
        "let UDP pass between both machines (--media-port fixes the worker's port); behind NAT or in a container the worker needs --public-ip, or both a TURN server",
    )
}

/// Addresses the worker named itself.
fn announced<'a>(evidence: &Evidence<'a>) -> impl Iterator<Item = SocketAddr> + use<'a> {
    let named = evidence.report.remote.iter();
    named
        .filter(|c| c.kind != CandidateKind::PeerReflexive)
        .map(|c| c.address)
}

/// Addresses checks went to, those on the network first.
fn tried<'a>(evidence: &Evidence<'a>) -> impl Iterator<Item = SocketAddr> + use<'a> {
    let near = |at: &SocketAddr| !is_network(at.ip());
    let far = announced(evidence).filter(move |at| !near(at));
    far.chain(announced(evidence).filter(near))
}

/// Whether an address leads beyond this machine and this link.
fn is_network(ip: IpAddr) -> bool {
    !matches!(
        AddressClass::of(ip),
        AddressClass::Loopback | AddressClass::LinkLocal | AddressClass::Unspecified
    )
}

fn pairs_to<'a>(
    evidence: &Evidence<'a>,
    at: SocketAddr,
) -> impl Iterator<Item = &'a PairReport> + use<'a> {
    let pairs = evidence.report.pairs.iter();
    pairs.filter(move |pair| {
        pair.remote == at && pair.outcome != PairOutcome::Untried && !is_from_loopback(pair)
    })
}

/// From our loopback address nothing goes to another machine, whatever is in between.
fn is_from_loopback(pair: &PairReport) -> bool {
    pair.local.ip().is_loopback() && !pair.remote.ip().is_loopback()
}

fn is_refused_here(evidence: &Evidence<'_>, at: SocketAddr) -> bool {
    pairs_to(evidence, at).any(|pair| matches!(pair.outcome, PairOutcome::Refused { .. }))
}

/// Whether the system knows no way to any of the worker's addresses.
fn no_route(evidence: &Evidence<'_>) -> bool {
    let far = announced(evidence).filter(|at| is_network(at.ip()));
    let mut all = far.flat_map(|at| pairs_to(evidence, at)).peekable();
    all.peek().is_some()
        && all.all(|pair| {
            matches!(&pair.outcome, PairOutcome::Refused { reason } if reason.ends_with("unreachable"))
        })
}

/// The worker's checks and answers.
fn came_in(evidence: &Evidence<'_>) -> u64 {
    match evidence.report.ice {
        Progress::UnderWay { received, .. } => received,
        _ => 0,
    }
}

fn has_relay(evidence: &Evidence<'_>) -> bool {
    let mut local = evidence.report.local.iter();
    local.any(|c| c.kind == CandidateKind::Relayed)
}

/// Whether the URL of a server names UDP, by words or by default.
fn is_over_udp(url: &str) -> bool {
    let url = url.to_ascii_lowercase();
    !url.starts_with("turns:") && !url.starts_with("stuns:") && !url.contains("transport=tcp")
}

fn is_silent(server: &ServerReport) -> bool {
    matches!(server.outcome, Err(ServerFailure::Silent { .. }))
}

fn within(evidence: &Evidence<'_>) -> String {
    waited(evidence.ended).map_or_else(String::new, |time| format!(" within {}", seconds(time)))
}

fn list(addresses: impl Iterator<Item = SocketAddr>) -> String {
    let mut all: Vec<SocketAddr> = Vec::new();
    for address in addresses {
        if !all.contains(&address) {
            all.push(address);
        }
    }
    let more = all.len().saturating_sub(NAMED);
    let mut shown: Vec<String> = all.iter().take(NAMED).map(ToString::to_string).collect();
    if more > 0 {
        shown.push(format!("{more} more"));
    }
    shown.join(", ")
}

#[cfg(test)]
mod tests;
