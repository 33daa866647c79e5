//! Reads a request body into its type and says everything that is wrong with it, in the shape clients know from pydantic.
//! Single values are taken by `coerce`.

use std::fmt;

use serde_json::{Map, Value, json};

use crate::signalling::coerce::{boolean, integer, number};
use crate::signalling::fields::{Errors, Fields, OBJECT};
use crate::signalling::request::{
    ProcessingTimeout, SessionDescription, WorkerRequest, WorkflowConfiguration,
};
use crate::signalling::{Agreement, IceServer, Secret, normalize_ice};

/// Largest request body; an offer and a definition are some tens of KiB.
pub const MAX_REQUEST_BYTES: usize = 8 * 1024 * 1024;

/// One thing wrong with a request: `{type, loc, msg}`. Values are never repeated: they may be secret.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Detail {
    /// Kind of the error, e.g. `missing`.
    pub kind: &'static str,
    /// Where, from `body` down.
    pub loc: Vec<Value>,
    /// For people.
    pub msg: String,
}

impl Detail {
    /// The entry of the `detail` list.
    pub fn to_value(&self) -> Value {
        json!({"type": self.kind, "loc": self.loc, "msg": self.msg})
    }
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.loc.iter().map(|part| {
            part.as_str()
                .map_or_else(|| part.to_string(), str::to_owned)
        });
        write!(f, "{}: {}", names.collect::<Vec<_>>().join("."), self.msg)
    }
}

pub(super) fn read_request(body: &[u8]) -> Result<WorkerRequest, Vec<Detail>> {
    let mut errors = Errors::default();
    let value = match parse(body) {
        Ok(value) => value,
        Err(detail) => return Err(vec![detail]),
    };
    let root = Fields {
        object: value.as_object(),
        loc: vec!["body".into()],
    };
    if root.object.is_none() {
        errors.add("model_attributes_type", &root.loc, OBJECT);
        return Err(errors.0);
    }
    let workflow = read_workflow(&root, &mut errors);
    let offer = read_description(&root, "webrtc_offer", &mut errors);
    let request = WorkerRequest {
        workflow_configuration: workflow.unwrap_or_default(),
        webrtc_offer: offer.unwrap_or_else(|| SessionDescription::offer("")),
        api_key: root.text("api_key", &mut errors).map(Secret::new),
        webrtc_realtime_processing: root.read("webrtc_realtime_processing", &mut errors, boolean),
        stream_output: root.texts("stream_output", &mut errors),
        data_output: root.texts("data_output", &mut errors),
        ice_servers: read_ice(&root, &mut errors),
        declared_fps: root.read("declared_fps", &mut errors, number),
        rtsp_url: root.text("rtsp_url", &mut errors),
        mjpeg_url: root.text("mjpeg_url", &mut errors),
        processing_timeout: match root.get("processing_timeout") {
            None => ProcessingTimeout::WorkerDefault,
            Some(Value::Null) => ProcessingTimeout::Unlimited,
            Some(_) => root
                .read("processing_timeout", &mut errors, integer)
                .map_or(ProcessingTimeout::WorkerDefault, ProcessingTimeout::Seconds),
        },
        requested_plan: root.text("requested_plan", &mut errors),
        requested_region: root.text("requested_region", &mut errors),
        framewire: root.get("framewire").and_then(Agreement::from_value),
        extra: Map::new(),
    };
    if errors.0.is_empty() {
        Ok(request)
    } else {
        Err(errors.0)
    }
}

fn parse(body: &[u8]) -> Result<Value, Detail> {
    let invalid = |at: usize, what: &str| Detail {
        kind: "json_invalid",
        loc: vec!["body".into(), at.into()],
        msg: format!("JSON decode error: {what}"),
    };
    if body.len() > MAX_REQUEST_BYTES {
        return Err(invalid(MAX_REQUEST_BYTES, "the body is too large"));
    }
    serde_json::from_slice(body).map_err(|error| invalid(error.column(), "not valid JSON"))
}

