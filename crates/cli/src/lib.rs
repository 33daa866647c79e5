//! The `framewire` command line: argument parsing, terminal output, files, exit statuses.
//! Not here: anything a library user would miss; sessions live in `framewire`, the worker in `framewire-worker`.
#![forbid(unsafe_code)]

mod args;
mod bench;
mod doctor;
mod exit;
mod logging;
mod models;
mod models_dir;
mod output;
mod run;
mod serve;
mod signals;
mod usage;
mod values;

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use args::{Cli, Command};

/// Runs the command line given by `args` (the program's name first) and returns the process's exit status.
///
/// Blocks until the command has ended. Usage errors are printed to stderr with status 2; `--help` and
/// `--version` go to stdout with status 0.
pub fn main_from(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let status = status_of(args);
    // A run that was interrupted while it connected may still be making keys: the process must not end below that.
    framewire::wait_for_background(EXIT_WAIT);
    ExitCode::from(status)
}

/// Longest wait for that; usually there is nothing to wait for.
const EXIT_WAIT: Duration = Duration::from_secs(2);

/// As [`main_from`], with the exit status as a number: for a caller that is not a process of its own.
pub fn status_of(args: impl IntoIterator<Item = OsString>) -> u8 {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) if error.kind() == clap::error::ErrorKind::DisplayVersion => {
            // Longer than clap's own: it names the libraries found at run time.
            use std::io::Write;
            let _ = std::io::stdout().write_all(models::long_version().as_bytes());
            return exit::OK;
        }
        Err(error) => {
            // clap prints help and version to stdout and errors to stderr; a closed pipe is no failure here.
            let _ = error.print();
            return if error.use_stderr() {
                exit::UNUSABLE_INPUT
            } else {
                exit::OK
            };
        }
    };
    match cli.command {
        Command::Run(args) => run::run(*args),
        Command::Serve(args) => serve::serve(*args),
        Command::Doctor(args) => doctor::doctor(*args),
        Command::Models(args) => models::models(args),
        Command::Bench(args) => bench::bench(args),
    }
}
