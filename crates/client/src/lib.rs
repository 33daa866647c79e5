//! Stream video to an inference worker over WebRTC and get frames and predictions back.
//!
//! A [`Client`] knows a worker; [`Client::stream`] describes a [`Session`] from a source, a [`Workflow`] and a
//! [`StreamConfig`]; the session connects on first use and tells handlers, or an iterator, what comes back.
//! Names follow the original Python SDK (`inference_sdk.webrtc`) where its users know them.
//!
//! ```no_run
//! use framewire::{Client, StreamConfig, VideoFileSource, Workflow};
//! use serde_json::json;
//!
//! let workflow = Workflow::inline(json!({
//!     "version": "1.0",
//!     "inputs": [{"type": "InferenceImage", "name": "image"}],
//!     "steps": [{
//!         "type": "roboflow_core/roboflow_object_detection_model@v2",
//!         "name": "model", "images": "$inputs.image", "model_id": "ssd-mobilenet-v2",
//!     }],
//!     "outputs": [
//!         {"type": "JsonField", "name": "predictions", "selector": "$steps.model.predictions"},
//!         {"type": "JsonField", "name": "image", "selector": "$inputs.image"},
//!     ],
//! }));
//! let session = Client::new("http://127.0.0.1:9001").stream(
//!     VideoFileSource::new("bikes.mp4"),
//!     workflow,
//!     StreamConfig::new().stream_output(["image"]).data_output(["predictions"]),
//! )?;
//!
//! // Data and error handlers run on a thread of the session ...
//! session.on_data("predictions", |value, metadata| {
//!     println!("{:?}: {}", metadata.map(|metadata| metadata.frame_id), value.as_str());
//! });
//! // ... and frames come to whoever iterates. `session.run()` with `on_frame` handlers is the other way.
//! for frame in session.frames() {
//!     let frame = frame?;
//!     println!("{}x{}", frame.frame.width(), frame.frame.height());
//! }
//! session.close();
//! println!("{:?}", session.stats().frames);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Every call says whether it blocks; asynchronous code uses [`Session::frame_stream`] and its companions, with whatever
//! executor. A session that was started has a handful of threads, and there are none otherwise; no user code runs on the network
//! thread, and every wait has a deadline whose error names the step. Without the default feature `ffmpeg`, local files are
//! not probed before they are sent, and no system library is needed.
#![forbid(unsafe_code)]

mod client;
mod config;
pub mod datachannel;
mod diagnosis;
mod doctor;
mod error;
mod http;
mod ice;
mod json;
mod options;
mod platform;
mod recovery;
mod redact;
mod request;
mod session;
mod source;
mod stats;
mod workflow;

pub use client::{ApiKeyTransport, Client};
pub use config::{FRESH_RESULTS, StreamConfig};
pub use diagnosis::{Cause, CheckStep, Diagnosis};
pub use doctor::{
    Doctor, DoctorEvent, DoctorOptions, DoctorReport, StepReport, StepStatus, WorkerKind,
    WorkerReport,
};
pub use error::{
    About, ConfigError, ErrorKind, HttpFailure, SessionError, SourceError, Step, UrlPolicyError,
    WaitError, WorkerSession,
};
pub use framewire_media::{Frame, FramePool};
pub use framewire_protocol::ledger::WorkerTimes;
pub use framewire_protocol::message::VideoMetadata;
pub use framewire_protocol::pairing::Match;
pub use framewire_protocol::task::UnknownTaskType;
pub use framewire_protocol::upload::{UploadId, UploadIdError};
pub use framewire_protocol::{FrameId, TaskType};
pub use framewire_transport::{BitrateLimits, DataStats, VideoStats};
pub use json::{Json, Outputs};
pub use options::{ClientOptions, Reconnect};
pub use recovery::{Gap, Recovery};
pub use session::{
    Closer, Delivery, EndKind, Ended, FrameEvent, FrameStream, Frames, Observer, Reconfigure,
    ResultEvent, Session, SessionState, StreamError, StreamErrorKind, wait_for_background,
};
pub use source::{
    CameraDevice, CustomSource, FrameSender, LocalStreamSource, ManualSource, MjpegSource,
    RtspSource, SendFrameError, Source, UrlPolicy, VideoFileSource, WebcamSource,
};
pub use stats::{
    DropReason, FrameCounts, FreshCounts, LatencySummary, OutgoingStats, PairingCounts,
    SessionStats, Stage, UploadStats,
};
pub use workflow::{Workflow, model_workflow};

/// The README's program compiles against this crate.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
