//! From a received body to something handlers and consumers can take: slices of JSON and a decoded picture.
//! Not here: order and bounds (the pipeline) and calling anybody (the dispatcher).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use framewire_media::{Frame, FramePool, TimeBase, Timing, decode_image};
use framewire_protocol::incoming::Body;
use framewire_protocol::message::{ImageValue, ResultMessage, VideoMetadata};
use framewire_protocol::raw::Piece;
use framewire_protocol::session::{Delivery, FrameTicket, HandlersTicket};
use serde_json::value::RawValue;

use crate::json::{Json, Outputs};
use crate::request::Selection;
use crate::session::no_picture::NoPicture;

/// A result that was read but whose picture was not decoded.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) result: Received,
    pub(crate) picture: Option<(FrameTicket, Piece)>,
}

/// A result whose picture, if any, was decoded.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) result: Received,
    pub(crate) picture: Option<(FrameTicket, Result<Frame, NoPicture>)>,
}

/// A result without its picture.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) ticket: HandlersTicket,
    pub(crate) metadata: Option<VideoMetadata>,
    pub(crate) errors: Vec<String>,
    pub(crate) outputs: Option<Outputs>,
    /// What was asked for when it arrived.
    pub(crate) asked: Arc<Selection>,
    pub(crate) arrived: Instant,
    /// When its frame was captured, if that was here and frames do not come back on a track.
    pub(crate) captured: Option<Instant>,
    /// Its frame comes on the track and is counted there. Kept from its arrival on: the next connection may differ.
    pub(crate) frame_on_track: bool,
}

impl Job {
    /// Takes what is needed out of a message, as slices of its body.
    pub(crate) fn new(
        body: &Body,
        message: &ResultMessage<'_>,
        delivery: Delivery,
        asked: Arc<Selection>,
        now: Instant,
    ) -> Self {
        let outputs = message.outputs.as_ref().map(|outputs| {
            let entries = outputs.iter().map(|output| {
                (
                    Arc::from(output.name.as_ref()),
                    Json::from_checked(body.piece(output.value)),
                )
            });
            Outputs::new(entries.collect())
        });
        let picture = delivery
            .frame(message)
            .map(|(ticket, raw)| (ticket, body.piece(raw)));
        Job {
            result: Received {
                ticket: delivery.ticket,
                metadata: message.metadata_with_errors(),
                errors: message.errors.clone(),
                outputs,
                asked,
                arrived: now,
                captured: None,
                frame_on_track: false,
            },
            picture,
        }
    }

    /// Bytes this job keeps alive.
    pub(crate) fn weight(body: &Body) -> usize {
        body.weight()
    }

    /// Decodes the picture. Costs milliseconds; never panics and never loses a ticket.
    pub(crate) fn work(self, pool: &FramePool) -> Done {
        let Job { result, picture } = self;
        let timing = result.metadata.as_ref().and_then(timing);
        let picture = picture.map(|(ticket, value)| {
            let decoded = catch_unwind(AssertUnwindSafe(|| decode_picture(&value, pool)));
            let mut decoded = decoded
                .unwrap_or_else(|_| Err(NoPicture::undecodable("the decoder failed inside")));
            if let (Ok(frame), Some(timing)) = (&mut decoded, timing) {
                frame.set_timing(timing);
            }
            (ticket, decoded)
        });
        Done { result, picture }
    }
}

/// Whether an output is itself a picture.
pub(crate) fn is_picture(value: &Json) -> bool {
    let piece = value.piece();
    piece.picture().is_some()
        || (value.is_object() && image(piece.text()).is_ok_and(|image| image.is_some()))
}

fn decode_picture(value: &Piece, pool: &FramePool) -> Result<Frame, NoPicture> {
    if let Some(file) = value.picture() {
        return Ok(decode_image(&file, pool)?);
    }
    let image = image(value.text()).map_err(NoPicture::undecodable)?;
    let image = image.ok_or_else(|| NoPicture::undecodable("the output is no base64 image"))?;
    let file = image.decode().map_err(NoPicture::undecodable)?;
    Ok(decode_image(&file, pool)?)
}

/// The picture a value is, if its base64 is in it.
fn image(text: &[u8]) -> Result<Option<ImageValue<'_>>, serde_json::Error> {
    let raw: &RawValue = serde_json::from_slice(text)?;
    Ok(ImageValue::parse(raw))
}

/// The frame's own timestamp in the source's unit.
fn timing(metadata: &VideoMetadata) -> Option<Timing> {
    Some(Timing::new(metadata.pts?, time_base(metadata.time_base?)?))
}

/// The fraction a decimal tick came from, by continued fractions.
fn time_base(seconds: f64) -> Option<TimeBase> {
    if !(seconds.is_finite() && seconds > 0.0) {
        return None;
    }
    let (mut before, mut now) = ((0_i64, 1_i64), (1_i64, 0_i64));
    let mut rest = seconds;
    for _ in 0..32 {
        let whole = rest.floor();
        if whole > 2e9 {
            break;
        }
        let step = whole as i64;
        let next = (
            step.checked_mul(now.0)?.checked_add(before.0)?,
            step.checked_mul(now.1)?.checked_add(before.1)?,
        );
        if next.0 > i64::from(i32::MAX) || next.1 > i64::from(i32::MAX) {
            break;
        }
        (before, now) = (now, next);
        let error = (now.0 as f64 / now.1 as f64 - seconds).abs();
        let fraction = rest - whole;
        if error <= seconds * 1e-12 || fraction < 1e-9 {
            break;
        }
        rest = 1.0 / fraction;
    }
    TimeBase::new(i32::try_from(now.0).ok()?, i32::try_from(now.1).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_ticks_become_their_fractions() {
        for (num, den) in [
            (1, 90_000),
            (1, 15_360),
            (1001, 30_000),
            (1001, 24_000),
            (1, 25),
            (1, 1_000_000),
            (1, 1),
        ] {
            let base = time_base(f64::from(num) / f64::from(den)).unwrap();
            assert_eq!((base.num, base.den), (num, den));
        }
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-300, 1e300] {
            assert!(time_base(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn what_is_no_picture_is_an_error_and_not_a_panic() {
        let pool = FramePool::default();
        for bad in [
            "5",
            "null",
            "{}",
            r#"{"type":"base64"}"#,
            r#"{"type":"base64","value":"!!"}"#,
            r#"{"type":"base64","value":""}"#,
            r#"{"type":"base64","value":"/9j/4AAQ"}"#,
            "{",
        ] {
            assert!(
                decode_picture(&Piece::plain(bad.into()), &pool).is_err(),
                "{bad}"
            );
        }
    }

    #[test]
    fn pictures_are_recognised_by_shape() {
        let json = |text: &'static str| Json::from_checked(Piece::plain(text.into()));
        assert!(is_picture(&json(r#"{"type":"base64","value":"x"}"#)));
        assert!(!is_picture(&json(
            r#"{"image":{"type":"base64","value":"x"}}"#
        )));
        assert!(!is_picture(&json("[1]")));
    }
}
