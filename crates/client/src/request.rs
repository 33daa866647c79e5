//! What a session is before it connects: what it asks for and how its pictures travel, from which the request is written.
//! Not here: sending it. What was really asked for is kept, because later rules depend on that.

mod body;
mod fields;
mod selection;

use std::time::Duration;

use framewire_protocol::TaskType;
use framewire_protocol::signalling::Agreement;
use serde_json::{Map, Value};

use crate::config::StreamConfig;
use crate::error::ConfigError;
use crate::ice::IceConfig;
use crate::request::fields::{fields, named, offered_agreement};
use crate::source::{Media, Source};
use crate::workflow::{MODEL_IMAGE_OUTPUT, MODEL_PREDICTIONS_OUTPUT, Workflow, selection};

pub(crate) use crate::request::selection::{Rules, Selection};

/// Everything about a session that is known before it connects.
#[derive(Clone)]
pub(crate) struct Plan {
    /// What is asked for at the start.
    pub(crate) selection: Selection,
    /// What else may be asked for.
    pub(crate) rules: Rules,
    /// Output whose value goes along with each frame (model mode).
    pub(crate) predictions: Option<String>,
    /// The value sent to the worker; acks follow it.
    pub(crate) realtime: bool,
    /// How pictures travel.
    pub(crate) media: Media,
    /// Results may be lost rather than late: after this time.
    pub(crate) fresh_results: Option<Duration>,
    /// A file goes up before results can come.
    pub(crate) uploads: bool,
    pub(crate) ice: Option<IceConfig>,
    fields: Map<String, Value>,
    source_fields: Map<String, Value>,
    /// The user's own fields; they have the last word.
    overrides: Map<String, Value>,
}

impl std::fmt::Debug for Plan {
    /// Without the fields of the request: addresses with passwords, keys and whatever else users put there.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plan")
            .field("selection", &self.selection)
            .field("realtime", &self.realtime)
            .field("media", &self.media)
            .field("uploads", &self.uploads)
            .finish_non_exhaustive()
    }
}

impl Plan {
    pub(crate) fn new(
        workflow: &Workflow,
        task: Option<TaskType>,
        config: &StreamConfig,
        source: &Source,
    ) -> Result<Self, ConfigError> {
        let overrides = config.request_overrides.clone();
        let mut media = source.media();
        let model = matches!(workflow, Workflow::Model { .. });
        let mut pictures = named(&config.stream_output);
        let mut data = named(&config.data_output);
        // Asked for, and yet not as a stream: then they come inside the results.
        media.receives &= pictures.is_empty() || !asks_for_no_stream(&overrides);
        if model && pictures.is_empty() {
            pictures = vec![MODEL_IMAGE_OUTPUT.to_owned()];
        }
        if model && data.is_empty() {
            data = vec![MODEL_PREDICTIONS_OUTPUT.to_owned()];
        }
        if config
            .declared_fps
            .is_some_and(|fps| !fps.is_finite() || fps < 0.0)
        {
            return Err(ConfigError::Option {
                option: "declared_fps",
                reason: "expected a number, 0 or more".into(),
            });
        }
        let definition = selection(workflow, task);
        let outputs = definition
            .get("workflow_specification")
            .and_then(|definition| definition.get("outputs"));
        let rules = Rules {
            in_results: !media.receives,
            outputs: outputs.and_then(Value::as_array).cloned(),
            image_input: config.image_input.clone(),
        };
        let ice = config
            .turn_server
            .as_ref()
            .map(IceConfig::from_user)
            .transpose()?
            .flatten();
        let realtime = overrides
            .get("webrtc_realtime_processing")
            .and_then(Value::as_bool)
            .unwrap_or_else(|| source.realtime(config.realtime_processing));
        Ok(Plan {
            selection: rules.select(&pictures, &data),
            rules,
            predictions: config
                .predictions_output
                .clone()
                .or_else(|| model.then(|| MODEL_PREDICTIONS_OUTPUT.to_owned())),
            realtime,
            media,
            fresh_results: fresh_results(config.fresh_results, realtime)?,
            uploads: source.uploads(),
            ice,
            fields: fields(definition, config),
            source_fields: source.request_fields(),
            overrides,
        })
    }
}

/// The lifetime of results if it can be used: by a session that may lose some, in the milliseconds of the wire.
fn fresh_results(
    lifetime: Option<Duration>,
    realtime: bool,
) -> Result<Option<Duration>, ConfigError> {
    let reason = match lifetime {
        Some(_) if !realtime => "it is for realtime processing; batch processing loses no result",
        Some(lifetime) if !(1..=65_000).contains(&lifetime.as_millis()) => {
            "expected a time between 1 ms and 65 s"
        }
        usable => return Ok(usable),
    };
    Err(ConfigError::Option {
        option: "fresh_results",
        reason: reason.into(),
    })
}

