//! Both ends of an announced upload over connections that break anywhere: the file comes out whole, no chunk goes twice.
//! A failure prints the case; proptest shrinks it.

use std::time::Instant;

use bytes::Bytes;
use framewire_protocol::job::{Job, JobConfig, JobInput, JobOutput, JobPhase, JobSource};
use framewire_protocol::upload::{
    ChunkSet, UploadId, UploadPlan, UploadReply, UploadSender, UploadStep,
};
use proptest::collection::vec;
use proptest::prelude::*;

const RESULTS: u64 = 1;
const UPLOAD: u64 = 3;
const HASH: [u8; 32] = [5; 32];

/// What the worker keeps between connections.
struct Disk {
    plan: UploadPlan,
    file: Vec<Option<u8>>,
    have: ChunkSet,
}

/// One connection that carries at most `chunks` chunks.
/// Whether the file was verified, and how many chunks went.
fn connection(disk: &mut Disk, file: &[u8], chunks: usize) -> (bool, usize) {
    let now = Instant::now();
    let config = JobConfig::new(JobSource::Upload).with_verified_uploads(true);
    let mut job = Job::new(now, config);
    let mut sender = UploadSender::new(disk.plan, Some(UploadId::from_random(1)));
    for (channel, label) in [(RESULTS, "inference"), (UPLOAD, "video_upload")] {
        let label = label.to_owned();
        job.handle(now, JobInput::ChannelOpen { channel, label });
    }
    let mut sent = 0;
    loop {
        let (channel, data) = match sender.step() {
            UploadStep::Announce => (RESULTS, Bytes::from(sender.announcement().unwrap())),
            UploadStep::Verify => (RESULTS, Bytes::from(sender.end_message(HASH).unwrap())),
            UploadStep::Chunk(_) if sent == chunks => return (false, sent),
            UploadStep::Chunk(index) => {
                let (offset, len) = disk.plan.range(index).unwrap();
                let offset = usize::try_from(offset).unwrap();
                let message = disk.plan.message(index, &file[offset..offset + len]);
                sender.sent();
                sent += 1;
                (UPLOAD, message.unwrap())
            }
            step => {
                assert_eq!(
                    (step, job.phase()),
                    (UploadStep::Done, JobPhase::Processing)
                );
                return (true, sent);
            }
        };
        job.handle(now, JobInput::Message { channel, data });
        while let Some(output) = job.poll() {
            match output {
                JobOutput::OpenUpload { plan, .. } => {
                    assert_eq!(plan, disk.plan);
                    let have = disk.have.clone();
                    job.handle(now, JobInput::UploadOpened { have });
                }
                JobOutput::SendText(text) => {
                    let reply = UploadReply::parse(text.as_bytes()).unwrap().unwrap();
                    sender.reply(&reply).unwrap();
                }
                JobOutput::Write(write) => {
                    let start = usize::try_from(write.offset).unwrap();
                    for (at, byte) in (start..).zip(&write.data) {
                        assert!(disk.file[at].replace(*byte).is_none(), "written twice");
                    }
                    let index = start / disk.plan.chunk_size();
                    disk.have.insert(u32::try_from(index).unwrap());
                }
                JobOutput::VerifyUpload { sha256 } => {
                    assert_eq!(sha256, HASH);
                    job.handle(now, JobInput::UploadVerified(true));
                }
                JobOutput::Warning(warning) => panic!("{warning}"),
                _ => {}
            }
        }
    }
}

fn disk(file: &[u8], chunk: usize) -> Disk {
    Disk {
        plan: UploadPlan::new(file.len() as u64, chunk).unwrap(),
        file: vec![None; file.len()],
        have: ChunkSet::new(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn an_upload_cut_anywhere_comes_out_whole(
        file in vec(any::<u8>(), 1..3000),
        chunk in 1_usize..200,
        there in vec(any::<prop::sample::Index>(), 0..20),
        cuts in vec(0_usize..20, 0..12),
    ) {
        let mut disk = disk(&file, chunk);
        let total = disk.plan.total_chunks() as usize;
        // Some chunks are there in no order, as no sender of ours leaves them.
        for index in there {
            let index = index.index(total);
            let (offset, len) = disk.plan.range(index as u32).unwrap();
            let offset = usize::try_from(offset).unwrap();
            for (slot, byte) in disk.file.iter_mut().zip(&file).skip(offset).take(len) {
                *slot = Some(*byte);
            }
            disk.have.insert(index as u32);
        }
        let mut left = total - disk.have.count() as usize;
        let mut verified = false;
        for cut in cuts.into_iter().chain([usize::MAX]) {
            let (done, sent) = connection(&mut disk, &file, cut);
            left -= sent;
            verified = done;
            if done {
                break;
            }
        }
        prop_assert!(verified && left == 0);
        let stored: Option<Vec<u8>> = disk.file.into_iter().collect();
        prop_assert_eq!(stored.unwrap(), file);
    }
}

#[test]
fn an_upload_cut_after_every_kth_chunk_takes_as_many_connections_as_it_must() {
    let file: Vec<u8> = (0..=255).cycle().take(1001).collect();
    for k in 1..=21 {
        let mut disk = disk(&file, 50);
        let mut connections = 0;
        while !connection(&mut disk, &file, k).0 {
            connections += 1;
        }
        assert_eq!(connections, (21 - 1) / k, "every {k} chunks");
    }
}
