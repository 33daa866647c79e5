//! Small videos, made once for each test binary.
//! Not real footage: a grey that grows with each frame, so that order can be seen.

use std::sync::OnceLock;

use framewire_media::{
    Bgr, Frame, FramePool, Mp4Options, Mp4Writer, TestPattern, TimeBase, Timing,
};

/// Frames of [`small`].
pub const FRAMES: usize = 30;

/// 64x48, 30 frames at 25 fps, some kilobytes.
pub fn small() -> &'static [u8] {
    static FILE: OnceLock<Vec<u8>> = OnceLock::new();
    FILE.get_or_init(|| make(64, 48, FRAMES, 25))
}

/// 640x480, 120 frames at 1000 fps: faster than any workflow here can be.
pub fn fast() -> &'static [u8] {
    static FILE: OnceLock<Vec<u8>> = OnceLock::new();
    FILE.get_or_init(|| make(640, 480, 120, 1000))
}

/// 320x240 noise: some 100 KB a frame, so large enough to be cut in the middle and for a channel's buffers to fill.
pub fn noisy(frames: usize) -> Vec<u8> {
    make_with(320, 240, frames, 25, |pool, index| {
        let mut state = index as u32 + 1;
        let noise: Vec<u8> = (0..320 * 240 * 3)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect();
        Frame::from_bgr(pool, 320, 240, 320 * 3, &noise).unwrap()
    })
}

/// 320x240 numbered pictures at 25 fps.
pub fn numbered(frames: u32) -> Vec<u8> {
    let mut pattern = TestPattern::new(320, 240, 25).unwrap();
    make_with(320, 240, frames as usize, 25, |pool, index| {
        pattern.frame(index as u32, pool).unwrap()
    })
}

fn make(width: u32, height: u32, frames: usize, fps: i32) -> Vec<u8> {
    make_with(width, height, frames, fps, |pool, index| {
        let grey = u8::try_from(index * 255 / frames).unwrap();
        Frame::solid_bgr(pool, width, height, Bgr::new(grey, grey, 255 - grey)).unwrap()
    })
}

fn make_with(
    width: u32,
    height: u32,
    frames: usize,
    fps: i32,
    mut picture: impl FnMut(&FramePool, usize) -> Frame,
) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clip.mp4");
    let pool = FramePool::default();
    let options = Mp4Options::default().with_fps(f64::from(fps)).with_crf(1);
    let mut writer = Mp4Writer::create(&path, options).unwrap();
    for index in 0..frames {
        let mut frame = picture(&pool, index);
        assert_eq!((frame.width(), frame.height()), (width, height));
        let base = TimeBase::new(1, fps).unwrap();
        frame.set_timing(Timing::new(i64::try_from(index).unwrap(), base));
        writer.write(&frame).unwrap();
    }
    writer.finish().unwrap();
    std::fs::read(path).unwrap()
}
