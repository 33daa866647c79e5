//! The signalling request: what a client asks a worker for.
//! Building and typed reading; the checks are next door in `validate`.

use std::fmt;

use serde_json::{Map, Value, json};

use crate::signalling::validate::read_request;
use crate::signalling::{Agreement, IceServer, KeyTransport, RequestError, Secret};

/// SDP with its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionDescription {
    /// `offer` or `answer`.
    pub kind: String,
    /// The SDP text.
    pub sdp: String,
}

impl SessionDescription {
    /// An offer.
    pub fn offer(sdp: impl Into<String>) -> Self {
        SessionDescription {
            kind: "offer".to_owned(),
            sdp: sdp.into(),
        }
    }
}

/// Which workflow runs, and how its inputs are named.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct WorkflowConfiguration {
    /// Inline definition.
    pub workflow_specification: Option<Map<String, Value>>,
    /// Workspace of a workflow given by id.
    pub workspace_name: Option<String>,
    /// Id of the workflow.
    pub workflow_id: Option<String>,
    /// Version of it.
    pub workflow_version_id: Option<String>,
    /// Input that receives frames; default `image`.
    pub image_input_name: String,
    /// Further inputs.
    pub workflows_parameters: Option<Map<String, Value>>,
    /// Suppresses writes and notifications of sink blocks.
    pub disable_sinks: bool,
    /// Input that receives the metadata of each frame; default `video_metadata`.
    pub video_metadata_input_name: String,
    /// Sent by every client but the Python original; its only use here is to tell them apart.
    pub workflows_thread_pool_workers: Option<i64>,
}

impl Default for WorkflowConfiguration {
    fn default() -> Self {
        WorkflowConfiguration {
            workflow_specification: None,
            workspace_name: None,
            workflow_id: None,
            workflow_version_id: None,
            image_input_name: "image".to_owned(),
            workflows_parameters: None,
            disable_sinks: false,
            video_metadata_input_name: "video_metadata".to_owned(),
            workflows_thread_pool_workers: None,
        }
    }
}

impl WorkflowConfiguration {
    /// An inline definition.
    pub fn inline(specification: Map<String, Value>) -> Self {
        WorkflowConfiguration {
            workflow_specification: Some(specification),
            ..Self::default()
        }
    }

    /// A workflow of a workspace.
    pub fn by_id(workspace: impl Into<String>, workflow: impl Into<String>) -> Self {
        WorkflowConfiguration {
            workspace_name: Some(workspace.into()),
            workflow_id: Some(workflow.into()),
            ..Self::default()
        }
    }

    fn to_value(&self) -> Value {
        let mut object = Map::new();
        object.insert("type".into(), "WorkflowConfiguration".into());
        object.insert(
            "image_input_name".into(),
            self.image_input_name.clone().into(),
        );
        object.insert(
            "workflows_parameters".into(),
            self.workflows_parameters.clone().unwrap_or_default().into(),
        );
        if let Some(specification) = &self.workflow_specification {
            object.insert(
                "workflow_specification".into(),
                specification.clone().into(),
            );
        }
        let optional = [
            ("workflow_id", &self.workflow_id),
            ("workspace_name", &self.workspace_name),
            ("workflow_version_id", &self.workflow_version_id),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                object.insert(name.into(), value.clone().into());
            }
        }
        if self.disable_sinks {
            object.insert("disable_sinks".into(), true.into());
        }
        object.into()
    }
}

/// `processing_timeout` of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ProcessingTimeout {
    /// Absent: the worker's default.
    #[default]
    WorkerDefault,
    /// Explicit null: no limit.
    Unlimited,
    /// Seconds; 0 or less is over at once.
    Seconds(i64),
}

/// Which kind of client sent a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sender {
    /// One of ours.
    Framewire,
    /// The original Python client.
    PythonOriginal,
    /// Anything else, such as the JS client.
    Other,
}

impl Sender {
    /// Whether it is known to read gzip bodies.
    pub fn reads_gzip(self) -> bool {
        matches!(self, Sender::Framewire | Sender::PythonOriginal)
    }
}

