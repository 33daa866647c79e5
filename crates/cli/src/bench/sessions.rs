//! How many live sessions run at once before their frames come late. All clients here, one worker process.
//! Not here: sessions on several machines.

use anyhow::Context;

use super::live::{LiveSession, one_session};
use super::report;
use super::worker_process::WorkerProcess;
use crate::args::LiveShape;
use crate::usage;

pub(crate) fn run(shape: LiveShape, max: u32, limit_ms: f64) -> anyhow::Result<()> {
    let (mut carried, mut failed) = (0, max + 1);
    let mut memory: Vec<(u32, f64)> = Vec::new();
    // Doubling until it is too much, then halving the difference.
    let mut next = 1;
    while failed - carried > 1 {
        let round = round(next, max, shape, limit_ms)?;
        memory.push((next, round.worker_rss));
        let case = format!("{next}_sessions_worst_p95");
        report::print("sessions", &case, "ms", &[round.worst_p95]);
        let case = format!("{next}_sessions_cpu");
        report::print("sessions", &case, "cpu s/s", &[round.cpu_rate]);
        if round.in_time {
            carried = next;
        } else {
            failed = next;
        }
        next = if failed > max {
            (carried * 2).min(max)
        } else {
            carried.midpoint(failed)
        };
    }
    report::print("sessions", "carried", "sessions", &[f64::from(carried)]);
    let few = memory.iter().min_by_key(|(n, _)| *n);
    let many = memory.iter().max_by_key(|(n, _)| *n);
    if let (Some((a, low)), Some((b, high))) = (few, many)
        && b > a
    {
        let each = (high - low) / f64::from(b - a);
        report::print("sessions", "worker_rss_per_session", "MiB", &[each]);
    }
    Ok(())
}

struct Round {
    worst_p95: f64,
    /// Every session in time, with at least 99 of 100 frames.
    in_time: bool,
    worker_rss: f64,
    /// CPU seconds of both ends for each second.
    cpu_rate: f64,
}

fn round(count: u32, max: u32, shape: LiveShape, limit_ms: f64) -> anyhow::Result<Round> {
    let worker = WorkerProcess::start(&["--max-sessions", &max.to_string()])?;
    let (begun, cpu) = (std::time::Instant::now(), usage::cpu_seconds());
    let before = worker.cpu_seconds()?;
    let url = worker.url.as_str();
    let sessions: Vec<anyhow::Result<LiveSession>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..count)
            .map(|_| scope.spawn(move || one_session(url, shape)))
            .collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, _>| {
            thread
                .join()
                .unwrap_or_else(|_| Err(anyhow::anyhow!("a session's thread failed")))
        };
        threads.into_iter().map(join).collect()
    });
    let used = usage::cpu_seconds() - cpu + worker.cpu_seconds()? - before;
    let cpu_rate = used / begun.elapsed().as_secs_f64();
    let (mut worst_p95, mut in_time) = (0.0f64, true);
    for session in sessions {
        let session = session.context("a session failed")?;
        let p95 = session.percentile(0.95)?;
        worst_p95 = worst_p95.max(p95);
        in_time &=
            p95 <= limit_ms && session.latencies.len() as f64 >= 0.99 * f64::from(shape.frames);
    }
    Ok(Round {
        worst_p95,
        in_time,
        worker_rss: worker.max_rss_mb()?,
        cpu_rate,
    })
}
