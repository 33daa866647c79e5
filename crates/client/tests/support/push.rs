//! Numbered pictures pushed into a session, in step with what comes back.
//! No clock paces them: a test waits for what the last one caused.

use framewire::{Frame, FrameEvent, FramePool, FrameSender};
use framewire_media::{TestPattern, read_pattern_counter};

/// Makes and sends numbered pictures.
pub(crate) struct Pusher {
    pub(crate) sender: FrameSender,
    pattern: TestPattern,
    pool: FramePool,
}

impl Pusher {
    pub(crate) fn new(sender: FrameSender) -> Pusher {
        Pusher {
            sender,
            pattern: TestPattern::new(320, 240, 30).unwrap(),
            pool: FramePool::default(),
        }
    }

    pub(crate) fn picture(&mut self, number: u32) -> Frame {
        self.pattern.frame(number, &self.pool).unwrap()
    }

    pub(crate) fn push(&mut self, number: u32) {
        let picture = self.picture(number);
        self.sender.send(picture).unwrap();
    }

    /// From now on, pictures of this size.
    pub(crate) fn resize(&mut self, width: u32, height: u32) {
        self.pattern = TestPattern::new(width, height, 30).unwrap();
    }
}

/// The number in a returned picture.
pub(crate) fn number(event: &FrameEvent) -> u32 {
    assert!(event.frame.bgr_bytes().is_some(), "frames are BGR");
    read_pattern_counter(&event.frame).expect("a readable picture")
}
