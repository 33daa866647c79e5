//! One STUN question over a socket of its own, by UDP, TCP or TLS: asked, repeated, answered.
//! What an answer means is for whoever asks.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use stun_proto::types::message::{BINDING, Message, MessageWriteVec};
use stun_proto::types::prelude::MessageWrite;

use super::url::{IceUrl, Transport};
use crate::turn::{Link, LinkError};

/// A datagram may get lost: the question is repeated after this, then after twice as long, and so on.
const FIRST_RETRY: Duration = Duration::from_millis(250);
/// The part of a message that an answer repeats: cookie and transaction.
const SAME: std::ops::Range<usize> = 4..20;

pub(super) struct Question {
    link: Link,
    request: Vec<u8>,
    /// When to send it; a stream sends it once.
    next: Option<Instant>,
    wait: Duration,
    repeats: bool,
    foreign: bool,
}

impl Question {
    pub(super) fn open(server: SocketAddr, url: &IceUrl) -> Result<Question, LinkError> {
        Ok(Question {
            link: Link::open(server, url.transport, &url.host)?,
            request: Message::builder_request(BINDING, MessageWriteVec::new()).finish(),
            next: Some(Instant::now()),
            wait: FIRST_RETRY,
            repeats: url.transport == Transport::Udp,
            foreign: false,
        })
    }

    /// Connects, asks, and looks for the answer: its length, once it is at the front of `room`.
    pub(super) fn go_on(&mut self, room: &mut [u8]) -> Result<Option<usize>, LinkError> {
        self.link.flush()?;
        let now = Instant::now();
        if self.link.is_ready() && self.next.is_some_and(|next| next <= now) {
            self.link.send(&self.request, true)?;
            self.link.flush()?;
            self.next = self.repeats.then(|| now + self.wait);
            self.wait *= 2;
        }
        while let Some(len) = self.link.receive(room)? {
            // Any STUN message of this transaction will do: also one that refuses shows that a server is there.
            let answer = Message::from_bytes(&room[..len]);
            if answer.is_ok() && room[SAME] == self.request[SAME] {
                return Ok(Some(len));
            }
            self.foreign = true;
        }
        // A handshake may have ended in what was just received.
        self.link.flush()?;
        Ok(None)
    }

    /// Whether something came that is no answer.
    pub(super) fn is_foreign(&self) -> bool {
        self.foreign || self.link.holds_part()
    }

    /// Connected, and past the TLS handshake.
    pub(super) fn is_ready(&self) -> bool {
        self.link.is_ready()
    }

    /// When `go_on` is due, whatever comes. Before the link is ready nothing is repeated.
    pub(super) fn due(&self) -> Option<Instant> {
        self.next.filter(|_| self.link.is_ready())
    }

    pub(super) fn fd(&self) -> PollFd<'_> {
        PollFd::new(&self.link, self.link.wanted())
    }
}

/// Ends the sleep of its thread from others.
pub(super) struct Wake(OwnedFd);

impl Wake {
    pub(super) fn new() -> io::Result<Arc<Wake>> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        Ok(Arc::new(Wake(eventfd(0, flags)?)))
    }

    pub(super) fn wake(&self) {
        let _ = rustix::io::write(&self.0, &1u64.to_ne_bytes());
    }

    /// Blocks until one of `fds` has something, somebody calls `wake`, or `until`.
    pub(super) fn sleep<'a>(&'a self, mut fds: Vec<PollFd<'a>>, until: Instant) -> io::Result<()> {
        fds.push(PollFd::from_borrowed_fd(self.0.as_fd(), PollFlags::IN));
        let left = until.saturating_duration_since(Instant::now());
        let timeout = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        };
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut count = [0; 8];
        let _ = rustix::io::read(&self.0, &mut count);
        Ok(())
    }
}
