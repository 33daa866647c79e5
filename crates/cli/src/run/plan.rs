//! From options to what is streamed: source, workflow, outputs, whether boxes are drawn here.
//! Not here: connecting; nothing in this file touches the network but the task lookup of a named model.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use framewire::{StreamConfig, TaskType, UploadId, Workflow};
use serde_json::Value;

use super::source::SourceSpec;
use crate::args::{FramesPath, RunArgs};

/// The detector that `make assets` puts in place.
pub(crate) const BUNDLED_MODEL: &str = "ssd-mobilenetv2-oidv4";

/// Everything about a stream that does not need a worker to be known.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) source: SourceSpec,
    pub(crate) realtime: bool,
    /// Frames come back on a video track instead of inside the results.
    pub(crate) track: bool,
    pub(crate) workflow: Workflow,
    pub(crate) config: StreamConfig,
    pub(crate) draw: bool,
    pub(crate) upload_id: Option<UploadId>,
}

impl Plan {
    /// Checks and combines the options. Reads the workflow file.
    pub(crate) fn new(args: &RunArgs) -> anyhow::Result<Self> {
        let source = SourceSpec::parse(&args.source, args.local)?;
        ensure!(
            args.frames == FramesPath::Datachannel || !source.is_live(),
            "--frames is for files; frames of live sources always come back on a track"
        );
        ensure!(
            args.upload_id.is_none() || matches!(source, SourceSpec::File(_)),
            "--upload-id is for files; nothing else is uploaded"
        );
        let realtime = args.realtime || (source.is_live() && !args.batch);
        ensure!(
            args.fresh_results.is_none() || realtime,
            "--fresh-results is for realtime processing, where results may be lost; add --realtime"
        );
        let track = source.is_live() || args.frames == FramesPath::Track;
        let on_stdout = |path: &Option<std::path::PathBuf>| path.as_deref() == Some(Path::new("-"));
        ensure!(
            !(on_stdout(&args.out_data) && on_stdout(&args.summary)),
            "--out-data and --summary cannot both be standard output"
        );
        ensure!(
            !on_stdout(&args.out_video),
            "--out-video needs a file: an mp4 cannot be written to a pipe"
        );

        let workflow = workflow(args)?;
        let mut config = StreamConfig::new();
        config.stream_output = args.stream_output.clone();
        config.data_output = args.data_output.clone();
        config.realtime_processing = realtime;
        config.fresh_results = args.fresh_results.map(Duration::from_millis);
        config.turn_server = args.ice_servers.clone();
        config.workflow_parameters = args.params.iter().cloned().collect();
        config.image_input = args.image_input.clone();
        let is_model = matches!(workflow, Workflow::Model { .. });
        ensure!(
            args.out_video.is_none() || is_model || !args.stream_output.is_empty(),
            "--out-video needs frames: name the workflow output that holds them with --stream-output"
        );
        let draw = args.draw
            || (args.out_video.is_some() && !args.no_draw && draws_nothing_itself(&workflow, args));
        Ok(Self {
            source,
            realtime,
            track,
            workflow,
            config,
            draw,
            upload_id: args.upload_id,
        })
    }
}

impl Plan {
    /// Whether pictures come back: named ones, or those of a model session.
    pub(crate) fn wants_frames(&self) -> bool {
        !self.config.stream_output.is_empty() || matches!(self.workflow, Workflow::Model { .. })
    }
}

fn workflow(args: &RunArgs) -> anyhow::Result<Workflow> {
    if let Some(path) = &args.workflow {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the workflow {}", path.display()))?;
        let definition: Value = serde_json::from_str(&text)
            .with_context(|| format!("the workflow {} is not JSON", path.display()))?;
        ensure!(
            definition.is_object(),
            "the workflow {} is not a JSON object",
            path.display()
        );
        return Ok(Workflow::inline(definition));
    }
    if let (Some(id), Some(workspace)) = (&args.workflow_id, &args.workspace) {
        return Ok(Workflow::by_id(workspace, id));
    }
    let task = args
        .task_type
        .as_deref()
        .map(str::parse::<TaskType>)
        .transpose()?;
    if let Some(model) = &args.model {
        return Ok(Workflow::model(model, task));
    }
    ensure!(
        args.api_url.is_none(),
        "with --api-url, say what to run: --workflow FILE, --workflow-id ID --workspace NAME, or --model ID"
    );
    Ok(Workflow::model(
        BUNDLED_MODEL,
        Some(TaskType::ObjectDetection),
    ))
}

