//! Resolving the `*.local` names browsers put into candidates instead of addresses.
//! What does not resolve in time is skipped: the peer's other candidates may still work.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mdns_sd::{HostnameResolutionEvent, ServiceDaemon};

use crate::sdp::MdnsCandidate;

/// Addresses taken from one name.
const MAX_ADDRESSES: usize = 4;

/// Blocks until all names are resolved or `deadline` passes.
pub(crate) fn resolve_names(names: &[MdnsCandidate], deadline: Instant) -> Vec<SocketAddr> {
    if names.is_empty() || deadline <= Instant::now() {
        return Vec::new();
    }
    let daemon = match ServiceDaemon::new() {
        Ok(daemon) => daemon,
        Err(error) => {
            tracing::warn!(%error, "cannot start multicast DNS; *.local candidates are skipped");
            return Vec::new();
        }
    };
    let timeout = deadline.saturating_duration_since(Instant::now());
    let millis = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
    let pending: Vec<_> = names
        .iter()
        .filter_map(|n| {
            Some((
                n,
                daemon
                    .resolve_hostname(&format!("{}.", n.name), Some(millis))
                    .ok()?,
            ))
        })
        .collect();
    let mut found = Vec::new();
    for (candidate, answers) in &pending {
        let addresses = loop {
            let left = deadline
                .saturating_duration_since(Instant::now())
                .max(Duration::from_millis(1));
            match answers.recv_timeout(left) {
                Ok(HostnameResolutionEvent::AddressesFound(_, addresses)) => break addresses,
                Ok(HostnameResolutionEvent::SearchStarted(_)) => {}
                _ => {
                    tracing::debug!("a *.local candidate did not resolve in time and is skipped");
                    break Default::default();
                }
            }
        };
        let usable = addresses
            .iter()
            .map(|a| a.to_ip_addr())
            .filter(|ip| crate::sdp::is_reachable(*ip));
        found.extend(
            usable
                .take(MAX_ADDRESSES)
                .map(|ip| SocketAddr::new(ip, candidate.port)),
        );
    }
    // Ends the daemon's thread; nobody waits for it.
    let _ = daemon.shutdown();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_is_skipped_within_the_deadline() {
        let names = [MdnsCandidate {
            name: "framewire-nobody.local".into(),
            port: 9,
        }];
        let started = Instant::now();
        assert_eq!(
            resolve_names(&names, started + Duration::from_millis(200)),
            []
        );
        assert!(
            started.elapsed() < Duration::from_secs(2),
            "took {:?}",
            started.elapsed()
        );
    }
}
