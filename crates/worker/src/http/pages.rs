//! The routes that only tell: liveness, readiness, metrics, limits, models.
//! None of them needs a key and none reveals more than what a session request would.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::errors::json_response;
use crate::metrics::Gauges;
use crate::session::SourceKind;
use crate::worker::App;

pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// 503 while a new session would be refused.
pub(crate) async fn readyz(State(app): State<Arc<App>>) -> Response {
    let (status, text) = if app.places.ready() {
        (StatusCode::OK, "ready\n")
    } else if app.places.draining() {
        (StatusCode::SERVICE_UNAVAILABLE, "draining\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "full\n")
    };
    (status, text).into_response()
}

pub(crate) async fn metrics(State(app): State<Arc<App>>) -> Response {
    let now = Gauges {
        sessions: app.places.census(),
        max_sessions: app.places.max(),
        upload_space: app.config.limits.max_upload_space,
        models: &app.models,
        upload_bytes_held: app.store.used(),
        uploads_kept: app.store.kept(),
        draining: app.places.draining(),
    };
    let content_type = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    (content_type, app.metrics.render(&now)).into_response()
}

pub(crate) async fn info(State(app): State<Arc<App>>) -> Response {
    let config = &app.config;
    let body = json!({
        "name": "framewire",
        "version": env!("CARGO_PKG_VERSION"),
        "sessions": app.places.taken(),
        "draining": app.places.draining(),
        "media_port": app.media_port,
        "limits": {
            "max_sessions": config.max_sessions,
            "max_upload_bytes": config.max_upload_bytes,
            "max_body_bytes": config.limits.max_body_bytes,
            "default_processing_timeout": config.env.default_processing_timeout.as_secs(),
        },
        "processor": config.processor.is_some(),
        "sources": SourceKind::ALL.map(SourceKind::as_str),
        "api_key_required": !app.keys.is_open(),
    });
    json_response(StatusCode::OK, &body)
}

pub(crate) async fn models(State(app): State<Arc<App>>) -> Response {
    json_response(StatusCode::OK, &app.models_listing())
}
