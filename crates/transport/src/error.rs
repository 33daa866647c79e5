//! The errors of this crate, one type per operation, and why a peer connection ended.
//! No engine type appears here: its messages are carried as text.

use std::fmt;
use std::io;
use std::time::Duration;

use crate::ice::GatherReport;

/// Why an endpoint could not be created.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// The UDP port could not be bound.
    #[error("cannot bind UDP port {port}; choose another port or 0 for any")]
    Socket {
        /// The port asked for, 0 for any.
        port: u16,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The machine's addresses could not be listed.
    #[error("cannot list the network interfaces")]
    Interfaces(#[source] io::Error),
    /// No usable address is left after the filters.
    #[error("no usable address{}; network interfaces here: {available}", .interface.as_ref().map(|i| format!(" on interface {i}")).unwrap_or_default())]
    NoAddress {
        /// The interface filter, if any.
        interface: Option<String>,
        /// Names that exist.
        available: String,
    },
    /// The driver thread could not be started.
    #[error("cannot start the network thread")]
    Thread(#[source] io::Error),
}

/// Why an offer could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OfferError {
    /// The endpoint was shut down.
    #[error("the endpoint is shut down")]
    EndpointClosed,
    /// More channels were asked for than [`MAX_CHANNELS`](crate::MAX_CHANNELS), or none at all.
    #[error("an offer needs 1 to {max} channels, {0} were given", max = crate::MAX_CHANNELS)]
    Channels(usize),
    /// Only relayed addresses are wanted and no TURN server gave one; what each of them said.
    #[error(
        "no TURN server gave a relayed address ({0}); check the URLs, the credentials and firewalls"
    )]
    NoRelay(GatherReport),
    /// The engine refused.
    #[error("the WebRTC engine could not make an offer: {0}")]
    Engine(String),
}

/// Why a remote description was not accepted, or no answer could be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// The endpoint was shut down.
    #[error("the endpoint is shut down")]
    EndpointClosed,
    /// The remote description is not usable.
    #[error("invalid session description")]
    Sdp(#[from] SdpError),
    /// More channels were asked for than [`MAX_CHANNELS`](crate::MAX_CHANNELS).
    #[error("at most {max} channels, {0} were given", max = crate::MAX_CHANNELS)]
    Channels(usize),
    /// Only relayed addresses are wanted and no TURN server gave one; what each of them said.
    #[error(
        "no TURN server gave a relayed address ({0}); check the URLs, the credentials and firewalls"
    )]
    NoRelay(GatherReport),
}

/// Why the ICE of a running peer was not restarted. The connection goes on as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestartError {
    /// The peer or its endpoint has ended or is closing.
    #[error("the connection has ended")]
    Closed,
    /// The connection is not up yet.
    #[error("the connection is not up yet")]
    NotConnected,
    /// One restart at a time.
    #[error("another ICE restart of this connection is under way")]
    Busy,
    /// The descriptions were too long to be kept for restarts.
    #[error("the session descriptions were too long for ICE restarts")]
    NotKept,
    /// The other side's credentials are those in use, so this is no restart.
    #[error("the description has the ICE credentials in use: this is no restart")]
    SameCredentials,
    /// The remote description is not usable, or does not belong to this connection.
    #[error("invalid session description")]
    Sdp(#[from] SdpError),
    /// Only relayed addresses are wanted and no TURN server gave one; what each of them said.
    #[error(
        "no TURN server gave a relayed address ({0}); check the URLs, the credentials and firewalls"
    )]
    NoRelay(GatherReport),
    /// The network thread did not take it up in time.
    #[error("the network thread did not take up the ICE restart within {0:?}")]
    Unanswered(Duration),
}

/// What is wrong with a session description.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SdpError {
    /// Longer than any real description.
    #[error("{len} bytes is more than the {max} allowed")]
    TooLong {
        /// Its length.
        len: usize,
        /// The bound.
        max: usize,
    },
    /// Not lines of the form `x=…`, or not starting with `v=0`.
    #[error("line {line} is not SDP")]
    Syntax {
        /// Number of the line, from 1.
        line: usize,
    },
    /// No `m=` line.
    #[error("it has no media section")]
    NoSections,
    /// More sections than allowed.
    #[error("{0} media sections are too many")]
    TooManySections(usize),
    /// No data section, which is all this endpoint speaks.
    #[error("it has no data-channel section (m=application … webrtc-datachannel)")]
    NoData,
    /// A mandatory attribute is missing.
    #[error("a={attribute} is missing in media section {section}")]
    Missing {
        /// The attribute.
        attribute: &'static str,
        /// Index of the section.
        section: usize,
    },
    /// An attribute has a value that cannot be used.
    #[error("a={attribute} has an unusable value")]
    Invalid {
        /// The attribute.
        attribute: &'static str,
    },
    /// The engine refused it.
    #[error("refused: {0}")]
    Refused(String),
}

