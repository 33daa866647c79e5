//! Workflows: compiling a definition, running it on a frame, writing the result as JSON.
//! Not here: where definitions come from, which frames are run, how messages are framed.
//!
//! ```no_run
//! use std::sync::Arc;
//! use framewire_media::FramePool;
//! use framewire_protocol::FrameId;
//! use framewire_protocol::message::{ResultWriter, VideoMetadata};
//! use framewire_protocol::output::DataOutput;
//! use framewire_worker::models::{ModelRegistry, RegistryOptions};
//! use framewire_worker::workflow::{FrameMetadata, Runner, RunnerOptions, Serializer, Workflow};
//!
//! # fn frames() -> Vec<framewire_media::Frame> { Vec::new() }
//! let registry = ModelRegistry::load("assets/models".as_ref(), RegistryOptions::default())?;
//! let workflow = Workflow::bundled(&registry)?;
//! let pool = FramePool::default();
//! let mut runner = Runner::new(workflow, RunnerOptions::default(), pool);
//! let mut serializer = Serializer::new(80);
//! let mut message = Vec::new();
//! for (index, frame) in frames().iter().enumerate() {
//!     let metadata = Arc::new(FrameMetadata::new(index as u64 + 1));
//!     let outputs = runner.run(frame, &metadata)?;
//!     message.clear();
//!     let mut writer = ResultWriter::begin(&mut message);
//!     serializer.write(&outputs, &DataOutput::All, &mut writer);
//!     let id = FrameId(metadata.frame_number);
//!     writer.finish(&VideoMetadata::new(id, metadata.frame_timestamp), Vec::new());
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod blocks;
mod bundled;
mod colormaps;
mod compile;
mod definition;
mod error;
mod json;
mod palette;
mod property;
mod run;
mod selector;
mod serialize;
mod value;
mod version;

pub use bundled::model_workflow;
pub use compile::Workflow;
pub use definition::{MAX_ELEMENTS, MAX_NAME_LENGTH};
pub use error::{BlockError, CompileError, CompileErrorKind, MAX_BLOCK_ERRORS, RunError};
pub use run::{Outputs, Runner, RunnerOptions};
pub use serialize::Serializer;
pub use value::{
    Classification, Detection, Detections, FrameMetadata, Origin, Place, Value, WorkflowImage,
};
pub use version::ENGINE_VERSION;
