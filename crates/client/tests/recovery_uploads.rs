//! Uploads to a worker of ours that go on where they stopped when the link breaks.

mod support;

use framewire::{EndKind, FrameId, VideoFileSource};
use framewire_protocol::upload::UploadReply;
use support::gaps::{gaps_of, recovering};
use support::{FakeWorker, Reply, clip, config};

/// Small enough for many of them.
const CHUNK: usize = 40;
/// Chunks the worker gets on each connection that breaks.
const EACH: u32 = 3;
const BREAKS: u32 = 6;

/// Every connection finds more at the worker than the one before: that is work done, so the attempts do not run out.
#[test]
fn a_long_upload_goes_on_over_more_breaks_than_one_outage_has_attempts() {
    let total = std::fs::read(clip()).unwrap().len().div_ceil(CHUNK) as u32;
    assert!(total > BREAKS * EACH);
    let broken = (0..BREAKS).map(|n| {
        Reply::Uploads(Box::new(move |mut worker| {
            let have: Vec<_> = (n > 0).then_some((0, n * EACH)).into_iter().collect();
            worker.announced(&have);
            worker.until("its chunks", |worker| worker.chunks.len() >= EACH as usize);
            worker.hang_up();
        }))
    });
    let last = Reply::Uploads(Box::new(move |mut worker| {
        let there = BREAKS * EACH;
        let id = worker.announced(&[(0, there)]);
        worker.named_hash();
        // The word may overtake them: it goes another way.
        worker.until("the rest", |worker| {
            worker.chunks.len() as u32 == total - there
        });
        let verified = true;
        worker.send_text(&UploadReply::Verified { id, verified }.text());
        worker.send_frame(1);
        worker.complete(1);
        worker.linger();
    }));
    let worker = FakeWorker::sequence(broken.chain([last]));
    let mut options = recovering();
    options.upload_chunk_size = CHUNK;
    options.recovery = options.recovery.with_attempts(2);
    let source = VideoFileSource::new(clip().to_str().unwrap());
    let session = worker.session_with(source, config(), options);
    let gaps = gaps_of(&session);
    assert_eq!(session.run().unwrap().kind, EndKind::Complete);
    let gap = gaps.try_recv().unwrap();
    assert_eq!(gap.attempts, BREAKS, "one gap as far as results go");
    assert_eq!((gap.after, gap.resumed_at), (None, Some(FrameId(1))));
    let upload = session.stats().upload;
    assert!(upload.verified && upload.complete);
    assert_eq!(
        upload.resumed_bytes,
        u64::from(BREAKS * EACH) * CHUNK as u64
    );
}
