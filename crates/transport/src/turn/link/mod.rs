//! The way to one server: UDP, TCP or TLS over TCP, without ever blocking.
//! It moves whole messages and knows nothing of what they mean.

mod stream;

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};

use rustix::event::PollFlags;
use socket2::{Domain, Protocol, Type};

use super::framing::NotTurn;
use super::tls;
use crate::ice::url::Transport;
use stream::Stream;

/// What the kernel is asked to hold for a UDP link, each way.
const UDP_BUFFER: usize = 1024 * 1024;

/// Why a link cannot be used, or no longer.
#[derive(Debug)]
pub(crate) enum LinkError {
    Io(io::Error),
    Tls(rustls::Error),
    Config(String),
    NotTurn,
}

impl LinkError {
    /// The network said so: refused, unreachable, too long. On a UDP link that is ICMP, which anyone can forge.
    pub(crate) fn is_of_the_network(&self) -> bool {
        matches!(self, LinkError::Io(_))
    }
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LinkError::Io(error) => match error.kind() {
                ErrorKind::ConnectionRefused => f.write_str("connection refused"),
                ErrorKind::UnexpectedEof => f.write_str("the server closed the connection"),
                _ => write!(f, "{error}"),
            },
            LinkError::Tls(error) => write!(f, "TLS: {error}"),
            LinkError::Config(text) => f.write_str(text),
            LinkError::NotTurn => f.write_str("the server does not speak TURN"),
        }
    }
}

impl From<io::Error> for LinkError {
    fn from(error: io::Error) -> LinkError {
        match error.downcast::<rustls::Error>() {
            Ok(error) => LinkError::Tls(error),
            Err(error) => LinkError::Io(error),
        }
    }
}

impl From<NotTurn> for LinkError {
    fn from(NotTurn: NotTurn) -> LinkError {
        LinkError::NotTurn
    }
}

pub(crate) struct Link {
    server: SocketAddr,
    local: SocketAddr,
    inner: Inner,
}

enum Inner {
    Udp(UdpSocket),
    Stream(Box<Stream>),
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("server", &self.server)
            .field("local", &self.local)
            .finish_non_exhaustive()
    }
}

impl Link {
    /// Starts connecting; `host` is what a certificate must be for.
    pub(crate) fn open(
        server: SocketAddr,
        transport: Transport,
        host: &str,
    ) -> Result<Link, LinkError> {
        let domain = Domain::for_address(server);
        let (socket, inner): (_, fn(socket2::Socket) -> Inner) = match transport {
            Transport::Udp => {
                let socket = socket2::Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
                let _ = socket.set_recv_buffer_size(UDP_BUFFER);
                let _ = socket.set_send_buffer_size(UDP_BUFFER);
                (socket, |s| Inner::Udp(s.into()))
            }
            Transport::Tcp | Transport::Tls => {
                let socket = socket2::Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
                socket.set_tcp_nodelay(true)?;
                (socket, |s| Inner::Stream(Box::new(Stream::new(s.into()))))
            }
        };
        socket.set_nonblocking(true)?;
        match socket.connect(&server.into()) {
            Err(e) if e.raw_os_error() != Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {
                return Err(e.into());
            }
            _ => {}
        }
        let local = socket
            .local_addr()?
            .as_socket()
            .ok_or_else(|| io::Error::from(ErrorKind::AddrNotAvailable))?;
        let mut inner = inner(socket);
        if let (Transport::Tls, Inner::Stream(stream)) = (transport, &mut inner) {
            stream.tls = Some(tls::connection(host).map_err(LinkError::Config)?);
        }
        Ok(Link {
            server,
            local,
            inner,
        })
    }

    pub(crate) fn server(&self) -> SocketAddr {
        self.server
    }

    pub(crate) fn local(&self) -> SocketAddr {
        self.local
    }

    pub(crate) fn is_stream(&self) -> bool {
        matches!(self.inner, Inner::Stream(_))
    }

    /// What to wait for.
    pub(crate) fn wanted(&self) -> PollFlags {
        match &self.inner {
            Inner::Udp(_) => PollFlags::IN,
            Inner::Stream(stream) => stream.wanted(),
        }
    }

