//! The endpoint: makes the one association and hands it its datagrams.
//! It keeps no state of the protocol; there is nothing to route with one association.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::association::{Association, AssociationEvent, Setup, greeting};
use crate::config::{ClientConfig, EndpointConfig, ServerConfig, TransportConfig};
use crate::cookie::Key;
use crate::error::{ConnectError, Error};
use crate::tuning::{self, Tuning, counters::Shared};
use crate::types::{AssociationHandle, EcnCodepoint, EndpointEvent, Transmit};
use crate::wire::{Init, Packet, kind, snap};

/// What the endpoint made of a datagram.
#[derive(Debug)]
// Both variants are matched by value and dropped at once; a box would cost more than it saves.
#[allow(clippy::large_enum_variant)]
pub enum DatagramEvent {
    /// It is for the association that exists.
    AssociationEvent(AssociationEvent),
    /// It began an association.
    NewAssociation(Association),
}

/// Makes associations: one in its life, begun by whichever side is first.
#[derive(Debug)]
pub struct Endpoint {
    config: Arc<EndpointConfig>,
    server: Option<Arc<ServerConfig>>,
    tuning: Tuning,
    shared: Arc<Shared>,
    random: StdRng,
    taken: bool,
}

impl Endpoint {
    /// An endpoint with the settings of the [`tuning::scope`] it is made in, if it is made in one.
    /// Without `server` it does not answer a peer that begins.
    pub fn new(config: Arc<EndpointConfig>, server: Option<Arc<ServerConfig>>) -> Self {
        let (tuning, shared) = tuning::current();
        Endpoint {
            config,
            server,
            random: random(tuning.seed),
            tuning,
            shared,
            taken: false,
        }
    }

    /// Begins the association; with tokens it is established at once. The address is not used.
    /// Fails if there is an association already or a token cannot be used.
    pub fn connect(
        &mut self,
        config: ClientConfig,
        _remote: SocketAddr,
    ) -> Result<(AssociationHandle, Association), ConnectError> {
        if self.taken {
            return Err(ConnectError::AlreadyConnected);
        }
        let mut setup = self.setup(&config.transport);
        let association = match config.tokens {
            None => Association::connect(setup),
            Some((local, remote)) => {
                let local = read_token("local", &local)?;
                let remote = read_token("remote", &remote)?;
                if local.tag == remote.tag {
                    let what = "both tokens have the same tag".into();
                    return Err(ConnectError::BadToken {
                        whose: "remote",
                        what,
                    });
                }
                // The peer may fill what the token promised.
                let promised = local.a_rwnd.min(tuning::MAX_WINDOW);
                setup.receive_window = setup.receive_window.max(promised);
                Association::connect_with_tokens(setup, local, &remote)
            }
        };
        self.taken = true;
        Ok((AssociationHandle(0), association))
    }

    /// Looks at a datagram: with an association it is always for that; without, a peer's INIT begins one, and anything else is
    /// dropped (`None`). Addresses and congestion bits are not used.
    pub fn handle(
        &mut self,
        now: Instant,
        _remote: SocketAddr,
        _local: Option<IpAddr>,
        _ecn: Option<EcnCodepoint>,
        datagram: Vec<u8>,
    ) -> Option<(AssociationHandle, DatagramEvent)> {
        let event = AssociationEvent { now, datagram };
        if self.taken {
            return Some((AssociationHandle(0), DatagramEvent::AssociationEvent(event)));
        }
        let server = self.server.clone()?;
        let packet = Packet::parse(event.datagram.clone()).ok()?;
        if packet.first_kind() != kind::INIT || packet.tag != 0 || packet.count != 1 {
            return None;
        }
        let mut association = Association::listen(self.setup(&server.transport));
        association.handle_event(event);
        if !association.has_output() {
            return None;
        }
        self.taken = true;
        Some((
            AssociationHandle(0),
            DatagramEvent::NewAssociation(association),
        ))
    }

    /// Always `None`: there is nothing to tell an association.
    pub fn handle_event(
        &mut self,
        _association: AssociationHandle,
        event: EndpointEvent,
    ) -> Option<AssociationEvent> {
        match event.0 {}
    }

    /// Always `None`: everything is sent by the association.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        None
    }

    fn setup(&mut self, transport: &TransportConfig) -> Setup {
        Setup {
            payload: self.config.payload(),
            receive_window: self.tuning.window(transport.max_receive_buffer),
            max_receive_message: transport.max_receive_message,
            max_init_retransmits: transport.max_init_retransmits,
            tuning: self.tuning.clone(),
            shared: self.shared.clone(),
            key: Key::new(self.random.random()),
            random: StdRng::from_seed(self.random.random()),
        }
    }
}

/// A token for signalling: an INIT chunk with a fresh tag and first TSN, so that the handshake can be left out.
/// Never fails here.
pub fn generate_snap_token(config: &TransportConfig) -> Result<Vec<u8>, Error> {
    let (tuning, _) = tuning::current();
    let window = tuning.window(config.max_receive_buffer);
    Ok(snap::token(&greeting(&mut random(tuning.seed), window)))
}

fn read_token(whose: &'static str, token: &[u8]) -> Result<Init, ConnectError> {
    snap::parse(token).map_err(|error| ConnectError::BadToken {
        whose,
        what: error.to_string(),
    })
}

/// A generator from the system's randomness, or from the seed of a test.
fn random(seed: Option<u64>) -> StdRng {
    match seed {
        Some(seed) => StdRng::seed_from_u64(seed),
        None => StdRng::from_seed(rand::rng().random()),
    }
}
