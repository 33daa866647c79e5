//! Cameras, with FFmpeg's generated pictures in their place.
//! Not networks.
#![cfg(feature = "ffmpeg")]

use std::time::{Duration, Instant};

use framewire_media::{
    CameraOptions, FramePool, Interrupt, LiveError, LiveInput, LiveOptions, PixelFormat,
    TestPattern, read_pattern_counter,
};

fn open(device: &str) -> Result<LiveInput, LiveError> {
    let pool = FramePool::default();
    LiveInput::camera(
        device,
        &CameraOptions::default(),
        &LiveOptions::default(),
        &pool,
        &Interrupt::new(),
    )
}

#[test]
fn a_generated_camera_gives_thirty_frames_at_the_pace_of_its_timestamps() {
    let mut input = open("lavfi:testsrc2=size=640x480:rate=30").unwrap();
    let info = input.info().clone();
    assert_eq!((info.width, info.height), (640, 480));
    assert!((info.fps.unwrap() - 30.0).abs() < 0.01, "{info:?}");
    let frames: Vec<_> = (0..30).map(|_| input.read().unwrap().unwrap()).collect();
    let first = &frames[0];
    for (index, live) in frames.iter().enumerate() {
        assert_eq!(live.frame.format(), PixelFormat::I420);
        let seconds = live.frame.timing().seconds().unwrap();
        assert!(
            (seconds - index as f64 / 30.0).abs() < 0.001,
            "{index}: {seconds}"
        );
        // The moment of capture is the moment the frame was due, however late the reader's thread ran.
        let since = (live.captured - first.captured).as_secs_f64();
        assert!(since > seconds - 0.001, "{index}: {since}");
    }
    assert!(first.captured.elapsed() >= Duration::from_millis(960));
}

#[test]
fn a_graph_of_another_pixel_format_gives_i420_and_its_end_is_clean() {
    let mut input = open("lavfi:rgbtestsrc=size=64x48:rate=100:duration=0.05").unwrap();
    let mut frames = 0;
    while let Some(live) = input.read().unwrap() {
        assert_eq!(live.frame.format(), PixelFormat::I420);
        frames += 1;
    }
    assert_eq!(frames, 5);
    assert!(input.read().unwrap().is_none());
}

#[test]
fn a_missing_device_is_named_with_what_to_try() {
    let Err(error) = open("/dev/video-none") else {
        panic!("there is no such device")
    };
    let LiveError::Camera { device, reason, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(device, "/dev/video-none");
    assert_eq!(reason, "No such file or directory");
    let text = error.to_string();
    assert!(text.contains("camera"), "{text}");
}

#[test]
fn a_file_that_is_no_camera_and_a_wrong_graph_are_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for device in [
        file.path().to_str().unwrap(),
        "lavfi:nosuchfilter=1",
        "lavfi:",
    ] {
        let error = open(device).err().unwrap();
        assert!(matches!(error, LiveError::Camera { .. }), "{error:?}");
    }
    for device in ["video0", "", "http://127.0.0.1/"] {
        let error = open(device).err().unwrap();
        assert!(matches!(error, LiveError::Address { .. }), "{error:?}");
    }
}

#[test]
fn an_interrupt_ends_the_wait_for_the_next_frame() {
    let (pool, interrupt) = (FramePool::default(), Interrupt::new());
    let mut input = LiveInput::camera(
        "lavfi:testsrc2=size=64x48:rate=1/4",
        &CameraOptions::default(),
        &LiveOptions::default(),
        &pool,
        &interrupt,
    )
    .unwrap();
    input.read().unwrap().unwrap();
    let start = Instant::now();
    let waiting = std::thread::spawn(move || (input.read(), input.read()));
    interrupt.interrupt();
    let (interrupted, after) = waiting.join().unwrap();
    assert_eq!(interrupted.unwrap_err(), LiveError::Interrupted);
    assert!(after.unwrap().is_none());
    assert!(start.elapsed() < Duration::from_secs(3));
}

#[test]
fn a_camera_that_shows_the_test_pattern_can_be_counted() {
    let pool = FramePool::default();
    let mut pattern = TestPattern::new(320, 240, 30).unwrap();
    let frame = pattern.frame(42, &pool).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pattern.yuv");
    let bytes: Vec<u8> = (0..3)
        .flat_map(|plane| frame.plane(plane).data.to_vec())
        .collect();
    std::fs::write(&path, bytes).unwrap();
    let graph = format!(
        "lavfi:movie=filename={}:f=rawvideo:format_opts='video_size=320x240\\:pixel_format=yuv420p'",
        path.display()
    );
    let mut input = open(&graph).unwrap();
    let live = input.read().unwrap().unwrap();
    assert_eq!(read_pattern_counter(&live.frame), Some(42));
}
