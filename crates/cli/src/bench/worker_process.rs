//! A worker in a process of its own, so that its figures are its own.
//! Not here: what is measured with it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, ensure};

use crate::usage;

/// `framewire serve` with its models, killed when dropped.
pub(super) struct WorkerProcess {
    child: Child,
    pub(super) url: String,
    pub(super) ready_seconds: f64,
}

impl WorkerProcess {
    pub(super) fn start(options: &[&str]) -> anyhow::Result<Self> {
        let start = Instant::now();
        let mut child = Command::new(std::env::current_exe()?)
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(options)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start the worker process")?;
        let mut line = String::new();
        let stdout = child
            .stdout
            .take()
            .context("the worker process has no output")?;
        BufReader::new(stdout).read_line(&mut line)?;
        let ready_seconds = start.elapsed().as_secs_f64();
        let url = line
            .trim()
            .strip_prefix("framewire serve listening on ")
            .map(str::to_owned);
        // From here on the guard ends the process.
        let worker = Self {
            child,
            url: url.unwrap_or_default(),
            ready_seconds,
        };
        ensure!(!worker.url.is_empty(), "the worker did not start: {line:?}");
        Ok(worker)
    }

    pub(super) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        usage::cpu_seconds_of(self.child.id())
    }

    pub(super) fn max_rss_mb(&self) -> anyhow::Result<f64> {
        usage::max_rss_mb_of(self.child.id())
    }
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
