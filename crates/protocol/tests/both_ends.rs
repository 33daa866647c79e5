//! Both machines with a virtual network between them: pacing, slow consumers, and sums that agree.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use chrono::NaiveDate;
use framewire_protocol::chunk::split_result;
use framewire_protocol::incoming::Incoming;
use framewire_protocol::job::{Gate, Job, JobConfig, JobInput, JobOutput, JobSource};
use framewire_protocol::message::{ResultWriter, VideoMetadata};
use framewire_protocol::queue::{DeliveryQueue, Pop, Push, QueuePolicy};
use framewire_protocol::session::{
    Counters, Dispatch, End, FrameDrop, FrameTicket, Input, Output, Session, SessionConfig,
};
use framewire_protocol::upload::create_video_upload_chunk;

const FRAMES: u64 = 300;
const QUEUE: usize = 8;

/// One session of a 300-frame file. In each round of virtual time the worker makes a frame if it may, and the consumer takes
/// one only every `slowness` rounds.
struct Pair {
    now: Instant,
    job: Job,
    session: Session,
    incoming: Incoming,
    /// Worker to client, in order.
    wire: VecDeque<Bytes>,
    queue: DeliveryQueue<(u64, FrameTicket)>,
    /// A message whose frame found the queue full: the dispatcher waits with it.
    waiting: Option<(u64, FrameTicket)>,
    consumed: Vec<u64>,
    produced: u64,
    most_ahead: u64,
}

impl Pair {
    fn new(batch: bool, window: u64) -> Self {
        let now = Instant::now();
        let policy = if batch {
            QueuePolicy::Lossless
        } else {
            QueuePolicy::NewestWins
        };
        let session = SessionConfig::new(!batch)
            .with_upload()
            .with_frame_outputs(vec!["image".into()]);
        let mut pair = Pair {
            now,
            job: Job::new(
                now,
                JobConfig::new(JobSource::Upload)
                    .with_batch(batch)
                    .with_ack_window(window),
            ),
            session: Session::new(session),
            incoming: Incoming::new(),
            wire: VecDeque::new(),
            queue: DeliveryQueue::new(QUEUE, policy),
            waiting: None,
            consumed: Vec::new(),
            produced: 0,
            most_ahead: 0,
        };
        let inputs = [
            Input::Start,
            Input::OfferReady,
            Input::AnswerApplied,
            Input::Connected,
            Input::ResultsOpen,
            Input::UploadOpen,
        ];
        inputs
            .into_iter()
            .for_each(|input| pair.session.handle(now, input));
        for (channel, label) in [(0, "inference"), (2, "video_upload")] {
            pair.job.handle(
                now,
                JobInput::ChannelOpen {
                    channel,
                    label: label.into(),
                },
            );
        }
        let file = create_video_upload_chunk(0, 1, b"file").unwrap();
        pair.job.handle(
            now,
            JobInput::Message {
                channel: 2,
                data: file,
            },
        );
        pair.session.handle(now, Input::UploadDone);
        pair
    }

    fn run(mut self, slowness: u64) -> (Counters, Vec<u64>, u64) {
        let mut round = 0;
        while self.session.end().is_none() || !self.queue.is_empty() || self.waiting.is_some() {
            round += 1;
            assert!(round < 100_000, "the session makes no progress");
            self.now += Duration::from_millis(1);
            self.worker();
            self.dispatcher();
            if round % slowness == 0 {
                self.consumer();
            }
            self.outputs();
            assert!(self.session.counters().is_balanced());
        }
        assert_eq!(
            self.session.end(),
            Some(&End::Completed {
                reason: None,
                errors: vec![]
            })
        );
        let stats = self.queue.stats();
        assert_eq!(
            stats.pushed,
            stats.delivered + stats.dropped + stats.discarded
        );
        (
            self.session.counters().clone(),
            self.consumed,
            self.most_ahead,
        )
    }

