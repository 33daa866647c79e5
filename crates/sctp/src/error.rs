//! What can go wrong at the edge of the crate: calls on streams, connecting, and the end of an association.
//! It is not about single packets: a bad packet is dropped and counted, never an error.

use std::fmt;

/// Why a call on an association or stream did nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The stream id is in use, by the peer or by an earlier stream whose reset is not complete.
    ErrStreamAlreadyExist,
    /// The earlier stream of this id is gone, but the peer has not confirmed our reset of it yet.
    ErrStreamResetPending,
    /// No stream of this id exists.
    NoSuchStream,
    /// The stream was closed by this side; nothing can be written or read any more.
    StreamClosed,
    /// The association is not established: still connecting, shutting down, or gone.
    NotEstablished,
    /// The message is larger than the peer accepts.
    MessageTooLarge {
        /// Bytes of the message.
        size: usize,
        /// The peer's limit.
        limit: usize,
    },
    /// The buffer given to [`Chunks::read`](crate::Chunks::read) is smaller than the message.
    ShortBuffer,
    /// An empty message was written with a payload identifier that has no empty form.
    EmptyMessage,
    /// Anything else, in words.
    Other(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::ErrStreamAlreadyExist => f.write_str("the stream id is in use"),
            Error::ErrStreamResetPending => {
                f.write_str("the reset of the stream id is not confirmed yet")
            }
            Error::NoSuchStream => f.write_str("no stream has this id"),
            Error::StreamClosed => f.write_str("the stream is closed"),
            Error::NotEstablished => f.write_str("the association is not established"),
            Error::MessageTooLarge { size, limit } => {
                write!(
                    f,
                    "a message of {size} bytes exceeds the peer's limit of {limit}"
                )
            }
            Error::ShortBuffer => f.write_str("the buffer is smaller than the message"),
            Error::EmptyMessage => f.write_str("this payload identifier has no empty form"),
            Error::Other(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Error {}

/// Why [`Endpoint::connect`](crate::Endpoint::connect) made no association.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectError {
    /// The endpoint has its one association already.
    AlreadyConnected,
    /// A token exchanged in signalling cannot be used.
    BadToken {
        /// Which of the two: `local` or `remote`.
        whose: &'static str,
        /// What is wrong with it.
        what: String,
    },
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConnectError::AlreadyConnected => f.write_str("the endpoint has an association"),
            ConnectError::BadToken { whose, what } => {
                write!(f, "the {whose} association token cannot be used: {what}")
            }
        }
    }
}

impl std::error::Error for ConnectError {}

/// Why an association ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AssociationError {
    /// Both sides agreed to end it, or it was closed before it was established.
    Closed,
    /// The peer aborted it.
    Aborted(
        /// Its first cause in words, cut to a line.
        String,
    ),
    /// The peer began a new association over the old one.
    Restarted,
    /// The peer did not answer this side's shutdown.
    ShutdownTimeout,
    /// The peer sent a message larger than this side accepts.
    MessageTooLarge,
    /// The peer's greeting cannot be used.
    Refused(&'static str),
}

impl fmt::Display for AssociationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AssociationError::Closed => f.write_str("the association was closed"),
            AssociationError::Aborted(cause) => {
                write!(f, "the peer aborted the association: {cause}")
            }
            AssociationError::Restarted => f.write_str("the peer started a new association"),
            AssociationError::ShutdownTimeout => {
                f.write_str("the peer did not answer the shutdown")
            }
            AssociationError::MessageTooLarge => {
                f.write_str("the peer sent a message above the receive limit")
            }
            AssociationError::Refused(why) => write!(f, "the peer's greeting was refused: {why}"),
        }
    }
}

impl std::error::Error for AssociationError {}
