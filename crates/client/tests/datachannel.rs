//! The pieces of the data channels by themselves, and over a real channel.

mod support;

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use framewire::SourceError;
use framewire::datachannel::{
    ChunkError, ChunkReassembler, DEFAULT_BUFFER_LIMIT, DEFAULT_CHUNK_SIZE, UploadChannel,
    UploadError, UploadFileError, VideoFileUploader, create_video_upload_chunk,
};
use framewire_transport::{Endpoint, EndpointConfig, PeerConfig, PeerEvent};
use support::{GUARD, scratch};

fn file(name: &str, size: usize) -> std::path::PathBuf {
    let path = scratch().join(name);
    let content: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
    std::fs::write(&path, content).unwrap();
    path
}

/// A channel that takes what the test lets it take.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    sent: Vec<Bytes>,
    buffered: usize,
    highest: usize,
    closed: bool,
    refuses: bool,
    waker: Option<Waker>,
}

impl Paper {
    /// Everything that waits goes out.
    fn drain(&self) {
        let mut state = self.0.lock().unwrap();
        state.buffered = 0;
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }

    fn sent(&self) -> Vec<Bytes> {
        self.0.lock().unwrap().sent.clone()
    }
}

impl UploadChannel for Paper {
    fn is_open(&self) -> bool {
        !self.0.lock().unwrap().closed
    }

    fn send(&self, message: Bytes) -> Result<(), String> {
        let mut state = self.0.lock().unwrap();
        if state.refuses {
            return Err("too large".into());
        }
        state.buffered += message.len();
        state.highest = state.highest.max(state.buffered);
        state.sent.push(message);
        Ok(())
    }

