//! The UDP socket: bound once for IPv4 and IPv6, with large buffers, GSO, GRO and destination addresses.
//! It knows datagrams only; routing and batching are elsewhere.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsFd, BorrowedFd};

use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSocketState};
use rustix::net::sockopt::{self, Ipv4PathMtuDiscovery};
use socket2::{Domain, Protocol, Type};

use crate::config::EndpointConfig;

/// Room for one receive: what GRO puts together at most.
const BUFFER: usize = 64 * 1024;

pub(crate) struct Socket {
    inner: socket2::Socket,
    state: UdpSocketState,
    port: u16,
    dual: bool,
    segmentation: bool,
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}

impl Socket {
    pub(crate) fn bind(config: &EndpointConfig) -> io::Result<Socket> {
        let dual = config.ipv6.then(|| bind_dual(config.port).ok()).flatten();
        let (inner, dual) = match dual {
            Some(socket) => (socket, true),
            // Not wanted, no IPv6 on this machine, or the port is taken: IPv4 alone decides.
            None => (bind_v4(config.port)?, false),
        };
        let state = UdpSocketState::new((&inner).into())?;
        state.enable_transport_errors((&inner).into())?;
        enlarge(&inner, config.socket_buffer);
        allow_fragments(&inner);
        let port = inner
            .local_addr()?
            .as_socket()
            .map_or(config.port, |a| a.port());
        Ok(Socket {
            inner,
            state,
            port,
            dual,
            segmentation: config.segmentation,
        })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn has_ipv6(&self) -> bool {
        self.dual
    }

    /// Datagrams one send may carry.
    pub(crate) fn segments(&self) -> usize {
        if self.segmentation {
            self.state.max_gso_segments()
        } else {
            1
        }
    }

    /// Buffer sizes the kernel really gave, receive and send.
    pub(crate) fn buffer_sizes(&self) -> (usize, usize) {
        (
            self.inner.recv_buffer_size().unwrap_or(0),
            self.inner.send_buffer_size().unwrap_or(0),
        )
    }

    /// Takes a pending error off the socket.
    pub(crate) fn take_error(&self) -> Option<io::Error> {
        self.inner.take_error().ok().flatten()
    }

    /// Sends `contents`, cut into datagrams of `segment` bytes. Never blocks.
    pub(crate) fn send(
        &self,
        source: Option<IpAddr>,
        destination: SocketAddr,
        contents: &[u8],
        segment: usize,
    ) -> io::Result<()> {
        let destination = match (self.dual, destination) {
            (true, SocketAddr::V4(v4)) => {
                SocketAddrV6::new(v4.ip().to_ipv6_mapped(), v4.port(), 0, 0).into()
            }
            (_, other) => other,
        };
        let segment_size = (segment < contents.len()).then_some(segment);
        let transmit = Transmit {
            destination,
            ecn: None,
            contents,
            segment_size,
            src_ip: source,
        };
        self.state.try_send((&self.inner).into(), &transmit)
    }

    /// Receives into `buffers`; how many of them were filled. Never blocks.
    pub(crate) fn receive(&self, buffers: &mut Buffers) -> io::Result<usize> {
        let mut parts = buffers.bytes.chunks_exact_mut(BUFFER);
        let mut slices: [IoSliceMut<'_>; BATCH_SIZE] =
            std::array::from_fn(|_| IoSliceMut::new(parts.next().unwrap_or_default()));
        self.state
            .recv((&self.inner).into(), &mut slices, &mut buffers.metas)
    }
}

fn bind_dual(port: u16) -> io::Result<socket2::Socket> {
    let socket = socket2::Socket::new(Domain::IPV6, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_only_v6(false)?;
    socket.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)).into())?;
    Ok(socket)
}

fn bind_v4(port: u16) -> io::Result<socket2::Socket> {
    let socket = socket2::Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)).into())?;
    Ok(socket)
}

/// Large buffers carry bursts while the driver is busy. Privileged processes may pass the system's maximum.
fn enlarge(socket: &socket2::Socket, bytes: usize) {
    if sockopt::set_socket_recv_buffer_size_force(socket, bytes).is_err() {
        let _ = socket.set_recv_buffer_size(bytes);
    }
    if sockopt::set_socket_send_buffer_size_force(socket, bytes).is_err() {
        let _ = socket.set_send_buffer_size(bytes);
    }
}

/// Our IPv4 datagrams may be cut on their way. Data goes in datagrams of one size from the first to the last; on a path
/// that carries only smaller ones, checks and handshake would pass and the data never, and SCTP cannot cut again what it
/// sent. IPv6 carries 1,280 bytes everywhere, which is more than ours.
fn allow_fragments(socket: &socket2::Socket) {
    let _ = sockopt::set_ip_mtu_discover(socket, Ipv4PathMtuDiscovery::DONT);
}

/// Memory for one receive call.
#[derive(Default)]
pub(crate) struct Buffers {
    bytes: Vec<u8>,
    metas: Vec<RecvMeta>,
}

/// Where one buffer's datagrams came from.
pub(crate) struct Meta {
    pub(crate) local: IpAddr,
    pub(crate) remote: SocketAddr,
    /// Size of each datagram but the last.
    pub(crate) stride: usize,
}

impl Buffers {
    pub(crate) fn new(_: &Socket) -> Buffers {
        Buffers {
            bytes: vec![0; BUFFER * BATCH_SIZE],
            metas: vec![RecvMeta::default(); BATCH_SIZE],
        }
    }

    pub(crate) fn received(&self, count: usize) -> impl Iterator<Item = (Meta, &[u8])> {
        self.metas
            .iter()
            .zip(self.bytes.chunks_exact(BUFFER))
            .take(count)
            .map(|(meta, bytes)| {
                let remote = SocketAddr::new(meta.addr.ip().to_canonical(), meta.addr.port());
                let local = meta
                    .dst_ip
                    .unwrap_or(Ipv4Addr::UNSPECIFIED.into())
                    .to_canonical();
                (
                    Meta {
                        local,
                        remote,
                        stride: meta.stride.max(1),
                    },
                    &bytes[..meta.len.min(BUFFER)],
                )
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_may_be_cut_on_their_way() {
        let config = EndpointConfig::default();
        let socket = Socket::bind(&config).expect("bind");
        let v4 = sockopt::ip_mtu_discover(&socket.inner).expect("an option of UDP");
        assert_eq!(v4, Ipv4PathMtuDiscovery::DONT);
    }
}
