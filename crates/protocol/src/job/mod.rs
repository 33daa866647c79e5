//! One job of a worker as a state machine: from the offer to the last byte, with every timer it needs.
//! It decodes no video, runs no workflow and writes no file: its owner does, and reports back.
//!
//! # Driving it
//!
//! Feed [`JobInput`]s, drain [`Job::poll`], report [`JobInput::Tick`] at [`Job::poll_timeout`]. The processing loop asks
//! [`Job::gate`] before it reads the source, calls [`Job::begin_frame`] when it has a frame and [`Job::end_frame`] when the
//! result of that frame is queued:
//!
//! ```
//! use std::time::Instant;
//! use bytes::Bytes;
//! use framewire_protocol::job::{Gate, Job, JobConfig, JobInput, JobOutput, JobSource};
//! use framewire_protocol::upload::create_video_upload_chunk;
//!
//! let now = Instant::now(); // the caller's clock; the machine has none
//! let mut job = Job::new(now, JobConfig::new(JobSource::Upload).with_batch(true));
//! job.handle(now, JobInput::Connected);
//! job.handle(now, JobInput::ChannelOpen { channel: 0, label: "inference".into() });
//! job.handle(now, JobInput::ChannelOpen { channel: 2, label: "video_upload".into() });
//! let chunk = create_video_upload_chunk(0, 1, b"a video file")?;
//! job.handle(now, JobInput::Message { channel: 2, data: chunk });
//! let mut file = vec![0; 12];
//! let mut running = true;
//! let mut frames_left = 2;
//! while running {
//!     while let Some(output) = job.poll() {
//!         match output {
//!             JobOutput::Echo { .. } => {}                    // send it back on that channel
//!             JobOutput::SendText(_) => {}                    // send it on the results channel
//!             JobOutput::OpenUpload { .. } => {}              // find what is there of it, then `JobInput::UploadOpened`
//!             JobOutput::VerifyUpload { .. } => {}            // hash the file elsewhere, then `JobInput::UploadVerified`
//!             JobOutput::Write(write) => file[write.offset as usize..].copy_from_slice(&write.data),
//!             JobOutput::Start => {}                          // open the file, start the processing loop
//!             JobOutput::GateChanged => {}                    // wake the processing loop if it waits
//!             JobOutput::ModesChanged => {}                   // from the next result on, see `Job::modes`
//!             JobOutput::Warning(_) => {}                     // log it
//!             JobOutput::Complete(completion) => {            // build the message, send it, then:
//!                 assert_eq!(completion.header_frame().0, 3);
//!                 job.handle(now, JobInput::Drained);
//!                 job.handle(now, JobInput::PeerEnded);
//!             }
//!             JobOutput::Close => {}                          // close the connection, flushing what is queued
//!             JobOutput::Ended(_) => running = false,         // tear everything down
//!             _ => {}
//!         }
//!     }
//!     match job.gate() {
//!         Gate::Open if frames_left > 0 => {
//!             frames_left -= 1; // read the source …
//!             let Some(frame) = job.begin_frame(now) else { continue };
//!             // … run the workflow, send the result …
//!             job.end_frame(now, frame);
//!         }
//!         Gate::Open => job.handle(now, JobInput::SourceEnded { error: None }),
//!         Gate::Wait | Gate::Stop => {} // a real loop waits for `GateChanged`
//!         _ => {}
//!     }
//! }
//! assert_eq!(file, b"a video file");
//! # Ok::<(), framewire_protocol::upload::UploadError>(())
//! ```

mod channels;
mod config;
mod events;
mod machine;
mod outcome;
mod processing;
mod upload;

pub use channels::{FRESH_LABEL, RESULTS_LABEL, Role, UPLOAD_LABEL};
pub use config::{JobConfig, JobLimits, JobSource};
pub use events::{JobInput, JobOutput, JobPhase, OutputModes};
pub use machine::Job;
pub use outcome::{Completion, JobEnd, JobWarning, WORKER_SHUTDOWN};
pub use processing::Gate;
