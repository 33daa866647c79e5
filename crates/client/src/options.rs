//! Limits and deadlines of this process, and where they come from in the environment.
//! Not here: what a stream delivers, which is [`StreamConfig`](crate::StreamConfig).

use std::path::PathBuf;
use std::time::Duration;

use framewire_protocol::pairing::REALTIME_MAX_WAIT;
use framewire_transport::BitrateLimits;

use crate::error::ConfigError;
use crate::recovery::Recovery;
use crate::source::UrlPolicy;

/// Limits and deadlines of a client. [`ClientOptions::from_env`] reads the variables the original SDK knows.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ClientOptions {
    /// Frames kept ready for the consumer (`WEBRTC_VIDEO_QUEUE_MAX_SIZE`, where 0 means the most). Default 8, at most 65536.
    pub frame_queue: usize,
    /// Bytes of frames kept ready for the consumer; one frame is always accepted. Default 256 MiB, about 10 frames of 4K.
    pub frame_queue_bytes: usize,
    /// Bytes of pictures in use, those that the program holds included. Beyond it a lossless session ends with an error,
    /// and a realtime one drops frames ([`DropReason::NoMemory`](crate::DropReason)). Default 4 GiB.
    pub frame_pool_bytes: usize,
    /// Bytes of received, undecoded results kept; one is always accepted. Default 32 MiB, the worker's own send buffer.
    pub result_queue_bytes: usize,
    /// Received results kept between network and handlers. Default 32: enough to keep two decoders busy.
    pub result_queue: usize,
    /// Longest wait for the end of internal threads in `close` (`WEBRTC_EVENT_LOOP_SHUTDOWN_TIMEOUT`). Default 2 s.
    pub shutdown_timeout: Duration,
    /// Longest wait for the first result after the upload ended (`WEBRTC_INITIAL_FRAME_TIMEOUT`). Default 90 s.
    pub initial_frame_timeout: Duration,
    /// Payload bytes of one upload message (`WEBRTC_VIDEO_UPLOAD_CHUNK_SIZE`). Default 49152; at most 131064.
    pub upload_chunk_size: usize,
    /// Unsent bytes above which the upload pauses (`WEBRTC_VIDEO_UPLOAD_BUFFER_LIMIT`). Default 256 KiB.
    pub upload_buffer_limit: usize,
    /// Longest time without any progress of the upload. Default 60 s, the patience of hosted workers.
    pub upload_stall_timeout: Duration,
    /// Silence of the upload after which a keep-alive ping goes out. Default 15 s.
    pub upload_ping_interval: Duration,
    /// Longest wait for any HTTP answer of the worker's host before the offer is sent. Default 10 s.
    pub reach_timeout: Duration,
    /// Longest wait for the answer to the offer. Default 90 s: a shipped original needs 20 to 30.
    pub signalling_timeout: Duration,
    /// Longest time for gathering candidates. Default 2 s.
    pub gather_timeout: Duration,
    /// Longest time from the answer to open channels while nothing comes in; twice that while something does, as on a path
    /// that loses much. Default 15 s.
    pub connect_timeout: Duration,
    /// Silence after which the worker counts as lost. Default `None`: 15 s with a worker of ours, 30 s with an original, which
    /// may need them.
    pub lost_after: Option<Duration>,
    /// Longest wait for the task type of a model. Default 10 s.
    pub lookup_timeout: Duration,
    /// Where downloaded videos are kept (`INFERENCE_SDK_VIDEO_CACHE_DIR`). Default `~/.cache/inference-sdk/videos`.
    pub cache_dir: PathBuf,
    /// Longest wait for one connect or read of a download (`INFERENCE_SDK_VIDEO_DOWNLOAD_TIMEOUT`). Default 300 s.
    pub download_timeout: Duration,
    /// Longest time for a whole download. Default 1 h.
    pub download_deadline: Duration,
    /// Largest download. Default 4 GiB, what a framewire worker accepts.
    pub max_download_bytes: u64,
    /// Where videos may be fetched from.
    pub url_policy: UrlPolicy,
    /// Use nothing but TURN relays for the connection: nobody learns this machine's addresses. Default false.
    pub relay_only: bool,
    /// What is done about a broken link to the worker. Default: a new network path where the worker can, no new connection.
    pub recovery: Recovery,
    /// For how long a local stream that broke is opened again. Default: within 10 s.
    pub reconnect: Reconnect,
    /// Between which bit rates the video sent is steered. Default: 100 kbit/s to 4 Mbit/s, beginning with 1.5 Mbit/s.
    pub bitrate: BitrateLimits,
    /// Realtime on a video track: how long a frame may wait for its consumer once a newer one is there. Default 50 ms.
    pub max_frame_age: Duration,
    /// Realtime on a video track: how long a frame may wait for its result. Default 50 ms.
    pub pairing_wait: Duration,
    /// Once a source of this side has ended: how long results are waited for while none come. Default 5 s.
    pub drain_timeout: Duration,
    /// The platform's API (`RF_API_BASE_URL`, else by `ROBOFLOW_REGION` and `ROBOFLOW_ENVIRONMENT`).
    pub platform_url: String,
}