    fn poll_buffered_at_most(&self, limit: usize, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.0.lock().unwrap();
        if state.buffered <= limit || state.closed {
            return Poll::Ready(());
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

#[test]
fn the_reassembler_joins_in_any_order_and_refuses_what_cannot_be() {
    let chunk = |frame: u8, index: u8, total: u8, payload: &[u8]| {
        let header = [frame, 0, 0, 0, index, 0, 0, 0, total, 0, 0, 0];
        [&header[..], payload].concat()
    };
    let mut reassembler = ChunkReassembler::new();
    assert_eq!(reassembler.add_chunk(chunk(1, 1, 2, b"b")).unwrap(), None);
    assert_eq!(reassembler.add_chunk(chunk(1, 1, 2, b"b")).unwrap(), None);
    let single = reassembler
        .add_chunk(chunk(2, 0, 1, b"one"))
        .unwrap()
        .unwrap();
    assert_eq!((&single.0[..], single.1.0), (&b"one"[..], 2));
    let refused = reassembler.add_chunk(chunk(1, 2, 2, b"c"));
    assert!(matches!(refused, Err(ChunkError::IndexOutOfRange { .. })));
    assert!(matches!(
        reassembler.add_chunk(vec![0; 11]),
        Err(ChunkError::TooShort { len: 11 })
    ));
    let whole = reassembler
        .add_chunk(chunk(1, 0, 2, b"a"))
        .unwrap()
        .unwrap();
    assert_eq!((&whole.0[..], whole.1.0), (&b"ab"[..], 1));
    (0..20).for_each(|frame| assert_eq!(reassembler.add_chunk(chunk(frame, 0, 2, b"x")), Ok(None)));
    assert_eq!(
        (reassembler.incomplete_frames(), reassembler.evicted()),
        (8, 12)
    );
}

#[test]
fn chunks_have_their_header_and_an_index_below_their_total() {
    let message = create_video_upload_chunk(1, 3, b"data").unwrap();
    assert_eq!(
        message[..],
        [1, 0, 0, 0, 3, 0, 0, 0, b'd', b'a', b't', b'a']
    );
    assert_eq!(create_video_upload_chunk(0, 1, b"").unwrap().len(), 8);
    let refused = create_video_upload_chunk(3, 3, b"data");
    assert_eq!(
        refused,
        Err(UploadError::IndexOutOfRange { index: 3, total: 3 })
    );
}

#[test]
fn every_chunk_is_sent_in_order_at_the_pace_of_the_buffer() {
    const CHUNK: usize = 1000;
    const LIMIT: usize = 5000;
    let path = file("paced.bin", 1_234_567);
    let paper = Paper::default();
    let mut uploader = VideoFileUploader::new(&path, paper.clone(), CHUNK, LIMIT).unwrap();
    assert_eq!(
        (uploader.file_size(), uploader.total_chunks()),
        (1_234_567, 1235)
    );
    assert_eq!(uploader.uploaded_chunks(), 0);
    let draining = paper.clone();
    let mut reports = Vec::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let upload = uploader.upload(|done, total| {
        reports.push((done, total));
    });
    runtime
        .block_on(async {
            let upload = std::pin::pin!(upload);
            let mut upload = Some(upload);
            std::future::poll_fn(|cx| {
                let polled = upload.as_mut().unwrap().as_mut().poll(cx);
                // The network takes what was buffered whenever the upload waits.
                draining.drain();
                polled
            })
            .await
        })
        .unwrap();
    assert_eq!(reports, (1..=1235).map(|n| (n, 1235)).collect::<Vec<_>>());
    assert_eq!(uploader.uploaded_chunks(), 1235);
    let sent = paper.sent();
    let joined: Vec<u8> = sent
        .iter()
        .flat_map(|message| message[8..].to_vec())
        .collect();
    assert!(joined == std::fs::read(&path).unwrap());
    assert_eq!(sent[7][..8], [7, 0, 0, 0, 0xd3, 4, 0, 0]);
    let highest = paper.0.lock().unwrap().highest;
    assert!(
        (LIMIT..=LIMIT + CHUNK + 8).contains(&highest),
        "{highest} bytes buffered"
    );
}

#[test]
fn a_given_up_upload_goes_on_where_it_stopped() {
    let path = file("given-up.bin", 100_000);
    let paper = Paper::default();
    let mut uploader = VideoFileUploader::new(&path, paper.clone(), 1000, 10_000).unwrap();
    let patience = Duration::from_millis(20);
    let stalled = uploader.upload_blocking(|_, _| {}, patience).unwrap_err();
    let uploaded = uploader.uploaded_chunks();
    assert_eq!(uploaded, 10);
    let expected = UploadFileError::Stalled {
        after: patience,
        uploaded,
        total: 100,
    };
    assert_eq!(stalled, expected);
    let network = paper.clone();
    let mut first = None;
    paper.drain();
    uploader
        .upload_blocking(
            |done, _| {
                first.get_or_insert(done);
                network.drain();
            },
            Duration::MAX,
        )
        .unwrap();
    assert_eq!(first, Some(11));
    let joined: Vec<u8> = paper
        .sent()
        .iter()
        .flat_map(|message| message[8..].to_vec())
        .collect();
    assert!(joined == std::fs::read(&path).unwrap());
}

#[test]
fn what_cannot_be_sent_is_a_typed_error() {
    let open = |path: &std::path::Path, chunk| {
        VideoFileUploader::new(path, Paper::default(), chunk, DEFAULT_BUFFER_LIMIT).map(drop)
    };
    let source = |result: Result<(), UploadFileError>| match result {
        Err(UploadFileError::Source(error)) => error,
        other => panic!("{other:?}"),
    };
    let missing = scratch().join("no-such.bin");
    assert!(matches!(
        source(open(&missing, DEFAULT_CHUNK_SIZE)),
        SourceError::Missing { .. }
    ));
    let empty = file("empty.bin", 0);
    assert!(matches!(
        source(open(&empty, DEFAULT_CHUNK_SIZE)),
        SourceError::Empty { .. }
    ));
    let path = file("small.bin", 10);
    let zero = open(&path, 0);
    assert_eq!(zero, Err(UploadFileError::Plan(UploadError::ZeroChunkSize)));

    let paper = Paper::default();
    let mut uploader = VideoFileUploader::new(&path, paper.clone(), 4, 100).unwrap();
    let closing = paper.clone();
    let closed = uploader.upload_blocking(|_, _| closing.0.lock().unwrap().closed = true, GUARD);
    assert_eq!(
        closed,
        Err(UploadFileError::ChannelClosed {
            uploaded: 1,
            total: 3
        })
    );
    let (mut state, reason) = (paper.0.lock().unwrap(), "too large".to_owned());
    (state.closed, state.refuses) = (false, true);
    drop(state);
    let refused = uploader.upload_blocking(|_, _| {}, GUARD);
    assert_eq!(refused, Err(UploadFileError::Refused { index: 1, reason }));

    for (name, length) in [("shrinks.bin", 1_000_000), ("grows.bin", 3_000_000)] {
        let path = file(name, 2_000_000);
        let paper = Paper::default();
        let mut uploader =
            VideoFileUploader::new(&path, paper.clone(), 48 << 10, usize::MAX).unwrap();
        let changed = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        changed.set_len(length).unwrap();
        let error = source(uploader.upload_blocking(|_, _| {}, GUARD));
        let expected = SourceError::Changed {
            path,
            expected: 2_000_000,
            found: length,
        };
        assert_eq!(error, expected);
        assert!(uploader.uploaded_chunks() < uploader.total_chunks());
    }
}

#[test]
fn a_file_arrives_over_a_channel_of_the_transport() {
    let path = file("real.bin", 3_000_000);
    let near = Endpoint::bind(EndpointConfig::default()).unwrap();
    let far = Endpoint::bind(EndpointConfig::default()).unwrap();
    let offer = near
        .offer(PeerConfig::default().with_channel("video_upload"))
        .unwrap();
    let (worker, answer) = far.answer(offer.sdp(), PeerConfig::default()).unwrap();
    let (received, file) = channel();
    let receiving = std::thread::spawn(move || {
        let mut chunks: Vec<Bytes> = Vec::new();
        let deadline = Instant::now() + GUARD;
        while chunks.iter().map(|chunk| chunk.len() - 8).sum::<usize>() < 3_000_000 {
            match worker.events().recv_deadline(deadline) {
                Ok(PeerEvent::Message { data, .. }) => chunks.push(data),
                Ok(_) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
        received.send(chunks).unwrap();
        worker
    });
    let peer = offer.accept_answer(&answer).unwrap();
    let deadline = Instant::now() + GUARD;
    let channel = loop {
        if let PeerEvent::ChannelOpen(channel) = peer.events().recv_deadline(deadline).unwrap() {
            break channel;
        }
    };
    let mut uploader =
        VideoFileUploader::new(&path, channel, DEFAULT_CHUNK_SIZE, DEFAULT_BUFFER_LIMIT).unwrap();
    // The events of the peer must be taken while it sends.
    let draining = std::thread::spawn(move || {
        while let Ok(event) = peer.events().recv_deadline(deadline) {
            if matches!(event, PeerEvent::Closed(_)) {
                break;
            }
        }
    });
    uploader.upload_blocking(|_, _| {}, GUARD).unwrap();
    let chunks = file.recv_timeout(GUARD).unwrap();
    assert_eq!(chunks.len() as u32, uploader.total_chunks());
    let joined: Vec<u8> = chunks
        .iter()
        .flat_map(|message| message[8..].to_vec())
        .collect();
    assert!(joined == std::fs::read(&path).unwrap());
    let worker = receiving.join().unwrap();
    worker.close(Duration::from_secs(1));
    draining.join().unwrap();
}
