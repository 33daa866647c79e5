//! Live sessions over real sockets: tracks both ways, and the sources a worker pulls.
#![allow(unreachable_pub)] // shared between the files of this binary

mod answers;
mod camera;
#[path = "../common/mod.rs"]
mod common;
mod files;
mod mjpeg;
mod mjpeg_server;
mod pace;
mod pictures;
mod rtsp;
mod tracks;
