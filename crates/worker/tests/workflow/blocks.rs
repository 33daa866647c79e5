//! What a worker says about blocks it cannot run and about models it does not have.

use framewire_worker::models::TaskType;
use framewire_worker::workflow::{CompileErrorKind, Workflow, model_workflow};
use serde_json::{Value, json};

use crate::definitions::{error, models};
use crate::run::step;

#[test]
fn a_model_that_is_not_there_is_its_own_kind_of_error() {
    let error = error(|d| d["steps"][1]["model_id"] = json!("team/none"));
    assert_eq!(error.kind(), CompileErrorKind::ModelNotFound);
    assert_eq!(error.error_type(), "RoboflowAPINotNotFoundError");
    assert!(
        error.message().contains("`team/none`") && error.message().contains("tiny/yolox"),
        "{error}"
    );
    let found = &error.blocks_errors()[0];
    assert_eq!(found.block_id.as_deref(), Some("model"));
}

#[test]
fn a_model_of_another_task_cannot_run_in_the_block() {
    let error = error(|d| d["steps"][1]["model_id"] = json!("tiny/colors"));
    assert_eq!(error.kind(), CompileErrorKind::NotRunnable);
    assert!(error.message().contains("classification"), "{error}");
}

#[test]
fn model_blocks_that_cannot_run_here_are_checked_and_named() {
    for (task, property, wrong) in [
        (
            TaskType::InstanceSegmentation,
            "mask_decode_mode",
            json!("precise"),
        ),
        (TaskType::KeypointDetection, "keypoint_confidence", json!(2)),
        (
            TaskType::SemanticSegmentation,
            "confidence_mode",
            json!("worst"),
        ),
    ] {
        let mut definition = model_workflow("any/model", task);
        let error = Workflow::compile(&definition, &models()).unwrap_err();
        assert_eq!(error.kind(), CompileErrorKind::NotRunnable, "{error}");
        let found = &error.blocks_errors()[0];
        assert_eq!(found.block_id.as_deref(), Some("model"));
        assert!(
            found
                .block_details
                .as_deref()
                .unwrap()
                .contains(task.as_str())
        );
        definition["steps"][0][property] = wrong;
        assert_eq!(
            Workflow::compile(&definition, &models())
                .unwrap_err()
                .kind(),
            CompileErrorKind::Syntax
        );
    }
}

#[test]
fn visualization_properties_are_checked() {
    let visual = |kind: &str, property: &str, value: Value| {
        let properties = json!({"image": "$inputs.image", "predictions": "$steps.model.predictions", property: value});
        error(|d| {
            d["steps"][1]["images"] = json!("$inputs.image");
            d["steps"][0] = step(kind, "drawn", properties);
            d["outputs"] = json!([]);
        })
    };
    for (property, value) in [
        ("color_palette", json!("Rainbow")),
        ("custom_colors", json!(["#12"])),
        ("color_axis", json!("SIZE")),
        ("palette_size", json!(0)),
        ("thickness", json!(-1)),
        ("roundness", json!(1.5)),
    ] {
        let error = visual("BoundingBoxVisualization", property, value);
        assert_eq!(
            error.blocks_errors()[0].property_name.as_deref(),
            Some(property),
            "{error}"
        );
    }
    for (property, value) in [
        ("text", json!("Name")),
        ("text_position", json!("ABOVE")),
        ("text_color", json!("mud")),
        ("text_scale", json!("big")),
        ("text_padding", json!(-1)),
    ] {
        let error = visual("LabelVisualization", property, value);
        assert_eq!(
            error.blocks_errors()[0].property_name.as_deref(),
            Some(property),
            "{error}"
        );
    }
}
