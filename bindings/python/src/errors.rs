//! Errors of the native side as Python exceptions, made by the classes of `framewire._errors`.
//! Not here: those classes and which built-in exceptions they derive from.

use framewire::{ConfigError, Diagnosis, HttpFailure, SessionError, SourceError, UrlPolicyError};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// The exception of a session that failed.
pub(crate) fn session_error(py: Python<'_>, error: &SessionError) -> PyErr {
    let fields = PyDict::new(py);
    let kind = session_kind(error, &fields).and_then(|kind| {
        if let Some(session) = error.session() {
            fields.set_item("session", &session.id)?;
        }
        Ok(kind)
    });
    let found = error.diagnosis();
    let step = match found {
        Some(found) => Some(found.step.to_string()),
        None => error.step().map(|step| step.to_string()),
    };
    raise(py, kind, step, &error.to_string(), fields, found)
}

/// The exception of a session that could not be described.
pub(crate) fn config_error(py: Python<'_>, error: &ConfigError) -> PyErr {
    let fields = PyDict::new(py);
    let kind = match error {
        ConfigError::ApiUrl { .. } => Ok("config_api_url"),
        ConfigError::WorkflowNotAnObject => Ok("config_workflow_not_an_object"),
        ConfigError::WorkspaceMissing => Ok("config_workspace_missing"),
        ConfigError::IdMissing => Ok("config_id_missing"),
        ConfigError::TaskType { found } => {
            fields.set_item("found", found).map(|()| "config_task_type")
        }
        ConfigError::TaskTypeLookup { model, .. } => fields
            .set_item("model", model)
            .map(|()| "config_task_type_lookup"),
        ConfigError::IceServers { .. } => Ok("config_ice_servers"),
        ConfigError::Environment { variable, .. } => fields
            .set_item("variable", *variable)
            .map(|()| "config_environment"),
        ConfigError::Option { option, .. } => {
            fields.set_item("option", *option).map(|()| "config_option")
        }
        ConfigError::Source { .. } => Ok("config_source"),
        ConfigError::Url(error) => url_kind(error, &fields),
        _ => Ok("config_other"),
    };
    raise(py, kind, None, &error.to_string(), fields, None)
}

/// The exception of a wait that took too long.
pub(crate) fn wait_timeout(py: Python<'_>, what: &str, seconds: f64) -> PyErr {
    let fields = PyDict::new(py);
    let kind = fields.set_item("after", seconds).map(|()| "wait_timeout");
    raise(
        py,
        kind,
        None,
        &format!("{what} within {seconds} s"),
        fields,
        None,
    )
}

