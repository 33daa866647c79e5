//! The numbered test picture after live coding at a low rate.
//! Not the codecs' quality.
#![cfg(feature = "ffmpeg")]

use framewire_media::{
    Bgr, Canvas, EncoderOptions, FramePool, Rect, RectStyle, TestPattern, VideoCodec, VideoDecoder,
    VideoEncoder, read_pattern_counter,
};

#[test]
fn every_number_survives_both_codecs_at_300_kbit_with_a_box_drawn_over_the_middle() {
    let pool = FramePool::default();
    for codec in [VideoCodec::Vp8, VideoCodec::H264] {
        for (width, height) in [(320, 240), (640, 480), (1280, 720), (1920, 1080)] {
            let mut pattern = TestPattern::new(width, height, 30).unwrap();
            let options = EncoderOptions::new(codec).with_bitrate(300_000);
            let mut encoder = VideoEncoder::new(options).unwrap();
            let mut decoder = VideoDecoder::new(codec, pool.clone()).unwrap();
            let (mut shown, mut read) = (0, 0);
            for counter in 1000..1045 {
                let mut frame = pattern.frame(counter, &pool).unwrap();
                let (w, h) = (width as f32, height as f32);
                let middle = Rect::new(w * 0.25, h * 0.25, w * 0.5, h * 0.5);
                Canvas::on(&mut frame, &pool)
                    .unwrap()
                    .rect(middle, RectStyle::outline(Bgr::GREEN, 4));
                // The encoder may leave a picture out to keep its rate.
                let Some(coded) = encoder.encode(&frame, counter == 1000).unwrap() else {
                    continue;
                };
                let back = decoder
                    .decode(&coded.data, frame.timing())
                    .unwrap()
                    .unwrap();
                shown += 1;
                read += u32::from(read_pattern_counter(&back) == Some(counter));
            }
            assert_eq!(read, shown, "{codec:?} {width}x{height}");
            assert!(shown > 20, "{codec:?} {width}x{height}: {shown}");
        }
    }
}
