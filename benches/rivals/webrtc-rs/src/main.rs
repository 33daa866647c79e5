//! webrtc-rs as it ships: its own tokio driver and sockets, nothing set but the limit of buffered bytes.
//! Driven by JSON lines; it measures and nothing else.

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bench_harness::{Command, Meter, Window, commands, failed, say, stamp};
use bytes::BytesMut;
use serde_json::json;
use tokio::sync::mpsc;
use webrtc::data_channel::{DataChannel, DataChannelEvent};
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCConfigurationBuilder, RTCIceGatheringState,
    RTCSessionDescription,
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const PROBE_BYTES: usize = 200;
const PROBE_EVERY: Duration = Duration::from_millis(10);
/// What every engine of the bench gets.
const LIMIT: usize = 256 * 1024;

#[tokio::main]
async fn main() -> Result<()> {
    let (gathered, mut complete) = mpsc::channel(1);
    let state = Arc::new(Mutex::new(State::default()));
    let pc = PeerConnectionBuilder::new()
        .with_configuration(RTCConfigurationBuilder::new().build())
        .with_handler(Arc::new(Handler { gathered, state: state.clone() }))
        .with_udp_addrs(vec!["127.0.0.1:0".to_owned()])
        .with_data_channel_send_buffer_limit(LIMIT)
        .build()
        .await?;
    let lines = commands();
    let (forward, mut queue) = mpsc::channel(16);
    std::thread::spawn(move || lines.into_iter().all(|command| forward.blocking_send(command).is_ok()));
    while let Some(command) = queue.recv().await {
        match command.name() {
            "offer" => {
                for label in command.labels("channels") {
                    watch(pc.create_data_channel(&label, None).await?, label, state.clone());
                }
                let offer = pc.create_offer(None).await?;
                pc.set_local_description(offer).await?;
                complete.recv().await;
                say("offer", json!({"sdp": described(&pc).await?}));
            }
            "answer" => {
                pc.set_remote_description(RTCSessionDescription::offer(command.text("sdp").to_owned())?).await?;
                let answer = pc.create_answer(None).await?;
                pc.set_local_description(answer).await?;
                complete.recv().await;
                say("answer", json!({"sdp": described(&pc).await?}));
            }
            "accept" => {
                pc.set_remote_description(RTCSessionDescription::answer(command.text("sdp").to_owned())?).await?;
            }
            "count" => {
                lock(&state).counting = Some(Counting::of(&command));
                say("ready", json!({}));
            }
            "flood" => flood(&command, &state)?,
            other => return Err(format!("unknown command {other:?}").into()),
        }
    }
    Ok(())
}

async fn described(pc: &impl PeerConnection) -> Result<String> {
    Ok(pc.local_description().await.ok_or("no local description")?.sdp)
}

#[derive(Default)]
struct State {
    channels: HashMap<String, Arc<dyn DataChannel>>,
    counting: Option<Counting>,
}

#[derive(Clone)]
struct Counting {
    meter: Meter,
    window: Window,
    probe: String,
}

impl Counting {
    fn of(command: &Command) -> Counting {
        Counting { meter: Meter::default(), window: Window::of(command), probe: command.text("probe").to_owned() }
    }
}

fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Handler {
    gathered: mpsc::Sender<()>,
    state: Arc<Mutex<State>>,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            // It may be said more than once; once is enough.
            let _ = self.gathered.try_send(());
        }
    }

    async fn on_data_channel(&self, channel: Arc<dyn DataChannel>) {
        if let Ok(label) = channel.label().await {
            watch(channel, label, self.state.clone());
        }
    }
}

/// Takes a channel's events until it closes.
fn watch(channel: Arc<dyn DataChannel>, label: String, state: Arc<Mutex<State>>) {
    lock(&state).channels.insert(label.clone(), channel.clone());
    tokio::spawn(async move {
        let mut counting = None;
        while let Some(event) = channel.poll().await {
            match event {
                DataChannelEvent::OnOpen => say("open", json!({"channel": label})),
                DataChannelEvent::OnMessage(message) => {
                    let counting: &Counting = match &counting {
                        Some(counting) => counting,
                        None => match lock(&state).counting.clone() {
                            Some(found) => counting.insert(found),
                            None => continue,
                        },
                    };
                    if label == counting.probe {
                        counting.meter.delayed(&message.data);
                    } else {
                        counting.meter.add(message.data.len(), counting.window, "received", || json!({}));
                    }
                }
                DataChannelEvent::OnClose => return,
                _ => {}
            }
        }
    });
}

fn flood(command: &Command, state: &Mutex<State>) -> Result<()> {
    let find = |field| lock(state).channels.get(command.text(field)).cloned();
    let channel = find("channel").ok_or("no such channel")?;
    let size = command.number("size").unwrap_or(49_160) as usize;
    let (meter, window) = (Meter::default(), Window::of(command));
    tokio::spawn(async move {
        let message = BytesMut::from(&vec![7; size][..]);
        loop {
            // Waits while the limit of buffered bytes is reached.
            if let Err(error) = channel.send(message.clone()).await {
                return failed(error);
            }
            meter.add(size, window, "sent", || json!({}));
        }
    });
    let Some(probe) = find("probe") else { return Ok(()) };
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(PROBE_EVERY);
        loop {
            ticks.tick().await;
            let mut message = BytesMut::from(&[7; PROBE_BYTES][..]);
            stamp(&mut message);
            if let Err(error) = probe.send(message).await {
                return failed(error);
            }
        }
    });
    Ok(())
}
