//! Round trips of small messages, one after the other.
//! Not under load.

use std::time::{Duration, Instant};

use bytes::Bytes;
use framewire_protocol::probe::{ProbeReply, ProbeRequest};
use framewire_transport::DataChannel;

use crate::doctor::link::{Ended, Link};

/// Small messages sent, where the path is short enough.
const ECHOES: u64 = 50;
/// After this time no further one is sent …
const ENOUGH: Duration = Duration::from_millis(1000);
/// … and none is waited for after this.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);

/// Round trips, sorted.
pub(super) struct Echoes(Vec<Duration>);

impl Echoes {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// None when there are no round trips.
    pub(super) fn percentile(&self, share: f64) -> Option<Duration> {
        let last = self.0.len().checked_sub(1)?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a small number"
        )]
        let index = (last as f64 * share).round() as usize;
        self.0.get(index).copied()
    }
}

/// Sends small messages that come back: probes, or the keep-alive pings of an upload.
pub(super) async fn run(
    link: &Link,
    channel: &DataChannel,
    probes: bool,
    limit: Duration,
) -> Result<Echoes, Ended> {
    let begun = Instant::now();
    let mut times = Vec::new();
    for n in 0..ECHOES {
        let sent = Instant::now();
        let queued = match probes {
            true => channel.send_text(ProbeRequest::Echo(n).text()),
            false => channel.send(Bytes::from_static(b"\0")),
        };
        queued.map_err(|error| Ended(error.to_string()))?;
        loop {
            let Some(came) = link.next(channel, begun + limit).await? else {
                return Ok(sorted(times));
            };
            let answer = match probes {
                true => ProbeReply::parse(&came.data) == Ok(ProbeReply::Echo(n)),
                false => came.data.len() == 1,
            };
            if answer {
                break;
            }
        }
        times.push(sent.elapsed());
        if begun.elapsed() > ENOUGH {
            break;
        }
    }
    Ok(sorted(times))
}

fn sorted(mut times: Vec<Duration>) -> Echoes {
    times.sort_unstable();
    Echoes(times)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_of_nothing_are_nothing() {
        assert_eq!(sorted(Vec::new()).percentile(0.5), None);
        let times = (1..=21).rev().map(Duration::from_millis).collect();
        let echoes = sorted(times);
        assert_eq!(echoes.percentile(0.5), Some(Duration::from_millis(11)));
        assert_eq!(echoes.percentile(0.95), Some(Duration::from_millis(20)));
        assert_eq!(echoes.percentile(1.0), Some(Duration::from_millis(21)));
    }
}