    fn worker(&mut self) {
        match self.job.gate() {
            Gate::Open if self.produced < FRAMES => {
                let Some(frame) = self.job.begin_frame(self.now) else {
                    return;
                };
                self.produced = frame.0;
                let date = NaiveDate::from_ymd_opt(2026, 1, 2).unwrap();
                let mut body = Vec::new();
                let mut writer = ResultWriter::begin(&mut body);
                writer.output("image", |json| {
                    json.extend_from_slice(br#"{"type":"base64","value":"/9j/"}"#);
                    Ok(())
                });
                writer.finish(
                    &VideoMetadata::new(frame, date.and_hms_opt(3, 4, 5).unwrap()),
                    vec![],
                );
                self.wire
                    .extend(split_result(frame, body.into(), 64).unwrap());
                self.job.end_frame(self.now, frame);
                let acked = self.session.last_ack().map_or(0, |ack| ack.0);
                self.most_ahead = self.most_ahead.max(frame.0 - acked);
            }
            Gate::Open => self
                .job
                .handle(self.now, JobInput::SourceEnded { error: None }),
            _ => {}
        }
    }

    fn dispatcher(&mut self) {
        if let Some(item) = self.waiting.take() {
            self.enqueue(item);
        }
        while self.waiting.is_none() {
            let Some(message) = self.wire.pop_front() else {
                return;
            };
            let Some(body) = self.incoming.binary(message).unwrap() else {
                continue;
            };
            let message = body.message().unwrap();
            let Dispatch::Deliver(delivery) = self.session.result(self.now, &message) else {
                continue;
            };
            let id = message.frame_id().unwrap().0;
            let frame = delivery.frame(&message).map(|(ticket, _)| (id, ticket));
            self.session.handlers_done(delivery.ticket);
            frame.into_iter().for_each(|item| self.enqueue(item));
        }
    }

    fn enqueue(&mut self, item: (u64, FrameTicket)) {
        match self.queue.push(item) {
            Push::Stored => {}
            Push::Full(item) => self.waiting = Some(item),
            Push::Replaced((_, ticket)) => self.session.frame_dropped(ticket, FrameDrop::Overflow),
            Push::Ended((_, ticket)) => self.session.frame_dropped(ticket, FrameDrop::Closed),
        }
    }

    fn consumer(&mut self) {
        if let Pop::Item((id, ticket)) = self.queue.pop() {
            self.consumed.push(id);
            self.session.frame_consumed(ticket);
        }
    }

    fn outputs(&mut self) {
        while let Some(output) = self.session.poll() {
            if let Output::SendText(text) = output {
                self.job.handle(
                    self.now,
                    JobInput::Message {
                        channel: 0,
                        data: text.into(),
                    },
                );
            }
        }
        while let Some(output) = self.job.poll() {
            if let JobOutput::Complete(completion) = output {
                let body = completion.body(
                    NaiveDate::from_ymd_opt(2026, 1, 2)
                        .unwrap()
                        .and_hms_opt(3, 4, 5)
                        .unwrap(),
                );
                self.wire
                    .extend(split_result(completion.header_frame(), body.into(), 64).unwrap());
            }
        }
    }
}

#[test]
fn a_batch_session_delivers_every_frame_in_order_however_slow_the_consumer_and_whatever_the_window()
{
    for window in [0, 1, 4, 1000] {
        for slowness in [1, 2, 17] {
            let (counters, consumed, most_ahead) = Pair::new(true, window).run(slowness);
            assert_eq!(
                consumed,
                (1..=FRAMES).collect::<Vec<_>>(),
                "window {window}, slowness {slowness}"
            );
            assert_eq!(
                (counters.frames.delivered, counters.frames.dropped_total()),
                (FRAMES, 0)
            );
            assert_eq!(
                (counters.results.delivered, counters.missing_results),
                (FRAMES, 0)
            );
            // Until the first acknowledgement arrives the worker runs ahead by what the consumer's first step takes.
            assert!(
                most_ahead <= (window.max(1) + 1).max(slowness + 1),
                "{most_ahead} ahead of window {window}"
            );
        }
    }
}

#[test]
fn a_realtime_session_drops_the_oldest_and_counts_every_one() {
    let (counters, consumed, _) = Pair::new(false, 1).run(10);
    assert_eq!(counters.frames.produced, FRAMES);
    assert_eq!(
        counters.frames.delivered + counters.frames.dropped[&FrameDrop::Overflow],
        FRAMES
    );
    assert!(counters.frames.dropped_total() > 200);
    assert!(
        consumed.windows(2).all(|pair| pair[0] < pair[1]),
        "order is kept"
    );
    assert_eq!(
        consumed.last(),
        Some(&FRAMES),
        "the newest is never the one dropped"
    );
}
