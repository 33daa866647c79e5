//! The running worker: started, asked, shut down.
//! Not the HTTP routes and not the sessions; it owns the parts and their order of ending.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use framewire_transport::{Endpoint, EndpointConfig, PeerConfig};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::config::WorkerConfig;
use crate::http;
use crate::http::guard::Guard;
use crate::keys::ApiKeys;
use crate::latency::LatencySummary;
use crate::library::WorkflowLibrary;
use crate::metrics::{Metrics, Outcome};
use crate::models::{ModelRegistry, RegistryOptions};
use crate::session::known::KnownSessions;
use crate::session::places::Places;
use crate::upload::UploadStore;

/// A worker that is listening. Dropping it ends every session at once; [`Worker::shutdown`] lets them finish.
#[derive(Debug)]
pub struct Worker {
    app: Arc<App>,
    local_addr: SocketAddr,
    http_stop: watch::Sender<bool>,
    http_over: mpsc::Receiver<()>,
    /// `None` only while dropping.
    runtime: Option<Runtime>,
}

/// What requests and sessions share.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) config: WorkerConfig,
    pub(crate) keys: ApiKeys,
    pub(crate) guard: Arc<Guard>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) places: Arc<Places>,
    pub(crate) models: ModelRegistry,
    pub(crate) library: WorkflowLibrary,
    pub(crate) store: UploadStore,
    pub(crate) endpoint: Endpoint,
    pub(crate) known: Arc<KnownSessions>,
    pub(crate) media_port: u16,
}

