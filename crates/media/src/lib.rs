//! Frames: decode, convert, draw, JPEG, mp4.
#![forbid(unsafe_code)]
