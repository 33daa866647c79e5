//! Asking STUN servers for our outside address: the messages, the retries and the end of it.
//! It neither sends nor receives; the driver does, through the one socket of the endpoint.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use stun_proto::types::attribute::XorMappedAddress;
use stun_proto::types::message::{
    BINDING, Message, MessageClass, MessageType, MessageWriteVec, TransactionId,
};
use stun_proto::types::prelude::MessageWrite;

/// First wait for an answer; doubled each time.
const FIRST_RETRY: Duration = Duration::from_millis(200);
const MAX_RETRY: Duration = Duration::from_millis(800);

/// What a server said: our address outside, and the one it was sent from inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reflexive {
    pub(crate) outside: SocketAddr,
    pub(crate) inside: SocketAddr,
}

/// Called with the answer.
pub(crate) type Reply = Box<dyn Fn(Reflexive) + Send>;

/// One question to one server.
pub(crate) struct Query {
    server: SocketAddr,
    transaction: TransactionId,
    next: Instant,
    wait: Duration,
    deadline: Instant,
    reply: Reply,
}

impl Query {
    pub(crate) fn new(server: SocketAddr, now: Instant, deadline: Instant, reply: Reply) -> Query {
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
            (self.reply)(Reflexive { outside, inside });
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use stun_proto::types::prelude::MessageWriteExt;

    use super::*;

    #[test]
    fn a_query_retries_until_its_deadline_and_takes_only_its_own_answer() {
        let (server, now): (SocketAddr, Instant) =
            ("192.0.2.1:3478".parse().unwrap(), Instant::now());
        let (send, receive) = mpsc::channel();
        let mut query = Query::new(
            server,
            now,
            now + Duration::from_secs(2),
            Box::new(move |found| send.send(found).unwrap()),
        );
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
