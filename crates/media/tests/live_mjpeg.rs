//! Motion JPEG from sockets and from hostile senders.
//! Not HTTP: the reader is handed over after the headers.
#![cfg(feature = "ffmpeg")]

mod common;

use std::io::{self, Cursor, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use common::Clips;
use framewire_media::{
    ColorInfo, FramePool, Interrupt, JpegEncoder, LiveError, LiveInput, LiveOptions, MjpegKind,
    PixelFormat, TestPattern, read_pattern_counter,
};

fn open(reader: impl Read + Send + 'static, kind: MjpegKind) -> LiveInput {
    open_with(reader, kind, &LiveOptions::default(), &Interrupt::new())
}

fn open_with(
    reader: impl Read + Send + 'static,
    kind: MjpegKind,
    options: &LiveOptions,
    interrupt: &Interrupt,
) -> LiveInput {
    LiveInput::mjpeg(
        Box::new(reader),
        kind,
        options,
        &FramePool::default(),
        interrupt,
    )
}

/// A loopback connection: what is written to the first end is read from the second.
fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let writer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (writer, listener.accept().unwrap().0)
}

fn picture(counter: u32) -> Vec<u8> {
    let pool = FramePool::default();
    let frame = TestPattern::new(320, 240, 30)
        .unwrap()
        .frame(counter, &pool);
    JpegEncoder::default()
        .encode(&frame.unwrap())
        .unwrap()
        .to_vec()
}

fn counters(mut input: LiveInput) -> Vec<u32> {
    let mut counters = Vec::new();
    while let Some(live) = input.read().unwrap() {
        counters.push(read_pattern_counter(&live.frame).unwrap());
    }
    counters
}

#[test]
fn a_stream_as_ffmpeg_serves_it_is_read_to_its_end() {
    let clips = Clips::new();
    let path = clips.make(
        "stream.mpjpeg",
        "-f lavfi -i testsrc2=size=320x240:rate=25:duration=1 -c:v mjpeg -q:v 4 -f mpjpeg",
    );
    let bytes = std::fs::read(path).unwrap();
    let (mut writer, reader) = connection();
    let sending = std::thread::spawn(move || writer.write_all(&bytes));
    let mut input = open(reader, MjpegKind::Multipart);
    let (mut frames, mut last) = (0, None);
    while let Some(live) = input.read().unwrap() {
        assert_eq!(live.frame.format(), PixelFormat::I420);
        assert_eq!(live.frame.color(), ColorInfo::JPEG);
        assert!(live.captured <= Instant::now());
        assert!(live.frame.pts() >= last);
        (frames, last) = (frames + 1, live.frame.pts());
    }
    sending.join().unwrap().unwrap();
    assert_eq!(frames, 25);
    assert_eq!((input.info().width, input.info().height), (320, 240));
    assert_eq!(input.info().codec, "mjpeg");
}

#[test]
fn a_frame_is_handed_over_with_its_last_byte_and_a_closing_boundary_ends_an_open_connection() {
    let (mut writer, reader) = connection();
    let mut input = open(reader, MjpegKind::Multipart);
    for counter in [5, 6] {
        writer
            .write_all(b"--x\r\nContent-Type: image/jpeg\r\n\r\n")
            .unwrap();
        writer.write_all(&picture(counter)).unwrap();
        let live = input.read().unwrap().unwrap();
        assert_eq!(read_pattern_counter(&live.frame), Some(counter));
    }
    writer.write_all(b"\r\n--x--\r\n").unwrap();
    assert!(input.read().unwrap().is_none());
}

#[test]
fn plain_pictures_one_after_the_other_are_read_and_damaged_ones_left_out_and_counted() {
    let good: Vec<Vec<u8>> = (0..4).map(picture).collect();
    let mut bytes = good[0].clone();
    bytes.extend_from_slice(&good[1][..good[1].len() / 2]);
    let middle = bytes.len() + good[2].len() / 2;
    bytes.extend_from_slice(&good[2]);
    bytes.extend_from_slice(&good[3]);
    // A marker that cannot be there.
    bytes[middle..middle + 2].copy_from_slice(&[0xff, 0xc8]);
    let mut input = open(Cursor::new(bytes), MjpegKind::Plain);
    let mut seen = Vec::new();
    while let Some(live) = input.read().unwrap() {
        seen.push(read_pattern_counter(&live.frame));
    }
    assert_eq!(seen, [Some(0), Some(3)]);
    assert_eq!(input.stats().damaged, 2);
}

