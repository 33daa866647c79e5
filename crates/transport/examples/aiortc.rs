//! Checks this transport against a real aiortc peer: both roles, both directions, closing from either side.
//! Not part of the test suite; it needs a Python with aiortc.
//!
//! `cargo run --release -p framewire-transport --example aiortc -- <python> tests/interop/aiortc_peer.py`, and with
//! `<turn URL> <user> <password>` behind that, through a TURN server alone.

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use bytes::Bytes;
use framewire_transport::{
    CloseReason, DataChannel, Endpoint, EndpointConfig, IceServer, Peer, PeerConfig, PeerEvent,
};
use serde_json::{Value, json};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const PATIENCE: Duration = Duration::from_secs(15);
const MESSAGE: usize = 49_160;
const COUNT: usize = 200;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [python, script, turn @ ..] = args.as_slice() else {
        return Err(
            "usage: aiortc <python> <tests/interop/aiortc_peer.py> [turn URL, user, password]"
                .into(),
        );
    };
    let mut config = PeerConfig::default();
    if let [url, user, password] = turn {
        let server = IceServer::new(vec![url.clone()])
            .with_credentials(Some(user.clone()), Some(password.clone()));
        config = config.with_ice_servers(vec![server]).with_relay_only(true);
    }
    let mut failed = 0;
    for we_offer in [true, false] {
        for video in [false, true] {
            for we_close in [true, false] {
                if we_offer && video {
                    continue;
                }
                let name = format!("we_offer={we_offer} video={video} we_close={we_close}");
                match scenario(python, script, &config, we_offer, video, we_close) {
                    Ok(report) => println!("ok    {name}: {report}"),
                    Err(error) => {
                        failed += 1;
                        println!("FAIL  {name}: {error}");
                    }
                }
            }
        }
    }
    if failed > 0 {
        Err(format!("{failed} scenarios failed").into())
    } else {
        Ok(())
    }
}

fn scenario(
    python: &str,
    script: &str,
    config: &PeerConfig,
    we_offer: bool,
    video: bool,
    we_close: bool,
) -> Result<String> {
    let mut them = Them::start(python, script)?;
    let endpoint = Endpoint::bind(EndpointConfig::default())?;
    let config = config.clone();
    let started = Instant::now();
    let peer = if we_offer {
        let offer = endpoint.offer(
            config
                .with_channel("inference")
                .with_channel("video_upload"),
        )?;
        them.tell(json!({"cmd": "answer", "sdp": offer.sdp()}))?;
        offer.accept_answer(&them.sdp("answer")?)?
    } else {
        them.tell(
            json!({"cmd": "offer", "channels": ["inference", "video_upload"], "video": video}),
        )?;
        let (peer, answer) = endpoint.answer(&them.sdp("offer")?, config)?;
        them.tell(json!({"cmd": "accept", "sdp": answer}))?;
        peer
    };
    let inference = opened(&peer, 2)?;
    let connected = started.elapsed();
    them.until("open", |_| true)?;
    text_both_ways(&peer, &inference, &mut them)?;
    let out = bulk_out(&inference, &mut them)?;
    let back = bulk_back(&peer, &mut them)?;
    let closed = close(&peer, &mut them, we_close)?;
    Ok(format!(
        "connected {connected:.0?}, out {out:.0} MB/s, in {back:.0} MB/s, close noticed after {closed:.1?}"
    ))
}

fn opened(peer: &Peer, count: usize) -> Result<DataChannel> {
    let mut open = 0;
    while open < count {
        match next(peer)? {
            PeerEvent::ChannelOpen(_) => open += 1,
            PeerEvent::Closed(reason) => return Err(reason.into()),
            _ => {}
        }
    }
    peer.channel("inference")
        .ok_or_else(|| "no inference channel".into())
}

