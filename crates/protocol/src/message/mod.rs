//! JSON messages of the `inference` channel: results (worker to client) and control (client to worker).
//! They are read borrowed from the received bytes; nothing here knows chunks or compression.

mod control;
mod image;
mod metadata;
mod python_json;
mod read;
mod result;
mod write;

pub use control::{ControlError, ControlMessage, ack_text, outputs_text};
pub use image::ImageValue;
pub use metadata::VideoMetadata;
pub use result::{MAX_JSON_DEPTH, Metadata, Output, ResultError, ResultMessage};
pub use write::{ResultWriter, completion_message, write_none_message};

pub(crate) use read::depth_within;
