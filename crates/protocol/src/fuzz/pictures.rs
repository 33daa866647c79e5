//! Bodies whose pictures travel behind the JSON.
//! Not the JSON itself: `result_json` is fed with that.

use bytes::Bytes;

use crate::FrameId;
use crate::chunk::{CHUNK_SIZE, split_result};
use crate::incoming::Incoming;
use crate::message::ResultMessage;
use crate::raw::{RawBody, RawPictures};

/// A whole body: what is read lies inside and apart, is whole in base64, and is what a writer of its pictures writes.
pub fn raw_image(data: &[u8]) {
    let body = Bytes::copy_from_slice(data);
    let chunk = split_result(FrameId(1), body.clone(), CHUNK_SIZE)
        .ok()
        .and_then(|mut chunks| chunks.next());
    let classified = chunk.map(|chunk| Incoming::new().binary(chunk));
    let Ok(raw) = RawBody::parse(&body) else {
        if let Some(Ok(Some(other))) = classified {
            assert_eq!(other.weight(), other.json().len(), "it has no pictures");
        }
        return;
    };
    assert!(raw.weight() <= body.len());
    let Ok(message) = ResultMessage::parse(raw.json()) else {
        return;
    };
    if let Some(classified) = classified {
        let read = classified.expect("a usable body").expect("in one chunk");
        assert_eq!(read.weight(), raw.weight());
    }
    let mut seen = 0;
    for output in message.outputs.iter().flatten() {
        let piece = raw.piece(output.value.get().as_bytes());
        let whole = piece.with_base64();
        assert_eq!(whole == *piece.text(), !piece.has_pictures());
        serde_json::from_slice::<serde::de::IgnoredAny>(&whole).expect("still JSON");
        let Some(picture) = piece.picture() else {
            continue;
        };
        seen += picture.len();
        let mut pictures = RawPictures::default();
        let mut json = Vec::new();
        pictures.add(&mut json, &picture);
        json.push(b'}');
        let again = pictures.body(&json).expect("one picture and nothing else");
        let again = RawBody::parse(&again.into()).expect("what we write we read");
        let json = again.json().clone();
        assert_eq!(again.piece(&json).picture(), Some(picture));
    }
    assert!(
        seen <= raw.weight() - raw.json().len(),
        "no byte is in two pictures"
    );
}
