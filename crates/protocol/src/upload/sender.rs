//! The sender's side of one upload over one connection: what is said, which chunk comes next, what the answer means.
//! It reads no file and keeps no time; the session machine has the deadlines.

use crate::upload::{
    ChunkRanges, UploadId, UploadMessageError, UploadPlan, UploadReply, UploadRequest,
};

/// What the sender does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum UploadStep {
    /// Say [`UploadSender::announcement`], then wait for the reply.
    Announce,
    /// Send this chunk, then call [`UploadSender::sent`].
    Chunk(u32),
    /// Say [`UploadSender::end_message`], then wait for the reply.
    Verify,
    /// Over: the worker has the file. Without an agreement nobody says so, and it is over after the last chunk.
    Done,
    /// Over: the worker has other bytes than these.
    Mismatch,
}

/// One upload over one connection. Without an id, to an original: every chunk in order and nothing else.
#[derive(Debug)]
pub struct UploadSender {
    plan: UploadPlan,
    id: Option<UploadId>,
    /// What the worker had; `None` until it said so.
    have: Option<ChunkRanges>,
    next: u32,
    verified: Option<bool>,
}

impl UploadSender {
    /// Sends this file. `id`: both ends agreed on resumable uploads.
    pub fn new(plan: UploadPlan, id: Option<UploadId>) -> Self {
        UploadSender {
            plan,
            have: id.is_none().then(ChunkRanges::default),
            id,
            next: 0,
            verified: id.is_none().then_some(true),
        }
    }

    /// What to do now.
    pub fn step(&self) -> UploadStep {
        if self.have.is_none() {
            return UploadStep::Announce;
        }
        if self.next < self.plan.total_chunks() {
            return UploadStep::Chunk(self.next);
        }
        match self.verified {
            None => UploadStep::Verify,
            Some(true) => UploadStep::Done,
            Some(false) => UploadStep::Mismatch,
        }
    }

    /// The text to send first; `None` without an agreement.
    pub fn announcement(&self) -> Option<String> {
        let announce = UploadRequest::Announce {
            id: self.id?,
            size: self.plan.file_size(),
            chunk: u32::try_from(self.plan.chunk_size()).ok()?,
        };
        Some(announce.text())
    }

    /// The text to send after the last chunk; `None` without an agreement.
    pub fn end_message(&self, sha256: [u8; 32]) -> Option<String> {
        Some(
            UploadRequest::End {
                id: self.id?,
                sha256,
            }
            .text(),
        )
    }

    /// The chunk of the current step was handed over.
    pub fn sent(&mut self) {
        if let UploadStep::Chunk(index) = self.step() {
            self.next = self.missing(index + 1);
        }
    }

    /// Takes a reply of the worker. Replies about another upload, or to nothing that was asked, change nothing.
    pub fn reply(&mut self, reply: &UploadReply) -> Result<(), UploadMessageError> {
        match reply {
            UploadReply::Have { id, have } if Some(*id) == self.id && self.have.is_none() => {
                have.within(self.plan.total_chunks())?;
                self.have = Some(have.clone());
                self.next = self.missing(0);
            }
            UploadReply::Verified { id, verified }
                if Some(*id) == self.id && self.step() == UploadStep::Verify =>
            {
                self.verified = Some(*verified);
            }
            UploadReply::Have { .. } | UploadReply::Verified { .. } => {}
        }
        Ok(())
    }

    /// How the file is cut.
    pub fn plan(&self) -> &UploadPlan {
        &self.plan
    }

    /// The chunks the worker had before this connection; `None` until it said so.
    pub fn have(&self) -> Option<&ChunkRanges> {
        self.have.as_ref()
    }

    /// Chunks and bytes of the file the worker had before this connection.
    pub fn resumed(&self) -> (u32, u64) {
        let ranges = self.have.as_ref().map_or(&[][..], ChunkRanges::as_slice);
        ranges.iter().fold((0, 0), |(chunks, bytes), &(from, to)| {
            let end = |index: u32| {
                let end = u64::from(index) * self.plan.chunk_size() as u64;
                end.min(self.plan.file_size())
            };
            (chunks + (to - from), bytes + end(to) - end(from))
        })
    }

