//! A client of the worker made of the transport alone, so that it can also do what no real client would.
//! Not the client crate: it checks nothing that the scenario does not ask for.

use std::time::Instant;

use bytes::Bytes;
use framewire_protocol::incoming::Incoming;
use framewire_protocol::upload::{UploadId, UploadReply, UploadRequest, create_video_upload_chunk};
use framewire_transport::{
    CloseReason, DataChannel, DataConfig, Endpoint, EndpointConfig, Peer, PeerConfig, PeerEvent,
    VideoConfig,
};
use framewire_worker::Worker;
use serde_json::Value;
use serde_json::value::RawValue;

use super::http::{Response, post_with};
use super::{deadline, request};

pub const PATH: &str = "/initialise_webrtc_worker";

/// An offer with the usual channels that nobody will answer.
pub fn offer_sdp() -> String {
    offer_with(&["inference", "video_upload"], |_| {}).1
}

/// An offer and its text; `change` may do anything to it.
pub fn offer_with(
    channels: &[&str],
    change: impl FnOnce(&mut PeerConfig),
) -> (framewire_transport::Offer, String) {
    let endpoint = Endpoint::bind(EndpointConfig::default()).expect("a UDP port is free");
    let mut config = PeerConfig::default();
    config.channels = channels.iter().map(|label| (*label).to_owned()).collect();
    change(&mut config);
    let offer = endpoint.offer(config).expect("an offer can be made");
    let sdp = offer.sdp().to_owned();
    (offer, sdp)
}

/// One session as its client sees it.
pub struct Client {
    pub peer: Peer,
    pub inference: DataChannel,
    pub upload: DataChannel,
    incoming: Incoming,
    /// Answer every result with an acknowledgement.
    pub acks: bool,
    /// Results whose pictures came behind the JSON.
    pub raw_results: usize,
}

/// Something the worker said.
#[derive(Debug)]
pub enum Heard {
    /// A result or the completion message, with the frame id of its chunk header.
    Result(Value, u32),
    /// A message on the upload channel.
    Echo(Bytes),
    /// A word about an announced upload.
    Upload(UploadReply),
    /// The connection ended.
    Closed(CloseReason),
}

impl Client {
    /// Starts a session and waits for both channels.
    pub fn start(worker: &Worker, change: impl FnOnce(&mut Value)) -> Client {
        Client::try_start(worker, &["inference", "video_upload"], &[], change)
            .unwrap_or_else(|refused| panic!("refused: {} {}", refused.status, refused.body))
    }

    /// The same, with the worker's refusal as a result.
    pub fn try_start(
        worker: &Worker,
        channels: &[&str],
        headers: &[(&str, &str)],
        change: impl FnOnce(&mut Value),
    ) -> Result<Client, Response> {
        Client::with_config(worker, channels, headers, change, |_| {})
    }

    /// A client whose transport holds no more than `bytes` and the smallest receive window of what it does not read.
    pub fn start_narrow(worker: &Worker, bytes: usize, change: impl FnOnce(&mut Value)) -> Client {
        let channels = ["inference", "video_upload"];
        let narrow = |config: &mut PeerConfig| {
            config.inbound_limit = bytes;
            config.data = DataConfig::default().with_receive_window(1 << 20);
        };
        Client::with_config(worker, &channels, &[], change, narrow)
            .unwrap_or_else(|refused| panic!("refused: {} {}", refused.status, refused.body))
    }

    /// A client whose offer has a video section.
    pub fn with_video(
        worker: &Worker,
        channels: &[&str],
        video: VideoConfig,
        change: impl FnOnce(&mut Value),
    ) -> Result<Client, Response> {
        let offer = |config: &mut PeerConfig| config.video = Some(video);
        Client::with_config(worker, channels, &[], change, offer)
    }

    /// What the worker says before `end`, if anything.
    pub fn try_next(&mut self, end: Instant) -> Option<Heard> {
        while Instant::now() < end {
            match self.peer.events().recv_deadline(end) {
                Ok(event) => {
                    if let Some(heard) = self.heard(event) {
                        return Some(heard);
                    }
                }
                Err(_) => return None,
            }
        }
        None
    }

    pub fn with_config(
        worker: &Worker,
        channels: &[&str],
        headers: &[(&str, &str)],
        change: impl FnOnce(&mut Value),
        transport: impl FnOnce(&mut PeerConfig),
    ) -> Result<Client, Response> {
        let (offer, sdp) = offer_with(channels, transport);
        let mut body = request(&sdp);
        change(&mut body);
        let response = post_with(worker.local_addr(), PATH, headers, &body);
        if response.status != 200 {
            return Err(response);
        }
        let answer = response.json();
        assert_eq!(answer["type"], "answer");
        let peer = offer
            .accept_answer(answer["sdp"].as_str().expect("an SDP text"))
            .expect("the answer is usable");
        let end = deadline();
        let mut open: Vec<DataChannel> = Vec::new();
        while open.len() < channels.len() {
            match peer
                .events()
                .recv_deadline(end)
                .expect("channels open in time")
            {
                PeerEvent::ChannelOpen(channel) => open.push(channel),
                PeerEvent::Closed(reason) => panic!("closed while connecting: {reason}"),
                _ => {}
            }
        }
        let find = |label: &str| {
            let found = open.iter().find(|channel| channel.label() == label);
            found.or(open.first()).expect("a channel is open").clone()
        };
        Ok(Client {
            inference: find(channels[0]),
            upload: find("video_upload"),
            peer,
            incoming: Incoming::new(),
            acks: true,
            raw_results: 0,
        })
    }

