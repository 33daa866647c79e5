//! The environment variables the worker honours, read once into plain values.
//! Not the options: an option wins over its variable, and that choice is made in `config`.

use std::time::Duration;

use framewire_protocol::ack::parse_ack_window;

/// One variable whose text has no meaning; the value itself is not repeated (it may be a secret).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("environment variable {name}: {expected}")]
pub struct EnvError {
    /// The variable's name.
    pub name: &'static str,
    /// What would have been accepted.
    pub expected: &'static str,
}

/// Server variables, names as in the original. Boolean variables take `true` or `false` in any case.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct WorkerEnv {
    /// `WEBRTC_WORKER_ENABLED` (true): without it the session routes answer 404.
    pub worker_enabled: bool,
    /// `WEBRTC_REALTIME_PROCESSING` (true): default of the request's field.
    pub realtime_processing: bool,
    /// `WEBRTC_DATA_CHANNEL_ACK_WINDOW`: negative becomes 0, unparsable becomes 1. `None` (unset) is 1, and
    /// [`OWN_ACK_WINDOW`](framewire_protocol::ack::OWN_ACK_WINDOW) for a framewire client.
    pub ack_window: Option<u64>,
    /// `WEBRTC_DATA_CHANNEL_BUFFER_SIZE_LIMIT` (32 MiB): above it the sender waits for a quarter of it.
    pub buffer_limit: usize,
    /// `WEBRTC_GZIP_PREVIEW_FRAME_COMPRESSION`: `None` (unset) sends plain bodies.
    pub gzip: Option<bool>,
    /// `WEBRTC_PREVIEW_FRAME_JPEG_QUALITY` (80), 1 to 100.
    pub jpeg_quality: u8,
    /// `DEBUG_WEBRTC_PROCESSING_LATENCY` (false): log what each frame cost.
    pub debug_latency: bool,
    /// `ALLOW_API_KEY_FROM_HEADERS` (true): whether `Authorization: Bearer` is looked at.
    pub api_key_from_headers: bool,
    /// `ALLOW_ORIGINS`: `None` when unset (then `*` with keys, own and loopback origins without).
    pub allow_origins: Option<Vec<String>>,
    /// `OFFLINE_MODE` (false): no outbound traffic, no ICE servers.
    pub offline: bool,
    /// `WEBRTC_MODAL_FUNCTION_TIME_LIMIT` (3600 s): `processing_timeout` of a request that names none.
    pub default_processing_timeout: Duration,
    /// `WEBRTC_MODAL_SHUTDOWN_RESERVE` (1 s): taken off the processing timeout for the ending.
    pub shutdown_reserve: Duration,
    /// `WEBRTC_MODAL_WATCHDOG_TIMEMOUT` (60 s, spelled so): an upload silent for this long has stalled.
    pub watchdog: Duration,
    /// `WEBRTC_MODAL_PUBLIC_STUN_SERVERS`: used next to the servers of a request. `None` when unset.
    pub public_stun_servers: Option<Vec<String>>,
    /// `WEBRTC_MJPEG_ALLOW_NON_GLOBAL_ADDRESSES` (false): an `mjpeg_url` may lead to private addresses.
    pub mjpeg_allow_non_global: bool,
    /// `WEBRTC_MODAL_RTSP_PLACEHOLDER` and `…_URL`: an `rtsp_url` equal to the first is replaced by the second, which may
    /// hold credentials.
    pub rtsp_placeholder: Option<RtspPlaceholder>,
}

/// A text that stands for an address clients need not know.
#[derive(Clone, PartialEq, Eq)]
pub struct RtspPlaceholder {
    /// What a request says.
    pub text: String,
    /// What is opened instead.
    pub url: String,
}

impl std::fmt::Debug for RtspPlaceholder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RtspPlaceholder")
            .field("text", &self.text)
            .finish_non_exhaustive() // the URL may hold a password
    }
}

impl Default for WorkerEnv {
    fn default() -> WorkerEnv {
        WorkerEnv {
            worker_enabled: true,
            realtime_processing: true,
            ack_window: None,
            buffer_limit: 32 * 1024 * 1024,
            gzip: None,
            jpeg_quality: 80,
            debug_latency: false,
            api_key_from_headers: true,
            allow_origins: None,
            offline: false,
            default_processing_timeout: Duration::from_secs(3600),
            shutdown_reserve: Duration::from_secs(1),
            watchdog: Duration::from_secs(60),
            public_stun_servers: None,
            mjpeg_allow_non_global: false,
            rtsp_placeholder: None,
        }
    }
}

