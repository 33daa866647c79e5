//! Models: folders with a `model.json` and an ONNX file, run on ONNX Runtime or, without its library, on a built-in engine.
//! Not here: workflows and the wire form of results.
//!
//! ```no_run
//! use framewire_worker::models::{ModelRegistry, RegistryOptions};
//!
//! let registry = ModelRegistry::load("assets/models".as_ref(), RegistryOptions::default())?;
//! for model in registry.models() {
//!     println!("{} ({}, {} classes)", model.id(), model.task_type().as_str(), model.classes().len());
//! }
//! # Ok::<(), framewire_worker::models::RegistryError>(())
//! ```

mod description;
mod engine;
mod family;
mod model;
mod nms;
mod preprocess;
mod registry;

pub use description::{DescriptionError, MAX_CLASSES, MAX_DESCRIPTION_BYTES, MAX_INPUT_SIDE};
pub use engine::{Backend, EngineError, RuntimeLibrary, runtime_library};
pub use family::MismatchError;
pub use framewire_protocol::TaskType;
pub use model::{Box2d, DetectOptions, LoadError, Model, ModelOptions, RunError};
pub use registry::{MAX_MODELS, ModelRegistry, RegistryError, RegistryOptions};

/// Id of the detector that `scripts/setup-assets.py` puts in place.
pub const BUNDLED_MODEL_ID: &str = "ssd-mobilenetv2-oidv4";
