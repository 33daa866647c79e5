//! What a session promises about frames: all of them, or the newest.
//! Not here: keeping the promise, which is the queues' business.

use std::time::Duration;

use crate::session::Session;

/// How frames reach their consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Delivery {
    /// Batch: every frame the worker produces, however slow the consumer is; the worker waits.
    Lossless,
    /// Realtime: the newest frame wins, and what it replaces is counted.
    Latest {
        /// On a video track: a frame that waited longer than this beside a newer one is dropped.
        max_age: Option<Duration>,
    },
}

impl Delivery {
    /// The name in summaries: `lossless` or `latest`.
    pub fn as_str(self) -> &'static str {
        match self {
            Delivery::Lossless => "lossless",
            Delivery::Latest { .. } => "latest",
        }
    }
}

impl Session {
    /// What this session promises about frames. It follows from source and configuration and never changes; costs nothing.
    pub fn delivery(&self) -> Delivery {
        let (plan, options) = (&self.shared.plan, &self.shared.options);
        if plan.realtime {
            Delivery::Latest {
                max_age: plan.media.receives.then_some(options.max_frame_age),
            }
        } else {
            Delivery::Lossless
        }
    }
}
