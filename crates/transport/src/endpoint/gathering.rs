//! The addresses of one peer: of the machine, from servers, and where each of them is from.
//! Asking the servers is `ice`'s.

use std::net::SocketAddr;
use std::time::Instant;

use super::Endpoint;
use crate::config::PeerConfig;
use crate::connection::{CandidateKind, CandidateReport};
use crate::core::Local;
use crate::ice::stun::Reflexive;
use crate::ice::{Asking, GatherReport, Gathered, GatheredKind, Relayed, gather};

/// What gathering gave one peer.
pub(crate) struct Gathering {
    pub(crate) local: Local,
    pub(crate) relayed: Vec<Relayed>,
    pub(crate) report: GatherReport,
}

impl Endpoint {
    /// Our addresses: of the machine, given from outside, as STUN servers see them, and on TURN servers.
    pub(super) fn gather(
        &self,
        config: &PeerConfig,
        deadline: Instant,
        known: &[(SocketAddr, SocketAddr)],
    ) -> Result<Gathering, GatherReport> {
        let asking = Asking {
            inbox: &self.inner.inbox,
            ipv6: self.inner.ipv6,
            relay_only: config.relay_only,
            allowed: config.ice_server_filter,
            deadline,
        };
        let mut found = gather(asking, &config.ice_servers);
        // A server may say anything; an address of ours would take our own traffic to it.
        let hosts = self.local_addresses();
        found.relayed.retain(|r| !hosts.contains(&r.address));
        if config.relay_only && found.relayed.is_empty() && known.is_empty() {
            return Err(found.report);
        }
        let mut local = Local::default();
        if !config.relay_only {
            local.hosts = self.local_addresses();
            local.reflexive = self.reflexive(&local.hosts, found.reflexive);
        }
        let both = |r: &Relayed| (r.address, r.base);
        local.relayed = found.relayed.iter().map(both).collect();
        if local.relayed.is_empty() {
            local.relayed = known.to_vec();
        }
        local.reports = self.candidates(&local, &found.report);
        Ok(Gathering {
            local,
            relayed: found.relayed,
            report: found.report,
        })
    }

    /// What reports say of our addresses: the interface of each and the server that gave it.
    fn candidates(&self, local: &Local, report: &GatherReport) -> Vec<CandidateReport> {
        let known = self.host_addresses();
        let interface = |base: &SocketAddr| {
            let host = known.iter().find(|a| a.ip == base.ip());
            host.map(|a| a.interface.clone())
        };
        let server = |kind: GatheredKind, address: SocketAddr| {
            let gave = |g: &Gathered| g.kind == kind && g.address == address;
            let from = report
                .servers
                .iter()
                .find(|s| s.outcome.as_ref().is_ok_and(|given| given.iter().any(gave)));
            from.map(|s| s.url.clone())
        };
        let hosts = local.hosts.iter().map(|host| CandidateReport {
            interface: interface(host),
            ..CandidateReport::of(CandidateKind::Host, *host)
        });
        let reflexive = local.reflexive.iter().map(|found| CandidateReport {
            interface: interface(&found.inside),
            server: server(GatheredKind::ServerReflexive, found.outside),
            ..CandidateReport::of(CandidateKind::ServerReflexive, found.outside)
        });
        let relayed = local.relayed.iter().map(|(address, base)| CandidateReport {
            interface: interface(base),
            server: server(GatheredKind::Relayed, *address),
            ..CandidateReport::of(CandidateKind::Relayed, *address)
        });
        hosts.chain(reflexive).chain(relayed).collect()
    }

    fn reflexive(&self, hosts: &[SocketAddr], found: Vec<Reflexive>) -> Vec<Reflexive> {
        let mut reflexive = Vec::new();
        for public in &self.inner.config.public_ips {
            let outside = SocketAddr::new(*public, self.local_port());
            let same = |a: &&SocketAddr| a.is_ipv4() == public.is_ipv4();
            let base = hosts
                .iter()
                .find(same)
                .filter(|_| !hosts.contains(&outside));
            reflexive.extend(base.map(|inside| Reflexive {
                outside,
                inside: *inside,
            }));
        }
        for found in found {
            if hosts.contains(&found.inside)
                && !hosts.contains(&found.outside)
                && !reflexive.contains(&found)
            {
                reflexive.push(found);
            }
        }
        reflexive
    }
}
