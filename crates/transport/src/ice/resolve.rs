//! Looking up the hosts of servers, side by side and without making anybody wait.
//! The system's resolver has no deadline: who asks decides how long to wait for the answers.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

/// Calls `found` with the addresses of `host`: at once when it is an address, else on a thread of its own, which ends
/// when the resolver gives up.
pub(crate) fn look_up(
    host: &str,
    port: u16,
    found: impl FnOnce(io::Result<Vec<SocketAddr>>) + Send + 'static,
) {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return found(Ok(vec![SocketAddr::new(ip, port)]));
    }
    let host = host.to_owned();
    let lookup = move || {
        found(
            (host.as_str(), port)
                .to_socket_addrs()
                .map(Iterator::collect),
        )
    };
    if let Err(error) = std::thread::Builder::new()
        .name("server-dns".into())
        .spawn(lookup)
    {
        // Nobody is called: for the asker this is a lookup without an answer.
        tracing::warn!(%error, "cannot start a thread to look up a server");
    }
}

/// The first address of each kind we can use, IPv4 first.
pub(crate) fn usable(addresses: &[SocketAddr], ipv6: bool) -> impl Iterator<Item = SocketAddr> {
    [true, false].into_iter().filter_map(move |v4| {
        addresses
            .iter()
            .find(|a| a.is_ipv4() == v4 && (v4 || ipv6))
            .copied()
    })
}
