//! TURN against a real server on loopback. Needs `turnserver` (Debian package coturn).

mod failures;
#[path = "../video/frames.rs"]
mod frames;
mod probing;
mod relaying;
mod server;
mod sessions;
mod survival;
mod trust;
