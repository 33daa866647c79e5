//! Opening a file as a container and reading one video stream's packets.
//! Not decoding.

use std::fs::File;
use std::time::Duration;

use ff::ffi;
use ff::format::context::{Input, StreamIo};
use ff::{Dictionary, Packet, Stream, media};
use ffmpeg_next as ff;

use super::{AvError, init, is_again};
use crate::timing::TimeBase;

/// Bytes read from the file at a time.
const READ_BYTES: usize = 64 << 10;

/// Times in a row a demuxer may ask to be called again before it counts as broken.
const MAX_RETRIES: u32 = 10_000;

/// Why a file cannot be used.
#[derive(Debug)]
pub(crate) enum OpenFailure {
    /// No demuxer takes it, or its header is damaged.
    Container(AvError),
    /// It holds no moving picture; the text lists what it holds.
    NoVideo(String),
}

/// What the container says about the video stream.
#[derive(Debug, Clone)]
pub(crate) struct StreamFacts {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) time_base: TimeBase,
    pub(crate) average_rate: Option<f64>,
    pub(crate) nominal_rate: Option<f64>,
    pub(crate) frames: Option<u64>,
    pub(crate) duration: Option<Duration>,
    /// Degrees of the display matrix, else of the `rotate` tag, else 0.
    pub(crate) rotation: i32,
    pub(crate) codec: String,
    pub(crate) container: String,
}

/// An opened container and the video stream chosen in it.
pub(crate) struct Demuxer {
    input: Input,
    stream: usize,
    packet: Packet,
}

impl Demuxer {
    /// Opens a container. Only the given file is read: a playlist inside it cannot reach other files or the network.
    pub(crate) fn open(file: File, max_pixels: u64) -> Result<Demuxer, OpenFailure> {
        init();
        let mut input = open_input(file, max_pixels).map_err(OpenFailure::Container)?;
        let best = input
            .streams()
            .best(media::Type::Video)
            .filter(|stream| !is_cover(stream));
        let Some(stream) = best.map(|stream| stream.index()) else {
            return Err(OpenFailure::NoVideo(describe(&input)));
        };
        for mut other in input.streams_mut() {
            if other.index() != stream {
                // SAFETY: the stream belongs to `input`, which is borrowed mutably; `discard` is a plain field.
                unsafe { (*other.as_mut_ptr()).discard = ffi::AVDiscard::AVDISCARD_ALL };
            }
        }
        Ok(Demuxer {
            input,
            stream,
            packet: Packet::empty(),
        })
    }

