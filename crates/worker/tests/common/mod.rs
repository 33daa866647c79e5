//! What the worker's scenarios share: a raw HTTP client, a data-channel client, small videos.
//! Not scenarios; nothing here sleeps, every wait has a deadline.
#![allow(dead_code, unreachable_pub)] // each test binary uses its own part

pub mod http;
pub mod peer;
pub mod video;

use std::time::{Duration, Instant};

use framewire_worker::{Worker, WorkerConfig};
use serde_json::{Value, json};

/// A step of a scenario that takes longer has failed.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub fn deadline() -> Instant {
    Instant::now() + PATIENCE
}

/// A worker on a free loopback port, without keys, models or STUN.
pub fn worker() -> Worker {
    worker_with(|_| {})
}

pub fn worker_with(change: impl FnOnce(&mut WorkerConfig)) -> Worker {
    let mut config = WorkerConfig::embedded();
    config.max_sessions = 8;
    change(&mut config);
    Worker::start(config).expect("a worker starts on a free loopback port")
}

/// A workflow without a model: the frame itself, and a crop of its upper left corner.
pub fn workflow() -> Value {
    json!({
        "version": "1.0",
        "inputs": [{"type": "WorkflowImage", "name": "image"}],
        "steps": [{
            "type": "roboflow_core/absolute_static_crop@v1",
            "name": "cut",
            "images": "$inputs.image",
            "x_center": 16, "y_center": 16, "width": 32, "height": 32,
        }],
        "outputs": [
            {"type": "JsonField", "name": "crop", "selector": "$steps.cut.crops"},
            {"type": "JsonField", "name": "picture", "selector": "$inputs.image"},
        ],
    })
}

/// A whole request body around an offer; batch, crop on the data channel.
pub fn request(offer: &str) -> Value {
    json!({
        "api_key": null,
        "workflow_configuration": {
            "type": "WorkflowConfiguration",
            "image_input_name": "image",
            "workflows_parameters": {},
            "workflow_specification": workflow(),
        },
        "webrtc_offer": {"type": "offer", "sdp": offer},
        "webrtc_realtime_processing": false,
        "stream_output": [],
        "data_output": ["crop"],
        "webrtc_config": {"iceServers": []},
    })
}
