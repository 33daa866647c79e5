//! Workflows through the public interface: definitions, runs on frames, and the JSON that goes on the wire.

#[path = "../models/support.rs"]
#[allow(dead_code)]
mod support;

mod blocks;
mod classification;
mod crops;
mod definitions;
mod drawing;
mod inputs;
mod results;
mod run;
