//! Looking up the hosts of servers, side by side and without making anybody wait.
//! The system's resolver has no deadline: who asks decides how long to wait for the answers.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Lookups under way at once in this process; further ones wait for their turn. The system's resolver may keep a thread for
/// half a minute, and a worker's clients name the servers.
const MAX_LOOKUPS: usize = 64;
/// Of these for one asker, so that one with slow names leaves room for the others.
const MAX_SHARE: usize = 4;

static LOOKUPS: Lookups = Lookups::new(|host, port| Ok((host, port).to_socket_addrs()?.collect()));

type Addresses = io::Result<Vec<SocketAddr>>;

/// All lookups of a process.
struct Lookups {
    state: Mutex<State>,
    resolve: fn(&str, u16) -> Addresses,
}

struct State {
    under_way: usize,
    /// A few of each asker, who all wait in a call of their own.
    waiting: VecDeque<Job>,
}

struct Job {
    host: String,
    port: u16,
    found: Box<dyn FnOnce(Addresses) + Send>,
    share: Arc<AtomicUsize>,
}

/// One asker. Its names that are not being looked up yet are forgotten when it is dropped.
pub(crate) struct Asker {
    lookups: &'static Lookups,
    /// Its lookups under way; changed under the lock only.
    share: Arc<AtomicUsize>,
}

/// One of the lookups under way, until dropped.
struct Slot {
    lookups: &'static Lookups,
    share: Arc<AtomicUsize>,
}

