//! `framewire bench`: figures of framewire's own parts, one JSON object a line.
//! Not here: rivals; `benches/` runs them beside these.

mod frames;
mod reassembler;
mod report;
mod upload;

use crate::args::{BenchArgs, BenchCommand};
use crate::exit;

pub(crate) fn bench(args: BenchArgs) -> u8 {
    let result = match args.command {
        BenchCommand::Reassembler { n } => reassembler::run(n),
        BenchCommand::Upload { megabytes, n, peer } => upload::run(megabytes, n, peer.peer),
        BenchCommand::Frames { file, api_url, n } => frames::run(&file, api_url.as_deref(), n),
    };
    match result {
        Ok(()) => exit::OK,
        Err(error) => {
            exit::last_line(format_args!("{error:#}"));
            exit::STREAM_FAILED
        }
    }
}
