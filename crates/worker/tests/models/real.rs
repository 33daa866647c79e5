//! The bundled detector on frames of the clip, against boxes recorded once with the reference decoder.

use std::process::Command;

use framewire_media::FramePool;
use framewire_worker::models::{
    BUNDLED_MODEL_ID, Backend, Box2d, DetectOptions, Model, RuntimeLibrary, runtime_library,
};
use serde_json::Value;

use crate::support::{BACKENDS, clip_frames, real_models, test_data};

/// Confidence this close to the threshold may fall on either side of it.
const CONFIDENCE_TOLERANCE: f64 = 0.01;
const PIXEL_TOLERANCE: f64 = 1.0;

struct Expected {
    class_id: u64,
    confidence: f64,
    corners: Vec<f64>,
}

fn expected() -> (DetectOptions, Vec<(usize, Vec<Expected>)>) {
    let text = std::fs::read(test_data("bikes-boxes.json")).unwrap();
    let document: Value = serde_json::from_slice(&text).unwrap();
    let mut options = DetectOptions::default();
    options.confidence = document["confidence"].as_f64().unwrap() as f32;
    options.iou = document["iou"].as_f64().unwrap() as f32;
    let boxes = |frame: &Value| -> Vec<Expected> {
        let one = |found: &Value| Expected {
            class_id: found["class_id"].as_u64().unwrap(),
            confidence: found["confidence"].as_f64().unwrap(),
            corners: found["xyxy"]
                .as_array()
                .unwrap()
                .iter()
                .map(|v| v.as_f64().unwrap())
                .collect(),
        };
        frame["boxes"].as_array().unwrap().iter().map(one).collect()
    };
    let frames = document["frames"].as_array().unwrap();
    let frames = frames
        .iter()
        .map(|frame| (frame["frame"].as_u64().unwrap() as usize, boxes(frame)));
    (options, frames.collect())
}

fn equal(expected: &Expected, found: &Box2d) -> bool {
    let near = |(a, b): (&f64, &f32)| (a - f64::from(*b)).abs() <= PIXEL_TOLERANCE;
    expected.class_id == u64::from(found.class_id)
        && (expected.confidence - f64::from(found.confidence)).abs() <= CONFIDENCE_TOLERANCE
        && expected.corners.iter().zip(&found.corners).all(near)
}

#[test]
fn boxes_equal_those_of_the_reference_decoder_on_both_engines() {
    let (options, expected) = expected();
    let indexes: Vec<_> = expected.iter().map(|(index, _)| *index).collect();
    let frames = clip_frames(&indexes);
    for backend in BACKENDS {
        let models = real_models(backend);
        let model = models.get(BUNDLED_MODEL_ID).unwrap();
        assert_eq!(model.backend(), backend);
        let mut matched = 0;
        for ((index, expected), frame) in expected.iter().zip(&frames) {
            let found = model.detect(frame, &options).unwrap();
            for wanted in expected {
                let there = found.iter().any(|found| equal(wanted, found));
                let threshold = f64::from(options.confidence);
                let borderline = (wanted.confidence - threshold).abs() <= CONFIDENCE_TOLERANCE;
                assert!(
                    there || borderline,
                    "{backend:?}, frame {index}: no box like {} {:.4} {:?} in {found:?}",
                    wanted.class_id,
                    wanted.confidence,
                    wanted.corners
                );
                matched += usize::from(there);
            }
            for found in &found {
                let known = expected.iter().any(|wanted| equal(wanted, found));
                let borderline =
                    found.confidence - options.confidence <= CONFIDENCE_TOLERANCE as f32;
                assert!(
                    known || borderline,
                    "{backend:?}, frame {index}: unexpected {found:?}"
                );
            }
        }
        assert!(
            matched >= 12,
            "{backend:?}: only {matched} boxes were compared"
        );
    }
}

#[test]
fn a_converted_frame_gives_nearly_the_same_strong_boxes() {
    // Another rounding of the colours, so not the same to the pixel: see the note on colours in `preprocess`.
    let pool = FramePool::default();
    let models = real_models(Backend::OnnxRuntime);
    let model = models.get(BUNDLED_MODEL_ID).unwrap();
    let mut options = DetectOptions::default();
    options.confidence = 0.5;
    for frame in clip_frames(&[40, 110, 140]) {
        let find = |frame| model.detect(frame, &options).unwrap();
        let (planar, bgr) = (find(&frame), find(&frame.to_bgr(&pool).unwrap()));
        assert!(!planar.is_empty());
        assert_eq!(planar.len(), bgr.len());
        for (a, b) in planar.iter().zip(&bgr) {
            let near = a
                .corners
                .iter()
                .zip(&b.corners)
                .all(|(a, b)| (a - b).abs() < 5.0);
            assert!(near && a.class_id == b.class_id, "{a:?} {b:?}");
        }
    }
}

