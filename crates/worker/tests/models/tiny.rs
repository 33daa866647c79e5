//! The families on models made by `scripts/make-test-models.py`, whose answers follow from the rows written there.

use framewire_media::Frame;
use framewire_worker::models::{Box2d, DetectOptions, ModelRegistry, RunError};

use crate::support::{BACKENDS, solid, tiny_models};

fn detect(models: &ModelRegistry, id: &str, frame: &Frame, options: &DetectOptions) -> Vec<Box2d> {
    models.get(id).unwrap().detect(frame, options).unwrap()
}

fn assert_boxes(found: &[Box2d], expected: &[(u32, f32, [f32; 4])]) {
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for (found, (class_id, confidence, corners)) in found.iter().zip(expected) {
        assert_eq!(found.class_id, *class_id, "{found:?}");
        assert!((found.confidence - confidence).abs() < 1e-4, "{found:?}");
        let near = found
            .corners
            .iter()
            .zip(corners)
            .all(|(a, b)| (a - b).abs() < 1e-2);
        assert!(near, "{found:?}, expected {corners:?}");
    }
}

#[test]
fn yolox_rows_become_boxes_of_the_letterboxed_picture() {
    for backend in BACKENDS {
        let models = tiny_models(backend);
        // 64x32 is halved and lies in the upper left of the input.
        let frame = solid(64, 32, 0x808080);
        let found = detect(&models, "tiny/yolox", &frame, &DetectOptions::default());
        assert_boxes(
            &found,
            &[
                (0, 0.72, [8.0, 16.0, 40.0, 32.0]),
                (1, 0.5, [40.0, 16.0, 56.0, 32.0]),
            ],
        );
        let mut options = DetectOptions::default();
        options.iou = 1.0;
        assert_eq!(detect(&models, "tiny/yolox", &frame, &options).len(), 3);
    }
}

#[test]
fn both_exports_of_yolov8_are_read() {
    for backend in BACKENDS {
        let models = tiny_models(backend);
        let frame = solid(64, 64, 0x808080);
        let raw = detect(&models, "tiny/yolov8", &frame, &DetectOptions::default());
        // The fifth box reaches beyond the picture and is cut.
        assert_boxes(
            &raw,
            &[
                (0, 0.9, [8.0, 16.0, 40.0, 32.0]),
                (1, 0.8, [40.0, 24.0, 64.0, 40.0]),
                (1, 0.5, [40.0, 16.0, 56.0, 48.0]),
            ],
        );
        let done = detect(
            &models,
            "tiny/yolov8-nms",
            &frame,
            &DetectOptions::default(),
        );
        assert_boxes(
            &done,
            &[
                (0, 0.9, [8.0, 16.0, 40.0, 32.0]),
                (1, 0.5, [40.0, 16.0, 56.0, 48.0]),
            ],
        );
    }
}

#[test]
fn thresholds_and_limits_apply() {
    let models = tiny_models(BACKENDS[0]);
    let frame = solid(32, 32, 0);
    let count = |change: fn(&mut DetectOptions)| {
        let mut options = DetectOptions::default();
        change(&mut options);
        detect(&models, "tiny/yolov8", &frame, &options).len()
    };
    assert_eq!(count(|o| o.confidence = 0.0), 4);
    assert_eq!(count(|o| o.confidence = 0.85), 1);
    assert_eq!(count(|o| o.max_detections = 2), 2);
    assert_eq!(count(|o| o.max_candidates = 1), 1);
    assert_eq!(count(|o| o.class_agnostic = true), 3);
    assert_eq!(count(|o| (o.iou, o.class_agnostic) = (0.0, true)), 2);
    assert_eq!(count(|o| o.allowed = Some(vec![false, true])), 2);
}

#[test]
fn classification_ranks_classes_from_the_picture() {
    for backend in BACKENDS {
        let models = tiny_models(backend);
        let model = models.get("tiny/colors").unwrap();
        for (rgb, expected) in [(0xff0000, "red"), (0x00ff00, "green"), (0x0000ff, "blue")] {
            let scores = model.classify(&solid(40, 20, rgb)).unwrap();
            let best = (0..3)
                .max_by(|a, b| scores[*a].total_cmp(&scores[*b]))
                .unwrap();
            assert_eq!(model.classes()[best], expected);
            assert!((scores.iter().sum::<f32>() - 1.0).abs() < 1e-5 && scores[best] > 0.99);
        }
        let tags = models
            .get("tiny/tags")
            .unwrap()
            .classify(&solid(8, 8, 0xffff00))
            .unwrap();
        assert!(
            tags[0] > 0.99 && tags[1] > 0.99 && tags[2] < 0.01,
            "{tags:?}"
        );
    }
}

#[test]
fn a_model_refuses_the_wrong_task() {
    let models = tiny_models(BACKENDS[0]);
    let frame = solid(8, 8, 0);
    let error = models
        .get("tiny/yolox")
        .unwrap()
        .classify(&frame)
        .unwrap_err();
    assert!(matches!(error, RunError::Task { .. }), "{error}");
    let error = models
        .get("tiny/colors")
        .unwrap()
        .detect(&frame, &DetectOptions::default())
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the model `tiny/colors` is for classification, it cannot be used for object-detection"
    );
}

#[test]
fn ids_with_slashes_are_folders_in_folders() {
    let models = tiny_models(BACKENDS[0]);
    let ids: Vec<_> = models.models().map(|model| model.id()).collect();
    assert_eq!(
        ids,
        [
            "tiny/colors",
            "tiny/tags",
            "tiny/yolov8",
            "tiny/yolov8-nms",
            "tiny/yolox"
        ]
    );
    let model = models.get("tiny/yolox").unwrap();
    assert_eq!((model.input_size(), model.family()), ((32, 32), "yolox"));
    assert!(models.get("yolox").is_none());
}

#[test]
fn pictures_of_any_size_are_taken() {
    let models = tiny_models(BACKENDS[0]);
    for (width, height) in [(1, 1), (1, 700), (700, 1), (3, 5), (1921, 1081)] {
        for id in ["tiny/yolox", "tiny/yolov8"] {
            let found = detect(
                &models,
                id,
                &solid(width, height, 0xffffff),
                &DetectOptions::default(),
            );
            let inside = |found: &Box2d| {
                let [x0, y0, x1, y1] = found.corners;
                x0 >= 0.0
                    && y0 >= 0.0
                    && x1 <= width as f32
                    && y1 <= height as f32
                    && x0 < x1
                    && y0 < y1
            };
            assert!(found.iter().all(inside), "{id} {width}x{height}: {found:?}");
        }
    }
}
