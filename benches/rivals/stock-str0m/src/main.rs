//! str0m as it ships, with its own SCTP: one thread for the socket, the engine and the messages, GSO out and GRO in.
//! Driven by JSON lines; it measures and nothing else.

mod socket;

use std::error::Error;
use std::net::SocketAddr;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use bench_harness::{Command, Meter, Window, commands, say, stamp};
use serde_json::json;
use socket::Socket;
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::channel::ChannelId;
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const PROBE_BYTES: usize = 200;
const PROBE_EVERY: Duration = Duration::from_millis(10);
/// How often commands are looked for.
const TURN: Duration = Duration::from_millis(20);
/// Messages written before the engine's output is taken.
const AT_ONCE: usize = 64;

fn main() -> Result<()> {
    let socket = Socket::open()?;
    // The send buffer stays at the engine's 128 KiB: more makes it slower.
    let mut rtc = Rtc::builder().build(Instant::now());
    rtc.add_local_candidate(Candidate::host(socket.address(), "udp")?);
    let mut program =
        Program { commands: commands(), socket, rtc, pending: None, channels: Vec::new(), counting: None, flood: None };
    program.run()
}

struct Program {
    commands: Receiver<Command>,
    socket: Socket,
    rtc: Rtc,
    pending: Option<SdpPendingOffer>,
    channels: Vec<(String, ChannelId)>,
    counting: Option<Counting>,
    flood: Option<Flood>,
}

struct Counting {
    meter: Meter,
    window: Window,
    probe: Option<ChannelId>,
}

struct Flood {
    channel: ChannelId,
    message: Vec<u8>,
    limit: usize,
    meter: Meter,
    window: Window,
    probe: Option<ChannelId>,
    next_probe: Instant,
}

impl Program {
    fn run(&mut self) -> Result<()> {
        loop {
            let engine = self.drain()?;
            while let Ok(command) = self.commands.try_recv() {
                self.command(&command)?;
            }
            if self.write()? {
                continue;
            }
            let now = Instant::now();
            let probe = self.flood.as_ref().filter(|f| f.probe.is_some()).map_or(now + TURN, |f| f.next_probe);
            self.socket.wait(engine.min(now + TURN).min(probe).saturating_duration_since(now))?;
            if !self.receive()? {
                self.rtc.handle_input(Input::Timeout(Instant::now()))?;
            }
        }
    }

    fn command(&mut self, command: &Command) -> Result<()> {
        let id = |label: &str| self.channels.iter().find(|(known, _)| known == label).map(|(_, id)| *id);
        match command.name() {
            "offer" => {
                let mut api = self.rtc.sdp_api();
                for label in command.labels("channels") {
                    api.add_channel(label);
                }
                let (offer, pending) = api.apply().ok_or("nothing to offer")?;
                self.pending = Some(pending);
                say("offer", json!({"sdp": offer.to_sdp_string()}));
            }
            "answer" => {
                let answer = self.rtc.sdp_api().accept_offer(SdpOffer::from_sdp_string(command.text("sdp"))?)?;
                say("answer", json!({"sdp": answer.to_sdp_string()}));
            }
            "accept" => {
                let pending = self.pending.take().ok_or("nothing was offered")?;
                self.rtc.sdp_api().accept_answer(pending, SdpAnswer::from_sdp_string(command.text("sdp"))?)?;
            }
            "count" => {
                let (window, probe) = (Window::of(command), id(command.text("probe")));
                self.counting = Some(Counting { meter: Meter::default(), window, probe });
                say("ready", json!({}));
            }
            "flood" => {
                self.flood = Some(Flood {
                    channel: id(command.text("channel")).ok_or("no such channel")?,
                    message: vec![7; command.number("size").unwrap_or(49_160) as usize],
                    limit: command.number("limit").unwrap_or(256 * 1024) as usize,
                    meter: Meter::default(),
                    window: Window::of(command),
                    probe: id(command.text("probe")),
                    next_probe: Instant::now(),
                });
            }
            other => return Err(format!("unknown command {other:?}").into()),
        }
        Ok(())
    }

    /// Takes all the engine has; when it wants to be called again.
    fn drain(&mut self) -> Result<Instant> {
        loop {
            match self.rtc.poll_output()? {
                Output::Timeout(at) => {
                    self.socket.flush();
                    return Ok(at);
                }
                Output::Transmit(transmit) => self.socket.push(transmit.destination, &transmit.contents),
                Output::Event(Event::ChannelOpen(id, label)) => {
                    say("open", json!({"channel": label}));
                    self.channels.push((label, id));
                }
                Output::Event(Event::ChannelData(data)) => {
                    let Some(counting) = &self.counting else { continue };
                    if Some(data.id) == counting.probe {
                        counting.meter.delayed(&data.data);
                    } else {
                        counting.meter.add(data.data.len(), counting.window, "received", || json!({}));
                    }
                }
                Output::Event(_) => {}
            }
        }
    }

    /// Messages as the limit allows; whether any was written.
    fn write(&mut self) -> Result<bool> {
        let Some(flood) = &mut self.flood else { return Ok(false) };
        let mut written = false;
        if let Some(mut probe) = flood.probe.and_then(|id| self.rtc.channel(id))
            && Instant::now() >= flood.next_probe
        {
            let mut message = vec![7; PROBE_BYTES];
            stamp(&mut message);
            probe.write(true, &message)?;
            flood.next_probe += PROBE_EVERY;
            written = true;
        }
        let Some(mut channel) = self.rtc.channel(flood.channel) else { return Ok(written) };
        for _ in 0..AT_ONCE {
            if channel.buffered_amount() + flood.message.len() > flood.limit || !channel.write(true, &flood.message)? {
                break;
            }
            flood.meter.add(flood.message.len(), flood.window, "sent", || json!({}));
            written = true;
        }
        Ok(written)
    }

    /// Gives the engine what arrived; it has to be drained after each datagram.
    fn receive(&mut self) -> Result<bool> {
        let Some((from, block, stride)) = self.socket.receive()? else { return Ok(false) };
        let to: SocketAddr = self.socket.address();
        for datagram in block.chunks(stride.max(1)) {
            if let Ok(contents) = datagram.try_into() {
                let receive = Receive { proto: Protocol::Udp, source: from, destination: to, contents };
                self.rtc.handle_input(Input::Receive(Instant::now(), receive))?;
            }
            self.drain()?;
        }
        Ok(true)
    }
}
