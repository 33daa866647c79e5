//! The visualization blocks, judged by pixels.

use framewire_media::{Frame, FramePool};
use framewire_worker::models::Backend;
use framewire_worker::workflow::{Outputs, Value as Output};
use serde_json::{Value, json};

use crate::run::{definition, detector, run, run_with, step};
use crate::support::{clip_frames, real_models, solid, tiny_models};

/// The `tiny/yolov8` boxes on 64x64: cat 8,16..40,32; dog 40,24..64,40; dog 40,16..56,48.
fn drawn(kind: &str, properties: Value) -> Value {
    let mut all = json!({"image": "$inputs.image", "predictions": "$steps.model.predictions"});
    all.as_object_mut()
        .unwrap()
        .extend(properties.as_object().unwrap().clone());
    definition(
        json!([
            detector("model", "$inputs.image", "tiny/yolov8"),
            step(kind, "drawn", all)
        ]),
        &[
            ("image", "$steps.drawn.image", false),
            ("original", "$inputs.image", false),
        ],
    )
}

fn frame<'o>(outputs: &'o Outputs, name: &str) -> &'o Frame {
    let Some(Output::Image(image)) = outputs.get(name) else {
        panic!("{name} is no picture")
    };
    &image.frame
}

/// 0xRRGGBB at a place.
fn pixel(frame: &Frame, x: usize, y: usize) -> u32 {
    let bgr = frame.to_bgr(&FramePool::default()).unwrap();
    let plane = bgr.plane(0);
    let at = y * plane.stride + x * 3;
    u32::from(plane.data[at + 2]) << 16
        | u32::from(plane.data[at + 1]) << 8
        | u32::from(plane.data[at])
}

fn boxes(properties: Value) -> Outputs {
    let definition = drawn("BoundingBoxVisualization", properties);
    run(
        &definition,
        &tiny_models(Backend::Rten),
        &solid(64, 64, 0x101010),
    )
}

#[test]
fn boxes_are_outlined_in_the_colour_of_their_class_and_the_original_stays() {
    let outputs = boxes(json!({}));
    let image = frame(&outputs, "image");
    assert_eq!(pixel(image, 20, 16), 0xa351fb);
    assert_eq!(pixel(image, 8, 25), 0xa351fb);
    assert_eq!(pixel(image, 50, 48), 0xff4040);
    assert_eq!(pixel(image, 20, 24), 0x101010);
    assert_eq!(pixel(image, 4, 4), 0x101010);
    assert_eq!(pixel(frame(&outputs, "original"), 20, 16), 0x101010);
}

#[test]
fn palettes_axes_and_thickness_choose_colours_and_lines() {
    let custom = boxes(
        json!({"color_palette": "CUSTOM", "custom_colors": ["#010203", "#0a0b0c"], "color_axis": "INDEX"}),
    );
    let image = frame(&custom, "image");
    assert_eq!(
        (pixel(image, 20, 16), pixel(image, 63, 30)),
        (0x010203, 0x0a0b0c)
    );
    let tab = boxes(json!({"color_palette": "Matplotlib Tab10", "thickness": 6}));
    assert_eq!(pixel(frame(&tab, "image"), 20, 18), 0x1f77b4);
    let none = boxes(json!({"thickness": 0}));
    assert_eq!(pixel(frame(&none, "image"), 20, 16), 0x101010);
    let round = boxes(json!({"roundness": 1.0, "color_palette": "ROBOFLOW"}));
    assert_eq!(pixel(frame(&round, "image"), 8, 16), 0x101010);
    assert_eq!(pixel(frame(&round, "image"), 24, 16), 0xc28dfc);
}

#[test]
fn properties_can_come_from_parameters() {
    let mut definition = drawn(
        "BoundingBoxVisualization",
        json!({"color_palette": "$inputs.palette"}),
    );
    let input =
        json!({"type": "WorkflowParameter", "name": "palette", "default_value": "ROBOFLOW"});
    definition["inputs"].as_array_mut().unwrap().push(input);
    let models = tiny_models(Backend::Rten);
    let color = |parameters| {
        pixel(
            frame(
                &run_with(&definition, &models, parameters).unwrap(),
                "image",
            ),
            20,
            16,
        )
    };
    assert_eq!(color(json!({})), 0xc28dfc);
    assert_eq!(color(json!({"palette": "DEFAULT"})), 0xa351fb);
    let error = run_with(&definition, &models, json!({"palette": "None"})).unwrap_err();
    assert!(error.to_string().contains("`color_palette`"), "{error}");
}

