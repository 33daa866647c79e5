//! A whole job: upload, decode, full frames back on the data channel, decoded here. The worker is a process of its own.
//! Not here: models; a crop of the whole frame shows what the way itself costs.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, ensure};
use framewire::{Client, StreamConfig, VideoFileSource, Workflow};
use serde_json::{Value, json};

use super::full_frame;
use super::report;
use super::worker_process::WorkerProcess;
use crate::usage;

pub(crate) fn run(file: &Path, api_url: Option<&str>, n: u32) -> anyhow::Result<()> {
    let info = framewire_media::probe(file)?;
    let path = file.to_str().context("the path is not UTF-8")?;
    let definition = full_frame(info.width, info.height);
    let mut figures: [(&str, &str, Vec<f64>); 7] = [
        ("fps", "frames/s", vec![]),
        ("client_cpu_seconds", "s", vec![]),
        ("client_rss_mb", "MiB", vec![]),
        ("upload_to_first_frame_s", "s", vec![]),
        ("worker_cpu_seconds", "s", vec![]),
        ("worker_rss_mb", "MiB", vec![]),
        ("serve_ready_s", "s", vec![]),
    ];
    for _ in 0..n {
        let worker = if api_url.is_none() {
            Some(WorkerProcess::start(&[])?)
        } else {
            None
        };
        let url = worker
            .as_ref()
            .map_or(api_url.unwrap_or_default(), |worker| &worker.url);
        let before = worker
            .as_ref()
            .map(WorkerProcess::cpu_seconds)
            .transpose()?;
        let job = one_job(url, path, definition.clone())?;
        let mut values = vec![
            job.fps,
            job.cpu_seconds,
            usage::max_rss_mb(),
            job.upload_to_first_frame,
        ];
        if let (Some(worker), Some(before)) = (&worker, before) {
            values.extend([
                worker.cpu_seconds()? - before,
                worker.max_rss_mb()?,
                worker.ready_seconds,
            ]);
        }
        figures
            .iter_mut()
            .zip(values)
            .for_each(|((_, _, all), value)| all.push(value));
    }
    for (case, unit, values) in figures {
        report::print("frames", case, unit, &values);
    }
    Ok(())
}

struct Job {
    fps: f64,
    cpu_seconds: f64,
    upload_to_first_frame: f64,
}

fn one_job(url: &str, path: &str, definition: Value) -> anyhow::Result<Job> {
    let uploaded = Arc::new(Mutex::new(None));
    let first_frame = Arc::new(Mutex::new(None));
    let on_upload = Arc::clone(&uploaded);
    let source = VideoFileSource::new(path).on_upload_progress(move |sent, total| {
        if sent == total {
            *on_upload.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
    });
    let mut config = StreamConfig::new().stream_output(["crop"]);
    config.turn_server = Some(json!({"iceServers": []}));
    let cpu = usage::cpu_seconds();
    let session = Client::new(url).stream(source, Workflow::inline(definition), config)?;
    let on_first = Arc::clone(&first_frame);
    session.on_frame(move |_| {
        on_first
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert_with(Instant::now);
    });
    session.run()?;
    let cpu_seconds = usage::cpu_seconds() - cpu;
    let stats = session.stats();
    let lost: u64 = stats.frames.dropped.values().sum();
    ensure!(
        lost == 0 && stats.frames.delivered == stats.frames.produced,
        "frames were lost: {:?}",
        stats.frames
    );
    let uploaded = uploaded
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .context("the upload did not end")?;
    let first = first_frame
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .context("no frame came back")?;
    Ok(Job {
        fps: stats.fps.context("too few frames for a rate")?,
        cpu_seconds,
        upload_to_first_frame: first.saturating_duration_since(uploaded).as_secs_f64(),
    })
}
