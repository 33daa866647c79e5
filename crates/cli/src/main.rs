//! The framewire binary.
#![forbid(unsafe_code)]

fn main() {}
