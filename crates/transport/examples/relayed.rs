//! Measures a data channel through a TURN server: time to allocate, time to connect, MB/s.
//! Not a benchmark harness: both ends are in this process, and it prints one line a run.
//!
//! `cargo run --release -p framewire-transport --example relayed -- <turn URL> <user> <password> [megabytes] [runs] [both]`

use std::error::Error;
use std::time::{Duration, Instant};

use bytes::Bytes;
use framewire_transport::{Endpoint, EndpointConfig, IceServer, Peer, PeerConfig, PeerEvent};

/// The original uploader's limit and size.
const LIMIT: usize = 256 * 1024;
const MESSAGE: usize = 49_160;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [url, user, password, rest @ ..] = args.as_slice() else {
        return Err("usage: relayed <turn URL> <user> <password> [megabytes] [runs] [both]".into());
    };
    let number = |index: usize| rest.get(index).and_then(|a| a.parse::<usize>().ok());
    let (megabytes, runs) = (number(0).unwrap_or(50), number(1).unwrap_or(7));
    let server = IceServer::new(vec![url.clone()])
        .with_credentials(Some(user.clone()), Some(password.clone()));
    let relayed = PeerConfig::default()
        .with_ice_servers(vec![server])
        .with_relay_only(true);
    let theirs = if rest.iter().any(|a| a == "both") {
        relayed.clone()
    } else {
        PeerConfig::default()
    };
    for _ in 0..runs {
        run(&relayed, &theirs, megabytes * 1_000_000 / MESSAGE)?;
    }
    Ok(())
}

fn run(ours: &PeerConfig, theirs: &PeerConfig, messages: usize) -> Result<()> {
    let (client, server) = (
        Endpoint::bind(EndpointConfig::default())?,
        Endpoint::bind(EndpointConfig::default())?,
    );
    let offer = client.offer(ours.clone().with_channel("inference"))?;
    let server_report = offer.gathering().servers.first().ok_or("no report")?;
    let given = server_report.outcome.clone()?;
    let allocated = given.first().ok_or("no address")?.took;
    let (theirs, answer) = server.answer(offer.sdp(), theirs.clone())?;
    let answered = Instant::now();
    let ours = offer.accept_answer(&answer)?;
    let channel = loop {
        if let PeerEvent::ChannelOpen(channel) = next(&ours)? {
            break channel;
        }
    };
    let connected = answered.elapsed();
    let payload = Bytes::from(vec![7; MESSAGE]);
    let started = Instant::now();
    std::thread::scope(|scope| -> Result<()> {
        let receiving = scope.spawn(|| {
            let mut got = 0;
            while got < messages {
                let deadline = Instant::now() + Duration::from_secs(30);
                match theirs.events().recv_deadline(deadline) {
                    Ok(PeerEvent::Message { .. }) => got += 1,
                    Ok(PeerEvent::Closed(_)) | Err(_) => break,
                    Ok(_) => {}
                }
            }
            got
        });
        for _ in 0..messages {
            channel.wait_buffered_at_most(LIMIT, Instant::now() + Duration::from_secs(30))?;
            channel.send(payload.clone())?;
        }
        let got = receiving.join().map_err(|_| "the receiver panicked")?;
        (got == messages)
            .then_some(())
            .ok_or_else(|| format!("{got} of {messages} messages arrived").into())
    })?;
    let rate = (messages * MESSAGE) as f64 / 1e6 / started.elapsed().as_secs_f64();
    println!("allocated {allocated:6.1?}  connected {connected:6.1?}  {rate:6.1} MB/s");
    Ok(())
}

fn next(peer: &Peer) -> Result<PeerEvent> {
    let event = peer
        .events()
        .recv_deadline(Instant::now() + Duration::from_secs(30))?;
    match event {
        PeerEvent::Closed(reason) => Err(reason.to_string().into()),
        event => Ok(event),
    }
}
