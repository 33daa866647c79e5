//! Plays a camera against a worker in this process and says where a frame's time goes.
//!
//! `cargo run --release -p framewire-worker --example live_latency -- [frames] [width] [height] [vp8|h264] [sessions] [address]`
//!
//! With an address (`127.0.0.1:9001`) the worker is another process, and only round trips are known. Client and worker share this machine's cores. `total` is the worker's own time, from a complete frame received to the
//! encoded frame handed to its transport; `round trip` is everything, from the picture before encoding to the picture
//! decoded again.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use framewire_media::{
    EncoderOptions, FramePool, TestPattern, Timing, VideoDecoder, VideoEncoder,
    read_pattern_counter,
};
use framewire_transport::{
    Endpoint, EndpointConfig, OutgoingFrame, Peer, PeerConfig, PeerEvent, VideoCodec, VideoConfig,
    VideoTrack,
};
use framewire_worker::{Worker, WorkerConfig};
use serde_json::{Value, json};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const RATE: u32 = 30;

#[derive(Clone, Copy)]
struct Run {
    frames: u32,
    width: u32,
    height: u32,
    codec: VideoCodec,
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |index: usize, default: u32| {
        arguments
            .get(index)
            .map_or(Ok(default), |text| text.parse::<u32>())
    };
    let run = Run {
        frames: number(0, 300)?,
        width: number(1, 640)?,
        height: number(2, 480)?,
        codec: match arguments.get(3).map(String::as_str) {
            Some("vp8") => VideoCodec::Vp8,
            _ => VideoCodec::H264,
        },
    };
    let sessions = number(4, 1)?;
    let worker = match arguments.get(5) {
        Some(_) => None,
        None => {
            let mut config = WorkerConfig::embedded();
            config.max_sessions = sessions as usize;
            Some(Worker::start(config)?)
        }
    };
    let address = match (&worker, arguments.get(5)) {
        (Some(worker), _) => worker.local_addr(),
        (None, given) => given.ok_or("no worker")?.parse()?,
    };
    let begun = Instant::now();
    let before = cpu();
    let clients: Vec<_> = (0..sessions)
        .map(|_| thread::spawn(move || client(address, run)))
        .collect();
    let mut trips = Vec::new();
    for client in clients {
        trips.extend(client.join().map_err(|_| "a client panicked")??);
    }
    let wall = begun.elapsed();
    let sent = run.frames * sessions;
    println!(
        "{}x{} {} at {RATE} fps, {sessions} session(s): {} of {sent} frames back, {:.0} % of one core for both ends",
        run.width,
        run.height,
        run.codec,
        trips.len(),
        100.0 * (cpu() - before) / wall.as_secs_f64(),
    );
    println!(
        "{:>12} {:>8} {:>9} {:>9} {:>9}",
        "stage", "n", "p50 ms", "p95 ms", "p99 ms"
    );
    let ms = |took: Duration| took.as_secs_f64() * 1e3;
    let stats = worker.as_ref().map(Worker::stats).unwrap_or_default();
    for (stage, times) in &stats.stages {
        let (p50, p95, p99) = (ms(times.p50), ms(times.p95), ms(times.p99));
        println!(
            "{stage:>12} {:>8} {p50:>9.2} {p95:>9.2} {p99:>9.2}",
            times.count
        );
    }
    trips.sort_unstable();
    let at = |share: f64| {
        let index = ((trips.len() as f64 * share) as usize).min(trips.len().saturating_sub(1));
        trips.get(index).map_or(0.0, |took| ms(*took))
    };
    println!(
        "{:>12} {:>8} {:>9.2} {:>9.2} {:>9.2}",
        "round trip",
        trips.len(),
        at(0.5),
        at(0.95),
        at(0.99)
    );
    println!(
        "dropped {:?}, not streamed {:?}",
        stats.dropped, stats.video_dropped
    );
    println!("resident {} MiB", resident() >> 20);
    Ok(())
}

