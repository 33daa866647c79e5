//! Stream resets (RFC 6525): our requests, one at a time, and the peer's.
//! Which streams want one, and what a finished reset means for them, is the business of `streams`.

use std::collections::VecDeque;
use std::time::Duration;

use super::Association;
use crate::serial::{Rsn, Tsn};
use crate::wire::{Builder, ReconfigParam, ReconfigResult, StreamIds};

/// Longest wait before a request is repeated.
const LONGEST_WAIT: Duration = Duration::from_secs(8);
/// Bytes of a request without its streams: chunk header and the fixed fields.
const REQUEST: usize = 20;
/// Streams looked at in one pass for whether their data is acknowledged; the rest has its turn in the next.
const MAX_LOOKED_AT: usize = 256;

/// Requests of the peer that are remembered with their results, and answers that wait to be sent. One request may hold two
/// parameters, and one more may come while the one before is held.
const REMEMBERED: usize = 4;

/// A request of ours that is not answered for good.
#[derive(Debug)]
struct Request {
    number: Rsn,
    last_tsn: Tsn,
    streams: Vec<u16>,
    /// The peer was busy and forgot it: ask again under a new number.
    renumber: bool,
}

/// A request of the peer for data that has not all arrived.
#[derive(Debug)]
struct Held {
    number: Rsn,
    last_tsn: Tsn,
    streams: StreamIds,
}

/// The state of both directions.
#[derive(Debug)]
pub(super) struct Resets {
    next: Rsn,
    request: Option<Request>,
    /// Streams whose outgoing half ends once its data is acknowledged. Each is in it once.
    draining: VecDeque<u16>,
    peer_next: Rsn,
    /// The last of the peer's requests that were taken, and how they went: for when an answer is lost.
    last: VecDeque<(Rsn, ReconfigResult)>,
    held: Option<Held>,
    /// The answers to send.
    answers: VecDeque<(Rsn, ReconfigResult)>,
}

impl Resets {
    /// Requests are numbered from the first TSN on, by both sides.
    pub(super) fn new(initial_tsn: Tsn) -> Self {
        Resets {
            next: Rsn(initial_tsn.0),
            request: None,
            draining: VecDeque::new(),
            peer_next: Rsn(0),
            last: VecDeque::new(),
            held: None,
            answers: VecDeque::new(),
        }
    }

    pub(super) fn peer_begins(&mut self, initial_tsn: Tsn) {
        self.peer_next = Rsn(initial_tsn.0);
    }

    /// Whether anything could go on after data arrived or was acknowledged.
    #[inline]
    pub(super) fn waits(&self) -> bool {
        self.held.is_some() || (self.request.is_none() && !self.draining.is_empty())
    }

    /// Lets the outgoing half of a stream end after its data.
    pub(super) fn drain(&mut self, id: u16) {
        self.draining.push_back(id);
    }

    /// Whether a request of ours is not answered for good.
    #[cfg(test)]
    pub(super) fn is_asking(&self) -> bool {
        self.request.is_some()
    }

    pub(super) fn clear(&mut self) {
        self.request = None;
        self.draining.clear();
        self.held = None;
        self.answers.clear();
    }
}

/// Notes how a request went, in the place of what was noted of it before. The oldest goes when there are too many.
fn note(list: &mut VecDeque<(Rsn, ReconfigResult)>, number: Rsn, result: ReconfigResult) {
    list.retain(|(noted, _)| *noted != number);
    if list.len() == REMEMBERED {
        list.pop_front();
    }
    list.push_back((number, result));
}

impl Association {
    /// Performs the peer's held request and begins our next one, as far as the data allows.
    pub(super) fn advance_resets(&mut self) {
        let received = self.received_up_to();
        if let Some(held) = self.resets.held.take_if(|h| !h.last_tsn.after(received)) {
            self.perform_reset(&held.streams);
            self.answer_reset(held.number, ReconfigResult::Performed);
        }
        let Some(transfer) = &self.transfer else {
            return;
        };
        let resets = &mut self.resets;
        if resets.request.is_some() {
            return;
        }
        let room = (self.setup.payload.saturating_sub(REQUEST) / 2).min(MAX_LOOKED_AT);
        let mut streams = Vec::new();
        for _ in 0..resets.draining.len().min(room) {
            let Some(id) = resets.draining.pop_front() else {
                break;
            };
            if transfer.sender.is_drained(id) {
                streams.push(id);
            } else {
                resets.draining.push_back(id);
            }
        }
        if streams.is_empty() {
            return;
        }
        resets.request = Some(Request {
            number: resets.next,
            last_tsn: transfer.sender.last_assigned(),
            streams,
            renumber: false,
        });
        resets.next = resets.next.next();
        self.timers.reset.stop();
        self.control.reset_request = true;
        self.control.wanted = true;
    }

