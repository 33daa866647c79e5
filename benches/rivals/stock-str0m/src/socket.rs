//! The UDP socket: large buffers, trains of datagrams out, joined datagrams in.
//! It knows no engine.

use std::io::{self, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use quinn_udp::{RecvMeta, Transmit, UdpSocketState};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{Domain, Protocol, Type};

const SOCKET_BUFFER: usize = 4 << 20;
const MOST_SENT: usize = 60_000;

pub(crate) struct Socket {
    inner: socket2::Socket,
    state: UdpSocketState,
    address: SocketAddr,
    train: Vec<u8>,
    segment: usize,
    count: usize,
    destination: SocketAddr,
    buffer: Vec<u8>,
}

impl Socket {
    pub(crate) fn open() -> io::Result<Socket> {
        let inner = socket2::Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        inner.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
        inner.set_recv_buffer_size(SOCKET_BUFFER)?;
        inner.set_send_buffer_size(SOCKET_BUFFER)?;
        let address = inner.local_addr()?.as_socket().ok_or_else(|| io::Error::other("no address"))?;
        let state = UdpSocketState::new((&inner).into())?;
        let buffer = vec![0; 64 * 1024];
        Ok(Socket { inner, state, address, train: Vec::new(), segment: 0, count: 0, destination: address, buffer })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Adds a datagram to the train; sends the train when it does not fit.
    pub(crate) fn push(&mut self, destination: SocketAddr, datagram: &[u8]) {
        let fits = self.count < self.state.max_gso_segments().min(64)
            && destination == self.destination
            && datagram.len() <= self.segment
            && self.train.len() + datagram.len() <= MOST_SENT;
        if self.count > 0 && !fits {
            self.flush();
        }
        if self.count == 0 {
            (self.destination, self.segment) = (destination, datagram.len());
        }
        self.train.extend_from_slice(datagram);
        self.count += 1;
        if datagram.len() < self.segment {
            self.flush();
        }
    }

    pub(crate) fn flush(&mut self) {
        if self.count == 0 {
            return;
        }
        let transmit = Transmit {
            destination: self.destination,
            ecn: None,
            contents: &self.train,
            segment_size: (self.count > 1).then_some(self.segment),
            src_ip: None,
        };
        // What a full buffer refuses is lost as on any network.
        let _ = self.state.try_send((&self.inner).into(), &transmit);
        self.train.clear();
        self.count = 0;
    }

    pub(crate) fn wait(&self, longest: Duration) -> io::Result<()> {
        let timeout = Timespec { tv_sec: longest.as_secs() as i64, tv_nsec: i64::from(longest.subsec_nanos()) };
        poll(&mut [PollFd::new(&self.inner, PollFlags::IN)], Some(&timeout))?;
        Ok(())
    }

    /// One block of datagrams with the size of each, if one waits.
    pub(crate) fn receive(&mut self) -> io::Result<Option<(SocketAddr, Vec<u8>, usize)>> {
        let mut metas = [RecvMeta::default()];
        match self.state.recv((&self.inner).into(), &mut [IoSliceMut::new(&mut self.buffer)], &mut metas) {
            Ok(0) => Ok(None),
            Ok(_) => Ok(Some((metas[0].addr, self.buffer[..metas[0].len].to_vec(), metas[0].stride))),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(None),
            Err(error) => Err(error),
        }
    }
}
