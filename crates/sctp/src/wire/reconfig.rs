//! RE-CONFIG: requests to reset streams, and their answers.
//! Not the state of any request.
use bytes::Bytes;

use super::init::write_parameter;
use super::{Malformed, items, u16_at, u32_at};
use crate::serial::{Rsn, Tsn};

mod parameter {
    pub(super) const OUTGOING_RESET: u16 = 13;
    pub(super) const INCOMING_RESET: u16 = 14;
    pub(super) const TSN_RESET: u16 = 15;
    pub(super) const RESPONSE: u16 = 16;
    pub(super) const ADD_OUTGOING: u16 = 17;
    pub(super) const ADD_INCOMING: u16 = 18;
}

/// A RE-CONFIG chunk: one parameter or two.
#[derive(Debug, Clone)]
pub(crate) struct Reconfig {
    first: ReconfigParam,
    second: Option<ReconfigParam>,
}

/// A request or an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ReconfigParam {
    /// The peer starts its outgoing streams anew.
    OutgoingReset {
        /// Number of this request.
        request: Rsn,
        /// Number of the request of ours that it answers, if it answers one.
        response: Rsn,
        /// Last DATA chunk that belongs to the old streams.
        last_tsn: Tsn,
        /// Which; empty means all.
        streams: StreamIds,
    },
    /// The peer asks us to reset streams of ours.
    IncomingReset {
        /// Number of this request.
        request: Rsn,
        /// Which; empty means all.
        streams: StreamIds,
    },
    /// The peer wants all numbers to start anew.
    TsnReset {
        /// Number of this request.
        request: Rsn,
    },
    /// An answer.
    Response {
        /// Number of the request answered.
        request: Rsn,
        /// How it went.
        result: ReconfigResult,
    },
    /// The peer wants more outgoing streams.
    AddOutgoing {
        /// Number of this request.
        request: Rsn,
    },
    /// The peer wants us to have more outgoing streams.
    AddIncoming {
        /// Number of this request.
        request: Rsn,
    },
}

/// How a request went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReconfigResult {
    /// There was nothing to do.
    NothingToDo,
    /// Done.
    Performed,
    /// Will not be done.
    Denied,
    /// The stream numbers are wrong.
    WrongSsn,
    /// Another request of the same kind is not finished.
    AlreadyInProgress,
    /// The number of the request is not the next one.
    BadSequence,
    /// Not yet: ask again.
    InProgress,
    /// A value that is not known.
    Other(u32),
}

impl From<u32> for ReconfigResult {
    fn from(value: u32) -> Self {
        match value {
            0 => ReconfigResult::NothingToDo,
            1 => ReconfigResult::Performed,
            2 => ReconfigResult::Denied,
            3 => ReconfigResult::WrongSsn,
            4 => ReconfigResult::AlreadyInProgress,
            5 => ReconfigResult::BadSequence,
            6 => ReconfigResult::InProgress,
            other => ReconfigResult::Other(other),
        }
    }
}

impl From<ReconfigResult> for u32 {
    fn from(result: ReconfigResult) -> Self {
        match result {
            ReconfigResult::NothingToDo => 0,
            ReconfigResult::Performed => 1,
            ReconfigResult::Denied => 2,
            ReconfigResult::WrongSsn => 3,
            ReconfigResult::AlreadyInProgress => 4,
            ReconfigResult::BadSequence => 5,
            ReconfigResult::InProgress => 6,
            ReconfigResult::Other(other) => other,
        }
    }
}

/// A list of streams.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct StreamIds(Bytes);

impl StreamIds {
    /// The streams in the order given; a hostile peer may repeat them.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = u16> + '_ {
        self.0.chunks_exact(2).map(|id| u16_at(id, 0))
    }

    /// Whether the list is empty, which means every stream.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<u16> for StreamIds {
    fn from_iter<T: IntoIterator<Item = u16>>(ids: T) -> Self {
        let bytes: Vec<u8> = ids.into_iter().flat_map(u16::to_be_bytes).collect();
        StreamIds(Bytes::from(bytes))
    }
}