fn read_workflow(root: &Fields<'_>, errors: &mut Errors) -> Option<WorkflowConfiguration> {
    let fields = root.required_object("workflow_configuration", errors)?;
    let expected = "Input should be 'WorkflowConfiguration'";
    match fields.get("type") {
        Some(Value::String(kind)) if kind == "WorkflowConfiguration" => {}
        Some(_) => errors.add("literal_error", &fields.at("type"), expected),
        None => errors.add("missing", &fields.at("type"), "Field required"),
    }
    let defaults = WorkflowConfiguration::default();
    Some(WorkflowConfiguration {
        workflow_specification: fields.object("workflow_specification", errors),
        workspace_name: fields.text("workspace_name", errors),
        workflow_id: fields.text("workflow_id", errors),
        workflow_version_id: fields.text("workflow_version_id", errors),
        image_input_name: fields
            .text("image_input_name", errors)
            .unwrap_or(defaults.image_input_name),
        workflows_parameters: fields.object("workflows_parameters", errors),
        disable_sinks: fields
            .read("disable_sinks", errors, boolean)
            .unwrap_or(false),
        video_metadata_input_name: fields
            .text("video_metadata_input_name", errors)
            .unwrap_or(defaults.video_metadata_input_name),
        workflows_thread_pool_workers: fields.read(
            "workflows_thread_pool_workers",
            errors,
            integer,
        ),
    })
}

fn read_description(
    root: &Fields<'_>,
    name: &str,
    errors: &mut Errors,
) -> Option<SessionDescription> {
    let fields = root.required_object(name, errors)?;
    let kind = fields.required_text("type", errors);
    let sdp = fields.required_text("sdp", errors);
    Some(SessionDescription {
        kind: kind?,
        sdp: sdp?,
    })
}

fn read_ice(root: &Fields<'_>, errors: &mut Errors) -> Option<Vec<IceServer>> {
    if let Some(turn) = root.get("webrtc_turn_config").filter(|v| !v.is_null()) {
        let before = errors.0.len();
        let fields = root.required_object("webrtc_turn_config", errors)?;
        for name in ["username", "credential"] {
            fields.required_text(name, errors);
        }
        return if errors.0.len() == before {
            ice("webrtc_turn_config", turn, root, errors)
        } else {
            None
        };
    }
    let config = root.get("webrtc_config").filter(|v| !v.is_null())?;
    let fields = root.required_object("webrtc_config", errors)?;
    if fields.get("iceServers").is_none() {
        errors.add("missing", &fields.at("iceServers"), "Field required");
        return None;
    }
    ice("webrtc_config", config, root, errors)
}

