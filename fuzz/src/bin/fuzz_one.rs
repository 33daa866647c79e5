//! Runs one fuzz target: over files, over standard input, or over mutations of its corpus for some time.
//! It is no fuzzer with coverage; it is what a fuzzer or a person with a crashing input calls.
#![forbid(unsafe_code)]

use std::io::Read;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use framewire_fuzz::{Mutator, TARGETS, corpus, run, target};

const USAGE: &str = "usage: fuzz_one TARGET [FILE...]            run the files, or standard input\n       \
                     fuzz_one TARGET --seconds N [--seed S]  run mutations of the corpus";

fn main() -> std::io::Result<ExitCode> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let Some((name, rest)) = args.split_first() else {
        return Ok(usage());
    };
    let Some(body) = target(name) else {
        return Ok(usage());
    };
    match rest
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        [] => {
            let mut input = Vec::new();
            std::io::stdin().read_to_end(&mut input)?;
            run(name, body, "standard input", &input);
        }
        ["--seconds", seconds, seed @ ..] => {
            let seed = if let ["--seed", seed] = seed {
                seed.parse().ok()
            } else {
                Some(1)
            };
            let (Ok(seconds), Some(seed)) = (seconds.parse(), seed) else {
                return Ok(usage());
            };
            let corpus: Vec<_> = corpus(name)?.into_iter().map(|(_, input)| input).collect();
            let end = Instant::now() + Duration::from_secs(seconds);
            let mut runs = 0_u64;
            let mut mutator = Mutator::new(seed);
            while Instant::now() < end {
                run(
                    name,
                    body,
                    &format!("mutation {runs} of seed {seed}"),
                    &mutator.input(&corpus),
                );
                runs += 1;
            }
            println!("{name}: {runs} inputs from seed {seed}");
        }
        files => {
            for file in files {
                run(name, body, file, &std::fs::read(file)?);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn usage() -> ExitCode {
    let names: Vec<_> = TARGETS.iter().map(|(name, _)| *name).collect();
    eprintln!("{USAGE}\ntargets: {}", names.join(" "));
    ExitCode::from(2)
}
