//! The heartbeat routes, answered as by a worker without a shared registry: no session is ever known.
//! Not liveness: a session's own connection says whether it lives.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use framewire_protocol::signalling::Secret;
use serde_json::{Value, json};

use super::auth::{authorize, request_key};
use super::errors::{detail, json_response};
use super::read_body;
use crate::worker::App;

/// 404 for any session of an accepted key.
pub(crate) async fn heartbeat(State(app): State<Arc<App>>, request: Request) -> Response {
    match check(&app, request).await {
        Ok(()) => problem(StatusCode::NOT_FOUND, "session not found"),
        Err(refusal) => refusal,
    }
}

/// 200 whether or not the session existed.
pub(crate) async fn end(State(app): State<Arc<App>>, request: Request) -> Response {
    match check(&app, request).await {
        Ok(()) => json_response(StatusCode::OK, &json!({ "status": "ok" })),
        Err(refusal) => refusal,
    }
}

async fn check(app: &App, request: Request) -> Result<(), Response> {
    let headers = request.headers().clone();
    let bytes = read_body(app, request)
        .await
        .map_err(IntoResponse::into_response)?;
    let invalid = |wrong: Vec<Value>| {
        json_response(
            StatusCode::UNPROCESSABLE_ENTITY,
            &json!({ "detail": wrong }),
        )
    };
    let body: Value = serde_json::from_slice(&bytes)
        .map_err(|_| invalid(vec![detail("json_invalid", &["body"], "JSON decode error")]))?;
    validate(&body).map_err(invalid)?;
    let in_body = body["api_key"].as_str().map(Secret::new);
    let key = request_key(
        &headers,
        app.config.env.api_key_from_headers,
        in_body.as_ref(),
    );
    if key.is_some() && authorize(&app.keys, key.as_ref()).is_ok() {
        Ok(())
    } else {
        Err(problem(StatusCode::UNAUTHORIZED, "unauthorized"))
    }
}

fn validate(body: &Value) -> Result<(), Vec<Value>> {
    let Some(object) = body.as_object() else {
        let text = "Input should be a valid dictionary";
        return Err(vec![detail("model_attributes_type", &["body"], text)]);
    };
    let mut wrong = Vec::new();
    match object.get("session_id") {
        Some(Value::String(_)) => {}
        None => wrong.push(detail("missing", &["body", "session_id"], "Field required")),
        Some(_) => wrong.push(detail("string_type", &["body", "session_id"], NO_STRING)),
    }
    if !matches!(
        object.get("api_key"),
        None | Some(Value::Null | Value::String(_))
    ) {
        wrong.push(detail("string_type", &["body", "api_key"], NO_STRING));
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

fn problem(status: StatusCode, text: &str) -> Response {
    json_response(
        status,
        &json!({ "detail": { "status": "error", "message": text } }),
    )
}

const NO_STRING: &str = "Input should be a valid string";
