//! Opening a camera or a network stream without looking further into it than needed, and decoding it without delay.
//! Not policy: which options, what an error means and when to give up are `live`'s.

use std::ffi::CString;
use std::ptr;
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use ff::codec::{self, Context, decoder};
use ff::ffi;
use ff::format::context::Input;
use ff::frame::Video;
use ff::{Dictionary, Packet, media};
use ffmpeg_next as ff;

use super::interrupt::{Watch, callback};
use super::{AvError, Picture, init, is_again};
use crate::timing::TimeBase;

/// How long a device that has no picture yet is left alone. Drivers queue pictures, so none is lost.
const DEVICE_PAUSE: Duration = Duration::from_millis(2);

/// What to open.
pub(crate) struct Opening<'a> {
    /// As FFmpeg takes it.
    pub(crate) url: &'a str,
    /// The demuxer or device; found by FFmpeg if `None`.
    pub(crate) format: Option<&'a str>,
    pub(crate) options: &'a [(&'a str, String)],
    /// Ask the device instead of waiting in it, where FFmpeg could not be interrupted.
    pub(crate) ask: bool,
    /// Read a few pictures ahead to learn what the header does not say.
    pub(crate) probe: bool,
}

/// What is known of the video before its first picture.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LiveFacts {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) fps: Option<f64>,
    pub(crate) codec: String,
    pub(crate) time_base: TimeBase,
}

/// An open input and the packet read last.
pub(crate) struct LiveDemuxer {
    input: Input,
    watch: Arc<Watch>,
    packet: Packet,
}

/// A packet that was read, of the stream with this number.
pub(crate) struct Arrived<'a> {
    pub(crate) packet: &'a Packet,
    pub(crate) at: Instant,
}

impl LiveDemuxer {
    /// Opens an input: connects and reads what describes its streams, no pictures.
    pub(crate) fn open(what: &Opening<'_>, watch: &Arc<Watch>) -> Result<LiveDemuxer, AvError> {
        init();
        register_devices();
        let invalid = || {
            AvError(ff::Error::Other {
                errno: ff::error::EINVAL,
            })
        };
        let url = CString::new(what.url).map_err(|_| invalid())?;
        let format = what
            .format
            .map(CString::new)
            .transpose()
            .map_err(|_| invalid())?;
        let mut options = Dictionary::new();
        for (name, value) in what.options {
            options.set(name, value);
        }
        let interrupt = callback(watch);
        // SAFETY: strings and callback live through the calls. On failure FFmpeg frees the context, after which nobody
        // uses the callback; on success `Input` owns the context and the callback's guard and drops them in that order.
        let input = unsafe {
            let format = match &format {
                Some(name) => {
                    let format = ffi::av_find_input_format(name.as_ptr());
                    if format.is_null() {
                        return Err(ff::Error::DemuxerNotFound.into());
                    }
                    format
                }
                None => ptr::null(),
            };
            let mut context = ffi::avformat_alloc_context();
            if context.is_null() {
                return Err(AvError(ff::Error::Other {
                    errno: ff::error::ENOMEM,
                }));
            }
            (*context).interrupt_callback = interrupt.interrupt;
            if what.ask {
                (*context).flags |= ffi::AVFMT_FLAG_NONBLOCK;
            }
            let mut raw_options = options.disown();
            let opened =
                ffi::avformat_open_input(&mut context, url.as_ptr(), format, &mut raw_options);
            drop(Dictionary::own(raw_options));
            if opened < 0 {
                return Err(AvError::from_code(opened));
            }
            let input = Input::wrap_with_interrupt(context, interrupt.guard);
            if what.probe {
                let found = ffi::avformat_find_stream_info(context, ptr::null_mut());
                if found < 0 {
                    return Err(AvError::from_code(found));
                }
            }
            input
        };
        Ok(LiveDemuxer {
            input,
            watch: watch.clone(),
            packet: Packet::empty(),
        })
    }

    /// The first video stream known so far.
    pub(crate) fn video_stream(&self) -> Option<usize> {
        self.input
            .streams()
            .find(|stream| {
                let parameters = stream.parameters();
                parameters.medium() == media::Type::Video && parameters.id() != codec::Id::None
            })
            .map(|stream| stream.index())
    }

    /// Whether streams may still turn up.
    pub(crate) fn may_grow(&self) -> bool {
        // SAFETY: the context is alive; a plain integer is read.
        unsafe { (*self.input.as_ptr()).ctx_flags & ffi::AVFMTCTX_NOHEADER != 0 }
    }

