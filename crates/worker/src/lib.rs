//! The inference worker: signalling, sessions, uploads, workflows, models.
#![forbid(unsafe_code)]
