//! Two whole ends over a network whose every act the input decides; then it heals, and everything must have arrived, once and in order.
//! Not a model of real networks.
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::tuning::{self, Tuning};
use crate::{
    Association, ClientConfig, DatagramEvent, Endpoint, EndpointConfig, Payload,
    PayloadProtocolIdentifier, ServerConfig, TransportConfig,
};

/// Messages that are written at most.
const MESSAGES: usize = 24;
/// Packets that the input decides about at most.
const ACTS: usize = 200;
/// The time everything may take after the network has healed.
const LIMIT: Duration = Duration::from_secs(120);
const DELAY: Duration = Duration::from_millis(10);

struct End {
    endpoint: Endpoint,
    association: Option<Association>,
}

/// First byte: how many of the next are lengths of messages; the others each decide about one packet.
pub fn network(input: &[u8]) {
    let [count, rest @ ..] = input else { return };
    let (lengths, acts) = rest.split_at(rest.len().min(usize::from(*count) % MESSAGES));
    let messages: Vec<Vec<u8>> = lengths
        .iter()
        .enumerate()
        .map(|(n, len)| vec![n as u8; usize::from(*len).pow(2) / 16 + 1])
        .collect();
    let mut acts = acts.iter().copied().take(ACTS);
    let mut ends = [end(1), end(2)];
    let mut now = Instant::now();
    // When the input last decided about a packet.
    let mut healed = now;
    let address = "1.1.1.1:5000".parse().expect("an address");
    let (_, association) = ends[0]
        .endpoint
        .connect(ClientConfig::new(), address)
        .expect("it is free");
    ends[0].association = Some(association);
    let mut line: VecDeque<(Instant, usize, Vec<u8>)> = VecDeque::new();
    let (mut written, mut read) = (false, 0);
    loop {
        for (who, end) in ends.iter_mut().enumerate() {
            while let Some(packets) = transmit(end, now) {
                for packet in packets {
                    let act = acts.next().inspect(|_| healed = now);
                    deliver(&mut line, now, 1 - who, packet, act.unwrap_or(255));
                }
            }
        }
        if !written && let Some(association) = &mut ends[0].association {
            written = write(association, &messages);
        }
        if written && read == messages.len() {
            return;
        }
        let arrival = line.iter().map(|(at, ..)| *at).min();
        let deadlines = ends
            .iter_mut()
            .filter_map(|end| end.association.as_mut()?.poll_timeout());
        let next = deadlines
            .chain(arrival)
            .min()
            .expect("something will happen");
        now = now.max(next);
        assert!(
            now < healed + LIMIT,
            "{read} of {} messages arrived",
            messages.len()
        );
        while let Some(at) = line.iter().position(|(at, ..)| *at <= now) {
            if let Some((_, who, packet)) = line.remove(at) {
                ends[who].receive(now, packet);
            }
        }
        for end in &mut ends {
            if let Some(association) = &mut end.association {
                association.handle_timeout(now);
                while association.poll().is_some() {}
            }
        }
        read += ends[1]
            .association
            .as_mut()
            .map_or(0, |association| read_all(association, &messages[read..]));
    }
}

fn end(seed: u64) -> End {
    let tuning = Tuning {
        seed: Some(seed),
        ..Tuning::default()
    };
    let server = ServerConfig {
        transport: Arc::new(TransportConfig::default()),
    };
    let make = || Endpoint::new(Arc::new(EndpointConfig::default()), Some(Arc::new(server)));
    End {
        endpoint: tuning::scope(tuning, make).0,
        association: None,
    }
}

impl End {
    fn receive(&mut self, now: Instant, packet: Vec<u8>) {
        let address = "1.1.1.1:5000".parse().expect("an address");
        match self.endpoint.handle(now, address, None, None, packet) {
            Some((_, DatagramEvent::NewAssociation(association))) => {
                self.association = Some(association);
            }
            Some((_, DatagramEvent::AssociationEvent(event))) => {
                if let Some(association) = &mut self.association {
                    association.handle_event(event);
                }
            }
            None => {}
        }
    }
}

fn transmit(end: &mut End, now: Instant) -> Option<Vec<Vec<u8>>> {
    let transmit = end
        .endpoint
        .poll_transmit()
        .or_else(|| end.association.as_mut()?.poll_transmit(now))?;
    let Payload::RawEncode(packets) = transmit.payload;
    Some(packets.into_iter().map(|packet| packet.to_vec()).collect())
}

/// Lost, twice, late, changed, or as it should be.
fn deliver(
    line: &mut VecDeque<(Instant, usize, Vec<u8>)>,
    now: Instant,
    to: usize,
    mut packet: Vec<u8>,
    act: u8,
) {
    let at = now + DELAY;
    match act {
        0..80 => return,
        80..100 => line.push_back((at + DELAY, to, packet.clone())),
        100..120 => return line.push_back((at + DELAY * u32::from(act - 99), to, packet)),
        120..125 => {
            let place = usize::from(act) % packet.len();
            packet[place] ^= act;
        }
        _ => {}
    }
    line.push_back((at, to, packet));
}

/// Writes everything once the association is there. False if it is not.
fn write(association: &mut Association, messages: &[Vec<u8>]) -> bool {
    let Ok(mut stream) = association.open_stream(1, PayloadProtocolIdentifier::Binary) else {
        return false;
    };
    for message in messages {
        let written = stream.write_with_ppi(message, PayloadProtocolIdentifier::Binary);
        assert_eq!(written, Ok(message.len()));
    }
    true
}

/// Reads what there is; it has to be the next of the messages.
fn read_all(association: &mut Association, messages: &[Vec<u8>]) -> usize {
    let mut count = 0;
    let Ok(mut stream) = association.stream(1) else {
        return 0;
    };
    while let Ok(Some(chunks)) = stream.read() {
        let mut got = vec![0; chunks.len()];
        assert_eq!(chunks.read(&mut got), Ok(got.len()));
        assert!(messages.get(count) == Some(&got), "another message");
        count += 1;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::super::tests::inputs;
    use super::network;

    #[test]
    fn a_healed_network_delivers_what_a_broken_one_held_up() {
        for (case, input) in inputs(1, 400).take(200).enumerate() {
            println!("case {case}");
            network(&input);
        }
    }
}