    /// What is known of a stream.
    pub(crate) fn facts(&self, stream: usize) -> Option<LiveFacts> {
        let stream = self.input.stream(stream)?;
        let parameters = stream.parameters();
        // SAFETY: the parameters live as long as `input`; plain integers and a constant string are read.
        let (width, height, codec) = unsafe {
            let raw = parameters.as_ptr();
            let name = std::ffi::CStr::from_ptr(ffi::avcodec_get_name((*raw).codec_id));
            ((*raw).width, (*raw).height, name.to_string_lossy())
        };
        let base = stream.time_base();
        Some(LiveFacts {
            width: u32::try_from(width).unwrap_or(0),
            height: u32::try_from(height).unwrap_or(0),
            fps: super::input::rate(stream.avg_frame_rate()).or(super::input::rate(stream.rate())),
            codec: codec.into_owned(),
            time_base: TimeBase::new(base.numerator(), base.denominator())
                .unwrap_or(TimeBase::MICROS),
        })
    }

    /// The next packet of any stream, `None` at the end.
    pub(crate) fn next_packet(&mut self) -> Result<Option<Arrived<'_>>, AvError> {
        loop {
            // Reading overwrites a packet without releasing what it holds: the old one is dropped first.
            self.packet = Packet::empty();
            match self.packet.read(&mut self.input) {
                Ok(()) => {
                    return Ok(Some(Arrived {
                        packet: &self.packet,
                        at: Instant::now(),
                    }));
                }
                Err(ff::Error::Eof) => return Ok(None),
                Err(error) if is_again(error) && !self.watch.pause(DEVICE_PAUSE) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Whether the server still answers after its stream ended: asks it to pause. Only RTSP has an answer to that; with
    /// anything else the end of the stream is the end of the connection.
    pub(crate) fn is_still_connected(&mut self) -> bool {
        use ff::Error as E;
        self.input.format().name() == "rtsp"
            && matches!(
                self.input.pause(),
                Ok(()) | Err(E::HttpBadRequest | E::HttpNotFound | E::HttpOther4xx)
            )
    }

    /// The packet read last.
    pub(crate) fn packet(&self) -> &Packet {
        &self.packet
    }

    /// A decoder for a stream: one thread, no reordering delay, whole pictures only.
    pub(crate) fn decoder(&self, stream: usize, max_pixels: u64) -> Result<LiveDecoder, AvError> {
        let stream = self
            .input
            .stream(stream)
            .ok_or(AvError(ff::Error::StreamNotFound))?;
        let mut context = Context::from_parameters(stream.parameters())?;
        // SAFETY: the context was just made and is not open yet, when these plain fields may be set.
        unsafe {
            let raw = context.as_mut_ptr();
            (*raw).max_pixels = i64::try_from(max_pixels).unwrap_or(i64::MAX);
            (*raw).thread_count = 1;
            (*raw).flags |= ffi::AV_CODEC_FLAG_LOW_DELAY as i32;
            (*raw).pkt_timebase = stream.time_base().into();
        }
        Ok(LiveDecoder {
            decoder: context.decoder().video()?,
        })
    }
}

/// A decoder of a live stream.
pub(crate) struct LiveDecoder {
    decoder: decoder::Video,
}

impl LiveDecoder {
    /// Gives the decoder a packet; all pictures must have been taken before.
    pub(crate) fn send(&mut self, packet: &Packet) -> Result<(), AvError> {
        // An empty packet would mean the end of the stream.
        if packet.size() == 0 {
            return Ok(());
        }
        Ok(self.decoder.send_packet(packet)?)
    }

    /// The next picture, if one is ready.
    pub(crate) fn receive(&mut self) -> Result<Option<Picture>, AvError> {
        let mut frame = Video::empty();
        match self.decoder.receive_frame(&mut frame) {
            Ok(()) => Ok(Some(Picture::new(frame))),
            Err(ff::Error::Eof) => Ok(None),
            Err(error) if is_again(error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// How long ago a device says a picture was taken: drivers stamp with the system's clock since start or of the day, in
/// microseconds. `None` if the stamp fits neither.
pub(crate) fn age_of_stamp(micros: i64) -> Option<Duration> {
    // SAFETY: both only read a clock.
    let clocks = unsafe { [ffi::av_gettime_relative(), ffi::av_gettime()] };
    clocks.into_iter().find_map(|now| {
        let age = now
            .checked_sub(micros)
            .and_then(|age| u64::try_from(age).ok())?;
        Some(Duration::from_micros(age)).filter(|age| *age < Duration::from_secs(2))
    })
}

fn register_devices() {
    static ONCE: Once = Once::new();
    ONCE.call_once(ff::device::register_all);
}