    fn missing(&self, from: u32) -> u32 {
        let have = self.have.as_ref();
        have.map_or(from, |have| have.next_missing(from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> UploadPlan {
        UploadPlan::new(11, 2).unwrap()
    }

    fn id(n: u128) -> UploadId {
        UploadId::from_random(n)
    }

    fn have(n: u128, ranges: &[(u32, u32)]) -> UploadReply {
        UploadReply::Have {
            id: id(n),
            have: ChunkRanges::new(ranges.to_vec()).unwrap(),
        }
    }

    fn chunks(sender: &mut UploadSender) -> Vec<u32> {
        let mut sent = Vec::new();
        while let UploadStep::Chunk(index) = sender.step() {
            sent.push(index);
            sender.sent();
        }
        sent
    }

    #[test]
    fn an_original_gets_every_chunk_and_no_word() {
        let mut sender = UploadSender::new(plan(), None);
        assert_eq!(
            (sender.announcement(), sender.end_message([0; 32])),
            (None, None)
        );
        assert_eq!(chunks(&mut sender), [0, 1, 2, 3, 4, 5]);
        assert_eq!(
            (sender.step(), sender.resumed()),
            (UploadStep::Done, (0, 0))
        );
    }

    #[test]
    fn only_missing_chunks_are_sent() {
        for (ranges, sent, resumed) in [
            (&[][..], &[0, 1, 2, 3, 4, 5][..], (0, 0)),
            (&[(0, 2)], &[2, 3, 4, 5], (2, 4)),
            (&[(1, 2), (4, 6)], &[0, 2, 3], (3, 5)),
            (&[(0, 6)], &[], (6, 11)),
        ] {
            let mut sender = UploadSender::new(plan(), Some(id(1)));
            assert_eq!(sender.step(), UploadStep::Announce);
            sender.reply(&have(1, ranges)).unwrap();
            assert_eq!(chunks(&mut sender), sent);
            assert_eq!(
                (sender.step(), sender.resumed()),
                (UploadStep::Verify, resumed)
            );
        }
    }

    #[test]
    fn only_the_worker_says_that_the_file_is_right() {
        for verified in [true, false] {
            let mut sender = UploadSender::new(plan(), Some(id(1)));
            let verdict = |n| UploadReply::Verified {
                id: id(n),
                verified,
            };
            sender.reply(&verdict(1)).unwrap();
            assert_eq!(sender.step(), UploadStep::Announce, "too early to be true");
            sender.reply(&have(1, &[(0, 5)])).unwrap();
            sender.reply(&verdict(1)).unwrap();
            assert_eq!(sender.step(), UploadStep::Chunk(5));
            sender.sent();
            sender.reply(&verdict(2)).unwrap();
            assert_eq!(sender.step(), UploadStep::Verify, "another upload");
            sender.reply(&verdict(1)).unwrap();
            let over = if verified {
                UploadStep::Done
            } else {
                UploadStep::Mismatch
            };
            assert_eq!(sender.step(), over);
        }
    }

    #[test]
    fn a_reply_that_is_not_ours_or_impossible_sends_nothing_less() {
        let mut sender = UploadSender::new(plan(), Some(id(1)));
        sender.reply(&have(2, &[(0, 6)])).unwrap();
        assert_eq!(sender.step(), UploadStep::Announce);
        assert!(sender.reply(&have(1, &[(0, 7)])).is_err());
        assert_eq!(sender.step(), UploadStep::Announce);
        sender.reply(&have(1, &[(0, 1)])).unwrap();
        sender.reply(&have(1, &[(0, 6)])).unwrap();
        assert_eq!(
            sender.step(),
            UploadStep::Chunk(1),
            "the first answer counts"
        );
    }
}