/// For how long a network source that broke is opened again. Each time it gave frames the count starts anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reconnect {
    /// Not at all: the session ends with the error.
    Off,
    /// Until this long after it broke.
    Within(Duration),
    /// Until the session is closed.
    Forever,
}

impl Default for Reconnect {
    fn default() -> Self {
        Reconnect::Within(Duration::from_secs(10))
    }
}

impl Default for ClientOptions {
    /// The defaults, without looking at the environment (but for the home folder).
    fn default() -> Self {
        ClientOptions {
            frame_queue: 8,
            frame_queue_bytes: 256 << 20,
            frame_pool_bytes: 4 << 30,
            result_queue_bytes: 32 << 20,
            result_queue: 32,
            shutdown_timeout: Duration::from_secs(2),
            initial_frame_timeout: Duration::from_secs(90),
            upload_chunk_size: 49152,
            upload_buffer_limit: 256 << 10,
            upload_stall_timeout: Duration::from_secs(60),
            upload_ping_interval: Duration::from_secs(15),
            reach_timeout: Duration::from_secs(10),
            signalling_timeout: Duration::from_secs(90),
            gather_timeout: Duration::from_secs(2),
            connect_timeout: Duration::from_secs(15),
            lost_after: None,
            lookup_timeout: Duration::from_secs(10),
            cache_dir: default_cache_dir(),
            download_timeout: Duration::from_secs(300),
            download_deadline: Duration::from_secs(3600),
            max_download_bytes: 4 << 30,
            url_policy: UrlPolicy::default(),
            relay_only: false,
            recovery: Recovery::default(),
            reconnect: Reconnect::default(),
            bitrate: BitrateLimits::default(),
            max_frame_age: Duration::from_millis(50),
            pairing_wait: REALTIME_MAX_WAIT,
            drain_timeout: Duration::from_secs(5),
            platform_url: PLATFORM_US.to_owned(),
        }
    }
}

/// Our own workers acknowledge keep-alives whatever else they do, and are asked for a new path meanwhile.
const LOST_AFTER_OURS: Duration = Duration::from_secs(15);
/// An original may be busy for as long.
const LOST_AFTER_ORIGINAL: Duration = Duration::from_secs(30);

const PLATFORM_US: &str = "https://api.roboflow.com";

/// Most frames kept ready.
const MAX_FRAME_QUEUE: usize = 1 << 16;

/// Largest accepted upload chunk: with its header it must fit one message of the transport.
const MAX_UPLOAD_CHUNK: usize =
    framewire_transport::MAX_SEND_MESSAGE - framewire_protocol::upload::UPLOAD_HEADER_LEN;

const A_DAY: Duration = Duration::from_secs(86_400);

impl ClientOptions {
    /// How long a worker may be silent; one that did not answer yet counts as an original.
    pub(crate) fn lost_after(&self, ours: bool) -> Duration {
        let usual = if ours {
            LOST_AFTER_OURS
        } else {
            LOST_AFTER_ORIGINAL
        };
        self.lost_after.unwrap_or(usual)
    }

