//! How an mp4 is written.
//! Not what a frame brings with it: size, colour and timing are the frames' own.

use crate::pool::FramePool;

/// How much work x264 puts into small files; its presets of the same names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Mp4Preset {
    /// A third of the work of `Veryfast`, half as large again.
    Ultrafast,
    /// Between the two.
    Superfast,
    /// The default: 7 ms a 720p frame.
    #[default]
    Veryfast,
    /// Slower, smaller.
    Fast,
    /// Much slower, a little smaller.
    Medium,
}

impl Mp4Preset {
    pub(super) fn name(self) -> &'static str {
        match self {
            Mp4Preset::Ultrafast => "ultrafast",
            Mp4Preset::Superfast => "superfast",
            Mp4Preset::Veryfast => "veryfast",
            Mp4Preset::Fast => "fast",
            Mp4Preset::Medium => "medium",
        }
    }
}

/// How an mp4 is written.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Mp4Options {
    /// Frames per second where frames carry no timestamp, and the encoder's hint. Default 30.
    pub fps: f64,
    /// x264's constant rate factor: 0 is lossless, 51 worst. Default 23.
    pub crf: u8,
    /// Speed against size. Default [`Mp4Preset::Veryfast`].
    pub preset: Mp4Preset,
    /// Encoding threads, 0 for x264's choice. Default 1.
    pub threads: usize,
    /// Memory for frames that need converting. Default: a pool of its own.
    pub pool: FramePool,
}

impl Default for Mp4Options {
    fn default() -> Self {
        Mp4Options {
            fps: 30.0,
            crf: 23,
            preset: Mp4Preset::default(),
            threads: 1,
            pool: FramePool::default(),
        }
    }
}

impl Mp4Options {
    /// Sets [`fps`](Self::fps); anything but a rate from 0.01 to 1000 leaves the default.
    pub fn with_fps(mut self, fps: f64) -> Self {
        if (0.01..=1000.0).contains(&fps) {
            self.fps = fps;
        }
        self
    }

    /// Sets [`crf`](Self::crf), at most 51.
    pub fn with_crf(mut self, crf: u8) -> Self {
        self.crf = crf.min(51);
        self
    }

    /// Sets [`preset`](Self::preset).
    pub fn with_preset(mut self, preset: Mp4Preset) -> Self {
        self.preset = preset;
        self
    }

    /// Sets [`threads`](Self::threads).
    pub fn with_threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Sets [`pool`](Self::pool).
    pub fn with_pool(mut self, pool: FramePool) -> Self {
        self.pool = pool;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unusable_frame_rates_are_ignored() {
        for fps in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e9] {
            assert_eq!(Mp4Options::default().with_fps(fps).fps, 30.0);
        }
    }
}
