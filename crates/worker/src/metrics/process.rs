//! What the process uses, under the names every Prometheus client has for it.
//! Not the machine, and nothing but Linux: what the system does not tell is left out.

use std::fs;

use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

use super::text::Page;

pub(super) fn render(page: &mut Page) {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    page.counter(
        "process_cpu_seconds_total",
        "CPU time of all threads, user and system.",
        time.tv_sec as f64 + time.tv_nsec as f64 / 1e9,
    );
    if let Some((whole, resident)) = memory() {
        page.gauge("process_resident_memory_bytes", "Memory in use.", resident);
        page.gauge(
            "process_virtual_memory_bytes",
            "Address space in use.",
            whole,
        );
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        // Reading the folder takes one itself.
        let open = open.count().saturating_sub(1);
        page.gauge("process_open_fds", "Open file descriptors.", open);
    }
    if let Some(limit) = getrlimit(Resource::Nofile).current {
        page.gauge("process_max_fds", "File descriptors allowed.", limit);
    }
    if let Some(threads) = stat_field(20) {
        page.gauge("process_threads", "Threads.", threads);
    }
    if let Some(start) = start() {
        page.gauge(
            "process_start_time_seconds",
            "When the process started, in seconds since 1970.",
            start,
        );
    }
}

/// Address space and resident set, in bytes.
fn memory() -> Option<(u64, u64)> {
    let text = fs::read_to_string("/proc/self/statm").ok()?;
    let mut pages = text.split(' ').map(|field| field.parse::<u64>().ok());
    let page = rustix::param::page_size() as u64;
    Some((pages.next()?? * page, pages.next()?? * page))
}

fn start() -> Option<f64> {
    let ticks = stat_field(22)? as f64 / rustix::param::clock_ticks_per_second() as f64;
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let boot = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
    Some(boot.trim().parse::<f64>().ok()? + ticks)
}

/// A field of `/proc/self/stat`, numbered from 1 as in its manual.
fn stat_field(number: usize) -> Option<u64> {
    let text = fs::read_to_string("/proc/self/stat").ok()?;
    // The second, in parentheses, may hold spaces.
    let (_, rest) = text.rsplit_once(')')?;
    rest.split_whitespace().nth(number - 3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_process_has_memory_threads_and_a_beginning_in_the_past() {
        let (whole, resident) = memory().unwrap();
        assert!(whole > resident && resident > 100_000);
        assert!(stat_field(20).unwrap() >= 1);
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
        let age = now.as_secs_f64() - start().unwrap();
        // `btime` is whole seconds.
        assert!((-2.0..86_400.0).contains(&age), "{age}");
    }
}
