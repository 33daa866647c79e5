//! What a worker is started with: addresses, folders, keys, limits, deadlines.
//! Not the environment: `env` reads that, and a value set here wins over it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use framewire_transport::BitrateLimits;

use crate::env::WorkerEnv;
use crate::processor::{Processor, ProcessorFactory};

/// Options of a worker. Start from [`WorkerConfig::default`] (what `framewire serve` does without options) or
/// [`WorkerConfig::embedded`], then set fields.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct WorkerConfig {
    /// HTTP address. Default `127.0.0.1:9001`; port 0 takes any free one.
    pub listen: SocketAddr,
    /// The one UDP port of all sessions. Default 0: any free one.
    pub media_port: u16,
    /// Addresses to offer besides those of the interfaces (behind NAT).
    pub public_ips: Vec<IpAddr>,
    /// Offer only this interface's addresses.
    pub interface: Option<String>,
    /// Folder with `<model id>/model.json`; `None`: no models, workflows without model blocks only.
    pub models_dir: Option<PathBuf>,
    /// Folder with `<workspace>/<workflow id>.json`; `None`: no workflows by id.
    pub workflows_dir: Option<PathBuf>,
    /// File with one API key a line (`#` starts a comment).
    pub api_key_file: Option<PathBuf>,
    /// Keys accepted besides those of the file. None in both: open, on loopback only.
    pub api_keys: Vec<String>,
    /// Permit a non-loopback address without keys.
    pub insecure: bool,
    /// Sessions at once; one more gets 429. Default 4 x cores.
    pub max_sessions: usize,
    /// Bytes of one upload; over it the session ends with an error. Default 4 GiB.
    pub max_upload_bytes: u64,
    /// Where uploads are kept while their session lives. Default: the system's temporary folder.
    pub upload_dir: Option<PathBuf>,
    /// How long what a broken session uploaded is kept for the next one. Default 120 s; zero: not at all. Kept uploads give
    /// way when space is needed.
    pub upload_keep: Duration,
    /// Refuse `rtsp_url`s on private and loopback addresses too. Default false: cameras live there.
    pub deny_private_sources: bool,
    /// What happens when a source the worker pulls breaks off. Default: 10 s to get it back.
    pub reconnect: Reconnect,
    /// Bit rates the encoder of a track is steered between, and what original clients are asked to send.
    pub video_bitrate: BitrateLimits,
    /// A function in the place of every workflow; [`WorkerConfig::with_processor`] sets it.
    pub(crate) processor: Option<ProcessorFactory>,
    /// The environment's values.
    pub env: WorkerEnv,
    /// Deadlines and bounds that have no option.
    pub limits: Limits,
}

impl Default for WorkerConfig {
    fn default() -> WorkerConfig {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        WorkerConfig {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9001)),
            media_port: 0,
            public_ips: Vec::new(),
            interface: None,
            models_dir: None,
            workflows_dir: None,
            api_key_file: None,
            api_keys: Vec::new(),
            insecure: false,
            max_sessions: 4 * cores,
            max_upload_bytes: 4 * 1024 * 1024 * 1024,
            upload_dir: None,
            upload_keep: Duration::from_secs(120),
            deny_private_sources: false,
            reconnect: Reconnect::default(),
            video_bitrate: BitrateLimits::default(),
            processor: None,
            env: WorkerEnv::default(),
            limits: Limits::default(),
        }
    }
}

impl WorkerConfig {
    /// For a worker inside the client's own process: any free loopback port, no STUN servers.
    pub fn embedded() -> WorkerConfig {
        let env = WorkerEnv {
            public_stun_servers: Some(Vec::new()),
            ..WorkerEnv::default()
        };
        WorkerConfig {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            env,
            ..WorkerConfig::default()
        }
    }

