//! Models that are not what their description says: refused when loaded, with what was expected and found.

use std::error::Error;
use std::fmt::Write;
use std::path::Path;

use framewire_worker::models::{
    Model, ModelOptions, ModelRegistry, RegistryError, RegistryOptions,
};
use serde_json::{Value, json};

use crate::support::{BACKENDS, test_data};

/// A copy of a tiny model with a changed description.
fn changed(id: &str, change: impl FnOnce(&mut Value)) -> tempfile::TempDir {
    let source = test_data("models").join(id);
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(source.join("model.onnx"), folder.path().join("model.onnx")).unwrap();
    let mut description =
        serde_json::from_slice(&std::fs::read(source.join("model.json")).unwrap()).unwrap();
    change(&mut description);
    std::fs::write(folder.path().join("model.json"), description.to_string()).unwrap();
    folder
}

/// The whole chain of messages.
fn said(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        write!(text, ": {error}").unwrap();
        next = error.source();
    }
    text
}

fn refusal(folder: &Path) -> Vec<String> {
    BACKENDS
        .iter()
        .map(|backend| {
            let mut options = ModelOptions::default();
            options.backend = Some(*backend);
            said(&Model::load(folder, &options).unwrap_err())
        })
        .collect()
}

#[track_caller]
fn assert_refused(id: &str, change: impl FnOnce(&mut Value), expected: &[&str]) {
    for message in refusal(changed(id, change).path()) {
        for part in expected {
            assert!(message.contains(part), "`{part}` is not in: {message}");
        }
    }
}

#[test]
fn a_wrong_class_count_is_told_with_the_tensor_and_both_shapes() {
    let classes = json!(["a", "b", "c"]);
    assert_refused(
        "tiny/yolox",
        |d| d["classes"] = classes.clone(),
        &["`output`", "[1, 21, 8]", "[1, 21, 7]"],
    );
    assert_refused(
        "tiny/yolov8",
        |d| d["classes"] = classes.clone(),
        &["`output`", "[1, 7, ?]", "[1, 6, 5]"],
    );
    assert_refused(
        "tiny/colors",
        |d| d["classes"] = json!(["a"]),
        &["`output`", "[1, 1]", "[1, 3]"],
    );
}

#[test]
fn a_wrong_input_size_is_told_with_the_tensor_and_both_shapes() {
    assert_refused(
        "tiny/yolov8",
        |d| d["input"]["width"] = 64.into(),
        &["`images`", "[1, 3, 32, 64]", "[1, 3, 32, 32]"],
    );
    assert_refused(
        "tiny/yolov8",
        |d| d["input"]["layout"] = "nhwc".into(),
        &["`images`", "[1, 32, 32, 3]"],
    );
}

#[test]
fn another_family_does_not_fit() {
    assert_refused(
        "tiny/yolov8",
        |d| d["family"] = "yolox".into(),
        &["`output`", "[1, 21, 7]", "[1, 6, 5]"],
    );
    assert_refused(
        "tiny/yolox",
        |d| d["family"] = "ssd-mobilenet".into(),
        &["`output`", ", 4]", "[1, 21, 7]"],
    );
}

#[test]
fn unknown_options_and_outputs_are_told() {
    assert_refused(
        "tiny/yolox",
        |d| d["options"] = json!({"stride": [8]}),
        &["options", "stride"],
    );
    assert_refused(
        "tiny/yolox",
        |d| d["options"] = json!({"output": "boxes"}),
        &["`boxes`", "`output`"],
    );
    assert_refused(
        "tiny/yolox",
        |d| d["options"] = json!({"strides": [0]}),
        &["strides"],
    );
}

#[test]
fn files_that_are_no_models_are_told() {
    let folder = changed("tiny/yolox", |_| ());
    std::fs::write(folder.path().join("model.onnx"), b"not a model").unwrap();
    assert!(
        refusal(folder.path())
            .iter()
            .all(|message| message.contains("model.onnx"))
    );
    std::fs::remove_file(folder.path().join("model.onnx")).unwrap();
    assert!(
        refusal(folder.path())
            .iter()
            .all(|message| message.contains("model.onnx"))
    );
    std::fs::write(folder.path().join("model.json"), b"{").unwrap();
    assert!(
        refusal(folder.path())
            .iter()
            .all(|message| message.contains("model.json"))
    );
    std::fs::write(folder.path().join("model.json"), vec![b' '; 9 << 20]).unwrap();
    assert!(
        refusal(folder.path())
            .iter()
            .all(|message| message.contains("8388608"))
    );
}

#[test]
fn a_size_the_file_leaves_open_is_checked_by_a_first_run() {
    for message in refusal(&test_data("models-refused/open")) {
        for part in ["first run", "[1, 21, 7]", "[1, 20, 7]"] {
            assert!(message.contains(part), "`{part}` is not in: {message}");
        }
    }
}

#[test]
fn one_bad_model_fails_the_load_of_the_folder_and_is_named() {
    let root = tempfile::tempdir().unwrap();
    let place = root.path().join("team/car");
    std::fs::create_dir_all(&place).unwrap();
    for file in ["model.json", "model.onnx"] {
        std::fs::copy(test_data("models/tiny/yolox").join(file), place.join(file)).unwrap();
    }
    let error = ModelRegistry::load(root.path(), RegistryOptions::default()).unwrap_err();
    assert!(
        matches!(&error, RegistryError::Id { id, expected, .. } if id == "tiny/yolox" && expected == "team/car")
    );
    std::fs::write(place.join("model.json"), "{}").unwrap();
    let error = ModelRegistry::load(root.path(), RegistryOptions::default()).unwrap_err();
    assert!(said(&error).contains("team/car"), "{}", said(&error));
}
