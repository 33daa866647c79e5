//! Pushes pictures of a program's own, as a camera would give them, and shows how old they are when they come back.
//!
//! `cargo run --release -p framewire --example live_frames -- http://127.0.0.1:9001 100`

use std::thread::{sleep, spawn};
use std::time::Duration;

use framewire::{Client, ManualSource, SendFrameError, StreamConfig, Workflow};
use serde_json::json;

type Failure = Box<dyn std::error::Error>;

const SIZE: (u32, u32) = (320, 240);

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or("http://127.0.0.1:9001".into());
    let count = arguments.next().map_or(Ok(100), |text| text.parse())?;
    let frames = stream(&url, count)?;
    println!("{frames} frames came back");
    Ok(())
}

/// Returns the number of frames delivered.
pub(crate) fn stream(url: &str, count: u32) -> Result<u64, Failure> {
    let workflow = Workflow::inline(json!({
        "version": "1.0",
        "inputs": [{"type": "InferenceImage", "name": "image"}],
        "steps": [],
        "outputs": [{"type": "JsonField", "name": "image", "selector": "$inputs.image"}],
    }));
    let source = ManualSource::new();
    let sender = source.sender();
    let config = StreamConfig::new().stream_output(["image"]);
    let session = Client::new(url).stream(source, workflow, config)?;
    session.start()?;
    let camera = spawn(move || {
        for number in 0..count {
            sender.send_bgr(SIZE.0, SIZE.1, &picture(number))?;
            sleep(Duration::from_millis(33));
        }
        sender.end();
        Ok::<(), SendFrameError>(())
    });
    session.on_frame(|event| {
        if let Some(captured) = event.captured {
            println!("{:?}: {:?} old", event.frame_id(), captured.elapsed());
        }
    });
    session.run()?;
    camera.join().expect("the camera does not panic")?;
    Ok(session.stats().frames.delivered)
}

/// A bar that moves from left to right.
fn picture(number: u32) -> Vec<u8> {
    let bar = number * 4 % SIZE.0;
    let row = (0..SIZE.0).flat_map(|x| {
        if x.abs_diff(bar) < 8 {
            [40, 200, 255]
        } else {
            [90, 60, 30]
        }
    });
    row.collect::<Vec<u8>>().repeat(SIZE.1 as usize)
}
