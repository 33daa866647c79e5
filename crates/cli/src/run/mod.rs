//! `framewire run`: one session from options to files, summary and exit status.
//! Not here: what a session does; see the `framewire` crate.

mod collector;
mod pattern;
mod plan;
pub(crate) mod source;
mod stop;
mod verdict;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use framewire::{
    Client, ClientOptions, ConfigError, FrameSender, LocalStreamSource, ManualSource, MjpegSource,
    Recovery, RtspSource, Session, SessionStats, Source, VideoFileSource, WebcamSource, Workflow,
};
use framewire_worker::{Worker, WorkerConfig, WorkerEnv};

use crate::args::RunArgs;
use crate::exit::{self, Failure};
use crate::output::atomic::Sink;
use crate::output::progress::Progress;
use crate::output::summary::{Ended, Summary, rounded};
use crate::output::table;
use crate::signals::{Request, Watch};
use crate::{logging, models_dir};
use collector::Collector;
use plan::{BUNDLED_MODEL, Plan};
use source::{SourceSpec, TestSpec};
use stop::{Reason, Stop};
use verdict::{Facts, Verdict, summary};

/// Sessions of the embedded worker end with ours; this long it may take to let go of them.
const WORKER_SHUTDOWN: Duration = Duration::from_secs(5);

pub(crate) fn run(args: RunArgs) -> u8 {
    logging::init(&args.log, "warn");
    match stream(&args) {
        Ok(status) => status,
        Err(failure) => {
            exit::last_line(&failure);
            failure.status
        }
    }
}

/// Everything up to the session's end and the files. `Err` means that no session was even described.
fn stream(args: &RunArgs) -> Result<u8, Failure> {
    let started = Instant::now();
    let plan = Plan::new(args).map_err(Failure::unusable)?;
    let mut summary_sink = args
        .summary
        .as_deref()
        .map(Sink::create)
        .transpose()
        .map_err(Failure::unusable)?;
    let mut report = |outcome: &Outcome| -> anyhow::Result<()> {
        let Some(mut sink) = summary_sink.take() else {
            return Ok(());
        };
        serde_json::to_writer_pretty(&mut sink, &outcome.summary)
            .context("cannot write the summary")?;
        std::io::Write::write_all(&mut sink, b"\n").context("cannot write the summary")?;
        sink.finish()
    };
    let outcome = match session(args, plan) {
        Ok(outcome) => outcome,
        Err(failure) => Outcome::not_streamed(args, started, failure),
    };
    let written = report(&outcome);
    let table = table::render(&outcome.summary, &outcome.detections);
    if outcome.summary.results > 0 {
        if [&args.out_data, &args.summary]
            .into_iter()
            .flatten()
            .any(|path| path.as_os_str() == "-")
        {
            eprint!("{table}");
        } else {
            use std::io::Write;
            // A closed pipe here loses a table, nothing else.
            let _ = std::io::stdout().write_all(table.as_bytes());
        }
    }
    if let Err(error) = written {
        exit::last_line(format_args!("{error:#}"));
        return Ok(exit::STREAM_FAILED.max(outcome.status));
    }
    exit::last_line(&outcome.sentence);
    Ok(outcome.status)
}

/// What a run came to.
struct Outcome {
    summary: Summary,
    detections: std::collections::BTreeMap<String, u64>,
    sentence: String,
    status: u8,
}

fn session(args: &RunArgs, plan: Plan) -> Result<Outcome, Failure> {
    let frames_expected = expected_frames(&plan.source)?;
    let stop = Arc::new(Stop::default());
    // Before anything slow: Ctrl-C during model loading or connecting must end the run in order, too.
    let on_signal = Arc::clone(&stop);
    let _watch = Watch::start(move |request| {
        on_signal.request(match request {
            Request::Interrupt => Reason::Interrupted,
            Request::Terminate => Reason::Terminated,
        });
    })
    .context("cannot watch for signals")
    .map_err(Failure::unusable)?;

    let worker = if args.api_url.is_none() {
        Some(start_worker(args, &plan)?)
    } else {
        None
    };
    let api_url = match (&args.api_url, &worker) {
        (Some(url), _) => url.clone(),
        (None, Some(worker)) => format!("http://{}", worker.local_addr()),
        (None, None) => unreachable!("a worker was started when no address was given"),
    };
    let mut client = Client::new(&api_url).with_options(options(args).map_err(Failure::unusable)?);
    if let Some(key) = api_key(args.api_key.clone()) {
        client = client.with_api_key(key);
    }
    let progress = Progress::new(!args.no_progress, args.max_frames.or(frames_expected));
    let collector = Collector::create(args, &plan, progress.clone()).map_err(Failure::unusable)?;
    let facts = Facts::of(&plan);
    let (session, pattern) = describe(&client, plan, &progress).map_err(|error| match error {
        ConfigError::TaskTypeLookup { .. } => Failure::new(exit::NOT_CONNECTED, error),
        other => Failure::unusable(other),
    })?;
    let collector = collector.attach(&session, &stop, facts.track);
    stop.attach(session.closer());
    let timer = args
        .timeout
        .map(|seconds| stop.after(Duration::from_secs_f64(seconds)));
    // Test pictures are made once they have somewhere to go.
    let result = match pattern {
        Some((spec, sender)) => session.start().and_then(|()| {
            pattern::play(spec, sender);
            session.run()
        }),
        None => session.run(),
    };
    drop(timer);
    progress.finish();
    let stats = session.stats();
    drop(session);
    if let Some(worker) = worker {
        worker.shutdown(WORKER_SHUTDOWN);
    }
    let (files, detections) = collector.finish();
    let verdict = Verdict::new(facts, result, files, stop.reason(), &stats);
    let summary = summary(args, facts, verdict.ended, verdict.error.clone(), &stats);
    Ok(Outcome {
        summary,
        detections,
        sentence: verdict.sentence(&stats),
        status: verdict.status,
    })
}

