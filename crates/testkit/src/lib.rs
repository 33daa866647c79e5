//! Virtual clock and seeded network for tests.
#![forbid(unsafe_code)]
