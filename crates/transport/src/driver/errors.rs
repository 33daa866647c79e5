//! What ICMP says about datagrams we sent: the error queue of the socket.
//! Only refusals by the destination are reported; everything else is counted and forgotten.

use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Instant;

use rustix::net::{RecvAncillaryBuffer, RecvFlags, recvmsg};

use super::{Driver, Socket};

/// Entries read at once; the queue is charged to the receive buffer, so it cannot grow for ever.
const MAX_ENTRIES: usize = 256;

impl Driver {
    /// Tells peers what ICMP said about datagrams we sent to them.
    pub(super) fn errors(&mut self, hint: Option<i32>) {
        let now = Instant::now();
        let mut refused = Vec::new();
        let count = drain(&self.socket, hint, |remote| refused.push(remote));
        self.counters
            .icmp_errors
            .fetch_add(count, Ordering::Relaxed);
        for remote in refused {
            if let Some(key) = self.routes.by_address(remote) {
                if let Some(slot) = self.peers.get_mut(&key) {
                    slot.core.refused(now, remote);
                }
                self.touch(key);
            }
        }
    }
}

/// Empties the queue. `hint` is the error a system call has just returned, which took it off the socket.
///
/// The entry itself names the destination of the datagram; its error number is the socket's pending error, which the
/// kernel sets anew for each entry at the head of the queue.
fn drain(socket: &Socket, hint: Option<i32>, mut refused: impl FnMut(SocketAddr)) -> u64 {
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
        let is_refusal = error
            .take()
            .is_some_and(|e| e.kind() == io::ErrorKind::ConnectionRefused);
        if let (true, Some(address)) = (is_refusal, address) {
            refused(SocketAddr::new(address.ip().to_canonical(), address.port()));
        }
        error = socket.take_error();
    }
    count
}
