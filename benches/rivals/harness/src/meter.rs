//! Counts bytes and messages of one side and reports a window of the transfer, with the CPU time it took.
//! The window begins some time after the first message, so that a start-up phase can be left out.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

use crate::{Command, say};

/// The part of a transfer that is reported.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// Left out after the first message.
    pub skip: Duration,
    /// Reported.
    pub length: Duration,
}

impl Window {
    /// From the fields `skip` and `seconds` of a command.
    pub fn of(command: &Command) -> Window {
        Window {
            skip: Duration::from_secs_f64(command.real("skip", 0.0)),
            length: Duration::from_secs_f64(command.real("seconds", 1.0)),
        }
    }
}

/// One side's counters. Clones count into the same.
#[derive(Debug, Clone, Default)]
pub struct Meter(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    bytes: AtomicU64,
    messages: AtomicU64,
    started: AtomicBool,
    delays: Mutex<Vec<u64>>,
}

#[derive(Clone, Copy)]
struct Snapshot {
    bytes: u64,
    messages: u64,
    cpu: f64,
    at: Instant,
}

impl Meter {
    /// Counts a message. The first one starts the window, whose end prints `event`, with what `more` then says.
    pub fn add(
        &self,
        bytes: usize,
        window: Window,
        event: &'static str,
        more: impl FnOnce() -> Value + Send + 'static,
    ) {
        self.0.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.0.messages.fetch_add(1, Ordering::Relaxed);
        if !self.0.started.load(Ordering::Relaxed) && !self.0.started.swap(true, Ordering::Relaxed) {
            let meter = self.clone();
            std::thread::spawn(move || meter.report(window, event, more));
        }
    }

    /// Notes how long ago a message was stamped with [`stamp`].
    pub fn delayed(&self, message: &[u8]) {
        let Some(Ok(stamp)) = message.get(..8).map(TryInto::try_into) else { return };
        let delay = now_ns().saturating_sub(u64::from_le_bytes(stamp));
        self.0.delays.lock().unwrap_or_else(PoisonError::into_inner).push(delay);
    }

    fn report(&self, window: Window, event: &str, more: impl FnOnce() -> Value) {
        std::thread::sleep(window.skip);
        self.0.delays.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let begin = self.snapshot();
        std::thread::sleep(window.length);
        let end = self.snapshot();
        let mut delays = std::mem::take(&mut *self.0.delays.lock().unwrap_or_else(PoisonError::into_inner));
        delays.sort_unstable();
        let quantile = |q: f64| delays.get(((delays.len().max(1) - 1) as f64 * q) as usize).map(|d| *d as f64 / 1e6);
        say(
            event,
            json!({
                "bytes": end.bytes - begin.bytes,
                "messages": end.messages - begin.messages,
                "seconds": (end.at - begin.at).as_secs_f64(),
                "cpu": end.cpu - begin.cpu,
                "rss_mb": peak_rss_mb(),
                "probes": delays.len(),
                "p50_ms": quantile(0.5),
                "p99_ms": quantile(0.99),
                "more": more(),
            }),
        );
    }

    fn snapshot(&self) -> Snapshot {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        Snapshot {
            bytes: self.0.bytes.load(Ordering::Relaxed),
            messages: self.0.messages.load(Ordering::Relaxed),
            cpu: cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9,
            at: Instant::now(),
        }
    }
}

/// The monotonic clock, which is the same for all processes of the machine.
pub fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// Writes the time into the first eight bytes of a probe.
pub fn stamp(message: &mut [u8]) {
    if let Some(place) = message.get_mut(..8) {
        place.copy_from_slice(&now_ns().to_le_bytes());
    }
}

fn peak_rss_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|l| l.trim().trim_end_matches("kB").trim().parse::<f64>().ok());
    kilobytes.unwrap_or(0.0) / 1024.0
}
