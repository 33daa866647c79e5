//! A worker whose twelve boxes say which frame they are of: it reads the number written in the picture and puts the boxes where
//! that number says. Whoever shows them can be checked: box and number must agree. For the viewer's tests and its bench.
//!
//! The number is the first byte of the top row in black and white: eight squares of `SQUARE` pixels from the left, lowest bit
//! first. `--port 0` takes any free port; the end of standard input ends the worker.

use std::io::Read;
use std::time::Duration;

use framewire_media::Frame;
use framewire_worker::workflow::FrameMetadata;
use framewire_worker::{ProcessedValue, Worker, WorkerConfig};
use serde_json::{Value, json};

type Failure = Box<dyn std::error::Error>;

const SQUARE: usize = 32;
const BOXES: u32 = 12;

fn number(frame: &Frame) -> u32 {
    let luma = frame.plane(0);
    let Some(row) = luma.rows().nth(SQUARE / 2) else {
        return 0;
    };
    let bit = |index: usize| {
        row.get(index * SQUARE + SQUARE / 2)
            .is_some_and(|level| *level > 128)
    };
    (0..8).map(|index| u32::from(bit(index)) << index).sum()
}

/// Twelve boxes of 40 x 40 in two rows, from 100 and from 220 down, 100 apart. The first starts `13 * number` from the left, so
/// that frames near each other cannot be mistaken; what is too far right starts again at the left.
fn boxes(number: u32, width: u32, height: u32) -> Value {
    let predictions: Vec<_> = (0..BOXES)
        .map(|index| {
            let x = (13 * number + 100 * (index % 6)) % width.saturating_sub(40).max(1) + 20;
            let y = 120 + 120 * (index / 6);
            json!({"x": x, "y": y, "width": 40, "height": 40, "confidence": 0.9, "class_id": index,
                   "class": format!("box {index}"), "detection_id": format!("{number}-{index}")})
        })
        .collect();
    json!({"image": {"width": width, "height": height}, "predictions": predictions})
}

fn main() -> Result<(), Failure> {
    let mut config = WorkerConfig::embedded().with_processor(|| {
        Box::new(|frame: &Frame, _: &FrameMetadata| {
            let number = number(frame);
            let found = boxes(number, frame.width(), frame.height());
            Ok(vec![
                ("predictions".into(), ProcessedValue::Json(found)),
                ("number".into(), ProcessedValue::Json(number.into())),
                ("image".into(), ProcessedValue::Image(frame.clone())),
            ])
        })
    });
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
