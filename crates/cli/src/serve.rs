//! `framewire serve`: the worker in the foreground until a signal asks it to end.
//! Not here: anything the worker does; see `framewire-worker`.

use std::io::Write;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::Context;
use framewire_worker::{Worker, WorkerConfig, WorkerEnv};

use crate::args::ServeArgs;
use crate::exit::{self, Failure};
use crate::signals::Watch;
use crate::{logging, models_dir};

/// Running sessions may go on this long after SIGTERM: the longest default processing time.
const DRAIN: Duration = Duration::from_secs(3600);

pub(crate) fn serve(args: ServeArgs) -> u8 {
    logging::init(&args.log, "info");
    match run(args) {
        Ok(()) => exit::OK,
        Err(failure) => {
            exit::last_line(&failure);
            failure.status
        }
    }
}

fn run(args: ServeArgs) -> Result<(), Failure> {
    let config = config(args).map_err(Failure::unusable)?;
    // Signals first: one that comes while models load must not kill the process half way.
    let (asked, requests) = mpsc::channel();
    let _watch = Watch::start(move |request| {
        // The receiver is gone only when the process is ending anyway.
        let _ = asked.send(request);
    })
    .context("cannot watch for signals")
    .map_err(Failure::unusable)?;
    let limits = format!(
        "up to {} sessions at once, uploads up to {} bytes",
        config.max_sessions, config.max_upload_bytes
    );
    let worker = Worker::start(config).map_err(Failure::unusable)?;
    {
        let mut stdout = std::io::stdout().lock();
        // Scripts wait for this line; a closed stdout does not stop a worker.
        let _ = writeln!(
            stdout,
            "framewire serve listening on http://{}",
            worker.local_addr()
        );
        let _ = writeln!(
            stdout,
            "media on UDP port {}; {limits}",
            worker.media_port()
        );
        let _ = stdout.flush();
    }
    let _ = requests.recv();
    tracing::info!("no new sessions; waiting for running ones (again to end at once)");
    worker.shutdown(DRAIN);
    Ok(())
}

fn config(args: ServeArgs) -> anyhow::Result<WorkerConfig> {
    let mut config = WorkerConfig::default();
    config.env = WorkerEnv::from_process()?;
    config.listen = args.listen;
    config.media_port = args.media_port;
    config.public_ips = args.public_ips;
    config.interface = args.interface;
    config.models_dir = models_dir::find(args.models.as_deref());
    config.workflows_dir = args.workflows;
    config.api_key_file = args.api_key_file;
    config.insecure = args.insecure;
    if let Some(sessions) = args.max_sessions {
        config.max_sessions = sessions as usize;
    }
    if let Some(bytes) = args.max_upload_bytes {
        config.max_upload_bytes = bytes;
    }
    config.upload_dir = args.upload_dir;
    config.upload_keep = args.upload_keep;
    config.reconnect = args.reconnect.into();
    config.deny_private_sources = args.deny_private_sources;
    Ok(config)
}
