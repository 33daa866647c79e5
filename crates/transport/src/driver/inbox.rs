//! How other threads reach the driver: a short list under a lock, and an eventfd to end its sleep.
//! While the driver is awake a message costs no system call.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

use super::{Restarting, Socket};
use crate::core::PeerCore;
use crate::error::CloseReason;
use crate::ice::Relayed;
use crate::ice::stun::Query;
use crate::shared::Notify;
use crate::turn::Order;

/// What the driver can be asked. Each comes from one call of the API, so the list is as short as its callers are few.
pub(crate) enum Command {
    Add(Box<Joining>),
    Query(Query),
    /// A new network path for a peer.
    Restart(Box<Restarting>),
    /// Allocate on a TURN server.
    Relay(u64, Box<Order>),
    /// Nobody needs this relayed address any more.
    DropRelay(u64),
    /// Nobody holds the endpoint any more.
    Release,
    /// End all peers, with so much time to flush.
    Shutdown(Duration),
    /// Stop where you are.
    Die,
}

/// A peer on its way to the driver.
pub(crate) struct Joining {
    pub(crate) core: PeerCore,
    /// Its addresses on TURN servers.
    pub(crate) relayed: Vec<Relayed>,
    /// What comes past them is not for it.
    pub(crate) relay_only: bool,
}

/// Names a relayed address in the driver, which gives it back when this is dropped.
#[derive(Debug)]
pub(crate) struct RelayHandle {
    id: u64,
    inbox: Arc<Inbox>,
}

impl RelayHandle {
    pub(crate) fn new(inbox: Arc<Inbox>) -> RelayHandle {
        let id = inbox.next_relay.fetch_add(1, Ordering::Relaxed);
        RelayHandle { id, inbox }
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }
}

impl Drop for RelayHandle {
    fn drop(&mut self) {
        // Refused when the driver is ending, which drops everything.
        let _ = self.inbox.push(Command::DropRelay(self.id));
    }
}

#[derive(Default)]
struct State {
    commands: Vec<Command>,
    /// Peers that want a turn; each is in it at most once.
    ready: Vec<u64>,
    closed: bool,
    ended: bool,
}

pub(crate) struct Taken {
    pub(crate) commands: Vec<Command>,
    pub(crate) ready: Vec<u64>,
}

/// What ended a sleep.
#[derive(Debug, Default, Clone)]
pub(crate) struct Woken {
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    pub(crate) error: bool,
    /// Which of the links have something.
    pub(crate) links: Vec<usize>,
}

pub(crate) struct Inbox {
    state: Mutex<State>,
    ended: Condvar,
    wake: OwnedFd,
    asleep: AtomicBool,
    peers: AtomicUsize,
    next_relay: AtomicU64,
}

impl std::fmt::Debug for Inbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inbox").finish_non_exhaustive()
    }
}

