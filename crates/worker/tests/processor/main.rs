//! A function of the user's own in the workflow's place, as clients see it.
#![allow(unreachable_pub)] // shared between the files of this binary

#[allow(dead_code)] // shared with the live scenarios
#[path = "../live/camera.rs"]
mod camera;
mod client;
#[path = "../common/mod.rs"]
mod common;
#[allow(dead_code)] // `main` is the example's own
#[path = "../../examples/processor.rs"]
mod example;
mod outputs;
mod pictures;
mod slow;

use framewire_media::Frame;
use framewire_worker::workflow::FrameMetadata;
use framewire_worker::{ProcessedValue, Worker};

type Values = Result<Vec<(String, ProcessedValue)>, String>;

/// A worker whose sessions share `call`.
fn worker(
    call: impl Fn(&Frame, &FrameMetadata) -> Values + Clone + Send + Sync + 'static,
) -> Worker {
    common::worker_with(|config| {
        *config = config
            .clone()
            .with_processor(move || Box::new(call.clone()));
    })
}

fn json(name: &str, value: impl Into<serde_json::Value>) -> (String, ProcessedValue) {
    (name.to_owned(), ProcessedValue::Json(value.into()))
}

fn image(name: &str, frame: &Frame) -> (String, ProcessedValue) {
    (name.to_owned(), ProcessedValue::Image(frame.clone()))
}
