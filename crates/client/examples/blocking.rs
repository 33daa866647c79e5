//! Streams a video file to a worker and handles pictures and predictions as they come.
//!
//! `cargo run --release -p framewire --example blocking -- http://127.0.0.1:9001 bikes.mp4`

use framewire::{Client, StreamConfig, VideoFileSource, Workflow};
use serde_json::json;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or("http://127.0.0.1:9001".into());
    let video = arguments.next().unwrap_or("assets/bikes.mp4".into());
    let frames = stream(&url, &video)?;
    println!("{frames} frames");
    Ok(())
}

/// Returns the number of frames delivered.
pub(crate) fn stream(url: &str, video: &str) -> Result<u64, Failure> {
    let workflow = Workflow::inline(json!({
        "version": "1.0",
        "inputs": [{"type": "InferenceImage", "name": "image"}],
        "steps": [{
            "type": "roboflow_core/roboflow_object_detection_model@v2", "name": "model",
            "images": "$inputs.image", "model_id": "ssd-mobilenetv2-oidv4",
        }],
        "outputs": [
            {"type": "JsonField", "name": "image", "selector": "$inputs.image"},
            {"type": "JsonField", "name": "predictions", "selector": "$steps.model.predictions"},
        ],
    }));
    let session = Client::new(url).stream(
        VideoFileSource::new(video),
        workflow,
        StreamConfig::new()
            .stream_output(["image"])
            .data_output(["predictions"]),
    )?;
    session.on_frame(|event| {
        println!(
            "{:?}: {}x{}",
            event.frame_id(),
            event.frame.width(),
            event.frame.height()
        );
    });
    session.on_data("predictions", |value, metadata| {
        let frame = metadata.map(|metadata| metadata.frame_id);
        println!("{frame:?}: {} bytes of predictions", value.as_str().len());
    });
    session.on_error(|errors, _| eprintln!("{}", errors.join("; ")));
    session.run()?;
    Ok(session.stats().frames.delivered)
}