fn ice(
    name: &str,
    value: &Value,
    root: &Fields<'_>,
    errors: &mut Errors,
) -> Option<Vec<IceServer>> {
    match normalize_ice(value) {
        Ok(servers) => Some(servers),
        Err(error) => {
            errors.add("value_error", &root.at(name), &error.to_string());
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minimal() -> Value {
        json!({
            "workflow_configuration": {"type": "WorkflowConfiguration"},
            "webrtc_offer": {"type": "offer", "sdp": "v=0"},
        })
    }

    fn with(name: &str, value: Value) -> Value {
        let mut body = minimal();
        body.as_object_mut().unwrap().insert(name.to_owned(), value);
        body
    }

    fn details(body: &Value) -> Vec<(&'static str, String)> {
        let errors = read_request(body.to_string().as_bytes()).unwrap_err();
        errors
            .iter()
            .map(|d| (d.kind, Value::from(d.loc.clone()).to_string()))
            .collect()
    }

    #[test]
    fn everything_wrong_is_reported_at_once() {
        assert_eq!(
            details(&json!({})),
            [
                ("missing", r#"["body","workflow_configuration"]"#.to_owned()),
                ("missing", r#"["body","webrtc_offer"]"#.to_owned()),
            ]
        );
        let body = json!({
            "workflow_configuration": {"type": "Other", "workflow_specification": []},
            "webrtc_offer": {"sdp": 5},
            "api_key": 7, "webrtc_realtime_processing": "maybe", "stream_output": "a", "data_output": ["a", 1],
            "declared_fps": [], "processing_timeout": 5.5,
        });
        assert_eq!(
            details(&body),
            [
                (
                    "literal_error",
                    r#"["body","workflow_configuration","type"]"#.to_owned()
                ),
                (
                    "dict_type",
                    r#"["body","workflow_configuration","workflow_specification"]"#.to_owned()
                ),
                ("missing", r#"["body","webrtc_offer","type"]"#.to_owned()),
                ("string_type", r#"["body","webrtc_offer","sdp"]"#.to_owned()),
                ("string_type", r#"["body","api_key"]"#.to_owned()),
                (
                    "bool_parsing",
                    r#"["body","webrtc_realtime_processing"]"#.to_owned()
                ),
                ("list_type", r#"["body","stream_output"]"#.to_owned()),
                ("string_type", r#"["body","data_output",1]"#.to_owned()),
                ("float_type", r#"["body","declared_fps"]"#.to_owned()),
                (
                    "int_from_float",
                    r#"["body","processing_timeout"]"#.to_owned()
                ),
            ]
        );
    }

    #[test]
    fn bodies_that_are_no_object() {
        assert_eq!(
            details(&json!([])),
            [("model_attributes_type", r#"["body"]"#.to_owned())]
        );
        let errors = read_request(b"{\"a\":").unwrap_err();
        assert_eq!((errors[0].kind, errors[0].loc.len()), ("json_invalid", 2));
        assert_eq!(
            read_request(&vec![b' '; MAX_REQUEST_BYTES + 1]).unwrap_err()[0].kind,
            "json_invalid"
        );
        assert!(read_request("[".repeat(10_000).as_bytes()).is_err());
    }

    #[test]
    fn values_are_coerced() {
        let read = |body: &Value| read_request(body.to_string().as_bytes()).unwrap();
        let timeout = |value| read(&with("processing_timeout", value)).processing_timeout;
        assert_eq!(timeout(json!("60")), ProcessingTimeout::Seconds(60));
        assert_eq!(timeout(json!(60.0)), ProcessingTimeout::Seconds(60));
        assert_eq!(timeout(Value::Null), ProcessingTimeout::Unlimited);
        assert_eq!(
            read(&minimal()).processing_timeout,
            ProcessingTimeout::WorkerDefault
        );
        let realtime =
            |value| read(&with("webrtc_realtime_processing", value)).webrtc_realtime_processing;
        assert_eq!(
            (
                realtime(json!("off")),
                realtime(json!(1)),
                realtime(Value::Null)
            ),
            (Some(false), Some(true), None)
        );
        assert_eq!(
            read(&with("declared_fps", json!("29.97"))).declared_fps,
            Some(29.97)
        );
        assert_eq!(read(&with("unknown", json!({"a": 1}))).extra, Map::new());
    }

    #[test]
    fn the_legacy_turn_server_replaces_the_ice_servers() {
        let mut body = with("webrtc_config", json!({"iceServers": [{"urls": "stun:a"}]}));
        let read = |body: &Value| {
            read_request(body.to_string().as_bytes())
                .unwrap()
                .ice_servers
                .unwrap()
        };
        assert_eq!(read(&body)[0].urls, ["stun:a"]);
        let turn = json!({"urls": "turn:b", "username": "u", "credential": "c"});
        body["webrtc_turn_config"] = turn;
        assert_eq!(read(&body)[0].urls, ["turn:b"]);
        body["webrtc_turn_config"] = json!({"urls": "turn:b"});
        assert_eq!(details(&body).len(), 2);
        assert_eq!(details(&with("webrtc_config", json!({})))[0].0, "missing");
        assert_eq!(
            details(&with("webrtc_config", json!({"iceServers": [{}]})))[0].0,
            "value_error"
        );
    }

    #[test]
    fn details_never_repeat_values() {
        let errors =
            read_request(with("api_key", json!(["s3cret"])).to_string().as_bytes()).unwrap_err();
        assert!(!format!("{:?} {}", errors[0].to_value(), errors[0]).contains("s3cret"));
        assert_eq!(
            errors[0].to_string(),
            "body.api_key: Input should be a valid string"
        );
    }
}
