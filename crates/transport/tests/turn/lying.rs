//! A TURN server that claims addresses which belong to somebody else.

use std::net::{SocketAddr, UdpSocket};

use framewire_transport::{Endpoint, EndpointConfig, IceServer, Peer, PeerConfig};
use stun_proto::types::attribute::{ErrorCode, MessageIntegrity, Nonce, Realm};
use stun_proto::types::message::{
    BINDING, IntegrityAlgorithm, IntegrityKey, LongTermKeyCredentials, Message, MessageClass,
    MessageWriteVec,
};
use stun_proto::types::prelude::{MessageWrite, MessageWriteExt};
use turn_client_proto::types::attribute::{Lifetime, XorRelayedAddress};
use turn_client_proto::types::message::ALLOCATE;

use crate::server::known;
use crate::sessions::{SECOND, endpoint, kinds, message, numbered, open, soon};

/// A server that gives everybody the same address, agrees to everything and relays nothing.
fn lying(claimed: SocketAddr) -> Vec<IceServer> {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("bind");
    let url = format!("turn:{}", socket.local_addr().expect("address"));
    let [user, pass, realm] = ["user", "pass", "realm"].map(str::to_owned);
    let key = LongTermKeyCredentials::new(user, pass, realm).make_key(IntegrityAlgorithm::Sha1);
    // Ends with the process.
    std::thread::spawn(move || {
        let mut room = [0; 2048];
        while let Ok((len, from)) = socket.recv_from(&mut room) {
            if let Ok(request) = Message::from_bytes(&room[..len])
                && let Some(answer) = answer(&request, claimed, &key)
            {
                let _ = socket.send_to(&answer, from);
            }
        }
    });
    known(vec![url])
}

fn answer(request: &Message<'_>, claimed: SocketAddr, key: &IntegrityKey) -> Option<Vec<u8>> {
    if !request.has_class(MessageClass::Request) || request.has_method(BINDING) {
        return None;
    }
    if request.attribute::<MessageIntegrity>().is_err() {
        let mut refusal = Message::builder_error(request, MessageWriteVec::new());
        let code = ErrorCode::new(401, "who are you").expect("short");
        let (realm, nonce) = (Realm::new("realm"), Nonce::new("nonce"));
        refusal.add_attribute(&code).expect("room");
        refusal.add_attribute(&realm.expect("short")).expect("room");
        refusal.add_attribute(&nonce.expect("short")).expect("room");
        return Some(refusal.finish());
    }
    let mut success = Message::builder_success(request, MessageWriteVec::new());
    if request.has_method(ALLOCATE) {
        let relayed = XorRelayedAddress::new(claimed, request.transaction_id());
        success.add_attribute(&relayed).expect("room");
    }
    success.add_attribute(&Lifetime::new(600)).expect("room");
    let signed = success.add_message_integrity_with_key(key, IntegrityAlgorithm::Sha1);
    signed.expect("room");
    Some(success.finish())
}

/// A session between two endpoints; the answering one asks these servers.
fn session(client: &Endpoint, worker: &Endpoint, servers: Vec<IceServer>) -> (Peer, Peer, String) {
    let usual = PeerConfig::default();
    let offer = client
        .offer(usual.clone().with_channel("inference"))
        .expect("offer");
    let (theirs, answer) = worker
        .answer(offer.sdp(), usual.with_ice_servers(servers))
        .expect("answer");
    let ours = offer.accept_answer(&answer).expect("accept");
    (ours, theirs, answer)
}

#[test]
fn an_address_that_cannot_be_relayed_is_refused_and_the_report_says_so() {
    let worker = endpoint();
    for claimed in [
        "0.0.0.0:4000",
        "192.0.2.1:0",
        "224.0.0.1:4000",
        "255.255.255.255:4000",
    ] {
        let servers = lying(claimed.parse().expect("address"));
        let (_ours, theirs, answer) = session(&endpoint(), &worker, servers);
        let outcome = theirs.gathering().servers[0].outcome.clone();
        let error = outcome.expect_err("refused").to_string();
        assert!(error.contains(claimed), "{error}");
        assert!(!kinds(&answer).contains(&"relay"), "{answer}");
    }
    for own in worker.local_addresses() {
        let (ours, theirs, answer) = session(&endpoint(), &worker, lying(own));
        assert!(!kinds(&answer).contains(&"relay"), "{answer}");
        open(&ours, "inference")
            .send_text("hello".into())
            .expect("open");
        assert_eq!(message(&theirs), "hello");
    }
}

#[test]
fn an_address_of_another_peer_costs_that_peer_nothing() {
    const COUNT: usize = 200;
    const SIZE: usize = 20_000;
    let worker = endpoint();
    // The servers are asked for IPv4.
    let client = Endpoint::bind(EndpointConfig::default().with_ipv6(false)).expect("bind");
    let (honest, theirs, _) = session(&client, &worker, Vec::new());
    open(&honest, "inference")
        .send_text("ready".into())
        .expect("open");
    assert_eq!(message(&theirs), "ready");
    let address = theirs.stats().remote.expect("a path");
    // While data flows, another session's server says that the honest peer's address is that session's.
    let channel = theirs.channel("inference").expect("known");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for index in 0..COUNT {
                channel
                    .wait_buffered_at_most(4 * SIZE, soon())
                    .expect("drains");
                channel.send(numbered(index, SIZE)).expect("queued");
            }
        });
        let mut others = Vec::new();
        for index in 0..COUNT {
            if index % 50 == 10 {
                let other = session(&endpoint(), &worker, lying(address));
                assert!(kinds(&other.2).contains(&"relay"), "{}", other.2);
                others.push(other);
            }
            assert_eq!(message(&honest), numbered(index, SIZE), "message {index}");
        }
        for (ours, theirs, _) in &others {
            open(ours, "inference")
                .send_text("hello".into())
                .expect("open");
            assert_eq!(message(theirs), "hello", "its other addresses are as good");
        }
    });
    assert_eq!(honest.stats().stalls + theirs.stats().stalls, 0);
    assert_eq!(theirs.stats().remote, Some(address));
    honest.close(SECOND);
}
