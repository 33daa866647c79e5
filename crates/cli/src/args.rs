//! The command line's shape: every option of every command, with its help text.
//! Not here: what the options do.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use framewire::UploadId;

use crate::run::source::TestSpec;
use crate::values::{
    Peer, Reconnect, parse_duration, parse_json, parse_param, parse_peer, parse_reconnect,
    parse_seconds, parse_shape,
};

/// Stream video to an inference worker over WebRTC and get frames and predictions back.
#[derive(Debug, Parser)]
#[command(name = "framewire", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Stream a source through a worker and write what comes back
    Run(Box<RunArgs>),
    /// Run the worker
    Serve(Box<ServeArgs>),
    /// Find out step by step whether a session with a worker would work, and what to try if not
    Doctor(Box<DoctorArgs>),
    /// List, show or add models
    Models(ModelsArgs),
    /// Measure parts of framewire; prints one JSON object a line
    Bench(BenchArgs),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FramesPath {
    /// Every frame in result messages, nothing lost
    Datachannel,
    /// Frames on a video track
    Track,
}

/// Streams SOURCE, shows progress, writes what was asked for and ends by itself.
///
/// Exit status: 0 complete; 1 ended with an error; 2 unusable input; 3 could not connect; 130 interrupted.
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("what").args(["workflow", "workflow_id", "model"]),
    after_help = "Examples:\n  framewire run clip.mp4 --out-video out.mp4 --out-data out.jsonl\n  \
                  framewire run clip.mp4 --api-url http://worker:9001 --workflow spec.json --stream-output image --data-output '*'\n  \
                  framewire run webcam:0 --out-video out.mp4\n  \
                  framewire run rtsp://user:password@camera/stream --local --out-data -\n  \
                  framewire run test:640x480@30,frames=300 --summary -"
)]
pub(crate) struct RunArgs {
    /// A video file or an http(s) URL of one; rtsp://… or mjpeg+http://… (read by the worker); rtmp://… (read here);
    /// webcam:N, webcam:/dev/videoN or webcam:lavfi:GRAPH; test:WxH@FPS[,frames=N]
    pub(crate) source: String,
    /// Read an rtsp:// source here and send it as a track, instead of letting the worker read it
    #[arg(long)]
    pub(crate) local: bool,

    /// Worker to use; without it a worker is started inside this process on loopback
    #[arg(long, value_name = "URL")]
    pub(crate) api_url: Option<String>,
    /// API key; or FRAMEWIRE_API_KEY, else ROBOFLOW_API_KEY. Never printed
    #[arg(long, value_name = "KEY")]
    pub(crate) api_key: Option<String>,

    /// Workflow definition, a JSON file
    #[arg(long, value_name = "FILE")]
    pub(crate) workflow: Option<PathBuf>,
    /// Workflow known to the worker, with --workspace
    #[arg(long, value_name = "ID", requires = "workspace")]
    pub(crate) workflow_id: Option<String>,
    /// Workspace of --workflow-id
    #[arg(long, value_name = "NAME", requires = "workflow_id")]
    pub(crate) workspace: Option<String>,
    /// Model to run; a workflow is made for it
    #[arg(long, value_name = "ID")]
    pub(crate) model: Option<String>,
    /// Task of --model, as object-detection; looked up when absent
    #[arg(long, value_name = "TASK", requires = "model")]
    pub(crate) task_type: Option<String>,

    /// Workflow input that receives the frames
    #[arg(long, value_name = "NAME", default_value = "image")]
    pub(crate) image_input: String,
    /// Workflow parameter, KEY=JSON (repeatable)
    #[arg(long = "param", value_name = "KEY=JSON", value_parser = parse_param)]
    pub(crate) params: Vec<(String, serde_json::Value)>,
    /// Workflow output that comes back as frames (repeatable; the first one present is used)
    #[arg(long, value_name = "NAME")]
    pub(crate) stream_output: Vec<String>,
    /// Workflow output that comes back as data (repeatable; '*' = all)
    #[arg(long, value_name = "NAME")]
    pub(crate) data_output: Vec<String>,

    /// Play at the source's speed; late frames are dropped and counted (default for live sources)
    #[arg(long, conflicts_with = "batch")]
    pub(crate) realtime: bool,
    /// Every frame, as fast as possible (default for files)
    #[arg(long)]
    pub(crate) batch: bool,
    /// Lose results rather than let newer ones wait for them: each is given up after MS milliseconds (realtime only)
    #[arg(long, value_name = "MS", num_args = 0..=1, require_equals = true, default_missing_value = "200", conflicts_with = "batch", value_parser = clap::value_parser!(u64).range(1..=65_000))]
    pub(crate) fresh_results: Option<u64>,
    /// How frames come back (files)
    #[arg(long, value_enum, default_value = "datachannel", value_name = "PATH")]
    pub(crate) frames: FramesPath,