/// Why a worker did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A public address without keys.
    #[error(
        "refusing to listen on {0} without API keys: give a key file, listen on 127.0.0.1, or accept everyone with --insecure"
    )]
    Insecure(SocketAddr),
    /// The key file is unusable.
    #[error("cannot read the API key file {}", path.display())]
    Keys {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The key file holds no key.
    #[error("the API key file {} holds no key", .0.display())]
    NoKeys(PathBuf),
    /// The HTTP address is taken or not ours.
    #[error("cannot listen on {addr} (HTTP): is another worker running there?")]
    Listen {
        /// The address asked for.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The UDP port is taken.
    #[error("cannot open UDP port {port} for media")]
    Media {
        /// The port asked for.
        port: u16,
        /// What the transport said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The upload folder cannot be used.
    #[error("cannot keep uploads in {}", path.display())]
    Uploads {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A model does not load.
    #[error("cannot load the models of {}", path.display())]
    Models {
        /// The folder.
        path: PathBuf,
        /// What the registry said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The system gives no threads.
    #[error("cannot start a thread")]
    Threads(#[source] io::Error),
    /// An option without meaning.
    #[error("{0}")]
    Config(String),
}

/// Counters of a worker since its start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerStats {
    /// Sessions running now.
    pub sessions: usize,
    /// Sessions answered since the start.
    pub sessions_started: u64,
    /// Sessions that processed their whole source.
    pub sessions_completed: u64,
    /// Sessions that ended with an error.
    pub sessions_failed: u64,
    /// Frames whose result was sent.
    pub frames: u64,
    /// Frames dropped, by reason.
    pub dropped: Vec<(&'static str, u64)>,
    /// Processed frames put on a video track.
    pub video_frames: u64,
    /// Processed frames that are not on their track, by reason.
    pub video_dropped: Vec<(&'static str, u64)>,
    /// What frames spent in each stage (`queue`, `decode`, `workflow`, `encode`, `send`), and in all from a complete frame received
    /// to the encoded frame handed to the transport, or without a track to its result (`total`).
    pub stages: Vec<(&'static str, LatencySummary)>,
    /// Times a source the worker pulls broke off and came back.
    pub reconnects: u64,
    /// Bytes of video received.
    pub upload_bytes: u64,
    /// Bytes of uploads on disk now.
    pub upload_bytes_held: u64,
    /// Uploads of broken sessions that wait for the next one.
    pub uploads_kept: usize,
    /// Uploads that went on where an earlier session had stopped.
    pub uploads_resumed: u64,
    /// Uploads whose hash was not what their sender said.
    pub uploads_damaged: u64,
}

impl Worker {
    /// Loads keys and models, opens both ports and starts serving; returns when the first request would be answered.
    ///
    /// Blocks while models load (seconds).
    pub fn start(config: WorkerConfig) -> Result<Worker, StartError> {
        let keys = ApiKeys::load(config.api_key_file.as_deref(), &config.api_keys)?;
        if keys.is_open() && !config.listen.ip().is_loopback() && !config.insecure {
            return Err(StartError::Insecure(config.listen));
        }
        let listener = TcpListener::bind(config.listen)
            .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
            .map_err(|source| StartError::Listen {
                addr: config.listen,
                source,
            })?;
        let local_addr = listener.local_addr().map_err(|source| StartError::Listen {
            addr: config.listen,
            source,
        })?;
        let app = Arc::new(App::new(config, keys)?);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(HTTP_THREADS)
            // One blocking call at a time for each session that is being answered.
            .max_blocking_threads(app.config.max_sessions.clamp(1, MAX_BLOCKING_THREADS))
            .thread_name("fw-http")
            .enable_all()
            .build()
            .map_err(StartError::Threads)?;
        let listener = {
            let _context = runtime.enter();
            tokio::net::TcpListener::from_std(listener).map_err(|source| StartError::Listen {
                addr: local_addr,
                source,
            })?
        };
        let (http_stop, stopped) = watch::channel(false);
        let (over, http_over) = mpsc::channel();
        let store = app.store.clone();
        runtime.spawn(async move { store.sweep().await });
        let router = http::router(app.clone());
        let limits = app.config.limits.clone();
        runtime.spawn(async move {
            http::server::serve(listener, router, limits, stopped).await;
            let _ = over.send(()); // nobody waits when the worker is dropped
        });
        tracing::info!(
            http = %local_addr,
            media_port = app.media_port,
            models = app.models.len(),
            max_sessions = app.config.max_sessions,
            max_upload_bytes = app.config.max_upload_bytes,
            keys = !app.keys.is_open(),
            "worker started"
        );
        Ok(Worker {
            app,
            local_addr,
            http_stop,
            http_over,
            runtime: Some(runtime),
        })
    }

    /// The HTTP address, with the real port.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// The UDP port of all sessions.
    pub fn media_port(&self) -> u16 {
        self.app.media_port
    }

    /// The models this worker loaded.
    pub fn models(&self) -> &ModelRegistry {
        &self.app.models
    }

    /// Counters now. Cheap.
    pub fn stats(&self) -> WorkerStats {
        let metrics = &self.app.metrics;
        WorkerStats {
            sessions: self.app.places.taken(),
            sessions_started: metrics.sessions_started.sum(),
            sessions_completed: metrics.ended_as(Outcome::Completed),
            sessions_failed: metrics.ended_as(Outcome::Failed),
            frames: metrics.frames.get(),
            dropped: metrics.dropped.each().collect(),
            video_frames: metrics.video_sent.get(),
            video_dropped: metrics.video_dropped.each().collect(),
            stages: metrics.stage_summaries(),
            reconnects: metrics.source_reconnects.get(),
            upload_bytes: metrics.upload_bytes.get(),
            upload_bytes_held: self.app.store.used(),
            uploads_kept: self.app.store.kept(),
            uploads_resumed: metrics.uploads_resumed.get(),
            uploads_damaged: metrics.uploads_damaged.get(),
        }
    }

    /// Blocks until no session runs or `limit` passed; whether none runs. New sessions are still taken.
    pub fn wait_idle(&self, limit: Duration) -> bool {
        self.app.places.wait_empty(limit)
    }

    /// Takes no new session (503, not ready), waits up to `deadline` for running ones, then ends the rest.
    ///
    /// Returns whether every session finished by itself. Blocks; HTTP goes on answering until the sessions are over.
    pub fn shutdown(self, deadline: Duration) -> bool {
        let places = &self.app.places;
        places.drain();
        let finished = places.wait_empty(deadline);
        if !finished {
            tracing::warn!(sessions = places.taken(), "ending the remaining sessions");
            places.cut();
            if !places.wait_empty(self.app.config.limits.teardown_timeout) {
                tracing::error!(
                    sessions = places.taken(),
                    "some sessions do not end; leaving them behind"
                );
            }
        }
        self.http_stop.send_replace(true);
        if self.http_over.recv_timeout(HTTP_GOODBYE).is_err() {
            tracing::debug!("HTTP connections are cut");
        }
        self.app.endpoint.shutdown(MEDIA_GOODBYE);
        finished
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.app.places.drain();
        self.app.places.cut();
        self.http_stop.send_replace(true);
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background(); // never blocks, so a worker may be dropped inside another runtime
        }
    }
}

impl App {
    fn new(config: WorkerConfig, keys: ApiKeys) -> Result<App, StartError> {
        if config.max_sessions == 0 {
            return Err(StartError::Config("max sessions must be at least 1".into()));
        }
        let folder = config.upload_dir.clone().unwrap_or_else(std::env::temp_dir);
        let space = config.limits.max_upload_space;
        let store = UploadStore::open(&folder, space, config.upload_keep);
        let store = store.map_err(|source| StartError::Uploads {
            path: folder.clone(),
            source,
        })?;
        let models = match &config.models_dir {
            None => ModelRegistry::empty(),
            Some(path) => {
                ModelRegistry::load(path, RegistryOptions::default()).map_err(|error| {
                    StartError::Models {
                        path: path.clone(),
                        source: Box::new(error),
                    }
                })?
            }
        };
        let mut media = EndpointConfig::default().with_port(config.media_port);
        media.public_ips.clone_from(&config.public_ips);
        media.interface.clone_from(&config.interface);
        let endpoint = Endpoint::bind(media).map_err(|error| StartError::Media {
            port: config.media_port,
            source: Box::new(error),
        })?;
        // The cryptography's start-up costs 30 to 60 ms once a process: paid here, not by the first client. What comes
        // of the offer does not matter.
        let _ = endpoint.offer(PeerConfig::default().with_channel("warm-up"));
        Ok(App {
            guard: Arc::new(Guard::new(
                keys.is_open(),
                config.listen.ip(),
                config.env.allow_origins.clone(),
            )),
            keys,
            metrics: Arc::default(),
            places: Places::new(config.max_sessions),
            models,
            library: WorkflowLibrary::new(config.workflows_dir.clone()),
            store,
            media_port: endpoint.local_port(),
            endpoint,
            known: Arc::default(),
            config,
        })
    }

    /// The body of `GET /models`.
    pub(crate) fn models_listing(&self) -> Value {
        let models: Vec<Value> = self
            .models
            .models()
            .map(|model| {
                let (width, height) = model.input_size();
                json!({
                    "id": model.id(),
                    "task_type": model.task_type().as_str(),
                    "family": model.family(),
                    "classes": model.classes(),
                    "input": { "width": width, "height": height },
                })
            })
            .collect();
        json!({ "models": models })
    }
}

/// Requests are small and rare; sessions have their own threads.
const HTTP_THREADS: usize = 2;
const MAX_BLOCKING_THREADS: usize = 64;
/// Time open HTTP connections get at the end.
const HTTP_GOODBYE: Duration = Duration::from_secs(1);
/// Time connections of sessions get to say goodbye at the end.
const MEDIA_GOODBYE: Duration = Duration::from_secs(1);
