//! Milliseconds a frame for each step a picture goes through: `cargo run --release --example codec_cost [FILE]`.
//! Not a benchmark suite: one table, medians on the machine it runs on.

mod live;

use std::hint::black_box;
use std::time::Instant;

use framewire_media::{
    Bgr, Canvas, ChannelOrder, Decoder, DecoderOptions, Font, Frame, FramePool, JpegEncoder,
    Mp4Options, Mp4Writer, Rect, RectStyle, Resizer, Rotation, TextStyle, decode_image,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("{}", framewire_media::ffmpeg_version());
    for size in ["640x480", "1280x720"] {
        let folder = std::env::temp_dir().join(format!("codec_cost-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let clip = folder.join("clip.mp4");
        make_clip(&clip, size, std::env::args().nth(1).as_deref())?;
        measure(&clip, size)?;
        live::measure(&folder, size, std::env::args().nth(1).as_deref())?;
        std::fs::remove_dir_all(&folder)?;
    }
    Ok(())
}

fn make_clip(
    path: &std::path::Path,
    size: &str,
    source: Option<&str>,
) -> Result<(), Box<dyn std::error::Error>> {
    let mut command = std::process::Command::new("ffmpeg");
    command.args(["-v", "error", "-y", "-nostdin"]);
    match source {
        Some(file) => command.args(["-i", file]),
        None => command.args([
            "-f",
            "lavfi",
            "-i",
            &format!("testsrc2=size={size}:rate=25"),
            "-vf",
            "noise=alls=8",
        ]),
    };
    command.args([
        "-frames:v",
        "120",
        "-s",
        size,
        "-an",
        "-c:v",
        "libx264",
        "-pix_fmt",
        "yuv420p",
        "-b:v",
        "1M",
    ]);
    if !command.arg(path).status()?.success() {
        return Err("ffmpeg could not make the clip".into());
    }
    Ok(())
}

fn measure(clip: &std::path::Path, size: &str) -> Result<(), Box<dyn std::error::Error>> {
    let pool = FramePool::default();
    let mut decoder = Decoder::open(clip, DecoderOptions::default())?;
    let (mut frames, mut times) = (Vec::new(), Vec::new());
    loop {
        let started = Instant::now();
        let Some(frame) = decoder.next_frame()? else {
            break;
        };
        times.push(started.elapsed().as_secs_f64() * 1e3);
        frames.push(frame);
    }
    let report = |name: &str, times: &mut Vec<f64>| {
        times.sort_by(f64::total_cmp);
        let (median, p95) = (times[times.len() / 2], times[times.len() * 95 / 100]);
        println!(
            "{size:>9}  {name:<24} {:8.3} ms min {median:8.3} median {p95:8.3} p95  n {}",
            times[0],
            times.len()
        );
    };
    report("decode H.264", &mut times);
    let each = |name: &str, source: &[Frame], step: &mut dyn FnMut(&Frame)| {
        let mut times: Vec<f64> = source
            .iter()
            .map(|frame| {
                let started = Instant::now();
                step(frame);
                started.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        report(name, &mut times);
    };
    let bgr: Vec<Frame> = frames
        .iter()
        .map(|frame| frame.to_bgr(&pool))
        .collect::<Result<_, _>>()?;
    let mut encoder = JpegEncoder::default();
    let jpegs: Vec<Vec<u8>> = frames
        .iter()
        .map(|frame| encoder.encode(frame).map(<[u8]>::to_vec))
        .collect::<Result<_, _>>()?;
    let mut jpeg = jpegs.iter().cycle();
    let (mut resizer, mut input, mut font) = (Resizer::default(), Vec::new(), Font::default());
    let mut scratch = bgr[0].to_packed_bgr(&pool)?;
    scratch.make_mut(&pool)?;
    each("I420 -> BGR", &frames, &mut |frame| {
        drop(black_box(frame.to_bgr(&pool).expect("room")))
    });
    each("BGR -> I420", &bgr, &mut |frame| {
        drop(black_box(frame.to_i420(&pool).expect("room")))
    });
    each("JPEG encode from I420", &frames, &mut |frame| {
        _ = black_box(encoder.encode(frame).expect("encodes").len())
    });
    each("JPEG encode from BGR", &bgr, &mut |frame| {
        _ = black_box(encoder.encode(frame).expect("encodes").len())
    });
    each("JPEG decode to BGR", &bgr, &mut |_| {
        drop(black_box(
            decode_image(jpeg.next().expect("cycles"), &pool).expect("decodes"),
        ));
    });
    each("draw 12 boxes + labels", &bgr, &mut |_| {
        let mut canvas = Canvas::on(&mut scratch, &pool).expect("room");
        boxes(&mut canvas, &mut font);
    });
    each("resize BGR to 300x300", &bgr, &mut |frame| {
        resizer
            .stretch(frame, 300, 300, ChannelOrder::Rgb, &mut input)
            .expect("scales");
    });
    each("turn I420 by 90 degrees", &frames, &mut |frame| {
        drop(black_box(
            frame.rotated(&pool, Rotation::Clockwise).expect("room"),
        ));
    });
    let target = clip.with_file_name("out.mp4");
    let mut writer = Mp4Writer::create(&target, Mp4Options::default())?;
    each("mp4 write from I420", &frames, &mut |frame| {
        writer.write(frame).expect("writes")
    });
    writer.finish()?;
    Ok(())
}

fn boxes(canvas: &mut Canvas<'_>, font: &mut Font) {
    for index in 0..12u8 {
        let (x, y) = (f32::from(index) * 48.0, 30.0 + f32::from(index) * 25.0);
        let color = Bgr::new(index * 20, 200, 255 - index * 20);
        canvas.rect(Rect::new(x, y, 60.0, 120.0), RectStyle::outline(color, 2));
        let text = format!("person 0.{}", 80 + index);
        let style = TextStyle::new(18.0, Bgr::BLACK);
        canvas.label(
            font,
            (x, y - 22.0),
            &text,
            style,
            RectStyle::filled(color),
            2.0,
        );
    }
}
