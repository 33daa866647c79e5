//! Waiting for a session without blocking a thread: the asynchronous twins of starting, waiting and closing.
//! They need no runtime: whoever polls is woken by its own waker when something changed.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use crate::error::SessionError;
use crate::session::life::{Closes, Started, closed_result};
use crate::session::queue::Next;
use crate::session::shared::{Shared, State, lock};
use crate::session::{Ended, Session};

/// Frames thrown away at one go before other tasks of the executor get their turn.
const FRAMES_A_TURN: usize = 32;

impl Session {
    /// The asynchronous form of [`start`](Self::start): resolves once the worker can take frames. Needs no runtime.
    ///
    /// Nothing happens before the first poll, which costs the start of a few threads. Cancel-safe: dropping the future
    /// leaves the session starting; ask again, or close it.
    pub fn ready(&self) -> impl Future<Output = Result<(), SessionError>> + Send + use<> {
        let waiter = Waiter::new(&self.shared);
        async move {
            match waiter.start().await? {
                Started::Yes if waiter.shared.plan.media.sends => {
                    poll_fn(|cx| waiter.look(cx, |state| waiter.shared.sending(state))).await
                }
                Started::Yes => Ok(()),
                Started::Closed | Started::Timeout => Err(SessionError::Closed),
            }
        }
    }

    /// The asynchronous form of [`wait`](Self::wait) without a limit: takes frames and throws them away until the end of
    /// the stream. Calls no frame handlers and does not close the session. Needs no runtime.
    ///
    /// Cancel-safe: dropping the future ends the taking and nothing else.
    pub fn finished(&self) -> impl Future<Output = Result<Ended, SessionError>> + Send + use<> {
        let waiter = Waiter::new(&self.shared);
        async move {
            if waiter.start().await? != Started::Yes {
                return closed_result(None);
            }
            poll_fn(|cx| {
                for _ in 0..FRAMES_A_TURN {
                    match waiter.next(cx, false) {
                        Poll::Ready(Next::Frame(_, ticket)) => waiter.shared.consumed(ticket),
                        Poll::Ready(Next::End(result)) => return Poll::Ready(result),
                        Poll::Ready(Next::Timeout) | Poll::Pending => return Poll::Pending,
                    }
                }
                cx.waker().wake_by_ref();
                Poll::Pending
            })
            .await
        }
    }

    /// The asynchronous form of [`close`](Self::close): closing begins with the first poll, and the future resolves when
    /// everything is released, at the latest after [`ClientOptions::shutdown_timeout`](crate::ClientOptions). Needs no
    /// runtime; a thread waits meanwhile where there is something to wait for.
    ///
    /// Cancel-safe: once polled, the closing goes on without the future.
    pub fn closed(&self) -> impl Future<Output = ()> + Send + use<> {
        let waiter = Waiter::new(&self.shared);
        async move {
            let shared = &waiter.shared;
            match shared.begin_close() {
                Closes::FromWithin => return,
                Closes::Now => return shared.handlers.clear(),
                Closes::Later => {}
            }
            let done = Arc::new(AtomicBool::new(false));
            let (closing, over) = (shared.clone(), done.clone());
            let helper = std::thread::Builder::new().name("framewire-close".into());
            let helper = helper.spawn(move || {
                closing.close();
                // Under the lock, so that nobody looks before and parks after.
                let state = lock(&closing.state);
                over.store(true, Ordering::Relaxed);
                drop(state);
                closing.changed.notify_all();
            });
            if helper.is_err() {
                return shared.close();
            }
            poll_fn(|cx| waiter.look(cx, |_| done.load(Ordering::Relaxed).then_some(()))).await;
        }
    }
}

/// One task's place among those that wait for a session. Keeps no session open.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) shared: Arc<Shared>,
    pub(super) place: u64,
}

impl Waiter {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Waiter {
            shared: shared.clone(),
            place: shared.changed.place(),
        }
    }

    async fn start(&self) -> Result<Started, SessionError> {
        self.shared.begin_start()?;
        poll_fn(|cx| self.started(cx)).await
    }

    /// What became of a start that was begun.
    pub(super) fn started(&self, cx: &Context<'_>) -> Poll<Result<Started, SessionError>> {
        self.look(cx, State::start_outcome)
    }

    /// The next frame or the end; see [`Shared::next_frame`].
    pub(super) fn next(&self, cx: &Context<'_>, pictures: bool) -> Poll<Next> {
        self.shared.changed.unpark(self.place);
        match self.shared.take_next(lock(&self.shared.state), pictures) {
            Ok(next) => Poll::Ready(next),
            Err(_state) => {
                self.shared.changed.park(self.place, cx.waker());
                Poll::Pending
            }
        }
    }

    fn look<T>(&self, cx: &Context<'_>, find: impl FnOnce(&State) -> Option<T>) -> Poll<T> {
        self.shared.changed.unpark(self.place);
        let state = lock(&self.shared.state);
        match find(&state) {
            Some(found) => Poll::Ready(found),
            None => {
                self.shared.changed.park(self.place, cx.waker());
                Poll::Pending
            }
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.shared.changed.unpark(self.place);
    }
}
