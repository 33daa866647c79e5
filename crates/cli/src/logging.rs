//! Log lines on stderr, as text or JSON.
//! Not here: what is logged; libraries use `tracing`.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::args::{LogArgs, LogFormat};

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
    // out. What a TURN server answers is told by our own errors.
    for quiet in [
        "is=warn",
        "turn_client_proto=error",
        "turn_types=warn",
        "stun_proto=warn",
        "stun_types=warn",
    ] {
        filter = filter.add_directive(quiet.parse().expect("a constant directive"));
    }
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let _ = match args.log_format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
}