    /// Defaults overridden by the environment.
    ///
    /// # Errors
    /// A variable holds text of the wrong form.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_lookup(&|name| std::env::var(name).ok())
    }

    pub(crate) fn from_lookup(
        get: &dyn Fn(&'static str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let mut options = ClientOptions::default();
        if let Some(n) = number::<usize>(get, "WEBRTC_VIDEO_QUEUE_MAX_SIZE")? {
            // No limit, for programs that know this variable; the bytes are bounded besides.
            options.frame_queue = if n == 0 { MAX_FRAME_QUEUE } else { n };
        }
        if let Some(s) = seconds(get, "WEBRTC_EVENT_LOOP_SHUTDOWN_TIMEOUT")? {
            options.shutdown_timeout = s;
        }
        if let Some(s) = seconds(get, "WEBRTC_INITIAL_FRAME_TIMEOUT")? {
            options.initial_frame_timeout = s;
        }
        if let Some(n) = number::<usize>(get, "WEBRTC_VIDEO_UPLOAD_CHUNK_SIZE")? {
            options.upload_chunk_size = n;
        }
        if let Some(n) = number::<usize>(get, "WEBRTC_VIDEO_UPLOAD_BUFFER_LIMIT")? {
            options.upload_buffer_limit = n;
        }
        if let Some(n) = number::<u64>(get, "INFERENCE_SDK_VIDEO_DOWNLOAD_TIMEOUT")? {
            options.download_timeout = Duration::from_secs(n);
        }
        if let Some(dir) = get("INFERENCE_SDK_VIDEO_CACHE_DIR").filter(|dir| !dir.is_empty()) {
            options.cache_dir = expand_home(&dir, get("HOME"));
        }
        options.url_policy = UrlPolicy::from_lookup(get)?;
        options.platform_url = platform_url(get);
        options.check()?;
        Ok(options)
    }

    /// Refuses values no session can run with.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let refuse = |option, reason: &str| {
            Err(ConfigError::Option {
                option,
                reason: reason.to_owned(),
            })
        };
        if self.frame_queue == 0 || self.frame_queue > MAX_FRAME_QUEUE {
            return refuse(
                "frame_queue (WEBRTC_VIDEO_QUEUE_MAX_SIZE)",
                "expected 1 to 65536 frames",
            );
        }
        if self.result_queue == 0 || self.result_queue > 1 << 16 {
            return refuse("result_queue", "expected 1 to 65536 results");
        }
        if self.upload_chunk_size == 0 || self.upload_chunk_size > MAX_UPLOAD_CHUNK {
            return refuse(
                "upload_chunk_size (WEBRTC_VIDEO_UPLOAD_CHUNK_SIZE)",
                "expected 1 to 131064 bytes",
            );
        }
        let BitrateLimits {
            start,
            floor,
            ceiling,
        } = self.bitrate;
        if let Err(error) = BitrateLimits::new(start, floor, ceiling) {
            return refuse("bitrate", &error.to_string());
        }
        // Deadlines are computed from it.
        if self.connect_timeout > A_DAY {
            return refuse("connect_timeout", "expected at most a day");
        }
        self.recovery.check()?;
        if !self.platform_url.starts_with("http") {
            return refuse(
                "platform_url (RF_API_BASE_URL)",
                "expected an http or https URL",
            );
        }
        Ok(())
    }
}

fn default_cache_dir() -> PathBuf {
    expand_home("~/.cache/inference-sdk/videos", std::env::var("HOME").ok())
}

fn expand_home(path: &str, home: Option<String>) -> PathBuf {
    match (path.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) if !home.is_empty() => PathBuf::from(home).join(rest),
        (Some(rest), _) => std::env::temp_dir().join(rest),
        (None, _) => PathBuf::from(path),
    }
}