    /// Uploads a whole file in chunks of `size`.
    pub fn upload(&self, file: &[u8], size: usize) {
        let total = u32::try_from(file.len().div_ceil(size)).unwrap();
        for (index, data) in file.chunks(size).enumerate() {
            self.chunk(u32::try_from(index).unwrap(), total, data);
        }
    }

    pub fn chunk(&self, index: u32, total: u32, data: &[u8]) {
        let message = create_video_upload_chunk(index, total, data).expect("a valid chunk");
        self.raw_chunk(message);
    }

    /// Sends bytes on the upload channel as they are; a channel that just closed is the scenario's to notice.
    pub fn raw_chunk(&self, message: Bytes) {
        let _ = self.upload.wait_buffered_at_most(256 * 1024, deadline());
        let _ = self.upload.send(message);
    }

    /// Sends a ping and waits for its echo: everything sent on the upload channel before it was taken, and every result
    /// sent before it would have come first.
    pub fn ping(&mut self) {
        self.raw_chunk(Bytes::from_static(b"p"));
        match self.next() {
            Heard::Echo(data) => assert_eq!(data, "p"),
            other => panic!("expected the echo of a ping, heard {other:?}"),
        }
    }

    /// Says which file comes and returns the ranges of chunks the worker has.
    pub fn announce(&mut self, id: UploadId, size: usize, chunk: usize) -> Vec<(u32, u32)> {
        let announce = UploadRequest::Announce {
            id,
            size: size as u64,
            chunk: u32::try_from(chunk).unwrap(),
        };
        self.control(&announce.text());
        match self.next() {
            Heard::Upload(UploadReply::Have { id: of, have }) if of == id => {
                have.as_slice().to_vec()
            }
            other => panic!("expected what the worker has, heard {other:?}"),
        }
    }

    /// Says what the file must be and returns what the worker says to it.
    pub fn verify(&mut self, id: UploadId, sha256: [u8; 32]) -> bool {
        self.control(&UploadRequest::End { id, sha256 }.text());
        match self.next() {
            Heard::Upload(UploadReply::Verified { id: of, verified }) if of == id => verified,
            other => panic!("expected a verdict, heard {other:?}"),
        }
    }

    pub fn control(&self, text: &str) {
        let _ = self.inference.send_text(text.to_owned());
    }

    /// The next thing the worker says.
    pub fn next(&mut self) -> Heard {
        let end = deadline();
        loop {
            if let Some(heard) = self.next_before(end) {
                return heard;
            }
        }
    }

    fn next_before(&mut self, end: Instant) -> Option<Heard> {
        let event = self
            .peer
            .events()
            .recv_deadline(end)
            .expect("the worker says something in time");
        self.heard(event)
    }

    fn heard(&mut self, event: PeerEvent) -> Option<Heard> {
        match event {
            PeerEvent::Message {
                channel,
                data,
                text,
            } if channel == self.inference.id() => {
                if text && let Some(reply) = UploadReply::parse(&data).expect("a usable reply") {
                    return Some(Heard::Upload(reply));
                }
                let body = if text {
                    self.incoming.text(data)
                } else {
                    self.incoming.binary(data)
                };
                let body = body.expect("the worker sends valid messages")?;
                let text: &RawValue = serde_json::from_slice(body.json()).expect("JSON");
                let piece = body.piece(text);
                self.raw_results += usize::from(piece.has_pictures());
                let value: Value = serde_json::from_slice(&piece.with_base64()).expect("JSON");
                let id = value["video_metadata"]["frame_id"]
                    .as_u64()
                    .expect("metadata");
                if self.acks && value["processing_complete"] == false {
                    self.control(&format!("{{\"ack\": {id}}}"));
                }
                Some(Heard::Result(value, body.header_frame().expect("chunked")))
            }
            PeerEvent::Message { data, .. } => Some(Heard::Echo(data)),
            PeerEvent::Closed(reason) => Some(Heard::Closed(reason)),
            _ => None,
        }
    }

    /// Whether the first result's body starts with the gzip magic; consumes its first chunk.
    pub fn first_body_is_gzip(&mut self) -> bool {
        let end = deadline();
        loop {
            match self
                .peer
                .events()
                .recv_deadline(end)
                .expect("a result comes")
            {
                PeerEvent::Message { channel, data, .. } if channel == self.inference.id() => {
                    return data[12..].starts_with(&[0x1f, 0x8b]);
                }
                PeerEvent::Closed(reason) => panic!("closed: {reason}"),
                _ => {}
            }
        }
    }

    /// The next result; anything else is a failure of the scenario.
    pub fn result(&mut self) -> Value {
        match self.next() {
            Heard::Result(value, _) => value,
            other => panic!("expected a result, heard {other:?}"),
        }
    }

    /// All results up to and including the completion message.
    pub fn results(&mut self) -> (Vec<Value>, Value) {
        let mut results = Vec::new();
        loop {
            let value = self.result();
            if value["processing_complete"] == true {
                return (results, value);
            }
            results.push(value);
        }
    }

    /// Waits until the connection ends, whatever comes before.
    pub fn closed(&mut self) -> CloseReason {
        loop {
            if let Heard::Closed(reason) = self.next() {
                return reason;
            }
        }
    }
}

/// The errors of a message.
pub fn errors(message: &Value) -> Vec<&str> {
    let list = message["errors"].as_array().expect("a list of errors");
    list.iter()
        .map(|text| text.as_str().expect("a text"))
        .collect()
}
