//! Frames one by one for asynchronous code.
//! Not here: where they come from; a frame counts as handled when the next one is asked for.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use futures_core::stream::FusedStream;

use crate::error::SessionError;
use crate::session::life::Started;
use crate::session::queue::Next;
use crate::session::tasks::Waiter;
use crate::session::{FrameEvent, Session};

impl Session {
    /// The frames of the session as a [`Stream`]: the asynchronous form of [`frames`](Self::frames), for any executor.
    ///
    /// The session starts with the first poll. A frame counts as handled when the next one is polled for, when another
    /// consumer waits for one, or when the stream is dropped. Ends with the stream of the worker or when the session is closed; an error is the last item. Several may
    /// exist: each frame goes to one of them. It owns what it needs, but dropping the session closes it and ends the
    /// stream; dropping the stream does not close the session.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use framewire::{Client, StreamConfig, VideoFileSource, Workflow};
    ///
    /// let session = Client::new("http://127.0.0.1:9001").stream(
    ///     VideoFileSource::new("bikes.mp4"),
    ///     Workflow::by_id("my-space", "count-people"),
    ///     StreamConfig::new().stream_output(["image"]),
    /// )?;
    /// let mut frames = session.frame_stream();
    /// while let Some(frame) = frames.next().await {
    ///     println!("{:?}", frame?.frame_id());
    /// }
    /// session.closed().await;
    /// # Ok(())
    /// # }
    /// ```
    pub fn frame_stream(&self) -> FrameStream {
        FrameStream {
            waiter: Waiter::new(&self.shared),
            stage: Stage::New,
            pictures: true,
        }
    }
}

/// Stream over the frames of a session; see [`Session::frame_stream`].
#[derive(Debug)]
pub struct FrameStream {
    waiter: Waiter,
    stage: Stage,
    pictures: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    New,
    Starting,
    Streaming,
    Over,
}

impl FrameStream {
    /// For consumers that throw the pictures away: those of video tracks are not converted to BGR and come as the decoder
    /// made them.
    pub fn without_pictures(mut self) -> Self {
        self.pictures = false;
        self
    }

    /// The next frame, an error as the last item, or `None` after the end. Cancel-safe: a frame that was not returned is
    /// kept for the next call.
    pub async fn next(&mut self) -> Option<Result<FrameEvent, SessionError>> {
        poll_fn(|cx| self.poll_frame(cx)).await
    }

    /// Polls for the next frame; [`next`](Self::next) for those who write futures. Never blocks; the first call costs the
    /// start of a few threads.
    pub fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<FrameEvent, SessionError>>> {
        self.done_with_last();
        loop {
            match self.stage {
                Stage::New => match self.waiter.shared.begin_start() {
                    Ok(()) => self.stage = Stage::Starting,
                    Err(error) => return self.end(Some(error)),
                },
                Stage::Starting => match ready!(self.waiter.started(cx)) {
                    Ok(Started::Yes) => self.stage = Stage::Streaming,
                    Ok(Started::Closed | Started::Timeout) => return self.end(None),
                    Err(error) => return self.end(Some(error)),
                },
                Stage::Streaming => match ready!(self.waiter.next(cx, self.pictures)) {
                    Next::Frame(event, ticket) => {
                        self.waiter.shared.hold(self.waiter.place, ticket);
                        return Poll::Ready(Some(Ok(event)));
                    }
                    Next::End(result) => return self.end(result.err()),
                    Next::Timeout => {}
                },
                Stage::Over => return Poll::Ready(None),
            }
        }
    }

    fn end(
        &mut self,
        error: Option<SessionError>,
    ) -> Poll<Option<Result<FrameEvent, SessionError>>> {
        self.stage = Stage::Over;
        Poll::Ready(error.map(Err))
    }

    fn done_with_last(&mut self) {
        self.waiter.shared.put_down(self.waiter.place);
    }
}

impl Stream for FrameStream {
    type Item = Result<FrameEvent, SessionError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_frame(cx)
    }
}

impl FusedStream for FrameStream {
    fn is_terminated(&self) -> bool {
        self.stage == Stage::Over
    }
}

impl Drop for FrameStream {
    fn drop(&mut self) {
        self.done_with_last();
    }
}
