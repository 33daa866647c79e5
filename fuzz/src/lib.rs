//! Fuzz bodies as plain functions, run over their corpora.
#![forbid(unsafe_code)]
