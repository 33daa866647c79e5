//! `GET /metrics`: its format, what the numbers say after sessions of every kind, its documents.
#![allow(unreachable_pub)] // shared between the files of this binary

#[allow(dead_code, reason = "the live tests use the rest")]
#[path = "../live/camera.rs"]
mod camera;
#[path = "../common/mod.rs"]
mod common;
mod documents;
mod exposition;
mod numbers;

use std::path::{Path, PathBuf};

use framewire_worker::Worker;

use common::http::get;
use exposition::Page;

pub(crate) fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A worker with the small models of the model tests.
pub(crate) fn worker() -> Worker {
    common::worker_with(|config| {
        config.models_dir = Some(checkout().join("crates/worker/tests/data/models"));
    })
}

pub(crate) fn page(worker: &Worker) -> Page {
    let answer = get(worker.local_addr(), "/metrics");
    assert_eq!(answer.status, 200);
    Page::read(&answer.body)
}
