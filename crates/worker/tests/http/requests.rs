//! Every status and body of a session request.
//! Not who may send one: `access`.

use serde_json::{Value, json};

use crate::common::http::{Response, post, send};
use crate::common::peer::{PATH, offer_sdp};
use crate::common::{self, worker, worker_with};
use crate::{ask, keys};

/// The refusal must be a 400 of the configuration kind.
fn is_configuration_error(response: &Response) {
    assert_eq!(response.status, 400, "{}", response.body);
    assert_eq!(keys(&response.json()), ["message", "error_type"]);
    assert_eq!(response.json()["error_type"], "WebRTCConfigurationError");
}

#[test]
fn a_valid_request_is_answered_with_sdp_and_an_empty_context() {
    let worker = worker();
    let response = ask(&worker, |_| {});
    assert_eq!(response.status, 200);
    let body = response.json();
    assert_eq!(keys(&body), ["status", "context", "sdp", "type"]);
    assert_eq!(body["status"], "success");
    assert_eq!(
        body["context"],
        json!({"request_id": null, "pipeline_id": null})
    );
    assert_eq!(body["type"], "answer");
    let sdp = body["sdp"].as_str().unwrap();
    assert!(
        sdp.contains("a=candidate:") && sdp.contains(&format!(" {} typ host", worker.media_port()))
    );
}

#[test]
fn bodies_that_break_the_schema_get_422_with_a_detail_for_each_fault() {
    let worker = worker();
    let not_json = send(worker.local_addr(), "POST", PATH, &[], b"{nope");
    assert_eq!(not_json.status, 422);
    assert_eq!(not_json.json()["detail"][0]["type"], "json_invalid");
    for (change, location) in [
        (json!({"webrtc_offer": null}), "webrtc_offer"),
        (json!({"webrtc_offer": {"type": "offer"}}), "sdp"),
        (
            json!({"workflow_configuration": null}),
            "workflow_configuration",
        ),
        (json!({"workflow_configuration": {"type": "x"}}), "type"),
        (json!({"stream_output": "x"}), "stream_output"),
        (json!({"data_output": [1]}), "data_output"),
        (json!({"processing_timeout": "soon"}), "processing_timeout"),
        (json!({"webrtc_config": {"iceServers": 5}}), "webrtc_config"),
    ] {
        let response = ask(&worker, |body| {
            for (key, value) in change.as_object().unwrap() {
                body[key] = value.clone();
            }
        });
        assert_eq!(response.status, 422, "{change}: {}", response.body);
        let detail = response.json()["detail"][0].clone();
        assert!(
            detail["type"].is_string() && detail["msg"].is_string(),
            "{detail}"
        );
        let path = detail["loc"].to_string();
        assert!(
            path.starts_with("[\"body\"") && path.contains(location),
            "{path}"
        );
    }
    let two = post(worker.local_addr(), PATH, &json!({}));
    assert_eq!(two.status, 422);
    assert_eq!(two.json()["detail"].as_array().unwrap().len(), 2);
    assert_eq!(post(worker.local_addr(), PATH, &json!([1])).status, 422);
}

#[test]
fn unknown_fields_are_ignored() {
    let worker = worker();
    let response = ask(&worker, |body| {
        body["video_file_upload"] = json!(true);
        body["something_new"] = json!({"a": 1});
    });
    assert_eq!(response.status, 200);
}

#[test]
fn requests_that_cannot_work_get_400() {
    let worker = worker();
    is_configuration_error(&ask(&worker, |body| {
        body["data_output"] = json!(["crop", "zzz"])
    }));
    is_configuration_error(&ask(&worker, |body| body["stream_output"] = json!(["zzz"])));
    is_configuration_error(&ask(&worker, |body| {
        body["stream_output"] = json!(["picture"]);
        body["data_output"] = json!([]); // nothing would be left to send
    }));
    is_configuration_error(&ask(&worker, |body| body["processing_timeout"] = json!(0)));
    is_configuration_error(&ask(&worker, |body| body["processing_timeout"] = json!(-5)));
    is_configuration_error(&ask(&worker, |body| {
        body["workflow_configuration"]["image_input_name"] = json!("other");
    }));
    is_configuration_error(&ask(&worker, |body| {
        body["workflow_configuration"]["workflow_specification"] = Value::Null;
    }));
    for (field, url) in [
        ("rtsp_url", "http://me:pw@h/x"),
        ("mjpeg_url", "rtsp://me:pw@h/x"),
        ("mjpeg_url", "http://me:pw@127.0.0.1/x"),
    ] {
        let refused = ask(&worker, |body| body[field] = json!(url));
        assert_eq!(refused.status, 400, "{url}: {}", refused.body);
        assert_eq!(refused.json()["error_type"], "WebRTCSourceError");
        assert!(!refused.body.contains("pw"), "{}", refused.body);
    }
    assert_eq!(worker.stats().sessions, 0);
}

