//! What a process has used so far: CPU time and memory.
//! Not here: anything but Linux; elsewhere other processes and memory read as an error or 0.

use anyhow::Context;
use rustix::time::{ClockId, clock_gettime};

/// CPU seconds of all threads of this process, user and system.
pub(crate) fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Peak resident set of this process in MiB, as memory is counted everywhere else; 0 where the system does not tell.
pub(crate) fn max_rss_mb() -> f64 {
    max_rss_mb_of(std::process::id()).unwrap_or(0.0)
}

/// CPU seconds of another process.
pub(crate) fn cpu_seconds_of(pid: u32) -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name, in parentheses, may hold spaces; the fields after it are numbered from 3.
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let ticks = |index: usize| {
        fields
            .get(index)
            .and_then(|field| field.parse::<u64>().ok())
    };
    let (user, system) = ticks(11)
        .zip(ticks(12))
        .context("unexpected /proc/PID/stat")?;
    Ok((user + system) as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// Peak resident set of another process in MiB.
pub(crate) fn max_rss_mb_of(pid: u32) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .context("no VmHWM in /proc/PID/status")?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_process_has_used_something() {
        assert!(cpu_seconds() > 0.0);
        assert!(max_rss_mb() > 0.5);
        assert!(cpu_seconds_of(std::process::id()).unwrap() < cpu_seconds() + 1.0);
    }
}
