//! Counters of one video track: what moved, and what was dropped and why.
//! Snapshots for users; the live counters are atomics written by the driver.

use std::time::Duration;

use crate::stats::counters;

counters! {
    /// What one video track did.
    VideoCounters => VideoStats {
        /// Frames handed to the network.
        frames_sent,
        /// Bytes of these frames.
        bytes_sent,
        /// Packets they were put into.
        packets_sent,
        /// Complete frames received.
        frames_received,
        /// Bytes of these frames.
        bytes_received,
        /// Keyframes among them.
        keyframes_received,
        /// Packets received, repairs and padding included.
        packets_received,
        /// Packets that never came in time.
        packets_lost,
        /// Packets that came after their frame had been given up.
        packets_late,
        /// Packets that are no valid payload of their codec.
        packets_malformed,
        /// Times the wait for a missing packet was given up.
        gaps,
        /// Frames given up because a packet was missing.
        dropped_incomplete,
        /// Frames dropped because the consumer was late.
        dropped_late_consumer,
        /// Packets dropped because too many waited for a missing one.
        dropped_buffer_full,
        /// Frames refused by `send` because too much was waiting already.
        refused_congested,
        /// Keyframe requests sent.
        keyframe_requests_sent,
        /// Keyframe requests received.
        keyframe_requests_received,
        /// Requests for repair sent, as counted by the engine about once a second.
        nacks_sent,
        /// Requests for repair received, counted likewise.
        nacks_received,
    } plus {
        /// What `target_bitrate` says now, bit/s.
        target_bitrate: u32,
        /// What the peer allows us by REMB, bit/s; none when it never said.
        remb_received: Option<u32>,
        /// What we allow the peer by REMB, bit/s; none when it has transport-cc.
        remb_sent: Option<u32>,
        /// The send-side estimate from transport-cc feedback, bit/s.
        twcc_estimate: Option<u32>,
        /// Round trip time, once measured.
        rtt: Option<Duration>,
        /// Bytes waiting to leave, ours and the pacer's.
        unsent_bytes: u64,
        /// Frames received and not taken yet.
        queued_frames: u64,
    }
}