#[test]
fn a_palette_that_cannot_be_used_is_an_error_of_the_step() {
    let models = tiny_models(Backend::Rten);
    let error = |properties| {
        run_with(
            &drawn("BoundingBoxVisualization", properties),
            &models,
            Value::Null,
        )
        .unwrap_err()
    };
    assert!(
        error(json!({"color_palette": "CUSTOM"}))
            .to_string()
            .contains("custom_colors")
    );
    assert!(
        error(json!({"color_axis": "TRACK"}))
            .to_string()
            .contains("TRACK")
    );
}

#[test]
fn labels_are_written_on_their_colour() {
    let properties = json!({"text_padding": 2, "text_scale": 0.4, "text_position": "BOTTOM_LEFT", "text": "Class and Confidence"});
    let definition = drawn("LabelVisualization", properties);
    let outputs = run(
        &definition,
        &tiny_models(Backend::Rten),
        &solid(64, 64, 0x101010),
    );
    let image = frame(&outputs, "image");
    let bgr = image.to_bgr(&FramePool::default()).unwrap();
    let pixels: Vec<_> = (0..64)
        .flat_map(|y| (0..64).map(move |x| (x, y)))
        .map(|(x, y)| pixel(&bgr, x, y))
        .collect();
    assert!(
        pixels.iter().filter(|&&pixel| pixel == 0xa351fb).count() > 50,
        "no background"
    );
    assert!(
        pixels.iter().filter(|&&pixel| pixel > 0xe0e0e0).count() > 5,
        "no white text"
    );
    assert_eq!(pixel(image, 10, 10), 0x101010);
}

#[test]
fn label_text_can_come_from_another_step() {
    let definition = drawn(
        "LabelVisualization",
        json!({"text": "$steps.model.model_id", "text_padding": 0}),
    );
    let models = tiny_models(Backend::Rten);
    let mut runner = crate::run::runner(&definition, &models, Value::Null);
    for _ in 0..2 {
        let outputs = runner
            .run(&solid(64, 64, 0x101010), &crate::run::metadata())
            .unwrap();
        assert_ne!(pixel(frame(&outputs, "image"), 20, 15), 0x101010);
    }
}

#[test]
fn without_detections_the_picture_passes_unchanged_and_uncopied() {
    for kind in ["BoundingBoxVisualization", "LabelVisualization"] {
        let mut definition = drawn(kind, json!({}));
        definition["steps"][0]["confidence"] = json!(1.0);
        let outputs = run(
            &definition,
            &tiny_models(Backend::Rten),
            &clip_frames(&[3]).remove(0),
        );
        let (image, original) = (frame(&outputs, "image"), frame(&outputs, "original"));
        assert_eq!(
            image.plane(0).data.as_ptr(),
            original.plane(0).data.as_ptr()
        );
    }
}

#[test]
fn boxes_and_labels_follow_each_other_on_a_real_frame() {
    let boxes = json!({"image": "$inputs.image", "predictions": "$steps.model.predictions"});
    let labels = json!({"images": "$steps.boxes.image", "predictions": "$steps.model.predictions"});
    let definition = definition(
        json!([
            step("roboflow_core/label_visualization@v1", "labels", labels),
            step(
                "roboflow_core/bounding_box_visualization@v1",
                "boxes",
                boxes
            ),
            detector(
                "model",
                "$inputs.image",
                framewire_worker::models::BUNDLED_MODEL_ID
            ),
        ]),
        &[
            ("image", "$steps.labels.image", false),
            ("boxes", "$steps.boxes.image", false),
        ],
    );
    let original = clip_frames(&[40]).remove(0);
    let outputs = run(&definition, &real_models(Backend::OnnxRuntime), &original);
    let changed = |a: &Frame, b: &Frame| {
        let pool = FramePool::default();
        let (a, b) = (
            a.to_packed_bgr(&pool).unwrap(),
            b.to_packed_bgr(&pool).unwrap(),
        );
        let bytes = |frame: &Frame| frame.bgr_bytes().unwrap().as_chunks::<3>().0.to_vec();
        bytes(&a)
            .iter()
            .zip(bytes(&b))
            .filter(|(a, b)| **a != *b)
            .count()
    };
    let drawn = changed(&original, frame(&outputs, "boxes"));
    let labelled = changed(frame(&outputs, "boxes"), frame(&outputs, "image"));
    assert!(drawn > 1000 && labelled > 500, "{drawn} {labelled}");
    assert_eq!(
        (
            frame(&outputs, "image").width(),
            frame(&outputs, "image").height()
        ),
        (640, 272)
    );
}