/// Whether the pictures come back without boxes, as far as the definition tells. A workflow known only by its id does
/// not tell, so nothing is drawn over its pictures unless asked for.
fn draws_nothing_itself(workflow: &Workflow, args: &RunArgs) -> bool {
    match workflow {
        Workflow::Inline(definition) => !args
            .stream_output
            .iter()
            .any(|name| is_visualization(definition, name)),
        Workflow::Model { .. } => true,
        _ => false,
    }
}

/// Whether output `name` comes from a step whose type is a `*_visualization` block (or an alias of one).
fn is_visualization(definition: &Value, name: &str) -> bool {
    let items = |key: &str| {
        definition[key]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default()
    };
    let Some(output) = items("outputs")
        .iter()
        .find(|output| output["name"] == name)
    else {
        return false;
    };
    let Some(step) = output["selector"]
        .as_str()
        .and_then(|selector| selector.strip_prefix("$steps."))
    else {
        return false;
    };
    let step = step.split('.').next().unwrap_or_default();
    items("steps")
        .iter()
        .filter(|candidate| candidate["name"] == step)
        .any(|candidate| {
            let kind = candidate["type"].as_str().unwrap_or_default();
            let kind = kind.split('@').next().unwrap_or_default();
            kind.ends_with("_visualization") || kind.ends_with("Visualization")
        })
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::json;

    use super::*;
    use crate::args::{Cli, Command};

    fn plan(options: &[&str]) -> anyhow::Result<Plan> {
        let Command::Run(args) =
            Cli::try_parse_from([&["framewire", "run"], options].concat())?.command
        else {
            unreachable!("the command is run")
        };
        Plan::new(&args)
    }

    #[test]
    fn without_options_the_bundled_detector_runs_and_boxes_are_drawn() {
        let plan = plan(&["a.mp4", "--out-video", "o.mp4"]).unwrap();
        assert!(plan.draw && !plan.realtime);
        assert!(matches!(plan.workflow, Workflow::Model { ref id, .. } if id == BUNDLED_MODEL));
    }

    #[test]
    fn live_sources_play_in_realtime_on_a_track_unless_told_otherwise() {
        let live = plan(&["rtsp://camera/1"]).unwrap();
        assert!(live.realtime && live.track && live.config.realtime_processing);
        let batch = plan(&["test:640x480@30", "--batch"]).unwrap();
        assert!(!batch.realtime && batch.track);
        let file = plan(&["a.mp4", "--frames", "track"]).unwrap();
        assert!(!file.realtime && file.track);
        assert!(plan(&["rtsp://camera/1", "--frames", "track"]).is_err());
    }

    #[test]
    fn a_remote_worker_needs_to_be_told_what_to_run() {
        assert!(
            plan(&["a.mp4", "--api-url", "http://h"])
                .unwrap_err()
                .to_string()
                .contains("--workflow")
        );
    }

    #[test]
    fn two_outputs_on_stdout_are_refused() {
        assert!(plan(&["a.mp4", "--out-data", "-", "--summary", "-"]).is_err());
    }

    #[test]
    fn nothing_is_drawn_over_a_visualization() {
        let definition = |kind: &str| {
            json!({"steps": [{"type": kind, "name": "boxes"}],
                   "outputs": [{"name": "picture", "selector": "$steps.boxes.image"}]})
        };
        assert!(is_visualization(
            &definition("roboflow_core/bounding_box_visualization@v1"),
            "picture"
        ));
        assert!(is_visualization(
            &definition("BoundingBoxVisualization"),
            "picture"
        ));
        assert!(!is_visualization(
            &definition("roboflow_core/absolute_static_crop@v1"),
            "picture"
        ));
        assert!(!is_visualization(
            &definition("BoundingBoxVisualization"),
            "other"
        ));
        assert!(!is_visualization(&json!(null), "picture"));
    }
}
