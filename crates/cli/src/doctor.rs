//! `framewire doctor`: walks the way to a worker and prints what it finds, as a table or as JSON.
//! Not the examination, which is the library's.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use anyhow::Context;
use framewire::{
    CheckStep, Client, ClientOptions, DoctorEvent, DoctorOptions, DoctorReport, StepReport,
    StepStatus,
};
use framewire_worker::{Worker, WorkerConfig, WorkerEnv};
use indicatif::{ProgressBar, ProgressStyle};

use crate::args::DoctorArgs;
use crate::exit::{self, Failure};
use crate::signals::{Request, Watch};
use crate::{logging, run};

/// The embedded worker's sessions ended with ours; this long it may take to let go of them.
const WORKER_SHUTDOWN: Duration = Duration::from_secs(2);
/// What stands for the address of the embedded worker, as in the summary of a run.
const EMBEDDED: &str = "embedded";

pub(crate) fn doctor(args: DoctorArgs) -> u8 {
    // What goes wrong is told by the steps; the library's own warnings would only stand between them.
    logging::init(&args.log, "error");
    match examine(&args) {
        Ok(report) => {
            exit::last_line(sentence(&report));
            if report.ok {
                exit::OK
            } else {
                exit::NOT_CONNECTED
            }
        }
        Err(failure) => {
            exit::last_line(&failure);
            failure.status
        }
    }
}

fn examine(args: &DoctorArgs) -> Result<DoctorReport, Failure> {
    let screen = Screen::new(args.json);
    let ending = screen.spinner.clone();
    // Nothing is left to be put in order: the sessions end with the process, and the worker notices at once.
    let _watch = Watch::start(move |request| {
        ending.finish_and_clear();
        let status = match request {
            Request::Interrupt => exit::INTERRUPTED,
            Request::Terminate => exit::TERMINATED,
        };
        exit::last_line("interrupted");
        std::process::exit(i32::from(status));
    })
    .context("cannot watch for signals")
    .map_err(Failure::unusable)?;

    let worker = match &args.api_url {
        Some(_) => None,
        None => Some(start_worker()?),
    };
    let address = match (&args.api_url, &worker) {
        (Some(url), _) => url.clone(),
        (None, Some(worker)) => format!("http://{}", worker.local_addr()),
        (None, None) => unreachable!("a worker was started when no address was given"),
    };
    let mut options = ClientOptions::from_env().map_err(Failure::unusable)?;
    options.relay_only = args.relay_only;
    let mut client = Client::new(&address).with_options(options);
    if let Some(key) = run::api_key(args.api_key.clone()) {
        client = client.with_api_key(key);
    }
    let mut wanted = DoctorOptions::new().no_throughput(args.no_throughput);
    wanted.ice_servers = args.ice_servers.clone();
    let doctor = client.doctor(wanted).map_err(Failure::unusable)?;
    if worker.is_some() {
        screen.say("no --api-url: this is about a worker started inside this process");
    }
    let mut report = doctor.run(|event| screen.show(event));
    screen.spinner.finish_and_clear();
    if let Some(worker) = worker {
        report.api_url = EMBEDDED.to_owned();
        worker.shutdown(WORKER_SHUTDOWN);
    }
    if args.json {
        let mut text = serde_json::to_string_pretty(&report)
            .context("cannot write the report")
            .map_err(Failure::unusable)?;
        text.push('\n');
        // A closed pipe loses the report, and its reader wanted no more of it.
        let _ = std::io::stdout().write_all(text.as_bytes());
    }
    Ok(report)
}

fn start_worker() -> Result<Worker, Failure> {
    let mut config = WorkerConfig::embedded();
    config.env = WorkerEnv::from_process().map_err(Failure::unusable)?;
    config.env.public_stun_servers = Some(Vec::new());
    Worker::start(config)
        .context("cannot start the embedded worker")
        .map_err(Failure::unusable)
}

/// What it all means.
fn sentence(report: &DoctorReport) -> String {
    let with = match report.api_url.as_str() {
        EMBEDDED => "a worker of this machine's own",
        url => url,
    };
    match (report.ok, report.decisive()) {
        (true, None) => format!("a session with {with} works"),
        (true, Some(but)) => format!("a session works, but {but}"),
        (false, Some(why)) => why.to_string(),
        (false, None) => format!("a session with {with} does not work"),
    }
}

/// Where the steps are shown while they are walked.
struct Screen {
    json: bool,
    colours: bool,
    spinner: ProgressBar,
}

impl Screen {
    fn new(json: bool) -> Screen {
        let colours = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let spinner = match std::io::stderr().is_terminal() {
            true => ProgressBar::new_spinner(),
            false => ProgressBar::hidden(),
        };
        let style = ProgressStyle::with_template("{spinner} {msg} {elapsed}");
        spinner.set_style(style.expect("the template is a constant checked by a test"));
        Screen {
            json,
            colours,
            spinner,
        }
    }

    fn show(&self, event: DoctorEvent<'_>) {
        match event {
            DoctorEvent::Begun(step) => {
                self.spinner.set_message(doing(step));
                self.spinner.enable_steady_tick(Duration::from_millis(100));
            }
            DoctorEvent::Done(step) => self.say(&row(step, self.colours)),
            _ => {}
        }
    }

    /// A line on stdout, with the spinner out of its way. With JSON there is nothing else there.
    fn say(&self, text: &str) {
        if !self.json {
            self.spinner.suspend(|| {
                // A closed pipe loses lines, nothing else.
                let _ = writeln!(std::io::stdout(), "{text}");
            });
        }
    }
}

/// What is under way, in the words of the spinner.
fn doing(step: CheckStep) -> &'static str {
    match step {
        CheckStep::ThroughputUp => "sending as fast as the path takes it",
        CheckStep::ThroughputDown => "receiving as fast as the path takes it",
        other => other.as_str(),
    }
}

/// One line of the table, and of a failed step what is wrong and what to try below it.
fn row(step: &StepReport, colours: bool) -> String {
    let (mark, colour) = match step.status {
        StepStatus::Ok => ("ok", "32"),
        StepStatus::Failed => ("FAILED", "31"),
        _ => ("skipped", "2"),
    };
    let time = match step.took {
        Duration::ZERO => String::new(),
        took => format!("{:.1} ms", took.as_secs_f64() * 1e3),
    };
    let mark = format!("{mark:<8}");
    let mark = match colours {
        true => format!("\u{1b}[{colour}m{mark}\u{1b}[0m"),
        false => mark,
    };
    let mut text = format!("{mark}{:<16}{time:>10}  ", step.step.as_str());
    if let Some(url) = &step.url {
        let _ = write!(text, "{url}: "); // writing to a text cannot fail
    }
    text.push_str(&step.detail);
    if let Some(diagnosis) = &step.diagnosis {
        let _ = write!(text, "\n{:8}{}: {}", "", diagnosis.cause, diagnosis.problem);
        let _ = write!(text, "\n{:8}try: {}", "", diagnosis.advice);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_screen_can_be_made() {
        Screen::new(true).say("nothing is shown");
    }
}
