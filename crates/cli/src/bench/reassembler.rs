//! The reassembler alone: whole bodies through `add_chunk`, on one thread.
//! Not here: JSON and pictures; the bodies are noise.

use std::hint::black_box;
use std::time::Instant;

use anyhow::ensure;
use bytes::Bytes;
use framewire_protocol::FrameId;
use framewire_protocol::chunk::{CHUNK_SIZE, ChunkReassembler, split_result};

use super::report;

/// Name, body size, bodies per run.
const CASES: [(&str, usize, u32); 3] = [
    ("1 MiB bodies", 1 << 20, 2000),
    ("16 MiB bodies", 16 << 20, 100),
    ("40 KiB single chunk", 40 << 10, 200_000),
];

pub(crate) fn run(n: u32) -> anyhow::Result<()> {
    for (case, size, repeats) in CASES {
        let body: Bytes = (0..size)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
            .collect();
        let messages: Vec<Bytes> = split_result(FrameId(7), body.clone(), CHUNK_SIZE)?.collect();
        once(&messages, &body, repeats / 10)?;
        let rates: Vec<f64> = (0..n)
            .map(|_| once(&messages, &body, repeats))
            .collect::<anyhow::Result<_>>()?;
        report::print("reassembler", case, "MB/s", &rates);
    }
    Ok(())
}

/// MB/s of `repeats` bodies; the last one is compared byte by byte.
fn once(messages: &[Bytes], body: &Bytes, repeats: u32) -> anyhow::Result<f64> {
    let mut reassembler = ChunkReassembler::new();
    let mut last = None;
    let start = Instant::now();
    for _ in 0..repeats {
        for message in messages {
            if let Some(complete) = black_box(reassembler.add_chunk(message.clone())?) {
                last = Some(complete);
            }
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    let (joined, frame) = last.ok_or_else(|| anyhow::anyhow!("no body was completed"))?;
    ensure!(
        joined == *body && frame == 7,
        "the reassembled body differs"
    );
    Ok(body.len() as f64 * f64::from(repeats) / seconds / 1e6)
}
