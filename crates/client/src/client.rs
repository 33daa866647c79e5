//! The entry point: a worker's address, a key, and sessions made from them.
//! Not here: connecting. Nothing is connected before a session starts.

use framewire_protocol::TaskType;
use framewire_protocol::signalling::redact_url;

use crate::config::StreamConfig;
use crate::doctor::{Doctor, DoctorOptions};
use crate::error::ConfigError;
use crate::http::ApiUrl;
use crate::ice::IceConfig;
use crate::options::ClientOptions;
use crate::platform;
use crate::request::Plan;
use crate::session::{Blueprint, Session};
use crate::source::Source;
use crate::workflow::Workflow;

/// How the API key travels to the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ApiKeyTransport {
    /// In the request body, as every original expects it.
    #[default]
    Legacy,
    /// In the body and in the `Authorization` header.
    Both,
    /// In the `Authorization` header alone.
    Header,
}

/// A worker to stream to. Cheap to clone; holds no connection.
///
/// ```no_run
/// use framewire::{Client, StreamConfig, TaskType, VideoFileSource, Workflow};
///
/// let session = Client::new("http://127.0.0.1:9001").stream(
///     VideoFileSource::new("bikes.mp4"),
///     Workflow::model("ssd-mobilenet-v2", Some(TaskType::ObjectDetection)),
///     StreamConfig::new(),
/// )?;
/// session.on_frame(|frame| println!("{:?} {:?}", frame.frame_id(), frame.data));
/// session.run()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Client {
    api_url: String,
    api_key: Option<String>,
    transport: ApiKeyTransport,
    options: Option<ClientOptions>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("api_url", &redact_url(&self.api_url))
            .field("has_api_key", &self.api_key.is_some())
            .field("transport", &self.transport)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// A client for the worker at this address; it is checked by [`stream`](Self::stream).
    pub fn new(api_url: impl Into<String>) -> Self {
        Client {
            api_url: api_url.into(),
            api_key: None,
            transport: ApiKeyTransport::default(),
            options: None,
        }
    }

    /// Sets the API key. It is never logged and never part of an error.
    pub fn with_api_key(mut self, key: impl Into<String>) -> Self {
        self.api_key = Some(key.into());
        self
    }

    /// Sets how the API key travels.
    pub fn with_api_key_transport(mut self, transport: ApiKeyTransport) -> Self {
        self.transport = transport;
        self
    }

    /// Sets limits and deadlines. Without this they come from the environment, read by each [`stream`](Self::stream).
    pub fn with_options(mut self, options: ClientOptions) -> Self {
        self.options = Some(options);
        self
    }

    /// Describes a session. Connects to nothing, with one exception: a [`Workflow::Model`] without a task type costs one
    /// blocking lookup of at most [`ClientOptions::lookup_timeout`].
    ///
    /// # Errors
    /// Anything that is wrong with the address, the workflow, the options or the environment.
    pub fn stream(
        &self,
        source: impl Into<Source>,
        workflow: Workflow,
        config: StreamConfig,
    ) -> Result<Session, ConfigError> {
        let options = self.options()?;
        let api = ApiUrl::parse(&self.api_url)?;
        workflow.check()?;
        let source = source.into();
        source.check(&options)?;
        if let Some(servers) = &config.turn_server {
            IceConfig::from_user(servers)?;
        }
        let task = match &workflow {
            Workflow::Model {
                task_type: Some(task),
                ..
            } => Some(*task),
            Workflow::Model {
                id,
                task_type: None,
            } => Some(platform::task_type(&options, self.api_key.as_deref(), id)?),
            _ => None,
        };
        let plan = Plan::new(&workflow, task, &config, &source)?;
        Ok(Session::new(Blueprint {
            api,
            api_key: self.api_key.clone(),
            transport: self.transport,
            options,
            plan,
            source,
        }))
    }

    /// Finds out the task type of a model: asks the worker (which knows its own models), then the platform. Blocks for at
    /// most twice [`ClientOptions::lookup_timeout`].
    ///
    /// # Errors
    /// Neither knows it, or the type cannot be streamed.
    pub fn find_task_type(&self, model_id: &str) -> Result<TaskType, ConfigError> {
        let options = self.options()?;
        let api = ApiUrl::parse(&self.api_url)?;
        if let Some(task) =
            platform::worker_task_type(&options, &api, self.api_key.as_deref(), model_id)
        {
            return Ok(task.parse::<TaskType>()?);
        }
        platform::task_type(&options, self.api_key.as_deref(), model_id)
    }

    /// Finds out the task type of a model as [`stream`](Self::stream) does: the platform alone is asked. Blocks for at most
    /// [`ClientOptions::lookup_timeout`].
    ///
    /// # Errors
    /// The platform does not know it, or the type cannot be streamed.
    pub fn platform_task_type(&self, model_id: &str) -> Result<TaskType, ConfigError> {
        platform::task_type(&self.options()?, self.api_key.as_deref(), model_id)
    }

    /// Describes an examination of the way to this worker, as `framewire doctor` does it. Connects to nothing yet.
    ///
    /// # Errors
    /// The servers or the environment cannot be used. A wrong address is no error here: it is what the examination finds.
    pub fn doctor(&self, wanted: DoctorOptions) -> Result<Doctor, ConfigError> {
        Doctor::new(
            &self.api_url,
            self.api_key.clone(),
            self.transport,
            self.options()?,
            wanted,
        )
    }

    fn options(&self) -> Result<ClientOptions, ConfigError> {
        match &self.options {
            Some(options) => {
                options.check()?;
                Ok(options.clone())
            }
            None => ClientOptions::from_env(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::VideoFileSource;
    use serde_json::json;

    fn client(url: &str) -> Client {
        Client::new(url)
            .with_api_key("secret")
            .with_options(ClientOptions::default())
    }

    fn attempt(
        url: &str,
        workflow: Workflow,
        config: StreamConfig,
    ) -> Result<Session, ConfigError> {
        client(url).stream(VideoFileSource::new("a.mp4"), workflow, config)
    }

    #[test]
    fn wrong_parameters_are_found_without_connecting() {
        let flow = || Workflow::inline(json!({}));
        let url = "http://127.0.0.1:1";
        assert!(matches!(
            attempt("nope", flow(), StreamConfig::new()),
            Err(ConfigError::ApiUrl { .. })
        ));
        assert!(matches!(
            attempt(url, Workflow::by_id("", "x"), StreamConfig::new()),
            Err(ConfigError::WorkspaceMissing)
        ));
        assert!(matches!(
            attempt(url, flow(), StreamConfig::new().turn_server(json!(3))),
            Err(ConfigError::IceServers { .. })
        ));
        assert!(matches!(
            attempt(url, flow(), StreamConfig::new().declared_fps(f64::NAN)),
            Err(ConfigError::Option { .. })
        ));
        assert!(attempt(url, flow(), StreamConfig::new()).is_ok());
    }

    #[test]
    fn debug_text_hides_key_and_credentials() {
        let shown = format!("{:?}", client("http://user:secret@h:1"));
        assert!(!shown.contains("secret"), "{shown}");
    }
}
