//! Puts datagrams of equal size to one destination together, so that one system call sends many of them.
//! Order is kept. What the kernel has no room for waits here, bounded, until it has.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use rustix::io::Errno;

use super::Socket;
use super::errors::words;
use crate::core::Transmit;
use crate::stats::{EndpointCounters, add};

/// Bytes in one batch: the kernel takes a UDP payload of 64 KiB at most.
const MAX_BATCH: usize = 63 * 1024;
/// Batches waiting for the kernel; 4 MiB on top of the socket's own buffer.
const MAX_WAITING: usize = 64;
/// Attempts when a send reports an error that an earlier datagram caused.
const ATTEMPTS: usize = 3;

/// Datagrams that did not leave, told to their peers once a turn; further ones are only counted.
const MAX_UNSENT: usize = 64;

/// A datagram that did not leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unsent {
    /// The address it came from, when one was asked for.
    pub(crate) local: Option<SocketAddr>,
    pub(crate) remote: SocketAddr,
    /// Why, in a few words.
    pub(crate) reason: &'static str,
}

struct Waiting {
    source: Option<IpAddr>,
    destination: SocketAddr,
    segment: usize,
    bytes: Vec<u8>,
}

pub(crate) struct Batch {
    socket: Arc<Socket>,
    counters: Arc<EndpointCounters>,
    bytes: Vec<u8>,
    source: Option<IpAddr>,
    destination: Option<SocketAddr>,
    segment: usize,
    count: usize,
    waiting: VecDeque<Waiting>,
    blocked: bool,
    unsent: Vec<Unsent>,
}

impl Batch {
    pub(crate) fn new(socket: Arc<Socket>, counters: Arc<EndpointCounters>) -> Batch {
        Batch {
            socket,
            counters,
            bytes: Vec::with_capacity(MAX_BATCH),
            source: None,
            destination: None,
            segment: 0,
            count: 0,
            waiting: VecDeque::new(),
            blocked: false,
            unsent: Vec::new(),
        }
    }

    pub(crate) fn push(&mut self, transmit: Transmit<'_>) {
        // A loopback source cannot reach another machine; the kernel would report an error that disables GSO.
        if transmit.source.ip().is_loopback() != transmit.destination.ip().is_loopback() {
            add(&self.counters.dropped_unroutable, 1);
            self.note(Unsent {
                local: Some(transmit.source),
                remote: transmit.destination,
                reason: "loopback reaches this machine only",
            });
            return;
        }
        self.add(
            Some(transmit.source.ip()),
            transmit.destination,
            transmit.contents,
        );
    }

    /// Notes a datagram that did not leave.
    pub(crate) fn note(&mut self, unsent: Unsent) {
        if self.unsent.len() < MAX_UNSENT && self.unsent.last() != Some(&unsent) {
            self.unsent.push(unsent);
        }
    }

    /// What did not leave since this was last asked.
    pub(crate) fn take_unsent(&mut self) -> Vec<Unsent> {
        std::mem::take(&mut self.unsent)
    }

    /// Sends from whatever address the route prefers.
    pub(crate) fn push_from_any(&mut self, destination: SocketAddr, contents: &[u8]) {
        self.add(None, destination, contents);
    }

    fn add(&mut self, source: Option<IpAddr>, destination: SocketAddr, contents: &[u8]) {
        let fits = self.count < self.socket.segments()
            && self.destination == Some(destination)
            && self.source == source
            && contents.len() <= self.segment
            && self.bytes.len() + contents.len() <= MAX_BATCH;
        if self.count > 0 && !fits {
            self.flush();
        }
        if self.count == 0 {
            self.segment = contents.len();
            (self.source, self.destination) = (source, Some(destination));
        }
        self.bytes.extend_from_slice(contents);
        self.count += 1;
        // Only the last datagram of a batch may be shorter.
        if contents.len() < self.segment {
            self.flush();
        }
    }

    /// Hands over what has been put together.
    pub(crate) fn flush(&mut self) {
        let Some(destination) = self.destination.take() else {
            return;
        };
        let count = std::mem::take(&mut self.count);
        let mut bytes = std::mem::take(&mut self.bytes);
        if self.blocked || !self.send(self.source, destination, &bytes, self.segment) {
            if self.waiting.len() < MAX_WAITING {
                let bytes = bytes.clone();
                self.waiting.push_back(Waiting {
                    source: self.source,
                    destination,
                    segment: self.segment,
                    bytes,
                });
            } else {
                add(&self.counters.send_buffer_full, count);
            }
        }
        bytes.clear();
        self.bytes = bytes;
    }

    /// Whether the driver should wake up when the socket can be written.
    pub(crate) fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// As if the kernel had no room.
    #[cfg(test)]
    pub(crate) fn block(&mut self) {
        self.blocked = true;
    }

    /// The socket can be written again.
    pub(crate) fn unblock(&mut self) {
        self.blocked = false;
        while let Some(next) = self.waiting.pop_front() {
            if !self.send(next.source, next.destination, &next.bytes, next.segment) {
                self.waiting.push_front(next);
                break;
            }
        }
    }

    /// False when the kernel has no room now; a refusal counts as done.
    fn send(
        &mut self,
        source: Option<IpAddr>,
        destination: SocketAddr,
        bytes: &[u8],
        segment: usize,
    ) -> bool {
        let datagrams = bytes.len().div_ceil(segment.max(1));
        for _ in 0..ATTEMPTS {
            add(&self.counters.send_calls, 1);
            match self.socket.send(source, destination, bytes, segment) {
                Ok(()) => {
                    add(&self.counters.datagrams_sent, datagrams);
                    add(&self.counters.bytes_sent, bytes.len());
                    return true;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.blocked = true;
                    return false;
                }
                // An ICMP answer to an earlier datagram is reported here once; this one was not sent.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                Err(error) => {
                    tracing::trace!(%error, %destination, "send failed");
                    // Without GSO, and where a datagram must be cut on its way, the kernel takes them singly only.
                    let singly = self.socket.segments() == 1
                        || error.raw_os_error() == Some(Errno::MSGSIZE.raw_os_error());
                    if segment < bytes.len() && singly {
                        return bytes
                            .chunks(segment)
                            .all(|part| self.send(source, destination, part, part.len()));
                    }
                    self.note(Unsent {
                        local: source.map(|ip| SocketAddr::new(ip, self.socket.port())),
                        remote: destination,
                        reason: words(&error),
                    });
                    break;
                }
            }
        }
        add(&self.counters.send_errors, datagrams);
        true
    }
}
