//! What making and reading a numbered test picture costs, in microseconds: median of 300.

use std::time::Instant;

use framewire_media::{FramePool, TestPattern, read_pattern_counter};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pool = FramePool::default();
    for (width, height) in [(320, 240), (640, 480), (1280, 720), (1920, 1080)] {
        let mut pattern = TestPattern::new(width, height, 30)?;
        let (mut made, mut read) = (Vec::new(), Vec::new());
        for counter in 0..300 {
            let start = Instant::now();
            let frame = pattern.frame(counter, &pool)?;
            let between = Instant::now();
            assert_eq!(read_pattern_counter(&frame), Some(counter));
            made.push((between - start).as_micros());
            read.push(between.elapsed().as_micros());
        }
        made.sort_unstable();
        read.sort_unstable();
        println!(
            "{width}x{height}: make {} us, read {} us",
            made[150], read[150]
        );
    }
    Ok(())
}
