//! The client's session as a state machine: steps and their deadlines, what one result message causes, acknowledgements,
//! the end. One machine serves one connection at a time; after a broken one [`Session::reconnect`] makes it ready for the
//! next. It moves no bytes, holds no frames and calls no handlers: its owner does, and reports back.
//!
//! # Driving it
//!
//! Every call is short and O(1), so that a lock around the machine is fine; the heavy parts (reassembly, gunzip, JSON,
//! image decoding) happen outside of it. After each call, drain [`Session::poll`]; wake up at [`Session::poll_timeout`] and
//! report [`Input::Tick`].
//!
//! For each whole [`Body`](crate::incoming::Body), in order, on a thread that is not the network's:
//!
//! ```
//! use std::time::{Duration, Instant};
//! use bytes::Bytes;
//! use framewire_protocol::incoming::Incoming;
//! use framewire_protocol::message::ImageValue;
//! use framewire_protocol::session::{Dispatch, FrameDrop, Input, Output, Session, SessionConfig};
//!
//! let mut now = Instant::now(); // the caller's clock; the machine has none
//! let mut session = Session::new(SessionConfig::new(false).with_frame_outputs(vec!["image".into()]));
//! let mut incoming = Incoming::new();
//! for input in [Input::Start, Input::OfferReady, Input::AnswerApplied, Input::Connected, Input::ResultsOpen] {
//!     session.handle(now, input);
//! }
//! let text = r#"{"serialized_output_data": {"image": {"type": "base64", "value": "/9j/"}},
//!                "video_metadata": {"frame_id": 1, "received_at": "2026-01-02T03:04:05"}}"#;
//! let mut acks = Vec::new();
//! match incoming.text(Bytes::from(text)) {
//!     Err(reason) => session.message_dropped(reason, 1),
//!     Ok(None) => {} // more chunks to come
//!     Ok(Some(body)) => match body.message() {
//!         Err(reason) => session.message_dropped(reason, 1),
//!         Ok(message) => match session.result(now, &message) {
//!             Dispatch::End | Dispatch::Ignored => {}
//!             Dispatch::Deliver(delivery) => {
//!                 if !message.errors.is_empty() { /* error handlers */ }
//!                 if let Some((ticket, image)) = delivery.frame(&message) {
//!                     match ImageValue::parse(image).map(|i| i.decode()) {
//!                         // Decode to pixels, put it into the frame queue, and when the consumer is done with it:
//!                         Some(Ok(_jpeg)) => session.frame_consumed(ticket),
//!                         _ => session.frame_dropped(ticket, FrameDrop::Undecodable),
//!                     }
//!                 }
//!                 // The global data handler, with every output but those that `hides`; then field handlers with all.
//!                 for output in message.outputs.iter().flatten() {
//!                     let _ = (session.hides(&output.name), output.value.get());
//!                 }
//!                 session.handlers_done(delivery.ticket);
//!             }
//!         },
//!     },
//! }
//! session.handle(now, Input::Close);
//! while let Some(output) = session.poll() {
//!     match output {
//!         Output::SendText(text) => acks.push(text), // on `inference`
//!         Output::StartUpload => {}                  // first chunk may go out
//!         Output::ProbeWorker => {}                  // does the worker's HTTP port still accept?
//!         Output::Stalled(_) | Output::Resumed => {} // tell the user
//!         Output::Ended => {}                        // end the frame queue; wake everyone who waits
//!         Output::Release => {}                      // close the peer, clean the source up
//!         _ => {}
//!     }
//! }
//! assert_eq!(acks, [r#"{"ack": 1}"#]);
//! assert!(session.counters().is_balanced());
//! now += Duration::from_secs(1);
//! assert!(session.poll_timeout().is_none_or(|at| at > now));
//! ```

mod accounting;
mod config;
mod counters;
mod drain;
mod end;
mod events;
mod machine;
mod pause;
mod stall;
mod stragglers;
mod track;

pub use config::{DrainLimits, SessionConfig, SessionSource, StepLimits};
pub use counters::{Counters, FrameDrop, PairTally, Tally};
pub use end::{End, PeerEnd, Step};
pub use events::{Delivery, Dispatch, FrameTicket, HandlersTicket, Input, Output, SessionState};
pub use machine::Session;
pub use track::TrackTicket;
