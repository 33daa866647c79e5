//! What ICMP says about datagrams we sent: the error queue of the socket.
//! Peers hear of what was said about their addresses; only refusals by the destination may end one. And what the kernel itself
//! did not send.

use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Instant;

use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvFlags, recvmsg};

use super::{Driver, Socket};

/// Entries read at once; the queue is charged to the receive buffer, so it cannot grow for ever.
const MAX_ENTRIES: usize = 256;

impl Driver {
    /// Tells peers what ICMP said about datagrams we sent to them.
    pub(super) fn errors(&mut self, hint: Option<i32>) {
        let now = Instant::now();
        let mut said = Vec::new();
        let count = drain(&self.socket, hint, |remote, error| {
            said.push((remote, error))
        });
        self.counters
            .icmp_errors
            .fetch_add(count, Ordering::Relaxed);
        for (remote, error) in said {
            let Some(key) = self.routes.by_address(remote) else {
                continue;
            };
            if let Some(slot) = self.peers.get_mut(&key) {
                if error.kind() == io::ErrorKind::ConnectionRefused {
                    slot.core.refused(now, remote);
                } else {
                    slot.core.unsent(None, remote, words(&error));
                }
            }
            self.touch(key);
        }
    }

    /// Tells peers which of their datagrams did not leave.
    pub(super) fn tell_unsent(&mut self) {
        for unsent in self.batch.take_unsent() {
            let key = self.routes.by_address(unsent.remote);
            if let Some(slot) = key.and_then(|key| self.peers.get_mut(&key)) {
                let reason = unsent.reason;
                slot.core.unsent(unsent.local, unsent.remote, reason);
            }
        }
    }
}

/// An error of the network in a few words, for reports.
pub(super) fn words(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused",
        io::ErrorKind::NetworkUnreachable => "network unreachable",
        io::ErrorKind::HostUnreachable => "host unreachable",
        io::ErrorKind::PermissionDenied => "not permitted on this machine",
        io::ErrorKind::AddrNotAvailable => "the address is gone from this machine",
        _ if error.raw_os_error() == Some(Errno::MSGSIZE.raw_os_error()) => "datagram too large",
        _ => "send failed",
    }
}

/// Empties the queue. `hint` is the error a system call has just returned, which took it off the socket.
///
/// The entry itself names the destination of the datagram; its error number is the socket's pending error, which the
/// kernel sets anew for each entry at the head of the queue.
fn drain(socket: &Socket, hint: Option<i32>, mut said: impl FnMut(SocketAddr, io::Error)) -> u64 {
    let mut error = hint
        .map(io::Error::from_raw_os_error)
        .or_else(|| socket.take_error());
    let mut count = 0;
    for _ in 0..MAX_ENTRIES {
        let mut bytes = [0u8; 1];
        let mut slices = [IoSliceMut::new(&mut bytes)];
        let flags = RecvFlags::ERRQUEUE | RecvFlags::DONTWAIT;
        let Ok(message) = recvmsg(
            socket,
            &mut slices,
            &mut RecvAncillaryBuffer::default(),
            flags,
        ) else {
            break;
        };
        count += 1;
        let address = message.address.and_then(|a| SocketAddr::try_from(a).ok());
        if let (Some(error), Some(address)) = (error.take(), address) {
            let address = SocketAddr::new(address.ip().to_canonical(), address.port());
            said(address, error);
        }
        error = socket.take_error();
    }
    count
}
