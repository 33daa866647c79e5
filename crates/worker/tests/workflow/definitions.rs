//! What is wrong with a definition is told by kind, block and property.

use framewire_worker::models::{Backend, ModelRegistry};
use framewire_worker::workflow::{BlockError, CompileError, CompileErrorKind, Workflow};
use serde_json::{Value, json};

use crate::run::{definition, detector, step};
use crate::support::tiny_models;

pub(crate) fn models() -> ModelRegistry {
    tiny_models(Backend::Rten)
}

fn good() -> Value {
    let crop = json!({"images": "$inputs.image", "x_center": 40, "y_center": 40, "width": 80, "height": 80});
    definition(
        json!([
            step("AbsoluteStaticCrop", "crop", crop),
            detector("model", "$steps.crop.crops", "tiny/yolox")
        ]),
        &[
            ("crops", "$steps.crop.crops", true),
            ("predictions", "$steps.model.predictions", false),
        ],
    )
}

pub(crate) fn error(change: impl FnOnce(&mut Value)) -> CompileError {
    let mut definition = good();
    change(&mut definition);
    Workflow::compile(&definition, &models()).unwrap_err()
}

#[track_caller]
fn assert_syntax(
    change: impl FnOnce(&mut Value),
    block: Option<&str>,
    kind: Option<&str>,
    property: &str,
) {
    let error = error(change);
    assert_eq!(
        (error.kind(), error.error_type()),
        (CompileErrorKind::Syntax, "WorkflowSyntaxError"),
        "{error}"
    );
    let found: &BlockError = error.blocks_errors().first().unwrap();
    let seen = (
        found.block_id.as_deref(),
        found.block_type.as_deref(),
        found.property_name.as_deref(),
    );
    assert_eq!(seen, (block, kind, Some(property)), "{error}");
    assert!(
        found
            .property_details
            .as_deref()
            .is_some_and(|details| !details.is_empty())
    );
}

#[test]
fn a_good_definition_compiles_and_names_its_outputs() {
    let workflow = Workflow::compile(&good(), &models()).unwrap();
    assert_eq!(
        workflow.output_names().collect::<Vec<_>>(),
        ["crops", "predictions"]
    );
    assert_eq!(workflow.image_inputs().collect::<Vec<_>>(), ["image"]);
}

#[test]
fn missing_and_wrong_keys_of_the_definition_are_syntax_errors() {
    for key in ["version", "inputs", "steps", "outputs"] {
        assert_syntax(
            |d| drop(d.as_object_mut().unwrap().remove(key)),
            None,
            None,
            key,
        );
        assert_syntax(|d| d[key] = json!(5), None, None, key);
    }
    assert_syntax(|d| *d = json!([]), None, None, "specification");
    assert_syntax(|d| d["steps"] = json!(["crop"]), None, None, "steps[0]");
    let many = vec![good()["inputs"][0].clone(); 513];
    assert_syntax(|d| d["inputs"] = many.into(), None, None, "inputs");
}

#[test]
fn wrong_properties_are_told_with_block_type_and_property() {
    let crop = (Some("crop"), Some("AbsoluteStaticCrop"));
    for (property, value) in [
        ("width", json!(0)),
        ("width", json!(-5)),
        ("width", json!(2.5)),
        ("width", json!("80")),
        ("width", json!(null)),
    ] {
        assert_syntax(
            |d| d["steps"][0][property] = value,
            crop.0,
            crop.1,
            property,
        );
    }
    assert_syntax(
        |d| drop(d["steps"][0].as_object_mut().unwrap().remove("height")),
        crop.0,
        crop.1,
        "height",
    );
    assert_syntax(
        |d| d["steps"][0]["images"] = json!("image"),
        crop.0,
        crop.1,
        "images",
    );
    assert_syntax(
        |d| d["steps"][0]["images"] = json!("$inputs.a.b"),
        crop.0,
        crop.1,
        "images",
    );
    assert_syntax(
        |d| d["steps"][0]["images"] = json!("$steps.crop.*"),
        crop.0,
        crop.1,
        "images",
    );
    let model = (
        Some("model"),
        Some("roboflow_core/roboflow_object_detection_model@v2"),
    );
    assert_syntax(
        |d| drop(d["steps"][1].as_object_mut().unwrap().remove("model_id")),
        model.0,
        model.1,
        "model_id",
    );
    for (property, value) in [
        ("confidence", json!(1.5)),
        ("iou_threshold", json!(-0.1)),
        ("max_detections", json!(0)),
        ("class_filter", json!("cat")),
        ("class_agnostic_nms", json!("yes")),
        ("model_id", json!(5)),
    ] {
        assert_syntax(
            |d| d["steps"][1][property] = value,
            model.0,
            model.1,
            property,
        );
    }
}

