//! The worker's machine with an announced upload: what is there, what is verified, and what makes no sense; in virtual time.

mod job_sim;

use framewire_protocol::job::{Gate, JobConfig, JobEnd, JobInput, JobOutput, JobPhase};
use framewire_protocol::upload::{ChunkSet, UploadId, UploadLimits, UploadReply, UploadRequest};
use job_sim::{RESULTS, Run, batch};

const FILE: &[u8] = b"abcdefg";
const CHUNK: usize = 3;

fn id() -> UploadId {
    UploadId::from_random(7)
}

fn agreed() -> JobConfig {
    batch().with_verified_uploads(true)
}

fn say(run: &mut Run, request: &UploadRequest) {
    run.send(RESULTS, request.text());
}

fn announce(run: &mut Run, size: u64, chunk: u32) {
    let id = id();
    say(run, &UploadRequest::Announce { id, size, chunk });
}

fn end(run: &mut Run, id: UploadId) {
    let sha256 = [3; 32];
    say(run, &UploadRequest::End { id, sha256 });
}

fn opened(run: &mut Run, chunks: &[u32]) {
    let mut have = ChunkSet::new();
    chunks.iter().for_each(|index| {
        have.insert(*index);
    });
    run.feed(JobInput::UploadOpened { have });
}

fn send_chunk(run: &mut Run, index: u32) {
    let data = FILE.chunks(CHUNK).nth(index as usize).unwrap();
    run.chunk(index, 3, data);
}

fn replies(run: &Run) -> Vec<UploadReply> {
    let text = |output: &JobOutput| match output {
        JobOutput::SendText(text) => UploadReply::parse(text.as_bytes()).unwrap(),
        _ => None,
    };
    run.outputs.iter().filter_map(text).collect()
}

fn have(ranges: &[(u32, u32)]) -> UploadReply {
    let have = framewire_protocol::upload::ChunkRanges::new(ranges.to_vec()).unwrap();
    UploadReply::Have { id: id(), have }
}

fn written(run: &Run) -> Vec<u64> {
    let offset = |output: &JobOutput| match output {
        JobOutput::Write(write) => Some(write.offset),
        _ => None,
    };
    run.outputs.iter().filter_map(offset).collect()
}

fn asked(run: &Run) -> usize {
    let verify = |output: &&JobOutput| matches!(output, JobOutput::VerifyUpload { .. });
    run.outputs.iter().filter(verify).count()
}

/// Announced, and these chunks are there.
fn announced(chunks: &[u32]) -> Run {
    let mut run = Run::new(agreed());
    run.connect();
    announce(&mut run, 7, 3);
    opened(&mut run, chunks);
    run
}

#[test]
fn an_upload_goes_on_after_any_chunk_and_starts_only_once_it_is_verified() {
    for there in [&[][..], &[0], &[0, 1], &[1], &[0, 2], &[0, 1, 2]] {
        let mut run = announced(there);
        assert_eq!(replies(&run).len(), 1, "{there:?}");
        for index in 0..3 {
            if !there.contains(&index) {
                send_chunk(&mut run, index);
            }
        }
        assert_eq!((written(&run).len(), asked(&run)), (3 - there.len(), 0));
        end(&mut run, id());
        assert_eq!((run.job.phase(), run.starts()), (JobPhase::Verifying, 0));
        assert_eq!(run.job.gate(), Gate::Wait);
        run.feed(JobInput::UploadVerified(true));
        assert_eq!((run.job.phase(), run.starts()), (JobPhase::Processing, 1));
        let verified = UploadReply::Verified {
            id: id(),
            verified: true,
        };
        assert_eq!(replies(&run).last(), Some(&verified));
        assert_eq!((asked(&run), run.warnings()), (1, 0));
    }
}

#[test]
fn the_end_may_overtake_the_last_chunk() {
    let mut run = announced(&[0]);
    end(&mut run, id());
    send_chunk(&mut run, 2);
    assert_eq!(asked(&run), 0);
    send_chunk(&mut run, 1);
    assert_eq!((asked(&run), run.warnings()), (1, 0));
}