    /// Writes what is wanted of answer and request; `false` if something did not fit.
    pub(super) fn write_resets(&mut self, builder: &mut Builder) -> bool {
        while let Some(&(request, result)) = self.resets.answers.front() {
            if !builder.push_reconfig(&[ReconfigParam::Response { request, result }]) {
                break;
            }
            self.resets.answers.pop_front();
        }
        if self.control.reset_request {
            self.control.reset_request = match &self.resets.request {
                Some(request) => !builder.push_reconfig(&[ReconfigParam::OutgoingReset {
                    request: request.number,
                    response: self.resets.peer_next.prev(),
                    last_tsn: request.last_tsn,
                    streams: request.streams.iter().copied().collect(),
                }]),
                None => false,
            };
            if !self.control.reset_request {
                let now = self.line.latest();
                let first = self.rto();
                self.timers.reset.arm(now, first, LONGEST_WAIT);
            }
        }
        self.resets.answers.is_empty() && !self.control.reset_request
    }

    /// No final answer came in time: asks again.
    pub(super) fn repeat_reset(&mut self) {
        let resets = &mut self.resets;
        if let Some(request) = &mut resets.request {
            if std::mem::take(&mut request.renumber) {
                request.number = resets.next;
                resets.next = resets.next.next();
            }
            self.control.reset_request = true;
            self.control.wanted = true;
        }
    }

    pub(super) fn on_reconfig(&mut self, param: ReconfigParam) {
        match param {
            ReconfigParam::OutgoingReset {
                request,
                last_tsn,
                streams,
                ..
            } => {
                if !self.take_request(request) {
                    return;
                }
                if self.resets.held.is_some() {
                    self.answer_reset(request, ReconfigResult::AlreadyInProgress);
                    return;
                }
                self.resets.held = Some(Held {
                    number: request,
                    last_tsn,
                    streams,
                });
                self.answer_reset(request, ReconfigResult::InProgress);
                self.advance_resets();
            }
            ReconfigParam::Response { request, result } => self.on_reset_answer(request, result),
            ReconfigParam::IncomingReset { request, .. }
            | ReconfigParam::TsnReset { request }
            | ReconfigParam::AddOutgoing { request }
            | ReconfigParam::AddIncoming { request } => {
                if self.take_request(request) {
                    self.answer_reset(request, ReconfigResult::Denied);
                }
            }
        }
    }

    /// Whether a request of the peer is the next one. A repeated one is answered as before, any other refused.
    fn take_request(&mut self, number: Rsn) -> bool {
        if number == self.resets.peer_next {
            self.resets.peer_next = number.next();
            return true;
        }
        let known = self.resets.last.iter().find(|(last, _)| *last == number);
        let result = known.map_or(ReconfigResult::BadSequence, |(_, result)| *result);
        self.figures.dropped += u64::from(known.is_none());
        note(&mut self.resets.answers, number, result);
        self.control.wanted = true;
        false
    }

    fn answer_reset(&mut self, number: Rsn, result: ReconfigResult) {
        note(&mut self.resets.last, number, result);
        note(&mut self.resets.answers, number, result);
        self.control.wanted = true;
    }

    fn on_reset_answer(&mut self, number: Rsn, result: ReconfigResult) {
        let Some(request) = self.resets.request.take_if(|r| r.number == number) else {
            return;
        };
        let performed = match result {
            ReconfigResult::NothingToDo | ReconfigResult::Performed => true,
            ReconfigResult::InProgress | ReconfigResult::AlreadyInProgress => {
                self.resets.request = Some(Request {
                    renumber: result == ReconfigResult::AlreadyInProgress,
                    ..request
                });
                self.control.reset_request = false;
                self.timers.reset.stop();
                let first = self.rto();
                self.timers
                    .reset
                    .arm(self.line.latest(), first, LONGEST_WAIT);
                return;
            }
            // The peer will never do it. The streams are closed all the same; their numbers go on where they were.
            ReconfigResult::Denied
            | ReconfigResult::WrongSsn
            | ReconfigResult::BadSequence
            | ReconfigResult::Other(_) => false,
        };
        self.timers.reset.stop();
        self.control.reset_request = false;
        for id in request.streams {
            if let (true, Some(transfer)) = (performed, &mut self.transfer) {
                transfer.sender.reset_stream(id);
                transfer.sender.drop_stream(id);
            }
            self.outgoing_done(id);
        }
        self.advance_resets();
    }

    fn perform_reset(&mut self, streams: &StreamIds) {
        if streams.is_empty() {
            for id in self.streams.ids() {
                self.incoming_ended(id);
            }
        } else {
            for id in streams.iter() {
                self.incoming_ended(id);
            }
        }
    }
}