#[test]
fn unknown_types_and_bad_names_are_syntax_errors() {
    assert_syntax(
        |d| d["steps"][0]["type"] = json!("NoSuchBlock"),
        Some("crop"),
        Some("NoSuchBlock"),
        "type",
    );
    assert_syntax(
        |d| d["inputs"][0]["type"] = json!("Video"),
        Some("image"),
        Some("Video"),
        "type",
    );
    assert_syntax(
        |d| d["outputs"][0]["type"] = json!("Field"),
        Some("crops"),
        Some("Field"),
        "type",
    );
    assert_syntax(
        |d| drop(d["steps"][0].as_object_mut().unwrap().remove("type")),
        Some("crop"),
        None,
        "type",
    );
    assert_syntax(
        |d| d["steps"][0]["name"] = json!("a b"),
        Some("a b"),
        Some("AbsoluteStaticCrop"),
        "name",
    );
    assert_syntax(
        |d| d["steps"][0]["name"] = json!(""),
        Some(""),
        Some("AbsoluteStaticCrop"),
        "name",
    );
    assert_syntax(
        |d| d["outputs"][0]["selector"] = json!("crops"),
        Some("crops"),
        Some("JsonField"),
        "selector",
    );
    let system = |d: &mut Value| d["outputs"][0]["coordinates_system"] = json!("root");
    assert_syntax(
        system,
        Some("crops"),
        Some("JsonField"),
        "coordinates_system",
    );
    let long = "x".repeat(300);
    assert_syntax(
        |d| d["outputs"][0]["name"] = json!(long),
        Some(&long),
        Some("JsonField"),
        "name",
    );
}

#[test]
fn all_errors_are_collected() {
    let error = error(|d| {
        d["steps"][0]["width"] = json!(0);
        d["steps"][0]["height"] = json!(0);
        d["steps"][1]["confidence"] = json!(7);
        d["outputs"][0]["selector"] = json!("x");
    });
    let properties: Vec<_> = error
        .blocks_errors()
        .iter()
        .filter_map(|e| e.property_name.as_deref())
        .collect();
    assert_eq!(properties, ["width", "height", "confidence", "selector"]);
}

#[test]
fn versions_this_engine_does_not_have_are_workflow_errors() {
    for version in ["2.0", "1.99.0", "new", ""] {
        let error = error(|d| d["version"] = json!(version));
        assert_eq!(
            (error.kind(), error.error_type()),
            (CompileErrorKind::Version, "WorkflowError"),
            "{version}"
        );
    }
}

#[test]
fn names_that_occur_twice_are_workflow_errors() {
    for key in ["inputs", "steps", "outputs"] {
        let error = error(|d| {
            let again = d[key][0].clone();
            d[key].as_array_mut().unwrap().push(again);
        });
        assert_eq!(
            (error.kind(), error.error_type()),
            (CompileErrorKind::DuplicateName, "WorkflowError"),
            "{key}"
        );
    }
}

#[test]
fn references_that_lead_nowhere_are_workflow_errors() {
    for selector in [
        "$inputs.picture",
        "$steps.cut.crops",
        "$steps.crop.cuts",
        "$steps.model.predictions",
    ] {
        let error = error(|d| d["steps"][0]["images"] = json!(selector));
        assert!(
            matches!(
                error.kind(),
                CompileErrorKind::Reference | CompileErrorKind::Cycle
            ),
            "{selector}: {error}"
        );
        assert_eq!(error.error_type(), "WorkflowError");
    }
    for selector in ["$inputs.picture", "$steps.cut.*", "$steps.crop.cuts"] {
        let error = error(|d| d["outputs"][0]["selector"] = json!(selector));
        assert_eq!(error.kind(), CompileErrorKind::Reference, "{selector}");
        assert_eq!(error.blocks_errors()[0].block_id.as_deref(), Some("crops"));
    }
}

#[test]
fn references_of_the_wrong_kind_are_workflow_errors() {
    let error = error(|d| d["steps"][0]["width"] = json!("$inputs.image"));
    assert_eq!(error.kind(), CompileErrorKind::Reference);
    assert!(
        error.message().contains("`crop`") && error.message().contains("`width`"),
        "{error}"
    );
    let boxes = json!({"image": "$inputs.image", "predictions": "$steps.crop.crops"});
    let error = self::error(|d| d["steps"][1] = step("BoundingBoxVisualization", "boxes", boxes));
    assert!(error.message().contains("needs detections"), "{error}");
}

#[test]
fn steps_that_wait_for_each_other_are_workflow_errors() {
    let error = error(|d| d["steps"][0]["images"] = json!("$steps.crop.crops"));
    assert_eq!(error.kind(), CompileErrorKind::Cycle);
    assert!(error.message().contains("crop"), "{error}");
}

#[test]
fn steps_may_be_written_in_any_order() {
    let mut definition = good();
    definition["steps"].as_array_mut().unwrap().reverse();
    assert!(Workflow::compile(&definition, &models()).is_ok());
}
