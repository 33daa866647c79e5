//! The framewire binary.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    framewire_cli::main_from(std::env::args_os())
}
