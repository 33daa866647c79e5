//! Waits of the session thread that may have nothing to wait for.
//! Each can be dropped and begun again.

use std::time::Instant;

use framewire_transport::DataChannel;

pub(super) async fn drained(channel: Option<&DataChannel>) {
    match channel {
        // A channel that closed has drained as far as it ever will.
        Some(channel) => drop(channel.buffered_at_most(0).await),
        None => std::future::pending().await,
    }
}

pub(super) async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
