//! A scripted worker in this process: a small HTTP responder and a real peer connection.
//! It knows nothing of workflows: each test says what it answers.
#![allow(dead_code)] // each test file uses its part

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use framewire::{Client, ClientOptions, Session, StreamConfig, VideoFileSource, Workflow};
use framewire_media::{Bgr, Frame, FramePool, JpegEncoder};
use framewire_protocol::FrameId;
use framewire_protocol::chunk::{CHUNK_SIZE, split_result};
use framewire_protocol::encoding::base64_encode_into;
use framewire_transport::{
    CloseReason, DataChannel, Endpoint, EndpointConfig, Peer, PeerConfig, PeerEvent, RecvError,
};
use serde_json::{Value, json};

/// Nothing in these tests takes this long unless it hangs.
pub(crate) const GUARD: Duration = Duration::from_secs(30);

/// What the HTTP side does with a request.
pub(crate) enum Reply {
    /// Connect and run the script.
    Connect(Box<dyn FnOnce(Worker) + Send>),
    /// Answer with status and body, `application/json` or not.
    Answer(u16, String),
    /// Answer the offer, then vanish before the first packet.
    Vanish,
    /// Keep the connection open and say nothing.
    Silence,
}

/// The HTTP side. Lives until dropped.
pub(crate) struct FakeWorker {
    pub(crate) url: String,
    /// Bodies of the session requests.
    pub(crate) requests: Receiver<Value>,
    /// Heads of all requests.
    pub(crate) heads: Receiver<String>,
    scripts: Receiver<JoinHandle<()>>,
}

impl Drop for FakeWorker {
    /// What the script asserted counts. Sessions are declared later, so they are closed by now.
    fn drop(&mut self) {
        for script in self.scripts.try_iter() {
            if script.join().is_err() && !std::thread::panicking() {
                panic!("the worker's script failed");
            }
        }
    }
}

impl FakeWorker {
    /// Answers one session request with `reply`; `GET` always succeeds unless the reply is silence.
    pub(crate) fn start(reply: Reply) -> FakeWorker {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (request, requests) = channel();
        let (head, heads) = channel();
        let (script, scripts) = channel();
        std::thread::spawn(move || serve(&listener, reply, &request, &head, &script));
        FakeWorker {
            url,
            requests,
            heads,
            scripts,
        }
    }

    /// A worker whose peer runs `script`.
    pub(crate) fn connecting(script: impl FnOnce(Worker) + Send + 'static) -> FakeWorker {
        FakeWorker::start(Reply::Connect(Box::new(script)))
    }

    /// A session on this worker: one picture output `image`, batch mode.
    pub(crate) fn session(&self) -> Session {
        self.session_with(
            VideoFileSource::new(clip().to_str().unwrap()),
            config(),
            options(),
        )
    }

    pub(crate) fn session_with(
        &self,
        source: VideoFileSource,
        config: StreamConfig,
        options: ClientOptions,
    ) -> Session {
        let client = Client::new(&self.url)
            .with_api_key("test-key")
            .with_options(options);
        client
            .stream(source, Workflow::inline(json!({"outputs": []})), config)
            .unwrap()
    }
}

/// Picture output `image`, data output `data`.
pub(crate) fn config() -> StreamConfig {
    StreamConfig::new()
        .stream_output(["image"])
        .data_output(["data"])
}

/// Defaults without the environment.
pub(crate) fn options() -> ClientOptions {
    ClientOptions::default()
}

fn serve(
    listener: &TcpListener,
    reply: Reply,
    requests: &Sender<Value>,
    heads: &Sender<String>,
    scripts: &Sender<JoinHandle<()>>,
) {
    let mut reply = Some(reply);
    let mut silent = Vec::new();
    for stream in listener.incoming() {
        let Ok(mut stream) = stream else { return };
        if matches!(reply, Some(Reply::Silence)) {
            silent.push(stream);
            continue;
        }
        let Some((head, body)) = read_request(&stream) else {
            continue;
        };
        let _ = heads.send(head.clone());
        if !head.starts_with("POST /initialise_webrtc_worker ") {
            respond(&mut stream, 200, "{}");
            continue;
        }
        let body: Value = serde_json::from_slice(&body).unwrap();
        let _ = requests.send(body.clone());
        match reply.take() {
            Some(Reply::Connect(script)) => {
                let (endpoint, peer, answer) = answer(&body);
                let script = std::thread::spawn(move || script(Worker::new(endpoint, peer)));
                let _ = scripts.send(script);
                respond(&mut stream, 200, &answer);
            }
            Some(Reply::Vanish) => {
                let (endpoint, _peer, answer) = answer(&body);
                endpoint.shutdown(Duration::ZERO);
                respond(&mut stream, 200, &answer);
            }
            Some(Reply::Answer(status, text)) => respond(&mut stream, status, &text),
            Some(Reply::Silence) | None => respond(&mut stream, 503, "used up"),
        }
    }
}

