//! Which session a datagram belongs to: by the user name in a STUN request, or by the sender's address.
//! It never decides that an address may change hands; that is the driver's judgement.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Addresses one peer may occupy; a peer that moves more often loses the oldest.
const MAX_ADDRESSES: usize = 64;

/// A proven address that was silent for so long may become another peer's: NATs give addresses away again.
const OURS_FOR: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy)]
struct Route {
    peer: u64,
    /// When the peer last proved that it sends from there; never, when its description merely said so.
    proven: Option<Instant>,
}

#[derive(Debug, Default)]
struct Known {
    ufrag: String,
    addresses: Vec<SocketAddr>,
}

#[derive(Debug, Default)]
pub(crate) struct Routes {
    ufrags: HashMap<String, u64>,
    addresses: HashMap<SocketAddr, Route>,
    peers: HashMap<u64, Known>,
}

impl Routes {
    pub(crate) fn add_ufrag(&mut self, ufrag: &str, peer: u64) {
        self.ufrags.insert(ufrag.to_owned(), peer);
        self.peers.entry(peer).or_default().ufrag = ufrag.to_owned();
    }

    /// The peer has another user name from now on; the one before is forgotten.
    pub(crate) fn change_ufrag(&mut self, ufrag: &str, peer: u64) {
        if let Some(known) = self.peers.get(&peer) {
            self.ufrags.remove(&known.ufrag);
        }
        self.add_ufrag(ufrag, peer);
    }

    pub(crate) fn by_ufrag(&self, ufrag: &str) -> Option<u64> {
        self.ufrags.get(ufrag).copied()
    }

    pub(crate) fn by_address(&self, address: SocketAddr) -> Option<u64> {
        self.addresses.get(&address).map(|r| r.peer)
    }

    /// A description announced this address. Anything known already wins.
    pub(crate) fn guess(&mut self, address: SocketAddr, peer: u64) {
        if !self.addresses.contains_key(&address) {
            self.set(address, Route { peer, proven: None });
        }
    }

    /// The peer proved again that it sends from there; false when it had not before.
    pub(crate) fn confirm(&mut self, now: Instant, address: SocketAddr, peer: u64) -> bool {
        match self.addresses.get_mut(&address) {
            Some(route) if route.peer == peer && route.proven.is_some() => {
                route.proven = Some(now);
                true
            }
            _ => false,
        }
    }

    /// The peer that proved to own the address, not too long ago.
    pub(crate) fn owner(&self, now: Instant, address: SocketAddr) -> Option<u64> {
        let route = self.addresses.get(&address)?;
        let fresh = now.saturating_duration_since(route.proven?) < OURS_FOR;
        fresh.then_some(route.peer)
    }

    pub(crate) fn learn(&mut self, now: Instant, address: SocketAddr, peer: u64) {
        let proven = Some(now);
        self.set(address, Route { peer, proven });
    }

    fn set(&mut self, address: SocketAddr, route: Route) {
        self.addresses.insert(address, route);
        let known = self.peers.entry(route.peer).or_default();
        if known.addresses.contains(&address) {
            return;
        }
        known.addresses.push(address);
        if known.addresses.len() > MAX_ADDRESSES {
            let oldest = known.addresses.remove(0);
            self.forget(oldest, route.peer);
        }
    }

    fn forget(&mut self, address: SocketAddr, peer: u64) {
        if self.addresses.get(&address).is_some_and(|r| r.peer == peer) {
            self.addresses.remove(&address);
        }
    }

    pub(crate) fn remove(&mut self, peer: u64) {
        let Some(known) = self.peers.remove(&peer) else {
            return;
        };
        self.ufrags.remove(&known.ufrag);
        for address in known.addresses {
            self.forget(address, peer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], n))
    }

    #[test]
    fn a_guess_never_displaces_what_is_known_and_proof_displaces_a_guess() {
        let (mut routes, now) = (Routes::default(), Instant::now());
        routes.guess(address(1), 7);
        routes.guess(address(1), 8);
        assert_eq!(routes.by_address(address(1)), Some(7));
        assert_eq!(routes.owner(now, address(1)), None);
        routes.learn(now, address(1), 8);
        assert_eq!(routes.owner(now, address(1)), Some(8));
        routes.remove(7);
        assert_eq!(
            routes.by_address(address(1)),
            Some(8),
            "the old claim does not take the new one along"
        );
        routes.remove(8);
        assert_eq!(routes.by_address(address(1)), None);
    }

    #[test]
    fn an_address_is_the_peers_as_long_as_it_proves_it_and_a_little_longer() {
        let (mut routes, now) = (Routes::default(), Instant::now());
        assert!(!routes.confirm(now, address(1), 7));
        routes.learn(now, address(1), 7);
        assert!(!routes.confirm(now, address(1), 8));
        assert!(routes.confirm(now + OURS_FOR, address(1), 7));
        assert_eq!(routes.owner(now + OURS_FOR, address(1)), Some(7));
        assert_eq!(routes.owner(now + 2 * OURS_FOR, address(1)), None);
        assert_eq!(
            routes.by_address(address(1)),
            Some(7),
            "it is still the best guess"
        );
    }

    #[test]
    fn a_changed_user_name_is_known_and_the_old_one_is_not() {
        let mut routes = Routes::default();
        routes.add_ufrag("a", 1);
        for n in 0..1000 {
            routes.change_ufrag(&n.to_string(), 1);
        }
        assert_eq!(routes.by_ufrag("999"), Some(1));
        assert_eq!((routes.by_ufrag("a"), routes.by_ufrag("998")), (None, None));
        assert_eq!(routes.ufrags.len(), 1);
        routes.remove(1);
        assert!(routes.ufrags.is_empty());
    }

    #[test]
    fn addresses_of_one_peer_are_bounded_and_leave_with_it() {
        let (mut routes, now) = (Routes::default(), Instant::now());
        routes.add_ufrag("u", 1);
        for n in 1..=200 {
            routes.learn(now, address(n), 1);
        }
        assert_eq!(routes.addresses.len(), MAX_ADDRESSES);
        assert_eq!(routes.by_address(address(200)), Some(1));
        routes.remove(1);
        assert!(routes.addresses.is_empty() && routes.ufrags.is_empty() && routes.peers.is_empty());
    }
}
