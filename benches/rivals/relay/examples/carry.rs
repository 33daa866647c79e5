//! What the relay can carry: sends datagrams of 1,200 bytes through it at a steady rate and counts what comes out.
//!
//! `cargo run --release -p bench-relay --example carry -- PATH_OF_RELAY [MB/s] [seconds]`

use std::io::{self, BufRead, BufReader, IoSliceMut, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSocketState};
use serde_json::Value;
use socket2::{Domain, Protocol, Socket, Type};

const DATAGRAM: usize = 1_200;
const TRAIN: usize = 40;
const SOCKET_BUFFER: usize = 4 << 20;

fn main() -> io::Result<()> {
    let mut args = std::env::args().skip(1);
    let relay = args.next().ok_or_else(|| io::Error::other("usage: carry PATH_OF_RELAY [MB/s] [seconds]"))?;
    let rate = args.next().and_then(|a| a.parse().ok()).unwrap_or(250.0) * 1e6;
    let seconds = args.next().and_then(|a| a.parse().ok()).unwrap_or(5.0);
    let mut child =
        Command::new(relay).args(["--delay-ms", "25"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut output = BufReader::new(child.stdout.take().ok_or_else(|| io::Error::other("no output"))?);
    let mut line = String::new();
    output.read_line(&mut line)?;
    let ready: Value = serde_json::from_str(&line)?;
    let port = |side: usize| ready["lanes"][0][side].as_u64().unwrap_or(0) as u16;
    let (sender, receiver) = (bound()?, bound()?);
    let to = SocketAddr::from((Ipv4Addr::LOCALHOST, port(0)));
    // The relay learns where to send from a word of the receiver.
    receiver.send_to(b"here", &SocketAddr::from((Ipv4Addr::LOCALHOST, port(1))).into())?;
    let counting = std::thread::spawn(move || count(&receiver));
    let state = UdpSocketState::new((&sender).into())?;
    let train = [7; DATAGRAM * TRAIN];
    let begun = Instant::now();
    let mut sent = 0u64;
    while begun.elapsed().as_secs_f64() < seconds {
        let transmit =
            Transmit { destination: to, ecn: None, contents: &train, segment_size: Some(DATAGRAM), src_ip: None };
        state.send((&sender).into(), &transmit)?;
        sent += train.len() as u64;
        let due = begun + Duration::from_secs_f64(sent as f64 / rate);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    let received = counting.join().map_err(|_| io::Error::other("the counter panicked"))??;
    println!("sent {:.0} MB/s, received {} of {sent} bytes", sent as f64 / 1e6 / seconds, received);
    drop(child.stdin.take());
    let mut report = String::new();
    output.read_to_string(&mut report)?;
    print!("{report}");
    child.wait()?;
    Ok(())
}

/// Bytes that came until nothing comes any more.
fn count(socket: &Socket) -> io::Result<u64> {
    socket.set_read_timeout(Some(Duration::from_millis(500)))?;
    let state = UdpSocketState::new(socket.into())?;
    socket.set_nonblocking(false)?;
    let mut buffers = vec![vec![0; 64 * 1024]; BATCH_SIZE];
    let mut received = 0;
    loop {
        let mut slices: Vec<IoSliceMut<'_>> = buffers.iter_mut().map(|b| IoSliceMut::new(b)).collect();
        let mut metas = [RecvMeta::default(); BATCH_SIZE];
        match state.recv(socket.into(), &mut slices, &mut metas) {
            Ok(count) => received += metas[..count].iter().map(|m| m.len as u64).sum::<u64>(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(received),
            Err(error) => return Err(error),
        }
    }
}

fn bound() -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
    socket.set_recv_buffer_size(SOCKET_BUFFER)?;
    socket.set_send_buffer_size(SOCKET_BUFFER)?;
    Ok(socket)
}
