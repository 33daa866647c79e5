//! As much data as the path takes, for a short time, in one direction.
//! What counts is what the far end took: its count, its acknowledgements, or what came here.

use std::time::{Duration, Instant};

use bytes::Bytes;
use framewire_protocol::probe::{ProbeReply, ProbeRequest};
use framewire_protocol::upload::create_video_upload_chunk;
use framewire_transport::{DataChannel, DataStats};

use super::room;
use crate::doctor::link::{Ended, Link};

/// Bytes of one message: several to a turn, and none takes a slow line for long.
const MESSAGE: usize = 16 * 1024;
/// Messages queued at a time.
const TURN: usize = 8;
/// How often the far end is asked for its count, so that a slow path has one as well.
const ASK: Duration = Duration::from_millis(250);
/// Chunks that a file for an original would have: it never gets the last one, nor more than these bytes.
const CHUNKS: u32 = 4096;

/// Of the second look at losses: small messages, so far apart that they load no usable path.
const CALM: (usize, u32, Duration) = (200, 128, Duration::from_millis(5));
/// Of the time in one direction, the part in which the sender finds out how fast the path is.
const START: u32 = 4;

/// What went through in one direction.
pub(super) struct Moved {
    pub(super) bytes: u64,
    pub(super) time: Duration,
    /// Datagrams lost of those sent, when the sender tells.
    pub(super) lost: Option<(u64, u64)>,
    /// The same of few datagrams that loaded nothing, where that was looked at.
    pub(super) calm: Option<(u64, u64)>,
    /// The round trip while the path was loaded.
    pub(super) rtt: Duration,
}

impl Moved {
    /// Bytes a second.
    pub(super) fn rate(&self) -> f64 {
        self.bytes as f64 / self.time.as_secs_f64().max(1e-3)
    }
}

/// To a worker that counts.
pub(super) async fn up(
    link: &Link,
    channel: &DataChannel,
    time: Duration,
    tail: Duration,
) -> Result<Moved, Ended> {
    let (begun, before) = (Instant::now(), link.peer.stats().data);
    let (until, deadline) = (begun + time, begun + time + tail);
    let message = Bytes::from(vec![0; MESSAGE]);
    let (mut counts, mut queued) = (Counts::default(), 0);
    while Instant::now() < until {
        if counts.due(begun) {
            counts.ask(channel)?;
        }
        tokio::select! {
            room = room(link, channel) => {
                room?;
                for _ in 0..TURN {
                    send(channel, message.clone())?;
                    queued += message.len() as u64;
                }
            }
            came = link.next(channel, until) => {
                if let Some(came) = came? {
                    counts.came(&came.data, begun);
                }
            }
        }
    }
    let after = link.peer.stats().data;
    counts.ask(channel)?;
    while counts.answered < counts.asked {
        let Some(came) = link.next(channel, deadline).await? else {
            break;
        };
        counts.came(&came.data, begun);
    }
    let end = link.peer.stats().data;
    // On a slow path the question waits behind the data, and acknowledgements are what is known.
    let (bytes, time) = counts.at.map_or_else(
        || (acknowledged(queued, channel, &end), begun.elapsed()),
        |at| (counts.bytes, at),
    );
    Ok(Moved {
        bytes,
        time,
        lost: Some(losses(&before, &end)),
        calm: None,
        rtt: after.rtt,
    })
}

/// Datagrams lost of a few that load nothing. None is queued while others wait to be sent.
pub(super) async fn calm(
    link: &Link,
    channel: &DataChannel,
    tail: Duration,
) -> Result<(u64, u64), Ended> {
    let (size, messages, apart) = CALM;
    let begun = Instant::now();
    let deadline = begun + apart * messages + tail;
    // What is still queued or on its way belongs to the load.
    let _ = tokio::time::timeout(tail / 2, channel.buffered_at_most(0)).await;
    let before = link.peer.stats().data;
    let message = Bytes::from(vec![0; size]);
    let mut turn = tokio::time::interval(apart);
    let mut counts = Counts::default();
    for _ in 0..messages {
        turn.tick().await;
        if Instant::now() >= deadline {
            break;
        }
        send(channel, message.clone())?;
    }
    counts.ask(channel)?;
    // Its answer comes after all of them have arrived.
    while counts.answered < counts.asked {
        let Some(came) = link.next(channel, deadline).await? else {
            break;
        };
        counts.came(&came.data, begun);
    }
    Ok(losses(&before, &link.peer.stats().data))
}