    /// Whether messages reach the server: connected, and past the TLS handshake.
    pub(crate) fn is_ready(&self) -> bool {
        match &self.inner {
            Inner::Udp(_) => true,
            Inner::Stream(stream) => stream.is_ready(),
        }
    }

    /// Whether a part of a message came and no more.
    pub(crate) fn holds_part(&self) -> bool {
        matches!(&self.inner, Inner::Stream(stream) if stream.holds_part())
    }

    /// Queues or sends one message; false when it was dropped for want of room. Streams need a `flush` afterwards.
    pub(crate) fn send(&mut self, message: &[u8], vital: bool) -> Result<bool, LinkError> {
        match &mut self.inner {
            Inner::Udp(socket) => match socket.send(message) {
                Ok(_) => Ok(true),
                Err(e) if e.kind() == ErrorKind::ConnectionRefused => Err(e.into()),
                // Full, too large for the way, no route for the moment: the network loses datagrams too.
                Err(_) => Ok(false),
            },
            Inner::Stream(stream) => Ok(stream.queue(message, vital)),
        }
    }

    /// Goes on connecting, shaking hands and sending, as far as possible now.
    pub(crate) fn flush(&mut self) -> Result<(), LinkError> {
        match &mut self.inner {
            Inner::Udp(_) => Ok(()),
            Inner::Stream(stream) => stream.flush(),
        }
    }

    /// Takes the next message from the server to the front of `message`, which has `MESSAGE_ROOM`, and says how long
    /// it is; `None` when there is none now.
    pub(crate) fn receive(&mut self, message: &mut [u8]) -> Result<Option<usize>, LinkError> {
        match &mut self.inner {
            Inner::Udp(socket) => match socket.recv(message) {
                Ok(len) => Ok(Some(len)),
                Err(e) if is_transient(&e) => Ok(None),
                Err(e) => Err(e.into()),
            },
            Inner::Stream(stream) => stream.receive(message),
        }
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.inner {
            Inner::Udp(socket) => socket.as_fd(),
            Inner::Stream(stream) => stream.socket.as_fd(),
        }
    }
}

fn is_transient(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::Interrupted | ErrorKind::NotConnected
    )
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn wait(link: &Link, wanted: PollFlags) {
        let mut fds = [rustix::event::PollFd::new(link, wanted)];
        let patience = rustix::event::Timespec {
            tv_sec: 10,
            tv_nsec: 0,
        };
        assert_eq!(rustix::event::poll(&mut fds, Some(&patience)), Ok(1));
    }

    #[test]
    fn a_stream_that_nobody_reads_holds_no_more_than_its_limit_and_says_what_it_drops() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut link = Link::open(listener.local_addr().unwrap(), Transport::Tcp, "").unwrap();
        let (_silent, _) = listener.accept().unwrap();
        wait(&link, PollFlags::OUT);
        let message = [0; 1000];
        let mut kept = 0;
        while link.send(&message, false).unwrap() {
            link.flush().unwrap();
            kept += 1;
            assert!(kept < 100_000, "never full");
        }
        assert!(link.send(&message, true).unwrap(), "requests still fit");
        let Inner::Stream(stream) = &link.inner else {
            panic!("a stream");
        };
        assert!(stream.unsent() <= stream::MAX_WAITING_VITAL);
        assert!(link.wanted().contains(PollFlags::OUT));
    }

    #[test]
    fn refusals_and_ends_are_told_apart() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut link = Link::open(address, Transport::Tcp, "").unwrap();
        drop(listener.accept().unwrap());
        drop(listener);
        wait(&link, PollFlags::IN);
        link.flush().unwrap();
        let end = link.receive(&mut []).unwrap_err();
        assert_eq!(end.to_string(), "the server closed the connection");
        let refused = match Link::open(address, Transport::Tcp, "") {
            Err(error) => error,
            Ok(mut link) => {
                wait(&link, PollFlags::OUT);
                link.flush().unwrap_err()
            }
        };
        assert_eq!(refused.to_string(), "connection refused");
        assert!(refused.is_of_the_network());
    }
}
