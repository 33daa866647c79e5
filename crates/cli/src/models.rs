//! `framewire models`: what models there are, and adding one.
//! Not here: loading and running them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use framewire_worker::models::{
    Model, ModelOptions, ModelRegistry, RegistryOptions, RuntimeLibrary, runtime_library,
};
use serde_json::json;

use crate::args::{ModelsArgs, ModelsCommand};
use crate::{exit, models_dir};

pub(crate) fn models(args: ModelsArgs) -> u8 {
    match run(&args) {
        Ok(()) => exit::OK,
        Err(error) => {
            exit::last_line(format_args!("{error:#}"));
            exit::UNUSABLE_INPUT
        }
    }
}

/// The version with the libraries found at run time.
pub(crate) fn long_version() -> String {
    let onnx = match runtime_library() {
        RuntimeLibrary::Loaded { path, build } => format!("{} ({build})", path.display()),
        RuntimeLibrary::Unusable { path, reason } => {
            format!("{} is unusable ({reason}); built-in engine", path.display())
        }
        _ => "not found; built-in engine".to_owned(),
    };
    let ffmpeg = framewire_media::ffmpeg_version();
    format!(
        "framewire {}\nFFmpeg: {ffmpeg}\nONNX Runtime: {onnx}\n",
        env!("CARGO_PKG_VERSION")
    )
}

fn run(args: &ModelsArgs) -> anyhow::Result<()> {
    match &args.command {
        ModelsCommand::List => {
            for model in load(args)?.models() {
                println!("{}", line(model));
            }
        }
        ModelsCommand::Show { id } => {
            let registry = load(args)?;
            let Some(model) = registry.get(id) else {
                let known: Vec<_> = registry.models().map(|model| model.id()).collect();
                bail!("there is no model `{id}`; known: {}", known.join(", "));
            };
            println!("{}", serde_json::to_string_pretty(&describe(model))?);
        }
        ModelsCommand::Add { dir } => {
            let target = args
                .models
                .clone()
                .or_else(|| models_dir::find(None))
                .context(models_dir::NONE_FOUND)?;
            let (model, folder) = add(dir, &target)?;
            println!("{}\nadded as {}", line(&model), folder.display());
        }
    }
    Ok(())
}

fn load(args: &ModelsArgs) -> anyhow::Result<ModelRegistry> {
    let folder = models_dir::find(args.models.as_deref()).context(models_dir::NONE_FOUND)?;
    Ok(ModelRegistry::load(&folder, RegistryOptions::default())?)
}

fn line(model: &Model) -> String {
    let (width, height) = model.input_size();
    format!(
        "{}  {}  {width}x{height}  {} classes",
        model.id(),
        model.task_type().as_str(),
        model.classes().len()
    )
}

fn describe(model: &Model) -> serde_json::Value {
    let (width, height) = model.input_size();
    json!({
        "id": model.id(),
        "task_type": model.task_type().as_str(),
        "family": model.family(),
        "input": {"width": width, "height": height},
        "classes": model.classes(),
    })
}

/// Checks the model in `dir` by loading it, then copies its two files to `target/<id>`, whole or not at all.
fn add(dir: &Path, target: &Path) -> anyhow::Result<(Model, PathBuf)> {
    let model = Model::load(dir, &ModelOptions::default())
        .with_context(|| format!("{} is no usable model", dir.display()))?;
    let folder = target.join(model.id());
    ensure!(
        !folder.exists(),
        "{} exists already; remove it first to replace the model",
        folder.display()
    );
    let parent = folder.parent().unwrap_or(target);
    let context = || format!("cannot write to {}", parent.display());
    fs::create_dir_all(parent).with_context(context)?;
    let staging = tempfile::Builder::new()
        .prefix(".adding-")
        .tempdir_in(parent)
        .with_context(context)?;
    for name in [Model::DESCRIPTION, model.file_name()] {
        fs::copy(dir.join(name), staging.path().join(name)).with_context(context)?;
    }
    fs::rename(staging.path(), &folder).with_context(context)?;
    // The folder has its new name: nothing is left for the guard to remove.
    let _ = staging.keep();
    Ok((model, folder))
}