fn answer(request: &Value) -> (Endpoint, Peer, String) {
    let endpoint = Endpoint::bind(EndpointConfig::default()).unwrap();
    let offer = request["webrtc_offer"]["sdp"].as_str().unwrap();
    let (peer, sdp) = endpoint.answer(offer, PeerConfig::default()).unwrap();
    let answer = json!({"status": "success", "sdp": sdp, "type": "answer"});
    (endpoint, peer, answer.to_string())
}

fn read_request(stream: &TcpStream) -> Option<(String, Vec<u8>)> {
    stream.set_read_timeout(Some(GUARD)).ok()?;
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((head, body))
}

fn respond(stream: &mut TcpStream, status: u16, body: &str) {
    let _ = write!(
        stream,
        "HTTP/1.1 {status} x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
}

/// The worker's end of the connection.
pub(crate) struct Worker {
    pub(crate) peer: Peer,
    endpoint: Endpoint,
    inference: Option<DataChannel>,
    upload: Option<DataChannel>,
    /// Upload messages so far.
    pub(crate) chunks: Vec<Bytes>,
    /// Acknowledgements so far.
    pub(crate) acks: Vec<u64>,
    /// Keep-alive pings so far.
    pub(crate) pings: usize,
    pub(crate) closed: Option<CloseReason>,
}

impl Worker {
    fn new(endpoint: Endpoint, peer: Peer) -> Worker {
        Worker {
            peer,
            endpoint,
            inference: None,
            upload: None,
            chunks: Vec::new(),
            acks: Vec::new(),
            pings: 0,
            closed: None,
        }
    }

    /// Takes events until `enough` is true or the connection has ended.
    pub(crate) fn until(&mut self, what: &str, enough: impl Fn(&Worker) -> bool) {
        let deadline = Instant::now() + GUARD;
        while !enough(self) && self.closed.is_none() {
            match self.peer.events().recv_deadline(deadline) {
                Ok(event) => self.take(event),
                Err(RecvError::Ended) => return,
                Err(RecvError::Timeout) => panic!("the worker waited in vain for {what}"),
            }
        }
    }

    /// Waits until both channels are open.
    pub(crate) fn open(&mut self) {
        self.until("open channels", |worker| {
            worker.inference.is_some() && worker.upload.is_some()
        });
    }

    /// Waits for the whole file and returns its bytes.
    pub(crate) fn receive_file(&mut self) -> Vec<u8> {
        self.until("the whole file", |worker| {
            worker
                .chunks
                .first()
                .is_some_and(|first| worker.chunks.len() as u32 == total(first))
        });
        self.open();
        self.chunks
            .iter()
            .flat_map(|chunk| chunk[8..].to_vec())
            .collect()
    }

    pub(crate) fn wait_ack(&mut self, ack: u64) {
        self.until(&format!("ack {ack}"), |worker| worker.acks.contains(&ack));
    }

    /// Takes what has arrived without waiting.
    pub(crate) fn drain(&mut self) {
        while let Ok(Some(event)) = self.peer.events().try_recv() {
            self.take(event);
        }
    }

    fn take(&mut self, event: PeerEvent) {
        match event {
            PeerEvent::ChannelOpen(channel) if channel.label() == "inference" => {
                self.inference = Some(channel)
            }
            PeerEvent::ChannelOpen(channel) if channel.label() == "video_upload" => {
                self.upload = Some(channel)
            }
            PeerEvent::Message {
                data, text: true, ..
            } => {
                let message: Value = serde_json::from_slice(&data).unwrap();
                self.acks.extend(message["ack"].as_u64());
            }
            PeerEvent::Message {
                data, text: false, ..
            } if data.len() < 2 => self.pings += 1,
            PeerEvent::Message {
                data, text: false, ..
            } if data.len() >= 8 => self.chunks.push(data),
            PeerEvent::Closed(reason) => self.closed = Some(reason),
            _ => {}
        }
    }

    /// Sends bytes as they are.
    pub(crate) fn send_raw(&self, bytes: impl Into<Bytes>) {
        let _ = self.inference.as_ref().unwrap().send(bytes.into());
    }

    pub(crate) fn send_text(&self, text: &str) {
        let _ = self.inference.as_ref().unwrap().send_text(text.to_owned());
    }

    /// Sends a body in chunks, as a result of this frame.
    pub(crate) fn send_body(&self, frame: u64, body: impl Into<Bytes>) {
        let channel = self.inference.as_ref().unwrap();
        for chunk in split_result(FrameId(frame), body.into(), CHUNK_SIZE).unwrap() {
            if channel
                .wait_buffered_at_most(8 << 20, Instant::now() + GUARD)
                .is_err()
            {
                return;
            }
            let _ = channel.send(chunk);
        }
    }

    /// Sends a result with a picture and `{"n": frame}` as data.
    pub(crate) fn send_frame(&self, frame: u64) {
        self.send_body(frame, result(frame, &picture(frame)).to_string());
    }

    /// Says that `frames` frames were processed and that this was all.
    pub(crate) fn complete(&self, frames: u64) {
        self.complete_with(frames, &[], None);
    }

    pub(crate) fn complete_with(&self, frames: u64, errors: &[&str], reason: Option<&str>) {
        let message = json!({
            "serialized_output_data": null,
            "video_metadata": {"frame_id": frames, "received_at": "2026-01-02T03:04:05"},
            "errors": errors, "processing_complete": true, "termination_reason": reason,
        });
        self.send_body(frames + 1, message.to_string());
    }

    /// Serves until the client closes.
    pub(crate) fn linger(&mut self) {
        self.until("the client to close", |_| false);
    }

    /// Closes this side after everything queued has arrived.
    pub(crate) fn hang_up(&self) {
        self.peer.close(Duration::from_secs(5));
        self.peer.wait_closed(Instant::now() + GUARD);
    }

    /// Closes the channel for the file.
    pub(crate) fn close_upload(&self) {
        self.upload.as_ref().unwrap().close();
    }
}

fn total(chunk: &Bytes) -> u32 {
    u32::from_le_bytes(chunk[4..8].try_into().unwrap())
}

/// A result message.
pub(crate) fn result(frame: u64, image: &Value) -> Value {
    json!({
        "serialized_output_data": {"image": image, "data": {"n": frame}},
        "video_metadata": {
            "frame_id": frame, "received_at": "2026-01-02T03:04:05.678901", "pts": (frame - 1) * 512,
            "time_base": 6.510_416_666_666_667e-5, "declared_fps": 30.0, "measured_fps": null,
            "width": 32, "height": 16,
        },
        "errors": [], "processing_complete": false, "termination_reason": null,
    })
}

/// A base64 JPEG of one colour that depends on the frame.
pub(crate) fn picture(frame: u64) -> Value {
    let pool = FramePool::default();
    let shade = (frame * 7 % 200) as u8 + 20;
    let picture = Frame::solid_bgr(&pool, 32, 16, Bgr::new(shade, shade, shade)).unwrap();
    let jpeg = JpegEncoder::default().encode(&picture).unwrap().to_vec();
    let mut text = Vec::new();
    base64_encode_into(&jpeg, &mut text);
    json!({"type": "base64", "value": String::from_utf8(text).unwrap()})
}

/// Brightness of a delivered picture, as [`picture`] chose it.
pub(crate) fn shade(frame: &Frame) -> i32 {
    i32::from(frame.plane(0).data[0])
}

/// A small video file, made once.
pub(crate) fn clip() -> &'static PathBuf {
    static CLIP: OnceLock<PathBuf> = OnceLock::new();
    CLIP.get_or_init(|| {
        let path = scratch().join("clip.mp4");
        make_clip(&path);
        path
    })
}