#[test]
fn many_threads_share_one_model_and_get_the_same_answers() {
    let models = real_models(Backend::OnnxRuntime);
    let model: &Model = models.get(BUNDLED_MODEL_ID).unwrap();
    let frames = clip_frames(&[40, 60, 110, 140]);
    let find = |index: usize| {
        model
            .detect(&frames[index], &DetectOptions::default())
            .unwrap()
    };
    let alone: Vec<_> = (0..frames.len()).map(find).collect();
    std::thread::scope(|scope| {
        for thread in 0..6 {
            let (find, alone) = (&find, &alone);
            scope.spawn(move || {
                for turn in 0..4 {
                    let index = (thread + turn) % alone.len();
                    assert_eq!(find(index), alone[index]);
                }
            });
        }
    });
}

#[test]
fn a_class_filter_keeps_only_its_classes() {
    let models = real_models(Backend::OnnxRuntime);
    let model = models.get(BUNDLED_MODEL_ID).unwrap();
    let frame = clip_frames(&[110]).remove(0);
    let mut options = DetectOptions::default();
    options.allowed = Some(model.allow(&["Bicycle", "no such class"]));
    let found = model.detect(&frame, &options).unwrap();
    assert!(!found.is_empty());
    assert!(
        found
            .iter()
            .all(|found| model.classes()[found.class_id as usize] == "Bicycle")
    );
    options.allowed = Some(model.allow(&[""; 0]));
    assert!(model.detect(&frame, &options).unwrap().is_empty());
}

#[test]
fn the_library_of_the_assets_is_found_without_being_named() {
    if std::env::var_os("FRAMEWIRE_ORT").is_none() && std::env::var_os("ORT_DYLIB_PATH").is_none() {
        crate::support::asset("lib/libonnxruntime.so");
        let RuntimeLibrary::Loaded { path, build } = runtime_library() else {
            panic!("{:?}", runtime_library())
        };
        assert!(path.ends_with("libonnxruntime.so"), "{}", path.display());
        assert!(!build.is_empty());
    }
}

/// The search happens once per process, so the other outcomes need processes of their own: this test binary again.
fn rerun(test: &str, variable: &str) {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--test-threads=1"])
        .env("FRAMEWIRE_ORT", variable)
        .env("FRAMEWIRE_TEST_CHILD", variable)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&status.stdout);
    assert!(
        status.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&status.stderr)
    );
}

fn runs_on_the_built_in_engine() {
    let registry = framewire_worker::models::ModelRegistry::load(
        &crate::support::asset("models"),
        framewire_worker::models::RegistryOptions::default(),
    );
    let registry = registry.unwrap();
    let model = registry.get(BUNDLED_MODEL_ID).unwrap();
    assert_eq!(model.backend(), Backend::Rten);
    let frame = clip_frames(&[40]).remove(0);
    let found = model.detect(&frame, &DetectOptions::default()).unwrap();
    assert!(!found.is_empty());
}

#[test]
fn without_a_shared_library_models_run_on_the_built_in_engine() {
    if std::env::var("FRAMEWIRE_TEST_CHILD").is_ok() {
        assert!(matches!(runtime_library(), RuntimeLibrary::Absent));
        runs_on_the_built_in_engine();
    } else {
        rerun(
            "real::without_a_shared_library_models_run_on_the_built_in_engine",
            "off",
        );
    }
}

#[test]
fn a_named_library_that_is_none_is_reported_and_models_still_run() {
    if std::env::var("FRAMEWIRE_TEST_CHILD").is_ok() {
        let RuntimeLibrary::Unusable { path, reason } = runtime_library() else {
            panic!("{:?}", runtime_library())
        };
        assert!(path.ends_with("bikes-boxes.json") && !reason.is_empty());
        runs_on_the_built_in_engine();
    } else {
        let not_a_library = test_data("bikes-boxes.json");
        rerun(
            "real::a_named_library_that_is_none_is_reported_and_models_still_run",
            not_a_library.to_str().unwrap(),
        );
    }
}
