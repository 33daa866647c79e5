//! Looking up the hosts of servers, side by side and without making anybody wait.
//! The system's resolver has no deadline: who asks decides how long to wait for the answers.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Lookups under way at once in this process; what is beyond has failed. The system's resolver may keep a thread for half a
/// minute, and a worker's clients name the servers.
const MAX_LOOKUPS: usize = 64;

static UNDER_WAY: AtomicUsize = AtomicUsize::new(0);

/// One of the lookups under way, until dropped.
struct Lookup(&'static AtomicUsize);

impl Lookup {
    fn begin(under_way: &'static AtomicUsize) -> Option<Lookup> {
        let more = |n| (n < MAX_LOOKUPS).then_some(n + 1);
        let begun = under_way.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        begun.is_ok().then(|| Lookup(under_way))
    }
}

impl Drop for Lookup {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Calls `found` with the addresses of `host`: at once when it is an address or too many names are being looked up, else on a
/// thread of its own, which ends when the resolver gives up.
pub(crate) fn look_up(
    host: &str,
    port: u16,
    found: impl FnOnce(io::Result<Vec<SocketAddr>>) + Send + 'static,
) {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return found(Ok(vec![SocketAddr::new(ip, port)]));
    }
    let Some(under_way) = Lookup::begin(&UNDER_WAY) else {
        let text = format!("{MAX_LOOKUPS} names are being looked up already");
        return found(Err(io::Error::other(text)));
    };
    let host = host.to_owned();
    let lookup = move || {
        let addresses = (host.as_str(), port).to_socket_addrs();
        drop(under_way);
        found(addresses.map(Iterator::collect));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_names_are_looked_up_at_once() {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let mut begun: Vec<_> = (0..MAX_LOOKUPS)
            .map(|_| Lookup::begin(&COUNT).expect("room"))
            .collect();
        assert!(Lookup::begin(&COUNT).is_none());
        begun.pop();
        assert!(Lookup::begin(&COUNT).is_some());
        drop(begun);
        assert_eq!(COUNT.load(Ordering::Relaxed), 0);
    }
}