    /// Every session runs a processor made by `make` instead of a workflow, whatever specification its request names: an
    /// inline workflow, one by id, a model. `make` runs on the session's workflow thread, once a session, when its first frame
    /// is there.
    ///
    /// ```
    /// use framewire_worker::workflow::FrameMetadata;
    /// use framewire_worker::{ProcessedValue, WorkerConfig};
    ///
    /// let config = WorkerConfig::embedded().with_processor(|| {
    ///     let mut seen = 0;
    ///     Box::new(move |frame: &framewire_media::Frame, metadata: &FrameMetadata| {
    ///         seen += 1;
    ///         let number = ProcessedValue::Json(metadata.frame_number.into());
    ///         let picture = ProcessedValue::Image(frame.clone());
    ///         Ok(vec![("number".into(), number), ("image".into(), picture)])
    ///     })
    /// });
    /// ```
    #[must_use]
    pub fn with_processor(
        mut self,
        make: impl Fn() -> Box<dyn Processor> + Send + Sync + 'static,
    ) -> WorkerConfig {
        self.processor = Some(ProcessorFactory::new(make));
        self
    }
}

/// How long a session waits for a source it pulls (`rtsp_url`, `mjpeg_url`) to come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reconnect {
    /// Not at all: the first break ends the session with an error.
    Off,
    /// So long in total, over the whole session; then it ends with an error.
    Within(Duration),
    /// Until the session ends for another reason.
    Forever,
}

impl Default for Reconnect {
    fn default() -> Reconnect {
        Reconnect::Within(Duration::from_secs(10))
    }
}

/// Deadlines and bounds of one worker; the defaults suit everything but tests.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Limits {
    /// Time to send a request's head, and between two requests of a connection. 15 s.
    pub header_timeout: Duration,
    /// Time to send a request's body. 30 s.
    pub body_timeout: Duration,
    /// Time a response may stand still because the client does not read. 30 s.
    pub write_timeout: Duration,
    /// Bytes of a request body; over it 413. 8 MiB (an inline workflow with its parameters).
    pub max_body_bytes: usize,
    /// HTTP connections at once; further ones wait in the listen queue. 512.
    pub max_connections: usize,
    /// Bytes all uploads together may hold on disk; over it a session ends as with a full disk. 64 GiB.
    pub max_upload_space: u64,
    /// Time to gather candidates before the answer is sent. 2 s.
    pub gather_timeout: Duration,
    /// Time from the answer to the open channels. 30 s.
    pub connect_timeout: Duration,
    /// Silence after which a peer counts as gone. `None`: 15 s with a client of ours, 30 s with an original, whose handlers may
    /// block it for so long.
    pub lost_after: Option<Duration>,
    /// Time one message may wait for the channel to drain. 120 s, as the original.
    pub send_timeout: Duration,
    /// Time the completion message has to leave. 2 s, as the original.
    pub completion_drain: Duration,
    /// Time the client has to close after the completion message; then the worker closes. 30 s.
    pub linger: Duration,
    /// Time from the open channels to the first usable frame of a client's video track. 30 s.
    pub first_frame: Duration,
    /// Age over which a frame of a live track is skipped while a newer one waits. 300 ms.
    pub max_frame_age: Duration,
    /// Time to open a source the worker pulls, before the answer is sent. 5 s.
    pub source_open: Duration,
    /// Silence after which a source the worker pulls counts as broken off. 5 s.
    pub source_silence: Duration,
    /// Time teardown waits for the pipeline's threads before it says so in the log. 10 s.
    pub teardown_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            header_timeout: Duration::from_secs(15),
            body_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            max_body_bytes: 8 * 1024 * 1024,
            max_connections: 512,
            max_upload_space: 64 * 1024 * 1024 * 1024,
            gather_timeout: Duration::from_secs(2),
            connect_timeout: Duration::from_secs(30),
            lost_after: None,
            send_timeout: Duration::from_secs(120),
            completion_drain: Duration::from_secs(2),
            linger: Duration::from_secs(30),
            first_frame: Duration::from_secs(30),
            max_frame_age: Duration::from_millis(300),
            source_open: Duration::from_secs(5),
            source_silence: Duration::from_secs(5),
            teardown_timeout: Duration::from_secs(10),
        }
    }
}
