//! Checks video against a real aiortc peer: VP8 and H.264, both roles, both ways at once, with really encoded frames.
//! Not part of the test suite; it needs the `ffmpeg` program and a Python with aiortc and numpy.
//!
//! `cargo run --release -p framewire-transport --example aiortc_video -- <python> [seconds]`

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use bytes::Bytes;
use framewire_transport::{
    Endpoint, EndpointConfig, IncomingFrame, OutgoingFrame, Peer, PeerConfig, PeerEvent,
    VideoCodec, VideoConfig, VideoTrack,
};
use serde_json::{Value, json};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const PATIENCE: Duration = Duration::from_secs(15);
const FRAME: Duration = Duration::from_micros(33_333);
/// Frames between keyframes of what we send.
const GROUP: usize = 30;

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let python = args
        .next()
        .ok_or("usage: aiortc_video <python> [seconds]")?;
    let seconds = args.next().map_or(Ok(8), |s| s.parse())?;
    let mut failed = 0;
    for codec in [VideoCodec::Vp8, VideoCodec::H264] {
        let frames = encode(codec)?;
        for we_offer in [true, false] {
            let name = format!("{codec} we_offer={we_offer}");
            match scenario(&python, codec, &frames, we_offer, seconds) {
                Ok(report) => println!("ok    {name}: {report}"),
                Err(error) => {
                    failed += 1;
                    println!("FAIL  {name}: {error}");
                }
            }
        }
    }
    if failed > 0 {
        return Err(format!("{failed} scenarios failed").into());
    }
    Ok(())
}

fn scenario(
    python: &str,
    codec: VideoCodec,
    frames: &[Bytes],
    we_offer: bool,
    seconds: u64,
) -> Result<String> {
    let mut them = Them::start(python)?;
    let endpoint = Endpoint::bind(EndpointConfig::default())?;
    let video = VideoConfig::default().with_codecs(vec![codec]);
    let config = PeerConfig::default().with_video(video);
    let peer = if we_offer {
        let offer = endpoint.offer(config.with_channel("inference"))?;
        them.tell(json!({"cmd": "answer", "sdp": offer.sdp()}))?;
        offer.accept_answer(&them.text("answer")?)?
    } else {
        them.tell(json!({"cmd": "offer", "codec": codec.to_string()}))?;
        let (peer, answer) = endpoint.answer(&them.text("offer")?, config)?;
        them.tell(json!({"cmd": "accept", "sdp": answer}))?;
        peer
    };
    wait_connected(&peer)?;
    let track = peer.video().ok_or("no video track")?;
    let (sent, received) = film(&track, codec, frames, Duration::from_secs(seconds))?;
    them.tell(json!({"cmd": "report"}))?;
    let report = them.until("report")?;
    let errors = decode(codec, &received)?;
    let stats = track.stats();
    let decoded = report["decoded"].as_u64().unwrap_or(0);
    let summary = format!(
        "sent {sent}, they decoded {decoded} {}, detail {:.0}; received {} ({} keyframes, {} decode errors), \
         they captured {}; their bit rate {}, ours {} (REMB {:?}), gaps {}",
        report["size"],
        report["detail"].as_f64().unwrap_or(0.0),
        received.len(),
        stats.keyframes_received,
        errors,
        report["sent"],
        report["bitrate"],
        stats.target_bitrate,
        stats.remb_received,
        stats.gaps,
    );
    them.tell(json!({"cmd": "close"}))?;
    let whole = received.iter().skip(1).all(|f| f.contiguous);
    let good = decoded + 8 >= sent && received.len() as u64 >= seconds * 20 && errors == 0 && whole;
    if good {
        Ok(summary)
    } else {
        Err(summary.into())
    }
}

fn wait_connected(peer: &Peer) -> Result<()> {
    loop {
        match peer.events().recv_deadline(Instant::now() + PATIENCE)? {
            PeerEvent::ChannelOpen(_) => return Ok(()),
            PeerEvent::Closed(reason) => return Err(reason.into()),
            _ => {}
        }
    }
}

/// Sends and receives for a while.
fn film(
    track: &VideoTrack,
    codec: VideoCodec,
    frames: &[Bytes],
    time: Duration,
) -> Result<(u64, Vec<IncomingFrame>)> {
    let start = Instant::now();
    let (mut index, mut sent, mut received) = (0usize, 0u64, Vec::new());
    while start.elapsed() < time {
        if track.take_keyframe_request() {
            index = index.next_multiple_of(GROUP);
        }
        track.send(OutgoingFrame {
            codec,
            data: frames[index % frames.len()].clone(),
            rtp_time: (sent as u32).wrapping_mul(3_000),
            captured: Instant::now(),
        })?;
        index += 1;
        sent += 1;
        let due = start + FRAME * sent as u32;
        while let Ok(frame) = track.recv_deadline(due) {
            received.push(frame);
        }
    }
    // What is under way.
    while let Ok(frame) = track.recv_deadline(start + time + Duration::from_millis(200)) {
        received.push(frame);
    }
    Ok((sent, received))
}

