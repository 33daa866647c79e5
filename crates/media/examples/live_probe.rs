//! Opens a live input and prints when its first frames came: `live_probe DEVICE|URL [FRAMES]`.

use std::time::Instant;

use framewire_media::{CameraOptions, FramePool, Interrupt, LiveInput, LiveOptions};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [input, ..] = args.as_slice() else {
        return Err("usage: live_probe DEVICE|URL [FRAMES]".into());
    };
    let frames: u32 = args.get(1).map_or(Ok(30), |text| text.parse())?;
    let (options, pool, interrupt) = (
        LiveOptions::default(),
        FramePool::default(),
        Interrupt::new(),
    );
    let start = Instant::now();
    let mut live = if input.starts_with("rtsp") {
        LiveInput::rtsp(input, &options, &pool, &interrupt)?
    } else if input.starts_with("rtmp") {
        LiveInput::rtmp(input, &options, &pool, &interrupt)?
    } else {
        let camera = CameraOptions::default();
        LiveInput::camera(input, &camera, &options, &pool, &interrupt)?
    };
    println!("open {:?} {:?}", start.elapsed(), live.info());
    for number in 0..frames {
        let Some(got) = live.read()? else {
            println!("end after {number}");
            return Ok(());
        };
        let (at, captured) = (start.elapsed(), got.captured - start);
        let frame = &got.frame;
        println!(
            "{number} at {at:?} captured {captured:?} {:?} {}x{}",
            frame.timing().seconds(),
            frame.width(),
            frame.height()
        );
    }
    Ok(())
}
