//! A NAT that forgets a session in its middle, with real sockets: a relay on loopback that changes its outer socket.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use framewire_transport::{Endpoint, Peer, PeerConfig};

use crate::loopback::{local, message, open, soon};
use crate::net::{SECOND, numbered};

const SIZE: usize = 20_000;
const COUNT: usize = 150;

/// Stands between two endpoints: the one behind it knows only `inside`, the other only what `outside` is at the time.
struct Nat {
    inside: SocketAddr,
    outside: Arc<Mutex<UdpSocket>>,
    over: Arc<AtomicBool>,
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("bind");
    let patience = Duration::from_millis(20);
    socket.set_read_timeout(Some(patience)).expect("timeout");
    socket
}

impl Nat {
    /// `client` and `server` are the ports of the two endpoints.
    fn start(client: u16, server: u16) -> Nat {
        let (inner, outer) = (socket(), socket());
        let nat = Nat {
            inside: inner.local_addr().expect("address"),
            outside: Arc::new(Mutex::new(outer)),
            over: Arc::default(),
        };
        let inner = Arc::new(inner);
        let (inward, outside, over) = (inner.clone(), nat.outside.clone(), nat.over.clone());
        std::thread::spawn(move || {
            let mut room = [0; 65_536];
            while !over.load(Ordering::Relaxed) {
                let socket = outside.lock().expect("lock").try_clone().expect("clone");
                if let Ok(len) = socket.recv(&mut room) {
                    let _ = inward.send_to(&room[..len], ("127.0.0.1", client));
                }
            }
        });
        let (outside, over) = (nat.outside.clone(), nat.over.clone());
        std::thread::spawn(move || {
            let mut room = [0; 65_536];
            while !over.load(Ordering::Relaxed) {
                if let Ok(len) = inner.recv(&mut room) {
                    let socket = outside.lock().expect("lock");
                    let _ = socket.send_to(&room[..len], ("127.0.0.1", server));
                }
            }
        });
        nat
    }

    fn outside(&self) -> SocketAddr {
        let socket = self.outside.lock().expect("lock");
        socket.local_addr().expect("address")
    }

    /// From now on everything leaves from another port, and what is sent to the old one is refused.
    fn forget(&self) {
        *self.outside.lock().expect("lock") = socket();
    }
}

impl Drop for Nat {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// The description with one candidate in place of all others.
fn only(sdp: &str, address: SocketAddr) -> String {
    let mut out = String::new();
    for line in sdp.lines().filter(|l| !l.starts_with("a=candidate:")) {
        if line.starts_with("a=end-of-candidates") {
            let (ip, port) = (address.ip(), address.port());
            out += &format!("a=candidate:1 1 UDP 2130706431 {ip} {port} typ host\r\n");
        }
        out += line;
        out += "\r\n";
    }
    out
}

/// Numbered messages from `from`, while `at` is told how far they are.
fn stream(from: &Peer, to: &Peer, mut at: impl FnMut(usize)) {
    let channel = from.channel("inference").expect("known");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for index in 0..COUNT {
                channel
                    .wait_buffered_at_most(4 * SIZE, soon())
                    .expect("drains");
                channel.send(numbered(index, SIZE)).expect("queued");
            }
        });
        let mut last = Instant::now();
        for index in 0..COUNT {
            assert_eq!(message(to), numbered(index, SIZE), "message {index}");
            assert!(
                last.elapsed() < 8 * SECOND,
                "{:?} without data",
                last.elapsed()
            );
            last = Instant::now();
            at(index);
        }
    });
}

fn survives(client_offers: bool) {
    let config = || local().with_ipv6(false).with_interface("lo");
    let client = Endpoint::bind(config()).expect("bind");
    let server = Endpoint::bind(config()).expect("bind");
    let nat = Nat::start(client.local_port(), server.local_port());
    let with = PeerConfig::default().with_channel("inference");
    // What one says is changed so that the other knows only the NAT.
    let (behind, open_side) = if client_offers {
        let offer = client.offer(with).expect("offer");
        let seen = only(offer.sdp(), nat.outside());
        let (theirs, answer) = server.answer(&seen, PeerConfig::default()).expect("answer");
        let answer = only(&answer, nat.inside);
        (offer.accept_answer(&answer).expect("accept"), theirs)
    } else {
        let offer = server.offer(with).expect("offer");
        let seen = only(offer.sdp(), nat.inside);
        let (theirs, answer) = client.answer(&seen, PeerConfig::default()).expect("answer");
        let answer = only(&answer, nat.outside());
        let ours = offer.accept_answer(&answer).expect("accept");
        (theirs, ours)
    };
    open(&behind, "inference");
    open(&open_side, "inference");
    let first = nat.outside();
    assert_eq!(open_side.stats().remote, Some(first));
    for (from, to) in [(&open_side, &behind), (&behind, &open_side)] {
        stream(from, to, |index| {
            if index == COUNT / 3 {
                nat.forget();
            }
        });
    }
    assert_ne!(nat.outside(), first);
    // The way back follows the new address as soon as something is sent there.
    stream(&open_side, &behind, |_| {});
    assert_eq!(open_side.stats().remote, Some(nat.outside()));
}

#[test]
fn a_session_goes_on_when_a_nat_forgets_the_offerer() {
    survives(true);
}

#[test]
fn a_session_goes_on_when_a_nat_forgets_the_answerer() {
    survives(false);
}
