//! What goes over the wire in tests: results, pictures, video files.
//! Pictures are one shade, so that a decoded one can be told from the others.

use std::path::PathBuf;
use std::sync::OnceLock;

use framewire_media::{Bgr, Frame, FramePool, JpegEncoder};
use framewire_protocol::encoding::base64_encode_into;
use serde_json::{Value, json};

/// A result message.
pub(crate) fn result(frame: u64, image: &Value) -> Value {
    json!({
        "serialized_output_data": {"image": image, "data": {"n": frame}},
        "video_metadata": {
            "frame_id": frame, "received_at": "2026-01-02T03:04:05.678901", "pts": (frame - 1) * 512,
            "time_base": 6.510_416_666_666_667e-5, "declared_fps": 30.0, "measured_fps": null,
            "width": 32, "height": 16,
        },
        "errors": [], "processing_complete": false, "termination_reason": null,
    })
}

/// A base64 JPEG of one colour that depends on the frame.
pub(crate) fn picture(frame: u64) -> Value {
    let pool = FramePool::default();
    let shade = (frame * 7 % 200) as u8 + 20;
    let picture = Frame::solid_bgr(&pool, 32, 16, Bgr::new(shade, shade, shade)).unwrap();
    let jpeg = JpegEncoder::default().encode(&picture).unwrap().to_vec();
    let mut text = Vec::new();
    base64_encode_into(&jpeg, &mut text);
    json!({"type": "base64", "value": String::from_utf8(text).unwrap()})
}

/// Brightness of a delivered picture, as [`picture`] chose it.
pub(crate) fn shade(frame: &Frame) -> i32 {
    i32::from(frame.plane(0).data[0])
}

/// A small video file, made once.
pub(crate) fn clip() -> &'static PathBuf {
    static CLIP: OnceLock<PathBuf> = OnceLock::new();
    CLIP.get_or_init(|| {
        let path = scratch().join("clip.mp4");
        make_clip(&path);
        path
    })
}

/// A folder for this test process.
pub(crate) fn scratch() -> PathBuf {
    let folder =
        std::env::temp_dir().join(format!("framewire-client-tests-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[cfg(feature = "ffmpeg")]
fn make_clip(path: &std::path::Path) {
    use framewire_media::{Mp4Options, Mp4Writer};
    let pool = FramePool::default();
    let mut writer = Mp4Writer::create(path, Mp4Options::default()).unwrap();
    for n in 0..10 {
        writer
            .write(&Frame::solid_bgr(&pool, 64, 48, Bgr::new(n * 20, 100, 100)).unwrap())
            .unwrap();
    }
    writer.finish().unwrap();
}

#[cfg(not(feature = "ffmpeg"))]
fn make_clip(path: &std::path::Path) {
    std::fs::write(path, vec![7; 200_000]).unwrap();
}

/// A copy of the clip, padded so that its upload takes a while; players ignore what follows the last box.
pub(crate) fn long_file(name: &str, bytes: usize) -> PathBuf {
    let mut content = std::fs::read(clip()).unwrap();
    content.extend_from_slice(&[0, 0, 0, 0]);
    content.extend_from_slice(b"free");
    content.resize(bytes.max(content.len()), 0);
    let path = scratch().join(name);
    std::fs::write(&path, content).unwrap();
    path
}

/// Progress as it should be told: from the chunk `first` on to the last one, each time further than before.
pub(crate) fn assert_told_in_order(reports: Vec<(u64, u64)>, first: u64) {
    let total = reports.first().map_or(0, |report| report.1);
    assert!(reports.iter().all(|report| report.1 == total));
    assert!(reports.is_sorted_by(|a, b| a.0 < b.0), "{reports:?}");
    let ends = [reports.first(), reports.last()].map(|end| end.map(|report| report.0));
    assert_eq!(ends, [Some(first), Some(total)]);
}
