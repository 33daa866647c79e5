//! User handlers: registration, and calling them so that a panic stays theirs.
//! Not here: which message goes to whom in what order.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use framewire_protocol::message::VideoMetadata;

use crate::json::{Json, Outputs};
use crate::recovery::Gap;
use crate::session::errors::{ErrorLog, StreamErrorKind};
use crate::session::{FrameEvent, ResultEvent, StreamError};

type Shared<F> = Arc<Mutex<Box<F>>>;
type FrameHandler = Shared<dyn FnMut(&FrameEvent) + Send>;
type AnyHandler = Shared<dyn FnMut(Option<&Outputs>, Option<&VideoMetadata>) + Send>;
type ResultHandler = Shared<dyn FnMut(&ResultEvent<'_>) + Send>;
type FieldHandler = Shared<dyn FnMut(&Json, Option<&VideoMetadata>) + Send>;
type GapHandler = Shared<dyn FnMut(&Gap) + Send>;
type StreamErrorHandler = Shared<dyn FnMut(&StreamError) + Send>;
type ErrorHandler = Shared<dyn FnMut(&[String], Option<&VideoMetadata>) + Send>;

/// All handlers of a session. Lists are replaced as a whole, so a call works on the list of its beginning.
#[derive(Default)]
pub(crate) struct Handlers {
    errors: Arc<ErrorLog>,
    frame: Mutex<Arc<[FrameHandler]>>,
    result: Mutex<Arc<[ResultHandler]>>,
    any: Mutex<Option<AnyHandler>>,
    fields: Mutex<HashMap<String, Arc<[FieldHandler]>>>,
    error: Mutex<Arc<[ErrorHandler]>>,
    stream_error: Mutex<Arc<[StreamErrorHandler]>>,
    gap: Mutex<Arc<[GapHandler]>>,
    panics: AtomicU64,
}

impl std::fmt::Debug for Handlers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handlers")
            .field("panics", &self.panics)
            .finish_non_exhaustive()
    }
}

impl Handlers {
    /// No handlers; their failures go into this log.
    pub(crate) fn new(errors: Arc<ErrorLog>) -> Self {
        Handlers {
            errors,
            ..Handlers::default()
        }
    }

    pub(crate) fn add_frame(&self, handler: impl FnMut(&FrameEvent) + Send + 'static) {
        append(
            &mut lock(&self.frame),
            Arc::new(Mutex::new(Box::new(handler))),
        );
    }

    pub(crate) fn add_result(&self, handler: impl FnMut(&ResultEvent<'_>) + Send + 'static) {
        append(
            &mut lock(&self.result),
            Arc::new(Mutex::new(Box::new(handler))),
        );
    }

    pub(crate) fn set_any(
        &self,
        handler: impl FnMut(Option<&Outputs>, Option<&VideoMetadata>) + Send + 'static,
    ) {
        *lock(&self.any) = Some(Arc::new(Mutex::new(Box::new(handler))));
    }

    pub(crate) fn add_field(
        &self,
        field: String,
        handler: impl FnMut(&Json, Option<&VideoMetadata>) + Send + 'static,
    ) {
        let mut fields = lock(&self.fields);
        append(
            fields.entry(field).or_insert_with(|| Arc::new([])),
            Arc::new(Mutex::new(Box::new(handler))),
        );
    }

    pub(crate) fn add_error(
        &self,
        handler: impl FnMut(&[String], Option<&VideoMetadata>) + Send + 'static,
    ) {
        append(
            &mut lock(&self.error),
            Arc::new(Mutex::new(Box::new(handler))),
        );
    }

    pub(crate) fn add_gap(&self, handler: impl FnMut(&Gap) + Send + 'static) {
        append(
            &mut lock(&self.gap),
            Arc::new(Mutex::new(Box::new(handler))),
        );
    }

    pub(crate) fn call_gap(&self, gap: &Gap) {
        let list = lock(&self.gap).clone();
        for handler in list.iter() {
            self.contained("gap", || (lock(handler))(gap));
        }
    }

    pub(crate) fn add_stream_error(&self, handler: impl FnMut(&StreamError) + Send + 'static) {
        append(
            &mut lock(&self.stream_error),
            Arc::new(Mutex::new(Box::new(handler))),
        );
    }

    /// Whether anybody wants to hear of errors.
    pub(crate) fn has_stream_error(&self) -> bool {
        !lock(&self.stream_error).is_empty()
    }

    pub(crate) fn call_stream_error(&self, error: &StreamError) {
        let list = lock(&self.stream_error).clone();
        for handler in list.iter() {
            // Its own failure is counted and not reported: it would be called with it, and so on.
            if let Some(text) = contained("stream error", || (lock(handler))(error)) {
                self.panics.fetch_add(1, Ordering::Relaxed);
                tracing::warn!("{text}");
            }
        }
    }

    pub(crate) fn call_frame(&self, event: &FrameEvent) {
        let list = lock(&self.frame).clone();
        for handler in list.iter() {
            self.contained("frame", || (lock(handler))(event));
        }
    }

    pub(crate) fn call_result(&self, event: &ResultEvent<'_>) {
        let list = lock(&self.result).clone();
        for handler in list.iter() {
            self.contained("result", || (lock(handler))(event));
        }
    }

    pub(crate) fn call_any(&self, outputs: Option<&Outputs>, metadata: Option<&VideoMetadata>) {
        let handler = lock(&self.any).clone();
        if let Some(handler) = handler {
            self.contained("data", || (lock(&handler))(outputs, metadata));
        }
    }

    /// Whether anybody wants all outputs; saves building the filtered list.
    pub(crate) fn has_any(&self) -> bool {
        lock(&self.any).is_some()
    }

    pub(crate) fn call_field(&self, name: &str, value: &Json, metadata: Option<&VideoMetadata>) {
        let list = lock(&self.fields).get(name).cloned();
        for handler in list.iter().flat_map(|list| list.iter()) {
            self.contained("data", || (lock(handler))(value, metadata));
        }
    }

    pub(crate) fn call_error(&self, errors: &[String], metadata: Option<&VideoMetadata>) {
        let list = lock(&self.error).clone();
        for handler in list.iter() {
            self.contained("error", || (lock(handler))(errors, metadata));
        }
    }

    pub(crate) fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }

