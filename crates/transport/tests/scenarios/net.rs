//! Two cores on a virtual network, and what tests ask of them.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use framewire_testkit::{Datagram, Link, Node, Simulation};
use framewire_transport::__sans_io::{Local, OurHalf, PeerCore, Transmit};
use framewire_transport::{CloseReason, DataChannel, PeerConfig, PeerEvent, RestartError};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// A core as a node. Takes its events only when told to, so that tests decide how fast the consumer is.
pub(crate) struct Peer {
    pub(crate) core: PeerCore,
    pub(crate) log: Vec<PeerEvent>,
    pub(crate) consume: bool,
    /// The network takes only small datagrams from this peer.
    pub(crate) drop_larger_than: Option<usize>,
    /// The network drops these of what this peer sends.
    pub(crate) drop_where: Option<fn(&[u8]) -> bool>,
    /// Addresses of this peer that reach nobody and are reached by nobody any more.
    pub(crate) dead: Vec<SocketAddr>,
    /// Those that are reached by nobody, but reach others.
    pub(crate) deaf: Vec<SocketAddr>,
    out: Vec<Datagram>,
    now: Instant,
}

impl Peer {
    fn new(core: PeerCore, now: Instant) -> Peer {
        Peer {
            core,
            log: Vec::new(),
            consume: true,
            drop_larger_than: None,
            drop_where: None,
            dead: Vec::new(),
            deaf: Vec::new(),
            out: Vec::new(),
            now,
        }
    }

    /// Makes the offer of an ICE restart with this address.
    pub(crate) fn restart_offer(&self, address: SocketAddr) -> (OurHalf, String) {
        let local = Local::new(vec![address]);
        self.core.restart_offer(&local).expect("it is up")
    }

    /// Answers one with this address.
    pub(crate) fn restart_answer(
        &mut self,
        now: Instant,
        address: SocketAddr,
        offer: &str,
    ) -> Result<String, RestartError> {
        let (local, out) = (Local::new(vec![address]), &mut self.out);
        self.core
            .restart_answer(now, &local, offer, &mut |t| out.push(copy(&t)))
    }

    /// Applies the answer.
    pub(crate) fn restart_apply(
        &mut self,
        now: Instant,
        half: OurHalf,
        answer: &str,
    ) -> Result<(), RestartError> {
        let out = &mut self.out;
        self.core
            .restart_apply(now, half, answer, &mut |t| out.push(copy(&t)))
    }

    /// Takes what events there are.
    pub(crate) fn take(&mut self) {
        while let Ok(Some(event)) = self.core.events().try_recv() {
            self.log.push(event);
        }
    }

    pub(crate) fn channel(&self, label: &str) -> DataChannel {
        self.core.channel(label).expect("channel known")
    }

    pub(crate) fn is_open(&self, label: &str) -> bool {
        self.core.channel(label).is_some_and(|c| c.is_open())
    }

    pub(crate) fn messages(&self) -> Vec<Bytes> {
        let message = |event: &PeerEvent| match event {
            PeerEvent::Message { data, .. } => Some(data.clone()),
            _ => None,
        };
        self.log.iter().filter_map(message).collect()
    }

    pub(crate) fn closed(&self) -> Option<&CloseReason> {
        match self.log.last() {
            Some(PeerEvent::Closed(reason)) => Some(reason),
            _ => None,
        }
    }

    pub(crate) fn count(&self, wanted: impl Fn(&PeerEvent) -> bool) -> usize {
        self.log.iter().filter(|e| wanted(e)).count()
    }
}

impl Node for Peer {
    fn receive(&mut self, now: Instant, d: Datagram) {
        self.now = now;
        if self.dead.contains(&d.destination) || self.deaf.contains(&d.destination) {
            return;
        }
        let out = &mut self.out;
        let mut sink = |t: Transmit<'_>| out.push(copy(&t));
        self.core
            .receive(now, d.destination, d.source, &d.contents, &mut sink);
    }

