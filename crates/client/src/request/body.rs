//! Writes the body of a request, field by field in the order of the original.
//! Not here: what the fields are, which the plan and the selection say.

use serde_json::{Map, Value, json};

use crate::client::ApiKeyTransport;
use crate::ice::IceConfig;
use crate::request::{Plan, Selection};

impl Plan {
    /// The body, with key order of the original. `found_fps`: what the source itself says about its rate.
    pub(crate) fn body(
        &self,
        selection: &Selection,
        key: Option<&str>,
        transport: ApiKeyTransport,
        ice: Option<&IceConfig>,
        offer_sdp: &str,
        found_fps: Option<f64>,
    ) -> Value {
        let mut body = Map::new();
        if transport != ApiKeyTransport::Header {
            body.insert("api_key".into(), key.into());
        }
        let mut rest = self.fields.clone();
        if let Some(workflow) = rest.shift_remove("workflow_configuration") {
            body.insert("workflow_configuration".into(), workflow);
        }
        body.insert(
            "webrtc_offer".into(),
            json!({"type": "offer", "sdp": offer_sdp}),
        );
        body.insert("webrtc_realtime_processing".into(), self.realtime.into());
        // Without a track for them, none are asked for as a stream; left out, the worker chooses.
        let streamed: &[String] = if self.media.receives {
            &selection.picture_names
        } else {
            &[]
        };
        if !selection.auto {
            body.insert("stream_output".into(), streamed.into());
        }
        body.insert("data_output".into(), selection.data_output.clone().into());
        if let Some(ice) = ice {
            body.insert("webrtc_config".into(), ice.to_request());
        }
        body.extend(rest);
        if let Some(fps) = found_fps.filter(|fps| fps.is_finite() && *fps > 0.0) {
            body.insert("declared_fps".into(), fps.into());
        }
        body.extend(self.source_fields.clone());
        body.extend(self.overrides.clone());
        // Originals ignore the key.
        body.insert("framewire".into(), self.agreement().to_value());
        Value::Object(body)
    }
}