#[test]
fn offers_that_cannot_work_get_400_with_the_reason() {
    let worker = worker();
    let good = offer_sdp();
    for (sdp, kind) in [
        ("", "offer"),
        ("garbage", "offer"),
        (&good[..], "answer"),
        (&good[..], "banana"),
        (&good.replace("application", "audio")[..], "offer"),
        (&good.replace("a=ice-ufrag", "a=x-ufrag")[..], "offer"),
        (
            &good.replace("a=fingerprint", "a=x-fingerprint")[..],
            "offer",
        ),
        ("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n", "offer"),
        (&"v=0\r\n".repeat(100_000)[..], "offer"),
    ] {
        let response = ask(&worker, |body| {
            body["webrtc_offer"] = json!({"type": kind, "sdp": sdp});
        });
        let start: String = sdp.chars().take(40).collect();
        assert_eq!(response.status, 400, "{kind} {start:?}: {}", response.body);
        assert!(response.json()["message"].is_string());
        assert!(response.json()["error_type"].is_string());
    }
    assert_eq!(worker.stats().sessions, 0);
}

#[test]
fn a_track_that_the_offer_cannot_carry_is_left_out_where_data_remains() {
    let worker = worker();
    for stream in [Value::Null, json!(["picture"])] {
        let answer = ask(&worker, |body| body["stream_output"] = stream.clone());
        assert_eq!(answer.status, 200, "no video section: data only");
    }
}

#[test]
fn workflows_that_do_not_compile_get_400_with_the_whole_error_object() {
    let worker = worker();
    let all = [
        "message",
        "error_type",
        "context",
        "inner_error_type",
        "inner_error_message",
        "blocks_errors",
        "python_blocks_output_streams",
        "python_blocks_debug_traces",
    ];
    let unknown = ask(&worker, |body| {
        body["workflow_configuration"]["workflow_specification"]["steps"][0]["type"] =
            json!("nope/nope@v1");
    });
    assert_eq!(unknown.status, 400);
    assert_eq!(keys(&unknown.json()), all);
    assert_eq!(unknown.json()["error_type"], "WorkflowSyntaxError");
    assert_eq!(unknown.json()["blocks_errors"][0]["block_id"], "cut");
    let dangling = ask(&worker, |body| {
        body["workflow_configuration"]["workflow_specification"]["steps"][0]["images"] =
            json!("$inputs.zzz");
    });
    assert_eq!(dangling.status, 400);
    assert_eq!(keys(&dangling.json()), all);
    assert_eq!(dangling.json()["error_type"], "WorkflowError");
    assert!(dangling.json()["context"].is_string());
    let empty = ask(&worker, |body| {
        body["workflow_configuration"]["workflow_specification"] = json!({});
    });
    assert_eq!((empty.status, keys(&empty.json())), (400, all.to_vec()));
    let model = ask(&worker, |body| {
        body["workflow_configuration"]["workflow_specification"]["steps"][0] = json!({
            "type": "roboflow_core/roboflow_object_detection_model@v2", "name": "cut",
            "images": "$inputs.image", "model_id": "none/1",
        });
        body["workflow_configuration"]["workflow_specification"]["outputs"] = json!([]);
        body["data_output"] = json!([]);
    });
    assert_eq!(model.status, 404, "{}", model.body);
    assert_eq!(keys(&model.json()), ["message"]);
}

#[test]
fn workflows_by_id_come_from_the_folder_only() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("team")).unwrap();
    std::fs::write(
        folder.path().join("team/crops.json"),
        common::workflow().to_string(),
    )
    .unwrap();
    let worker = worker_with(|config| config.workflows_dir = Some(folder.path().to_owned()));
    let by_id = |id: &str, key: Value, output: &str| {
        ask(&worker, |body| {
            let configuration = &mut body["workflow_configuration"];
            configuration["workflow_specification"] = Value::Null;
            configuration["workspace_name"] = json!("team");
            configuration["workflow_id"] = json!(id);
            body["api_key"] = key;
            body["data_output"] = json!([output]);
        })
    };
    assert_eq!(by_id("crops", Value::Null, "crop").status, 200);
    is_configuration_error(&by_id("crops", Value::Null, "zzz"));
    for id in ["none", "../team/crops", "..", "/etc/passwd"] {
        let with_key = by_id(id, json!("k"), "crop");
        assert_eq!(
            (with_key.status, keys(&with_key.json())),
            (404, vec!["message"]),
            "{id}"
        );
        let without = by_id(id, Value::Null, "crop");
        assert_eq!(
            (without.status, keys(&without.json())),
            (400, vec!["message"]),
            "{id}"
        );
    }
}

#[test]
fn an_offline_worker_refuses_ice_servers_and_uses_none() {
    let worker = worker_with(|config| config.env.offline = true);
    assert_eq!(ask(&worker, |_| {}).status, 200);
    is_configuration_error(&ask(&worker, |body| {
        body["webrtc_config"] = json!({"iceServers": [{"urls": "stun:127.0.0.1:3478"}]});
    }));
}

#[test]
fn bodies_over_the_limit_get_413() {
    let worker = worker_with(|config| config.limits.max_body_bytes = 10_000);
    let body = json!({"x": "y".repeat(20_000)});
    let response = post(worker.local_addr(), PATH, &body);
    assert_eq!(
        (response.status, keys(&response.json())),
        (413, vec!["message"])
    );
    assert_eq!(ask(&worker, |_| {}).status, 200);
}