/// Why a channel was not opened on a running connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The connection has ended or is closing.
    #[error("the connection has ended")]
    Closed,
    /// The connection has as many channels as it may, ours and the peer's together; one that closes makes room.
    #[error("the connection has {max} channels, more at a time are not allowed", max = crate::MAX_CHANNELS)]
    Channels,
    /// The label is longer than [`MAX_LABEL`](crate::MAX_LABEL).
    #[error("a label of {0} bytes is longer than the {max} allowed", max = crate::MAX_LABEL)]
    Label(usize),
}

/// Why a message was not queued.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The channel is not open yet, or no longer.
    #[error("data channel {label:?} is not open")]
    NotOpen {
        /// Label of the channel.
        label: String,
    },
    /// Larger than the peer or the engine takes.
    #[error("a message of {len} bytes is larger than the {max} this peer accepts")]
    TooLarge {
        /// Bytes of the message.
        len: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// The hard bound of the queue is reached; wait for the buffered amount to fall.
    #[error("the send queue holds {queued} bytes, its limit is {max}; wait until it drains")]
    QueueFull {
        /// Bytes waiting.
        queued: usize,
        /// The bound.
        max: usize,
    },
}

/// Why waiting for a send queue ended without success.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChannelError {
    /// The channel closed meanwhile.
    #[error("data channel {label:?} closed while {queued} bytes waited to be sent")]
    Closed {
        /// Label of the channel.
        label: String,
        /// Bytes never handed to the network.
        queued: usize,
    },
    /// The deadline passed.
    #[error(
        "data channel {label:?} still had {queued} bytes to send at the deadline, wanted at most {limit}"
    )]
    Timeout {
        /// Label of the channel.
        label: String,
        /// Bytes waiting.
        queued: usize,
        /// Bytes asked for.
        limit: usize,
    },
}

/// Why no event was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecvError {
    /// Nothing came before the deadline.
    #[error("no event before the deadline")]
    Timeout,
    /// The last event was already taken.
    #[error("the peer connection has ended and all its events were taken")]
    Ended,
}

/// The part of connecting that was under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectStep {
    /// No pair of addresses worked yet.
    Ice,
    /// The encrypted handshake was not finished.
    Dtls,
    /// Data channels were not open yet.
    Channels,
}

impl fmt::Display for ConnectStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ConnectStep::Ice => {
                "finding a network path (ICE); check firewalls, NAT and --public-ip"
            }
            ConnectStep::Dtls => "the encrypted handshake (DTLS)",
            ConnectStep::Channels => "opening the data channels (SCTP)",
        })
    }
}

/// Why a peer connection ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// We closed it.
    #[error("closed by us")]
    Local,
    /// The peer closed it.
    #[error("closed by the peer")]
    Remote,
    /// It did not come up in time.
    #[error("not connected after {after:?}, while {step}{}", .detail.as_ref().map(|d| format!(": {d}")).unwrap_or_default())]
    ConnectTimeout {
        /// What was under way.
        step: ConnectStep,
        /// The time allowed.
        after: Duration,
        /// The last thing that went wrong, when known.
        detail: Option<String>,
    },
    /// The peer's machine says that nobody listens there any more.
    #[error("the peer is gone: its machine refuses our datagrams")]
    Gone,
    /// The peer fell silent.
    #[error("nothing heard from the peer for {silence:?}")]
    Lost {
        /// How long.
        silence: Duration,
    },
    /// The peer's certificate is not the one its description announced.
    #[error("the peer's certificate does not match its session description: {0}")]
    Fingerprint(String),
    /// The engine failed.
    #[error("the WebRTC engine failed: {0}")]
    Failed(String),
    /// The endpoint was shut down.
    #[error("the endpoint was shut down")]
    EndpointClosed,
}
