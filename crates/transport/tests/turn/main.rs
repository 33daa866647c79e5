//! TURN against a real server on loopback. Needs `turnserver` (Debian package coturn).

mod checking;
#[path = "../support/events.rs"]
mod events;
mod failures;
#[path = "../video/frames.rs"]
mod frames;
mod late;
mod lying;
mod probing;
mod relaying;
mod restarting;
mod server;
mod sessions;
mod survival;
mod trust;
