//! A scripted worker in this process: a small HTTP responder and a real peer connection.
//! It knows nothing of workflows: each test says what it answers.
#![allow(dead_code)] // each test file uses its part

mod content;
#[cfg(feature = "ffmpeg")]
pub(crate) mod echo;
pub(crate) mod gaps;
#[cfg(feature = "ffmpeg")]
mod push;
#[cfg(feature = "ffmpeg")]
mod streamer;
mod worker;

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use framewire::{Client, ClientOptions, Session, Source, StreamConfig, VideoFileSource, Workflow};
use framewire_transport::{Endpoint, EndpointConfig, Peer, PeerConfig, VideoConfig};
use serde_json::{Value, json};

#[allow(unused_imports)] // each test file uses its part
pub(crate) use content::{assert_told_in_order, clip, long_file, picture, result, scratch, shade};
#[cfg(feature = "ffmpeg")]
#[allow(unused_imports)] // each test file uses its part
pub(crate) use echo::{Echo, Habits};
#[cfg(feature = "ffmpeg")]
#[allow(unused_imports)] // each test file uses its part
pub(crate) use push::{Pusher, number};
#[cfg(feature = "ffmpeg")]
#[allow(unused_imports)] // each test file uses its part
pub(crate) use streamer::Streamer;
pub(crate) use worker::Worker;

/// Nothing in these tests takes this long unless it hangs.
pub(crate) const GUARD: Duration = Duration::from_secs(30);

/// What workers of ours call their session here.
pub(crate) const SESSION: &str = "7f3a0000-1111-4222-8333-444455556666";

/// What the HTTP side does with a request.
pub(crate) enum Reply {
    /// Connect and run the script.
    Connect(Box<dyn FnOnce(Worker) + Send>),
    /// The same with this for video, and as a worker of ours (`true`) or an original.
    Video(VideoConfig, bool, Box<dyn FnOnce(Worker) + Send>),
    /// The same as a worker of ours that goes on with uploads and verifies them.
    Uploads(Box<dyn FnOnce(Worker) + Send>),
    /// The same as a worker of ours that sends results beside the ordered channel.
    Fresh(Box<dyn FnOnce(Worker) + Send>),
    /// Answer with status and body, `application/json` or not.
    Answer(u16, String),
    /// Answer the offer, then vanish before the first packet.
    Vanish,
    /// Keep the connection open and say nothing.
    Silence,
    /// Take the request, wait for the test, then answer as this. A test that goes away lets it go on.
    Held(Receiver<()>, Box<Reply>),
}

impl Reply {
    /// Connect and run the script.
    pub(crate) fn script(script: impl FnOnce(Worker) + Send + 'static) -> Reply {
        Reply::Connect(Box::new(script))
    }

    /// The same once the test lets go of the sender.
    pub(crate) fn held(self) -> (Sender<()>, Reply) {
        let (release, held) = channel();
        (release, Reply::Held(held, Box::new(self)))
    }

    /// A worker of ours that sends video back.
    #[cfg(feature = "ffmpeg")]
    pub(crate) fn echo(script: impl FnOnce(Echo) + Send + 'static) -> Reply {
        let script = move |worker| script(Echo::new(worker, Habits::default()));
        Reply::Video(VideoConfig::default(), true, Box::new(script))
    }