#[test]
fn a_damaged_file_ends_the_job_with_a_reason_and_is_never_decoded() {
    let mut run = announced(&[0, 1, 2]);
    end(&mut run, id());
    run.feed(JobInput::UploadVerified(false));
    let verdict = UploadReply::Verified {
        id: id(),
        verified: false,
    };
    assert_eq!(replies(&run), [have(&[(0, 3)]), verdict]);
    assert!(run.completion().unwrap().errors[0].contains("sha256"));
    run.feed(JobInput::Drained);
    assert_eq!(
        (run.end(), run.starts()),
        (Some(&JobEnd::UploadMismatch), 0)
    );
}

#[test]
fn hashing_may_take_long_as_long_as_it_goes_on() {
    let mut run = announced(&[0, 1, 2]);
    end(&mut run, id());
    for _ in 0..10 {
        run.pass(50).feed(JobInput::UploadHashing);
    }
    assert_eq!(run.end(), None);
    run.pass(60);
    assert!(run.completion().unwrap().errors[0].contains("not verified"));
}

#[test]
fn an_announced_upload_that_stalls_ends_in_time_at_every_stage() {
    let announce_only = || {
        let mut run = Run::new(agreed());
        run.connect();
        announce(&mut run, 7, 3);
        run
    };
    for mut run in [announce_only(), announced(&[]), announced(&[0, 1, 2])] {
        run.pass(59);
        assert_eq!(run.end(), None);
        run.pass(1);
        assert!(run.completion().unwrap().errors[0].contains("no upload message for 60s"));
    }
}

#[test]
fn a_file_that_can_never_be_taken_is_refused_with_the_announcement() {
    for (size, chunk, text) in [
        (8, 3, "more than the 7"),
        (7, 0, "chunk size of 0"),
        (0, 3, "empty"),
    ] {
        let mut run = Run::new(agreed().with_upload_limits(UploadLimits::new(7)));
        run.connect();
        announce(&mut run, size, chunk);
        assert!(run.completion().unwrap().errors[0].contains(text), "{text}");
        assert!(replies(&run).is_empty());
    }
}

#[test]
fn words_out_of_turn_are_dropped_and_counted() {
    let mut run = announced(&[]);
    announce(&mut run, 7, 3);
    end(&mut run, UploadId::from_random(8));
    run.control(r#"{"framewire": {"upload": {"id": 1}}}"#);
    run.feed(JobInput::UploadVerified(true));
    opened(&mut run, &[0, 1, 2]);
    assert_eq!((run.warnings(), replies(&run).len()), (3, 1));
    assert_eq!(run.job.phase(), JobPhase::Uploading);

    let mut early = Run::new(agreed());
    early.connect();
    announce(&mut early, 7, 3);
    send_chunk(&mut early, 0);
    assert_eq!((early.warnings(), written(&early).len()), (1, 0));
    opened(&mut early, &[]);
    assert_eq!(replies(&early), [have(&[])]);

    let mut late = Run::new(agreed());
    late.connect();
    send_chunk(&mut late, 0);
    announce(&mut late, 7, 3);
    assert_eq!((late.warnings(), replies(&late).len()), (1, 0));
}

#[test]
fn without_agreement_or_announcement_everything_is_as_ever() {
    let mut run = Run::new(batch());
    run.connect();
    announce(&mut run, 7, 3);
    assert!(
        !run.outputs
            .iter()
            .any(|o| matches!(o, JobOutput::OpenUpload { .. }))
    );
    let mut plain = Run::new(agreed());
    plain.connect();
    for mut run in [run, plain] {
        (0..3).for_each(|index| send_chunk(&mut run, index));
        assert_eq!(
            (run.starts(), run.warnings(), replies(&run).len()),
            (1, 0, 0)
        );
    }
}
