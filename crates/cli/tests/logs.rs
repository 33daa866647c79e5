//! Log lines as JSON: each parses, those of a session carry its id, and none a secret, at any level.

mod common;

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

use common::*;
use framewire_transport::{Endpoint, EndpointConfig, PeerConfig};
use rustix::process::Signal;
use serde_json::{Value, json};

/// `framewire serve` with its log in a file.
struct Logged {
    child: Child,
    url: String,
}

impl Logged {
    fn start(log: &Path, args: &[&str]) -> Logged {
        let mut command = framewire();
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--log-format", "json"])
            .args(args)
            .env("RUST_LOG", "trace")
            .stdout(Stdio::piped())
            .stderr(File::create(log).unwrap());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        let url = first.rsplit(' ').next().unwrap().to_owned();
        Logged { child, url }
    }

    /// Asks it to end and waits until it did.
    fn end(mut self) {
        signal(&self.child, Signal::TERM);
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }

    fn post(&self, key: &str, body: &Value) -> (u16, Value) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let answer = reqwest::Client::new()
                .post(format!(
                    "{}/initialise_webrtc_worker?api_key=query-key",
                    self.url
                ))
                .bearer_auth(key)
                .json(body)
                .send()
                .await
                .unwrap();
            let status = answer.status().as_u16();
            (status, answer.json().await.unwrap())
        })
    }
}

impl Drop for Logged {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn parsed(text: &str) -> Vec<Value> {
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    for line in &lines {
        for key in ["timestamp", "level", "target", "message"] {
            assert!(line[key].is_string(), "{line} has no {key}");
        }
    }
    lines
}

fn find<'a>(lines: &'a [Value], message: &str) -> &'a Value {
    let found = lines.iter().find(|line| line["message"] == message);
    found.unwrap_or_else(|| panic!("no line says {message:?}"))
}

fn request(offer: &str) -> Value {
    json!({
        "workflow_configuration": {
            "type": "WorkflowConfiguration",
            "image_input_name": "image",
            "workflow_specification": {
                "version": "1.0",
                "inputs": [{"type": "WorkflowImage", "name": "image"}],
                "steps": [],
                "outputs": [{"type": "JsonField", "name": "image", "selector": "$inputs.image"}],
            },
        },
        "webrtc_offer": {"type": "offer", "sdp": offer},
        "stream_output": [],
        "data_output": ["image"],
        "webrtc_config": {"iceServers": [
            {"urls": ["turn:127.0.0.1:9"], "username": "turn-user", "credential": "turn-password"},
        ]},
        "framewire": {"v": 1, "features": ["ice_restart"]},
    })
}

fn password(sdp: &str) -> &str {
    let line = sdp.lines().find_map(|line| line.strip_prefix("a=ice-pwd:"));
    line.expect("an offer or answer has a password").trim()
}

#[test]
fn a_workers_lines_name_the_session_and_no_secret_is_in_them_at_any_level() {
    let dir = tempfile::tempdir().unwrap();
    let (log, keys) = (dir.path().join("log"), dir.path().join("keys"));
    std::fs::write(&keys, "the-right-key\n").unwrap();
    let serve = Logged::start(&log, &["--api-key-file", keys.to_str().unwrap()]);

    let endpoint = Endpoint::bind(EndpointConfig::default()).unwrap();
    let config = || {
        PeerConfig::default()
            .with_channel("inference")
            .with_channel("video_upload")
    };
    let offer = endpoint.offer(config()).unwrap();
    let sdp = offer.sdp().to_owned();
    assert_eq!(serve.post("a-wrong-key", &request(&sdp)).0, 401);
    let mut camera = request(&sdp);
    camera["rtsp_url"] = json!("rtsp://camera:camera-password@127.0.0.1:9/x");
    assert_eq!(serve.post("the-right-key", &camera).0, 400);
    let (status, answer) = serve.post("the-right-key", &request(&sdp));
    assert_eq!(status, 200, "{answer}");
    let theirs = answer["sdp"].as_str().unwrap();
    let peer = offer.accept_answer(theirs).unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    loop {
        let event = peer.events().recv_deadline(deadline).expect("it connects");
        if matches!(event, framewire_transport::PeerEvent::ChannelOpen(_)) {
            break;
        }
    }
    drop(peer);
    serve.end();

    let text = std::fs::read_to_string(&log).unwrap();
    let secrets = [
        "the-right-key",
        "a-wrong-key",
        "query-key",
        "camera-password",
        "turn-password",
        password(&sdp),
        password(theirs),
        answer["framewire"]["secret"].as_str().unwrap(),
    ];
    for secret in secrets {
        let line = text.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret}");
    }
    let lines = parsed(&text);
    assert!(
        lines.iter().any(|line| line["level"] == "trace"),
        "all levels were asked for"
    );
    let session = &answer["framewire"]["session"];
    for message in ["session started", "session ended"] {
        let line = find(&lines, message);
        assert_eq!(&line["session"], session, "{line}");
        assert_eq!(
            (&line["peer"], &line["source"]),
            (&json!("framewire"), &json!("video_file"))
        );
        assert!(
            line["client"].as_str().unwrap().starts_with("127.0.0.1:"),
            "{line}"
        );
    }
    let refused = find(&lines, "session refused");
    assert_eq!(refused["reason"], "unauthorized");
    assert_ne!(&refused["session"], session);
    assert!(
        refused["session"].as_str().unwrap().len() == 36,
        "{refused}"
    );
    let answered = find(&lines, "HTTP request answered");
    assert_eq!(answered["route"], "/initialise_webrtc_worker");
    assert_eq!(
        (&answered["method"], &answered["status"]),
        (&json!("POST"), &json!(401))
    );
    assert!(answered["ms"].as_f64().unwrap() > 0.0);
}

#[test]
fn a_run_says_everything_in_json_its_last_sentence_too() {
    let output = run(&[
        &clip(),
        "--max-frames",
        "2",
        "-v",
        "--log-format",
        "json",
        "--no-progress",
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", last_line(&output));
    let text = String::from_utf8_lossy(&output.stderr);
    let lines = parsed(&text);
    let ended = find(&lines, "session ended");
    assert!(
        ended["session"].is_string() && ended["frames"].is_u64(),
        "{ended}"
    );
    let last = lines.last().unwrap();
    assert_eq!(last["target"], "framewire_cli");
    assert!(last["message"].as_str().unwrap().contains('2'), "{last}");

    let missing = run(&["no-such-file.mp4", "--log-format", "json"]);
    assert_eq!(missing.status.code(), Some(2));
    let lines = parsed(&String::from_utf8_lossy(&missing.stderr));
    assert!(
        lines.last().unwrap()["message"]
            .as_str()
            .unwrap()
            .contains("no-such-file")
    );
}
