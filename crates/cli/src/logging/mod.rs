//! Log lines on stderr, as text or JSON.
//! Not here: what is logged; libraries use `tracing`.

mod json;

use std::fmt::Display;
use std::io::IsTerminal;
use std::sync::OnceLock;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::args::{LogArgs, LogFormat};
use json::JsonLines;

/// Installs the process's log subscriber. `RUST_LOG` wins over `-v`. A second call changes nothing.
pub(crate) fn init(args: &LogArgs, default_level: &str) {
    let level = match args.verbose {
        0 => default_level,
        1 => "info",
        _ => "debug",
    };
    // Third-party crates stay at warnings unless RUST_LOG asks for them.
    let directives = format!(
        "warn,framewire={level},framewire_client={level},framewire_worker={level},framewire_transport={level},\
         framewire_media={level},framewire_protocol={level},framewire_cli={level}"
    );
    let mut filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(directives));
    // The ICE agent logs its passwords at debug level, the TURN client could; nothing in the environment may bring them
    // out. What a TURN server answers, and what is wrong with a certificate, our own errors tell.
    for quiet in [
        "is=warn",
        "turn_client_proto=error",
        "turn_types=warn",
        "stun_proto=off",
        "rustls_platform_verifier=off",
        "stun_types=warn",
    ] {
        filter = filter.add_directive(quiet.parse().expect("a constant directive"));
    }
    let _ = JSON.set(args.log_format == LogFormat::Json);
    let registry = tracing_subscriber::registry().with(filter);
    let _ = match args.log_format {
        LogFormat::Text => registry
            .with(
                tracing_subscriber::fmt::layer()
                    .with_ansi(std::io::stderr().is_terminal())
                    .with_writer(std::io::stderr),
            )
            .try_init(),
        LogFormat::Json => registry.with(JsonLines::new(json::to_stderr)).try_init(),
    };
}

/// Prints a command's last sentence on stderr, in the form of its log lines.
pub(crate) fn last_line(text: impl Display) {
    let line = if JSON.get().is_some_and(|json| *json) {
        json::sentence(&text.to_string())
    } else {
        format!("framewire: {text}\n").into_bytes()
    };
    json::to_stderr(&line);
}

/// Whether log lines are JSON; unset before the command has said.
static JSON: OnceLock<bool> = OnceLock::new();