    fn turn(&mut self, now: Instant, out: &mut dyn FnMut(Datagram)) {
        self.now = now;
        let sent = &mut self.out;
        self.core.turn(now, &mut |t| sent.push(copy(&t)));
        let limit = self.drop_larger_than.unwrap_or(usize::MAX);
        sent.drain(..)
            .filter(|d| d.contents.len() <= limit && !self.dead.contains(&d.source))
            .filter(|d| !self.drop_where.is_some_and(|drop| drop(&d.contents)))
            .for_each(out);
        self.core.finish();
        if self.consume {
            self.take();
        }
    }

    fn deadline(&self) -> Option<Instant> {
        // A core asks for attention in the past when it has more to do at once.
        (!self.core.is_over()).then(|| self.core.deadline().max(self.now))
    }
}

fn copy(t: &Transmit<'_>) -> Datagram {
    let contents = Bytes::copy_from_slice(t.contents);
    Datagram {
        source: t.source,
        destination: t.destination,
        contents,
    }
}

pub(crate) type Net = Simulation<Peer, Peer>;

pub(crate) fn left_address() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], 1111))
}

pub(crate) fn right_address() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 2], 2222))
}

pub(crate) fn config() -> PeerConfig {
    PeerConfig::default()
        .with_channel("inference")
        .with_channel("video_upload")
}

/// The left side offers with `left`, the right side answers with `right`. Not connected yet.
pub(crate) fn pair(seed: u64, link: Link, left: PeerConfig, right: PeerConfig) -> Net {
    tampered(seed, link, left, right, str::to_owned)
}

/// The same, with the answer changed on its way.
pub(crate) fn tampered(
    seed: u64,
    link: Link,
    left: PeerConfig,
    right: PeerConfig,
    tamper: impl FnOnce(&str) -> String,
) -> Net {
    let start = Instant::now();
    let (l, r) = (
        Local::new(vec![left_address()]),
        Local::new(vec![right_address()]),
    );
    let (l, r) = PeerCore::pair(start, (&left, &l), (&right, &r), tamper).expect("descriptions");
    Simulation::starting_at(start, seed, link, Peer::new(l, start), Peer::new(r, start))
}

/// Connected, with both channels open on both sides.
pub(crate) fn connected(seed: u64, link: Link) -> Net {
    connected_with(seed, link, config(), PeerConfig::default())
}

pub(crate) fn connected_with(seed: u64, link: Link, left: PeerConfig, right: PeerConfig) -> Net {
    // Connecting over a lossy path is a test of its own; here it would only add its waits.
    let clean = Link::default().with_delay(link.delay);
    let mut net = pair(seed, clean, left, right);
    net.run_until("both channels open on both sides", 30 * SECOND, |l, r| {
        [&*l, &*r]
            .iter()
            .all(|p| p.is_open("inference") && p.is_open("video_upload"))
    });
    net.set_link(link);
    net
}

/// A message whose bytes tell its index.
pub(crate) fn numbered(index: usize, size: usize) -> Bytes {
    let mut bytes = vec![index as u8; size];
    bytes[..4].copy_from_slice(&(index as u32).to_le_bytes());
    bytes.into()
}

/// Panics unless `messages` are `numbered` from 0 in order.
pub(crate) fn assert_numbered(messages: &[Bytes], count: usize, size: usize) {
    assert_eq!(messages.len(), count);
    for (index, message) in messages.iter().enumerate() {
        assert_eq!(*message, numbered(index, size), "message {index}");
    }
}

/// Runs a future on this thread; panics when it is not done by `deadline`.
pub(crate) fn block_on<T>(future: impl Future<Output = T>, deadline: Instant) -> T {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = std::sync::Arc::new(Unpark(std::thread::current())).into();
    let mut context = std::task::Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        if let std::task::Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        assert!(!left.is_zero(), "not done at the deadline");
        std::thread::park_timeout(left);
    }
}

/// Both futures, interleaved.
pub(crate) async fn join(one: impl Future<Output = ()>, two: impl Future<Output = ()>) {
    let (mut one, mut two) = (Box::pin(one), Box::pin(two));
    let (mut one_done, mut two_done) = (false, false);
    std::future::poll_fn(move |context| {
        one_done = one_done || one.as_mut().poll(context).is_ready();
        two_done = two_done || two.as_mut().poll(context).is_ready();
        if one_done && two_done {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
}