fn session_kind(error: &SessionError, fields: &Bound<'_, PyDict>) -> PyResult<&'static str> {
    Ok(match error {
        SessionError::Closed => "closed",
        SessionError::NotStarted => "not_started",
        SessionError::NotPossible { reason } => {
            fields.set_item("reason", reason)?;
            "not_possible"
        }
        SessionError::Source(source) => source_kind(source, fields)?,
        SessionError::Local { reason, .. } => {
            fields.set_item("reason", reason)?;
            "local"
        }
        SessionError::Gathering { reason, .. } => {
            fields.set_item("reason", reason)?;
            "gathering"
        }
        SessionError::Unreachable { url, reason, .. } => {
            fields.set_item("url", url)?;
            fields.set_item("reason", reason)?;
            "unreachable"
        }
        SessionError::Silent { url, after, .. } => {
            fields.set_item("url", url)?;
            fields.set_item("after", after.as_secs_f64())?;
            "silent"
        }
        SessionError::Http(failure) => {
            http_fields(failure, fields)?;
            "http"
        }
        SessionError::Signalling { url, reason, .. } => {
            fields.set_item("url", url)?;
            fields.set_item("reason", reason)?;
            "signalling"
        }
        SessionError::BadAnswer { url, reason, .. } => {
            fields.set_item("url", url)?;
            fields.set_item("reason", reason)?;
            "bad_answer"
        }
        SessionError::Timeout { after, .. } => {
            fields.set_item("after", after.as_secs_f64())?;
            "timeout"
        }
        SessionError::Connect { .. } => "connect",
        SessionError::WorkerGone { .. } => "worker_gone",
        SessionError::Lost { silence, .. } => {
            fields.set_item("silence", silence.as_secs_f64())?;
            "lost"
        }
        SessionError::PeerClosed { .. } => "peer_closed",
        SessionError::Worker {
            errors,
            termination_reason,
            ..
        } => {
            fields.set_item("errors", errors)?;
            fields.set_item("termination_reason", termination_reason)?;
            "worker"
        }
        SessionError::UploadMismatch { path } => {
            fields.set_item("path", path.to_string_lossy())?;
            "upload_mismatch"
        }
        SessionError::Transport { reason, .. } => {
            fields.set_item("reason", reason)?;
            "transport"
        }
        // Still the broken link; that it was tried to be mended is in the message.
        SessionError::Unrecovered { cause, .. } => session_kind(cause, fields)?,
        _ => "other",
    })
}

fn source_kind(error: &SourceError, fields: &Bound<'_, PyDict>) -> PyResult<&'static str> {
    let path = |path: &std::path::Path| fields.set_item("path", path.to_string_lossy());
    let url = |url: &str| fields.set_item("url", url);
    Ok(match error {
        SourceError::Missing { path: p } => {
            path(p)?;
            "source_missing"
        }
        SourceError::Unreadable { path: p, .. } => {
            path(p)?;
            "source_unreadable"
        }
        SourceError::Empty { path: p } => {
            path(p)?;
            "source_empty"
        }
        SourceError::NotVideo { path: p, .. } => {
            path(p)?;
            "source_not_video"
        }
        SourceError::TooLarge { path: p, .. } => {
            path(p)?;
            "source_too_large"
        }
        SourceError::Url(error) => url_kind(error, fields)?,
        SourceError::Download { url: u, .. } => {
            url(u)?;
            "source_download"
        }
        SourceError::DownloadStatus { url: u, status } => {
            url(u)?;
            fields.set_item("status", status)?;
            "source_download_status"
        }
        SourceError::DownloadTooLarge { url: u, .. } => {
            url(u)?;
            "source_download_too_large"
        }
        SourceError::DownloadIncomplete { url: u, .. } => {
            url(u)?;
            "source_download_incomplete"
        }
        SourceError::DownloadTimeout { url: u, .. } => {
            url(u)?;
            "source_download_timeout"
        }
        SourceError::Cache { path: p, .. } => {
            path(p)?;
            "source_cache"
        }
        SourceError::Live { .. } => "source_live",
        SourceError::Broken { .. } => "source_broken",
        SourceError::Changed { path: p, .. } => {
            path(p)?;
            "source_changed"
        }
        _ => "source_other",
    })
}

fn url_kind(error: &UrlPolicyError, fields: &Bound<'_, PyDict>) -> PyResult<&'static str> {
    let (url, kind) = match error {
        UrlPolicyError::Invalid { url, .. } => (url, "url_invalid"),
        UrlPolicyError::Refused { url, .. } => (url, "url_refused"),
        UrlPolicyError::AddressNotAllowed { url, .. } => (url, "url_address_not_allowed"),
        UrlPolicyError::TooManyRedirects { url, .. } => (url, "url_too_many_redirects"),
        _ => return Ok("url_invalid"),
    };
    fields.set_item("url", url)?;
    Ok(kind)
}

fn http_fields(failure: &HttpFailure, fields: &Bound<'_, PyDict>) -> PyResult<()> {
    fields.set_item("url", &failure.url)?;
    fields.set_item("status", failure.status)?;
    fields.set_item("message", &failure.message)?;
    fields.set_item("error_type", &failure.error_type)?;
    fields.set_item("body", &failure.body)
}

/// Lets the package make the exception.
fn raise(
    py: Python<'_>,
    kind: PyResult<&'static str>,
    step: Option<String>,
    message: &str,
    fields: Bound<'_, PyDict>,
    found: Option<&Diagnosis>,
) -> PyErr {
    let made = kind.and_then(|kind| {
        let cause = found.map(|found| found.cause.as_str());
        let advice = found.map(|found| found.advice.as_str());
        py.import("framewire._errors")?.call_method1(
            "raise_from_core",
            (kind, step, message, fields, cause, advice),
        )
    });
    match made {
        Ok(exception) => PyErr::from_value(exception),
        // Without the package around the module: the message is what counts.
        Err(error) if error.is_instance_of::<pyo3::exceptions::PyImportError>(py) => {
            PyRuntimeError::new_err(message.to_owned())
        }
        Err(error) => error,
    }
}