    /// H.264 mp4 of the received frames with the source's timing
    #[arg(long, value_name = "FILE.mp4")]
    pub(crate) out_video: Option<PathBuf>,
    /// One JSON line per result in frame order ('-' = stdout)
    #[arg(long, value_name = "FILE.jsonl")]
    pub(crate) out_data: Option<PathBuf>,
    /// Keep base64 images in --out-data
    #[arg(long, requires = "out_data")]
    pub(crate) keep_images: bool,
    /// Draw boxes and labels into --out-video even if the workflow may have drawn them
    #[arg(long, conflicts_with = "no_draw", requires = "out_video")]
    pub(crate) draw: bool,
    /// Never draw into --out-video
    #[arg(long, requires = "out_video")]
    pub(crate) no_draw: bool,

    /// Name of the upload: a run with the same one goes on where an earlier one was cut off less than two minutes ago
    #[arg(long, value_name = "UUID")]
    pub(crate) upload_id: Option<UploadId>,

    /// End after N delivered frames (results, when no frames are asked for)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) max_frames: Option<u64>,
    /// End after this many seconds
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    pub(crate) timeout: Option<f64>,
    /// ICE servers: {"iceServers":[…]}, one server object, or an array of them
    #[arg(long, value_name = "JSON", value_parser = parse_json)]
    pub(crate) ice_servers: Option<serde_json::Value>,
    /// Use relayed candidates (TURN) only
    #[arg(long)]
    pub(crate) relay_only: bool,
    /// How long a network source read here may be gone before the session ends: seconds, 0 = at once, or forever
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = parse_reconnect)]
    pub(crate) reconnect: Reconnect,
    /// When the link to the worker breaks, connect anew and go on, with up to N attempts in one outage
    #[arg(long, value_name = "N", num_args = 0..=1, require_equals = true, default_value = "0", default_missing_value = "10")]
    pub(crate) recover: u32,

    /// Write the summary JSON ('-' = stdout)
    #[arg(long, value_name = "FILE")]
    pub(crate) summary: Option<PathBuf>,
    /// No progress bars (they are shown on a terminal only)
    #[arg(long)]
    pub(crate) no_progress: bool,
    /// Folder of models for the embedded worker
    #[arg(long, value_name = "DIR", env = "FRAMEWIRE_MODELS")]
    pub(crate) models: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

/// Walks the way to a worker: address, HTTP, key, STUN, TURN, ICE, DTLS, data channel, throughput both ways, video.
///
/// Takes some 6 seconds when all is well and never more than 20; 4 of them measure throughput and load the path fully.
/// An original worker is given up to 40 seconds more for each of its two answers.
/// Exit status: 0 a session would work; 2 bad options; 3 it would not, and the last line on stderr says why.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Worker to examine; without it a worker is started inside this process on loopback
    #[arg(long, value_name = "URL")]
    pub(crate) api_url: Option<String>,
    /// API key; or FRAMEWIRE_API_KEY, else ROBOFLOW_API_KEY. Never printed
    #[arg(long, value_name = "KEY")]
    pub(crate) api_key: Option<String>,
    /// ICE servers: {"iceServers":[…]}, one server object, or an array of them; each URL is tried by itself
    #[arg(long, value_name = "JSON", value_parser = parse_json)]
    pub(crate) ice_servers: Option<serde_json::Value>,
    /// Use relayed candidates (TURN) only
    #[arg(long)]
    pub(crate) relay_only: bool,
    /// Do not measure throughput
    #[arg(long)]
    pub(crate) no_throughput: bool,
    /// Print one JSON document on stdout instead of the table
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    /// More log output (-v, -vv)
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Form of the log lines on stderr
    #[arg(long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub(crate) log_format: LogFormat,
}