impl WorkerEnv {
    /// Reads the variables of this process. Fails on the first one without meaning.
    pub fn from_process() -> Result<WorkerEnv, EnvError> {
        WorkerEnv::from_lookup(|name| std::env::var(name).ok())
    }

    /// Reads the variables through `lookup`, so a map serves as well as the process.
    ///
    /// Variables with another purpose (the polling delay of the original, for one: this worker waits on events)
    /// are not looked at. An empty value counts as unset.
    pub fn from_lookup(
        lookup: impl Fn(&'static str) -> Option<String>,
    ) -> Result<WorkerEnv, EnvError> {
        let get = |name| lookup(name).filter(|value| !value.trim().is_empty());
        let boolean = |name, default| Ok(parse_bool(name, get(name))?.unwrap_or(default));
        let seconds = |name, default| parse_seconds(name, get(name), default);
        let defaults = WorkerEnv::default();
        Ok(WorkerEnv {
            worker_enabled: boolean("WEBRTC_WORKER_ENABLED", defaults.worker_enabled)?,
            realtime_processing: boolean(
                "WEBRTC_REALTIME_PROCESSING",
                defaults.realtime_processing,
            )?,
            ack_window: get("WEBRTC_DATA_CHANNEL_ACK_WINDOW")
                .map(|text| parse_ack_window(Some(&text))),
            buffer_limit: parse_buffer_limit(get(BUFFER_LIMIT), defaults.buffer_limit)?,
            gzip: parse_bool(GZIP, get(GZIP))?,
            jpeg_quality: parse_quality(get(JPEG_QUALITY), defaults.jpeg_quality)?,
            debug_latency: boolean("DEBUG_WEBRTC_PROCESSING_LATENCY", defaults.debug_latency)?,
            api_key_from_headers: boolean(
                "ALLOW_API_KEY_FROM_HEADERS",
                defaults.api_key_from_headers,
            )?,
            allow_origins: get("ALLOW_ORIGINS").map(|text| comma_list(&text)),
            offline: boolean("OFFLINE_MODE", defaults.offline)?,
            default_processing_timeout: seconds(
                "WEBRTC_MODAL_FUNCTION_TIME_LIMIT",
                defaults.default_processing_timeout,
            )?,
            shutdown_reserve: seconds("WEBRTC_MODAL_SHUTDOWN_RESERVE", defaults.shutdown_reserve)?,
            watchdog: seconds("WEBRTC_MODAL_WATCHDOG_TIMEMOUT", defaults.watchdog)?,
            // Set but empty means "none", which differs from unset.
            public_stun_servers: lookup("WEBRTC_MODAL_PUBLIC_STUN_SERVERS")
                .map(|text| comma_list(&text)),
            mjpeg_allow_non_global: boolean(
                "WEBRTC_MJPEG_ALLOW_NON_GLOBAL_ADDRESSES",
                defaults.mjpeg_allow_non_global,
            )?,
            rtsp_placeholder: get("WEBRTC_MODAL_RTSP_PLACEHOLDER")
                .zip(get("WEBRTC_MODAL_RTSP_PLACEHOLDER_URL"))
                .map(|(text, url)| RtspPlaceholder { text, url }),
        })
    }

    /// The STUN servers used next to a request's own; none offline.
    pub(crate) fn stun_servers(&self) -> Vec<String> {
        match &self.public_stun_servers {
            _ if self.offline => Vec::new(),
            Some(list) => list.clone(),
            None => vec![DEFAULT_STUN.to_owned()],
        }
    }
}

fn parse_bool(name: &'static str, value: Option<String>) -> Result<Option<bool>, EnvError> {
    let Some(value) = value else { return Ok(None) };
    match value.trim().to_ascii_lowercase().as_str() {
        "true" => Ok(Some(true)),
        "false" => Ok(Some(false)),
        _ => Err(EnvError {
            name,
            expected: "must be true or false",
        }),
    }
}

fn parse_buffer_limit(value: Option<String>, default: usize) -> Result<usize, EnvError> {
    let Some(value) = value else {
        return Ok(default);
    };
    match value.trim().parse::<usize>() {
        Ok(limit) => Ok(limit.clamp(MIN_BUFFER_LIMIT, MAX_BUFFER_LIMIT)),
        Err(_) => Err(EnvError {
            name: BUFFER_LIMIT,
            expected: "must be a number of bytes",
        }),
    }
}

fn parse_quality(value: Option<String>, default: u8) -> Result<u8, EnvError> {
    let Some(value) = value else {
        return Ok(default);
    };
    match value.trim().parse::<u8>() {
        Ok(quality @ 1..=100) => Ok(quality),
        _ => Err(EnvError {
            name: JPEG_QUALITY,
            expected: "must be a number from 1 to 100",
        }),
    }
}

fn parse_seconds(
    name: &'static str,
    value: Option<String>,
    default: Duration,
) -> Result<Duration, EnvError> {
    let Some(value) = value else {
        return Ok(default);
    };
    value
        .trim()
        .parse::<f64>()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or(EnvError {
            name,
            expected: "must be a number of seconds, 0 or more",
        })
}

fn comma_list(text: &str) -> Vec<String> {
    text.split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .map(str::to_owned)
        .collect()
}

const BUFFER_LIMIT: &str = "WEBRTC_DATA_CHANNEL_BUFFER_SIZE_LIMIT";
const GZIP: &str = "WEBRTC_GZIP_PREVIEW_FRAME_COMPRESSION";
const JPEG_QUALITY: &str = "WEBRTC_PREVIEW_FRAME_JPEG_QUALITY";
const DEFAULT_STUN: &str = "stun:stun.l.google.com:19302";
/// Below one message the sender could never have anything under way.
const MIN_BUFFER_LIMIT: usize = 64 * 1024;
/// The channel's own queue ends at 64 MiB; a message must still fit under it.
const MAX_BUFFER_LIMIT: usize = 63 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn read(pairs: &[(&'static str, &str)]) -> Result<WorkerEnv, EnvError> {
        let map: HashMap<_, _> = pairs.iter().map(|(k, v)| (*k, v.to_string())).collect();
        WorkerEnv::from_lookup(|name| map.get(name).cloned())
    }

    #[test]
    fn an_empty_environment_gives_the_defaults() {
        assert_eq!(read(&[]), Ok(WorkerEnv::default()));
    }

    #[test]
    fn booleans_take_any_case_and_nothing_else() {
        let env = read(&[("OFFLINE_MODE", "TRUE"), ("WEBRTC_WORKER_ENABLED", "False")]).unwrap();
        assert!(env.offline && !env.worker_enabled);
        assert_eq!(
            read(&[("OFFLINE_MODE", "yes")]).unwrap_err().name,
            "OFFLINE_MODE"
        );
    }

    #[test]
    fn the_ack_window_follows_the_originals_rules() {
        for (text, want) in [("4", 4), ("-3", 0), ("many", 1), ("0", 0), (" 2 ", 2)] {
            let env = read(&[("WEBRTC_DATA_CHANNEL_ACK_WINDOW", text)]).unwrap();
            assert_eq!(env.ack_window, Some(want), "{text}");
        }
        assert_eq!(read(&[]).unwrap().ack_window, None);
    }

    #[test]
    fn gzip_has_three_states() {
        assert_eq!(read(&[]).unwrap().gzip, None);
        assert_eq!(read(&[(GZIP, "true")]).unwrap().gzip, Some(true));
        assert_eq!(read(&[(GZIP, "FALSE")]).unwrap().gzip, Some(false));
    }

    #[test]
    fn numbers_out_of_range_are_refused_or_clamped() {
        assert!(read(&[(JPEG_QUALITY, "0")]).is_err());
        assert!(read(&[(JPEG_QUALITY, "101")]).is_err());
        assert!(read(&[("WEBRTC_MODAL_SHUTDOWN_RESERVE", "-1")]).is_err());
        assert!(read(&[("WEBRTC_MODAL_SHUTDOWN_RESERVE", "1e300")]).is_err());
        let env = read(&[
            (BUFFER_LIMIT, "1"),
            ("WEBRTC_MODAL_WATCHDOG_TIMEMOUT", "2.5"),
        ])
        .unwrap();
        assert_eq!(env.buffer_limit, MIN_BUFFER_LIMIT);
        assert_eq!(env.watchdog, Duration::from_millis(2500));
        let env = read(&[(BUFFER_LIMIT, "999999999999")]).unwrap();
        assert_eq!(env.buffer_limit, MAX_BUFFER_LIMIT);
    }

    #[test]
    fn lists_are_trimmed_and_an_empty_stun_list_means_none() {
        let env = read(&[
            ("ALLOW_ORIGINS", " https://a.example , https://b.example,"),
            ("WEBRTC_MODAL_PUBLIC_STUN_SERVERS", ""),
        ])
        .unwrap();
        assert_eq!(
            env.allow_origins.as_deref().unwrap(),
            ["https://a.example", "https://b.example"]
        );
        assert!(env.stun_servers().is_empty());
        assert_eq!(read(&[]).unwrap().stun_servers(), [DEFAULT_STUN]);
        let env = read(&[("OFFLINE_MODE", "true")]).unwrap();
        assert!(env.stun_servers().is_empty());
    }
}
