//! Bodies of the HTTP signalling, error bodies, ICE server lists and their URLs.
//! It sends nothing and resolves nothing.

mod agreement;
mod answer;
mod coerce;
mod errors;
mod failure;
mod fields;
mod ice;
mod ice_url;
mod key;
mod redact;
mod redact_url;
mod request;
mod restart;
mod source;
mod validate;

pub use agreement::{Agreement, Feature};
pub use answer::{Answer, AnswerError};
pub use errors::{BlockError, RequestError, WorkflowErrorBody};
pub use failure::{MAX_BODY_EXCERPT, describe_http_failure, describe_other_failure};
pub use ice::{
    IceConfigError, IceServer, MAX_ICE_SERVERS, MAX_ICE_URLS, normalize_ice, prefer_turn,
    turn_candidates,
};
pub use ice_url::{IceScheme, IceTransport, IceUrl, IceUrlError};
pub use key::{KeyTransport, Secret, effective_key};
pub use redact::redact;
pub use redact_url::redact_url;
pub use request::{
    ProcessingTimeout, Sender, SessionDescription, WorkerRequest, WorkflowConfiguration,
};
pub use restart::{
    MAX_RESTART_BYTES, RestartError, RestartRequest, SESSION_SECRET_BYTES, SessionKey,
};
pub use source::{PulledSource, RtspPlaceholder};
pub use validate::{Detail, MAX_REQUEST_BYTES};

/// Path of the signalling request, below the API URL.
pub const SIGNALLING_PATH: &str = "/initialise_webrtc_worker";

/// An API URL without the slashes it may end with.
pub fn trim_api_url(url: &str) -> &str {
    url.trim().trim_end_matches('/')
}
