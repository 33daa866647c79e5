//! The addresses of this machine that are offered to peers.
//! Read once when an endpoint is bound.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::config::EndpointConfig;
use crate::error::BindError;

/// Addresses offered at most; a machine with hundreds of virtual interfaces would otherwise drown the checks.
pub(crate) const MAX_HOST_ADDRESSES: usize = 16;

/// An address of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostAddress {
    pub(crate) ip: IpAddr,
    pub(crate) interface: String,
}

/// Usable addresses in a stable order: networks first, loopback last.
pub(crate) fn host_addresses(
    config: &EndpointConfig,
    ipv6: bool,
) -> Result<Vec<HostAddress>, BindError> {
    let interfaces = if_addrs::get_if_addrs().map_err(BindError::Interfaces)?;
    let mut found: Vec<HostAddress> = Vec::new();
    for interface in &interfaces {
        let ip = interface.ip();
        let wanted = if ip.is_loopback() {
            config.loopback
        } else {
            config
                .interface
                .as_ref()
                .is_none_or(|name| *name == interface.name)
        };
        let named_loopback = ip.is_loopback() && config.interface.as_ref() == Some(&interface.name);
        if (wanted || named_loopback) && is_offerable(ip, ipv6) && found.iter().all(|a| a.ip != ip)
        {
            found.push(HostAddress {
                ip,
                interface: interface.name.clone(),
            });
        }
    }
    found.sort_by_key(|a| (a.ip.is_loopback(), a.ip.is_ipv6()));
    found.truncate(MAX_HOST_ADDRESSES);
    let named = config
        .interface
        .as_ref()
        .is_some_and(|name| !interfaces.iter().any(|i| i.name == *name));
    if found.is_empty() || named {
        let names: BTreeSet<&str> = interfaces.iter().map(|i| i.name.as_str()).collect();
        let available = names.into_iter().collect::<Vec<_>>().join(", ");
        return Err(BindError::NoAddress {
            interface: config.interface.clone(),
            available,
        });
    }
    Ok(found)
}

/// Link-local IPv6 needs a scope that session descriptions cannot carry.
fn is_offerable(ip: IpAddr, ipv6: bool) -> bool {
    match ip {
        IpAddr::V4(v4) => !v4.is_unspecified() && !v4.is_link_local(),
        IpAddr::V6(v6) => ipv6 && !v6.is_unspecified() && !v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_offered_last_and_only_when_asked() {
        let is_loopback = |a: &HostAddress| a.ip.is_loopback();
        let with = host_addresses(&EndpointConfig::default(), true).unwrap();
        let first_loopback = with.iter().position(is_loopback).unwrap();
        assert!(with[first_loopback..].iter().all(is_loopback));
        assert!(with[first_loopback..].iter().all(|a| a.interface == "lo"));
        let v4 = host_addresses(&EndpointConfig::default(), false).unwrap();
        assert!(v4.iter().all(|a| a.ip.is_ipv4()));
        if let Ok(without) = host_addresses(&EndpointConfig::default().with_loopback(false), true) {
            assert!(!without.iter().any(is_loopback));
        }
    }

    #[test]
    fn an_unknown_interface_is_an_error_that_lists_the_known_ones() {
        let error =
            host_addresses(&EndpointConfig::default().with_interface("nope0"), true).unwrap_err();
        assert!(error.to_string().contains("on interface nope0"), "{error}");
        assert!(error.to_string().contains("lo"), "{error}");
    }
}
