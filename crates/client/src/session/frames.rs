//! Frames one by one, for whoever prefers a loop to handlers.
//! Not here: where they come from; a frame counts as handled when the next one is asked for.

use crate::error::SessionError;
use crate::session::life::Started;
use crate::session::queue::Next;
use crate::session::{FrameEvent, Session};

/// Iterator over the frames of a session; see [`Session::frames`].
#[derive(Debug)]
pub struct Frames<'a> {
    session: &'a Session,
    place: u64,
    started: bool,
    over: bool,
}

impl<'a> Frames<'a> {
    pub(super) fn new(session: &'a Session) -> Self {
        Frames {
            session,
            place: session.shared.changed.place(),
            started: false,
            over: false,
        }
    }

    fn done_with_last(&mut self) {
        self.session.shared.put_down(self.place);
    }

    fn end(&mut self, error: Option<SessionError>) -> Option<Result<FrameEvent, SessionError>> {
        self.over = true;
        error.map(Err)
    }
}

impl Iterator for Frames<'_> {
    type Item = Result<FrameEvent, SessionError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.done_with_last();
        if self.over {
            return None;
        }
        if !self.started {
            match self.session.shared.ensure_started(None) {
                Ok(Started::Yes) => self.started = true,
                Ok(_) => return self.end(None),
                Err(error) => return self.end(Some(error)),
            }
        }
        loop {
            match self.session.shared.next_frame(None, true) {
                Next::Frame(event, ticket) => {
                    self.session.shared.hold(self.place, ticket);
                    return Some(Ok(event));
                }
                Next::End(result) => return self.end(result.err()),
                Next::Timeout => {}
            }
        }
    }
}

impl std::iter::FusedIterator for Frames<'_> {}

impl Drop for Frames<'_> {
    fn drop(&mut self) {
        self.done_with_last();
    }
}