/// Ten seconds of a test picture, encoded by the `ffmpeg` program.
fn encode(codec: VideoCodec) -> Result<Vec<Bytes>> {
    let source = [
        "-f",
        "lavfi",
        "-i",
        "testsrc2=size=640x480:rate=30",
        "-frames:v",
        "300",
    ];
    let (encoder, format): (&[&str], _) = match codec {
        VideoCodec::Vp8 => (
            &["-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8"],
            "ivf",
        ),
        VideoCodec::H264 => (
            &[
                "-c:v",
                "libx264",
                "-preset",
                "ultrafast",
                "-tune",
                "zerolatency",
                "-profile:v",
                "baseline",
                "-pix_fmt",
                "yuv420p",
                "-threads",
                "1",
                "-bsf:v",
                "h264_metadata=aud=insert",
            ],
            "h264",
        ),
    };
    let output = Command::new("ffmpeg")
        .args(["-v", "error"])
        .args(source)
        .args(encoder)
        .args([
            "-b:v",
            "1M",
            "-g",
            &GROUP.to_string(),
            "-f",
            format,
            "pipe:1",
        ])
        .output()?;
    let data = Bytes::from(output.stdout);
    let mut frames = Vec::new();
    match codec {
        VideoCodec::Vp8 => {
            let mut at = 32;
            while let Some(header) = data.get(at..at + 12) {
                let size =
                    u32::from_le_bytes([header[0], header[1], header[2], header[3]]) as usize;
                frames.push(data.slice(at + 12..at + 12 + size));
                at += 12 + size;
            }
        }
        VideoCodec::H264 => {
            let delimiter = [0, 0, 0, 1, 9];
            let starts: Vec<usize> = (0..data.len().saturating_sub(4))
                .filter(|at| data[*at..*at + 5] == delimiter)
                .chain([data.len()])
                .collect();
            frames.extend(starts.windows(2).map(|pair| data.slice(pair[0]..pair[1])));
        }
    }
    if frames.len() != 300 {
        return Err(format!("ffmpeg gave {} frames", frames.len()).into());
    }
    Ok(frames)
}

/// Complaints of a real decoder about what was received.
fn decode(codec: VideoCodec, frames: &[IncomingFrame]) -> Result<usize> {
    let mut file = Vec::new();
    let format = match codec {
        VideoCodec::Vp8 => {
            file.extend(b"DKIF\0\0\x20\0VP80");
            file.extend([0x80, 2, 0xe0, 1, 30, 0, 0, 0, 1, 0, 0, 0]);
            file.extend((frames.len() as u32).to_le_bytes());
            file.extend([0; 4]);
            for (index, frame) in frames.iter().enumerate() {
                file.extend((frame.data.len() as u32).to_le_bytes());
                file.extend((index as u64).to_le_bytes());
                file.extend(&frame.data);
            }
            "ivf"
        }
        VideoCodec::H264 => {
            file.extend(frames.iter().flat_map(|f| f.data.iter().copied()));
            "h264"
        }
    };
    let mut ffmpeg = Command::new("ffmpeg")
        .args([
            "-v", "error", "-f", format, "-i", "pipe:0", "-f", "null", "-",
        ])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    ffmpeg.stdin.take().ok_or("no stdin")?.write_all(&file)?;
    let output = ffmpeg.wait_with_output()?;
    Ok(String::from_utf8_lossy(&output.stderr).lines().count())
}

/// The aiortc process.
struct Them {
    child: Child,
    stdin: ChildStdin,
    events: Receiver<Value>,
}

impl Them {
    fn start(python: &str) -> Result<Them> {
        let script = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../tests/interop/aiortc_video_peer.py"
        );
        let mut child = Command::new(python)
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdin = child.stdin.take().ok_or("no stdin")?;
        let stdout = child.stdout.take().ok_or("no stdout")?;
        let (send, events) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(|l| l.ok()) {
                let Ok(event) = serde_json::from_str(&line) else {
                    continue;
                };
                if send.send(event).is_err() {
                    break;
                }
            }
        });
        Ok(Them {
            child,
            stdin,
            events,
        })
    }

    fn tell(&mut self, command: Value) -> Result<()> {
        writeln!(self.stdin, "{command}")?;
        Ok(())
    }

    fn until(&mut self, wanted: &str) -> Result<Value> {
        loop {
            let event = self.events.recv_timeout(PATIENCE)?;
            if event["event"] == wanted {
                return Ok(event);
            }
            if event["event"] == "error" {
                return Err(event["message"].to_string().into());
            }
        }
    }

    fn text(&mut self, event: &str) -> Result<String> {
        let event = self.until(event)?;
        Ok(event["sdp"].as_str().ok_or("no sdp")?.to_owned())
    }
}

impl Drop for Them {
    fn drop(&mut self) {
        // Gone already when it closed by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
