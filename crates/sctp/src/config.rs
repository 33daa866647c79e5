//! The settings str0m gives: of the transport, the endpoint and one connection.
//! Settings it has no word for are in [`tuning`](crate::tuning).

use std::sync::Arc;

/// What both directions of an association agree to.
#[derive(Debug, Clone)]
pub struct TransportConfig {
    pub(crate) max_init_retransmits: Option<usize>,
    pub(crate) max_receive_buffer: u32,
    pub(crate) max_receive_message: u32,
}

impl Default for TransportConfig {
    fn default() -> Self {
        Self {
            max_init_retransmits: None,
            max_receive_buffer: 0,
            max_receive_message: 256 * 1024,
        }
    }
}

impl TransportConfig {
    /// How often the first packets of the handshake are repeated before the association is lost; `None`: for ever.
    pub fn with_max_init_retransmits(mut self, limit: Option<usize>) -> Self {
        self.max_init_retransmits = limit;
        self
    }

    /// Takes the limit on retransmissions of data for the sake of the interface. Data is never given up:
    /// whether the path still lives is for the layer below to decide.
    pub fn with_max_data_retransmits(self, _limit: Option<usize>) -> Self {
        self
    }

    /// The least receive window in bytes. [`Tuning`](crate::tuning::Tuning) may ask for more.
    pub fn with_max_receive_buffer_size(mut self, bytes: u32) -> Self {
        self.max_receive_buffer = bytes;
        self
    }

    /// The largest message accepted from the peer; a larger one ends the association.
    pub fn with_max_receive_message_size(mut self, bytes: u32) -> Self {
        self.max_receive_message = bytes;
        self
    }
}

/// Settings of an endpoint.
#[derive(Debug, Clone)]
pub struct EndpointConfig {
    pub(crate) max_payload: u32,
}

impl Default for EndpointConfig {
    fn default() -> Self {
        Self { max_payload: 1062 }
    }
}

impl EndpointConfig {
    /// The most bytes of user data in one DATA chunk. A packet is 28 bytes larger.
    pub fn max_payload_size(&mut self, bytes: u32) -> &mut Self {
        self.max_payload = bytes;
        self
    }

    /// User data per chunk as used: rounded down so that no chunk needs padding, and within what the packet format can hold.
    pub(crate) fn payload(&self) -> usize {
        (self.max_payload.clamp(64, 65_000) & !3) as usize
    }
}

/// Settings of an association that the peer begins.
#[derive(Debug, Clone, Default)]
pub struct ServerConfig {
    /// The transport's settings.
    pub transport: Arc<TransportConfig>,
}

/// Settings of an association that this side begins.
#[derive(Debug, Clone, Default)]
pub struct ClientConfig {
    /// The transport's settings.
    pub transport: Arc<TransportConfig>,
    pub(crate) tokens: Option<(Vec<u8>, Vec<u8>)>,
}

impl ClientConfig {
    /// The default settings.
    pub fn new() -> Self {
        Self::default()
    }

    /// Uses the two tokens exchanged in signalling instead of the handshake: this side's and the peer's.
    pub fn with_snap(mut self, local: Vec<u8>, remote: Vec<u8>) -> Self {
        self.tokens = Some((local, remote));
        self
    }
}
