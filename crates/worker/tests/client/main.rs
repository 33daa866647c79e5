//! The client of this workspace against a worker of this workspace: its examples, and what it can do while a session runs.
#![allow(unreachable_pub)] // shared between the files of this binary

#[allow(dead_code)] // `main` is the example's own
#[path = "../../../client/examples/async_stream.rs"]
mod async_stream;
#[allow(dead_code)]
#[path = "../../../client/examples/blocking.rs"]
mod blocking;
mod changes;
#[path = "../common/mod.rs"]
mod common;
mod examples;
mod fresh;
#[allow(dead_code)]
#[path = "../../../client/examples/live_frames.rs"]
mod live_frames;
mod pictures;

use framewire_media::{Bgr, Frame, FramePool};
use framewire_worker::{ProcessedValue, Worker};
use serde_json::json;

/// A worker whose sessions have the outputs `image` (the frame), `red`, `blue` and `predictions`.
fn worker() -> Worker {
    common::worker_with(|config| {
        *config = config.clone().with_processor(|| {
            let pool = FramePool::default();
            Box::new(move |frame: &Frame, metadata: &_| {
                let metadata: &framewire_worker::workflow::FrameMetadata = metadata;
                let plain = |colour| {
                    let frame = Frame::solid_bgr(&pool, 64, 48, colour);
                    frame
                        .map(ProcessedValue::Image)
                        .map_err(|error| error.to_string())
                };
                let number = json!({"number": metadata.frame_number});
                Ok(vec![
                    ("image".to_owned(), ProcessedValue::Image(frame.clone())),
                    ("red".to_owned(), plain(Bgr::new(0, 0, 220))?),
                    ("blue".to_owned(), plain(Bgr::new(220, 0, 0))?),
                    ("predictions".to_owned(), ProcessedValue::Json(number)),
                ])
            })
        });
    })
}

fn url(worker: &Worker) -> String {
    format!("http://{}", worker.local_addr())
}

fn clip() -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::with_suffix(".mp4").unwrap();
    std::fs::write(file.path(), common::video::small()).unwrap();
    file
}
