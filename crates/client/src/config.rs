//! What a stream is asked to deliver: the fields of the original SDK's `StreamConfig`.
//! Not here: limits and deadlines of this process, which are [`ClientOptions`](crate::ClientOptions).

use std::time::Duration;

use serde_json::{Map, Value};

/// How long a result is of use in most realtime programs; for [`StreamConfig::fresh_results`].
pub const FRESH_RESULTS: Duration = Duration::from_millis(200);

/// Options of one stream, named as on the wire and in the original SDK.
///
/// ```
/// let config = framewire::StreamConfig::new()
///     .stream_output(["image"])
///     .data_output(["predictions"]);
/// assert!(config.realtime_processing);
/// ```
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct StreamConfig {
    /// Workflow outputs wanted as pictures. Default: none, so no frame is delivered.
    pub stream_output: Vec<String>,
    /// Workflow outputs wanted as data; exactly `["*"]` means all that are not pictures. Default: none.
    pub data_output: Vec<String>,
    /// Play at source speed and drop late frames (`true`, default) or process every frame (`false`).
    /// A [`VideoFileSource`](crate::VideoFileSource) decides this itself and overrides the field.
    pub realtime_processing: bool,
    /// Frame rate told to the worker; unset or 0 is not sent.
    pub declared_fps: Option<f64>,
    /// STUN/TURN servers in one of the shapes `{"iceServers": […]}`, `{"urls": …, "username", "credential"}` or an
    /// array of the latter. Given (even with no server in it), it replaces the default STUN server.
    pub turn_server: Option<Value>,
    /// Further inputs of the workflow.
    pub workflow_parameters: Map<String, Value>,
    /// Compute plan, hosted workers only.
    pub requested_plan: Option<String>,
    /// Compute region, hosted workers only.
    pub requested_region: Option<String>,
    /// Seconds the worker may process; unset leaves it to the worker.
    pub processing_timeout: Option<u64>,
    /// Name of the workflow input that receives the frames. Default `image`.
    pub image_input: String,
    /// Output whose value goes along with each frame as [`FrameEvent::data`](crate::FrameEvent::data), with any workflow.
    /// Ask for it in `data_output` too. Default: none, and `predictions` with [`Workflow::Model`](crate::Workflow::Model).
    pub predictions_output: Option<String>,
    /// Realtime only, and only with a worker of framewire: results travel beside the ordered channel, so that one lost packet
    /// does not hold up the newer ones. A result that could not be delivered within this time after the worker made it is lost
    /// ([`FRESH_RESULTS`] is a good value), and one that comes after a newer one is dropped; both are counted
    /// ([`SessionStats::fresh_results`](crate::SessionStats)). Results that report errors are never lost. 1 ms to 65 s.
    /// Default: off, every result comes, in order.
    pub fresh_results: Option<Duration>,
    /// Fields that replace those of the request, or are added to it, after everything else. What follows from them, such as
    /// `webrtc_realtime_processing` for acknowledgements, follows from the value that is sent.
    pub request_overrides: Map<String, Value>,
}

impl std::fmt::Debug for StreamConfig {
    /// Of values that may hold passwords or keys only their names.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = |map: &Map<String, Value>| map.keys().cloned().collect::<Vec<_>>();
        f.debug_struct("StreamConfig")
            .field("stream_output", &self.stream_output)
            .field("data_output", &self.data_output)
            .field("realtime_processing", &self.realtime_processing)
            .field("declared_fps", &self.declared_fps)
            .field("has_turn_server", &self.turn_server.is_some())
            .field("workflow_parameters", &names(&self.workflow_parameters))
            .field("requested_plan", &self.requested_plan)
            .field("requested_region", &self.requested_region)
            .field("processing_timeout", &self.processing_timeout)
            .field("image_input", &self.image_input)
            .field("predictions_output", &self.predictions_output)
            .field("fresh_results", &self.fresh_results)
            .field("request_overrides", &names(&self.request_overrides))
            .finish()
    }
}

impl Default for StreamConfig {
    fn default() -> Self {
        StreamConfig {
            stream_output: Vec::new(),
            data_output: Vec::new(),
            realtime_processing: true,
            declared_fps: None,
            turn_server: None,
            workflow_parameters: Map::new(),
            requested_plan: None,
            requested_region: None,
            processing_timeout: None,
            image_input: "image".to_owned(),
            predictions_output: None,
            fresh_results: None,
            request_overrides: Map::new(),
        }
    }
}

impl StreamConfig {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the outputs wanted as pictures.
    pub fn stream_output<I: IntoIterator<Item = S>, S: Into<String>>(mut self, names: I) -> Self {
        self.stream_output = names.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the outputs wanted as data.
    pub fn data_output<I: IntoIterator<Item = S>, S: Into<String>>(mut self, names: I) -> Self {
        self.data_output = names.into_iter().map(Into::into).collect();
        self
    }

    /// Sets [`realtime_processing`](Self::realtime_processing).
    pub fn realtime_processing(mut self, realtime: bool) -> Self {
        self.realtime_processing = realtime;
        self
    }

    /// Sets the declared frame rate.
    pub fn declared_fps(mut self, fps: f64) -> Self {
        self.declared_fps = Some(fps);
        self
    }

    /// Sets the STUN/TURN configuration; its shape is checked by [`Client::stream`](crate::Client::stream).
    pub fn turn_server(mut self, servers: Value) -> Self {
        self.turn_server = Some(servers);
        self
    }

    /// Adds one workflow input.
    pub fn workflow_parameter(mut self, name: impl Into<String>, value: Value) -> Self {
        self.workflow_parameters.insert(name.into(), value);
        self
    }

    /// Sets the plan asked for.
    pub fn requested_plan(mut self, plan: impl Into<String>) -> Self {
        self.requested_plan = Some(plan.into());
        self
    }

    /// Sets the region asked for.
    pub fn requested_region(mut self, region: impl Into<String>) -> Self {
        self.requested_region = Some(region.into());
        self
    }

    /// Sets the worker's processing limit in seconds.
    pub fn processing_timeout(mut self, seconds: u64) -> Self {
        self.processing_timeout = Some(seconds);
        self
    }

    /// Sets the output that goes along with each frame.
    pub fn predictions_output(mut self, name: impl Into<String>) -> Self {
        self.predictions_output = Some(name.into());
        self
    }

    /// Lets results be lost rather than late; see [`fresh_results`](Self::fresh_results).
    pub fn fresh_results(mut self, lifetime: Duration) -> Self {
        self.fresh_results = Some(lifetime);
        self
    }

    /// Replaces or adds one field of the request.
    pub fn request_override(mut self, field: impl Into<String>, value: Value) -> Self {
        self.request_overrides.insert(field.into(), value);
        self
    }

    /// Sets the name of the image input.
    pub fn image_input(mut self, name: impl Into<String>) -> Self {
        self.image_input = name.into();
        self
    }
}
