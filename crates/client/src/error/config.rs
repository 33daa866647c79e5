//! Errors of describing a session. Nothing is connected when one of these appears.
//! Not here: what goes wrong later.

use framewire_protocol::TaskType;
use framewire_protocol::task::UnknownTaskType;

/// A session could not be described. Raised by [`Client::stream`](crate::Client::stream); nothing was connected.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The worker's address is not an `http`/`https` URL.
    #[error(
        "the worker's address is not usable: {reason}; give it as http://HOST:PORT or https://HOST"
    )]
    ApiUrl {
        /// What is wrong with it.
        reason: String,
    },
    /// An inline workflow is no JSON object.
    #[error(
        "an inline workflow must be a JSON object with `version`, `inputs`, `steps` and `outputs`"
    )]
    WorkflowNotAnObject,
    /// A workflow by id needs its workspace.
    #[error("a workflow given by id needs the name of its workspace")]
    WorkspaceMissing,
    /// The workflow or model id is empty.
    #[error("the workflow or model id is empty")]
    IdMissing,
    /// The task type is none of those that can be streamed.
    #[error(
        "task type {found:?} cannot be streamed; supported: {}",
        TaskType::names()
    )]
    TaskType {
        /// What was given or found.
        found: String,
    },
    /// Asking for the task type of a model failed.
    #[error(
        "could not find out the task type of model {model:?} ({reason}); pass the task type to avoid the lookup"
    )]
    TaskTypeLookup {
        /// The model.
        model: String,
        /// What went wrong, without credentials.
        reason: String,
    },
    /// The STUN/TURN configuration has none of the known shapes.
    #[error(
        "turn_server is not usable: {reason}; give {{\"iceServers\": […]}}, {{\"urls\", \"username\", \"credential\"}} or an array of servers"
    )]
    IceServers {
        /// What is wrong with it.
        reason: String,
    },
    /// An environment variable has an unusable value.
    #[error("environment variable {variable} is not usable: {reason}")]
    Environment {
        /// Its name.
        variable: &'static str,
        /// What is expected.
        reason: String,
    },
    /// An option is outside its range.
    #[error("option {option} is not usable: {reason}")]
    Option {
        /// Its name.
        option: &'static str,
        /// What is expected.
        reason: String,
    },
    /// The source cannot be used as described.
    #[error("the source is not usable: {reason}")]
    Source {
        /// What is expected.
        reason: String,
    },
    /// The URL of the source is not one that can be used.
    #[error(transparent)]
    Url(#[from] UrlPolicyError),
}

impl From<UnknownTaskType> for ConfigError {
    fn from(unknown: UnknownTaskType) -> Self {
        ConfigError::TaskType {
            found: crate::redact::shorten(&unknown.name),
        }
    }
}

/// A URL was refused before anything was fetched from it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlPolicyError {
    /// Not a URL, or one with a part that cannot be trusted.
    #[error("{url} is not a usable URL: {reason}")]
    Invalid {
        /// The address without credentials.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The rules for destinations refuse it.
    #[error("the destination of {url} is refused: {rule}")]
    Refused {
        /// The address without credentials.
        url: String,
        /// The rule that refused it, naming its variable.
        rule: String,
    },
    /// The name leads to an address that is not on the public internet.
    #[error(
        "{url} leads to {address}, which is not a public address; set ALLOW_URL_TO_NON_GLOBAL_ADDRESSES=true to allow it"
    )]
    AddressNotAllowed {
        /// The address without credentials.
        url: String,
        /// Where the name leads.
        address: std::net::IpAddr,
    },
    /// More redirects than allowed.
    #[error("{url} redirects more than {limit} times (MAX_IMAGE_URL_REDIRECTS)")]
    TooManyRedirects {
        /// The first address without credentials.
        url: String,
        /// The limit.
        limit: u32,
    },
}