/// Of what was queued, what the far end has for certain.
fn acknowledged(queued: u64, channel: &DataChannel, now: &DataStats) -> u64 {
    queued.saturating_sub(channel.buffered_amount() as u64 + now.unacknowledged)
}

/// The counts of the far end, in the order they were asked for.
#[derive(Default)]
struct Counts {
    asked: u32,
    answered: u32,
    bytes: u64,
    /// When the last one came, since the beginning.
    at: Option<Duration>,
}

impl Counts {
    fn due(&self, begun: Instant) -> bool {
        self.asked == self.answered && begun.elapsed() >= ASK * (self.asked + 1)
    }

    fn ask(&mut self, channel: &DataChannel) -> Result<(), Ended> {
        self.asked += 1;
        let text = ProbeRequest::Count.text();
        let queued = channel.send_text(text);
        queued.map_err(|error| Ended(error.to_string()))
    }

    fn came(&mut self, data: &[u8], begun: Instant) {
        if let Ok(ProbeReply::Count { received, .. }) = ProbeReply::parse(data) {
            self.answered += 1;
            (self.bytes, self.at) = (received, Some(begun.elapsed()));
        }
    }
}

/// To an original, which takes it for the beginning of a file. What it acknowledged counts.
pub(super) async fn upload(
    link: &Link,
    channel: &DataChannel,
    time: Duration,
) -> Result<Moved, Ended> {
    let (begun, before) = (Instant::now(), link.peer.stats().data);
    let until = begun + time;
    let data = vec![0; MESSAGE];
    let mut queued = 0;
    for index in 0..CHUNKS - 1 {
        let chunk = create_video_upload_chunk(index, CHUNKS, &data);
        let chunk = chunk.map_err(|error| Ended(error.to_string()))?;
        tokio::select! {
            room = room(link, channel) => room?,
            () = tokio::time::sleep_until(until.into()) => break,
            // Nothing is said there but pings; the end of the connection is heard here.
            came = link.next(channel, until) => drop(came?),
        }
        queued += chunk.len() as u64;
        send(channel, chunk)?;
        if Instant::now() >= until {
            break;
        }
    }
    let after = link.peer.stats().data;
    Ok(Moved {
        bytes: acknowledged(queued, channel, &after),
        time: begun.elapsed(),
        lost: Some(losses(&before, &after)),
        calm: None,
        rtt: after.rtt,
    })
}

/// From a worker that sends on request. Losses count after the start, in which the sender finds out what the path takes.
pub(super) async fn down(
    link: &Link,
    channel: &DataChannel,
    time: Duration,
    tail: Duration,
) -> Result<Moved, Ended> {
    let deadline = Instant::now() + time + tail;
    let mut moved = sent_to_us(link, channel, time / START, deadline).await?;
    if moved.lost.is_some() {
        let rest = sent_to_us(link, channel, time - time / START, deadline).await?;
        moved.bytes += rest.bytes;
        moved.time += rest.time;
        moved.lost = rest.lost;
    }
    moved.rtt = link.peer.stats().data.rtt;
    Ok(moved)
}

async fn sent_to_us(
    link: &Link,
    channel: &DataChannel,
    time: Duration,
    deadline: Instant,
) -> Result<Moved, Ended> {
    let begun = Instant::now();
    let request = ProbeRequest::Send {
        time,
        message: MESSAGE,
    };
    let queued = channel.send_text(request.text());
    queued.map_err(|error| Ended(error.to_string()))?;
    let (mut bytes, mut first, mut last, mut lost) = (0, None, begun, None);
    while let Some(came) = link.next(channel, deadline).await? {
        let now = Instant::now();
        if !came.text {
            // The request's own way there does not count.
            first.get_or_insert(now);
            last = now;
            bytes += came.data.len() as u64;
        } else if let Ok(ProbeReply::Sent {
            packets,
            lost: pieces,
            ..
        }) = ProbeReply::parse(&came.data)
        {
            lost = Some((pieces, packets));
            break;
        }
    }
    let span = first.map_or_else(|| begun.elapsed(), |first| last.duration_since(first));
    Ok(Moved {
        bytes,
        time: span,
        lost,
        calm: None,
        rtt: Duration::ZERO,
    })
}

fn losses(before: &DataStats, after: &DataStats) -> (u64, u64) {
    let lost = |data: &DataStats| data.lost.saturating_sub(data.spurious);
    (
        lost(after).saturating_sub(lost(before)),
        after.packets_sent.saturating_sub(before.packets_sent),
    )
}

fn send(channel: &DataChannel, message: Bytes) -> Result<(), Ended> {
    channel
        .send(message)
        .map_err(|error| Ended(error.to_string()))
}
