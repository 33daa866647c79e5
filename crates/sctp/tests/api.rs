//! The interface str0m 0.25.0 needs, item by item, spelled the way it spells it. Compiling is most of the test.
//! It says nothing about behaviour.

// The calls are spelled as the caller spells them, conversions and all.
#![allow(clippy::useless_conversion, clippy::field_reassign_with_default)]

use std::net::{IpAddr, SocketAddr};
use std::panic::UnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use sctp_proto::{
    Association, AssociationError, AssociationEvent, AssociationHandle, Chunks, ClientConfig,
    ConnectError, DatagramEvent, EcnCodepoint, Endpoint, EndpointConfig, EndpointEvent, Error,
    Event, Payload, PayloadProtocolIdentifier, ReliabilityType, ServerConfig, Stream, StreamEvent,
    Transmit, TransportConfig, generate_snap_token,
};

fn is_send_and_sync<T: Send + Sync>() {}
fn is_an_error<T: std::error::Error + Clone + PartialEq + Eq + 'static>() {}
fn is_shown<T: std::fmt::Display>(_: &T) {}
fn is_default_and_debug<T: Default + std::fmt::Debug>() {}

#[test]
fn the_types_have_the_traits_that_are_relied_on() {
    is_send_and_sync::<Endpoint>();
    is_send_and_sync::<Association>();
    is_an_error::<Error>();
    is_default_and_debug::<TransportConfig>();
    let _ = (EndpointConfig::default(), ServerConfig::default());
    fn unwind_safe<T: UnwindSafe>() {}
    unwind_safe::<Arc<TransportConfig>>();
    fn copies<T: Copy>() {}
    copies::<AssociationHandle>();
    copies::<ReliabilityType>();
    copies::<PayloadProtocolIdentifier>();
}

/// Never called: it only has to compile.
#[allow(dead_code)]
fn every_error_is_matched(error: Error) -> bool {
    match error {
        Error::Other(text) => text.is_empty(),
        Error::ErrStreamAlreadyExist | Error::ErrStreamResetPending => true,
        _ => false,
    }
}

/// Without a wildcard, as str0m matches them.
#[allow(dead_code)]
fn every_variant_is_matched(event: DatagramEvent, kind: ReliabilityType) -> u8 {
    match event {
        DatagramEvent::AssociationEvent(event) => drop::<AssociationEvent>(event),
        DatagramEvent::NewAssociation(made) => drop::<Association>(made),
    }
    match kind {
        ReliabilityType::Reliable | ReliabilityType::Rexmit | ReliabilityType::Timed => kind as u8,
    }
}

#[allow(dead_code)]
fn every_event_is_matched(event: Event) -> Option<u16> {
    match event {
        Event::Connected => None,
        Event::AssociationLost { reason } => {
            is_shown::<AssociationError>(&reason);
            None
        }
        Event::Stream(event) => match event {
            StreamEvent::Readable { id } | StreamEvent::Writable { id } => Some(id),
            StreamEvent::Finished { id } | StreamEvent::Stopped { id, .. } => Some(id),
            StreamEvent::ResetComplete { id } => Some(id),
            StreamEvent::BufferedAmountLow { id } => Some(id),
            _ => None,
        },
        _ => None,
    }
}

#[allow(dead_code)]
fn a_transmit_is_taken_apart(transmit: Transmit) -> Vec<Vec<u8>> {
    // One variant today; the caller allows for more.
    #[allow(irrefutable_let_patterns)]
    let Payload::RawEncode(packets) = transmit.payload else {
        return Vec::new();
    };
    packets.into_iter().map(|packet| packet.to_vec()).collect()
}

#[allow(dead_code)]
fn every_method_is_called(stream: &mut Stream, now: Instant) -> Result<(), Error> {
    stream.set_reliability_params(true, ReliabilityType::from(2), 5)?;
    let _: usize = stream.buffered_amount()?;
    stream.set_buffered_amount_low_threshold(1)?;
    let _: usize = stream.write_with_ppi(&[1], PayloadProtocolIdentifier::Binary)?;
    let chunks: Option<Chunks> = stream.read()?;
    if let Some(chunks) = chunks {
        let _: PayloadProtocolIdentifier = chunks.ppi;
        let mut buffer = vec![0; chunks.len()];
        let _: usize = chunks.read(&mut buffer)?;
    }
    let _ = stream.is_readable() && stream.is_writable();
    stream.close()?;
    let _ = now;
    Ok(())
}

#[test]
fn every_call_of_endpoint_and_association_is_there() {
    let address: SocketAddr = "1.1.1.1:5000".parse().expect("an address");
    let now = Instant::now();
    let transport = Arc::new(
        TransportConfig::default()
            .with_max_init_retransmits(None)
            .with_max_data_retransmits(None)
            .with_max_receive_buffer_size(1 << 20)
            .with_max_receive_message_size(256 << 10),
    );
    let mut config = EndpointConfig::default();
    config.max_payload_size(1062);
    let mut server = ServerConfig::default();
    server.transport = transport.clone();
    let mut endpoint = Endpoint::new(Arc::new(config), Some(Arc::new(server)));
    let mut client = ClientConfig::new();
    client.transport = transport.clone();
    let connected: Result<(AssociationHandle, Association), ConnectError> =
        endpoint.connect(client, address);
    let (handle, mut association) = connected.expect("the first association");
    assert_eq!(handle.0, AssociationHandle(0).0);
    association.set_max_send_message_size(0);
    assert!(!association.is_closing() && !association.is_closed());
    assert!(association.stream(1).is_err());
    let unknown = PayloadProtocolIdentifier::Unknown;
    assert!(association.open_stream(1, unknown).is_err());
    association.handle_timeout(now);
    assert!(association.poll_timeout().is_none());
    while let Some(event) = association.poll_endpoint_event() {
        let event: EndpointEvent = event;
        assert!(endpoint.handle_event(handle, event).is_none());
    }
    assert!(association.poll().is_none());
    assert!(endpoint.poll_transmit().is_none());
    let transmit = association.poll_transmit(now).expect("the first packet");
    let packets = a_transmit_is_taken_apart(transmit);
    assert_eq!(packets.len(), 1);
    assert!(association.poll_timeout().is_some());
    let (none, no_bits): (Option<IpAddr>, Option<EcnCodepoint>) = (None, None);
    let answer = endpoint.handle(now, address, none, no_bits, packets[0].to_vec().into());
    let Some((_, DatagramEvent::AssociationEvent(event))) = answer else {
        panic!("with an association every datagram is for it");
    };
    association.handle_event(event);
    association.shutdown().expect("a shutdown never fails");
    assert!(association.is_closed());
}

#[test]
fn tokens_are_made_and_used_the_way_they_are_exchanged() {
    let transport = Arc::new(TransportConfig::default());
    let ours: Vec<u8> = generate_snap_token(&transport).expect("a token").to_vec();
    let theirs: Vec<u8> = generate_snap_token(&transport).expect("a token").to_vec();
    assert_ne!(ours, theirs);
    let mut config = ClientConfig::new();
    config.transport = transport;
    let config = config.with_snap(ours.into(), theirs.into());
    let mut endpoint = Endpoint::new(Arc::default(), None);
    let address = "1.1.1.1:5000".parse().expect("an address");
    let (_, mut association) = endpoint.connect(config, address).expect("established");
    assert_eq!(association.poll(), Some(Event::Connected));
    assert_eq!(association.poll(), None);
}
