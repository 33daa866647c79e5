//! One video decoder: packets in, pictures out.
//! Not containers, not pixel conversion.

use ff::Packet;
use ff::codec::{Context, decoder};
use ff::ffi;
use ff::frame::Video;
use ffmpeg_next as ff;

use super::{AvError, Demuxer, Picture, init, is_again};

/// What a decoder has to say.
pub(crate) enum Received {
    /// A picture.
    Picture(Picture),
    /// It needs another packet first.
    NeedsPacket,
    /// It has given everything.
    End,
}

/// A video decoder.
pub(crate) struct VideoCodec {
    decoder: decoder::Video,
}

impl VideoCodec {
    /// A decoder for the demuxer's stream. `threads` 0 lets FFmpeg choose.
    pub(crate) fn open(
        demuxer: &Demuxer,
        threads: usize,
        max_pixels: u64,
    ) -> Result<VideoCodec, AvError> {
        let stream = demuxer.stream();
        let mut context = Context::from_parameters(stream.parameters())?;
        // SAFETY: the context was just made and is not open yet, when these plain fields may be set.
        unsafe {
            let raw = context.as_mut_ptr();
            (*raw).max_pixels = i64::try_from(max_pixels).unwrap_or(i64::MAX);
            (*raw).thread_count = i32::try_from(threads).unwrap_or(i32::MAX);
            (*raw).pkt_timebase = stream.time_base().into();
        }
        Ok(VideoCodec {
            decoder: context.decoder().video()?,
        })
    }

    /// A decoder, named as FFmpeg names it, for packets that come from elsewhere than a container, each a whole frame
    /// to be shown at once. Damage is an error instead of being painted over. `None` if this FFmpeg does not have it.
    pub(crate) fn for_packets(name: &str, max_pixels: u64) -> Result<Option<VideoCodec>, AvError> {
        init();
        let Some(codec) = decoder::find_by_name(name) else {
            return Ok(None);
        };
        let mut context = Context::new_with_codec(codec);
        // SAFETY: the context was just made and is not open yet, when these plain fields may be set.
        unsafe {
            let raw = context.as_mut_ptr();
            (*raw).max_pixels = i64::try_from(max_pixels).unwrap_or(i64::MAX);
            (*raw).thread_count = 1;
            (*raw).flags |= ffi::AV_CODEC_FLAG_LOW_DELAY as i32;
            (*raw).err_recognition |= ffi::AV_EF_EXPLODE;
        }
        let opened = context.decoder().open_as(codec)?;
        Ok(Some(VideoCodec {
            decoder: opened.video()?,
        }))
    }

    /// Whether the stream wants pictures shown in another order than they come, so that some are held back.
    pub(crate) fn reorders(&self) -> bool {
        // SAFETY: the context is alive; a plain integer is read.
        unsafe { (*self.decoder.as_ptr()).has_b_frames > 0 }
    }

    /// Gives the decoder a packet; all pictures must have been taken before.
    pub(crate) fn send(&mut self, packet: &Packet) -> Result<(), AvError> {
        // An empty packet would mean the end of the stream.
        if packet.size() == 0 {
            return Ok(());
        }
        Ok(self.decoder.send_packet(packet)?)
    }

    /// Gives the decoder the bytes of one frame with its timestamp.
    pub(crate) fn send_bytes(&mut self, data: &[u8], pts: Option<i64>) -> Result<(), AvError> {
        // A copy: FFmpeg reads some bytes beyond the end, which have to be there.
        let mut packet = Packet::copy(data);
        packet.set_pts(pts);
        self.send(&packet)
    }

    /// Tells the decoder that no packets follow.
    pub(crate) fn finish(&mut self) -> Result<(), AvError> {
        Ok(self.decoder.send_eof()?)
    }

    /// The next picture, if one is ready.
    pub(crate) fn receive(&mut self) -> Result<Received, AvError> {
        let mut frame = Video::empty();
        match self.decoder.receive_frame(&mut frame) {
            Ok(()) => Ok(Received::Picture(Picture::new(frame))),
            Err(ff::Error::Eof) => Ok(Received::End),
            Err(error) if is_again(error) => Ok(Received::NeedsPacket),
            Err(error) => Err(error.into()),
        }
    }
}
