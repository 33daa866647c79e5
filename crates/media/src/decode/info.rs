//! What a container says about its video.
//! Not what decoding finds: frames may differ in size.

use std::time::Duration;

use crate::ffmpeg::StreamFacts;
use crate::rotate::Rotation;
use crate::timing::TimeBase;

/// What a container says about its video.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct VideoInfo {
    /// Width of the frames, after rotation. 0 if the container does not say.
    pub width: u32,
    /// Height of the frames, after rotation. 0 if the container does not say.
    pub height: u32,
    /// Frames per second: the average if known, else the nominal rate.
    pub fps: Option<f64>,
    /// Number of frames, if the container counts them.
    pub frames: Option<u64>,
    /// Length of the video.
    pub duration: Option<Duration>,
    /// Unit of the frames' timestamps.
    pub time_base: TimeBase,
    /// How frames are turned.
    pub rotation: Rotation,
    /// Name of the encoding, such as `h264`.
    pub codec: String,
    /// FFmpeg's name of the container, such as `mov,mp4,m4a,3gp,3g2,mj2`.
    pub container: String,
}

impl VideoInfo {
    pub(super) fn new(facts: StreamFacts, rotation: Rotation) -> VideoInfo {
        let (mut width, mut height) = (facts.width, facts.height);
        if rotation.swaps_sides() {
            std::mem::swap(&mut width, &mut height);
        }
        VideoInfo {
            width,
            height,
            fps: facts.average_rate.or(facts.nominal_rate),
            frames: facts.frames,
            duration: facts.duration,
            time_base: facts.time_base,
            rotation,
            codec: facts.codec,
            container: facts.container,
        }
    }
}
