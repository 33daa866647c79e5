//! The worker's HTTP face: which route does what.
//! Not sessions: `initialise` hands a valid request over to `session` and is done.

pub(crate) mod auth;
pub(crate) mod errors;
pub(crate) mod guard;
mod heartbeat;
mod initialise;
mod pages;
mod restart;
pub(crate) mod sdp_needs;
pub(crate) mod server;
mod viewer;

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, MatchedPath, Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use tracing::Instrument;

use crate::worker::App;
use errors::{ApiError, not_found};

/// All routes of one worker.
pub(crate) fn router(app: Arc<App>) -> Router {
    let mut router = viewer::routes()
        .route("/healthz", get(pages::healthz))
        .route("/readyz", get(pages::readyz))
        .route("/metrics", get(pages::metrics))
        .route("/info", get(pages::info))
        .route("/models", get(pages::models));
    if app.config.env.worker_enabled {
        router = router
            .route("/initialise_webrtc_worker", post(initialise::initialise))
            .route("/webrtc/session/{id}/ice", post(restart::restart))
            .route("/webrtc/session/heartbeat", post(heartbeat::heartbeat))
            .route("/webrtc/session/heartbeat/end", post(heartbeat::end));
    }
    router
        .fallback(|| async { not_found() })
        .method_not_allowed_fallback(|| async {
            let body = serde_json::json!({ "detail": "Method Not Allowed" });
            errors::json_response(StatusCode::METHOD_NOT_ALLOWED, &body)
        })
        .layer(from_fn_with_state(app.guard.clone(), guard::guard))
        .layer(from_fn_with_state(app.clone(), count))
        .layer(DefaultBodyLimit::max(app.config.limits.max_body_bytes))
        .with_state(app)
}

async fn count(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let route = request.extensions().get::<MatchedPath>().cloned();
    // Never the path itself: what does not match is whatever somebody sent.
    let route = route.as_ref().map_or("other", MatchedPath::as_str);
    let method = request.method().clone();
    let span = tracing::debug_span!("http", %method, route);
    let response = next.run(request).instrument(span).await;
    let (status, took) = (response.status().as_u16(), begun.elapsed());
    app.metrics.http.answered(route, status, took);
    let ms = took.as_secs_f64() * 1e3;
    if method == Method::POST {
        tracing::info!(%method, route, status, ms, "HTTP request answered");
    } else {
        tracing::debug!(%method, route, status, ms, "HTTP request answered");
    }
    response
}

/// A request body, whatever its content type says; bounded in bytes and time.
async fn read_body(app: &App, request: Request) -> Result<Bytes, ApiError> {
    let limits = &app.config.limits;
    let read = Bytes::from_request(request, &());
    match tokio::time::timeout(limits.body_timeout, read).await {
        Err(_) => Err(ApiError::Slow),
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(rejection)) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            Err(ApiError::TooLarge(limits.max_body_bytes))
        }
        // The connection broke; nobody reads what is said about it.
        Ok(Err(_)) => Err(ApiError::Slow),
    }
}
