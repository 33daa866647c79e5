//! Where the models and the clip are, and pictures made for tests.

use std::path::{Path, PathBuf};

use framewire_media::{Bgr, Decoder, DecoderOptions, Frame, FramePool};
use framewire_worker::models::{Backend, ModelRegistry, RegistryOptions};

pub(crate) fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A file or folder of `assets/`; tests do not pass without them.
pub(crate) fn asset(path: &str) -> PathBuf {
    let found = checkout().join("assets").join(path);
    assert!(
        found.exists(),
        "{} is missing: run `make assets`",
        found.display()
    );
    found
}

pub(crate) fn test_data(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(path)
}

pub(crate) fn real_models(backend: Backend) -> ModelRegistry {
    let options = RegistryOptions::default().backend(backend);
    ModelRegistry::load(&asset("models"), options).expect("the assets are loadable")
}

pub(crate) fn tiny_models(backend: Backend) -> ModelRegistry {
    asset("lib/libonnxruntime.so");
    let options = RegistryOptions::default().backend(backend);
    ModelRegistry::load(&test_data("models"), options).expect("the tiny models are loadable")
}

pub(crate) const BACKENDS: [Backend; 2] = [Backend::OnnxRuntime, Backend::Rten];

/// The frames of the clip with these indexes, in order.
pub(crate) fn clip_frames(indexes: &[usize]) -> Vec<Frame> {
    let mut decoder = Decoder::open(asset("video/bikes.mp4"), DecoderOptions::default()).unwrap();
    let mut frames = Vec::new();
    for index in 0.. {
        let Some(frame) = decoder.next_frame().unwrap() else {
            break;
        };
        if indexes.contains(&index) {
            frames.push(frame);
        }
    }
    assert_eq!(frames.len(), indexes.len(), "the clip is too short");
    frames
}

pub(crate) fn solid(width: u32, height: u32, rgb: u32) -> Frame {
    Frame::solid_bgr(&FramePool::default(), width, height, Bgr::from_rgb(rgb)).unwrap()
}