/// A signalling request.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct WorkerRequest {
    /// The workflow.
    pub workflow_configuration: WorkflowConfiguration,
    /// The client's offer.
    pub webrtc_offer: SessionDescription,
    /// The key in the body; a worker uses [`effective_key`](crate::signalling::effective_key).
    pub api_key: Option<Secret>,
    /// Newest frames only, or every frame; absent = the worker's default.
    pub webrtc_realtime_processing: Option<bool>,
    /// See [`StreamOutput`](crate::output::StreamOutput).
    pub stream_output: Option<Vec<String>>,
    /// See [`DataOutput`](crate::output::DataOutput).
    pub data_output: Option<Vec<String>>,
    /// ICE servers the worker is to use; `None` when the request names none, which is not an empty list.
    pub ice_servers: Option<Vec<IceServer>>,
    /// Frame rate the client claims.
    pub declared_fps: Option<f64>,
    /// RTSP stream the worker is to pull; wins over `mjpeg_url`.
    pub rtsp_url: Option<String>,
    /// MJPEG stream the worker is to pull.
    pub mjpeg_url: Option<String>,
    /// Limit of the session.
    pub processing_timeout: ProcessingTimeout,
    /// For hosted workers.
    pub requested_plan: Option<String>,
    /// For hosted workers.
    pub requested_region: Option<String>,
    /// Present when the client is one of ours.
    pub framewire: Option<Agreement>,
    /// Keys merged last when sending, over everything else (a source's own parameters). Empty when read.
    pub extra: Map<String, Value>,
}

impl WorkerRequest {
    /// A request with everything else left to the worker's defaults.
    pub fn new(
        workflow_configuration: WorkflowConfiguration,
        offer_sdp: impl Into<String>,
    ) -> Self {
        WorkerRequest {
            workflow_configuration,
            webrtc_offer: SessionDescription::offer(offer_sdp),
            api_key: None,
            webrtc_realtime_processing: None,
            stream_output: None,
            data_output: None,
            ice_servers: None,
            declared_fps: None,
            rtsp_url: None,
            mjpeg_url: None,
            processing_timeout: ProcessingTimeout::WorkerDefault,
            requested_plan: None,
            requested_region: None,
            framewire: None,
            extra: Map::new(),
        }
    }

    /// Reads a request body. Unknown fields are ignored; everything wrong is reported at once, as
    /// [`RequestError::Invalid`]. The legacy `webrtc_turn_config` replaces `webrtc_config`.
    pub fn parse(body: &[u8]) -> Result<WorkerRequest, RequestError> {
        read_request(body).map_err(RequestError::Invalid)
    }

    /// The request body, with the keys and defaults of the Python client: lists are always there, the rest when set.
    pub fn to_value(&self, transport: KeyTransport) -> Value {
        let mut body = Map::new();
        if transport.in_body() {
            body.insert(
                "api_key".into(),
                json!(self.api_key.as_ref().map(Secret::expose)),
            );
        }
        body.insert(
            "workflow_configuration".into(),
            self.workflow_configuration.to_value(),
        );
        let offer = json!({"type": self.webrtc_offer.kind, "sdp": self.webrtc_offer.sdp});
        body.insert("webrtc_offer".into(), offer);
        if let Some(realtime) = self.webrtc_realtime_processing {
            body.insert("webrtc_realtime_processing".into(), realtime.into());
        }
        body.insert(
            "stream_output".into(),
            json!(self.stream_output.as_deref().unwrap_or_default()),
        );
        body.insert(
            "data_output".into(),
            json!(self.data_output.as_deref().unwrap_or_default()),
        );
        if let Some(servers) = &self.ice_servers {
            let servers: Vec<_> = servers.iter().map(IceServer::to_value).collect();
            body.insert("webrtc_config".into(), json!({"iceServers": servers}));
        }
        if let Some(fps) = self
            .declared_fps
            .filter(|fps| *fps != 0.0 && fps.is_finite())
        {
            body.insert("declared_fps".into(), fps.into());
        }
        let texts = [
            ("rtsp_url", &self.rtsp_url),
            ("mjpeg_url", &self.mjpeg_url),
            ("requested_plan", &self.requested_plan),
            ("requested_region", &self.requested_region),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                body.insert(name.into(), text.clone().into());
            }
        }
        match self.processing_timeout {
            ProcessingTimeout::WorkerDefault => {}
            ProcessingTimeout::Unlimited => {
                drop(body.insert("processing_timeout".into(), Value::Null))
            }
            ProcessingTimeout::Seconds(seconds) => {
                drop(body.insert("processing_timeout".into(), seconds.into()))
            }
        }
        if let Some(agreement) = &self.framewire {
            body.insert("framewire".into(), agreement.to_value());
        }
        body.extend(self.extra.clone());
        body.into()
    }

    /// Which kind of client sent this, or had it sent: a page's backend may leave out what the page's client would say.
    pub fn sender(&self) -> Sender {
        // Every browser's offer says this, the Python original's never does.
        let browser = self.webrtc_offer.sdp.contains("a=ice-options:trickle");
        let workflow = &self.workflow_configuration;
        if self.framewire.is_some() {
            Sender::Framewire
        } else if !browser && workflow.workflows_thread_pool_workers.is_none() {
            Sender::PythonOriginal
        } else {
            Sender::Other
        }
    }
}

