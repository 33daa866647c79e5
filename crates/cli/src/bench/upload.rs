//! A file through the upload framing and channel between two processes over loopback.
//! Not here: signalling over HTTP; the two ends exchange their descriptions over one TCP line.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use framewire::datachannel::{DEFAULT_BUFFER_LIMIT, DEFAULT_CHUNK_SIZE, VideoFileUploader};
use framewire_protocol::upload::{UploadAction, UploadGather, UploadLimits, UploadReceiver};
use framewire_transport::{Endpoint, EndpointConfig, PeerConfig, PeerEvent};
use framewire_worker::__write_batch;
use serde::{Deserialize, Serialize};

use super::report;
use crate::usage;
use crate::values::Peer;

/// No run takes longer; a hang ends here.
const DEADLINE: Duration = Duration::from_secs(300);

/// What the receiving end measured, from the first chunk to the last.
#[derive(Debug, Serialize, Deserialize)]
struct Received {
    bytes: u64,
    cpu_seconds: f64,
    rss_mb: f64,
}

/// A session description on the line.
#[derive(Debug, Serialize, Deserialize)]
struct Description {
    sdp: String,
}

pub(crate) fn run(megabytes: u64, n: u32, peer: Option<Peer>) -> anyhow::Result<()> {
    match peer {
        Some(Peer::Listen(addr)) => {
            let listener =
                TcpListener::bind(addr).with_context(|| format!("cannot listen on {addr}"))?;
            println!("listening on {}", listener.local_addr()?);
            loop {
                receive(listener.accept()?.0)?;
            }
        }
        Some(Peer::Connect(addr)) => send_runs(addr, megabytes, n),
        None => {
            let mut child = Command::new(std::env::current_exe()?)
                .args(["bench", "upload", "--peer", "listen:127.0.0.1:0"])
                .stdout(Stdio::piped())
                .spawn()
                .context("cannot start the receiving process")?;
            let mut line = String::new();
            let stdout = child
                .stdout
                .take()
                .context("the receiving process has no output")?;
            BufReader::new(stdout).read_line(&mut line)?;
            let outcome = match line.trim().strip_prefix("listening on ").map(str::parse) {
                Some(Ok(addr)) => send_runs(addr, megabytes, n),
                _ => Err(anyhow::anyhow!(
                    "the receiving process did not start: {line:?}"
                )),
            };
            // It serves for ever; whether it is still there is of no interest any more.
            let _ = child.kill();
            let _ = child.wait();
            outcome
        }
    }
}

fn send_runs(addr: SocketAddr, megabytes: u64, n: u32) -> anyhow::Result<()> {
    let mut file = tempfile::NamedTempFile::new().context("cannot make the file to send")?;
    let block: Vec<u8> = (0..1_000_000u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 11) as u8)
        .collect();
    for _ in 0..megabytes {
        file.write_all(&block)
            .context("cannot make the file to send")?;
    }
    let (mut rates, mut near, mut far, mut near_rss, mut far_rss) =
        (vec![], vec![], vec![], vec![], vec![]);
    for _ in 0..n {
        let (seconds, cpu, received) = send(addr, file.path(), megabytes * 1_000_000)?;
        let gigabytes = megabytes as f64 / 1e3;
        rates.push(megabytes as f64 / seconds);
        near.push(cpu / gigabytes);
        far.push(received.cpu_seconds / gigabytes);
        near_rss.push(usage::max_rss_mb());
        far_rss.push(received.rss_mb);
    }
    report::print("upload", "rate", "MB/s", &rates);
    report::print("upload", "sender_cpu_s_per_gb", "s/GB", &near);
    report::print("upload", "receiver_cpu_s_per_gb", "s/GB", &far);
    report::print("upload", "sender_rss_mb", "MiB", &near_rss);
    report::print("upload", "receiver_rss_mb", "MiB", &far_rss);
    Ok(())
}

