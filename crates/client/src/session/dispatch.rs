//! The dispatch thread: calls data and error handlers in order and hands frames on.
//! It never touches the network; what it finishes is acknowledged by the protocol machine.

use std::sync::Arc;
use std::time::Instant;

use framewire_protocol::pairing::Match;
use framewire_protocol::session::FrameDrop;

use crate::error::{SessionError, Step};
use crate::json::{Json, Outputs};
use crate::recovery::Gap;
use crate::session::decode::{Done, Received};
use crate::session::errors::StreamErrorKind;
use crate::session::pipeline::Turn;
use crate::session::queue::QueuedFrame;
use crate::session::shared::Shared;
use crate::session::{FrameEvent, ResultEvent};
use crate::stats::{DropReason, Stage};

/// What comes off the pipeline.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "boxing every result for the sake of rare gaps would cost an allocation for each frame"
)]
pub(crate) enum Item {
    Result(Done),
    /// Between the results before and after it.
    Gap(Box<Gap>),
}

/// Runs until the pipeline is exhausted or shut, then lets consumers see the end.
pub(crate) fn run(shared: &Arc<Shared>) {
    loop {
        match shared.pipeline.turn() {
            Turn::Item(Some(Item::Result(done))) => deliver(shared, done),
            Turn::Item(Some(Item::Gap(gap))) => {
                shared.handlers.call_gap(&gap);
                shared.gap_told();
            }
            // Decoding contains its own panics, so this is a bug; without its tickets the session cannot go on.
            Turn::Item(None) => shared.settle(SessionError::Local {
                step: Step::Streaming,
                reason: "reading a result failed inside; please report this".into(),
            }),
            Turn::Nudge => {}
            Turn::Over => break,
        }
        shared.call_stream_errors();
    }
    shared.call_stream_errors();
    shared.producer_done();
}

fn deliver(shared: &Shared, done: Done) {
    let Done { result, picture } = done;
    let Received {
        ticket,
        metadata,
        errors,
        outputs,
        asked,
        arrived,
        captured,
        frame_on_track,
    } = result;
    let metadata = metadata.as_ref();
    shared.ledger(|ledger| ledger.result(errors.len()));
    let frame_id = metadata.map(|metadata| metadata.frame_id);
    for error in &errors {
        shared
            .errors
            .add(StreamErrorKind::Worker, frame_id, error.clone());
    }
    if !errors.is_empty() {
        shared.handlers.call_error(&errors, metadata);
    }
    match picture {
        Some((ticket, Ok(frame))) => {
            shared.asked.picture_came();
            let event = FrameEvent {
                frame,
                metadata: metadata.cloned(),
                data: predictions(shared, outputs.as_ref()),
                pairing: Match::Exact,
                captured: None,
            };
            shared.enqueue(QueuedFrame {
                event,
                ticket,
                ready: arrived,
            });
        }
        Some((ticket, Err(why))) => {
            let frame = frame_id.map_or(0, |frame| frame.0);
            tracing::warn!("the picture of frame {frame} was skipped: {}", why.text);
            shared.needs_picture(&why);
            let kind = StreamErrorKind::FrameDropped(why.reason);
            shared.errors.add(kind, frame_id, why.text);
            shared.drop_frame(ticket, FrameDrop::Undecodable, why.reason);
        }
        // Its frame is on the track and counted there.
        None if frame_on_track => {}
        None if !shared.asked.expects_pictures() => {
            let now = Instant::now();
            shared.ledger(|ledger| {
                ledger.delivered(now, captured);
                if let Some(captured) = captured {
                    ledger.stages.span(Stage::Deliver, arrived, now);
                    ledger.stages.span(Stage::Total, captured, now);
                }
            });
        }
        None => {
            let kind = StreamErrorKind::FrameDropped(DropReason::NoPicture);
            let text = "the result has no picture".to_owned();
            shared.errors.add(kind, frame_id, text);
            shared.ledger(|ledger| ledger.dropped(DropReason::NoPicture, 1));
        }
    }
    let event = ResultEvent::new(shared, &asked, outputs.as_ref(), metadata, &errors);
    shared.handlers.call_result(&event);
    if shared.handlers.has_any() {
        shared.handlers.call_any(event.visible().as_ref(), metadata);
    }
    if let Some(outputs) = &outputs {
        for (name, value) in outputs.iter() {
            shared.handlers.call_field(name, value, metadata);
        }
    }
    shared.control(|machine| machine.handlers_done(ticket));
}

/// Model mode: what goes along with a frame.
pub(crate) fn predictions(shared: &Shared, outputs: Option<&Outputs>) -> Option<Json> {
    let name = shared.plan.predictions.as_ref()?;
    outputs?
        .get(name)
        .filter(|value| value.is_object())
        .cloned()
}
