//! `POST /webrtc/session/{id}/ice`: a new network path for a running session.
//! Not the session: its media, channels and counters notice nothing.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use framewire_protocol::signalling::RestartRequest;
use framewire_transport::{IceHandle, RestartError};
use serde_json::json;

use super::auth::{authorize, request_key};
use super::errors::{json_response, plain};
use super::read_body;
use crate::session::known::NotYours;
use crate::worker::App;

/// Answers once the session follows the new path, or says why it does not.
pub(crate) async fn restart(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let answered = answer(&app, &id, request).await;
    match answered {
        Ok(sdp) => {
            app.metrics.ice_restarts.add(1);
            tracing::info!(session = id, "a session has a new network path");
            let body = json!({"sdp": sdp, "type": "answer"});
            json_response(StatusCode::OK, &body)
        }
        Err(refusal) => {
            app.metrics.ice_restarts_refused.add(1);
            refusal
        }
    }
}

async fn answer(app: &App, id: &str, request: Request) -> Result<String, Response> {
    let headers = request.headers().clone();
    let body = read_body(app, request)
        .await
        .map_err(IntoResponse::into_response)?;
    let request = RestartRequest::parse(&body)
        .map_err(|error| plain(StatusCode::BAD_REQUEST, &error.to_string()))?;
    let from_headers = app.config.env.api_key_from_headers;
    let key = request_key(&headers, from_headers, request.api_key.as_ref());
    authorize(&app.keys, key.as_ref()).map_err(IntoResponse::into_response)?;
    let ice = app
        .known
        .find(id, request.secret.as_ref())
        .map_err(|reason| match reason {
            NotYours::Unknown => gone(),
            NotYours::WrongSecret => plain(
                StatusCode::FORBIDDEN,
                "`secret` is not the one this session was given",
            ),
        })?;
    // Gathering blocks. It ends by its own limit even when the client hangs up meanwhile.
    let restarted = tokio::task::spawn_blocking(move || accept(&ice, &request.sdp));
    restarted.await.unwrap_or_else(|panic| {
        tracing::error!(%panic, "an ICE restart panicked");
        Err(plain(StatusCode::INTERNAL_SERVER_ERROR, "Internal error."))
    })
}

fn accept(ice: &IceHandle, offer: &str) -> Result<String, Response> {
    ice.accept_restart(offer).map_err(|error| {
        tracing::info!(%error, "an ICE restart was refused");
        match &error {
            RestartError::Closed => gone(),
            RestartError::Busy | RestartError::NotConnected => {
                plain(StatusCode::CONFLICT, &error.to_string())
            }
            RestartError::Sdp(reason) => plain(
                StatusCode::BAD_REQUEST,
                &format!("the offer cannot be used: {reason}"),
            ),
            RestartError::SameCredentials | RestartError::NotKept => {
                plain(StatusCode::BAD_REQUEST, &error.to_string())
            }
            _ => plain(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
        }
    })
}

fn gone() -> Response {
    let body = json!({
        "message": "this session does not run here, or no longer; start a new one",
        "error_type": "SessionNotFound",
    });
    json_response(StatusCode::NOT_FOUND, &body)
}