impl Lookups {
    const fn new(resolve: fn(&str, u16) -> Addresses) -> Lookups {
        let state = State {
            under_way: 0,
            waiting: VecDeque::new(),
        };
        Lookups {
            state: Mutex::new(state),
            resolve,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next name that may be looked up now.
    fn next(&'static self) -> Option<(Job, Slot)> {
        let mut state = self.lock();
        if state.under_way >= MAX_LOOKUPS {
            return None;
        }
        let has_room = |job: &Job| job.share.load(Ordering::Relaxed) < MAX_SHARE;
        let index = state.waiting.iter().position(has_room)?;
        let job = state.waiting.remove(index)?;
        state.under_way += 1;
        job.share.fetch_add(1, Ordering::Relaxed);
        let slot = Slot {
            lookups: self,
            share: job.share.clone(),
        };
        Some((job, slot))
    }

    /// Looks this name up, and what waits for the slot afterwards.
    fn work(&'static self, job: Job, slot: Slot) {
        let mut next = Some((job, slot));
        while let Some((job, slot)) = next {
            let addresses = (self.resolve)(&job.host, job.port);
            drop(slot);
            (job.found)(addresses);
            next = self.next();
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = self.lookups.lock();
        state.under_way -= 1;
        self.share.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Asker {
    pub(crate) fn new() -> Asker {
        Asker::of(&LOOKUPS)
    }

    fn of(lookups: &'static Lookups) -> Asker {
        Asker {
            lookups,
            share: Arc::default(),
        }
    }

    /// How many of its names, the last ones, were not asked for yet.
    pub(crate) fn waiting(&self) -> usize {
        let state = self.lookups.lock();
        let ours = |job: &&Job| Arc::ptr_eq(&job.share, &self.share);
        state.waiting.iter().filter(ours).count()
    }

    /// Calls `found` with the addresses of `host`: at once when it is an address, else on a thread that ends when the resolver
    /// gives up. Never blocks: while too many names are being looked up this one waits, as long as the asker does.
    pub(crate) fn look_up(
        &self,
        host: &str,
        port: u16,
        found: impl FnOnce(Addresses) + Send + 'static,
    ) {
        if let Ok(ip) = host.parse::<IpAddr>() {
            return found(Ok(vec![SocketAddr::new(ip, port)]));
        }
        let lookups = self.lookups;
        lookups.lock().waiting.push_back(Job {
            host: host.to_owned(),
            port,
            found: Box::new(found),
            share: self.share.clone(),
        });
        let Some((job, slot)) = lookups.next() else {
            return;
        };
        if let Err(error) = std::thread::Builder::new()
            .name("server-dns".into())
            .spawn(move || lookups.work(job, slot))
        {
            // Nobody is called: for the asker this is a lookup without an answer.
            tracing::warn!(%error, "cannot start a thread to look up a server");
        }
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        let mut state = self.lookups.lock();
        state
            .waiting
            .retain(|job| !Arc::ptr_eq(&job.share, &self.share));
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
    use std::sync::Condvar;
    use std::sync::mpsc::{Receiver, channel};
    use std::time::Duration;

    use super::*;

    const GUARD: Duration = Duration::from_secs(30);

    /// Names that begin with "slow" have no answer before the gate lets them through, one each.
    struct Gate(Mutex<usize>, Condvar);

    impl Gate {
        const fn new() -> Gate {
            Gate(Mutex::new(0), Condvar::new())
        }

        fn let_through(&self, count: usize) {
            *self.0.lock().expect("lock") += count;
            self.1.notify_all();
        }

        fn resolve(&self, host: &str) -> Addresses {
            if host.starts_with("slow") {
                let shut = self.0.lock().expect("lock");
                let mut open = self.1.wait_while(shut, |open| *open == 0).expect("lock");
                *open -= 1;
            }
            Ok(Vec::new())
        }
    }

    fn ask(asker: &Asker, host: &'static str, count: usize) -> Receiver<&'static str> {
        let (send, receive) = channel();
        for _ in 0..count {
            let send = send.clone();
            asker.look_up(host, 1, move |_| {
                let _ = send.send(host);
            });
        }
        receive
    }

    #[test]
    fn an_asker_with_slow_names_leaves_room_for_others() {
        static GATE: Gate = Gate::new();
        static ALL: Lookups = Lookups::new(|host, _| GATE.resolve(host));
        let (slow, other) = (Asker::of(&ALL), Asker::of(&ALL));
        let late = ask(&slow, "slow", 12);
        assert_eq!(ALL.lock().under_way, MAX_SHARE);
        assert_eq!((slow.waiting(), other.waiting()), (12 - MAX_SHARE, 0));
        assert_eq!(ask(&other, "quick", 1).recv_timeout(GUARD), Ok("quick"));
        GATE.let_through(12);
        for _ in 0..12 {
            assert_eq!(late.recv_timeout(GUARD), Ok("slow"), "each in its turn");
        }
    }

    #[test]
    fn a_name_beyond_the_limit_waits_for_a_slot_as_long_as_its_asker_does() {
        static GATE: Gate = Gate::new();
        static ALL: Lookups = Lookups::new(|host, _| GATE.resolve(host));
        let askers: Vec<_> = (0..=MAX_LOOKUPS / MAX_SHARE)
            .map(|_| Asker::of(&ALL))
            .collect();
        let slow: Vec<_> = askers[1..]
            .iter()
            .map(|a| ask(a, "slow", MAX_SHARE))
            .collect();
        assert_eq!(ALL.lock().under_way, MAX_LOOKUPS);
        let waits = ask(&askers[0], "quick", 1);
        let gone = Asker::of(&ALL);
        let forgotten = ask(&gone, "never asked", 1);
        assert_eq!(ALL.lock().waiting.len(), 2);
        drop(gone);
        assert!(forgotten.recv_timeout(GUARD).is_err());
        assert_eq!(ALL.lock().waiting.len(), 1);
        GATE.let_through(1);
        assert_eq!(waits.recv_timeout(GUARD), Ok("quick"));
        GATE.let_through(MAX_LOOKUPS);
        let answered: usize = slow.iter().map(|s| s.iter().count()).sum();
        assert_eq!(answered, MAX_LOOKUPS);
        let state = ALL.lock();
        assert_eq!((state.under_way, state.waiting.len()), (0, 0));
    }
}