/// Seconds and CPU seconds from the first chunk until the other end has all of them, and what it measured.
fn send(addr: SocketAddr, file: &Path, size: u64) -> anyhow::Result<(f64, f64, Received)> {
    let mut line =
        Line::new(TcpStream::connect(addr).with_context(|| format!("cannot reach {addr}"))?)?;
    let endpoint = Endpoint::bind(EndpointConfig::default())?;
    let offer = endpoint.offer(PeerConfig::default().with_channel("video_upload"))?;
    line.put(&Description {
        sdp: offer.sdp().to_owned(),
    })?;
    let answer: Description = line.get()?;
    let peer = offer.accept_answer(&answer.sdp)?;
    let channel = loop {
        match peer.events().recv_deadline(Instant::now() + DEADLINE)? {
            PeerEvent::ChannelOpen(channel) => break channel,
            PeerEvent::Closed(reason) => bail!("the connection ended before the upload: {reason}"),
            _ => {}
        }
    };
    let (start, cpu) = (Instant::now(), usage::cpu_seconds());
    let mut uploader =
        VideoFileUploader::new(file, channel, DEFAULT_CHUNK_SIZE, DEFAULT_BUFFER_LIMIT)?;
    uploader.upload_blocking(|_, _| {}, DEADLINE)?;
    let received: Received = line.get()?;
    let (seconds, cpu) = (start.elapsed().as_secs_f64(), usage::cpu_seconds() - cpu);
    ensure!(
        received.bytes == size,
        "{} of {size} bytes arrived",
        received.bytes
    );
    peer.close(Duration::ZERO);
    Ok((seconds, cpu, received))
}

/// Takes one upload and writes it to disk as it arrives, as the worker does.
fn receive(stream: TcpStream) -> anyhow::Result<()> {
    let mut line = Line::new(stream)?;
    let offer: Description = line.get()?;
    let endpoint = Endpoint::bind(EndpointConfig::default())?;
    let (peer, sdp) = endpoint.answer(&offer.sdp, PeerConfig::default())?;
    line.put(&Description { sdp })?;
    let file = tempfile::tempfile()?;
    let mut receiver = UploadReceiver::new(UploadLimits::new(u64::MAX));
    let mut gather = UploadGather::new();
    let mut cpu = None;
    while !receiver.is_complete() {
        match peer.events().recv_deadline(Instant::now() + DEADLINE)? {
            PeerEvent::Message { data, .. } => {
                cpu.get_or_insert_with(usage::cpu_seconds);
                if let UploadAction::Store { write, held, .. } = receiver.handle(data)? {
                    for write in [Some(write), held].into_iter().flatten() {
                        if let Some(batch) = gather.add(write) {
                            __write_batch(&file, &batch)?;
                        }
                    }
                }
            }
            PeerEvent::Closed(reason) => bail!("the connection ended during the upload: {reason}"),
            _ => {}
        }
    }
    if let Some(batch) = gather.take() {
        __write_batch(&file, &batch)?;
    }
    let cpu_seconds = usage::cpu_seconds() - cpu.unwrap_or_default();
    line.put(&Received {
        bytes: file.metadata()?.len(),
        cpu_seconds,
        rss_mb: usage::max_rss_mb(),
    })?;
    // The sender closes first.
    while peer
        .events()
        .recv_deadline(Instant::now() + DEADLINE)
        .is_ok()
    {}
    Ok(())
}

/// One JSON value a line over TCP.
struct Line {
    reader: BufReader<TcpStream>,
}

impl Line {
    fn new(stream: TcpStream) -> anyhow::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        Ok(Self {
            reader: BufReader::new(stream),
        })
    }

    fn put(&mut self, value: &impl Serialize) -> anyhow::Result<()> {
        let mut text = serde_json::to_string(value)?;
        text.push('\n');
        self.reader.get_mut().write_all(text.as_bytes())?;
        Ok(())
    }

    fn get<T: for<'a> Deserialize<'a>>(&mut self) -> anyhow::Result<T> {
        let mut text = String::new();
        self.reader.read_line(&mut text)?;
        serde_json::from_str(&text).context("the other end ended without an answer")
    }
}
