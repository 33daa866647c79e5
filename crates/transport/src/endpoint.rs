//! The public entry: binding a socket, making offers and answers, shutting down.
//! What takes time here (gathering, names) runs on the caller's thread with a bound; the rest is the driver's.

mod gathering;

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::config::{EndpointConfig, PeerConfig};
use crate::core::{OfferCore, OurHalf, PeerCore, TheirHalf};
use crate::driver::{Command, Driver, Inbox, Joining, Restarting, Socket};
use crate::error::{AnswerError, BindError, OfferError, RestartError, SdpError};
use crate::ice::{GatherReport, HostAddress, Relayed, deadline_in, host_addresses, resolve_names};
use crate::peer::{Peer, PeerId};
use crate::sdp::{RemoteDescription, Role};
use crate::stats::{EndpointCounters, EndpointStats};
pub(crate) use gathering::Gathering;

/// One UDP socket and its driver thread, for any number of peers. Clones are the same endpoint. The thread ends when
/// the last handle (endpoint, offer or peer) is dropped and the last peer has ended.
///
/// Two sessions between the same two sockets cannot be told apart, so a peer endpoint can hold one session with this
/// one: let each client of a worker bind its own.
#[derive(Clone)]
pub struct Endpoint {
    inner: Arc<Inner>,
    /// None in a handle that does not keep the driver running.
    _running: Option<Arc<Running>>,
}

struct Inner {
    /// The driver's; it closes when the driver ends, whoever still holds a handle.
    socket: Weak<Socket>,
    port: u16,
    ipv6: bool,
    inbox: Arc<Inbox>,
    counters: Arc<EndpointCounters>,
    config: EndpointConfig,
    /// Of the machine, as last read.
    addresses: Mutex<Vec<HostAddress>>,
    next_peer: AtomicU64,
}

/// Lets the driver end when the last clone is dropped.
struct Running(Arc<Inbox>);

impl Drop for Running {
    fn drop(&mut self) {
        // Refused when a shutdown came before, which ends the driver as well.
        let _ = self.0.push(Command::Release);
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("port", &self.local_port())
            .finish_non_exhaustive()
    }
}

impl Endpoint {
    /// Binds the socket and starts the driver thread.
    pub fn bind(config: EndpointConfig) -> Result<Endpoint, BindError> {
        let failed = |source| BindError::Socket {
            port: config.port,
            source,
        };
        let socket = Arc::new(Socket::bind(&config).map_err(failed)?);
        let addresses = host_addresses(&config, socket.has_ipv6())?;
        let inbox = Arc::new(Inbox::new().map_err(BindError::Thread)?);
        let counters = Arc::new(EndpointCounters::default());
        let driver = Driver::new(socket.clone(), inbox.clone(), counters.clone());
        std::thread::Builder::new()
            .name(format!("framewire-{}", socket.port()))
            .spawn(move || driver.run())
            .map_err(BindError::Thread)?;
        let (receive, send) = socket.buffer_sizes();
        tracing::debug!(
            port = socket.port(),
            receive,
            send,
            segments = socket.segments(),
            "endpoint bound"
        );
        Ok(Endpoint {
            _running: Some(Arc::new(Running(inbox.clone()))),
            inner: Arc::new(Inner {
                port: socket.port(),
                ipv6: socket.has_ipv6(),
                socket: Arc::downgrade(&socket),
                inbox,
                counters,
                addresses: Mutex::new(addresses),
                config,
                next_peer: AtomicU64::new(0),
            }),
        })
    }

    /// The UDP port, the same for all addresses.
    pub fn local_port(&self) -> u16 {
        self.inner.port
    }

    /// The addresses offered to peers.
    pub fn local_addresses(&self) -> Vec<SocketAddr> {
        let addresses = self.host_addresses();
        addresses
            .iter()
            .map(|a| SocketAddr::new(a.ip, self.local_port()))
            .collect()
    }

    fn host_addresses(&self) -> MutexGuard<'_, Vec<HostAddress>> {
        let addresses = self.inner.addresses.lock();
        addresses.unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes an offer with the channels of `config`. Blocks up to `gather_timeout` when servers are given,
    /// otherwise it only computes.
    pub fn offer(&self, config: PeerConfig) -> Result<Offer, OfferError> {
        if self.inner.inbox.is_closed() {
            return Err(OfferError::EndpointClosed);
        }
        let Gathering {
            local,
            relayed,
            report,
        } = self
            .gather(&config, deadline_in(config.gather_timeout), &[])
            .map_err(OfferError::NoRelay)?;
        let (core, sdp) = OfferCore::new(Instant::now(), self.next_id(), &config, &local)?;
        Ok(Offer {
            core,
            sdp,
            relayed,
            report,
            relay_only: config.relay_only,
            gather_timeout: config.gather_timeout,
            endpoint: self.clone(),
        })
    }

    /// Accepts an offer and returns the peer with the answer for the other side. Blocks up to `gather_timeout` when
    /// STUN servers or `*.local` candidates are given. The connect timeout runs from here.
    pub fn answer(
        &self,
        offer_sdp: &str,
        config: PeerConfig,
    ) -> Result<(Peer, String), AnswerError> {
        if self.inner.inbox.is_closed() {
            return Err(AnswerError::EndpointClosed);
        }
        let deadline = deadline_in(config.gather_timeout);
        let remote = RemoteDescription::parse(offer_sdp, Role::Offer)?;
        let (gathered, extra) = std::thread::scope(|scope| {
            let names = (!remote.names.is_empty())
                .then(|| scope.spawn(|| resolve_names(&remote.names, deadline)));
            let local = self.gather(&config, deadline, &[]);
            (local, names.and_then(|n| n.join().ok()).unwrap_or_default())
        });
        let Gathering {
            local,
            relayed,
            report,
        } = gathered.map_err(AnswerError::NoRelay)?;
        let (core, sdp) = PeerCore::answer(
            Instant::now(),
            self.next_id(),
            &config,
            &local,
            remote,
            &extra,
        )?;
        let peer = self.start(core, relayed, report, config.relay_only);
        Ok((peer.ok_or(AnswerError::EndpointClosed)?, sdp))
    }