impl fmt::Debug for WorkerRequest {
    /// Without the definition, the SDP, keys and URLs: they are long or secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerRequest")
            .field("realtime", &self.webrtc_realtime_processing)
            .field("stream_output", &self.stream_output)
            .field("data_output", &self.data_output)
            .field("processing_timeout", &self.processing_timeout)
            .field("sender", &self.sender())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signalling::Feature;

    #[test]
    fn what_a_client_builds_a_worker_reads() {
        let mut workflow = WorkflowConfiguration::inline(Map::new());
        workflow.workflows_parameters = Some(Map::new());
        let mut request = WorkerRequest::new(workflow, "v=0");
        request.api_key = Some(Secret::new("k"));
        request.webrtc_realtime_processing = Some(false);
        request.stream_output = Some(vec![]);
        request.data_output = Some(vec!["a".into()]);
        request.ice_servers = Some(vec![IceServer::new(vec!["stun:h".into()])]);
        request.declared_fps = Some(29.97);
        request.processing_timeout = ProcessingTimeout::Unlimited;
        request.framewire = Some(Agreement::new([Feature::Ledger]));
        let body = serde_json::to_vec(&request.to_value(KeyTransport::Both)).unwrap();
        let read = WorkerRequest::parse(&body).unwrap();
        assert_eq!(read, request);
        assert_eq!(read.sender(), Sender::Framewire);
        assert!(!format!("{read:?}").contains("v=0"));
    }

    #[test]
    fn a_source_has_the_last_word() {
        let mut request = WorkerRequest::new(WorkflowConfiguration::by_id("w", "f"), "v=0");
        request.webrtc_realtime_processing = Some(true);
        request
            .extra
            .insert("webrtc_realtime_processing".into(), false.into());
        request
            .extra
            .insert("video_file_upload".into(), true.into());
        let value = request.to_value(KeyTransport::Header);
        assert_eq!(value["webrtc_realtime_processing"], false);
        assert_eq!(value["video_file_upload"], true);
        assert!(value.get("api_key").is_none() && value.get("processing_timeout").is_none());
        assert_eq!(value["workflow_configuration"]["workspace_name"], "w");
        assert_eq!(value["stream_output"], json!([]));
    }

    #[test]
    fn senders_are_told_apart() {
        let offered = |workflow: Value, sdp: &str| {
            let body = json!({"workflow_configuration": workflow, "webrtc_offer": {"type": "offer", "sdp": sdp}});
            WorkerRequest::parse(body.to_string().as_bytes())
                .unwrap()
                .sender()
        };
        let parse = |workflow| offered(workflow, "");
        let plain = json!({"type": "WorkflowConfiguration"});
        assert_eq!(parse(plain.clone()), Sender::PythonOriginal);
        let browser = "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=ice-options:trickle\r\n";
        assert_eq!(offered(plain, browser), Sender::Other);
        let js = json!({"type": "WorkflowConfiguration", "workflows_thread_pool_workers": 4});
        assert_eq!(parse(js), Sender::Other);
        assert!(!Sender::Other.reads_gzip() && Sender::PythonOriginal.reads_gzip());
    }
}
