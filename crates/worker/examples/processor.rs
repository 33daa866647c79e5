//! A worker that runs a function of its own on every frame: how bright it is, and the picture with a bar of that length.
//!
//! `cargo run --release -p framewire-worker --example processor`, then from another terminal
//! `framewire run clip.mp4 --api-url http://127.0.0.1:9001 --stream-output image --data-output brightness`.
//! `--port 0` takes any free port; the end of standard input (Ctrl-D) ends the worker.

use std::io::Read;
use std::time::Duration;

use framewire_media::{Bgr, Canvas, Frame, FramePool, Rect, RectStyle};
use framewire_worker::workflow::FrameMetadata;
use framewire_worker::{ProcessedValue, Worker, WorkerConfig};

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn brightness(
    frame: &Frame,
    metadata: &FrameMetadata,
    pool: &FramePool,
) -> Result<Vec<(String, ProcessedValue)>, Failure> {
    let mut picture = frame.to_packed_bgr(pool)?;
    let pixels = picture.bgr_bytes().unwrap_or_default();
    let sum: u64 = pixels.iter().map(|byte| u64::from(*byte)).sum();
    let level = sum as f64 / pixels.len() as f64 / 255.0;
    let scale = metadata.parameters.get("scale");
    let length = level as f32 * scale.and_then(|value| value.as_f64()).unwrap_or(100.0) as f32;
    let bar = Rect::new(0.0, 0.0, length, 10.0);
    Canvas::on(&mut picture, pool)?.rect(bar, RectStyle::filled(Bgr::GREEN));
    Ok(vec![
        ("brightness".into(), ProcessedValue::Json(level.into())),
        ("image".into(), ProcessedValue::Image(picture)),
    ])
}

/// Any worker, with this function in the place of its workflows.
pub fn with_brightness(config: WorkerConfig) -> WorkerConfig {
    config.with_processor(|| {
        let pool = FramePool::default();
        Box::new(move |frame: &Frame, metadata: &FrameMetadata| {
            brightness(frame, metadata, &pool).map_err(|error| error.to_string())
        })
    })
}

fn main() -> Result<(), Failure> {
    let mut config = with_brightness(WorkerConfig::embedded());
    let mut arguments = std::env::args().skip(1);
    let port = match arguments.next().as_deref() {
        Some("--port") => arguments.next().unwrap_or_default().parse()?,
        _ => 9001,
    };
    config.listen.set_port(port);
    let worker = Worker::start(config)?;
    println!("http://{}", worker.local_addr());
    std::io::stdin().read_to_end(&mut Vec::new())?;
    worker.shutdown(Duration::ZERO);
    Ok(())
}
