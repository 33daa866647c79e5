//! Video files with random damage: nothing may crash, hang or grow.

#![cfg(feature = "ffmpeg")]

mod common;

use std::time::{Duration, Instant};

use common::{Clips, pattern};
use framewire_media::{Decoder, DecoderOptions};

#[test]
fn files_with_random_damage_never_crash_hang_or_exceed_the_limits() {
    let clips = Clips::new();
    let sources = [
        clips.make(
            "a.mp4",
            &format!("{} -c:v libx264 -g 5", pattern("96x64", 0.4)),
        ),
        clips.make("b.mkv", &format!("{} -c:v mpeg4", pattern("96x64", 0.4))),
        clips.make("c.avi", &format!("{} -c:v mjpeg", pattern("96x64", 0.2))),
        clips.make(
            "d.webm",
            &format!("{} -c:v libvpx -deadline realtime", pattern("96x64", 0.4)),
        ),
        clips.make(
            "e.ts",
            &format!("{} -c:v libx264 -g 5", pattern("96x64", 0.4)),
        ),
        clips.make("f.mov", &format!("{} -c:v png", pattern("48x32", 0.2))),
    ];
    for (index, source) in sources.iter().enumerate() {
        let sound = std::fs::read(source).unwrap();
        for seed in 0..40u64 {
            let mut state = seed * 1_000_003 + index as u64 + 1;
            let mut next = |below: usize| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) as usize % below.max(1)
            };
            let mut bytes = sound.clone();
            for _ in 0..=next(30) {
                // Headers are where the interesting numbers are.
                let at = if next(2) == 0 {
                    next(bytes.len().min(800))
                } else {
                    next(bytes.len())
                };
                bytes[at] = [0, 0xff, 0x7f, next(256) as u8][next(4)];
            }
            bytes.truncate(if next(4) == 0 {
                next(bytes.len())
            } else {
                bytes.len()
            });
            let path = clips.write("broken", &bytes);
            let options = DecoderOptions::default().with_max_pixels(1 << 20);
            let started = Instant::now();
            if let Ok(mut decoder) = Decoder::open(&path, options) {
                let mut frames = 0;
                while let Ok(Some(frame)) = decoder.next_frame() {
                    frames += 1;
                    assert!(
                        u64::from(frame.width()) * u64::from(frame.height()) <= 1 << 20,
                        "seed {seed}"
                    );
                    assert!(frames < 10_000, "{} seed {seed}: no end", source.display());
                }
            }
            assert!(
                started.elapsed() < Duration::from_secs(20),
                "{} seed {seed}",
                source.display()
            );
        }
    }
}
