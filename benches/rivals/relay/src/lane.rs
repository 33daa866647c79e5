//! Sockets of the relay: a pair for each connection, large buffers, GRO in and GSO out.
//! Delay, loss and order are not its business.

use std::io::{self, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};

use bytes::Bytes;
use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSocketState};
use rustix::net::sockopt;
use socket2::{Domain, Protocol, Socket, Type};

use crate::direction::Sent;

/// Room for one receive: what GRO puts together at most.
const BUFFER: usize = 64 * 1024;
/// What the kernel is asked to hold at each socket.
const SOCKET_BUFFER: usize = 8 << 20;
/// Most bytes of one send call.
const MOST_SENT: usize = 60_000;

pub(crate) struct Lane {
    pub(crate) sides: [Side; 2],
}

pub(crate) struct Side {
    socket: Socket,
    state: UdpSocketState,
    port: u16,
    /// Who spoke to it last.
    peer: Option<SocketAddr>,
}

impl Lane {
    pub(crate) fn open() -> io::Result<Lane> {
        Ok(Lane { sides: [Side::open()?, Side::open()?] })
    }

    pub(crate) fn ports(&self) -> [u16; 2] {
        [self.sides[0].port, self.sides[1].port]
    }
}

impl Side {
    fn open() -> io::Result<Side> {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
        if sockopt::set_socket_recv_buffer_size_force(&socket, SOCKET_BUFFER).is_err() {
            socket.set_recv_buffer_size(SOCKET_BUFFER)?;
        }
        if sockopt::set_socket_send_buffer_size_force(&socket, SOCKET_BUFFER).is_err() {
            socket.set_send_buffer_size(SOCKET_BUFFER)?;
        }
        let port = socket.local_addr()?.as_socket().map_or(0, |address| address.port());
        let state = UdpSocketState::new((&socket).into())?;
        Ok(Side { socket, state, port, peer: None })
    }
}

impl AsFd for Side {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Memory for receiving.
pub(crate) struct Receiver {
    bytes: Vec<u8>,
    metas: [RecvMeta; BATCH_SIZE],
}

impl Receiver {
    pub(crate) fn new() -> Receiver {
        Receiver { bytes: vec![0; BUFFER * BATCH_SIZE], metas: [RecvMeta::default(); BATCH_SIZE] }
    }

    /// How many blocks came; none when nothing waits.
    pub(crate) fn receive(&mut self, side: &mut Side) -> io::Result<usize> {
        let mut parts = self.bytes.chunks_exact_mut(BUFFER);
        let mut slices: [IoSliceMut<'_>; BATCH_SIZE] =
            std::array::from_fn(|_| IoSliceMut::new(parts.next().unwrap_or_default()));
        let count = match side.state.recv((&side.socket).into(), &mut slices, &mut self.metas) {
            Ok(count) => count,
            // A peer that is not there yet, or not any more.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => 0,
            Err(error) => return Err(error),
        };
        if let Some(meta) = self.metas[..count].last() {
            side.peer = Some(meta.addr);
        }
        Ok(count)
    }

    /// What came, each block with the size of its datagrams.
    pub(crate) fn blocks(&self, count: usize) -> impl Iterator<Item = (Bytes, usize)> {
        let blocks = self.metas.iter().zip(self.bytes.chunks_exact(BUFFER)).take(count);
        blocks.map(|(meta, bytes)| (Bytes::copy_from_slice(&bytes[..meta.len.min(BUFFER)]), meta.stride))
    }
}

/// Datagrams of one size and one lane, which leave with one call.
#[derive(Default)]
pub(crate) struct Train {
    bytes: Vec<u8>,
    segment: usize,
    count: usize,
    lane: usize,
    /// A datagram shorter than the others is the last one.
    full: bool,
}

impl Train {
    pub(crate) fn fits(&self, lane: usize, len: usize) -> bool {
        let same = lane == self.lane && len <= self.segment && !self.full;
        self.count == 0 || same && self.count < 64 && self.bytes.len() + len <= MOST_SENT
    }

    pub(crate) fn push(&mut self, lane: usize, datagram: &[u8]) {
        if self.count == 0 {
            (self.lane, self.segment) = (lane, datagram.len());
        }
        self.full = datagram.len() < self.segment;
        self.count += 1;
        self.bytes.extend_from_slice(datagram);
    }

    /// Sends it from the `side` of its lane. A kernel whose buffer is full refuses, which is counted, not repeated.
    pub(crate) fn leave(&mut self, lanes: &mut [Lane], side: usize) -> Sent {
        let count = std::mem::take(&mut self.count) as u64;
        if count == 0 {
            return Sent::default();
        }
        let side = &lanes[self.lane].sides[side];
        let sent = side.peer.map(|destination| {
            let transmit = Transmit {
                destination,
                ecn: None,
                contents: &self.bytes,
                segment_size: (count > 1).then_some(self.segment),
                src_ip: None,
            };
            side.state.try_send((&side.socket).into(), &transmit).is_ok()
        });
        self.bytes.clear();
        self.full = false;
        match sent {
            Some(true) => Sent { taken: count, refused: 0 },
            Some(false) => Sent { taken: 0, refused: count },
            // Nobody has spoken on that side yet: connectivity checks, which are repeated.
            None => Sent::default(),
        }
    }
}

/// Datagrams the kernel dropped at these sockets because they were not read in time.
pub(crate) fn kernel_drops(ports: &[[u16; 2]]) -> u64 {
    let table = std::fs::read_to_string("/proc/net/udp").unwrap_or_default();
    let drops = table.lines().skip(1).filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let port = u16::from_str_radix(fields.get(1)?.rsplit(':').next()?, 16).ok()?;
        let ours = ports.iter().flatten().any(|p| *p == port);
        ours.then(|| fields.last()?.parse::<u64>().ok())?
    });
    drops.sum()
}