impl Inbox {
    pub(crate) fn new() -> io::Result<Inbox> {
        Ok(Inbox {
            state: Mutex::default(),
            ended: Condvar::new(),
            wake: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            asleep: AtomicBool::new(false),
            peers: AtomicUsize::new(0),
            next_relay: AtomicU64::new(0),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the driver something to do; the command comes back when it has ended or is ending.
    pub(crate) fn push(&self, command: Command) -> Result<(), Command> {
        let mut state = self.lock();
        if state.closed {
            return Err(command);
        }
        state.closed = matches!(command, Command::Shutdown(_) | Command::Die);
        state.commands.push(command);
        drop(state);
        self.wake();
        Ok(())
    }

    fn push_ready(&self, key: u64) {
        self.lock().ready.push(key);
        self.wake();
    }

    fn wake(&self) {
        if self.asleep.swap(false, Ordering::SeqCst) {
            // Fails only when the counter is full, and then the driver is being woken already.
            let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
        }
    }

    /// Everything that was pushed since the last time.
    pub(crate) fn take(&self) -> Option<Taken> {
        let mut state = self.lock();
        if state.commands.is_empty() && state.ready.is_empty() {
            return None;
        }
        Some(Taken {
            commands: std::mem::take(&mut state.commands),
            ready: std::mem::take(&mut state.ready),
        })
    }

    /// Sleeps until the socket, one of `links`, another thread or `deadline` wants something. Only the driver calls it.
    pub(crate) fn sleep<'a>(
        &'a self,
        socket: &'a Socket,
        links: impl Iterator<Item = PollFd<'a>>,
        deadline: Option<Instant>,
        for_writing: bool,
    ) -> Woken {
        // Announce first, look afterwards: whoever pushes in between sees the announcement.
        self.asleep.store(true, Ordering::SeqCst);
        let state = self.lock();
        let busy = !state.commands.is_empty() || !state.ready.is_empty();
        drop(state);
        let left = deadline.map(|d| d.saturating_duration_since(Instant::now()));
        let timeout = match (busy, left) {
            (true, _) => Some(Duration::ZERO),
            (false, left) => left,
        };
        let timeout = timeout.map(|t| Timespec {
            tv_sec: i64::try_from(t.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: t.subsec_nanos().into(),
        });
        let wanted = if for_writing {
            PollFlags::IN | PollFlags::OUT
        } else {
            PollFlags::IN
        };
        let mut fds = Vec::with_capacity(4);
        fds.push(PollFd::new(socket, wanted));
        fds.push(PollFd::from_borrowed_fd(self.wake.as_fd(), PollFlags::IN));
        fds.extend(links);
        let result = poll(&mut fds, timeout.as_ref());
        self.asleep.store(false, Ordering::SeqCst);
        if result.is_err() {
            return Woken {
                readable: true,
                ..Woken::default()
            };
        }
        let (socket, wake) = (fds[0].revents(), fds[1].revents());
        if wake.contains(PollFlags::IN) {
            let mut count = [0; 8];
            let _ = rustix::io::read(&self.wake, &mut count);
        }
        let links = fds[2..].iter().enumerate();
        Woken {
            readable: socket.contains(PollFlags::IN),
            writable: socket.contains(PollFlags::OUT),
            error: socket.contains(PollFlags::ERR),
            links: links
                .filter(|(_, fd)| !fd.revents().is_empty())
                .map(|(index, _)| index)
                .collect(),
        }
    }

    pub(crate) fn set_peers(&self, count: usize) {
        self.peers.store(count, Ordering::Relaxed);
    }

    pub(crate) fn peers(&self) -> usize {
        self.peers.load(Ordering::Relaxed)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// The driver has ended: peers that never reached it end too, and whoever waits is released.
    pub(crate) fn end(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.ended = true;
        let commands = std::mem::take(&mut state.commands);
        drop(state);
        for command in commands {
            if let Command::Add(joining) = command {
                joining.core.shared().finish(CloseReason::EndpointClosed);
            }
        }
        self.ended.notify_all();
    }

    /// Blocks until `end` was called or `deadline` passes.
    pub(crate) fn wait_ended(&self, deadline: Instant) {
        let mut state = self.lock();
        while !state.ended {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self
                .ended
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

/// Asks for a turn of one peer, once until the driver has seen it.
#[derive(Debug)]
pub(crate) struct PeerNotify {
    inbox: Arc<Inbox>,
    key: u64,
    flagged: AtomicBool,
}

impl PeerNotify {
    pub(crate) fn new(inbox: Arc<Inbox>, key: u64) -> PeerNotify {
        PeerNotify {
            inbox,
            key,
            flagged: AtomicBool::new(false),
        }
    }

    /// The driver is about to look; what comes later asks anew.
    pub(crate) fn rearm(&self) {
        self.flagged.store(false, Ordering::SeqCst);
    }
}

impl Notify for PeerNotify {
    fn notify(&self) {
        if !self.flagged.swap(true, Ordering::SeqCst) {
            self.inbox.push_ready(self.key);
        }
    }
}
