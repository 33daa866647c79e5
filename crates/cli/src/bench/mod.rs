//! `framewire bench`: figures of framewire's own parts, one JSON object a line.
//! Not here: rivals; `benches/` runs them beside these.

mod frames;
mod live;
mod reassembler;
mod report;
mod session_upload;
mod sessions;
mod upload;
mod worker_process;

use serde_json::{Value, json};

use crate::args::{BenchArgs, BenchCommand};
use crate::exit;

pub(crate) fn bench(args: BenchArgs) -> u8 {
    let result = match args.command {
        BenchCommand::Reassembler { n } => reassembler::run(n),
        BenchCommand::Upload {
            megabytes,
            n,
            session: true,
            ..
        } => session_upload::run(megabytes, n),
        BenchCommand::Upload {
            megabytes, n, peer, ..
        } => upload::run(megabytes, n, peer.peer),
        BenchCommand::Live { shape, api_url, n } => live::run(shape, api_url.as_deref(), n),
        BenchCommand::Sessions {
            shape,
            max,
            limit_ms,
        } => sessions::run(shape, max, limit_ms),
        BenchCommand::Frames { file, api_url, n } => frames::run(&file, api_url.as_deref(), n),
    };
    match result {
        Ok(()) => exit::OK,
        Err(error) => {
            exit::last_line(format_args!("{error:#}"));
            exit::STREAM_FAILED
        }
    }
}

/// The whole picture as it came: the least a workflow can do.
fn full_frame(width: u32, height: u32) -> Value {
    json!({
        "version": "1.0",
        "inputs": [{"type": "InferenceImage", "name": "image"}],
        "steps": [{
            "type": "roboflow_core/absolute_static_crop@v1", "name": "crop", "images": "$inputs.image",
            "x_center": width / 2, "y_center": height / 2, "width": width, "height": height,
        }],
        "outputs": [{"type": "JsonField", "name": "crop", "coordinates_system": "own", "selector": "$steps.crop.crops"}],
    })
}
