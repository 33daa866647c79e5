//! The data channels and tracks of all sessions together: rates, round trips, losses, queues.
//! The figures are the transport's; what a session's counters came to stays in the sums after it.

use std::sync::{MutexGuard, PoisonError};

use framewire_transport::{ChannelStats, DataStats, PeerFigures, VideoStats, VideoTrack};

use super::label::Label;
use super::reasons::{ChannelName, named};
use super::text::Page;
use super::{Histogram, Metrics};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Links {
    /// As many as have a place.
    living: Vec<Link>,
    ended: Sums,
}

#[derive(Debug)]
struct Link {
    session: u64,
    figures: PeerFigures,
    track: Option<VideoTrack>,
}

/// Figures of any number of sessions.
#[derive(Debug, Default, Clone)]
struct Sums {
    data: DataStats,
    channels: [ChannelStats; ChannelName::ALL.len()],
    video: VideoStats,
}

impl Metrics {
    /// The connection of a session, for as long as it runs. At most one for each place.
    pub(crate) fn add_link(&self, session: u64, figures: PeerFigures, track: Option<VideoTrack>) {
        self.links().living.push(Link {
            session,
            figures,
            track,
        });
    }

    /// The session is over: its counters stay in the sums.
    pub(crate) fn remove_link(&self, session: u64) {
        let mut links = self.links();
        let at = links.living.iter().position(|link| link.session == session);
        if let Some(at) = at {
            let link = links.living.swap_remove(at);
            link.add_to(&mut links.ended, &self.round_trips);
            links.ended.keep_counters();
        }
    }

    fn links(&self) -> MutexGuard<'_, Links> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn render_links(&self, page: &mut Page) {
        let sums = {
            let links = self.links();
            let mut sums = links.ended.clone();
            for link in &links.living {
                link.add_to(&mut sums, &self.round_trips);
            }
            sums
        };
        sums.render(page);
        page.histogram(
            "framewire_data_rtt_seconds",
            "Round trips of the data channels: one of each session at each reading of this page, and at its end.",
            &self.round_trips,
        );
    }
}

impl Link {
    fn add_to(&self, sums: &mut Sums, round_trips: &Histogram) {
        let data = self.figures.stats().data;
        if !data.rtt.is_zero() {
            round_trips.record(data.rtt);
        }
        for (sum, of) in DATA_GAUGES.iter().chain(DATA_COUNTERS).map(|row| row.2) {
            *sum(&mut sums.data) += of(&data);
        }
        for (label, stats) in self.figures.channels() {
            let name = named(&label).unwrap_or(ChannelName::Other);
            sums.channels[name.index()] += &stats;
        }
        if let Some(track) = &self.track {
            let stats = track.stats();
            sums.video.target_bitrate = sums
                .video
                .target_bitrate
                .saturating_add(stats.target_bitrate);
            sums.video.unsent_bytes += stats.unsent_bytes;
            for (sum, of) in TRACK_COUNTERS.iter().map(|row| row.2) {
                *sum(&mut sums.video) += of(&stats);
            }
        }
    }
}

impl Sums {
    /// What an ended session still adds: what it did, not what it had.
    fn keep_counters(&mut self) {
        for (gauge, _) in DATA_GAUGES.iter().map(|row| row.2) {
            *gauge(&mut self.data) = 0;
        }
        for channel in &mut self.channels {
            (channel.buffered, channel.unacknowledged) = (0, 0);
        }
        (self.video.target_bitrate, self.video.unsent_bytes) = (0, 0);
    }

    fn render(&self, page: &mut Page) {
        for (name, help, (_, of)) in DATA_GAUGES {
            page.gauge(name, help, of(&self.data));
        }
        for (name, help, (_, of)) in DATA_COUNTERS {
            page.counter(name, help, of(&self.data));
        }
        for (name, help, of) in CHANNEL_COUNTERS {
            page.counters(name, help).each("channel", self.each(*of));
        }
        page.gauges(
            "framewire_channel_buffered_bytes",
            "Bytes that are in no packet yet, by channel.",
        )
        .each("channel", self.each(|channel| channel.buffered));
        for (name, help, (_, of)) in TRACK_COUNTERS {
            page.counter(name, help, of(&self.video));
        }
        page.gauge(
            "framewire_track_target_bytes_per_second",
            "What the encoders of all tracks should produce now.",
            f64::from(self.video.target_bitrate) / 8.0,
        );
        page.gauge(
            "framewire_track_unsent_bytes",
            "Bytes of encoded frames that wait to leave.",
            self.video.unsent_bytes,
        );
    }