/// Checks a local file and tells how many frames will come, if that is known.
fn expected_frames(source: &SourceSpec) -> Result<Option<u64>, Failure> {
    match source {
        SourceSpec::File(path) if !VideoFileSource::new(path).is_url() => {
            let info = framewire_media::probe(path).map_err(Failure::unusable)?;
            Ok(info.frames)
        }
        SourceSpec::Test(spec) => Ok(spec.frames),
        _ => Ok(None),
    }
}

fn start_worker(args: &RunArgs, plan: &Plan) -> Result<Worker, Failure> {
    let models = models_dir::find(args.models.as_deref());
    let bundled = matches!(&plan.workflow, Workflow::Model { id, .. } if id == BUNDLED_MODEL);
    if bundled && models.is_none() {
        return Err(Failure::unusable(anyhow::anyhow!(models_dir::NONE_FOUND)));
    }
    let mut config = WorkerConfig::embedded();
    config.env = WorkerEnv::from_process().map_err(Failure::unusable)?;
    config.env.public_stun_servers = Some(Vec::new());
    config.models_dir = models;
    Worker::start(config)
        .context("cannot start the embedded worker")
        .map_err(Failure::unusable)
}

/// The key given as an option, else the one in the environment.
pub(crate) fn api_key(given: Option<String>) -> Option<String> {
    let variable = |name| std::env::var(name).ok().filter(|key| !key.is_empty());
    given
        .or_else(|| variable("FRAMEWIRE_API_KEY"))
        .or_else(|| variable("ROBOFLOW_API_KEY"))
}

fn options(args: &RunArgs) -> Result<ClientOptions, ConfigError> {
    let mut options = ClientOptions::from_env()?;
    options.relay_only = args.relay_only;
    options.reconnect = args.reconnect.into();
    options.recovery = Recovery::default().with_attempts(args.recover);
    Ok(options)
}

/// A session, and what feeds it when this process makes the pictures.
type Described = (Session, Option<(TestSpec, FrameSender)>);

fn describe(client: &Client, plan: Plan, progress: &Progress) -> Result<Described, ConfigError> {
    let mut pattern = None;
    let source: Source = match plan.source {
        SourceSpec::File(path) => {
            let bars = progress.clone();
            let source = VideoFileSource::new(path)
                .realtime_processing(plan.realtime)
                .track_frames(plan.track)
                .on_upload_progress(move |_, _| bars.uploaded());
            match plan.upload_id {
                Some(id) => source.upload_id(id).into(),
                None => source.into(),
            }
        }
        SourceSpec::Local(url) => LocalStreamSource::new(url)?.into(),
        SourceSpec::Rtsp(url) => RtspSource::new(url)?.into(),
        SourceSpec::Mjpeg(url) => MjpegSource::new(url)?.into(),
        SourceSpec::Webcam(device) => WebcamSource::new(device).into(),
        SourceSpec::Test(spec) => {
            let source = ManualSource::new();
            pattern = Some((spec, source.sender()));
            source.into()
        }
    };
    let workflow = match plan.workflow {
        Workflow::Model {
            id,
            task_type: None,
        } => {
            let task_type = Some(client.find_task_type(&id)?);
            Workflow::Model { id, task_type }
        }
        other => other,
    };
    let session = client.stream(source, workflow, plan.config)?;
    progress.watch(session.observer());
    Ok((session, pattern))
}

impl Outcome {
    /// The outcome of a run that failed before a session existed.
    fn not_streamed(args: &RunArgs, started: Instant, failure: Failure) -> Self {
        let error = failure.to_string();
        let mut summary = summary(
            args,
            Facts::default(),
            Ended::Error,
            Some(error.clone()),
            &SessionStats::default(),
        );
        summary.seconds = rounded(started.elapsed().as_secs_f64());
        Self {
            summary,
            detections: Default::default(),
            sentence: error,
            status: failure.status,
        }
    }
}
