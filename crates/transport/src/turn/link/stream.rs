//! TCP to a server, with or without TLS: whole messages in and out of a stream of bytes.
//! What is not sent yet waits here, bounded.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;

use rustix::event::PollFlags;
use rustls::ClientConnection;

use super::{LinkError, is_transient};
use crate::turn::framing::{Framer, padding};

/// Unsent bytes of a stream above which datagrams are dropped: more would only arrive later.
const MAX_WAITING: usize = 128 * 1024;
/// The same for requests to the server, which are few and must not be lost.
pub(super) const MAX_WAITING_VITAL: usize = 192 * 1024;
/// Bytes read at once from a stream, and given at once to TLS.
const CHUNK: usize = 16 * 1024;

pub(super) struct Stream {
    pub(super) socket: TcpStream,
    connected: bool,
    pub(super) tls: Option<ClientConnection>,
    framer: Framer,
    /// Plain bytes not given to the socket or to TLS yet, from `sent` on.
    waiting: Vec<u8>,
    sent: usize,
    chunk: Box<[u8]>,
}

impl Stream {
    pub(super) fn new(socket: TcpStream) -> Stream {
        Stream {
            socket,
            connected: false,
            tls: None,
            framer: Framer::default(),
            waiting: Vec::new(),
            sent: 0,
            chunk: vec![0; CHUNK].into(),
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        self.connected && self.tls.as_ref().is_none_or(|tls| !tls.is_handshaking())
    }

    pub(super) fn wanted(&self) -> PollFlags {
        let unsent = self.unsent() > 0 && self.is_ready();
        let tls = self.tls.as_ref().is_some_and(|tls| tls.wants_write());
        if !self.connected || unsent || tls {
            PollFlags::IN | PollFlags::OUT
        } else {
            PollFlags::IN
        }
    }

    /// Bytes not given to the socket or to TLS yet.
    pub(super) fn unsent(&self) -> usize {
        self.waiting.len() - self.sent
    }

    pub(super) fn holds_part(&self) -> bool {
        self.framer.holds_part()
    }

    pub(super) fn queue(&mut self, message: &[u8], vital: bool) -> bool {
        let limit = if vital {
            MAX_WAITING_VITAL
        } else {
            MAX_WAITING
        };
        if self.unsent() + message.len() > limit {
            return false;
        }
        self.waiting.extend_from_slice(message);
        self.waiting
            .resize(self.waiting.len() + padding(message), 0);
        true
    }

    pub(super) fn flush(&mut self) -> Result<(), LinkError> {
        if !self.connected {
            if let Some(error) = self.socket.take_error()? {
                return Err(error.into());
            }
            match self.socket.peer_addr() {
                Ok(_) => self.connected = true,
                Err(e) if e.kind() == ErrorKind::NotConnected => return Ok(()),
                Err(e) => return Err(e.into()),
            }
        }
        loop {
            let rest = &self.waiting[self.sent..];
            let written = match &mut self.tls {
                None if rest.is_empty() => break,
                None => self.socket.write(rest),
                Some(tls) if tls.wants_write() => match tls.write_tls(&mut self.socket) {
                    Ok(_) => continue,
                    Err(e) => Err(e),
                },
                Some(tls) if tls.is_handshaking() || rest.is_empty() => break,
                Some(tls) => tls.writer().write(&rest[..rest.len().min(CHUNK)]),
            };
            match written {
                Ok(count) => self.sent += count,
                Err(e) if is_transient(&e) => break,
                Err(e) => return Err(e.into()),
            }
        }
        // Moving the rest to the front only when it is small against what was sent keeps this linear.
        if self.sent >= self.waiting.len() / 2 {
            self.waiting.drain(..self.sent);
            self.sent = 0;
        }
        Ok(())
    }

    pub(super) fn receive(&mut self, message: &mut [u8]) -> Result<Option<usize>, LinkError> {
        while self.connected {
            if let Some(len) = self.framer.next(message)? {
                return Ok(Some(len));
            }
            let read = match &mut self.tls {
                None => self.socket.read(&mut self.chunk),
                Some(tls) => read_tls(tls, &mut self.socket, &mut self.chunk),
            };
            match read {
                // It said something that is no message, and left.
                Ok(0) if self.holds_part() => return Err(LinkError::NotTurn),
                Ok(0) => return Err(io::Error::from(ErrorKind::UnexpectedEof).into()),
                Ok(count) => self.framer.push(&self.chunk[..count])?,
                Err(e) if is_transient(&e) => break,
                Err(e) => return Err(e.into()),
            }
        }
        Ok(None)
    }
}

/// Reads records until one has something for us.
fn read_tls(
    tls: &mut ClientConnection,
    socket: &mut TcpStream,
    chunk: &mut [u8],
) -> io::Result<usize> {
    loop {
        match tls.reader().read(chunk) {
            Err(e) if e.kind() == ErrorKind::WouldBlock => {}
            done => return done,
        }
        if tls.read_tls(socket)? == 0 {
            return Ok(0);
        }
        if let Err(error) = tls.process_new_packets() {
            // The alert that tells the server why.
            let _ = tls.write_tls(socket);
            return Err(io::Error::other(error));
        }
    }
}