    fn each(&self, of: Of<ChannelStats>) -> impl Iterator<Item = (&'static str, u64)> + use<'_> {
        let names = ChannelName::ALL.iter().map(|name| name.as_str());
        names.zip(self.channels.iter().map(of))
    }
}

/// Where a figure is, to write and to read.
type Both<T> = (fn(&mut T) -> &mut u64, Of<T>);
type Of<T> = fn(&T) -> u64;
type Row<T> = (&'static str, &'static str, T);

macro_rules! field {
    ($name:ident) => {
        (|stats| &mut stats.$name, |stats| stats.$name)
    };
}

const DATA_GAUGES: &[Row<Both<DataStats>>] = &[
    (
        "framewire_data_rate_bytes_per_second",
        "What the senders of all sessions pace themselves to.",
        field!(rate),
    ),
    (
        "framewire_data_in_flight_bytes",
        "Bytes on their way to the clients.",
        field!(in_flight),
    ),
    (
        "framewire_data_unsent_bytes",
        "Bytes that are in no packet yet.",
        field!(unsent),
    ),
    (
        "framewire_data_window_bytes",
        "Bytes the senders let be on their way.",
        field!(window),
    ),
    (
        "framewire_data_peer_window_bytes",
        "Bytes the clients have room for.",
        field!(peer_window),
    ),
    (
        "framewire_data_held_bytes",
        "Bytes received and not taken.",
        field!(held),
    ),
];

const DATA_COUNTERS: &[Row<Both<DataStats>>] = &[
    (
        "framewire_data_packets_sent_total",
        "Packets of the data channels sent.",
        field!(packets_sent),
    ),
    (
        "framewire_data_packets_received_total",
        "Packets of the data channels received.",
        field!(packets_received),
    ),
    (
        "framewire_data_retransmitted_total",
        "Pieces of messages sent again.",
        field!(retransmitted),
    ),
    (
        "framewire_data_lost_total",
        "Pieces of messages taken for lost.",
        field!(lost),
    ),
    (
        "framewire_data_timeouts_total",
        "Times a session sent everything again.",
        field!(timeouts),
    ),
    (
        "framewire_data_abandoned_total",
        "Messages given up on their way, too old.",
        field!(abandoned),
    ),
    (
        "framewire_data_dropped_total",
        "Packets and pieces dropped as unusable.",
        field!(dropped),
    ),
];

const CHANNEL_COUNTERS: &[Row<Of<ChannelStats>>] = &[
    (
        "framewire_channel_sent_bytes_total",
        "Bytes of messages sent, by channel.",
        |stats| stats.bytes_sent,
    ),
    (
        "framewire_channel_received_bytes_total",
        "Bytes of messages received, by channel.",
        |stats| stats.bytes_received,
    ),
    (
        "framewire_channel_sent_messages_total",
        "Messages sent, by channel.",
        |stats| stats.messages_sent,
    ),
    (
        "framewire_channel_received_messages_total",
        "Messages received, by channel.",
        |stats| stats.messages_received,
    ),
    (
        "framewire_channel_retransmitted_bytes_total",
        "Bytes sent again, by channel.",
        |stats| stats.retransmitted,
    ),
    (
        "framewire_channel_expired_total",
        "Messages too old before they left, by channel.",
        |stats| stats.expired,
    ),
];

const TRACK_COUNTERS: &[Row<Both<VideoStats>>] = &[
    (
        "framewire_track_sent_bytes_total",
        "Bytes of encoded frames sent.",
        field!(bytes_sent),
    ),
    (
        "framewire_track_received_bytes_total",
        "Bytes of encoded frames received.",
        field!(bytes_received),
    ),
    (
        "framewire_track_frames_sent_total",
        "Encoded frames sent.",
        field!(frames_sent),
    ),
    (
        "framewire_track_frames_received_total",
        "Complete encoded frames received.",
        field!(frames_received),
    ),
    (
        "framewire_track_packets_sent_total",
        "Packets of tracks sent.",
        field!(packets_sent),
    ),
    (
        "framewire_track_packets_received_total",
        "Packets of tracks received, repairs included.",
        field!(packets_received),
    ),
    (
        "framewire_track_packets_lost_total",
        "Packets that never came in time.",
        field!(packets_lost),
    ),
    (
        "framewire_track_frames_incomplete_total",
        "Frames received and given up because a packet was missing.",
        field!(dropped_incomplete),
    ),
    (
        "framewire_track_frames_untaken_total",
        "Frames received and dropped because decoding was late.",
        field!(dropped_late_consumer),
    ),
    (
        "framewire_track_frames_refused_total",
        "Frames not sent because too much was waiting already.",
        field!(refused_congested),
    ),
    (
        "framewire_track_nacks_sent_total",
        "Requests for repair sent.",
        field!(nacks_sent),
    ),
    (
        "framewire_track_nacks_received_total",
        "Requests for repair received.",
        field!(nacks_received),
    ),
    (
        "framewire_track_keyframe_requests_sent_total",
        "Keyframe requests sent.",
        field!(keyframe_requests_sent),
    ),
    (
        "framewire_track_keyframe_requests_received_total",
        "Keyframe requests received.",
        field!(keyframe_requests_received),
    ),
];
