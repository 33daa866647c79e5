//! Peers that are over while their last words leave: users hear of an end once the kernel has them, because a program may end then.
//! Not how a peer ends: that is its own.

use std::time::{Duration, Instant};

use crate::core::PeerCore;

/// The longest a user waits for a socket that takes nothing.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// See the module. As many as were peers.
#[derive(Default)]
pub(super) struct Ended {
    /// In the order of their deadlines.
    peers: Vec<(Instant, PeerCore)>,
}

impl Ended {
    pub(super) fn add(&mut self, now: Instant, core: PeerCore) {
        self.peers.push((now + LAST_WORDS, core));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.peers.is_empty()
    }

    /// When users are told whatever the socket does.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.peers.first().map(|(at, _)| *at)
    }

    /// After everything was handed over: tells the users, unless it is `blocked` on its way to the kernel and has time.
    pub(super) fn tell(&mut self, now: Instant, blocked: bool) {
        self.peers.retain_mut(|(at, core)| {
            let waits = blocked && now < *at;
            if !waits {
                core.finish();
            }
            waits
        });
    }

    /// Nothing more will be sent.
    pub(super) fn tell_all(&mut self) {
        for (_, mut core) in self.peers.drain(..) {
            core.finish();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::Arc;

    use super::super::{Driver, Inbox, Joining, Socket};
    use super::LAST_WORDS;
    use crate::config::{EndpointConfig, PeerConfig};
    use crate::core::{Local, PeerCore};
    use crate::shared::PeerShared;
    use crate::stats::EndpointCounters;
    use std::time::{Duration, Instant};

    /// A driver on no thread, with a peer that was asked to close.
    fn closing(now: Instant) -> (Driver, Arc<PeerShared>) {
        let config = EndpointConfig::default();
        let socket = Arc::new(Socket::bind(&config).expect("bind"));
        let inbox = Arc::new(Inbox::new().expect("eventfd"));
        let mut driver = Driver::new(socket, inbox, Arc::new(EndpointCounters::default()));
        let address = |n| Local::new(vec![SocketAddr::from(([127, 0, 0, 1], n))]);
        let ours = PeerConfig::default().with_channel("x");
        let theirs = PeerConfig::default();
        let (left, right) = ((&ours, &address(1111)), (&theirs, &address(2222)));
        let pair = PeerCore::pair(now, left, right, str::to_owned);
        let (core, _) = pair.expect("descriptions");
        let shared = core.shared().clone();
        core.close(Duration::ZERO);
        let joining = Joining {
            core,
            relayed: Vec::new(),
            relay_only: false,
        };
        driver.add_peer(now, joining);
        (driver, shared)
    }

    /// Everything a pass of the driver does after it has received.
    fn pass(driver: &mut Driver, now: Instant) {
        driver.turns(now);
        driver.batch.flush();
        driver.ended.tell(now, driver.batch.is_blocked());
    }

    #[test]
    fn users_hear_of_the_end_only_once_the_last_words_have_left() {
        let now = Instant::now();
        let (mut driver, shared) = closing(now);
        driver.turns(now);
        assert!(driver.peers.is_empty() && !driver.ended.is_empty());
        assert!(!shared.wait_closed(now), "they are still in the batch");
        pass(&mut driver, now);
        assert!(shared.wait_closed(now) && driver.ended.is_empty());
    }

    #[test]
    fn a_socket_that_takes_nothing_delays_the_end_and_not_for_ever() {
        let now = Instant::now();
        for unblocked in [true, false] {
            let (mut driver, shared) = closing(now);
            driver.batch.block();
            pass(&mut driver, now);
            assert!(!shared.wait_closed(now) && !driver.ended.is_empty());
            let deadline = driver.ended.deadline().expect("it waits");
            assert_eq!(deadline, now + LAST_WORDS);
            if unblocked {
                driver.batch.unblock();
                pass(&mut driver, now);
            } else {
                pass(&mut driver, deadline);
            }
            assert!(shared.wait_closed(now) && driver.ended.is_empty());
        }
    }
}
