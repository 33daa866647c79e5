//! Every refusal of the worker as a status and a JSON body.
//! Not the shapes clients of the original rely on: those are `framewire_protocol::signalling::RequestError`'s.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use framewire_protocol::signalling::{BlockError, RequestError, WorkflowErrorBody};
use serde_json::{Value, json};

use crate::library::LibraryError;
use crate::metrics::Refusal;
use crate::session::places::NoPlace;
use crate::sources::SourceError;
use crate::workflow::{CompileError, CompileErrorKind};

/// A refused request.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(crate) enum ApiError {
    /// Refused for a reason the original knows too.
    #[error(transparent)]
    Request(RequestError),
    /// 413: the body is over the limit.
    #[error("the request's body is over {0} bytes")]
    TooLarge(usize),
    /// 408: the body did not arrive in time.
    #[error("the request's body did not arrive in time")]
    Slow,
    /// 404: a request about a session that does not run here.
    #[error("this session does not run here, or no longer; start a new one")]
    SessionGone,
    /// A request about a session that is refused for another reason.
    #[error("{1}")]
    Session(StatusCode, String),
    /// 503: shutting down.
    #[error("the worker is shutting down")]
    Draining,
}

impl ApiError {
    /// 400 `WebRTCConfigurationError`.
    pub(crate) fn configuration(text: impl Into<String>) -> ApiError {
        RequestError::Configuration(text.into()).into()
    }
}

impl ApiError {
    /// Under which reason a refused session is counted.
    pub(crate) fn refusal(&self) -> Refusal {
        match self {
            ApiError::Request(error) => match error {
                RequestError::Invalid(_) => Refusal::Invalid,
                RequestError::MissingApiKey | RequestError::NotAuthorized(_) => {
                    Refusal::Unauthorized
                }
                RequestError::Configuration(_) => Refusal::Configuration,
                RequestError::Offer(_) => Refusal::Offer,
                RequestError::Source(_) => Refusal::Source,
                RequestError::Workflow(_) => Refusal::Workflow,
                RequestError::NotFound(_) => Refusal::NotFound,
                RequestError::StreamQuota(_) | RequestError::AtCapacity(_) => Refusal::Full,
                _ => Refusal::Internal,
            },
            ApiError::TooLarge(_) => Refusal::TooLarge,
            ApiError::Slow => Refusal::Slow,
            ApiError::Draining => Refusal::Draining,
            // No request for a session is refused with these.
            ApiError::SessionGone | ApiError::Session(..) => Refusal::Invalid,
        }
    }
}

impl From<RequestError> for ApiError {
    fn from(error: RequestError) -> ApiError {
        ApiError::Request(error)
    }
}

impl From<SourceError> for ApiError {
    fn from(error: SourceError) -> ApiError {
        RequestError::Source(error.to_string()).into()
    }
}

impl From<NoPlace> for ApiError {
    fn from(none: NoPlace) -> ApiError {
        match none {
            NoPlace::Draining => ApiError::Draining,
            NoPlace::Full(limit) => RequestError::StreamQuota(format!(
                "all {limit} sessions of this worker are in use; try again later"
            ))
            .into(),
        }
    }
}

impl From<LibraryError> for ApiError {
    fn from(error: LibraryError) -> ApiError {
        let text = error.to_string();
        match error {
            LibraryError::Missing { .. } => RequestError::NotFound(text).into(),
            LibraryError::Unusable { .. } => {
                RequestError::Workflow(Box::new(WorkflowErrorBody::syntax(text))).into()
            }
        }
    }
}

impl From<&CompileError> for ApiError {
    /// 404 for a model that is not here, 400 with the whole error object for everything else.
    fn from(error: &CompileError) -> ApiError {
        if error.kind() == CompileErrorKind::ModelNotFound {
            return RequestError::NotFound(error.message().to_owned()).into();
        }
        let mut body = WorkflowErrorBody::new(error.error_type(), error.message())
            .with_context(error.context())
            .with_inner(error.inner_error_type(), error.message());
        for block in error.blocks_errors() {
            body = body.with_block(BlockError {
                block_id: block.block_id.clone(),
                block_type: block.block_type.clone(),
                block_details: block.block_details.clone(),
                property_name: block.property_name.clone(),
                property_details: block.property_details.clone(),
            });
        }
        RequestError::Workflow(Box::new(body)).into()
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, body) = match &self {
            ApiError::Request(error) => (
                StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
                error.body(),
            ),
            ApiError::TooLarge(limit) => (
                StatusCode::PAYLOAD_TOO_LARGE,
                message(&format!("the request body is larger than {limit} bytes")),
            ),
            ApiError::Slow => (
                StatusCode::REQUEST_TIMEOUT,
                message("the request body did not arrive in time"),
            ),
            // What tells it from a server without the route.
            gone @ ApiError::SessionGone => (
                StatusCode::NOT_FOUND,
                json!({"message": gone.to_string(), "error_type": "SessionNotFound"}),
            ),
            ApiError::Session(status, text) => (*status, message(text)),
            ApiError::Draining => (
                StatusCode::SERVICE_UNAVAILABLE,
                message("this worker is shutting down and takes no new session"),
            ),
        };
        let mut response = json_response(status, &body);
        if matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
        ) {
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}

/// One entry of a 422 `detail`.
pub(crate) fn detail(kind: &str, location: &[&str], text: &str) -> Value {
    json!({ "type": kind, "loc": location, "msg": text })
}

/// The framework's answer to an unknown route.
pub(crate) fn not_found() -> Response {
    json_response(StatusCode::NOT_FOUND, &json!({ "detail": "Not Found" }))
}

/// A JSON body with its status.
pub(crate) fn json_response(status: StatusCode, body: &Value) -> Response {
    let content_type = [(header::CONTENT_TYPE, "application/json")];
    (status, content_type, body.to_string()).into_response()
}

/// `{"message": …}` with its status.
pub(crate) fn plain(status: StatusCode, text: &str) -> Response {
    json_response(status, &message(text))
}

fn message(text: &str) -> Value {
    json!({ "message": text })
}
