//! A source whose behaviour its user describes: which tracks it has, and what it adds to the request.
//! Not here: frames of its own; they are pushed like those of a manual source.

use std::sync::Arc;

use crate::session::FrameSlot;
use crate::source::FrameSender;

/// A source of your own. Say whether this side sends a video track and whether processed pictures come back on one; what
/// the worker has to know goes into [`StreamConfig::request_overrides`](crate::StreamConfig::request_overrides).
///
/// With overrides whose `stream_output` is empty, pictures that were asked for come inside the results instead; name them in
/// the overridden `data_output` too.
///
/// ```no_run
/// use framewire::{Client, CustomSource, StreamConfig, Workflow};
/// use serde_json::json;
///
/// let camera_of_the_worker = CustomSource::new(false, true);
/// let session = Client::new("http://127.0.0.1:9001").stream(
///     camera_of_the_worker,
///     Workflow::by_id("my-space", "count-people"),
///     StreamConfig::new()
///         .stream_output(["image"])
///         .request_override("rtsp_url", json!("rtsp://camera.local/1")),
/// )?;
/// session.run()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct CustomSource {
    pub(crate) slot: Arc<FrameSlot>,
    pub(crate) sends: bool,
    pub(crate) receives: bool,
}

impl CustomSource {
    /// A source that sends a track of frames pushed from code, receives a track of processed pictures, both or neither.
    pub fn new(sends: bool, receives: bool) -> Self {
        CustomSource {
            slot: Arc::default(),
            sends,
            receives,
        }
    }

    /// A handle that pushes frames; none for a source that does not send.
    pub fn sender(&self) -> Option<FrameSender> {
        self.sends.then(|| FrameSender::new(&self.slot))
    }
}
