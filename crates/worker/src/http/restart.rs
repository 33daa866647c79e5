//! `POST /webrtc/session/{id}/ice`: a new network path for a running session.
//! Not the session: its media, channels and counters notice nothing.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use framewire_protocol::signalling::{RequestError, RestartRequest};
use framewire_transport::RestartError;
use serde_json::json;

use super::auth::{authorize, request_key};
use super::errors::{ApiError, json_response};
use super::read_body;
use crate::session::known::NotYours;
use crate::worker::App;

/// Answers once the session follows the new path, or says why it does not.
pub(crate) async fn restart(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    match answer(&app, &id, request).await {
        Ok(sdp) => {
            app.metrics.ice_restarts.add(1);
            tracing::info!(session = id, "a session has a new network path");
            let body = json!({"sdp": sdp, "type": "answer"});
            json_response(StatusCode::OK, &body)
        }
        Err(refusal) => {
            app.metrics.ice_restarts_refused.add(1);
            tracing::info!(error = %refusal, "an ICE restart was refused");
            refusal.into_response()
        }
    }
}

async fn answer(app: &App, id: &str, request: Request) -> Result<String, ApiError> {
    let headers = request.headers().clone();
    let body = read_body(app, request).await?;
    let request = RestartRequest::parse(&body)
        .map_err(|error| ApiError::Session(StatusCode::BAD_REQUEST, error.to_string()))?;
    let from_headers = app.config.env.api_key_from_headers;
    let key = request_key(&headers, from_headers, request.api_key.as_ref());
    authorize(&app.keys, key.as_ref())?;
    let found = app.known.find(id, request.secret.as_ref());
    let ice = found.map_err(|reason| match reason {
        NotYours::Unknown => ApiError::SessionGone,
        NotYours::WrongSecret => ApiError::Session(
            StatusCode::FORBIDDEN,
            "`secret` is not the one this session was given".into(),
        ),
    })?;
    // Gathering blocks. It ends by its own limit even when the client hangs up meanwhile.
    let accepted = tokio::task::spawn_blocking(move || ice.accept_restart(&request.sdp));
    match accepted.await {
        Ok(accepted) => accepted.map_err(refusal),
        Err(panic) => {
            tracing::error!(%panic, "an ICE restart panicked");
            Err(RequestError::Internal.into())
        }
    }
}

fn refusal(error: RestartError) -> ApiError {
    let (status, text) = match &error {
        RestartError::Closed => return ApiError::SessionGone,
        RestartError::Sdp(reason) => (
            StatusCode::BAD_REQUEST,
            format!("the offer cannot be used: {reason}"),
        ),
        RestartError::SameCredentials | RestartError::NotKept => {
            (StatusCode::BAD_REQUEST, error.to_string())
        }
        RestartError::Busy | RestartError::NotConnected => {
            (StatusCode::CONFLICT, error.to_string())
        }
        _ => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
    };
    ApiError::Session(status, text)
}