impl Plan {
    /// What this side offers beyond the original's protocol.
    pub(crate) fn agreement(&self) -> Agreement {
        offered_agreement(self.fresh_results.is_some())
    }
}

/// Whether these fields replace the outputs of the video track by none.
fn asks_for_no_stream(overrides: &Map<String, Value>) -> bool {
    let names = overrides.get("stream_output").and_then(Value::as_array);
    names.is_some_and(|names| names.iter().all(|name| name.as_str() == Some("")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::ApiKeyTransport;
    use crate::source::{
        LocalStreamSource, ManualSource, MjpegSource, RtspSource, VideoFileSource, WebcamSource,
    };
    use serde_json::json;

    fn flow() -> Workflow {
        Workflow::inline(json!({
            "version": "1.0",
            "inputs": [{"type": "InferenceImage", "name": "image"}],
            "steps": [],
            "outputs": [
                {"type": "JsonField", "name": "crops", "selector": "$steps.crop.crops"},
                {"type": "JsonField", "name": "raw", "selector": "$inputs.image"},
                {"type": "JsonField", "name": "found", "selector": "$steps.model.predictions"},
            ],
        }))
    }

    fn body(workflow: &Workflow, config: StreamConfig) -> Value {
        body_of(VideoFileSource::new("a.mp4").into(), workflow, config)
    }

    fn body_of(source: Source, workflow: &Workflow, config: StreamConfig) -> Value {
        let task = Some(TaskType::ObjectDetection);
        let plan = Plan::new(workflow, task, &config, &source).unwrap();
        let found_fps = matches!(source, Source::Camera(_)).then_some(24.0);
        plan.body(
            &plan.selection,
            Some("key"),
            ApiKeyTransport::Legacy,
            plan.ice.as_ref(),
            "v=0",
            found_fps,
        )
    }

    #[test]
    fn the_body_has_the_fields_and_order_of_the_original() {
        let config = StreamConfig::new()
            .stream_output(["crops"])
            .turn_server(json!({"iceServers": []}))
            .declared_fps(25.0)
            .requested_plan("p")
            .requested_region("eu")
            .processing_timeout(7);
        let body = body(&flow(), config);
        let keys: Vec<&String> = body.as_object().unwrap().keys().collect();
        assert_eq!(
            keys,
            [
                "api_key",
                "workflow_configuration",
                "webrtc_offer",
                "webrtc_realtime_processing",
                "stream_output",
                "data_output",
                "webrtc_config",
                "declared_fps",
                "requested_plan",
                "requested_region",
                "processing_timeout",
                "video_file_upload",
                "framewire",
            ]
        );
        assert_eq!(body["data_output"], json!(["crops"]));
        assert_eq!(body["stream_output"], json!([]));
        assert_eq!(body["webrtc_config"], json!({"iceServers": []}));
        let workflow: Vec<&String> = body["workflow_configuration"]
            .as_object()
            .unwrap()
            .keys()
            .collect();
        assert_eq!(
            workflow,
            [
                "type",
                "image_input_name",
                "workflows_parameters",
                "workflow_specification"
            ]
        );
    }

    #[test]
    fn unset_fields_are_not_sent() {
        let body = body(
            &Workflow::by_id("space", "flow"),
            StreamConfig::new().declared_fps(0.0),
        );
        for key in [
            "declared_fps",
            "webrtc_config",
            "requested_plan",
            "requested_region",
            "processing_timeout",
        ] {
            assert!(body.get(key).is_none(), "{key}");
        }
        assert_eq!(body["workflow_configuration"]["workspace_name"], "space");
        assert_eq!(body["data_output"], json!([]));
    }

    #[test]
    fn the_key_travels_where_the_transport_says() {
        let plan = Plan::new(
            &flow(),
            None,
            &StreamConfig::new(),
            &VideoFileSource::new("a.mp4").into(),
        )
        .unwrap();
        assert_eq!(
            plan.body(
                &plan.selection,
                None,
                ApiKeyTransport::Legacy,
                None,
                "",
                None
            )["api_key"],
            Value::Null
        );
        assert_eq!(
            plan.body(
                &plan.selection,
                Some("k"),
                ApiKeyTransport::Both,
                None,
                "",
                None
            )["api_key"],
            "k"
        );
        assert!(
            plan.body(
                &plan.selection,
                Some("k"),
                ApiKeyTransport::Header,
                None,
                "",
                None
            )
            .get("api_key")
            .is_none()
        );
    }

    #[test]
    fn a_star_alone_stays_and_beside_names_is_spelled_out() {
        let star = StreamConfig::new().data_output(["*"]);
        assert_eq!(body(&flow(), star.clone())["data_output"], json!(["*"]));
        assert_eq!(
            body(&flow(), star.clone().stream_output(["raw"]))["data_output"],
            json!(["crops", "found", "raw"])
        );
        let by_id = Workflow::by_id("w", "f");
        assert_eq!(
            body(&by_id, star.stream_output(["raw"]))["data_output"],
            json!(["*", "raw"])
        );
    }

    #[test]
    fn each_source_adds_its_own_fields() {
        let config = || {
            StreamConfig::new()
                .stream_output(["crops"])
                .data_output(["*"])
                .declared_fps(10.0)
        };
        let rtsp = RtspSource::new("rtsp://u:p@h/a").unwrap();
        let mjpeg = MjpegSource::new("http://h/a").unwrap();
        let local = LocalStreamSource::new("rtmp://h/a").unwrap();
        let table: [(Source, &[(&str, Value)]); 6] = [
            (rtsp.into(), &[("rtsp_url", json!("rtsp://u:p@h/a"))]),
            (mjpeg.into(), &[("mjpeg_url", json!("http://h/a"))]),
            (local.into(), &[]),
            (ManualSource::new().into(), &[("manual_mode", json!(true))]),
            (
                WebcamSource::new(0).into(),
                &[("declared_fps", json!(24.0))],
            ),
            (
                VideoFileSource::new("a.mp4").track_frames(true).into(),
                &[
                    ("video_file_upload", json!(true)),
                    ("webrtc_realtime_processing", json!(false)),
                ],
            ),
        ];
        for (source, expected) in table {
            let shown = format!("{source:?}");
            let is_file = source.uploads();
            let body = body_of(source, &flow(), config());
            for (key, value) in expected {
                assert_eq!(body[key], *value, "{shown}");
            }
            for key in ["rtsp_url", "mjpeg_url", "manual_mode", "video_file_upload"] {
                let wanted = expected.iter().any(|(name, _)| *name == key);
                assert_eq!(body.get(key).is_some(), wanted, "{key} of {shown}");
            }
            assert_eq!(
                body["webrtc_realtime_processing"],
                json!(!is_file),
                "{shown}"
            );
            assert_eq!(body["stream_output"], json!(["crops"]), "{shown}");
            assert_eq!(body["data_output"], json!(["*"]), "{shown}");
        }
    }

    #[test]
    fn overrides_have_the_last_word_and_what_follows_from_them_follows_the_value_sent() {
        let plan = |overrides: Value, source: Source| {
            let mut config = StreamConfig::new().stream_output(["crops"]);
            config.request_overrides = overrides.as_object().unwrap().clone();
            config.predictions_output = Some("found".into());
            Plan::new(&flow(), None, &config, &source).unwrap()
        };
        let custom = || Source::custom(false, true).0;
        let fields = json!({"manual_mode": true, "webrtc_realtime_processing": false, "extra": 1});
        let own = plan(fields, custom());
        assert!(!own.realtime && !own.rules.in_results);
        assert_eq!(own.predictions.as_deref(), Some("found"));
        let body = own.body(
            &own.selection,
            None,
            ApiKeyTransport::Legacy,
            None,
            "",
            None,
        );
        assert_eq!(body["extra"], 1);
        assert_eq!(body["webrtc_realtime_processing"], false);
        assert_eq!(body["stream_output"], json!(["crops"]));
        assert!(body["framewire"].is_object());

        let inside = json!({"stream_output": [""], "data_output": ["crops"], "framewire": 3});
        let inside = plan(inside, custom());
        assert_eq!(inside.selection.candidates(), ["crops"]);
        assert!(inside.rules.in_results && !inside.media.receives);
        let body = inside.body(
            &inside.selection,
            None,
            ApiKeyTransport::Legacy,
            None,
            "",
            None,
        );
        assert_eq!(body["data_output"], json!(["crops"]));
        assert!(body["framewire"].is_object());
    }

    #[test]
    fn raw_configuration_fields_are_sent_as_they_are() {
        let raw = json!({"workflow_id": "w", "workspace_name": "s", "more": [1]});
        let workflow = Workflow::configuration(raw.as_object().unwrap().clone());
        workflow.check().unwrap();
        let body = body(&workflow, StreamConfig::new());
        let sent = &body["workflow_configuration"];
        assert_eq!(
            (&sent["workflow_id"], &sent["more"]),
            (&json!("w"), &json!([1]))
        );
        assert_eq!(sent["type"], "WorkflowConfiguration");
    }

    #[test]
    fn model_mode_asks_for_the_picture_and_the_predictions() {
        let body = body(&Workflow::model("m/1", None), StreamConfig::new());
        assert_eq!(body["data_output"], json!(["predictions", "image"]));
    }
}