#[test]
fn pictures_may_change_their_size_and_chroma() {
    let clips = Clips::new();
    let mut bytes = Vec::new();
    for (name, size, format) in [
        ("a", "320x240", "yuvj420p"),
        ("b", "641x361", "yuvj420p"),
        ("c", "320x240", "yuvj422p"),
        ("d", "320x240", "yuvj444p"),
    ] {
        let args = format!(
            "-f lavfi -i testsrc=size={size}:rate=1 -frames:v 1 -c:v mjpeg -pix_fmt {format} -strict -1 -f mjpeg"
        );
        bytes.extend(std::fs::read(clips.make(name, &args)).unwrap());
    }
    let mut input = open(Cursor::new(bytes), MjpegKind::Plain);
    let mut sizes = Vec::new();
    while let Some(live) = input.read().unwrap() {
        assert_eq!(live.frame.format(), PixelFormat::I420);
        sizes.push((live.frame.width(), live.frame.height()));
    }
    assert_eq!(sizes, [(320, 240), (641, 361), (320, 240), (320, 240)]);
}

#[test]
fn a_connection_that_is_cut_inside_a_picture_is_broken() {
    let mut bytes = picture(1);
    bytes.extend_from_slice(&picture(2)[..500]);
    let mut input = open(Cursor::new(bytes), MjpegKind::Plain);
    assert!(input.read().unwrap().is_some());
    let error = input.read().unwrap_err();
    assert!(matches!(error, LiveError::Broken { .. }), "{error:?}");
    assert!(input.read().unwrap().is_none());
}

#[test]
fn endless_headers_garbage_and_pictures_without_end_are_refused() {
    let reads: [(MjpegKind, Box<dyn Read + Send>); 4] = [
        (
            MjpegKind::Multipart,
            Box::new(Repeat(b"X-Header: and so on\r\n")),
        ),
        (
            MjpegKind::Multipart,
            Box::new(Repeat(b"--boundary\r\nContent-Length: 99999999999\r\n\r\n")),
        ),
        (MjpegKind::Plain, Box::new(Repeat(&[0xff]))),
        (
            MjpegKind::Plain,
            Box::new(Cursor::new(picture(1)[..600].to_vec()).chain(Repeat(&[7]))),
        ),
    ];
    for (kind, reader) in reads {
        let error = open(reader, kind).read().unwrap_err();
        assert!(matches!(error, LiveError::Broken { .. }), "{error:?}");
    }
}

#[test]
fn a_stream_of_nothing_but_damaged_pictures_times_out() {
    let options = LiveOptions::default().with_picture_timeout(Duration::from_millis(200));
    // A picture as far as its segments go, which no decoder takes.
    let hollow = Repeat(&[0xff, 0xd8, 0xff, 0xda, 0, 2, 0, 0xff, 0xd9]);
    let mut input = open_with(hollow, MjpegKind::Plain, &options, &Interrupt::new());
    let error = input.read().unwrap_err();
    assert!(matches!(error, LiveError::TimedOut { .. }), "{error:?}");
    assert!(input.stats().damaged > 0);
}

#[test]
fn a_picture_over_the_pixel_limit_is_refused() {
    let options = LiveOptions::default().with_max_pixels(320 * 240 - 1);
    let reader = Cursor::new(picture(1));
    let mut input = open_with(reader, MjpegKind::Plain, &options, &Interrupt::new());
    assert!(matches!(input.read(), Err(LiveError::Frame(_))));
}

#[test]
fn silence_an_interrupt_and_a_broken_reader_are_told_apart() {
    let (writer, reader) = connection();
    reader
        .set_read_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    let error = open(reader, MjpegKind::Multipart).read().unwrap_err();
    assert!(matches!(error, LiveError::TimedOut { .. }), "{error:?}");
    drop(writer);

    let interrupt = Interrupt::new();
    interrupt.interrupt();
    let reader = Cursor::new(picture(1));
    let mut input = open_with(
        reader,
        MjpegKind::Plain,
        &LiveOptions::default(),
        &interrupt,
    );
    assert_eq!(input.read().unwrap_err(), LiveError::Interrupted);

    let error = open(Failing, MjpegKind::Plain).read().unwrap_err();
    assert!(matches!(error, LiveError::Broken { .. }), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}

#[test]
fn counters_survive_the_way_through_jpeg() {
    let parts = (0..30).flat_map(|counter| {
        let mut part = b"--b\r\nContent-Type: image/jpeg\r\n\r\n".to_vec();
        part.extend_from_slice(&picture(counter));
        part.extend_from_slice(b"\r\n");
        part
    });
    let input = open(
        Cursor::new(parts.collect::<Vec<u8>>()),
        MjpegKind::Multipart,
    );
    assert_eq!(counters(input), (0..30).collect::<Vec<_>>());
}

/// The same bytes for ever.
struct Repeat(&'static [u8]);

impl Read for Repeat {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut written = 0;
        while written < buffer.len() {
            let count = self.0.len().min(buffer.len() - written);
            buffer[written..written + count].copy_from_slice(&self.0[..count]);
            written += count;
        }
        Ok(written)
    }
}

/// A reader whose error holds its address.
struct Failing;

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("http://user:hunter2@host/ broke"))
    }
}
