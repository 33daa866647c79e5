//! Errors of a signalling request: status and body of each.
//! The texts are for people; status and keys are what clients rely on.

use serde_json::{Value, json};
use thiserror::Error;

use crate::signalling::Detail;

/// A request that does not become a session.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum RequestError {
    /// 422: the body does not have the shape of a request.
    #[error("the request is invalid: {}", details_text(.0))]
    Invalid(Vec<Detail>),
    /// 400: a workflow by id needs a key.
    #[error("a workflow given by its id needs an API key")]
    MissingApiKey,
    /// 400: unknown output names, impossible settings.
    #[error("{0}")]
    Configuration(String),
    /// 400: the offer cannot be used.
    #[error("the offer cannot be used: {0}")]
    Offer(String),
    /// 400: the video source cannot be used.
    #[error("the source cannot be used: {0}")]
    Source(String),
    /// 400: the workflow does not parse or compile.
    #[error("{}", .0.message)]
    Workflow(Box<WorkflowErrorBody>),
    /// 401: the key is missing or wrong.
    #[error("{0}")]
    NotAuthorized(String),
    /// 404: a workflow or model does not exist.
    #[error("{0}")]
    NotFound(String),
    /// 429: the workspace runs as many streams as it may.
    #[error("{0}")]
    StreamQuota(String),
    /// 503: this worker runs as many sessions as it can.
    #[error("{0}")]
    AtCapacity(String),
    /// 500: a fault of the worker; the details are in its log.
    #[error("Internal error.")]
    Internal,
}

impl RequestError {
    /// HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            RequestError::MissingApiKey
            | RequestError::Configuration(_)
            | RequestError::Offer(_)
            | RequestError::Source(_)
            | RequestError::Workflow(_) => 400,
            RequestError::NotAuthorized(_) => 401,
            RequestError::NotFound(_) => 404,
            RequestError::Invalid(_) => 422,
            RequestError::StreamQuota(_) => 429,
            RequestError::Internal => 500,
            RequestError::AtCapacity(_) => 503,
        }
    }

    /// HTTP body.
    pub fn body(&self) -> Value {
        match self {
            RequestError::Invalid(details) => {
                json!({"detail": details.iter().map(Detail::to_value).collect::<Vec<_>>()})
            }
            RequestError::Workflow(error) => error.to_value(),
            other => match other.error_type() {
                Some(error_type) => json!({"message": other.to_string(), "error_type": error_type}),
                None => json!({"message": other.to_string()}),
            },
        }
    }

    fn error_type(&self) -> Option<&'static str> {
        match self {
            RequestError::Configuration(_) => Some("WebRTCConfigurationError"),
            RequestError::Offer(_) => Some("WebRTCOfferError"),
            RequestError::Source(_) => Some("WebRTCSourceError"),
            RequestError::StreamQuota(_) => Some("WorkspaceStreamQuotaError"),
            RequestError::AtCapacity(_) => Some("WorkerAtCapacityError"),
            _ => None,
        }
    }
}

fn details_text(details: &[Detail]) -> String {
    details
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}

/// What is wrong with a workflow.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct WorkflowErrorBody {
    /// For people.
    pub message: String,
    /// `WorkflowSyntaxError`, or another kind of workflow error.
    pub error_type: String,
    /// Which phase failed, e.g. `workflow_compilation | graph_construction`.
    pub context: Option<String>,
    /// Kind of the error below.
    pub inner_error_type: Option<String>,
    /// Its text.
    pub inner_error_message: Option<String>,
    /// The blocks concerned.
    pub blocks_errors: Option<Vec<BlockError>>,
}

impl WorkflowErrorBody {
    /// A definition that does not parse.
    pub fn syntax(message: impl Into<String>) -> Self {
        Self::new("WorkflowSyntaxError", message)
    }

    /// Any other kind of error.
    pub fn new(error_type: impl Into<String>, message: impl Into<String>) -> Self {
        WorkflowErrorBody {
            message: message.into(),
            error_type: error_type.into(),
            ..Self::default()
        }
    }

    /// Names the phase that failed.
    #[must_use]
    pub fn with_context(mut self, context: impl Into<String>) -> Self {
        self.context = Some(context.into());
        self
    }

    /// Adds the error below.
    #[must_use]
    pub fn with_inner(mut self, error_type: impl Into<String>, message: impl Into<String>) -> Self {
        self.inner_error_type = Some(error_type.into());
        self.inner_error_message = Some(message.into());
        self
    }

    /// Adds a block.
    #[must_use]
    pub fn with_block(mut self, block: BlockError) -> Self {
        self.blocks_errors.get_or_insert_default().push(block);
        self
    }

    fn to_value(&self) -> Value {
        let blocks = self.blocks_errors.as_ref();
        json!({
            "message": self.message,
            "error_type": self.error_type,
            "context": self.context,
            "inner_error_type": self.inner_error_type,
            "inner_error_message": self.inner_error_message,
            "blocks_errors": blocks.map(|b| b.iter().map(BlockError::to_value).collect::<Vec<_>>()),
            "python_blocks_output_streams": null,
            "python_blocks_debug_traces": null,
        })
    }
}

/// What is wrong with one block of a workflow.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BlockError {
    /// Name of the step.
    pub block_id: Option<String>,
    /// Its type.
    pub block_type: Option<String>,
    /// What is wrong with it.
    pub block_details: Option<String>,
    /// The property concerned.
    pub property_name: Option<String>,
    /// What is wrong with that.
    pub property_details: Option<String>,
}

impl BlockError {
    fn to_value(&self) -> Value {
        json!({
            "block_id": self.block_id,
            "block_type": self.block_type,
            "block_details": self.block_details,
            "property_name": self.property_name,
            "property_details": self.property_details,
            "block_traceback": null,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_and_keys() {
        let table = [
            (RequestError::MissingApiKey, 400, None),
            (
                RequestError::Configuration("x".into()),
                400,
                Some("WebRTCConfigurationError"),
            ),
            (
                RequestError::Offer("x".into()),
                400,
                Some("WebRTCOfferError"),
            ),
            (RequestError::NotAuthorized("x".into()), 401, None),
            (RequestError::NotFound("x".into()), 404, None),
            (
                RequestError::StreamQuota("x".into()),
                429,
                Some("WorkspaceStreamQuotaError"),
            ),
            (
                RequestError::AtCapacity("x".into()),
                503,
                Some("WorkerAtCapacityError"),
            ),
            (RequestError::Internal, 500, None),
        ];
        for (error, status, error_type) in table {
            let body = error.body();
            assert_eq!(error.status(), status);
            assert!(body["message"].is_string());
            assert_eq!(body.get("error_type").and_then(Value::as_str), error_type);
        }
        assert_eq!(
            RequestError::Internal.body(),
            json!({"message": "Internal error."})
        );
    }

    #[test]
    fn workflow_errors_have_every_key() {
        let block = BlockError {
            block_id: Some("crop".into()),
            ..BlockError::default()
        };
        let body = WorkflowErrorBody::syntax("bad")
            .with_context("c")
            .with_inner("T", "m")
            .with_block(block);
        let error = RequestError::Workflow(Box::new(body));
        let value = error.body();
        assert_eq!(
            (error.status(), value["error_type"].as_str()),
            (400, Some("WorkflowSyntaxError"))
        );
        assert_eq!(value["blocks_errors"][0]["block_id"], "crop");
        assert_eq!(value.as_object().unwrap().len(), 8);
        assert_eq!(value["blocks_errors"][0].as_object().unwrap().len(), 6);
    }
}