fn platform_url(get: &dyn Fn(&'static str) -> Option<String>) -> String {
    if let Some(url) = get("RF_API_BASE_URL").filter(|url| !url.is_empty()) {
        return url.trim_end_matches('/').to_owned();
    }
    let staging = get("ROBOFLOW_ENVIRONMENT").is_some_and(|env| env.to_lowercase() != "prod");
    let region = get("ROBOFLOW_REGION").unwrap_or_default().to_lowercase();
    if !matches!(region.as_str(), "" | "us" | "eu") {
        tracing::warn!("ROBOFLOW_REGION is none of `us` and `eu`; using `us`");
    }
    match (region == "eu", staging) {
        (false, false) => PLATFORM_US,
        (false, true) => "https://api.roboflow.one",
        (true, false) => "https://api.roboflow.eu",
        (true, true) => "https://api.roboflow-eu.one",
    }
    .to_owned()
}

fn number<T: std::str::FromStr>(
    get: &dyn Fn(&'static str) -> Option<String>,
    variable: &'static str,
) -> Result<Option<T>, ConfigError> {
    let Some(text) = get(variable) else {
        return Ok(None);
    };
    let parsed = text.trim().parse().map_err(|_| ConfigError::Environment {
        variable,
        reason: "expected a whole number, 0 or more".into(),
    })?;
    Ok(Some(parsed))
}

fn seconds(
    get: &dyn Fn(&'static str) -> Option<String>,
    variable: &'static str,
) -> Result<Option<Duration>, ConfigError> {
    let Some(text) = get(variable) else {
        return Ok(None);
    };
    let parsed: Option<f64> = text.trim().parse().ok();
    let duration = parsed.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    // A year is far beyond any use and keeps every later sum of instants in range.
    match duration.filter(|duration| *duration <= Duration::from_secs(31_536_000)) {
        Some(duration) => Ok(Some(duration)),
        None => Err(ConfigError::Environment {
            variable,
            reason: "expected seconds, 0 to 31536000".into(),
        }),
    }
}

pub(crate) fn boolean(
    get: &dyn Fn(&'static str) -> Option<String>,
    variable: &'static str,
    default: bool,
) -> Result<bool, ConfigError> {
    match get(variable) {
        None => Ok(default),
        Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
        Some(text) if text.eq_ignore_ascii_case("false") => Ok(false),
        Some(_) => Err(ConfigError::Environment {
            variable,
            reason: "expected `true` or `false`".into(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &'static [(&'static str, &'static str)]) -> Result<ClientOptions, ConfigError> {
        ClientOptions::from_lookup(&|name| {
            pairs
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn variables_override_defaults() {
        let options = with(&[
            ("WEBRTC_VIDEO_QUEUE_MAX_SIZE", "3"),
            ("WEBRTC_INITIAL_FRAME_TIMEOUT", "1.5"),
            ("INFERENCE_SDK_VIDEO_CACHE_DIR", "/tmp/cache"),
            ("RF_API_BASE_URL", "http://127.0.0.1:9/"),
        ])
        .unwrap();
        assert_eq!(options.frame_queue, 3);
        assert_eq!(options.initial_frame_timeout, Duration::from_millis(1500));
        assert_eq!(options.cache_dir, PathBuf::from("/tmp/cache"));
        assert_eq!(options.platform_url, "http://127.0.0.1:9");
    }

    #[test]
    fn silence_is_borne_by_the_kind_of_worker_unless_the_user_says_how_long() {
        let mut options = ClientOptions::default();
        let borne =
            |options: &ClientOptions| [true, false].map(|ours| options.lost_after(ours).as_secs());
        assert_eq!(borne(&options), [15, 30]);
        options.lost_after = Some(Duration::from_secs(7));
        assert_eq!(borne(&options), [7, 7]);
    }

    #[test]
    fn a_queue_without_a_limit_is_the_longest_there_is() {
        let options = with(&[("WEBRTC_VIDEO_QUEUE_MAX_SIZE", "0")]).unwrap();
        assert_eq!(options.frame_queue, MAX_FRAME_QUEUE);
    }

    #[test]
    fn unusable_values_name_their_variable() {
        for pairs in [
            &[("WEBRTC_VIDEO_QUEUE_MAX_SIZE", "many")] as &'static [_],
            &[("WEBRTC_VIDEO_QUEUE_MAX_SIZE", "65537")],
            &[("WEBRTC_VIDEO_UPLOAD_CHUNK_SIZE", "0")],
            &[("WEBRTC_INITIAL_FRAME_TIMEOUT", "nan")],
            &[("WEBRTC_INITIAL_FRAME_TIMEOUT", "1e300")],
            &[("ALLOW_URL_INPUT", "yes")],
        ] {
            let text = with(pairs).unwrap_err().to_string();
            assert!(text.contains(pairs[0].0), "{text}");
        }
    }

    #[test]
    fn the_platform_follows_region_and_environment() {
        let url = |pairs| with(pairs).unwrap().platform_url;
        assert_eq!(url(&[]), "https://api.roboflow.com");
        assert_eq!(
            url(&[("ROBOFLOW_ENVIRONMENT", "staging")]),
            "https://api.roboflow.one"
        );
        assert_eq!(url(&[("ROBOFLOW_REGION", "eu")]), "https://api.roboflow.eu");
        assert_eq!(
            url(&[("ROBOFLOW_REGION", "eu"), ("ROBOFLOW_ENVIRONMENT", "dev")]),
            "https://api.roboflow-eu.one"
        );
        assert_eq!(
            url(&[("ROBOFLOW_REGION", "mars")]),
            "https://api.roboflow.com"
        );
    }
}