    /// A worker of ours that has frames of its own.
    #[cfg(feature = "ffmpeg")]
    pub(crate) fn stream(script: impl FnOnce(Worker) + Send + 'static) -> Reply {
        let video = VideoConfig::default().with_receive(false);
        Reply::Video(video, true, Box::new(script))
    }
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
        FakeWorker::sequence([reply])
    }

    /// Answers each session request with the next reply, and with 503 when they are used up.
    pub(crate) fn sequence(replies: impl IntoIterator<Item = Reply>) -> FakeWorker {
        FakeWorker::on(TcpListener::bind("127.0.0.1:0").unwrap(), replies)
    }

    /// The same at an address that is bound already.
    pub(crate) fn on(
        listener: TcpListener,
        replies: impl IntoIterator<Item = Reply>,
    ) -> FakeWorker {
        let replies = replies.into_iter().collect();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (request, requests) = channel();
        let (head, heads) = channel();
        let (script, scripts) = channel();
        std::thread::spawn(move || serve(&listener, replies, &request, &head, &script));
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

    /// A worker of ours, or an original, that sends video back, and what a test says besides.
    #[cfg(feature = "ffmpeg")]
    pub(crate) fn echoing(
        habits: Habits,
        script: impl FnOnce(Echo) + Send + 'static,
    ) -> FakeWorker {
        let ours = habits.ledger;
        FakeWorker::start(Reply::Video(
            VideoConfig::default().with_send(habits.pictures),
            ours,
            Box::new(move |worker| script(Echo::new(worker, habits))),
        ))
    }

    /// A worker of ours that has frames of its own.
    #[cfg(feature = "ffmpeg")]
    pub(crate) fn streaming(script: impl FnOnce(Worker) + Send + 'static) -> FakeWorker {
        FakeWorker::start(Reply::stream(script))
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
        source: impl Into<Source>,
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

/// The sums that hold in every snapshot.
pub(crate) fn assert_consistent(frames: &framewire::FrameCounts) {
    let dropped: u64 = frames.dropped.values().sum();
    let after = frames.dropped_after_receipt();
    assert_eq!(
        frames.produced,
        frames.delivered + dropped + frames.in_flight,
        "{frames:?}"
    );
    assert_eq!(
        frames.received,
        frames.delivered + after + frames.queued,
        "{frames:?}"
    );
    assert!(frames.queued <= frames.in_flight, "{frames:?}");
}

/// And nothing is left.
pub(crate) fn assert_settled(frames: &framewire::FrameCounts) {
    assert_consistent(frames);
    assert_eq!((frames.queued, frames.in_flight), (0, 0), "{frames:?}");
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
    mut replies: VecDeque<Reply>,
    requests: &Sender<Value>,
    heads: &Sender<String>,
    scripts: &Sender<JoinHandle<()>>,
) {
    let mut silent = Vec::new();
    for stream in listener.incoming() {
        let Ok(mut stream) = stream else { return };
        if matches!(replies.front(), Some(Reply::Silence)) {
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
        let mut reply = replies.pop_front();
        while let Some(Reply::Held(release, then)) = reply {
            let _ = release.recv();
            reply = Some(*then);
        }
        match reply {
            Some(Reply::Connect(script)) => {
                let (endpoint, peer, answer) = answer(&body, PeerConfig::default(), false);
                let script = std::thread::spawn(move || script(Worker::new(endpoint, peer)));
                let _ = scripts.send(script);
                respond(&mut stream, 200, &answer);
            }
            Some(reply @ (Reply::Uploads(_) | Reply::Fresh(_))) => {
                let (endpoint, peer, text) = answer(&body, PeerConfig::default(), true);
                let mut answer: Value = serde_json::from_str(&text).unwrap();
                let (feature, script) = match reply {
                    Reply::Uploads(script) => ("upload", script),
                    Reply::Fresh(script) => ("freshness", script),
                    _ => unreachable!("one of the two"),
                };
                answer["framewire"]["features"] = json!([feature]);
                let script = std::thread::spawn(move || script(Worker::new(endpoint, peer)));
                let _ = scripts.send(script);
                respond(&mut stream, 200, &answer.to_string());
            }
            Some(Reply::Video(video, ours, script)) => {
                let config = PeerConfig::default().with_video(video);
                let (endpoint, peer, answer) = answer(&body, config, ours);
                let script = std::thread::spawn(move || script(Worker::new(endpoint, peer)));
                let _ = scripts.send(script);
                respond(&mut stream, 200, &answer);
            }
            Some(Reply::Vanish) => {
                let config = PeerConfig::default().with_video(VideoConfig::default());
                let (endpoint, _peer, answer) = answer(&body, config, false);
                endpoint.shutdown(Duration::ZERO);
                respond(&mut stream, 200, &answer);
            }
            Some(Reply::Answer(status, text)) => respond(&mut stream, status, &text),
            Some(Reply::Silence | Reply::Held(..)) | None => respond(&mut stream, 503, "used up"),
        }
    }
}

fn answer(request: &Value, config: PeerConfig, ours: bool) -> (Endpoint, Peer, String) {
    let endpoint = Endpoint::bind(EndpointConfig::default()).unwrap();
    let offer = request["webrtc_offer"]["sdp"].as_str().unwrap();
    let (peer, sdp) = endpoint.answer(offer, config).unwrap();
    let mut answer = json!({"status": "success", "sdp": sdp, "type": "answer"});
    if ours {
        let (session, secret) = (SESSION, "A".repeat(22));
        answer["framewire"] =
            json!({"v": 1, "features": ["ledger"], "session": session, "secret": secret});
    }
    (endpoint, peer, answer.to_string())
}

pub(crate) fn read_request(stream: &TcpStream) -> Option<(String, Vec<u8>)> {
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

pub(crate) fn respond(stream: &mut TcpStream, status: u16, body: &str) {
    let _ = write!(
        stream,
        "HTTP/1.1 {status} x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
}
