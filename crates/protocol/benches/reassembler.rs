//! Throughput of the reassembler and of reading a result, on one thread: `cargo bench -p framewire-protocol`.
//! Prints median and spread of n runs; says nothing about the network.

use std::hint::black_box;
use std::time::Instant;

use bytes::Bytes;
use framewire_protocol::FrameId;
use framewire_protocol::chunk::{CHUNK_SIZE, ChunkReassembler, split_result};
use framewire_protocol::encoding::{base64_encode_into, gunzip_bounded, gzip};
use framewire_protocol::message::{ImageValue, ResultMessage};

const RUNS: usize = 15;

fn main() {
    let body = Bytes::from(vec![b'x'; 1 << 20]);
    let messages: Vec<Bytes> = split_result(FrameId(1), body.clone(), CHUNK_SIZE)
        .expect("22 chunks")
        .collect();
    measure("reassemble 1 MiB of 48 KiB chunks", body.len(), 400, || {
        let mut reassembler = ChunkReassembler::new();
        for message in &messages {
            black_box(reassembler.add_chunk(message.clone())).expect("valid chunks");
        }
    });
    measure("split 1 MiB into 48 KiB chunks", body.len(), 200, || {
        split_result(FrameId(1), body.clone(), CHUNK_SIZE)
            .expect("22 chunks")
            .for_each(|m| drop(black_box(m)));
    });
    let jpeg: Vec<u8> = (0..195_000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let mut json =
        b"{\"serialized_output_data\":{\"image\":{\"type\":\"base64\",\"value\":\"".to_vec();
    base64_encode_into(&jpeg, &mut json);
    json.extend_from_slice(b"\"}},\"errors\":[]}");
    measure(
        "parse a 260 KB result and decode its image",
        json.len(),
        400,
        || {
            let message = ResultMessage::parse(&json).expect("valid JSON");
            let image =
                ImageValue::parse(message.output("image").expect("an image")).expect("an image");
            black_box(image.decode()).expect("base64");
        },
    );
    let stream = gzip(&json);
    measure("gunzip that result", json.len(), 100, || {
        black_box(gunzip_bounded(&stream, 1 << 30)).expect("valid gzip");
    });
}

fn measure(name: &str, bytes: usize, repeats: usize, mut run: impl FnMut()) {
    let mut rates: Vec<f64> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            (0..repeats).for_each(|_| run());
            (bytes * repeats) as f64 / start.elapsed().as_secs_f64() / 1e9
        })
        .collect();
    rates.sort_by(f64::total_cmp);
    println!(
        "{name}: {:.2} GB/s (n={RUNS}, {:.2}-{:.2})",
        rates[RUNS / 2],
        rates[0],
        rates[RUNS - 1]
    );
}
