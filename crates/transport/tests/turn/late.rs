//! A TURN server whose answers come when nobody waits for them any more.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use framewire_transport::{Endpoint, EndpointConfig, PeerConfig};

use crate::server::{Server, known};

const PATIENCE: Duration = Duration::from_secs(20);
const ALLOCATED: [u8; 2] = [0x01, 0x03];
const REFRESHED: [u8; 2] = [0x01, 0x04];

/// Keeps what a server says until it is let through.
struct Slow {
    url: String,
    let_through: Arc<AtomicBool>,
    kept: Arc<Mutex<Vec<Vec<u8>>>>,
    front: Arc<UdpSocket>,
    client: Arc<Mutex<Option<SocketAddr>>>,
    /// Types of the messages that were let through.
    said: Receiver<[u8; 2]>,
}

impl Slow {
    fn before(server: &Server) -> Slow {
        let bind = || Arc::new(UdpSocket::bind("127.0.0.1:0").expect("bind"));
        let (front, back) = (bind(), bind());
        let url = server.udp();
        back.connect(url.trim_start_matches("turn:"))
            .expect("connect");
        let (say, said) = channel();
        let slow = Slow {
            url: format!("turn:{}", front.local_addr().expect("address")),
            let_through: Arc::default(),
            kept: Arc::default(),
            front: front.clone(),
            client: Arc::default(),
            said,
        };
        let (inward, client) = (back.clone(), slow.client.clone());
        let from_client = front.clone();
        std::thread::spawn(move || {
            let mut room = [0; 2048];
            while let Ok((len, from)) = from_client.recv_from(&mut room) {
                *client.lock().expect("lock") = Some(from);
                let _ = inward.send(&room[..len]);
            }
        });
        let (open, kept, client) = (
            slow.let_through.clone(),
            slow.kept.clone(),
            slow.client.clone(),
        );
        std::thread::spawn(move || {
            let mut room = [0; 2048];
            while let Ok(len) = back.recv(&mut room) {
                let mut kept = kept.lock().expect("lock");
                let client = *client.lock().expect("lock");
                match client.filter(|_| open.load(Ordering::Relaxed)) {
                    Some(client) => {
                        let _ = front.send_to(&room[..len], client);
                        let _ = say.send([room[0], room[1]]);
                    }
                    None => kept.push(room[..len].to_vec()),
                }
            }
        });
        slow
    }

    fn let_through(&self) {
        let mut kept = self.kept.lock().expect("lock");
        self.let_through.store(true, Ordering::Relaxed);
        let client = self.client.lock().expect("lock").expect("the client asked");
        for message in kept.drain(..) {
            let _ = self.front.send_to(&message, client);
        }
    }

    fn wait_for(&self, kind: [u8; 2]) {
        while self.said.recv_timeout(PATIENCE).expect("in time") != kind {}
    }
}

#[test]
fn an_allocation_that_comes_too_late_is_given_back() {
    let server = Server::start();
    let slow = Slow::before(&server);
    let endpoint = Endpoint::bind(EndpointConfig::default()).expect("bind");
    let config = PeerConfig::default()
        .with_channel("inference")
        .with_ice_servers(known(vec![slow.url.clone()]))
        .with_gather_timeout(Duration::from_millis(300));
    let offer = endpoint.offer(config).expect("other addresses are enough");
    assert!(!offer.sdp().contains("typ relay"));
    assert!(offer.gathering().servers[0].outcome.is_err());
    slow.let_through();
    slow.wait_for(ALLOCATED);
    slow.wait_for(REFRESHED);
}