/// Sends the frames at their pace and takes what comes back; the round trip of each frame that did.
fn client(address: std::net::SocketAddr, run: Run) -> Result<Vec<Duration>, Failure> {
    let (peer, track) = connect(address, run.codec)?;
    let pool = FramePool::default();
    let mut pattern = TestPattern::new(run.width, run.height, RATE)?;
    let media = match run.codec {
        VideoCodec::Vp8 => framewire_media::VideoCodec::Vp8,
        VideoCodec::H264 => framewire_media::VideoCodec::H264,
    };
    let mut encoder = VideoEncoder::new(EncoderOptions::new(media))?;
    let mut decoder = VideoDecoder::new(media, pool.clone())?;
    let mut sent = vec![Instant::now(); run.frames as usize];
    let mut trips = Vec::with_capacity(sent.len());
    let begin = Instant::now();
    for index in 0..=run.frames {
        // After the last frame, a second for what is still under way.
        let rest = if index == run.frames { 30 } else { 0 };
        let due = begin + Duration::from_secs(1) * (index + rest) / RATE;
        while let Ok(frame) = track.recv_deadline(due) {
            let Ok(Some(picture)) = decoder.decode(&frame.data, Timing::default()) else {
                track.request_keyframe();
                continue;
            };
            let counter = read_pattern_counter(&picture);
            if let Some(at) = counter.and_then(|counter| sent.get(counter as usize)) {
                trips.push(at.elapsed());
            }
        }
        if index == run.frames {
            break;
        }
        let picture = pattern.frame(index, &pool)?;
        sent[index as usize] = Instant::now();
        encoder.set_bitrate(track.target_bitrate());
        let encoded = encoder.encode(&picture, track.take_keyframe_request())?;
        let Some(encoded) = encoded else { continue };
        // A frame that does not fit is one that does not come back.
        let _ = track.send(OutgoingFrame {
            codec: run.codec,
            data: encoded.data.into(),
            rtp_time: index * (90_000 / RATE),
            captured: sent[index as usize],
        });
    }
    peer.close(Duration::from_millis(200));
    Ok(trips)
}

fn connect(
    address: std::net::SocketAddr,
    codec: VideoCodec,
) -> Result<(Peer, VideoTrack), Failure> {
    let endpoint = Endpoint::bind(EndpointConfig::default())?;
    let video = VideoConfig::default().with_codecs(vec![codec]);
    let config = PeerConfig::default()
        .with_channel("inference")
        .with_video(video);
    let offer = endpoint.offer(config)?;
    let body = json!({
        "workflow_configuration": {
            "type": "WorkflowConfiguration",
            "workflow_specification": {
                "version": "1.0",
                "inputs": [{"type": "WorkflowImage", "name": "image"}],
                "steps": [],
                "outputs": [{"type": "JsonField", "name": "image", "selector": "$inputs.image"}],
            },
        },
        "webrtc_offer": {"type": "offer", "sdp": offer.sdp()},
        "webrtc_realtime_processing": true,
        "stream_output": ["image"],
        "data_output": [],
        "webrtc_config": {"iceServers": []},
        "framewire": {"v": 1, "features": ["ledger"]},
    });
    let answer = post(address, &body)?;
    let sdp = answer["sdp"].as_str().ok_or_else(|| answer.to_string())?;
    let peer = offer.accept_answer(sdp)?;
    let limit = Instant::now() + Duration::from_secs(10);
    while !matches!(
        peer.events().recv_deadline(limit)?,
        PeerEvent::ChannelOpen(_)
    ) {}
    let track = peer.video().ok_or("no video was negotiated")?;
    Ok((peer, track))
}

fn post(address: std::net::SocketAddr, body: &Value) -> Result<Value, Failure> {
    let body = body.to_string();
    let mut stream = TcpStream::connect(address)?;
    write!(
        stream,
        "POST /initialise_webrtc_worker HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (_, body) = text.split_once("\r\n\r\n").ok_or("no response")?;
    Ok(serde_json::from_str(body)?)
}

/// Seconds of processor time of this process so far.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat
        .rsplit(") ")
        .next()
        .unwrap_or_default()
        .split(' ')
        .collect();
    let ticks = |index: usize| fields.get(index).and_then(|text| text.parse::<f64>().ok());
    (ticks(11).unwrap_or(0.0) + ticks(12).unwrap_or(0.0)) / 100.0
}

/// Bytes of memory this process holds.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: Option<u64> = statm.split(' ').nth(1).and_then(|text| text.parse().ok());
    pages.unwrap_or(0) * 4096
}
