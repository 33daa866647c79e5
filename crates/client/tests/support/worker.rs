//! The worker's end of a connection, driven by each test's script.
//! Every wait has a guard, and says what it waited for.

use std::time::{Duration, Instant};

use bytes::Bytes;
use framewire_protocol::FrameId;
use framewire_protocol::chunk::{CHUNK_SIZE, split_result};
use framewire_protocol::upload::{ChunkRanges, UploadId, UploadReply, UploadRequest};
use framewire_transport::{CloseReason, DataChannel, Endpoint, Peer, PeerEvent, RecvError};
use serde_json::{Value, json};

use super::GUARD;
use super::content::{picture, result};

/// The worker's end of the connection.
pub(crate) struct Worker {
    pub(crate) peer: Peer,
    endpoint: Endpoint,
    inference: Option<DataChannel>,
    upload: Option<DataChannel>,
    /// Any other channel the client opened.
    pub(crate) fresh: Option<DataChannel>,
    /// Upload messages so far.
    pub(crate) chunks: Vec<Bytes>,
    /// What the client said about its upload so far.
    pub(crate) words: Vec<UploadRequest>,
    /// Acknowledgements so far.
    pub(crate) acks: Vec<u64>,
    /// Texts so far that were no acknowledgements.
    pub(crate) controls: Vec<Value>,
    /// Keep-alive pings so far.
    pub(crate) pings: usize,
    pub(crate) closed: Option<CloseReason>,
}

impl Worker {
    pub(crate) fn new(endpoint: Endpoint, peer: Peer) -> Worker {
        Worker {
            peer,
            endpoint,
            inference: None,
            upload: None,
            fresh: None,
            chunks: Vec::new(),
            words: Vec::new(),
            acks: Vec::new(),
            controls: Vec::new(),
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

    /// Whether results can be sent.
    pub(crate) fn has_results(&self) -> bool {
        self.inference.is_some()
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

    /// Waits for the announcement and says that these chunks are there.
    pub(crate) fn announced(&mut self, have: &[(u32, u32)]) -> UploadId {
        self.until("the announcement", |worker| !worker.words.is_empty());
        self.open();
        let UploadRequest::Announce { id, .. } = self.words[0] else {
            panic!("{:?}", self.words);
        };
        let have = ChunkRanges::new(have.to_vec()).unwrap();
        self.send_text(&UploadReply::Have { id, have }.text());
        id
    }

    /// Waits until the client named the hash of its file.
    pub(crate) fn named_hash(&mut self) -> [u8; 32] {
        self.until("the hash", |worker| worker.words.len() > 1);
        match self.words[1] {
            UploadRequest::End { sha256, .. } => sha256,
            ref other => panic!("{other:?}"),
        }
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
            PeerEvent::ChannelOpen(channel) => self.fresh = Some(channel),
            PeerEvent::Message {
                data, text: true, ..
            } => {
                self.words.extend(UploadRequest::parse(&data).unwrap());
                let message: Value = serde_json::from_slice(&data).unwrap();
                match message["ack"].as_u64() {
                    Some(ack) => self.acks.push(ack),
                    None => self.controls.push(message),
                }
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
        self.send_on(self.inference.as_ref().unwrap(), frame, body);
    }

    /// Sends a result as `send_frame`, on the channel without order.
    pub(crate) fn send_fresh(&self, frame: u64) {
        let body = result(frame, &picture(frame)).to_string();
        self.send_on(self.fresh.as_ref().unwrap(), frame, body);
    }

    fn send_on(&self, channel: &DataChannel, frame: u64, body: impl Into<Bytes>) {
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

    /// Ends without a word, as a killed process does.
    pub(crate) fn die(&self) {
        self.endpoint.__die();
    }

    /// Closes the channel for the file.
    pub(crate) fn close_upload(&self) {
        self.upload.as_ref().unwrap().close();
    }
}

fn total(chunk: &Bytes) -> u32 {
    u32::from_le_bytes(chunk[4..8].try_into().unwrap())
}
