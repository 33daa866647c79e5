//! Streams a video file from asynchronous code: frames as a stream, Ctrl-C at any moment.
//!
//! `cargo run --release -p framewire --example async_stream -- http://127.0.0.1:9001 bikes.mp4`

use framewire::{Client, StreamConfig, TaskType, VideoFileSource, Workflow};

type Failure = Box<dyn std::error::Error>;

// Any executor will do; the session itself needs none.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or("http://127.0.0.1:9001".into());
    let video = arguments.next().unwrap_or("assets/bikes.mp4".into());
    let frames = stream(&url, &video).await?;
    println!("{frames} frames");
    Ok(())
}

/// Returns the number of frames delivered.
pub(crate) async fn stream(url: &str, video: &str) -> Result<u64, Failure> {
    let session = Client::new(url).stream(
        VideoFileSource::new(video),
        Workflow::model("ssd-mobilenetv2-oidv4", Some(TaskType::ObjectDetection)),
        StreamConfig::new(),
    )?;
    let mut frames = session.frame_stream();
    loop {
        tokio::select! {
            frame = frames.next() => match frame {
                Some(frame) => {
                    let frame = frame?;
                    println!("{:?}: {:?}", frame.frame_id(), frame.data);
                }
                None => break,
            },
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    session.closed().await;
    Ok(session.stats().frames.delivered)
}