impl Reconfig {
    /// Reads the value of the chunk. More than two parameters are not allowed; what follows the second is not read.
    pub(super) fn parse(value: Bytes) -> Result<Reconfig, Malformed> {
        let mut list = items(value).take(2);
        let (kind, item) = list.next().ok_or(Malformed::Length)??;
        let first = ReconfigParam::parse(kind, &item)?;
        let second = match list.next() {
            Some(item) => {
                let (kind, item) = item?;
                Some(ReconfigParam::parse(kind, &item)?)
            }
            None => None,
        };
        Ok(Reconfig { first, second })
    }

    /// The parameters.
    pub(crate) fn into_params(self) -> impl Iterator<Item = ReconfigParam> {
        std::iter::once(self.first).chain(self.second)
    }
}

impl ReconfigParam {
    /// Reads one parameter, header included.
    fn parse(kind: u16, item: &Bytes) -> Result<ReconfigParam, Malformed> {
        let need = match kind {
            parameter::OUTGOING_RESET => 16,
            parameter::RESPONSE | parameter::ADD_OUTGOING | parameter::ADD_INCOMING => 12,
            _ => 8,
        };
        if item.len() < need {
            return Err(Malformed::Length);
        }
        let request = Rsn(u32_at(item, 4));
        let streams = |from: usize| match (item.len() - from) % 2 {
            0 => Ok(StreamIds(item.slice(from..))),
            _ => Err(Malformed::Length),
        };
        Ok(match kind {
            parameter::OUTGOING_RESET => ReconfigParam::OutgoingReset {
                request,
                response: Rsn(u32_at(item, 8)),
                last_tsn: Tsn(u32_at(item, 12)),
                streams: streams(16)?,
            },
            parameter::INCOMING_RESET => ReconfigParam::IncomingReset {
                request,
                streams: streams(8)?,
            },
            parameter::TSN_RESET => ReconfigParam::TsnReset { request },
            parameter::RESPONSE => ReconfigParam::Response {
                request,
                result: u32_at(item, 8).into(),
            },
            parameter::ADD_OUTGOING => ReconfigParam::AddOutgoing { request },
            parameter::ADD_INCOMING => ReconfigParam::AddIncoming { request },
            _ => return Err(Malformed::Length),
        })
    }

    /// Appends the parameter, see [`write_parameter`].
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let mut value = Vec::new();
        let kind = match self {
            ReconfigParam::OutgoingReset {
                request,
                response,
                last_tsn,
                streams,
            } => {
                value.extend_from_slice(&request.0.to_be_bytes());
                value.extend_from_slice(&response.0.to_be_bytes());
                value.extend_from_slice(&last_tsn.0.to_be_bytes());
                value.extend_from_slice(&streams.0);
                parameter::OUTGOING_RESET
            }
            ReconfigParam::IncomingReset { request, streams } => {
                value.extend_from_slice(&request.0.to_be_bytes());
                value.extend_from_slice(&streams.0);
                parameter::INCOMING_RESET
            }
            ReconfigParam::TsnReset { request } => {
                value.extend_from_slice(&request.0.to_be_bytes());
                parameter::TSN_RESET
            }
            ReconfigParam::Response { request, result } => {
                value.extend_from_slice(&request.0.to_be_bytes());
                value.extend_from_slice(&u32::from(*result).to_be_bytes());
                parameter::RESPONSE
            }
            ReconfigParam::AddOutgoing { request } => {
                value.extend_from_slice(&request.0.to_be_bytes());
                value.extend_from_slice(&[0; 4]);
                parameter::ADD_OUTGOING
            }
            ReconfigParam::AddIncoming { request } => {
                value.extend_from_slice(&request.0.to_be_bytes());
                value.extend_from_slice(&[0; 4]);
                parameter::ADD_INCOMING
            }
        };
        write_parameter(kind, &value, out);
    }
}
