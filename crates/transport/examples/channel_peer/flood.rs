//! What the peer sends: messages without end, probes beside them, and messages whose bytes can be checked.
//! Each runs on a thread of its own, or ends at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bench_harness::{Command, Meter, Window, failed, stamp};
use bytes::Bytes;
use framewire_transport::{ChannelError, DataChannel, Peer};
use serde_json::{Value, json};

const PROBE_BYTES: usize = 200;
const PROBE_EVERY: Duration = Duration::from_millis(10);
/// How long a sender waits for room before it says so.
const PATIENCE: Duration = Duration::from_secs(60);

/// Messages without end on `channel`, and probes.
pub(crate) fn start(
    peer: Arc<Peer>,
    channel: DataChannel,
    probe: Option<DataChannel>,
    command: &Command,
) {
    let size = command.number("size").unwrap_or(49_160) as usize;
    let limit = command.number("limit").unwrap_or(256 * 1024) as usize;
    let window = Window::of(command);
    let meter = Meter::default();
    std::thread::spawn(move || {
        let message = Bytes::from(filled(size));
        loop {
            if channel.buffered_amount() + size > limit
                && let Err(error) = waited(&channel, limit / 2)
            {
                return failed(error);
            }
            if let Err(error) = channel.send(message.clone()) {
                return failed(error);
            }
            let peer = peer.clone();
            meter.add(size, window, "sent", move || figures(&peer));
        }
    });
    let Some(probe) = probe else { return };
    std::thread::spawn(move || {
        let begun = Instant::now();
        for number in 0.. {
            let due = begun + PROBE_EVERY * number;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let mut message = vec![7; PROBE_BYTES];
            stamp(&mut message);
            if let Err(error) = probe.send(message.into()) {
                return failed(error);
            }
        }
    });
}

/// What the sender found about the path.
fn figures(peer: &Peer) -> Value {
    let data = peer.stats().data;
    json!({
        "rate": data.rate,
        "rtt_ms": data.rtt.as_secs_f64() * 1e3,
        "min_rtt_ms": data.min_rtt.as_secs_f64() * 1e3,
        "packets": data.packets_sent,
        "retransmitted": data.retransmitted,
        "spurious": data.spurious,
        "timeouts": data.timeouts,
    })
}

/// So many messages that tell their index, waiting as an uploader does.
pub(crate) fn bulk(
    channel: DataChannel,
    command: &Command,
) -> Result<(), Box<dyn std::error::Error>> {
    let size = command.number("size").unwrap_or(49_160) as usize;
    let count = command.number("count").unwrap_or(1);
    std::thread::spawn(move || {
        for index in 0..count {
            let mut message = vec![index as u8; size];
            message[..4].copy_from_slice(&(index as u32).to_le_bytes());
            let sent = waited(&channel, 256 * 1024).map_err(|e| e.to_string());
            let sent = sent.and_then(|()| channel.send(message.into()).map_err(|e| e.to_string()));
            if let Err(error) = sent {
                return failed(error);
            }
        }
    });
    Ok(())
}

fn waited(channel: &DataChannel, limit: usize) -> Result<(), ChannelError> {
    channel.wait_buffered_at_most(limit, Instant::now() + PATIENCE)
}

/// Bytes that repeat after a prime, so that no packet looks like another.
pub(crate) fn filled(size: usize) -> Vec<u8> {
    (0..size).map(|i| (i % 251) as u8).collect()
}

/// Adler-32, which every engine's language has at hand or in three lines.
pub(crate) fn checksum(data: &[u8]) -> u32 {
    let (mut a, mut b) = (1u32, 0u32);
    for byte in data {
        a = (a + u32::from(*byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    b << 16 | a
}
