//! An upload as part of a session with a worker in a process of its own: read, hashed on both sides, sent, written, verified.
//! Not here: what follows it; the video in the file is ten small pictures, the rest is padding.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use anyhow::{Context, ensure};
use framewire::{Client, StreamConfig, VideoFileSource, Workflow};
use framewire_media::{Mp4Options, Mp4Writer, TestPattern};
use serde_json::json;

use super::full_frame;
use super::report;
use super::worker_process::WorkerProcess;
use crate::usage;

const SIZE: u32 = 64;
const PICTURES: u32 = 10;

pub(crate) fn run(megabytes: u64, n: u32) -> anyhow::Result<()> {
    let file = tempfile::NamedTempFile::with_suffix(".mp4").context("cannot make the file")?;
    write_video(file.path(), megabytes * 1_000_000)?;
    let (mut rates, mut near, mut far) = (vec![], vec![], vec![]);
    let gigabytes = megabytes as f64 / 1e3;
    for _ in 0..n {
        let worker = WorkerProcess::start(&[])?;
        let before = (usage::cpu_seconds(), worker.cpu_seconds()?);
        let seconds = one(&worker.url, file.path())?;
        rates.push(megabytes as f64 / seconds);
        near.push((usage::cpu_seconds() - before.0) / gigabytes);
        far.push((worker.cpu_seconds()? - before.1) / gigabytes);
    }
    report::print("upload_session", "rate", "MB/s", &rates);
    report::print("upload_session", "client_cpu_s_per_gb", "s/GB", &near);
    report::print("upload_session", "worker_cpu_s_per_gb", "s/GB", &far);
    Ok(())
}

/// A video that players find complete, with a box behind it that they skip.
fn write_video(path: &Path, size: u64) -> anyhow::Result<()> {
    let mut pattern = TestPattern::new(SIZE, SIZE, 25)?;
    let pool = framewire_media::FramePool::default();
    let mut writer = Mp4Writer::create(path, Mp4Options::default())?;
    for index in 0..PICTURES {
        writer.write(&pattern.frame(index, &pool)?)?;
    }
    writer.finish()?;
    let mut file = OpenOptions::new().append(true).open(path)?;
    // Length 0: until the end of the file.
    file.write_all(b"\0\0\0\0free")?;
    let block: Vec<u8> = (0..1_000_000u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 11) as u8)
        .collect();
    let mut left = size.saturating_sub(file.metadata()?.len());
    while left > 0 {
        let part = left.min(block.len() as u64) as usize;
        file.write_all(&block[..part])?;
        left -= part as u64;
    }
    Ok(())
}

/// Seconds from the first chunk until the worker had confirmed the file, and made its few results.
fn one(url: &str, file: &Path) -> anyhow::Result<f64> {
    let path = file.to_str().context("the path is not UTF-8")?;
    let begun = Arc::new(OnceLock::new());
    let first = begun.clone();
    let source = VideoFileSource::new(path).on_upload_progress(move |_, _| {
        first.get_or_init(Instant::now);
    });
    let workflow = Workflow::inline(full_frame(SIZE, SIZE));
    let mut config = StreamConfig::new().data_output(["crop"]);
    config.turn_server = Some(json!({"iceServers": []}));
    let session = Client::new(url).stream(source, workflow, config)?;
    session.run()?;
    let begun = begun.get().context("nothing was uploaded")?;
    let seconds = begun.elapsed().as_secs_f64();
    ensure!(
        session.stats().upload.verified,
        "the worker did not verify the upload"
    );
    Ok(seconds)
}