fn text_both_ways(peer: &Peer, channel: &DataChannel, them: &mut Them) -> Result<()> {
    channel.send_text("ping \u{2713}".into())?;
    them.until("message", |m| m["text"] == "ping \u{2713}")?;
    channel.send(Bytes::from_static(b"!"))?;
    them.until("message", |m| m["size"] == 1)?;
    them.tell(json!({"cmd": "send", "channel": "inference", "text": "pong"}))?;
    loop {
        match next(peer)? {
            PeerEvent::Message {
                data, text: true, ..
            } if data == "pong" => return Ok(()),
            PeerEvent::Closed(reason) => return Err(reason.into()),
            _ => {}
        }
    }
}

fn bulk_out(channel: &DataChannel, them: &mut Them) -> Result<f64> {
    let started = Instant::now();
    for index in 0..COUNT {
        channel.wait_buffered_at_most(256 * 1024, Instant::now() + PATIENCE)?;
        let mut message = vec![index as u8; MESSAGE];
        message[..4].copy_from_slice(&(index as u32).to_le_bytes());
        channel.send(message.into())?;
    }
    for _ in 0..COUNT {
        them.until("message", |m| m["size"] == MESSAGE)?;
    }
    Ok(rate(started))
}

fn bulk_back(peer: &Peer, them: &mut Them) -> Result<f64> {
    let started = Instant::now();
    them.tell(json!({"cmd": "bulk", "channel": "inference", "size": MESSAGE, "count": COUNT}))?;
    let mut index = 0u32;
    while (index as usize) < COUNT {
        match next(peer)? {
            PeerEvent::Message {
                data, text: false, ..
            } => {
                let whole = data.len() == MESSAGE && data[4..].iter().all(|b| *b == index as u8);
                if data[..4] != index.to_le_bytes() || !whole {
                    return Err(format!("message {index} is damaged or out of order").into());
                }
                index += 1;
            }
            PeerEvent::Closed(reason) => return Err(reason.into()),
            _ => {}
        }
    }
    Ok(rate(started))
}

fn rate(started: Instant) -> f64 {
    (COUNT * MESSAGE) as f64 / 1e6 / started.elapsed().as_secs_f64()
}

fn close(peer: &Peer, them: &mut Them, we_close: bool) -> Result<Duration> {
    let started = Instant::now();
    if we_close {
        peer.close(Duration::from_secs(1));
        them.until("state", |m| {
            m["state"] == "closed" || m["state"] == "failed"
        })?;
    } else {
        them.tell(json!({"cmd": "close"}))?;
    }
    let noticed = started.elapsed();
    loop {
        if let PeerEvent::Closed(reason) = next(peer)? {
            let wanted = if we_close {
                CloseReason::Local
            } else {
                CloseReason::Remote
            };
            if reason != wanted {
                return Err(format!("ended with {reason:?}").into());
            }
            return Ok(if we_close { noticed } else { started.elapsed() });
        }
    }
}

fn next(peer: &Peer) -> Result<PeerEvent> {
    Ok(peer.events().recv_deadline(Instant::now() + PATIENCE)?)
}

/// The other side.
struct Them {
    child: Child,
    input: ChildStdin,
    events: Receiver<Value>,
}

impl Them {
    fn start(python: &str, script: &str) -> Result<Them> {
        let mut child = Command::new(python)
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take().ok_or("no stdin")?;
        let output = BufReader::new(child.stdout.take().ok_or("no stdout")?);
        let (send, events) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(std::result::Result::ok) {
                let _ = send.send(serde_json::from_str(&line).unwrap_or(Value::Null));
            }
        });
        Ok(Them {
            child,
            input,
            events,
        })
    }

    fn tell(&mut self, command: Value) -> Result<()> {
        writeln!(self.input, "{command}")?;
        Ok(self.input.flush()?)
    }

    fn sdp(&mut self, event: &str) -> Result<String> {
        let message = self.until(event, |_| true)?;
        Ok(message["sdp"].as_str().ok_or("no sdp")?.to_owned())
    }

    fn until(&mut self, event: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        loop {
            let message = self
                .events
                .recv_timeout(PATIENCE)
                .map_err(|_| format!("no event {event:?}"))?;
            if message["event"] == "error" {
                return Err(message.to_string().into());
            }
            if message["event"] == event && wanted(&message) {
                return Ok(message);
            }
        }
    }
}

impl Drop for Them {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
