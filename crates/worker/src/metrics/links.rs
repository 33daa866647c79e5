//! The data channels of the running sessions as Prometheus text: rates, round trips, losses, queues.
//! The figures are the transport's.

use std::collections::BTreeMap;
use std::time::Duration;

use framewire_protocol::job::{FRESH_LABEL, RESULTS_LABEL, UPLOAD_LABEL};
use framewire_transport::{ChannelStats, DataStats, PeerFigures};

use super::{Metrics, render::family};

/// Channels with a name of their own. The client chooses labels, so any other is `other`.
const CHANNELS: [&str; 3] = [RESULTS_LABEL, UPLOAD_LABEL, FRESH_LABEL];

impl Metrics {
    /// The connection of a session, for as long as it runs. At most one for each place.
    pub(crate) fn add_link(&self, session: u64, figures: PeerFigures) {
        self.links().push((session, figures));
    }

    pub(crate) fn remove_link(&self, session: u64) {
        self.links().retain(|(id, _)| *id != session);
    }

    pub(super) fn render_links(&self, text: &mut String) {
        let links: Vec<(u64, PeerFigures)> = self.links().clone();
        let (mut data, mut channels) = (Vec::new(), BTreeMap::new());
        for (id, figures) in links {
            data.push((id, figures.stats().data));
            for (label, stats) in figures.channels() {
                *channels.entry((id, known(&label))).or_default() += &stats;
            }
        }
        render(text, &data, &channels);
    }
}

type Channels = BTreeMap<(u64, &'static str), ChannelStats>;

fn known(label: &str) -> &'static str {
    let known = CHANNELS.into_iter().find(|known| *known == label);
    known.unwrap_or("other")
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

type OfData = fn(&DataStats) -> u64;
type OfChannel = fn(&ChannelStats) -> u64;

fn render(text: &mut String, data: &[(u64, DataStats)], channels: &Channels) {
    let gauges: [(&str, &str, OfData); 8] = [
        (
            "rate_bytes_per_second",
            "What the sender paces itself to.",
            |s| s.rate,
        ),
        ("rtt_microseconds", "Smoothed round trip.", |s| {
            micros(s.rtt)
        }),
        (
            "min_rtt_microseconds",
            "Shortest round trip of late.",
            |s| micros(s.min_rtt),
        ),
        (
            "in_flight_bytes",
            "Bytes on their way to the client.",
            |s| s.in_flight,
        ),
        ("unsent_bytes", "Bytes that are in no packet yet.", |s| {
            s.unsent
        }),
        (
            "window_bytes",
            "Bytes the sender lets be on their way.",
            |s| s.window,
        ),
        ("peer_window_bytes", "Bytes the client has room for.", |s| {
            s.peer_window
        }),
        ("held_bytes", "Bytes received and not taken.", |s| s.held),
    ];
    let counters: [(&str, &str, OfData); 7] = [
        ("packets_sent_total", "Packets sent.", |s| s.packets_sent),
        ("packets_received_total", "Packets received.", |s| {
            s.packets_received
        }),
        (
            "retransmitted_total",
            "Pieces of messages sent again.",
            |s| s.retransmitted,
        ),
        ("lost_total", "Pieces taken for lost.", |s| s.lost),
        ("timeouts_total", "Times everything was sent again.", |s| {
            s.timeouts
        }),
        (
            "abandoned_total",
            "Messages given up on their way, too old.",
            |s| s.abandoned,
        ),
        (
            "dropped_total",
            "Packets and pieces dropped as unusable.",
            |s| s.dropped,
        ),
    ];
    for (kind, families) in [("gauge", &gauges[..]), ("counter", &counters[..])] {
        for (name, help, of) in families {
            let one = |(id, stats): &(u64, DataStats)| (format!("session=\"{id}\""), of(stats));
            let samples: Vec<_> = data.iter().map(one).collect();
            family(text, &format!("data_{name}"), kind, help, &samples);
        }
    }
    let families: [(&str, &str, &str, OfChannel); 7] = [
        (
            "sent_bytes_total",
            "counter",
            "Bytes of messages sent.",
            |s| s.bytes_sent,
        ),
        (
            "received_bytes_total",
            "counter",
            "Bytes of messages received.",
            |s| s.bytes_received,
        ),
        ("sent_messages_total", "counter", "Messages sent.", |s| {
            s.messages_sent
        }),
        (
            "received_messages_total",
            "counter",
            "Messages received.",
            |s| s.messages_received,
        ),
        (
            "retransmitted_bytes_total",
            "counter",
            "Bytes sent again.",
            |s| s.retransmitted,
        ),
        (
            "expired_total",
            "counter",
            "Messages too old before they left.",
            |s| s.expired,
        ),
        (
            "buffered_bytes",
            "gauge",
            "Bytes that are in no packet yet.",
            |s| s.buffered,
        ),
    ];
    for (name, kind, help, of) in families {
        let one = |((id, channel), stats): (&(u64, &str), &ChannelStats)| {
            (format!("session=\"{id}\",channel=\"{channel}\""), of(stats))
        };
        let samples: Vec<_> = channels.iter().map(one).collect();
        family(text, &format!("channel_{name}"), kind, help, &samples);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_that_clients_choose_make_no_series_of_their_own() {
        let (mut channels, mut text) = (Channels::new(), String::new());
        for label in ["inference", "a\"} 1", "b", "framewire-results"] {
            let mut stats = ChannelStats::default();
            stats.bytes_sent = 5;
            *channels.entry((7, known(label))).or_default() += &stats;
        }
        let mut data = DataStats::default();
        (data.rate, data.rtt) = (1_000, Duration::from_millis(3));
        data.abandoned = 4;
        render(&mut text, &[(7, data)], &channels);
        for line in [
            "framewire_channel_sent_bytes_total{session=\"7\",channel=\"other\"} 10",
            "framewire_channel_sent_bytes_total{session=\"7\",channel=\"inference\"} 5",
            "framewire_data_rate_bytes_per_second{session=\"7\"} 1000",
            "framewire_data_rtt_microseconds{session=\"7\"} 3000",
            "framewire_data_abandoned_total{session=\"7\"} 4",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is not in {text}");
        }
        assert_eq!(text.matches("_sent_bytes_total{").count(), 3);
    }
}
