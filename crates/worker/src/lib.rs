//! The inference worker: signalling, sessions, uploads, workflows, models.
//!
//! ```no_run
//! use framewire_worker::{Worker, WorkerConfig};
//! use std::time::Duration;
//!
//! let worker = Worker::start(WorkerConfig::embedded())?;
//! println!("http://{}", worker.local_addr());
//! worker.shutdown(Duration::from_secs(5));
//! # Ok::<(), framewire_worker::StartError>(())
//! ```
//!
//! One HTTP listener takes session requests, one UDP socket carries every session's media, and each session runs on
//! threads of its own, so that one session's fault stays its own. `docs/worker.md` tells the whole story.
#![forbid(unsafe_code)]

mod config;
mod env;
mod http;
mod keys;
mod latency;
mod library;
mod metrics;
pub mod models;
mod processor;
mod session;
mod settings;
mod sources;
mod upload;
mod worker;
pub mod workflow;

pub use config::{Limits, Reconnect, WorkerConfig};
pub use env::{EnvError, RtspPlaceholder, WorkerEnv};
pub use framewire_transport::BitrateLimits;
pub use latency::LatencySummary;
pub use processor::{ProcessedValue, Processor};
pub use worker::{StartError, Worker, WorkerStats};

/// For measurements of what an upload costs without a session: how a worker writes what it gathered.
#[doc(hidden)]
pub use upload::write_batch as __write_batch;
