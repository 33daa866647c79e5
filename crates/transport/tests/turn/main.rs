//! TURN against a real server on loopback. Needs `turnserver` (Debian package coturn).

mod relaying;
mod server;
mod sessions;
