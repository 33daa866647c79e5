//! Workers that die without a word: noticed in seconds, although the network only falls silent.

mod support;

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use framewire::{Client, SessionError, Step, VideoFileSource, Workflow};
use framewire_transport::{Endpoint, EndpointConfig, PeerConfig};
use serde_json::{Value, json};
use support::gaps::{gaps_of, recovering};
use support::{GUARD, Worker, clip, config, options, read_request, respond};

/// A UDP path between client and worker that can be cut without either noticing.
struct Relay {
    to_client: SocketAddr,
    to_worker: SocketAddr,
    worker: Arc<Mutex<Option<SocketAddr>>>,
    cut: Arc<AtomicBool>,
}

impl Relay {
    fn new() -> Relay {
        let for_client = UdpSocket::bind("127.0.0.1:0").unwrap();
        let for_worker = UdpSocket::bind("127.0.0.1:0").unwrap();
        let relay = Relay {
            to_client: for_client.local_addr().unwrap(),
            to_worker: for_worker.local_addr().unwrap(),
            worker: Arc::default(),
            cut: Arc::default(),
        };
        let client = Arc::new(Mutex::new(None));
        let pass = |from: &UdpSocket,
                    learn: Arc<Mutex<Option<SocketAddr>>>,
                    to: &UdpSocket,
                    target: Arc<Mutex<_>>| {
            let (from, to, cut) = (
                from.try_clone().unwrap(),
                to.try_clone().unwrap(),
                relay.cut.clone(),
            );
            std::thread::spawn(move || {
                let mut buffer = [0; 65_536];
                while let Ok((len, sender)) = from.recv_from(&mut buffer) {
                    *learn.lock().unwrap() = Some(sender);
                    let target: Option<SocketAddr> = *target.lock().unwrap();
                    if let Some(target) = target.filter(|_| !cut.load(Ordering::Relaxed)) {
                        let _ = to.send_to(&buffer[..len], target);
                    }
                }
            });
        };
        pass(
            &for_client,
            client.clone(),
            &for_worker,
            relay.worker.clone(),
        );
        pass(&for_worker, Arc::default(), &for_client, client);
        relay
    }
}

/// The description with this address as its only candidate.
fn through(sdp: &str, address: SocketAddr) -> String {
    let (candidates, mut lines): (Vec<&str>, Vec<&str>) = sdp
        .lines()
        .partition(|line| line.starts_with("a=candidate:"));
    assert!(!candidates.is_empty());
    let at = lines
        .iter()
        .position(|line| line.starts_with("a=mid:"))
        .unwrap()
        + 1;
    let candidate = format!(
        "a=candidate:1 1 udp 2130706431 {} {} typ host",
        address.ip(),
        address.port()
    );
    lines.insert(at, &candidate);
    lines.join("\r\n") + "\r\n"
}

/// Answers the next session request, with every packet over the relay if there is one.
fn accept(listener: &TcpListener, relay: Option<&Relay>) -> Worker {
    loop {
        let (mut stream, _) = listener.accept().unwrap();
        let Some((head, body)) = read_request(&stream) else {
            continue;
        };
        if head.starts_with("GET ") {
            respond(&mut stream, 200, "{}");
            continue;
        }
        let body: Value = serde_json::from_slice(&body).unwrap();
        let mut offer = body["webrtc_offer"]["sdp"].as_str().unwrap().to_owned();
        let endpoint = Endpoint::bind(EndpointConfig::default()).unwrap();
        if let Some(relay) = relay {
            let port = endpoint.local_port();
            *relay.worker.lock().unwrap() = Some(SocketAddr::new([127, 0, 0, 1].into(), port));
            offer = through(&offer, relay.to_worker);
        }
        let (peer, mut answer) = endpoint.answer(&offer, PeerConfig::default()).unwrap();
        if let Some(relay) = relay {
            answer = through(&answer, relay.to_client);
        }
        let answer = json!({"type": "answer", "sdp": answer});
        respond(&mut stream, 200, &answer.to_string());
        return Worker::new(endpoint, peer);
    }
}

#[test]
fn a_worker_whose_port_refuses_is_gone_within_five_seconds_of_the_cause() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (died, death) = channel();
    let (over, wait_over) = channel::<()>();
    let script = std::thread::spawn(move || {
        let relay = Relay::new();
        let mut worker = accept(&listener, Some(&relay));
        worker.receive_file();
        worker.send_frame(1);
        worker.wait_ack(1);
        // The machine stays, the process dies: its port refuses, its packets stop, nobody says so.
        drop(listener);
        relay.cut.store(true, Ordering::Relaxed);
        died.send(Instant::now()).unwrap();
        wait_over.recv_timeout(GUARD).unwrap();
    });
    let source = VideoFileSource::new(clip().to_str().unwrap());
    let client = Client::new(&url).with_options(options());
    let session = client
        .stream(source, Workflow::inline(json!({})), config())
        .unwrap();
    let mut frames = session.frames();
    assert!(frames.next().unwrap().is_ok());
    let error = frames.next().unwrap().unwrap_err();
    assert!(matches!(
        error,
        SessionError::WorkerGone {
            step: Step::Streaming,
            ..
        }
    ));
    let took = death.recv().unwrap().elapsed();
    assert!(took < Duration::from_secs(5), "noticed after {took:?}");
    over.send(()).unwrap();
    script.join().unwrap();
}

/// Nothing refuses and nobody says goodbye: packets just stop.
#[test]
fn a_link_that_falls_silent_is_given_up_and_replaced_when_asked_for() {
    const LOST_AFTER: Duration = Duration::from_secs(4);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let script = std::thread::spawn(move || {
        let relay = Relay::new();
        let mut lost = accept(&listener, Some(&relay));
        lost.receive_file();
        (1..=5).for_each(|n| lost.send_frame(n));
        lost.wait_ack(5);
        relay.cut.store(true, Ordering::Relaxed);
        let mut worker = accept(&listener, None);
        worker.receive_file();
        (1..=10).for_each(|n| worker.send_frame(n));
        worker.complete(10);
        worker.linger();
    });
    let source = VideoFileSource::new(clip().to_str().unwrap());
    let mut options = recovering();
    options.lost_after = Some(LOST_AFTER);
    let client = Client::new(&url).with_options(options);
    let session = client
        .stream(source, Workflow::inline(json!({})), config())
        .unwrap();
    let gaps = gaps_of(&session);
    let ids: Vec<_> = session
        .frames()
        .map(|event| event.unwrap().frame_id().unwrap().0)
        .collect();
    assert_eq!(ids, (1..=10).collect::<Vec<_>>());
    session.close();
    script.join().unwrap();
    let gap = gaps.recv().unwrap();
    assert!(
        matches!(gap.cause, SessionError::Lost { .. }),
        "{:?}",
        gap.cause
    );
    assert!(
        gap.outage >= LOST_AFTER,
        "the silence before counts: {:?}",
        gap.outage
    );
}
