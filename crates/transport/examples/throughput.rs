//! Measures one data channel over loopback between two processes: MB/s and CPU seconds per GB of each side.
//! Not a benchmark harness: it runs once and prints one line a side.
//!
//! `cargo run --release -p framewire-transport --example throughput -- [megabytes] [message bytes] [plain] [rate=MB/s]`

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use framewire_transport::{DataConfig, Endpoint, EndpointConfig, Peer, PeerConfig, PeerEvent};
use rustix::time::{ClockId, clock_gettime};

/// The original uploader's limit.
const LIMIT: usize = 256 * 1024;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let megabytes: u64 = args.first().and_then(|a| a.parse().ok()).unwrap_or(300);
    let message: usize = args.get(1).and_then(|a| a.parse().ok()).unwrap_or(49_160);
    let plain = args.iter().any(|a| a == "plain");
    let total = (megabytes * 1_000_000).div_ceil(message as u64) * message as u64;
    if args.last().is_some_and(|a| a == "receive") {
        receive(total, plain)
    } else {
        send(&args, total, message, plain)
    }
}

fn endpoint(plain: bool) -> Result<Endpoint> {
    Ok(Endpoint::bind(
        EndpointConfig::default().with_segmentation(!plain),
    )?)
}

fn send(args: &[String], total: u64, message: usize, plain: bool) -> Result<()> {
    let padded = [
        args.first().map_or("300", |a| a),
        args.get(1).map_or("49160", |a| a),
    ];
    let mut child = Command::new(std::env::current_exe()?)
        .args(padded)
        .args(plain.then_some("plain"))
        .arg("receive")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let endpoint = endpoint(plain)?;
    let mut data = DataConfig::default();
    let rate = args.iter().find_map(|a| a.strip_prefix("rate="));
    if let Some(rate) = rate {
        data = data.with_max_rate(rate.parse::<u64>()? * 1_000_000);
    }
    let config = PeerConfig::default().with_channel("inference");
    let offer = endpoint.offer(config.with_data(data))?;
    let mut input = child.stdin.take().ok_or("no stdin")?;
    let mut output = BufReader::new(child.stdout.take().ok_or("no stdout")?);
    put(&mut input, offer.sdp())?;
    let asked = Instant::now();
    let peer = offer.accept_answer(&get(&mut output)?)?;
    let channel = loop {
        match next(&peer)? {
            PeerEvent::ChannelOpen(channel) => break channel,
            PeerEvent::Closed(reason) => return Err(reason.to_string().into()),
            _ => {}
        }
    };
    println!("connected and open after {:.1?}", asked.elapsed());
    let payload = Bytes::from(vec![7u8; message]);
    let (started, cpu) = (Instant::now(), cpu());
    let mut sent = 0;
    while sent < total {
        channel.wait_buffered_at_most(LIMIT, Instant::now() + Duration::from_secs(10))?;
        channel.send(payload.clone())?;
        sent += message as u64;
    }
    loop {
        match next(&peer)? {
            PeerEvent::Message { text: true, .. } => break,
            PeerEvent::Closed(reason) => return Err(reason.to_string().into()),
            _ => {}
        }
    }
    report("send", total, started, cpu);
    println!("  {:?}\n  {:?}", endpoint.stats(), peer.stats());
    peer.close(Duration::from_secs(1));
    let mut rest = String::new();
    output.read_to_string(&mut rest)?;
    print!("{rest}");
    child.wait()?;
    Ok(())
}

fn receive(total: u64, plain: bool) -> Result<()> {
    let endpoint = endpoint(plain)?;
    let (mut input, mut output) = (BufReader::new(std::io::stdin()), std::io::stdout());
    let (peer, answer) = endpoint.answer(&get(&mut input)?, PeerConfig::default())?;
    put(&mut output, &answer)?;
    let mut started = None;
    let mut got = 0;
    loop {
        match next(&peer)? {
            PeerEvent::Message { data, .. } => {
                let start = *started.get_or_insert_with(|| (Instant::now(), cpu()));
                got += data.len() as u64;
                if got == total {
                    report("receive", total, start.0, start.1);
                    println!("  {:?}\n  {:?}", endpoint.stats(), peer.stats());
                    peer.channel("inference")
                        .ok_or("no channel")?
                        .send_text("done".into())?;
                }
            }
            PeerEvent::Closed(_) => return Ok(()),
            _ => {}
        }
    }
}

fn next(peer: &Peer) -> Result<PeerEvent> {
    Ok(peer
        .events()
        .recv_deadline(Instant::now() + Duration::from_secs(30))?)
}

fn report(side: &str, total: u64, started: Instant, cpu_before: f64) {
    let seconds = started.elapsed().as_secs_f64();
    let gigabytes = total as f64 / 1e9;
    let used = cpu() - cpu_before;
    println!(
        "{side:8} {:7.1} MB/s  {:5.2} CPU s/GB",
        total as f64 / 1e6 / seconds,
        used / gigabytes
    );
}

fn cpu() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn put(out: &mut impl Write, sdp: &str) -> Result<()> {
    writeln!(out, "{}", sdp.replace("\r\n", "|"))?;
    Ok(out.flush()?)
}

fn get(input: &mut impl BufRead) -> Result<String> {
    let mut line = String::new();
    input.read_line(&mut line)?;
    Ok(line.trim_end().replace('|', "\r\n"))
}
