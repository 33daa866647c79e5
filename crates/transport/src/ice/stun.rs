//! Asking STUN servers for our outside address: the messages, the retries and the end of it.
//! It neither sends nor receives; the driver does, through the one socket of the endpoint.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use stun_proto::types::attribute::XorMappedAddress;
use stun_proto::types::message::{
    BINDING, Message, MessageClass, MessageType, MessageWriteVec, TransactionId,
};
use stun_proto::types::prelude::MessageWrite;

use crate::config::IceServer;

/// First wait for an answer; doubled each time.
const FIRST_RETRY: Duration = Duration::from_millis(200);
const MAX_RETRY: Duration = Duration::from_millis(800);
/// Servers asked for one peer.
const MAX_SERVERS: usize = 4;
const DEFAULT_PORT: u16 = 3478;

/// What a server said: our address outside, and the one it was sent from inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reflexive {
    pub(crate) outside: SocketAddr,
    pub(crate) inside: SocketAddr,
}

/// One question to one server.
#[derive(Debug)]
pub(crate) struct Query {
    server: SocketAddr,
    transaction: TransactionId,
    next: Instant,
    wait: Duration,
    deadline: Instant,
    reply: mpsc::Sender<Reflexive>,
}

impl Query {
    pub(crate) fn new(
        server: SocketAddr,
        now: Instant,
        deadline: Instant,
        reply: mpsc::Sender<Reflexive>,
    ) -> Query {
        Query {
            server,
            transaction: TransactionId::generate(),
            next: now,
            wait: FIRST_RETRY,
            deadline,
            reply,
        }
    }

    /// When `poll` has something to do.
    pub(crate) fn due(&self) -> Instant {
        self.next.min(self.deadline)
    }

    pub(crate) fn is_over(&self, now: Instant) -> bool {
        now >= self.deadline
    }

    /// The request to send now, if it is time.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<(SocketAddr, Vec<u8>)> {
        if now < self.next {
            return None;
        }
        self.next = now + self.wait;
        self.wait = (self.wait * 2).min(MAX_RETRY);
        let kind = MessageType::from_class_method(MessageClass::Request, BINDING);
        let request = Message::builder(kind, self.transaction, MessageWriteVec::new());
        Some((self.server, request.finish()))
    }

    /// Whether this datagram answers the question; then the answer is passed on.
    pub(crate) fn answer(&self, from: SocketAddr, inside: SocketAddr, datagram: &[u8]) -> bool {
        let Ok(message) = Message::from_bytes(datagram) else {
            return false;
        };
        if from != self.server
            || message.transaction_id() != self.transaction
            || !message.is_response()
        {
            return false;
        }
        if let Ok(mapped) = message.attribute::<XorMappedAddress>() {
            let outside = mapped.addr(message.transaction_id());
            let _ = self.reply.send(Reflexive { outside, inside });
        }
        true
    }
}

/// Addresses of the STUN servers in `servers`; other kinds are left out. Blocks for DNS at most until `deadline`.
pub(crate) fn resolve_servers(
    servers: &[IceServer],
    ipv6: bool,
    deadline: Instant,
) -> Vec<SocketAddr> {
    let names: Vec<(String, u16)> = servers
        .iter()
        .flat_map(|s| &s.urls)
        .filter_map(|url| stun_host(url))
        .take(MAX_SERVERS)
        .collect();
    if names.is_empty() {
        return Vec::new();
    }
    let (send, receive) = mpsc::channel();
    // The system's resolver has no deadline; a thread that outlives ours ends when the resolver gives up.
    for name in names.iter().cloned() {
        let send = send.clone();
        let lookup = move || {
            let _ = send.send(
                (name.0.as_str(), name.1)
                    .to_socket_addrs()
                    .map(Iterator::collect::<Vec<_>>),
            );
        };
        if std::thread::Builder::new()
            .name("stun-dns".into())
            .spawn(lookup)
            .is_err()
        {
            tracing::warn!("cannot start a thread to look up a STUN server");
        }
    }
    drop(send);
    let mut found: Vec<SocketAddr> = Vec::new();
    while let Ok(answer) = receive.recv_timeout(deadline.saturating_duration_since(Instant::now()))
    {
        let addresses = answer.unwrap_or_default();
        for v4 in [true, false] {
            let first = addresses.iter().find(|a| a.is_ipv4() == v4 && (v4 || ipv6));
            found.extend(first.filter(|a| !found.contains(a)));
        }
    }
    found
}

/// Host and port of a `stun:` URL without a transport.
fn stun_host(url: &str) -> Option<(String, u16)> {
    let rest = url.strip_prefix("stun:")?;
    if rest.contains('?') || rest.contains('/') {
        return None;
    }
    let (host, port) = match rest.strip_prefix('[') {
        Some(v6) => {
            let (host, after) = v6.split_once(']')?;
            (host, after.strip_prefix(':'))
        }
        None => match rest.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (rest, None),
        },
    };
    let port = port.map_or(Some(DEFAULT_PORT), |p| p.parse().ok())?;
    (!host.is_empty() && port != 0).then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use stun_proto::types::prelude::MessageWriteExt;

    use super::*;

    #[test]
    fn stun_urls_give_host_and_port_and_others_nothing() {
        assert_eq!(
            stun_host("stun:a.example"),
            Some(("a.example".into(), 3478))
        );
        assert_eq!(
            stun_host("stun:a.example:99"),
            Some(("a.example".into(), 99))
        );
        assert_eq!(
            stun_host("stun:[2001:db8::1]:99"),
            Some(("2001:db8::1".into(), 99))
        );
        assert_eq!(
            stun_host("stun:[2001:db8::1]"),
            Some(("2001:db8::1".into(), 3478))
        );
        for bad in [
            "turn:a",
            "stun:",
            "stun:a:0",
            "stun:a:x",
            "stun:a?transport=tcp",
            "stun:[::1",
            "https://a",
        ] {
            assert_eq!(stun_host(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_query_retries_until_its_deadline_and_takes_only_its_own_answer() {
        let (server, now): (SocketAddr, Instant) =
            ("192.0.2.1:3478".parse().unwrap(), Instant::now());
        let (send, receive) = mpsc::channel();
        let mut query = Query::new(server, now, now + Duration::from_secs(2), send);
        let (to, request) = query.poll(now).expect("first request");
        assert_eq!(to, server);
        assert!(query.poll(now).is_none());
        let (_, again) = query.poll(query.due()).expect("retry");
        assert_eq!(request, again, "a retry repeats the request");
        let inside = "10.0.0.1:5000".parse().unwrap();
        let outside: SocketAddr = "198.51.100.9:1234".parse().unwrap();
        let request = Message::from_bytes(&request).unwrap();
        let mut response = Message::builder_success(&request, MessageWriteVec::new());
        response
            .add_attribute(&XorMappedAddress::new(outside, request.transaction_id()))
            .unwrap();
        let response = response.finish();
        assert!(
            !query.answer("192.0.2.2:3478".parse().unwrap(), inside, &response),
            "wrong server"
        );
        assert!(query.answer(server, inside, &response));
        assert_eq!(receive.recv().unwrap(), Reflexive { outside, inside });
        assert!(query.is_over(now + Duration::from_secs(2)));
    }
}