    /// Ends all peers, giving their queues up to `deadline` to flush, and the driver. Blocks until that is done, a
    /// little longer than `deadline` at most. Later offers and answers are refused.
    pub fn shutdown(&self, deadline: Duration) {
        let _ = self.inner.inbox.push(Command::Shutdown(deadline));
        let end = deadline_in(deadline) + Duration::from_secs(1);
        self.inner.inbox.wait_ended(end);
    }

    /// Counters so far. What belongs to the socket is 0 after a shutdown.
    pub fn stats(&self) -> EndpointStats {
        let socket = self.inner.socket.upgrade();
        let (receive, send) = socket.as_ref().map_or((0, 0), |s| s.buffer_sizes());
        EndpointStats {
            peers: self.inner.inbox.peers() as u64,
            receive_buffer: receive as u64,
            send_buffer: send as u64,
            segments: socket.map_or(0, |s| s.segments() as u64),
            ..self.inner.counters.snapshot()
        }
    }

    /// Ends without a word to anyone, as a killed process does. For tests.
    #[doc(hidden)]
    pub fn __die(&self) {
        let _ = self.inner.inbox.push(Command::Die);
    }

    /// The same endpoint, not kept running by this handle.
    pub(crate) fn passing(&self) -> Endpoint {
        Endpoint {
            inner: self.inner.clone(),
            _running: None,
        }
    }

    fn next_id(&self) -> PeerId {
        PeerId(self.inner.next_peer.fetch_add(1, Ordering::Relaxed))
    }

    fn start(
        &self,
        core: PeerCore,
        relayed: Vec<Relayed>,
        report: GatherReport,
        relay_only: bool,
    ) -> Option<Peer> {
        let shared = core.shared().clone();
        let joining = Joining {
            core,
            relayed,
            relay_only,
        };
        self.inner
            .inbox
            .push(Command::Add(Box::new(joining)))
            .ok()?;
        Some(Peer::new(shared, report, self.clone()))
    }

    /// The same for a peer that is up, whose machine may have other addresses by now. `known` are its addresses on TURN
    /// servers, which it keeps when no server gives another.
    pub(crate) fn gather_again(
        &self,
        config: &PeerConfig,
        deadline: Instant,
        known: &[(SocketAddr, SocketAddr)],
    ) -> Result<Gathering, GatherReport> {
        match host_addresses(&self.inner.config, self.inner.ipv6) {
            Ok(found) => *self.host_addresses() = found,
            // Without any address there may be one when the checks begin: the ones before are as good as none.
            Err(error) => tracing::debug!(%error, "the addresses stay as they were"),
        }
        self.gather(config, deadline, known)
    }

    /// Switches a peer to the other credentials and addresses of an ICE restart. Blocks until the driver has done so.
    pub(crate) fn restart(
        &self,
        peer: PeerId,
        ours: OurHalf,
        theirs: TheirHalf,
        extra: Vec<SocketAddr>,
        relayed: Vec<Relayed>,
    ) -> Result<(), RestartError> {
        let (answer, answered) = sync_channel(1);
        let restarting = Restarting {
            peer: peer.0,
            ours,
            theirs,
            extra,
            relayed,
            answer,
        };
        let command = Command::Restart(Box::new(restarting));
        let pushed = self.inner.inbox.push(command);
        pushed.map_err(|_| RestartError::Closed)?;
        match answered.recv_timeout(DRIVER_ANSWERS) {
            Ok(result) => result,
            Err(RecvTimeoutError::Timeout) => Err(RestartError::Unanswered(DRIVER_ANSWERS)),
            // The driver ended with the command in its inbox.
            Err(RecvTimeoutError::Disconnected) => Err(RestartError::Closed),
        }
    }
}

/// How long the driver may take to take up a command; it never waits for anything but the kernel.
const DRIVER_ANSWERS: Duration = Duration::from_secs(5);

/// An offer that waits for its answer. Dropping it releases everything.
pub struct Offer {
    core: OfferCore,
    sdp: String,
    relayed: Vec<Relayed>,
    report: GatherReport,
    relay_only: bool,
    gather_timeout: Duration,
    endpoint: Endpoint,
}

impl fmt::Debug for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Offer").finish_non_exhaustive()
    }
}

impl Offer {
    /// The text for the other side.
    pub fn sdp(&self) -> &str {
        &self.sdp
    }

    /// What each STUN and TURN server gave.
    pub fn gathering(&self) -> &GatherReport {
        &self.report
    }

    /// Starts connecting with the other side's answer. Blocks up to `gather_timeout` when it names `*.local`
    /// candidates. The connect timeout runs from here.
    pub fn accept_answer(self, sdp: &str) -> Result<Peer, AnswerError> {
        let deadline = deadline_in(self.gather_timeout);
        let remote = RemoteDescription::parse(sdp, Role::Answer)?;
        let extra = resolve_names(&remote.names, deadline);
        let core = self
            .core
            .accept(Instant::now(), remote, &extra)
            .map_err(|e: SdpError| AnswerError::Sdp(e))?;
        self.endpoint
            .start(core, self.relayed, self.report, self.relay_only)
            .ok_or(AnswerError::EndpointClosed)
    }
}
