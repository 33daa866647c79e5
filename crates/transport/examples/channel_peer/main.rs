//! One peer with data channels, driven by JSON lines; the other side may be any engine that `benches/rivals/README.md` lists.
//! The bench of data channels and the interoperability suite drive it; it is no example of how to use the crate.

mod flood;

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bench_harness::{Command, Meter, Window, commands, failed, say};
use framewire_transport::{
    ChannelId, ChannelOptions, Congestion, DataChannel, DataConfig, Endpoint, EndpointConfig,
    Offer, Peer, PeerConfig, PeerEvent,
};
use serde_json::json;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let config = EndpointConfig::default()
        .with_interface("lo")
        .with_ipv6(false);
    // `--congestion new-reno`: the other sender of the fairness runs.
    let mut data = DataConfig::default();
    if std::env::args().any(|argument| argument == "new-reno") {
        data = data.with_congestion(Congestion::NewReno);
    }
    let mut program = Program {
        config: PeerConfig::default().with_data(data),
        endpoint: Endpoint::bind(config)?,
        offer: None,
        peer: None,
        state: Arc::default(),
    };
    for command in commands() {
        match program.run(&command) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => failed(error),
        }
    }
    Ok(())
}

struct Program {
    config: PeerConfig,
    endpoint: Endpoint,
    offer: Option<Offer>,
    peer: Option<Arc<Peer>>,
    state: Arc<Mutex<State>>,
}

/// What the thread that takes events is told.
#[derive(Default)]
struct State {
    echo: bool,
    counting: Option<Counting>,
    channels: HashMap<ChannelId, DataChannel>,
}

#[derive(Clone)]
struct Counting {
    meter: Meter,
    window: Window,
    probe: String,
}

impl Program {
    fn run(&mut self, command: &Command) -> Result<bool> {
        match command.name() {
            "offer" => {
                let labels = command.labels("channels");
                let config = labels
                    .iter()
                    .fold(self.config.clone(), |c, label| c.with_channel(label));
                let offer = self.endpoint.offer(config)?;
                say("offer", json!({"sdp": offer.sdp()}));
                self.offer = Some(offer);
            }
            "answer" => {
                let (peer, answer) = self
                    .endpoint
                    .answer(command.text("sdp"), self.config.clone())?;
                self.start(peer);
                say("answer", json!({"sdp": answer}));
            }
            "accept" => {
                let offer = self.offer.take().ok_or("nothing was offered")?;
                self.start(offer.accept_answer(command.text("sdp"))?);
            }
            "open" => {
                let mut options =
                    ChannelOptions::default().with_ordered(command.flag("ordered", true));
                if let Some(count) = command.number("retransmits") {
                    options = options.with_max_retransmits(count as u16);
                }
                if let Some(lifetime) = command.number("lifetime") {
                    options = options.with_max_lifetime(Duration::from_millis(lifetime));
                }
                let peer = self.peer.as_ref().ok_or("no connection")?;
                peer.open_channel(command.text("label"), options)?;
            }
            "send" => {
                let channel = self.channel(command)?;
                match command.number("size") {
                    Some(size) => channel.send(flood::filled(size as usize).into())?,
                    None => channel.send_text(command.text("text").to_owned())?,
                }
            }
            "bulk" => flood::bulk(self.channel(command)?, command)?,
            "echo" => {
                self.state().echo = true;
                say("ready", json!({}));
            }
            "count" => {
                self.state().counting = Some(Counting {
                    meter: Meter::default(),
                    window: Window::of(command),
                    probe: command.text("probe").to_owned(),
                });
                say("ready", json!({}));
            }
            "flood" => {
                let peer = self.peer.clone().ok_or("no connection")?;
                let probe = peer.channel(command.text("probe"));
                flood::start(peer, self.channel(command)?, probe, command);
            }
            "close_channel" => self.channel(command)?.close(),
            "close" => {
                if let Some(peer) = &self.peer {
                    peer.close(Duration::from_secs(1));
                }
                // Until the last datagram has left.
                self.endpoint.shutdown(Duration::from_secs(1));
                return Ok(false);
            }
            other => return Err(format!("unknown command {other:?}").into()),
        }
        Ok(true)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn channel(&self, command: &Command) -> Result<DataChannel> {
        let label = command.text("channel");
        let state = self.state();
        let newest = state
            .channels
            .iter()
            .filter(|(_, channel)| channel.label() == label)
            .max_by_key(|(id, _)| **id);
        newest
            .map(|(_, channel)| channel.clone())
            .ok_or_else(|| format!("no channel {label:?}").into())
    }

    fn start(&mut self, peer: Peer) {
        let peer = Arc::new(peer);
        self.peer = Some(peer.clone());
        let state = self.state.clone();
        std::thread::spawn(move || {
            if let Err(error) = take_events(&peer, &state) {
                failed(error);
            }
        });
    }
}

/// Until the connection ends.
fn take_events(peer: &Peer, state: &Mutex<State>) -> Result<()> {
    let lock = || state.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let hour = Instant::now() + Duration::from_secs(3600);
        match peer.events().recv_deadline(hour)? {
            PeerEvent::Connected => say("state", json!({"state": "connected"})),
            PeerEvent::ChannelOpen(channel) => {
                let label = channel.label().to_owned();
                lock().channels.insert(channel.id(), channel);
                say("open", json!({"channel": label}));
            }
            PeerEvent::ChannelClosed(id) => {
                let channel = lock().channels.remove(&id);
                let label = channel.as_ref().map_or("", |c| c.label());
                say("channel_closed", json!({"channel": label}));
            }
            PeerEvent::Message {
                channel,
                data,
                text,
            } => {
                let state = lock();
                let sender = state.channels.get(&channel);
                let label = sender.map_or("", |c| c.label());
                if let Some(counting) = &state.counting {
                    if label == counting.probe {
                        counting.meter.delayed(&data);
                    } else {
                        counting
                            .meter
                            .add(data.len(), counting.window, "received", || json!({}));
                    }
                } else if let (true, Some(sender)) = (state.echo, sender) {
                    if text {
                        sender.send_text(String::from_utf8_lossy(&data).into_owned())?;
                    } else {
                        sender.send(data)?;
                    }
                } else if text {
                    let text = String::from_utf8_lossy(&data);
                    say("message", json!({"channel": label, "text": text}));
                } else {
                    let sum = flood::checksum(&data);
                    say(
                        "message",
                        json!({"channel": label, "size": data.len(), "sum": sum}),
                    );
                }
            }
            PeerEvent::Closed(reason) => {
                say(
                    "state",
                    json!({"state": "closed", "reason": reason.to_string()}),
                );
                return Ok(());
            }
            _ => {}
        }
    }
}
