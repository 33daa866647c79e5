//! Live video: numbered pictures pushed at camera pace, and when the same numbers come back.
//! Not here: what the way is made of; the session's own ledger tells that.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use framewire::{Client, FrameSender, ManualSource, SessionStats, StreamConfig, Workflow};
use framewire_media::{FramePool, TestPattern, read_pattern_counter};
use serde_json::json;

use super::worker_process::WorkerProcess;
use super::{full_frame, report};
use crate::args::LiveShape;
use crate::usage;

pub(crate) fn run(shape: LiveShape, api_url: Option<&str>, n: u32) -> anyhow::Result<()> {
    let mut figures: Vec<(String, &str, Vec<f64>)> = Vec::new();
    let mut add = |case: String, unit: &'static str, value: f64| match figures
        .iter_mut()
        .find(|(known, ..)| *known == case)
    {
        Some((.., values)) => values.push(value),
        None => figures.push((case, unit, vec![value])),
    };
    for _ in 0..n {
        let worker = match api_url {
            Some(_) => None,
            None => Some(WorkerProcess::start(&[])?),
        };
        let url = worker
            .as_ref()
            .map_or(api_url.unwrap_or_default(), |worker| &worker.url);
        let before = worker
            .as_ref()
            .map(WorkerProcess::cpu_seconds)
            .transpose()?;
        let cpu = usage::cpu_seconds();
        let begun = Instant::now();
        let session = one_session(url, shape)?;
        let per_ten = 10.0 / begun.elapsed().as_secs_f64();
        add("p50".into(), "ms", session.percentile(0.50)?);
        add("p95".into(), "ms", session.percentile(0.95)?);
        add("p99".into(), "ms", session.percentile(0.99)?);
        add("frames".into(), "frames", session.latencies.len() as f64);
        add(
            "longest_gap".into(),
            "ms",
            session.longest_gap.as_secs_f64() * 1e3,
        );
        add(
            "client_cpu_per_10_s".into(),
            "s",
            (usage::cpu_seconds() - cpu) * per_ten,
        );
        add("client_rss".into(), "MiB", usage::max_rss_mb());
        if let (Some(worker), Some(before)) = (&worker, before) {
            add(
                "worker_cpu_per_10_s".into(),
                "s",
                (worker.cpu_seconds()? - before) * per_ten,
            );
            add("worker_rss".into(), "MiB", worker.max_rss_mb()?);
        }
        if let Some(connect) = session.stats.connect {
            add("connect".into(), "ms", connect.as_secs_f64() * 1e3);
        }
        for (stage, latency) in &session.stats.stages {
            add(
                format!("stage_{}_p50", stage.as_str()),
                "ms",
                latency.p50.as_secs_f64() * 1e3,
            );
        }
    }
    for (case, unit, values) in figures {
        report::print("live", &case, unit, &values);
    }
    Ok(())
}

/// What one session came to.
pub(super) struct LiveSession {
    /// Milliseconds from push to handler, sorted, one for each number that came back.
    pub(super) latencies: Vec<f64>,
    pub(super) longest_gap: Duration,
    pub(super) stats: SessionStats,
}

impl LiveSession {
    pub(super) fn percentile(&self, share: f64) -> anyhow::Result<f64> {
        let last = self.latencies.len().checked_sub(1);
        let last = last.context("no picture came back")?;
        Ok(self.latencies[((last as f64) * share).round() as usize])
    }
}

/// Numbers, when they were pushed, and when they came back first.
#[derive(Default)]
struct Times {
    pushed: HashMap<u32, Instant>,
    back: HashMap<u32, Instant>,
    last: Option<Instant>,
    longest_gap: Duration,
}

/// Pushes all pictures once the session is up and waits until the last ones are back.
pub(super) fn one_session(url: &str, shape: LiveShape) -> anyhow::Result<LiveSession> {
    let times = Arc::new(Mutex::new(Times::default()));
    let source = ManualSource::new();
    let sender = source.sender();
    let mut config = StreamConfig::new().stream_output(["crop"]);
    config.turn_server = Some(json!({"iceServers": []}));
    let definition = full_frame(shape.shape.width, shape.shape.height);
    let session = Client::new(url).stream(source, Workflow::inline(definition), config)?;
    let seen = Arc::clone(&times);
    session.on_frame(move |event| {
        let now = Instant::now();
        let Some(number) = read_pattern_counter(&event.frame) else {
            return;
        };
        let mut times = seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = times.last.replace(now) {
            times.longest_gap = times.longest_gap.max(now - last);
        }
        times.back.entry(number).or_insert(now);
    });
    session.start()?;
    let pushed = Arc::clone(&times);
    let pusher = std::thread::spawn(move || push(&sender, shape, &pushed));
    session.run()?;
    pusher
        .join()
        .map_err(|_| anyhow::anyhow!("the pushing thread failed"))??;
    let times = times.lock().unwrap_or_else(PoisonError::into_inner);
    let mut latencies: Vec<f64> = times
        .back
        .iter()
        .filter_map(|(number, back)| {
            let pushed = times.pushed.get(number)?;
            Some(back.saturating_duration_since(*pushed).as_secs_f64() * 1e3)
        })
        .collect();
    latencies.sort_by(f64::total_cmp);
    ensure!(!latencies.is_empty(), "no picture came back");
    Ok(LiveSession {
        latencies,
        longest_gap: times.longest_gap,
        stats: session.stats(),
    })
}

fn push(sender: &FrameSender, shape: LiveShape, times: &Mutex<Times>) -> anyhow::Result<()> {
    let spec = shape.shape;
    let pool = FramePool::default();
    let mut pattern = TestPattern::new(spec.width, spec.height, spec.nominal_fps())?;
    let begin = Instant::now();
    for number in 1..=shape.frames {
        let frame = pattern.frame(number, &pool)?;
        let due = begin + spec.interval().mul_f64(f64::from(number - 1));
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        times
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pushed
            .insert(number, Instant::now());
        sender.send(frame)?;
    }
    sender.end();
    Ok(())
}