    /// The chosen stream.
    pub(super) fn stream(&self) -> Stream<'_> {
        self.input
            .stream(self.stream)
            .expect("the stream was found when opening and streams are never removed")
    }

    /// Whether the container is a transport stream, whose packets are marked corrupt at every splice.
    pub(crate) fn marks_splices_corrupt(&self) -> bool {
        self.input.format().name() == "mpegts"
    }

    /// What the container says about the video.
    pub(crate) fn facts(&self) -> StreamFacts {
        let stream = self.stream();
        let parameters = stream.parameters();
        // SAFETY: the parameters live as long as `input`; only plain integers are read.
        let (width, height) =
            unsafe { ((*parameters.as_ptr()).width, (*parameters.as_ptr()).height) };
        let time_base = stream.time_base();
        let ticks = u64::try_from(stream.duration())
            .ok()
            .filter(|&ticks| ticks > 0);
        let whole = u64::try_from(self.input.duration())
            .ok()
            .filter(|&micros| micros > 0);
        let time_base = TimeBase::new(time_base.numerator(), time_base.denominator())
            .unwrap_or(TimeBase::MICROS);
        let seconds = ticks.map(|ticks| ticks as f64 * time_base.as_f64());
        let duration = seconds.or(whole.map(|micros| micros as f64 / 1e6));
        StreamFacts {
            width: u32::try_from(width).unwrap_or(0),
            height: u32::try_from(height).unwrap_or(0),
            time_base,
            average_rate: rate(stream.avg_frame_rate()),
            nominal_rate: rate(stream.rate()),
            frames: u64::try_from(stream.frames())
                .ok()
                .filter(|&frames| frames > 0),
            duration: duration.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
            rotation: rotation(&stream),
            codec: codec_name(&stream),
            container: self.input.format().name().to_owned(),
        }
    }

    /// The next packet of the video stream, `None` at the end of the file.
    pub(crate) fn next_packet(&mut self) -> Result<Option<&Packet>, AvError> {
        let mut retries = 0;
        loop {
            // Reading overwrites a packet without releasing what it holds: the old one is dropped first.
            self.packet = Packet::empty();
            match self.packet.read(&mut self.input) {
                Ok(()) if self.packet.stream() == self.stream => return Ok(Some(&self.packet)),
                Ok(()) => retries = 0,
                Err(ff::Error::Eof) => return Ok(None),
                Err(error) if is_again(error) && retries < MAX_RETRIES => retries += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn open_input(file: File, max_pixels: u64) -> Result<Input, AvError> {
    let mut io = StreamIo::from_read_seek_with_capacity(file, READ_BYTES)?;
    let mut options = Dictionary::new();
    // No protocol has this name, so whatever the file refers to stays unopened.
    options.set("protocol_whitelist", "none");
    // SAFETY: the context is allocated here and either freed by FFmpeg on failure (`avformat_open_input` frees it,
    // `avformat_close_input` below) or owned by `Input`, which also keeps `io` alive as long as the context uses it.
    unsafe {
        let mut context = ffi::avformat_alloc_context();
        if context.is_null() {
            return Err(ff::Error::Other {
                errno: ff::error::ENOMEM,
            }
            .into());
        }
        (*context).pb = io.as_mut_ptr();
        (*context).flags |= ffi::AVFMT_FLAG_CUSTOM_IO;
        let mut raw_options = options.disown();
        let opened = ffi::avformat_open_input(
            &mut context,
            std::ptr::null(),
            std::ptr::null_mut(),
            &mut raw_options,
        );
        drop(Dictionary::own(raw_options));
        if opened < 0 {
            return Err(AvError::from_code(opened));
        }
        let input = Input::wrap_with_custom_io(context, io);
        find_streams(context, max_pixels)?;
        Ok(input)
    }
}

/// Looks into the streams as far as needed to know their properties, with the picture bound already in force.
///
/// # Safety
/// `context` must be an opened input context.
unsafe fn find_streams(context: *mut ffi::AVFormatContext, max_pixels: u64) -> Result<(), AvError> {
    // SAFETY: `options` has one dictionary for each stream that exists now, as FFmpeg expects (streams found later
    // are probed without); each is freed below.
    unsafe {
        let count = (*context).nb_streams as usize;
        let mut options: Vec<*mut ffi::AVDictionary> = (0..count)
            .map(|_| {
                let mut one = Dictionary::new();
                one.set("max_pixels", &max_pixels.to_string());
                one.set("threads", "1");
                one.disown()
            })
            .collect();
        let pointer = if count == 0 {
            std::ptr::null_mut()
        } else {
            options.as_mut_ptr()
        };
        let found = ffi::avformat_find_stream_info(context, pointer);
        options
            .into_iter()
            .for_each(|one| drop(Dictionary::own(one)));
        if found < 0 {
            Err(AvError::from_code(found))
        } else {
            Ok(())
        }
    }
}

/// A picture attached to a song is not a video.
fn is_cover(stream: &Stream<'_>) -> bool {
    stream
        .disposition()
        .contains(ff::format::stream::Disposition::ATTACHED_PIC)
}

fn describe(input: &Input) -> String {
    let mut kinds: Vec<String> = input
        .streams()
        .take(8)
        .map(|stream| match stream.parameters().medium() {
            _ if is_cover(&stream) => "a cover picture".to_owned(),
            media::Type::Audio => "audio".to_owned(),
            media::Type::Subtitle => "subtitles".to_owned(),
            _ => "data".to_owned(),
        })
        .collect();
    kinds.dedup();
    let held = if kinds.is_empty() {
        "nothing".to_owned()
    } else {
        kinds.join(", ")
    };
    format!("{held} ({})", input.format().name())
}

fn codec_name(stream: &Stream<'_>) -> String {
    // SAFETY: the parameters live as long as the input; names are constant zero-terminated strings.
    let name = unsafe {
        std::ffi::CStr::from_ptr(ffi::avcodec_get_name(
            (*stream.parameters().as_ptr()).codec_id,
        ))
    };
    name.to_string_lossy().into_owned()
}

pub(super) fn rate(rate: ff::Rational) -> Option<f64> {
    let (numerator, denominator) = (rate.numerator(), rate.denominator());
    (numerator > 0 && denominator > 0).then(|| f64::from(numerator) / f64::from(denominator))
}

fn rotation(stream: &Stream<'_>) -> i32 {
    matrix_rotation(stream)
        .or_else(|| {
            stream
                .metadata()
                .get("rotate")
                .and_then(|text| text.trim().parse().ok())
        })
        .unwrap_or(0)
}

fn matrix_rotation(stream: &Stream<'_>) -> Option<i32> {
    let data = stream
        .side_data()
        .find(|data| data.kind() == ff::packet::side_data::Type::DisplayMatrix)?;
    let numbers = data.data().as_chunks::<4>().0.get(..9)?;
    let mut matrix = [0i32; 9];
    for (number, &bytes) in matrix.iter_mut().zip(numbers) {
        *number = i32::from_ne_bytes(bytes);
    }
    // SAFETY: the function reads nine integers.
    let degrees = unsafe { ffi::av_display_rotation_get(matrix.as_ptr()) };
    degrees.is_finite().then(|| degrees.round() as i32)
}