/// A folder for this test process.
pub(crate) fn scratch() -> PathBuf {
    let folder =
        std::env::temp_dir().join(format!("framewire-client-tests-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[cfg(feature = "ffmpeg")]
fn make_clip(path: &std::path::Path) {
    use framewire_media::{Mp4Options, Mp4Writer};
    let pool = FramePool::default();
    let mut writer = Mp4Writer::create(path, Mp4Options::default()).unwrap();
    for n in 0..10 {
        writer
            .write(&Frame::solid_bgr(&pool, 64, 48, Bgr::new(n * 20, 100, 100)).unwrap())
            .unwrap();
    }
    writer.finish().unwrap();
}

#[cfg(not(feature = "ffmpeg"))]
fn make_clip(path: &std::path::Path) {
    std::fs::write(path, vec![7; 200_000]).unwrap();
}

/// A copy of the clip, padded so that its upload takes a while; players ignore what follows the last box.
pub(crate) fn long_file(name: &str, bytes: usize) -> PathBuf {
    let mut content = std::fs::read(clip()).unwrap();
    content.extend_from_slice(&[0, 0, 0, 0]);
    content.extend_from_slice(b"free");
    content.resize(bytes.max(content.len()), 0);
    let path = scratch().join(name);
    std::fs::write(&path, content).unwrap();
    path
}