/// Serves inference sessions: HTTP signalling and one UDP port for the media of all sessions.
///
/// The first line on stdout is `framewire serve listening on http://ADDR:PORT`. SIGTERM: no new sessions, running
/// ones finish, exit 0.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// HTTP address
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:9001")]
    pub(crate) listen: SocketAddr,
    /// UDP port of all sessions; 0 = any free one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub(crate) media_port: u16,
    /// Address to offer as a candidate, as behind a 1:1 NAT (repeatable)
    #[arg(long = "public-ip", value_name = "IP")]
    pub(crate) public_ips: Vec<IpAddr>,
    /// Offer candidates of this network interface only
    #[arg(long, value_name = "NAME")]
    pub(crate) interface: Option<String>,
    /// Models: DIR/<model id>/model.json and the model file
    #[arg(long, value_name = "DIR", env = "FRAMEWIRE_MODELS")]
    pub(crate) models: Option<PathBuf>,
    /// Workflows by id: DIR/<workspace>/<workflow id>.json
    #[arg(long, value_name = "DIR")]
    pub(crate) workflows: Option<PathBuf>,
    /// Accepted API keys, one a line; without it the worker is open, on loopback only
    #[arg(long, value_name = "FILE")]
    pub(crate) api_key_file: Option<PathBuf>,
    /// Listen beyond loopback without keys
    #[arg(long)]
    pub(crate) insecure: bool,
    /// Sessions at once [default: 4 x cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_sessions: Option<u32>,
    /// Largest upload in bytes [default: 4 GiB]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) max_upload_bytes: Option<u64>,
    /// Folder for uploads in progress [default: the system's temporary folder]
    #[arg(long, value_name = "DIR")]
    pub(crate) upload_dir: Option<PathBuf>,
    /// How long an upload whose session broke is kept for the next one: seconds, 0 = not at all
    #[arg(long, value_name = "SECONDS", default_value = "120", env = "FRAMEWIRE_UPLOAD_KEEP", value_parser = parse_duration)]
    pub(crate) upload_keep: Duration,
    /// How long a camera this worker reads may be gone before its session ends: seconds, 0 = at once, or forever
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = parse_reconnect)]
    pub(crate) reconnect: Reconnect,
    /// Do not read rtsp:// sources at private or loopback addresses
    #[arg(long)]
    pub(crate) deny_private_sources: bool,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ModelsArgs {
    /// Folder of models [default: the bundled ones]
    #[arg(long, value_name = "DIR", env = "FRAMEWIRE_MODELS", global = true)]
    pub(crate) models: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: ModelsCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ModelsCommand {
    /// One line per model: id, task, input size, number of classes
    List,
    /// A model's description as JSON
    Show {
        /// Model id
        id: String,
    },
    /// Check a model folder (model.json and its file) and copy it among the models
    Add {
        /// The folder to add
        dir: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    pub(crate) command: BenchCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// Reassembly of result messages, MB/s
    Reassembler {
        /// Counted runs of each case
        #[arg(short, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
        n: u32,
    },
    /// A file through the upload channel over loopback: MB/s, CPU seconds per GB, peak RSS
    Upload {
        /// Megabytes (10^6) to send
        #[arg(long, default_value_t = 268, value_parser = clap::value_parser!(u64).range(1..=100_000))]
        megabytes: u64,
        /// Counted runs
        #[arg(short, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
        n: u32,
        /// As part of a session with a worker: hashed on both sides and verified
        #[arg(long, conflicts_with = "peer")]
        session: bool,
        /// Be one end of a run between two processes or hosts
        #[command(flatten)]
        peer: PeerArgs,
    },
    /// Live video: numbered pictures pushed at camera pace and the same ones back on the track
    Live {
        #[command(flatten)]
        shape: LiveShape,
        /// Worker to use instead of one in a process of its own
        #[arg(long, value_name = "URL")]
        api_url: Option<String>,
        /// Counted runs
        #[arg(short, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
        n: u32,
    },
    /// How many live sessions this machine carries, both ends here, before frames come late
    Sessions {
        #[command(flatten)]
        shape: LiveShape,
        /// Stop at this many
        #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=256))]
        max: u32,
        /// A frame is late from this 95th percentile of a session's latency on
        #[arg(long, default_value_t = 100.0, value_name = "MS")]
        limit_ms: f64,
    },
    /// A whole job: a video file, full frames back on the data channel
    Frames {
        /// The video
        file: PathBuf,
        /// Worker to use instead of one in a process of its own
        #[arg(long, value_name = "URL")]
        api_url: Option<String>,
        /// Counted runs
        #[arg(short, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
        n: u32,
    },
}

/// What a live bench sends.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct LiveShape {
    /// Size and rate, as for `framewire run test:…`
    #[arg(long, default_value = "640x480@30", value_name = "WxH@FPS", value_parser = parse_shape)]
    pub(crate) shape: TestSpec,
    /// Pictures of one session
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(30..=100_000))]
    pub(crate) frames: u32,
}

#[derive(Debug, Args)]
pub(crate) struct PeerArgs {
    /// `listen:ADDR:PORT` receives, `connect:ADDR:PORT` sends; without it both ends run here
    #[arg(long, value_name = "ROLE:ADDR:PORT", value_parser = parse_peer)]
    pub(crate) peer: Option<Peer>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn exactly_one_of_workflow_and_model() {
        let error = Cli::try_parse_from([
            "framewire",
            "run",
            "a.mp4",
            "--workflow",
            "w.json",
            "--model",
            "m",
        ])
        .unwrap_err();
        assert_eq!(error.kind(), clap::error::ErrorKind::ArgumentConflict);
    }
}
