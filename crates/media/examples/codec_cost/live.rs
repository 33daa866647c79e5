//! What live video costs and how it looks: time, bits, noise and memory of both codecs at some rates.
//! Not files: those are in `main`.

use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use framewire_media::{
    Decoder, DecoderOptions, EncoderOptions, Frame, FramePool, TimeBase, Timing, VideoCodec,
    VideoDecoder, VideoEncoder,
};

const RATES: [u32; 3] = [500_000, 1_500_000, 3_000_000];
const CODECS: [VideoCodec; 2] = [VideoCodec::Vp8, VideoCodec::H264];

/// Frames in the measured clip, 25 to the second.
const FRAMES: usize = 250;

/// The frame a keyframe is asked for at.
const ASKED: usize = 100;

/// Encoder and decoder pairs opened to see what one takes.
const PAIRS: usize = 8;

/// Prints the table for one size. The source is kept lossless: noise is measured against it.
pub(crate) fn measure(
    folder: &Path,
    size: &str,
    source: Option<&str>,
) -> Result<(), Box<dyn Error>> {
    let clip = folder.join("live.mkv");
    make_clip(&clip, size, source)?;
    let frames = read(&clip)?;
    for codec in CODECS {
        for bitrate in RATES {
            run(&frames, codec, bitrate, size)?;
        }
        memory(&frames, codec, size)?;
    }
    Ok(())
}

fn run(
    frames: &[Frame],
    codec: VideoCodec,
    bitrate: u32,
    size: &str,
) -> Result<(), Box<dyn Error>> {
    let options = EncoderOptions::new(codec)
        .with_bitrate(bitrate)
        .with_fps(25);
    let mut encoder = VideoEncoder::new(options)?;
    let mut decoder = VideoDecoder::new(codec, FramePool::default())?;
    let (mut encoding, mut decoding, mut noise) = (Vec::new(), Vec::new(), Vec::new());
    let mut sizes = Vec::new();
    for (number, frame) in frames.iter().enumerate() {
        let started = Instant::now();
        let encoded = encoder.encode(frame, number == ASKED)?;
        encoding.push(millis(started));
        let encoded = encoded.ok_or("an encoder left a frame out")?;
        sizes.push(encoded.data.len());
        let started = Instant::now();
        let back = decoder.decode(&encoded.data, frame.timing())?;
        decoding.push(millis(started));
        noise.push(psnr(frame, &back.ok_or("a decoder left a frame out")?));
    }
    // How late the last bit of a frame would be on a line of exactly that rate.
    let (mut waiting, mut latest) = (0.0, 0.0f64);
    for &bytes in &sizes {
        waiting += bytes as f64 * 8000.0 / f64::from(bitrate);
        latest = latest.max(waiting);
        waiting = (waiting - 40.0).max(0.0);
    }
    let real = sizes.iter().sum::<usize>() as f64 * 8.0 * 25.0 / frames.len() as f64;
    println!(
        "{size:>9}  {codec:<4} {:4} kbit/s  encode {} ms  decode {} ms (min, median, p95)  \
         real {:.2} x  PSNR {:.1} dB mean {:.1} p5  keyframe {:.1} kB  backlog {latest:.0} ms  n {}",
        bitrate / 1000,
        spread(&mut encoding),
        spread(&mut decoding),
        real / f64::from(bitrate),
        noise.iter().sum::<f64>() / noise.len() as f64,
        percentile(&mut noise, 5),
        sizes[ASKED] as f64 / 1000.0,
        frames.len(),
    );
    Ok(())
}

/// Resident memory for each further encoder and decoder that has worked.
fn memory(frames: &[Frame], codec: VideoCodec, size: &str) -> Result<(), Box<dyn Error>> {
    let Some(before) = resident() else {
        return Ok(());
    };
    let mut pairs = Vec::new();
    for _ in 0..PAIRS {
        let mut encoder = VideoEncoder::new(EncoderOptions::new(codec))?;
        let mut decoder = VideoDecoder::new(codec, FramePool::default())?;
        let mut shown = None;
        for frame in frames.iter().take(40) {
            let encoded = encoder.encode(frame, false)?;
            let encoded = encoded.ok_or("an encoder left a frame out")?;
            shown = decoder.decode(&encoded.data, frame.timing())?;
        }
        pairs.push((encoder, decoder, shown));
    }
    let after = resident().unwrap_or(before);
    println!(
        "{size:>9}  {codec:<4} {:.1} MB resident for an encoder and a decoder  n {PAIRS}",
        (after - before) / PAIRS as f64
    );
    Ok(())
}

/// Resident memory of this process in MB, where the system says.
fn resident() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kilobytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes / 1024.0)
}

fn make_clip(path: &Path, size: &str, source: Option<&str>) -> Result<(), Box<dyn Error>> {
    let pattern = format!("testsrc2=size={size}:rate=25");
    let input: &[&str] = match source {
        Some(file) => &["-stream_loop", "-1", "-i", file],
        None => &["-f", "lavfi", "-i", &pattern],
    };
    // A camera's noise, which changes with each frame.
    let filter = format!("scale={},noise=alls=3:allf=t", size.replace('x', ":"));
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-nostdin"])
        .args(input)
        .args(["-vf", &filter, "-frames:v", &FRAMES.to_string()])
        .args(["-an", "-c:v", "ffv1", "-pix_fmt", "yuv420p"])
        .arg(path)
        .status()?;
    if made.success() {
        Ok(())
    } else {
        Err("ffmpeg could not make the live clip".into())
    }
}

fn read(clip: &Path) -> Result<Vec<Frame>, Box<dyn Error>> {
    let mut decoder = Decoder::open(clip, DecoderOptions::default())?;
    let mut frames: Vec<Frame> = Vec::new();
    while let Some(mut frame) = decoder.next_frame()? {
        frame.set_timing(Timing::new(frames.len() as i64 * 3600, TimeBase::RTP_VIDEO));
        frames.push(frame);
    }
    Ok(frames)
}

fn psnr(one: &Frame, other: &Frame) -> f64 {
    let (mut square, mut count) = (0u64, 0u64);
    for plane in 0..3 {
        for (a, b) in one.plane(plane).rows().zip(other.plane(plane).rows()) {
            let off = a
                .iter()
                .zip(b)
                .map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2));
            square += off.sum::<u64>();
            count += a.len() as u64;
        }
    }
    10.0 * (255.0 * 255.0 * count as f64 / (square as f64).max(1e-9)).log10()
}

fn millis(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

fn spread(times: &mut [f64]) -> String {
    let [least, median, most] = [0, 50, 95].map(|percent| percentile(times, percent));
    format!("{least:.2} {median:.2} {most:.2}")
}

fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() * percent / 100]
}