    /// Drops every handler and what it captured.
    pub(crate) fn clear(&self) {
        let frame = std::mem::replace(&mut *lock(&self.frame), Arc::new([]));
        let result = std::mem::replace(&mut *lock(&self.result), Arc::new([]));
        let any = lock(&self.any).take();
        let fields = std::mem::take(&mut *lock(&self.fields));
        let error = std::mem::replace(&mut *lock(&self.error), Arc::new([]));
        let gap = std::mem::replace(&mut *lock(&self.gap), Arc::new([]));
        let stream_error = std::mem::replace(&mut *lock(&self.stream_error), Arc::new([]));
        // Dropping runs foreign code: not under our locks.
        drop((frame, result, any, fields, error, gap, stream_error));
    }

    /// A handler failed with this text.
    pub(crate) fn failed(&self, text: String) {
        self.panics.fetch_add(1, Ordering::Relaxed);
        self.errors.add(StreamErrorKind::Handler, None, text);
    }

    fn contained(&self, kind: &str, call: impl FnOnce()) {
        if let Some(text) = contained(kind, call) {
            tracing::warn!("{text}");
            self.failed(text);
        }
    }
}

/// Calls a handler; what it says of its panic, if it panicked.
fn contained(kind: &str, call: impl FnOnce()) -> Option<String> {
    let panic = catch_unwind(AssertUnwindSafe(call)).err()?;
    let text = panic.downcast_ref::<&str>().copied().map(str::to_owned);
    let text = text
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    Some(format!(
        "a {kind} handler panicked ({text}); the session goes on"
    ))
}

fn append<T>(list: &mut Arc<[Arc<T>]>, item: Arc<T>)
where
    T: ?Sized,
{
    *list = list.iter().cloned().chain(std::iter::once(item)).collect();
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A handler that panicked keeps its state as it left it; that is its business.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn a_panic_is_counted_and_the_next_handler_and_the_next_call_go_on() {
        let handlers = Handlers::default();
        let (seen, calls) = mpsc::channel();
        handlers.add_error(|_, _| panic!("mine"));
        handlers.add_error(move |errors, _| seen.send(errors.len()).unwrap());
        handlers.call_error(&["a".into()], None);
        handlers.call_error(&["a".into(), "b".into()], None);
        assert_eq!(calls.try_iter().collect::<Vec<_>>(), [1, 2]);
        assert_eq!(handlers.panics(), 2);
    }

    #[test]
    fn the_last_global_handler_wins_and_field_handlers_add_up() {
        let handlers = Arc::new(Handlers::default());
        let (seen, calls) = mpsc::channel();
        let first = seen.clone();
        handlers.set_any(move |_, _| first.send("first").unwrap());
        let second = seen.clone();
        handlers.set_any(move |_, _| second.send("second").unwrap());
        for name in ["x1", "x2"] {
            let seen = seen.clone();
            handlers.add_field("x".into(), move |_, _| seen.send(name).unwrap());
        }
        let value = Json::from_checked(framewire_protocol::raw::Piece::plain("1".into()));
        handlers.call_any(None, None);
        handlers.call_field("x", &value, None);
        handlers.call_field("y", &value, None);
        assert_eq!(calls.try_iter().collect::<Vec<_>>(), ["second", "x1", "x2"]);
    }

    #[test]
    fn a_handler_may_register_handlers_and_clearing_drops_captures() {
        let handlers = Arc::new(Handlers::default());
        let captured = Arc::new(());
        let inner = (Arc::clone(&handlers), Arc::clone(&captured));
        handlers.add_error(move |_, _| {
            let keep = Arc::clone(&inner.1);
            inner.0.add_error(move |_, _| drop(Arc::clone(&keep)));
        });
        handlers.call_error(&[], None);
        handlers.call_error(&[], None);
        assert!(Arc::strong_count(&captured) > 1);
        handlers.clear();
        assert_eq!(Arc::strong_count(&captured), 1);
    }
}
